/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Decides what becomes of an owner's VM that stands still: its vCPUs are somebody else's until its
 * turn comes to run again. */
#include "berth-admission-private.h"

#include "berth-error.h"

static BerthVmState
vm_state (BerthAdmissionVm *av)
{
  return berth_vm_get_state (av->vm);
}

static gboolean
vm_has_owner (BerthAdmissionVm *av)
{
  switch (vm_state (av))
    {
    case BERTH_VM_STATE_CLAIMED:
    case BERTH_VM_STATE_PAUSING:
    case BERTH_VM_STATE_PAUSED:
    case BERTH_VM_STATE_WAKING:
      return av->is_delivered;
    default:
      return FALSE;
    }
}

static GError *
new_gone_error (BerthVm *vm)
{
  return g_error_new (BERTH_ERROR, BERTH_ERROR_GONE, "VM %s ends, or has ended; make a new one",
                      berth_vm_get_id (vm));
}

/* ---- its vCPUs ---- */

static void
give_vcpus (BerthAdmission *self, BerthAdmissionVm *av)
{
  BerthPlace vcpus = { .vcpus = av->paid.vcpus };
  g_autoptr (BerthRequest) request = berth_vm_dup_request (av->vm);
  gint64 cost = berth_tenants_cost_of_paused (&self->budgets.capacity, request);
  gint64 saved = MAX (av->cost - cost, 0);

  berth_admission_vm_give_vcpus (self, av);
  berth_place_subtract (&av->paid, &vcpus);
  av->cost -= saved;
  berth_tenants_give (self->tenants, av->tenant, &vcpus, saved);
}

/* what it costs more when it runs; the capacity may be another one than it was then */
static gint64
cost_of_running (BerthAdmission *self, BerthAdmissionVm *av)
{
  g_autoptr (BerthRequest) request = berth_vm_dup_request (av->vm);

  return MAX (berth_tenants_cost_of (&self->budgets.capacity, request) - av->cost, 0);
}

static void
take_vcpus (BerthAdmission *self, BerthAdmissionVm *av)
{
  BerthPlace vcpus = { .vcpus = berth_vm_get_vcpus (av->vm) };
  gint64 more = cost_of_running (self, av);

  berth_admission_vm_take (self, av, vcpus);
  berth_place_add (&av->paid, &vcpus);
  av->cost += more;
  berth_tenants_take (self->tenants, av->tenant, &vcpus, more);
}

/* ---- who waits ---- */

/* @error: (nullable) */
static void
finish_pauses (BerthAdmission *self, BerthAdmissionVm *av, const GError *error)
{
  for (guint i = 0; i < berth_admission_count_tickets (av->pause_tickets); i++)
    berth_admission_complete (self, g_array_index (av->pause_tickets, guint64, i), NULL,
                              error != NULL ? g_error_copy (error) : NULL);
  g_clear_pointer (&av->pause_tickets, g_array_unref);
}

/* @error: (nullable) */
static void
finish_wakes (BerthAdmission *self, BerthAdmissionVm *av, const GError *error)
{
  while (!g_queue_is_empty (&av->wakes))
    berth_admission_finish_waiter (self, g_queue_peek_head (&av->wakes), NULL,
                                   error != NULL ? g_error_copy (error) : NULL);
}

/* FALSE: it can never be served, and has heard so */
static gboolean
join_queue (BerthAdmission *self, BerthAdmissionWaiter *waiter)
{
  GError *error = berth_admission_new_size_error (self, waiter->base.request);

  if (error != NULL)
    {
      berth_admission_finish_waiter (self, waiter, NULL, error);
      return FALSE;
    }
  waiter->base.cost = MAX (cost_of_running (self, waiter->sleeper), 1);
  berth_waiters_push (self->queue, &waiter->base);
  return TRUE;
}

static void
queue_wakes (BerthAdmission *self, BerthAdmissionVm *av)
{
  for (GList *link = av->wakes.head, *next = NULL; link != NULL; link = next)
    {
      next = link->next; /* who can never be served leaves */
      join_queue (self, link->data);
    }
}

void
berth_admission_end_pauses (BerthAdmission *self, BerthAdmissionVm *av)
{
  g_autoptr (GError) gone = NULL;

  if (g_queue_is_empty (&av->wakes) && av->pause_tickets == NULL)
    return; /* as nearly always: words that nobody hears took a tenth of a VM's whole admission */
  gone = new_gone_error (av->vm);
  finish_wakes (self, av, gone);
  finish_pauses (self, av, gone);
}

/* ---- messages ---- */

void
berth_admission_handle_pause (BerthAdmission *self, const BerthMessage *message)
{
  BerthAdmissionVm *av = g_hash_table_lookup (self->vms, message->vm);

  if (av == NULL || !vm_has_owner (av))
    berth_admission_complete (self, message->ticket, NULL, new_gone_error (message->vm));
  else if (!g_queue_is_empty (&av->wakes))
    berth_admission_complete (self, message->ticket, NULL,
                              g_error_new (BERTH_ERROR, BERTH_ERROR_UNAVAILABLE,
                                           "somebody uses sandbox %s, which is woken for that: "
                                           "pause it again when it runs",
                                           berth_vm_get_id (av->vm)));
  else if (vm_state (av) == BERTH_VM_STATE_PAUSED)
    berth_admission_complete (self, message->ticket, NULL, NULL);
  else
    {
      berth_admission_add_ticket (&av->pause_tickets, message->ticket);
      /* one whose waking nobody waits for any more is paused when it runs */
      if (berth_admission_vm_fire (self, av, BERTH_VM_EVENT_PAUSE))
        berth_admission_add_effect (self, BERTH_EFFECT_PAUSE, av->vm, av->mode);
    }
}

BerthAdmissionWaiter *
berth_admission_handle_wake (BerthAdmission *self, const BerthMessage *message)
{
  BerthAdmissionVm *av = g_hash_table_lookup (self->vms, message->vm);
  BerthAdmissionWaiter *waiter = NULL;

  if (self->is_shutting_down || av == NULL || !vm_has_owner (av))
    berth_admission_complete (self, message->ticket, NULL,
                              self->is_shutting_down ? berth_admission_new_shutting_down_error ()
                                                     : new_gone_error (message->vm));
  else if (vm_state (av) == BERTH_VM_STATE_CLAIMED)
    berth_admission_complete (self, message->ticket, NULL, NULL);
  else
    {
      waiter = berth_admission_add_waiter (self, message, 1);
      waiter->sleeper = av;
      waiter->base.tenant = av->tenant;
      g_queue_push_tail (&av->wakes, waiter);
      if (vm_state (av) == BERTH_VM_STATE_PAUSED && join_queue (self, waiter))
        return waiter;
    }
  return NULL;
}

void
berth_admission_wake (BerthAdmission *self, BerthAdmissionVm *av)
{
  take_vcpus (self, av);
  for (GList *link = av->wakes.head; link != NULL; link = link->next)
    berth_admission_leave_queue (self, link->data);
  berth_admission_vm_fire (self, av, BERTH_VM_EVENT_WAKE);
  berth_admission_add_effect (self, BERTH_EFFECT_WAKE, av->vm, av->mode);
}

/* ---- what the hypervisor tells ---- */

static GError *
new_paused_again_error (BerthVm *vm, const GError *error)
{
  return g_error_new (BERTH_ERROR, BERTH_ERROR_UNAVAILABLE,
                      "sandbox %s could not be woken and is paused: %s; try again",
                      berth_vm_get_id (vm),
                      error != NULL ? error->message : "somebody has paused it meanwhile");
}

void
berth_admission_handle_suspended (BerthAdmission *self, BerthAdmissionVm *av, const GError *error)
{
  gboolean was_waking = vm_state (av) == BERTH_VM_STATE_WAKING;

  if (!vm_has_owner (av) || !berth_admission_vm_fire (self, av, BERTH_VM_EVENT_SUSPENDED))
    return;
  give_vcpus (self, av);
  self->n_pauses += was_waking ? 0 : 1;
  finish_pauses (self, av, NULL);
  if (was_waking)
    {
      g_autoptr (GError) failure = new_paused_again_error (av->vm, error);

      finish_wakes (self, av, failure);
    }
  else
    queue_wakes (self, av);
}

static GError *
new_runs_error (BerthVm *vm, const GError *error)
{
  return g_error_new (BERTH_ERROR, BERTH_ERROR_UNAVAILABLE,
                      "sandbox %s could not be paused and runs: %s; try again",
                      berth_vm_get_id (vm), error->message);
}

/* Of a paused one it is an administrator's doing: it runs whether there are vCPUs for it or not, so
 * it counts, and others wait until there are again. */
static void
take_unasked (BerthAdmission *self, BerthAdmissionVm *av)
{
  for (GList *link = av->wakes.head; link != NULL; link = link->next)
    berth_admission_leave_queue (self, link->data);
  take_vcpus (self, av);
  berth_admission_allow (self, av);
}

void
berth_admission_handle_resumed (BerthAdmission *self, BerthAdmissionVm *av, const GError *error)
{
  BerthVmState before = vm_state (av);

  /* while it is being paused, one without a reason is of before: what pause() has done is told yet
   */
  if (!vm_has_owner (av) || (before == BERTH_VM_STATE_PAUSING && error == NULL)
      || !berth_admission_vm_fire (self, av, BERTH_VM_EVENT_RESUMED))
    return;
  self->n_wakes += before == BERTH_VM_STATE_WAKING ? 1 : 0;
  if (before == BERTH_VM_STATE_PAUSED)
    take_unasked (self, av);
  finish_wakes (self, av, NULL);
  if (before == BERTH_VM_STATE_PAUSING)
    {
      g_autoptr (GError) failure = new_runs_error (av->vm, error);

      finish_pauses (self, av, failure);
    }
  else if (av->pause_tickets != NULL && berth_admission_vm_fire (self, av, BERTH_VM_EVENT_PAUSE))
    berth_admission_add_effect (self, BERTH_EFFECT_PAUSE, av->vm, av->mode);
}
