/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Decides what becomes of a VM, of its place and of its waiter at every event of its life. */
#include "berth-admission-private.h"

#include <gio/gio.h>

#include "berth-error.h"

#define STUCK_RETRY_FIRST_US G_TIME_SPAN_SECOND
#define STUCK_RETRY_MAX_US (60 * G_TIME_SPAN_SECOND)

static BerthVmState
vm_state (BerthAdmissionVm *av)
{
  return berth_vm_get_state (av->vm);
}

void
berth_admission_vm_free (BerthAdmissionVm *av)
{
  g_object_unref (av->vm);
  g_clear_pointer (&av->destroy_tickets, g_array_unref);
  g_clear_pointer (&av->pause_tickets, g_array_unref);
  g_free (av);
}

guint
berth_admission_count_tickets (const GArray *tickets)
{
  return tickets != NULL ? tickets->len : 0;
}

void
berth_admission_add_ticket (GArray **tickets, guint64 ticket)
{
  if (*tickets == NULL)
    *tickets = g_array_new (FALSE, FALSE, sizeof ticket);
  g_array_append_val (*tickets, ticket);
}

BerthPlace
berth_admission_place_of (BerthRequest *request)
{
  gint64 vms = berth_request_is_wake (request) ? 0 : 1;

  return (BerthPlace){
    .slots = vms,
    .memory_mb = request->shape.memory_mb,
    .vcpus = request->shape.vcpus,
    .starts = vms,
  };
}

BerthPlace
berth_admission_place_of_vm (BerthVm *vm)
{
  return (BerthPlace){
    .slots = 1,
    .memory_mb = berth_vm_get_memory_mb (vm),
    .vcpus = berth_vm_get_vcpus (vm),
  };
}

gboolean
berth_admission_vm_fire (BerthAdmission *self, BerthAdmissionVm *av, BerthVmEvent event)
{
  BerthVmState before = vm_state (av);

  if (!berth_vm_fire (av->vm, event))
    return FALSE;
  if (before == BERTH_VM_STATE_STARTING && av->mode == BERTH_START_WARM)
    self->n_refilling--;
  self->in_state[before]--;
  self->in_state[vm_state (av)]++;
  return TRUE;
}

void
berth_admission_vm_take (BerthAdmission *self, BerthAdmissionVm *av, BerthPlace place)
{
  berth_budgets_take (&self->budgets, &place);
  berth_place_add (&av->held, &place);
}

static void
vm_give (BerthAdmission *self, BerthAdmissionVm *av, BerthPlace place)
{
  berth_place_subtract (&av->held, &place);
  berth_budgets_give (&self->budgets, &place);
}

void
berth_admission_vm_give_vcpus (BerthAdmission *self, BerthAdmissionVm *av)
{
  vm_give (self, av, (BerthPlace){ .vcpus = av->held.vcpus });
}

static void
vm_give_start (BerthAdmission *self, BerthAdmissionVm *av)
{
  vm_give (self, av, (BerthPlace){ .starts = av->held.starts });
}

/* takes @vm over */
static BerthAdmissionVm *
vm_add (BerthAdmission *self, BerthVm *vm, BerthStartMode mode)
{
  BerthAdmissionVm *av = g_new0 (BerthAdmissionVm, 1);

  av->vm = vm;
  av->mode = mode;
  g_queue_init (&av->wakes);
  av->link.data = av;
  self->in_state[BERTH_VM_STATE_STARTING]++;
  g_queue_push_tail_link (&self->order, &av->link);
  g_hash_table_insert (self->vms, av->vm, av);
  return av;
}

static BerthAdmissionVm *
vm_add_unstarted (BerthAdmission *self, BerthVm *vm, BerthStartMode mode)
{
  BerthAdmissionVm *av = vm_add (self, vm, mode);

  av->is_unstarted = TRUE;
  self->n_unstarted++;
  return av;
}

/* start() is called, if the gate is open and one more may start */
static void
vm_start (BerthAdmission *self, BerthAdmissionVm *av)
{
  BerthPlace free = berth_budgets_free (&self->budgets);

  if (!self->is_open || (av->held.starts == 0 && free.starts <= 0))
    return;
  if (av->held.starts == 0)
    berth_admission_vm_take (self, av, (BerthPlace){ .starts = 1 });
  av->is_unstarted = FALSE;
  av->started_us = self->now_us;
  self->n_unstarted--;
  berth_admission_add_effect (self, BERTH_EFFECT_START, av->vm, av->mode);
}

void
berth_admission_start_unstarted (BerthAdmission *self)
{
  for (GList *link = self->order.head; link != NULL && self->n_unstarted > 0; link = link->next)
    if (((BerthAdmissionVm *)link->data)->is_unstarted)
      vm_start (self, link->data);
}

/* what take_for_tenant() put into the books is @av's */
static void
note_payer (BerthAdmissionVm *av, BerthAdmissionWaiter *waiter)
{
  av->tenant = waiter->base.tenant;
  av->paid = berth_admission_place_of_vm (av->vm);
  av->cost = waiter->base.cost;
}

/* a new VM for @waiter in @place, which is taken already, also of its tenant's */
static void
start_in_place (BerthAdmission *self, BerthAdmissionWaiter *waiter, BerthPlace place)
{
  BerthRequest *request = waiter->base.request;
  BerthVm *vm = berth_vm_new_with_ids (&self->ids, &request->shape, NULL, self->now_us);
  BerthAdmissionVm *av = vm_add_unstarted (self, vm, BERTH_START_RUN);

  if (request->vm_id != NULL)
    berth_vm_set_id (vm, request->vm_id);
  av->held = place;
  note_payer (av, waiter);
  av->waiter = waiter;
  waiter->vm = av;
  waiter->attempts++;
  berth_vm_set_request (av->vm, request, waiter->admitted_us, FALSE);
  vm_start (self, av);
}

/* a VM is of @waiter's tenant from now on */
static void
take_for_tenant (BerthAdmission *self, BerthAdmissionWaiter *waiter)
{
  BerthPlace place = berth_admission_place_of (waiter->base.request);

  berth_tenants_take (self->tenants, waiter->base.tenant, &place, waiter->base.cost);
}

void
berth_admission_leave_queue (BerthAdmission *self, BerthAdmissionWaiter *waiter)
{
  berth_waiters_remove (self->queue, &waiter->base);
  if (g_hash_table_size (self->no_wait) > 0)
    g_hash_table_remove (self->no_wait, waiter);
  waiter->admitted_us = self->now_us;
}

void
berth_admission_admit (BerthAdmission *self, BerthAdmissionWaiter *waiter)
{
  BerthPlace place = berth_admission_place_of (waiter->base.request);

  if (waiter->sleeper != NULL)
    {
      berth_admission_wake (self, waiter->sleeper);
      return;
    }
  take_for_tenant (self, waiter);
  berth_admission_leave_queue (self, waiter);
  berth_budgets_take (&self->budgets, &place);
  start_in_place (self, waiter, place);
}

void
berth_admission_claim (BerthAdmission *self, BerthAdmissionWaiter *waiter, BerthAdmissionVm *av)
{
  BerthRequest *request = waiter->base.request;

  take_for_tenant (self, waiter);
  if (waiter->base.is_queued)
    berth_admission_leave_queue (self, waiter);
  berth_admission_vm_fire (self, av, BERTH_VM_EVENT_CLAIM);
  berth_warm_note_given (av->warm, self->now_us);
  note_payer (av, waiter);
  berth_admission_vm_take (self, av, (BerthPlace){ .vcpus = request->shape.vcpus });
  av->waiter = waiter;
  waiter->vm = av;
  waiter->attempts++;
  berth_vm_set_request (av->vm, request, waiter->admitted_us, TRUE);
  berth_admission_add_effect (self, BERTH_EFFECT_CLAIM, av->vm, av->mode);
}

void
berth_admission_refill (BerthAdmission *self, BerthWarm *warm)
{
  const BerthShape shape = berth_warm_get_shape (warm);
  BerthVm *vm
      = berth_vm_new_with_ids (&self->ids, &shape, berth_warm_get_tenant_key (warm), self->now_us);
  BerthAdmissionVm *av = vm_add_unstarted (self, vm, BERTH_START_WARM);

  av->warm = warm;
  av->generation = berth_warm_get_generation (warm);
  self->n_refilling++;
  berth_admission_vm_take (self, av, berth_admission_place_of_vm (vm));
  vm_start (self, av);
}

static void
adopt_claimed (BerthAdmission *self, BerthVm *vm, BerthRequest *request, gboolean is_paused)
{
  BerthAdmissionVm *av = vm_add (self, g_object_ref (vm), BERTH_START_RUN);

  av->tenant = berth_tenants_ensure (self->tenants, request);
  av->paid = berth_admission_place_of_vm (vm);
  av->cost = berth_tenants_cost_of (&self->budgets.capacity, request);
  berth_tenants_take (self->tenants, av->tenant, &av->paid, av->cost);
  berth_admission_vm_take (self, av, berth_admission_place_of_vm (vm));
  berth_vm_set_request (vm, request, self->now_us, FALSE);
  av->is_delivered = TRUE;
  berth_admission_vm_fire (self, av, BERTH_VM_EVENT_STARTED);
  if (is_paused)
    berth_admission_handle_suspended (self, av, NULL);
}

static void
adopt_warm (BerthAdmission *self, BerthVm *vm)
{
  BerthAdmissionVm *av = vm_add (self, g_object_ref (vm), BERTH_START_WARM);

  av->warm
      = berth_admission_find_warm (self, berth_vm_get_template (vm), berth_vm_get_tenant_key (vm));
  self->n_refilling++;
  berth_admission_vm_take (self, av, berth_admission_place_of_vm (vm));
  if (av->warm != NULL)
    av->generation = berth_warm_get_generation (av->warm);
  else
    berth_admission_destroy_vm (self, av); /* nobody wants it */
}

/* what exists already counts, even beyond every limit: berth_admission_check() is to know that */
static void
allow (BerthPlace *allowed, const BerthPlace *held)
{
  allowed->slots = MAX (allowed->slots, held->slots);
  allowed->memory_mb = MAX (allowed->memory_mb, held->memory_mb);
  allowed->vcpus = MAX (allowed->vcpus, held->vcpus);
}

void
berth_admission_adopt (BerthAdmission *self, BerthVm *vm, BerthRequest *request, gboolean is_paused)
{
  if (request != NULL)
    adopt_claimed (self, vm, request, is_paused);
  else
    adopt_warm (self, vm);
  berth_admission_allow (self, g_hash_table_lookup (self->vms, vm));
}

void
berth_admission_allow (BerthAdmission *self, BerthAdmissionVm *av)
{
  allow (&self->allowed, &self->budgets.held);
  if (av == NULL || av->tenant == NULL)
    return;
  allow (&av->tenant->party.allowed, &av->tenant->party.held);
  allow (&av->tenant->user->party.allowed, &av->tenant->user->party.held);
}

static void
give_for_tenant (BerthAdmission *self, BerthAdmissionVm *av)
{
  berth_tenants_give (self->tenants, av->tenant, &av->paid, av->cost);
}

/* Seven parts of what was, one of this one: what the last ten or so did decides. Of one that an
 * earlier berthd started nobody knows how long it was held. */
static void
note_hold (BerthAdmission *self, BerthAdmissionVm *av)
{
  gint64 hold_us = self->now_us - berth_vm_get_admitted_us (av->vm);

  if (!av->is_delivered || av->started_us == 0)
    return;
  self->mean_hold_us
      = self->mean_hold_us == 0 ? hold_us : self->mean_hold_us + (hold_us - self->mean_hold_us) / 8;
}

/* The end of every VM: it leaves the books, and its place goes to @heir or back. */
static void
vm_remove (BerthAdmission *self, BerthAdmissionVm *av, BerthAdmissionWaiter *heir)
{
  BerthPlace place = av->held;

  note_hold (self, av);
  berth_admission_vm_fire (self, av, BERTH_VM_EVENT_GONE);
  berth_admission_end_pauses (self, av);
  self->in_state[BERTH_VM_STATE_GONE]--;
  if (av->is_unstarted)
    self->n_unstarted--;
  for (guint i = 0; i < berth_admission_count_tickets (av->destroy_tickets); i++)
    berth_admission_complete (self, g_array_index (av->destroy_tickets, guint64, i), NULL, NULL);
  g_queue_unlink (&self->order, &av->link);
  if (heir == NULL)
    {
      berth_budgets_give (&self->budgets, &place);
      if (av->tenant != NULL)
        give_for_tenant (self, av);
    }
  g_hash_table_remove (self->vms, av->vm);
  if (heir != NULL)
    start_in_place (self, heir, place);
}

/* Whether @waiter keeps its place for another attempt; if not, it has ended. The first error is the
 * one that says most, unless a later one says that trying is no use. */
static gboolean
waiter_may_retry (BerthAdmission *self, BerthAdmissionWaiter *waiter, const GError *error,
                  gboolean is_passing)
{
  const GError *reported = error;

  if (waiter->first_error == NULL)
    waiter->first_error = g_error_copy (error);
  if (g_error_matches (error, BERTH_ERROR, BERTH_ERROR_START_TIMED_OUT))
    waiter->timed_out_starts++;
  if (is_passing && waiter->attempts < BERTH_ADMISSION_MAX_ATTEMPTS
      && waiter->timed_out_starts < BERTH_ADMISSION_MAX_TIMED_OUT_STARTS)
    return TRUE;
  if (is_passing)
    reported = waiter->first_error;
  berth_admission_finish_waiter (self, waiter, NULL, g_error_copy (reported));
  return FALSE;
}

/* The next attempt of a waiter whose VM @av failed, if it need not wait for the end of that:
 * another warm VM, or a place that is free and that nobody waits for. Else it inherits the place of
 * @av. The last attempt is always a start: a pool whose warm VMs are all bad must not fail a
 * request. */
static void
retry_elsewhere (BerthAdmission *self, BerthAdmissionVm *av)
{
  BerthAdmissionWaiter *waiter = av->waiter;
  BerthPlace place = berth_admission_place_of (waiter->base.request);
  BerthPlace free = berth_budgets_free (&self->budgets);
  BerthAdmissionVm *other = NULL;

  /* what failed still is its tenant's */
  if (!self->is_open || !berth_tenant_has_room (av->tenant, &place))
    return;
  free.vcpus += av->held.vcpus; /* they go with the waiter */
  if (waiter->attempts + 1 < BERTH_ADMISSION_MAX_ATTEMPTS)
    other = berth_admission_pick_warm (self, waiter->base.request);
  if (other == NULL
      && (berth_waiters_get_length (self->queue) > 0 || !berth_place_covers (&free, &place)))
    return;

  av->waiter = NULL;
  berth_admission_vm_give_vcpus (self, av);
  if (other != NULL)
    {
      berth_admission_claim (self, waiter, other);
      return;
    }
  take_for_tenant (self, waiter);
  berth_budgets_take (&self->budgets, &place);
  start_in_place (self, waiter, place);
}

static gboolean
error_is_passing (const GError *error)
{
  return g_error_matches (error, BERTH_ERROR, BERTH_ERROR_UNAVAILABLE)
         || g_error_matches (error, BERTH_ERROR, BERTH_ERROR_START_TIMED_OUT);
}

void
berth_admission_destroy_vm (BerthAdmission *self, BerthAdmissionVm *av)
{
  if (av->is_unstarted)
    {
      vm_remove (self, av, NULL);
      return;
    }
  if (!berth_admission_vm_fire (self, av, BERTH_VM_EVENT_DESTROY))
    return;
  berth_admission_end_pauses (self, av);
  if (av->waiter == NULL)
    berth_admission_vm_give_vcpus (self, av);
  berth_admission_add_effect (self, BERTH_EFFECT_DESTROY, av->vm, av->mode);
}

void
berth_admission_abandon_vm (BerthAdmission *self, BerthAdmissionVm *av)
{
  BerthVmState state = vm_state (av);

  if (state != BERTH_VM_STATE_STOPPING && state != BERTH_VM_STATE_STUCK)
    {
      berth_admission_destroy_vm (self, av);
      return;
    }
  berth_admission_vm_give_vcpus (self, av); /* kept until now for the next attempt */
  if (state == BERTH_VM_STATE_STUCK)
    vm_give_start (self, av);
}

static void
handle_warmed (BerthAdmission *self, BerthAdmissionVm *av)
{
  if (!berth_admission_vm_fire (self, av, BERTH_VM_EVENT_WARMED))
    return;
  vm_give_start (self, av);
  berth_admission_vm_give_vcpus (self, av);
  av->idle_since_us = self->now_us;
  if (av->started_us != 0) /* one that was adopted says nothing of how long it takes to make one */
    berth_warm_note_refill (av->warm, self->now_us - av->started_us);
}

static void
handle_started (BerthAdmission *self, BerthAdmissionVm *av)
{
  if (av->is_unstarted)
    return;
  if (av->mode == BERTH_START_WARM)
    {
      handle_warmed (self, av);
      return;
    }
  if (!berth_admission_vm_fire (self, av, BERTH_VM_EVENT_STARTED))
    return;
  vm_give_start (self, av);
  av->is_delivered = TRUE;
  berth_admission_finish_waiter (self, av->waiter, av->vm, NULL);
}

/* a claim() is under way: the VM is its waiter's, but nobody has it yet */
static gboolean
vm_is_being_claimed (BerthAdmissionVm *av)
{
  return vm_state (av) == BERTH_VM_STATE_CLAIMED && !av->is_delivered;
}

static void
handle_claimed (BerthAdmission *self, BerthAdmissionVm *av)
{
  if (!vm_is_being_claimed (av))
    return;
  berth_warm_note_claim (av->warm);
  av->is_delivered = TRUE;
  berth_admission_finish_waiter (self, av->waiter, av->vm, NULL);
}

/* what a failure says of the template's warm VMs, before the state changes */
static void
note_warm_failure (BerthAdmission *self, BerthAdmissionVm *av, const char *message)
{
  if (av->warm == NULL)
    return;
  if (vm_state (av) == BERTH_VM_STATE_STARTING)
    berth_warm_note_failed_refill (av->warm, message, self->now_us);
  else if (vm_is_being_claimed (av))
    berth_warm_note_failed_claim (av->warm, message, self->now_us);
}

static void
handle_failed (BerthAdmission *self, BerthAdmissionVm *av, const GError *error)
{
  g_autoptr (GError) failure
      = error != NULL ? g_error_copy (error)
                      : g_error_new (BERTH_ERROR, BERTH_ERROR_INTERNAL,
                                     "VM %s failed without a reason", berth_vm_get_id (av->vm));
  gboolean is_claim = vm_is_being_claimed (av);
  BerthVmState next = BERTH_VM_STATE_GONE;

  /* late: what its owner has does not fail any more, it ends */
  if (av->is_delivered || av->is_unstarted
      || !berth_vm_next_state (vm_state (av), BERTH_VM_EVENT_FAILED, &next))
    return;
  note_warm_failure (self, av, failure->message);
  berth_admission_vm_fire (self, av, BERTH_VM_EVENT_FAILED);
  berth_admission_add_effect (self, BERTH_EFFECT_DESTROY, av->vm, av->mode);
  /* a warm VM that can't be woken says nothing about the request: it may always be tried again */
  if (av->waiter != NULL
      && waiter_may_retry (self, av->waiter, failure, is_claim || error_is_passing (failure)))
    retry_elsewhere (self, av);
  if (av->waiter == NULL)
    berth_admission_vm_give_vcpus (self, av);
}

/* It ended by itself before its waiter had it: that says nothing about the request, either. */
static void
lost_waiter_retries (BerthAdmission *self, BerthAdmissionVm *av, const GError *error)
{
  g_autoptr (GError) lost = NULL;

  if (error != NULL && error_is_passing (error))
    lost = g_error_copy (error);
  else
    lost = g_error_new (BERTH_ERROR, BERTH_ERROR_UNAVAILABLE, "VM %s ended before it was ready: %s",
                        berth_vm_get_id (av->vm),
                        error != NULL ? error->message : "no reason is known");
  if (waiter_may_retry (self, av->waiter, lost, TRUE))
    retry_elsewhere (self, av);
}

static void
handle_gone (BerthAdmission *self, BerthAdmissionVm *av, const GError *error)
{
  BerthVmState state = vm_state (av);
  gboolean was_asked = state == BERTH_VM_STATE_STOPPING || state == BERTH_VM_STATE_STUCK;
  g_autoptr (BerthVm) vm = g_object_ref (av->vm);
  gboolean is_lost_by_owner = !was_asked && av->is_delivered;
  const char *reason = error != NULL ? error->message : "it ended by itself";

  if (!was_asked)
    {
      berth_vm_set_end_reason (vm, reason);
      note_warm_failure (self, av, reason);
    }
  if (av->waiter != NULL && !was_asked)
    lost_waiter_retries (self, av, error);
  vm_remove (self, av, av->waiter);
  if (is_lost_by_owner)
    berth_admission_add_effect (self, BERTH_EFFECT_VM_GONE, vm, BERTH_START_RUN);
}

static void
fail_destroy_tickets (BerthAdmission *self, BerthAdmissionVm *av, const GError *error)
{
  for (guint i = 0; i < berth_admission_count_tickets (av->destroy_tickets); i++)
    berth_admission_complete (
        self, g_array_index (av->destroy_tickets, guint64, i), NULL,
        g_error_new (BERTH_ERROR, BERTH_ERROR_UNAVAILABLE,
                     "VM %s could not be destroyed and still exists; berth tries again: %s",
                     berth_vm_get_id (av->vm),
                     error != NULL ? error->message : "no reason is known"));
  g_clear_pointer (&av->destroy_tickets, g_array_unref);
}

static void
handle_stuck (BerthAdmission *self, BerthAdmissionVm *av, const GError *error)
{
  gint64 delay_us = STUCK_RETRY_FIRST_US << MIN (av->stuck_count, 6);

  if (!berth_admission_vm_fire (self, av, BERTH_VM_EVENT_STUCK))
    return;
  av->stuck_count++;
  av->retry_at_us = self->now_us + MIN (delay_us, STUCK_RETRY_MAX_US);
  fail_destroy_tickets (self, av, error);
  /* While the hypervisor is away nothing can be destroyed, and nothing started: the waiter keeps
   * its place. Else the place is not to be had, and nobody knows when. */
  if (av->waiter != NULL && self->is_open)
    berth_admission_finish_waiter (self, av->waiter, NULL, g_error_copy (av->waiter->first_error));
  if (av->waiter == NULL)
    {
      berth_admission_vm_give_vcpus (self, av);
      vm_give_start (self, av); /* a stuck VM does not start; it must not keep others from it */
    }
}

void
berth_admission_handle_event (BerthAdmission *self, BerthAdmissionVm *av,
                              BerthHypervisorEventType event, const GError *error)
{
  switch (event)
    {
    case BERTH_HYPERVISOR_STARTED:
      handle_started (self, av);
      break;
    case BERTH_HYPERVISOR_CLAIMED:
      handle_claimed (self, av);
      break;
    case BERTH_HYPERVISOR_SUSPENDED:
      berth_admission_handle_suspended (self, av, error);
      break;
    case BERTH_HYPERVISOR_RESUMED:
      berth_admission_handle_resumed (self, av, error);
      break;
    case BERTH_HYPERVISOR_FAILED:
      handle_failed (self, av, error);
      break;
    case BERTH_HYPERVISOR_GONE:
      handle_gone (self, av, error);
      break;
    case BERTH_HYPERVISOR_STUCK:
      handle_stuck (self, av, error);
      break;
    }
}

void
berth_admission_retry_stuck (BerthAdmission *self)
{
  if (!self->is_open || self->in_state[BERTH_VM_STATE_STUCK] == 0)
    return;
  for (GList *link = self->order.head; link != NULL; link = link->next)
    {
      BerthAdmissionVm *av = link->data;

      if (vm_state (av) == BERTH_VM_STATE_STUCK && av->retry_at_us <= self->now_us)
        berth_admission_destroy_vm (self, av);
    }
}
