/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The pure core of admission: messages in, effects out; no threads, no clock, no hypervisor. */
#pragma once

#include "berth-capacity.h"
#include "berth-hypervisor.h"
#include "berth-request.h"
#include "berth-tenant-policy.h"
#include "berth-vm.h"

G_BEGIN_DECLS

/**
 * BerthMessageType:
 * @BERTH_MESSAGE_TICK: nothing but that time has passed
 * @BERTH_MESSAGE_ACQUIRE: `ticket` asks for a VM for `request`
 * @BERTH_MESSAGE_CANCEL: the acquire of `ticket` is not wanted any more
 * @BERTH_MESSAGE_DESTROY: `vm` is to end; `ticket` hears when it did, 0 for nobody
 * @BERTH_MESSAGE_PAUSE: `vm`, somebody's, is to stand still; `ticket` hears when it does
 * @BERTH_MESSAGE_WAKE: `ticket` wants `vm` to run, and waits for its vCPUs by `request`, made by
 *   berth_request_new_wake()
 * @BERTH_MESSAGE_EVENT: the hypervisor says `event` of `vm`, with `error`
 * @BERTH_MESSAGE_RESIZE: `capacity` holds from now on
 * @BERTH_MESSAGE_SET_OPEN: the gate is open if `flag`
 * @BERTH_MESSAGE_SET_ADMITTING: requests are given VMs if `flag`; else they wait, and no warm VM
 *   is kept
 * @BERTH_MESSAGE_SHUTDOWN: everything is to end; `ticket` hears when it did
 * @BERTH_MESSAGE_SET_WARM: `target` is wanted of `template_name`, for the tenant of `tenant_key`
 *   alone or (%NULL) for anybody
 * @BERTH_MESSAGE_DRAIN: no warm VM of `template_name` (%NULL: of any) is kept
 * @BERTH_MESSAGE_FILL: they are wanted again, at once
 * @BERTH_MESSAGE_TEMPLATE_CHANGED: warm VMs of `template_name` for `tenant_key`, likewise, are
 *   outdated
 * @BERTH_MESSAGE_SET_PRESSURE: the host is short of memory if `flag`
 * @BERTH_MESSAGE_SET_TENANTS: `policy` holds from now on
 * @BERTH_MESSAGE_ADOPT: `vm` exists already: `request`'s own, or (%NULL) to be looked at by the
 *   hypervisor, which tells STARTED or FAILED of it, and then warm; `flag`: it is paused
 */
typedef enum
{
  BERTH_MESSAGE_TICK,
  BERTH_MESSAGE_ACQUIRE,
  BERTH_MESSAGE_CANCEL,
  BERTH_MESSAGE_DESTROY,
  BERTH_MESSAGE_PAUSE,
  BERTH_MESSAGE_WAKE,
  BERTH_MESSAGE_EVENT,
  BERTH_MESSAGE_RESIZE,
  BERTH_MESSAGE_SET_OPEN,
  BERTH_MESSAGE_SET_ADMITTING,
  BERTH_MESSAGE_SHUTDOWN,
  BERTH_MESSAGE_SET_WARM,
  BERTH_MESSAGE_DRAIN,
  BERTH_MESSAGE_FILL,
  BERTH_MESSAGE_TEMPLATE_CHANGED,
  BERTH_MESSAGE_SET_PRESSURE,
  BERTH_MESSAGE_SET_TENANTS,
  BERTH_MESSAGE_ADOPT,
} BerthMessageType;

/**
 * BerthMessage:
 *
 * One message; the fields that its type names count, the others are 0. All are borrowed. A ticket
 * is a number above 0 that its sender never uses again.
 */
typedef struct
{
  BerthMessageType type;
  guint64 ticket;
  BerthRequest *request;
  BerthVm *vm;
  BerthHypervisorEventType event;
  const GError *error;
  const BerthCapacity *capacity;
  const char *template_name;
  const char *tenant_key;
  const BerthWarmTarget *target;
  BerthTenantPolicy *policy;
  gboolean flag;
} BerthMessage;

/**
 * BerthEffectType:
 * @BERTH_EFFECT_START: call start() for `vm` with `mode`
 * @BERTH_EFFECT_CLAIM: call claim() for `vm`
 * @BERTH_EFFECT_PAUSE: call pause() for `vm`
 * @BERTH_EFFECT_WAKE: call wake() for `vm`
 * @BERTH_EFFECT_DESTROY: call destroy() for `vm`
 * @BERTH_EFFECT_COMPLETE: `ticket` ended: with `vm` (an acquire), with neither (destroy, pause,
 * wake, shutdown), or with `error`
 * @BERTH_EFFECT_VM_GONE: a VM that its owner has is gone without being asked to
 */
typedef enum
{
  BERTH_EFFECT_START,
  BERTH_EFFECT_CLAIM,
  BERTH_EFFECT_PAUSE,
  BERTH_EFFECT_WAKE,
  BERTH_EFFECT_DESTROY,
  BERTH_EFFECT_COMPLETE,
  BERTH_EFFECT_VM_GONE,
} BerthEffectType;

/**
 * BerthEffect:
 *
 * What is to be done because of a message, in the order in which it is returned. `vm` and `error`
 * are owned by the effect.
 */
typedef struct
{
  BerthEffectType type;
  guint64 ticket;
  BerthVm *vm;
  BerthStartMode mode;
  GError *error;
} BerthEffect;

/* that a status tells of one by one: with a thousand, a user whose requests wait by the hundred
 * made everybody else's status ten times as slow (tests/bench/bench-attacks.py, "many waiters") */
#define BERTH_STATUS_MAX_WAITERS 100u

typedef struct _BerthAdmission BerthAdmission;

void berth_effect_free (BerthEffect *effect);

BerthAdmission *berth_admission_new (const BerthCapacity *capacity);
void berth_admission_free (BerthAdmission *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BerthAdmission, berth_admission_free)

/* @effects: (element-type BerthEffect): appended to */
void berth_admission_handle (BerthAdmission *self, const BerthMessage *message, gint64 now_us,
                             GPtrArray *effects);
/* when a BERTH_MESSAGE_TICK is due; G_MAXINT64 if never */
gint64 berth_admission_next_wakeup_us (BerthAdmission *self);

/* Requests wait, and every place is taken. */
gboolean berth_admission_is_full (BerthAdmission *self);
GVariant *berth_admission_dup_status (BerthAdmission *self, gint64 now_us);
/* where @request waits, from 1; 0 if it does not. Exact where all requests are of one size: counted
 * from what stands before it, not by a walk over the queue. */
guint berth_admission_get_position (BerthAdmission *self, BerthRequest *request, gint64 now_us);
GPtrArray *berth_admission_dup_vms (BerthAdmission *self);

/* aborts with the number of the invariant (design.md) that does not hold; for tests, after every
 * message */
void berth_admission_check (BerthAdmission *self);

G_END_DECLS
