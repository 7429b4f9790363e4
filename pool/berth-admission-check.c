/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Checks the invariants of design.md on a state of admission, by other ways than it was made. */
#include "berth-admission-private.h"

/* what is held by all VMs must be what the books say, state by state */
static BerthPlace
check_vms (BerthAdmission *self)
{
  BerthPlace sum = { 0 };
  guint in_state[BERTH_VM_N_STATES] = { 0 };
  guint n_unstarted = 0;
  guint n_refilling = 0;

  for (GList *link = self->order.head; link != NULL; link = link->next)
    {
      BerthAdmissionVm *av = link->data;
      BerthVmState state = berth_vm_get_state (av->vm);
      gboolean runs = state == BERTH_VM_STATE_STARTING || state == BERTH_VM_STATE_CLAIMED;
      gboolean is_kept = av->waiter != NULL;

      in_state[state]++;
      n_unstarted += av->is_unstarted ? 1 : 0;
      n_refilling += state == BERTH_VM_STATE_STARTING && av->warm != NULL ? 1 : 0;
      berth_place_add (&sum, &av->held);
      if (av->held.slots != 1 || av->held.memory_mb != berth_vm_get_memory_mb (av->vm))
        g_error ("invariant 2: VM %s does not hold its place", berth_vm_get_id (av->vm));
      if (av->held.vcpus != (runs || is_kept ? berth_vm_get_vcpus (av->vm) : 0))
        g_error ("invariant 1: VM %s holds the wrong vCPUs", berth_vm_get_id (av->vm));
      if (av->waiter != NULL && av->waiter->vm != av)
        g_error ("invariant 3: a waiter of VM %s is lost", berth_vm_get_id (av->vm));
    }
  for (guint i = 0; i < BERTH_VM_N_STATES; i++)
    if (in_state[i] != self->in_state[i])
      g_error ("invariant 6: %u VMs are %s, not %u", in_state[i],
               berth_vm_state_to_string ((BerthVmState)i), self->in_state[i]);
  if (n_unstarted != self->n_unstarted || n_refilling != self->n_refilling)
    g_error ("invariant 6: %u VMs are unstarted and %u refilling, not %u and %u", n_unstarted,
             n_refilling, self->n_unstarted, self->n_refilling);
  return sum;
}

/* After a resize to less, what is held may stay above the capacity, but may not grow there. */
static void
check_bound (gint64 *allowed, gint64 capacity, gint64 held, const char *what)
{
  *allowed = MAX (*allowed, capacity);
  if (held > *allowed)
    g_error ("invariant 1: %" G_GINT64_FORMAT " %s are held, %" G_GINT64_FORMAT " may be", held,
             what, *allowed);
  *allowed = MAX (capacity, held);
}

/* who could be served has been: counted without the passes, from every need before it in order */
static void
check_queue (BerthAdmission *self)
{
  BerthPlace before = { 0 };
  BerthPlace free = berth_budgets_free (&self->budgets);
  BerthWaitersIter iter;
  BerthWaiter *waiter = NULL;

  berth_waiters_iter_init (&iter, self->queue);
  while (self->is_open && (waiter = berth_waiters_iter_next (&iter)) != NULL)
    {
      BerthPlace place = berth_admission_place_of (waiter->request);

      if (waiter->deadline_us <= self->now_us)
        g_error ("invariant 3: ticket %" G_GUINT64_FORMAT " waits beyond its deadline",
                 waiter->ticket);
      berth_place_add (&before, &place);
      if (berth_place_covers (&free, &before))
        g_error ("invariant 4: ticket %" G_GUINT64_FORMAT " waits though its place is free",
                 waiter->ticket);
      if (self->now_us - waiter->arrived_us >= self->budgets.capacity.big_request_age_us)
        return;
    }
}

static gboolean
vm_has_shape (BerthAdmissionVm *av, BerthRequest *request)
{
  return g_str_equal (berth_vm_get_template (av->vm), request->template_name)
         && berth_vm_get_memory_mb (av->vm) == request->memory_mb
         && berth_vm_get_vcpus (av->vm) == request->vcpus;
}

/* Who is first in order does not wait beside an idle warm VM that could serve it, or make room. */
static void
check_first (BerthAdmission *self, BerthWaiter *first)
{
  BerthPlace place = berth_admission_place_of (first->request);
  BerthPlace free = berth_budgets_free (&self->budgets);
  BerthPlace with_warm = { 0 };
  gboolean is_coming = FALSE;

  if (berth_admission_pick_warm (self, first->request) != NULL && free.vcpus >= place.vcpus)
    g_error ("invariant 4: ticket %" G_GUINT64_FORMAT " waits beside its warm VM", first->ticket);

  place.starts = 0;
  for (GList *link = self->order.head; link != NULL; link = link->next)
    {
      BerthAdmissionVm *av = link->data;

      if (berth_vm_get_state (av->vm) == BERTH_VM_STATE_STOPPING && av->waiter == NULL)
        berth_place_add (&free, &av->held);
      else if (berth_vm_get_state (av->vm) == BERTH_VM_STATE_WARM)
        berth_place_add (&with_warm, &av->held);
      else if (berth_vm_get_state (av->vm) == BERTH_VM_STATE_STARTING && av->warm != NULL)
        is_coming |= vm_has_shape (av, first->request);
    }
  berth_place_add (&with_warm, &free);
  if (!berth_place_covers (&free, &place) && berth_place_covers (&with_warm, &place) && !is_coming)
    g_error ("invariant 4: ticket %" G_GUINT64_FORMAT " waits though idle warm VMs hold its place",
             first->ticket);
}

void
berth_admission_check (BerthAdmission *self)
{
  const BerthCapacity *capacity = &self->budgets.capacity;
  const BerthPlace *held = &self->budgets.held;
  BerthPlace rest = check_vms (self);
  BerthWaitersIter iter;
  BerthWaiter *first = NULL;

  berth_place_subtract (&rest, held);
  if (!berth_place_is_empty (&rest))
    g_error ("invariant 2: what the VMs hold is not what is taken");
  check_bound (&self->allowed.slots, capacity->max_vms, held->slots, "slots");
  check_bound (&self->allowed.memory_mb, capacity->memory_mb, held->memory_mb, "MiB");
  check_bound (&self->allowed.vcpus, capacity->vcpus, held->vcpus, "vCPUs");
  check_bound (&self->allowed.starts, capacity->max_starts, held->starts, "starts");
  check_queue (self);
  berth_waiters_iter_init (&iter, self->queue);
  first = berth_waiters_iter_next (&iter);
  if (first != NULL && self->is_open)
    check_first (self, first);
  if (self->is_shutting_down && g_hash_table_size (self->waiters) > 0)
    g_error ("invariant 3: somebody waits after the shutdown");
}
