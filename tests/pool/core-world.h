/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The admission core and the fake hypervisor in one virtual time: every step is decided by the
 * test, and the invariants are checked after every message. */
#pragma once

#include "berth-admission.h"
#include "berth-fake-hypervisor.h"

G_BEGIN_DECLS

/**
 * CoreResult:
 * @vm: (nullable): what an acquire got
 * @error: (nullable): how it failed
 * @at_us: when it ended
 * @order: the how manieth end it was
 *
 * How a ticket ended.
 */
typedef struct
{
  BerthVm *vm;
  GError *error;
  gint64 at_us;
  guint order;
} CoreResult;

typedef struct
{
  BerthAdmission *core;
  BerthFakeHypervisor *fake;
  GQueue inbox; /* of events from the fake, in the order in which it gave them */
  gint64 now_us;
  guint64 last_ticket;
  GHashTable *results;   /* ticket → CoreResult */
  GHashTable *delivered; /* set of BerthVm that somebody got: nobody gets one twice */
  GPtrArray *gone;       /* of BerthVm that were lost, in order */
  BerthCapacity capacity;
  guint64 n_messages;
} CoreWorld;

CoreWorld *core_world_new (const BerthCapacity *capacity);
void core_world_free (CoreWorld *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (CoreWorld, core_world_free)

/* one message, then everything that the fake answers at once */
void core_world_send (CoreWorld *self, const BerthMessage *message);

guint64 core_world_acquire_request (CoreWorld *self, BerthRequest *request);
/* tenant and user as given, template "python", 1 vCPU */
guint64 core_world_acquire (CoreWorld *self, const char *tenant, guint memory_mb, gint64 wait_us);
guint64 core_world_destroy (CoreWorld *self, BerthVm *vm);
guint64 core_world_pause (CoreWorld *self, BerthVm *vm);
guint64 core_world_wake (CoreWorld *self, BerthVm *vm, gint64 wait_us);
void core_world_cancel (CoreWorld *self, guint64 ticket);
void core_world_resize (CoreWorld *self, const BerthCapacity *capacity);
void core_world_set_tenants (CoreWorld *self, BerthTenantPolicy *policy);
void core_world_set_open (CoreWorld *self, gboolean open);
void core_world_set_admitting (CoreWorld *self, gboolean admitting);
void
core_world_set_warm (CoreWorld *self, const char *template_name, const BerthWarmTarget *target);
void core_world_set_tenant_warm (CoreWorld *self, const char *template_name, const char *tenant_key,
                                 const BerthWarmTarget *target);
/* BERTH_MESSAGE_DRAIN, FILL, TEMPLATE_CHANGED or SET_PRESSURE */
void
core_world_tell (CoreWorld *self, BerthMessageType type, const char *template_name, gboolean flag);
guint64 core_world_shutdown (CoreWorld *self);

/* NULL while it has not ended */
CoreResult *core_world_get_result (CoreWorld *self, guint64 ticket);
/* aborts unless it has a VM */
BerthVm *core_world_get_vm (CoreWorld *self, guint64 ticket);
/* it ended without an error */
void core_world_assert_done (CoreWorld *self, guint64 ticket);
void core_world_assert_pending (CoreWorld *self, guint64 ticket);
void core_world_assert_error (CoreWorld *self, guint64 ticket, GQuark domain, gint code);
/* of the status: "slots" and "free", and so on */
guint core_world_get_number (CoreWorld *self, const char *group, const char *key);
void core_world_assert_free (CoreWorld *self, guint wanted, const char *wanted_bound);

/* of the status of one template */
GVariant *core_world_dup_template (CoreWorld *self, const char *template_name);
guint core_world_get_template_number (CoreWorld *self, const char *template_name, const char *key);

/* lets @us pass, with everything that is due meanwhile */
void core_world_advance (CoreWorld *self, gint64 us);

G_END_DECLS
