/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The state of the admission core, shared by its four files: messages (berth-admission.c), the life
 * of VMs (-vms.c), who is next (-dispatch.c), and what is shown of it (-status.c). */
#pragma once

#include "berth-admission.h"
#include "berth-budgets.h"
#include "berth-vm-private.h"
#include "berth-waiters.h"

G_BEGIN_DECLS

#define BERTH_ADMISSION_MAX_ATTEMPTS 3u

typedef struct _BerthAdmissionVm BerthAdmissionVm;

/**
 * BerthAdmissionWaiter:
 * @base: what the queue knows of it
 * @vm: (unowned): what is being started or claimed for it, or the failed one whose place it
 *   inherits; %NULL while it waits in the queue
 * @admitted_us: when it left the queue
 * @attempts: VMs that were started or claimed for it
 * @first_error: (nullable): why the first of them failed
 * @covered_in: the last pass in which a place was on its way to it
 */
typedef struct
{
  BerthWaiter base;
  BerthAdmissionVm *vm;
  gint64 admitted_us;
  guint attempts;
  GError *first_error;
  guint64 covered_in;
} BerthAdmissionWaiter;

/**
 * BerthAdmissionVm:
 * @vm: (owned): what everyone else sees of it
 * @held: what it holds of the budgets, exactly
 * @waiter: (unowned) (nullable): for whom it is started or claimed, or who inherits its place
 * @mode: what it was started for
 * @is_unstarted: it holds its place, but start() was not called yet
 * @is_delivered: its owner has it
 * @destroy_tickets: (element-type guint64): who hears that it ended
 * @stuck_count: how often its destroy failed
 * @retry_at_us: while it is stuck, when destroy() is tried again
 *
 * One VM that is not gone.
 */
struct _BerthAdmissionVm
{
  BerthVm *vm;
  BerthPlace held;
  BerthAdmissionWaiter *waiter;
  BerthStartMode mode;
  gboolean is_unstarted;
  gboolean is_delivered;
  GArray *destroy_tickets;
  guint stuck_count;
  gint64 retry_at_us;
  GList link;
};

struct _BerthAdmission
{
  BerthBudgets budgets;
  BerthWaiters *queue;
  GHashTable *waiters; /* ticket (borrowed from value) → BerthAdmissionWaiter (owned) */
  GHashTable *no_wait; /* set of BerthAdmissionWaiter (unowned): in the queue, and not to stay */
  GHashTable *vms;     /* BerthVm (borrowed from value) → BerthAdmissionVm (owned) */
  GQueue order;        /* of BerthAdmissionVm's own links, oldest first */
  guint in_state[BERTH_VM_N_STATES];
  guint n_unstarted;
  gboolean is_open;
  gboolean is_shutting_down;
  GArray *shutdown_tickets;
  guint64 pass;       /* of dispatch */
  gint64 now_us;      /* of the message that is being handled */
  GPtrArray *effects; /* of it; NULL between messages */
  BerthPlace allowed; /* for berth_admission_check(): the capacity, or what a resize left above */
};

/* berth-admission.c */
void berth_admission_add_effect (BerthAdmission *self, BerthEffectType type, BerthVm *vm,
                                 BerthStartMode mode);
void
berth_admission_complete (BerthAdmission *self, guint64 ticket, BerthVm *vm, GError *error_taken);
/* ends @waiter, wherever it is, and frees it */
void berth_admission_finish_waiter (BerthAdmission *self, BerthAdmissionWaiter *waiter, BerthVm *vm,
                                    GError *error_taken);

/* berth-admission-vms.c */
BerthPlace berth_admission_place_of (BerthRequest *request);
/* takes @waiter out of the queue, takes a place for it and starts a VM there */
void berth_admission_admit (BerthAdmission *self, BerthAdmissionWaiter *waiter);
void berth_admission_start_unstarted (BerthAdmission *self);
/* idempotent; detaches nobody */
void berth_admission_destroy_vm (BerthAdmission *self, BerthAdmissionVm *av);
/* @waiter left: what was started for it ends */
void berth_admission_abandon_vm (BerthAdmission *self, BerthAdmissionVm *av);
void berth_admission_handle_event (BerthAdmission *self, BerthAdmissionVm *av,
                                   BerthHypervisorEventType event, const GError *error);
void berth_admission_retry_stuck (BerthAdmission *self);
void berth_admission_vm_free (BerthAdmissionVm *av);

/* berth-admission-dispatch.c */
void berth_admission_dispatch (BerthAdmission *self);

/* berth-admission-status.c */
/* why @waiter, in the queue, is not served, and what to do */
GError *
berth_admission_new_capacity_error (BerthAdmission *self, BerthAdmissionWaiter *waiter, gint code);
/* NULL if some budget could hold @request one day */
GError *berth_admission_new_size_error (BerthAdmission *self, BerthRequest *request);

G_END_DECLS
