/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The state of the admission core, shared by its files: messages (berth-admission.c), the life of
 * VMs (-vms.c), their sleep (-pause.c), who is next (-dispatch.c), the warm pool (-warm.c), and
 * what is shown of it
 * (-status.c). */
#pragma once

#include "berth-admission.h"
#include "berth-budgets.h"
#include "berth-vm-private.h"
#include "berth-waiters.h"
#include "berth-warm.h"

G_BEGIN_DECLS

#define BERTH_ADMISSION_MAX_ATTEMPTS 3u
/* A guest that twice did nothing for as long as a boot may take does it a third time: its caller
 * has waited for minutes then, and learns what is wrong. */
#define BERTH_ADMISSION_MAX_TIMED_OUT_STARTS 2u

typedef struct _BerthAdmissionVm BerthAdmissionVm;

/**
 * BerthAdmissionWaiter:
 * @base: what the queue knows of it
 * @vm: (unowned): what is being started or claimed for it, or the failed one whose place it
 *   inherits; %NULL while it waits in the queue
 * @sleeper: (unowned) (nullable): of one that wakes a VM: which
 * @admitted_us: when it left the queue
 * @attempts: VMs that were started or claimed for it
 * @timed_out_starts: those of them that did not boot in their time
 * @first_error: (nullable): why the first of them failed
 * @covered_in: the last pass in which a place was on its way to it
 */
typedef struct
{
  BerthWaiter base;
  BerthAdmissionVm *vm;
  BerthAdmissionVm *sleeper;
  gint64 admitted_us;
  guint attempts;
  guint timed_out_starts;
  GError *first_error;
  guint64 covered_in;
} BerthAdmissionWaiter;

/**
 * BerthAdmissionVm:
 * @vm: (owned): what everyone else sees of it
 * @held: what it holds of the budgets, exactly
 * @waiter: (unowned) (nullable): for whom it is started or claimed, or who inherits its place
 * @tenant: (unowned) (nullable): whose it is, until nothing is left of it
 * @paid: what @tenant and its user have of it in their books
 * @cost: of that
 * @mode: what it was started for
 * @is_unstarted: it holds its place, but start() was not called yet
 * @is_delivered: its owner has it
 * @destroy_tickets: (element-type guint64) (nullable): who hears that it ended
 * @pause_tickets: (element-type guint64) (nullable): who hears that it stands still
 * @wakes: (element-type BerthAdmissionWaiter) (unowned): who waits for it to run: in the queue
 * while it is paused
 * @stuck_count: how often its destroy failed
 * @retry_at_us: while it is stuck, when destroy() is tried again
 * @warm: (unowned) (nullable): of the pool that it was started for
 * @generation: of its template then
 * @started_us: when start() was called
 * @idle_since_us: when it became warm
 * @promised_in: the last pass in which a waiter waits for this refill
 *
 * One VM that is not gone.
 */
struct _BerthAdmissionVm
{
  BerthVm *vm;
  BerthPlace held;
  BerthAdmissionWaiter *waiter;
  BerthTenant *tenant;
  BerthPlace paid;
  gint64 cost;
  BerthStartMode mode;
  gboolean is_unstarted;
  gboolean is_delivered;
  GArray *destroy_tickets;
  GArray *pause_tickets;
  GQueue wakes;
  guint stuck_count;
  gint64 retry_at_us;
  BerthWarm *warm;
  guint generation;
  gint64 started_us;
  gint64 idle_since_us;
  guint64 promised_in;
  GList link;
};

struct _BerthAdmission
{
  BerthBudgets budgets;
  BerthTenants *tenants;
  BerthWaiters *queue;
  GHashTable *waiters;    /* ticket (borrowed from value) → BerthAdmissionWaiter (owned) */
  GHashTable *by_request; /* BerthRequest (borrowed from value) → BerthAdmissionWaiter (unowned) */
  GHashTable *no_wait;    /* set of BerthAdmissionWaiter (unowned): in the queue, and not to stay */
  GHashTable *vms;        /* BerthVm (borrowed from value) → BerthAdmissionVm (owned) */
  GQueue order;           /* of BerthAdmissionVm's own links, oldest first */
  guint in_state[BERTH_VM_N_STATES];
  guint n_unstarted;
  GPtrArray *warm;       /* of BerthWarm (owned), in the order in which they were first named */
  BerthVmIds ids;        /* of the VMs to come */
  guint64 n_evicted;     /* warm VMs that made room for others, so far */
  guint64 n_pauses;      /* of owners' VMs, so far */
  guint64 n_wakes;       /* likewise, of those that waited for it */
  guint n_refilling;     /* VMs that are being started for the warm pool */
  gboolean is_pressed;   /* the host is short of memory */
  gint64 relief_at_us;   /* when the next warm VM goes because of that */
  gboolean is_open;      /* the hypervisor can be reached */
  gboolean is_admitting; /* nobody drains the host */
  gboolean is_shutting_down;
  GArray *shutdown_tickets;
  guint64 pass;        /* of dispatch */
  GArray *set_aside;   /* of BerthPlace: in that pass, for those that are covered */
  gint64 kept_from_us; /* when the first of those that others passed in it is old */
  gint64 now_us;       /* of the message that is being handled, or of who asked how things are */
  gint64 handled_us;   /* of the last message: what is due since is still to be done */
  GPtrArray *effects;  /* of it; NULL between messages */
  gint64 mean_hold_us; /* from place to end, of owners' VMs, the latest counting most; 0: of none */
  BerthPlace smallest; /* memory and vCPUs that were asked for; 0 before that */
  BerthPlace allowed;  /* for berth_admission_check(): the capacity, or what a resize left above */
};

/* berth-admission.c */
/* Whether who waits may be given what is free. What was given already goes on without it. */
gboolean berth_admission_is_admitting (BerthAdmission *self);
void berth_admission_add_effect (BerthAdmission *self, BerthEffectType type, BerthVm *vm,
                                 BerthStartMode mode);
void
berth_admission_complete (BerthAdmission *self, guint64 ticket, BerthVm *vm, GError *error_taken);
/* somebody asks for VMs of this size */
void berth_admission_note_size (BerthAdmission *self, guint memory_mb, guint vcpus);
/* ends @waiter, wherever it is, and frees it */
void berth_admission_finish_waiter (BerthAdmission *self, BerthAdmissionWaiter *waiter, BerthVm *vm,
                                    GError *error_taken);

/* a new waiter of @message, which is not in the queue yet */
BerthAdmissionWaiter *
berth_admission_add_waiter (BerthAdmission *self, const BerthMessage *message, gint64 cost);
GError *berth_admission_new_shutting_down_error (void);

/* berth-admission-vms.c */
/* of VMs' tickets, which most VMs have none of */
guint berth_admission_count_tickets (const GArray *tickets);
void berth_admission_add_ticket (GArray **tickets, guint64 ticket);
gboolean berth_admission_vm_fire (BerthAdmission *self, BerthAdmissionVm *av, BerthVmEvent event);
void berth_admission_vm_take (BerthAdmission *self, BerthAdmissionVm *av, BerthPlace place);
void berth_admission_vm_give_vcpus (BerthAdmission *self, BerthAdmissionVm *av);
/* out of the queue: it waits for its VM from now on */
void berth_admission_leave_queue (BerthAdmission *self, BerthAdmissionWaiter *waiter);
/* what exists counts, even beyond every limit */
void berth_admission_allow (BerthAdmission *self, BerthAdmissionVm *av);
BerthPlace berth_admission_place_of (BerthRequest *request);
/* of what its tenant and user pay for until nothing is left of it */
BerthPlace berth_admission_place_of_vm (BerthVm *vm);
/* takes @waiter out of the queue, takes a place for it and starts a VM there */
void berth_admission_admit (BerthAdmission *self, BerthAdmissionWaiter *waiter);
void berth_admission_start_unstarted (BerthAdmission *self);
/* takes @waiter out of the queue and claims @av, which is warm, for it */
void
berth_admission_claim (BerthAdmission *self, BerthAdmissionWaiter *waiter, BerthAdmissionVm *av);
/* takes into the books what exists already; it may be more than there is room for */
void berth_admission_adopt (BerthAdmission *self, BerthVm *vm, BerthRequest *request,
                            gboolean is_paused);
/* starts a VM for the warm pool; its place must be free */
void berth_admission_refill (BerthAdmission *self, BerthWarm *warm);
/* idempotent; detaches nobody */
void berth_admission_destroy_vm (BerthAdmission *self, BerthAdmissionVm *av);
/* @waiter left: what was started for it ends */
void berth_admission_abandon_vm (BerthAdmission *self, BerthAdmissionVm *av);
void berth_admission_handle_event (BerthAdmission *self, BerthAdmissionVm *av,
                                   BerthHypervisorEventType event, const GError *error);
void berth_admission_retry_stuck (BerthAdmission *self);
void berth_admission_vm_free (BerthAdmissionVm *av);

/* berth-admission-pause.c */
void berth_admission_handle_pause (BerthAdmission *self, const BerthMessage *message);
/* (nullable): who waits in the queue because of it */
BerthAdmissionWaiter *
berth_admission_handle_wake (BerthAdmission *self, const BerthMessage *message);
/* @av is paused, and has its turn */
void berth_admission_wake (BerthAdmission *self, BerthAdmissionVm *av);
void
berth_admission_handle_suspended (BerthAdmission *self, BerthAdmissionVm *av, const GError *error);
void
berth_admission_handle_resumed (BerthAdmission *self, BerthAdmissionVm *av, const GError *error);
/* @av ends: nobody waits for it to run, or to stand still, any more */
void berth_admission_end_pauses (BerthAdmission *self, BerthAdmissionVm *av);

/* berth-admission-dispatch.c */
void berth_admission_dispatch (BerthAdmission *self);
/* VMs of the smallest size that was ever asked for which a new request would get at once: in what
 * is nobody's, or a warm VM's, which serves it or makes room */
/* *@out_bound: static; "slots", "memory_mb" or "vcpus": the budget that allows no more, or "waiter"
 */
guint berth_admission_count_free (BerthAdmission *self, const char **out_bound);

/* berth-admission-warm.c */
/* NULL if the warm pool knows nothing of it */
BerthWarm *
berth_admission_find_warm (BerthAdmission *self, const char *template_name, const char *tenant_key);
void berth_admission_handle_warm (BerthAdmission *self, const BerthMessage *message);
/* the warm VM that serves @request, if there is one; whether its vCPUs are free is not asked */
BerthAdmissionVm *berth_admission_pick_warm (BerthAdmission *self, BerthRequest *request);
/* the refill that will serve @request and was not promised in this pass, if there is one */
BerthAdmissionVm *berth_admission_pick_refill (BerthAdmission *self, BerthRequest *request);
/* destroys warm VMs, least wanted first, until @need is on its way; FALSE, and nothing is done,
 * where all of them together don't hold it */
gboolean berth_admission_evict (BerthAdmission *self, BerthPlace need);
/* of a VM of the warm pool that is being made or waits */
gboolean berth_admission_is_evictable (BerthAdmission *self, BerthAdmissionVm *av);
/* destroys what is not wanted any more; TRUE if there was any: a refill gives its vCPUs at once */
gboolean berth_admission_trim_warm (BerthAdmission *self);
/* starts what is wanted and fits, if nobody waits */
void berth_admission_refill_warm (BerthAdmission *self);
gint64 berth_admission_next_warm_wakeup_us (BerthAdmission *self);
/* whether some warm VMs may serve one tenant alone */
gboolean berth_admission_has_tenants_warm (BerthAdmission *self);
GVariant *berth_admission_dup_warm_status (BerthAdmission *self);

/* berth-admission-status.c */
/* why @waiter, in the queue, is not served, and what to do */
GError *
berth_admission_new_capacity_error (BerthAdmission *self, BerthAdmissionWaiter *waiter, gint code);
/* places in the queue that @user may have */
guint berth_admission_get_queue_part (BerthAdmission *self, const BerthUser *user);
/* NULL if the budgets, and the caps of its tenant and user, could hold @request one day */
GError *berth_admission_new_size_error (BerthAdmission *self, BerthRequest *request);

G_END_DECLS
