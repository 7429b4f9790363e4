/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What only the admission core may do to a VM: make one, and move it along its life. */
#pragma once

#include "berth-request.h"
#include "berth-vm.h"

G_BEGIN_DECLS

#define BERTH_VM_N_STATES ((guint)BERTH_VM_STATE_GONE + 1)

/**
 * BerthVmEvent:
 * @BERTH_VM_EVENT_STARTED: its start for a waiter succeeded
 * @BERTH_VM_EVENT_WARMED: its start for the warm pool succeeded
 * @BERTH_VM_EVENT_CLAIM: it was picked for a waiter
 * @BERTH_VM_EVENT_PAUSE: pause() is called for it
 * @BERTH_VM_EVENT_SUSPENDED: it stands still, whoever did that
 * @BERTH_VM_EVENT_WAKE: its vCPUs were taken and wake() is called for it
 * @BERTH_VM_EVENT_RESUMED: it runs, whoever did that
 * @BERTH_VM_EVENT_FAILED: its start or claim failed, or it is unhealthy
 * @BERTH_VM_EVENT_DESTROY: destroy() is called for it, for the first time or again
 * @BERTH_VM_EVENT_STUCK: destroy() failed
 * @BERTH_VM_EVENT_GONE: nothing is left of it
 */
typedef enum
{
  BERTH_VM_EVENT_STARTED,
  BERTH_VM_EVENT_WARMED,
  BERTH_VM_EVENT_CLAIM,
  BERTH_VM_EVENT_PAUSE,
  BERTH_VM_EVENT_SUSPENDED,
  BERTH_VM_EVENT_WAKE,
  BERTH_VM_EVENT_RESUMED,
  BERTH_VM_EVENT_FAILED,
  BERTH_VM_EVENT_DESTROY,
  BERTH_VM_EVENT_STUCK,
  BERTH_VM_EVENT_GONE,
} BerthVmEvent;

#define BERTH_VM_N_EVENTS ((guint)BERTH_VM_EVENT_GONE + 1)

#define BERTH_VM_ID_BYTES 16
#define BERTH_VM_IDS 16u

/**
 * BerthVmIds:
 * @bytes: of the kernel's generator
 * @left: how many of them are not an id yet
 *
 * The next ids: asking the kernel for each took a tenth of a VM's whole admission. Of one thread;
 * empty when it is all zeros.
 */
typedef struct
{
  guint8 bytes[BERTH_VM_IDS][BERTH_VM_ID_BYTES];
  guint left;
} BerthVmIds;

BerthVm *berth_vm_new (const BerthShape *shape, const char *tenant_key, gint64 now_us);

BerthVm *berth_vm_new_with_ids (BerthVmIds *ids, const BerthShape *shape, const char *tenant_key,
                                gint64 now_us);

/* of a new one, before anybody else has it */
void berth_vm_set_id (BerthVm *self, const char *id);

/* TRUE and *out_next where @event means something in @state, else FALSE: it is ignored there */
gboolean berth_vm_next_state (BerthVmState state, BerthVmEvent event, BerthVmState *out_next);
const char *berth_vm_event_to_string (BerthVmEvent event);

/* The only function that changes a VM's state. FALSE, and nothing changed, for an ignored event. */
gboolean berth_vm_fire (BerthVm *self, BerthVmEvent event);

/* once: whose it is from now on, since when, and whether it was warm */
void
berth_vm_set_request (BerthVm *self, BerthRequest *request, gint64 admitted_us, gboolean was_warm);
/* the first reason is kept */
void berth_vm_set_end_reason (BerthVm *self, const char *reason);

G_END_DECLS
