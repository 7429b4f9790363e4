/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Checks the invariants of design.md on a state of admission, by other ways than it was made. */
/* lint: no-abort: only tests call it, and it is to end them */
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
      if (berth_vm_get_tenant_key (av->vm) != NULL && av->tenant != NULL
          && !g_str_equal (berth_vm_get_tenant_key (av->vm), av->tenant->key))
        g_error ("invariant 7: VM %s is another tenant's", berth_vm_get_id (av->vm));
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

/* An account is what its VMs hold, and no more than its caps, or what lower caps left above. */
static void
check_tenant (BerthAdmission *self, BerthTenant *tenant)
{
  const BerthTenantLimits *limits = &tenant->limits;
  BerthPlace sum = { 0 };

  for (GList *link = self->order.head; link != NULL; link = link->next)
    {
      BerthAdmissionVm *av = link->data;

      if (av->tenant == tenant)
        berth_place_add (&sum, &av->held);
      if ((av->waiter != NULL || berth_vm_get_state (av->vm) == BERTH_VM_STATE_CLAIMED)
          && av->tenant == NULL)
        g_error ("invariant 5: VM %s is nobody's", berth_vm_get_id (av->vm));
    }
  if (sum.slots != tenant->held.slots || sum.memory_mb != tenant->held.memory_mb)
    g_error ("invariant 5: the account of tenant %s is wrong", tenant->key);
  check_bound (&tenant->allowed.slots, limits->max_vms != 0 ? limits->max_vms : G_MAXINT64,
               tenant->held.slots, "VMs of a tenant");
  check_bound (&tenant->allowed.memory_mb, limits->memory_mb != 0 ? limits->memory_mb : G_MAXINT64,
               tenant->held.memory_mb, "MiB of a tenant");
  if (sum.slots == 0 && tenant->waiting.length == 0 && berth_waiters_get_length (self->queue) == 0
      && g_hash_table_size (self->waiters) == 0 && tenant->list == NULL)
    g_error ("the account of tenant %s is left over", tenant->key);
}

static void
check_tenants (BerthAdmission *self)
{
  g_autoptr (GList) all = berth_tenants_list (self->tenants);

  for (GList *link = all; link != NULL; link = link->next)
    check_tenant (self, link->data);
}

static gboolean
waiter_is_old (BerthAdmission *self, BerthWaiter *waiter)
{
  return self->now_us - waiter->arrived_us >= self->budgets.capacity.big_request_age_us;
}

/* what the waiters of one tenant that come first need, with what it holds */
typedef struct
{
  BerthPlace sum;
  gboolean
      is_full; /* one that is held back by its caps is old, or will be served: none passes it */
} TenantNeed;

static TenantNeed *
ensure_need (GHashTable *needs, BerthTenant *tenant)
{
  TenantNeed *need = g_hash_table_lookup (needs, tenant);

  if (need == NULL)
    {
      need = g_new0 (TenantNeed, 1);
      g_hash_table_insert (needs, tenant, need);
    }
  return need;
}

/* who could be served has been: counted without the passes, from every need before it in order */
static void
check_queue (BerthAdmission *self)
{
  const BerthPlace nothing = { 0 };
  g_autoptr (GHashTable) needs = g_hash_table_new_full (NULL, NULL, NULL, g_free);
  BerthPlace before = { 0 };
  BerthPlace free = berth_budgets_free (&self->budgets);
  BerthWaitersIter iter;
  BerthWaiter *waiter = NULL;

  berth_waiters_iter_init (&iter, self->queue);
  while (self->is_open && (waiter = berth_waiters_iter_next (&iter)) != NULL)
    {
      BerthPlace place = berth_admission_place_of (waiter->request);
      guint memory_mb = waiter->request->memory_mb;
      gboolean is_old = waiter_is_old (self, waiter);
      gboolean is_covered = ((BerthAdmissionWaiter *)waiter)->covered_in == self->pass;
      TenantNeed *own = ensure_need (needs, waiter->tenant);

      if (!is_covered)
        berth_waiters_iter_pass (&iter); /* as dispatch walks */
      if (waiter->deadline_us <= self->now_us)
        g_error ("invariant 3: ticket %" G_GUINT64_FORMAT " waits beyond its deadline",
                 waiter->ticket);
      if (own->is_full || !berth_tenant_has_room (waiter->tenant, &nothing, memory_mb))
        {
          own->is_full |= is_old || is_covered;
          before.vcpus += is_covered ? place.vcpus : 0;
          continue;
        }
      berth_place_add (&before, &place);
      if (berth_place_covers (&free, &before)
          && berth_tenant_has_room (waiter->tenant, &own->sum, memory_mb))
        g_error ("invariant 4: ticket %" G_GUINT64_FORMAT " waits though its place is free",
                 waiter->ticket);
      berth_place_add (&own->sum, &place);
      if (is_old)
        return;
    }
}

static gboolean
vm_has_shape (BerthAdmissionVm *av, BerthRequest *request)
{
  return berth_warm_serves (av->warm, request)
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

/* in order, but for those that their own tenant's caps hold back */
static BerthWaiter *
pick_first (BerthAdmission *self)
{
  const BerthPlace nothing = { 0 };
  BerthWaitersIter iter;
  BerthWaiter *waiter = NULL;

  berth_waiters_iter_init (&iter, self->queue);
  while ((waiter = berth_waiters_iter_next (&iter)) != NULL)
    {
      gboolean is_covered = ((BerthAdmissionWaiter *)waiter)->covered_in == self->pass;

      if (berth_tenant_has_room (waiter->tenant, &nothing, waiter->request->memory_mb))
        return waiter;
      berth_waiters_iter_pass (&iter);
      if (is_covered || waiter_is_old (self, waiter))
        berth_waiters_iter_skip_tenant (&iter);
    }
  return NULL;
}

void
berth_admission_check (BerthAdmission *self)
{
  const BerthCapacity *capacity = &self->budgets.capacity;
  const BerthPlace *held = &self->budgets.held;
  BerthPlace rest = check_vms (self);
  BerthWaiter *first = NULL;

  berth_place_subtract (&rest, held);
  if (!berth_place_is_empty (&rest))
    g_error ("invariant 2: what the VMs hold is not what is taken");
  check_bound (&self->allowed.slots, capacity->max_vms, held->slots, "slots");
  check_bound (&self->allowed.memory_mb, capacity->memory_mb, held->memory_mb, "MiB");
  check_bound (&self->allowed.vcpus, capacity->vcpus, held->vcpus, "vCPUs");
  check_bound (&self->allowed.starts, capacity->max_starts, held->starts, "starts");
  check_tenants (self);
  check_queue (self);
  first = pick_first (self);
  if (first != NULL && self->is_open)
    check_first (self, first);
  if (self->is_shutting_down && g_hash_table_size (self->waiters) > 0)
    g_error ("invariant 3: somebody waits after the shutdown");
}
