/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Checks the invariants of design.md on a state of admission, by other ways than it was made. */
/* lint: no-abort: only tests call it, and it is to end them */
#include "berth-admission-private.h"

static gboolean
state_runs (BerthVmState state)
{
  return state == BERTH_VM_STATE_STARTING || state == BERTH_VM_STATE_CLAIMED
         || state == BERTH_VM_STATE_PAUSING || state == BERTH_VM_STATE_WAKING;
}

/* @av's wakes are in the queue just as long as it is paused, and each is known to both sides */
static void
check_wakes_of (BerthAdmissionVm *av)
{
  BerthVmState state = berth_vm_get_state (av->vm);
  gint64 vcpus = state == BERTH_VM_STATE_PAUSED ? 0 : berth_vm_get_vcpus (av->vm);

  if (av->tenant != NULL && av->paid.vcpus != vcpus
      && (state_runs (state) || state == BERTH_VM_STATE_PAUSED))
    g_error ("invariant 5: the vCPUs of VM %s are not in its tenant's books",
             berth_vm_get_id (av->vm));
  if (!g_queue_is_empty (&av->wakes) && state != BERTH_VM_STATE_PAUSING
      && state != BERTH_VM_STATE_PAUSED && state != BERTH_VM_STATE_WAKING)
    g_error ("invariant 3: somebody waits for VM %s to run, which is %s", berth_vm_get_id (av->vm),
             berth_vm_state_to_string (state));
  for (GList *link = av->wakes.head; link != NULL; link = link->next)
    {
      BerthAdmissionWaiter *waiter = link->data;

      if (waiter->sleeper != av || waiter->base.is_queued != (state == BERTH_VM_STATE_PAUSED))
        g_error ("invariant 3: a wake of VM %s is lost", berth_vm_get_id (av->vm));
    }
  if (av->pause_tickets != NULL && state != BERTH_VM_STATE_PAUSING
      && state != BERTH_VM_STATE_WAKING)
    g_error ("invariant 3: somebody waits for VM %s to stand still, which is %s",
             berth_vm_get_id (av->vm), berth_vm_state_to_string (state));
}

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
      gboolean runs = state_runs (state);
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
      check_wakes_of (av);
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

/* the one of the two parties that pay for @av that is asked about, if any */
static gboolean
party_pays (const BerthParty *party, BerthAdmissionVm *av)
{
  return av->tenant != NULL && (&av->tenant->party == party || &av->tenant->user->party == party);
}

/* A party is what its VMs hold, and no more than its caps, or what lower caps left above. */
static void
check_party (BerthAdmission *self, BerthParty *party, const char *whose)
{
  BerthPlace sum = { 0 };
  guint n_running = 0;

  for (GList *link = self->order.head; link != NULL; link = link->next)
    {
      BerthAdmissionVm *av = link->data;

      if (!party_pays (party, av))
        continue;
      if (av->paid.slots != 1 || av->paid.memory_mb != berth_vm_get_memory_mb (av->vm))
        g_error ("invariant 5: VM %s is not in the books of %s", berth_vm_get_id (av->vm), whose);
      berth_place_add (&sum, &av->paid);
      n_running += av->paid.vcpus > 0 ? 1 : 0;
    }
  if (sum.slots != party->held.slots || sum.memory_mb != party->held.memory_mb
      || sum.vcpus != party->held.vcpus)
    g_error ("invariant 5: what is counted of %s is wrong", whose);
  check_bound (&party->allowed.slots, MIN (party->caps.slots, MAX (party->part.slots, 1)),
               party->held.slots, "VMs of a party");
  if (party->held.slots <= 1) /* which may be of any size, whatever the part is */
    party->allowed.memory_mb = G_MAXINT64;
  if (n_running <= 1)
    party->allowed.vcpus = G_MAXINT64;
  check_bound (&party->allowed.memory_mb, MIN (party->caps.memory_mb, party->part.memory_mb),
               party->held.memory_mb, "MiB of a party");
  check_bound (&party->allowed.vcpus, party->part.vcpus, party->held.vcpus, "vCPUs of a party");
  if (sum.slots == 0 && party->n_waiting == 0 && berth_waiters_get_length (self->queue) == 0
      && g_hash_table_size (self->waiters) == 0 && party->list == NULL)
    g_error ("what is counted of %s is left over", whose);
}

static void
check_owners (BerthAdmission *self)
{
  for (GList *link = self->order.head; link != NULL; link = link->next)
    {
      BerthAdmissionVm *av = link->data;

      BerthVmState state = berth_vm_get_state (av->vm);
      gboolean has_owner = state == BERTH_VM_STATE_PAUSED
                           || (state_runs (state) && state != BERTH_VM_STATE_STARTING);

      if ((av->waiter != NULL || has_owner) && av->tenant == NULL)
        g_error ("invariant 5: VM %s is nobody's", berth_vm_get_id (av->vm));
    }
}

static void
check_parties (BerthAdmission *self)
{
  g_autoptr (GList) tenants = berth_tenants_list (self->tenants);
  g_autoptr (GList) users = berth_tenants_list_users (self->tenants);
  g_autoptr (GHashTable) counts = g_hash_table_new (NULL, NULL);

  check_owners (self);
  for (GList *link = tenants; link != NULL; link = link->next)
    {
      BerthTenant *tenant = link->data;
      guint n = GPOINTER_TO_UINT (g_hash_table_lookup (counts, tenant->user));

      check_party (self, &tenant->party, tenant->key);
      g_hash_table_insert (counts, tenant->user, GUINT_TO_POINTER (n + tenant->party.n_waiting));
    }
  for (GList *link = users; link != NULL; link = link->next)
    {
      BerthUser *user = link->data;

      check_party (self, &user->party, "a user");
      if (GPOINTER_TO_UINT (g_hash_table_lookup (counts, user)) != user->party.n_waiting)
        g_error ("invariant 5: user %u has the wrong number of waiters", user->uid);
    }
}

static gboolean
waiter_is_old (BerthAdmission *self, BerthWaiter *waiter)
{
  return self->now_us - waiter->arrived_us >= self->budgets.capacity.big_request_age_us;
}

/**
 * PartyNeed:
 * @sum: what the waiters need that its caps leave room for
 * @covered: what those need whose place is on its way
 * @leaving: what its VMs hold that are being destroyed
 * @is_full: one that is held back by its caps is old: none passes it
 *
 * What the waiters of one party that come first need, with what it holds.
 */
typedef struct
{
  BerthPlace sum;
  BerthPlace covered;
  BerthPlace leaving;
  gboolean is_full;
} PartyNeed;

static BerthPlace
sum_leaving (BerthAdmission *self, const BerthParty *party)
{
  BerthPlace sum = { 0 };

  for (GList *link = self->order.head; link != NULL; link = link->next)
    {
      BerthAdmissionVm *av = link->data;

      if (party_pays (party, av) && av->waiter == NULL
          && berth_vm_get_state (av->vm) == BERTH_VM_STATE_STOPPING)
        berth_place_add (&sum, &av->paid);
    }
  return sum;
}

static PartyNeed *
ensure_need (BerthAdmission *self, GHashTable *needs, BerthParty *party)
{
  PartyNeed *need = g_hash_table_lookup (needs, party);

  if (need == NULL)
    {
      need = g_new0 (PartyNeed, 1);
      need->leaving = sum_leaving (self, party);
      g_hash_table_insert (needs, party, need);
    }
  return need;
}

/* whether the caps of @party hold a waiter for @place back, who comes after @need: now, or when
 * those before it have what is on its way to them; notes whether that @stops who comes later */
static gboolean
party_holds_back (BerthParty *party, PartyNeed *need, const BerthPlace *place, gboolean stops)
{
  const BerthPlace nothing = { 0 };
  BerthPlace later = need->covered;

  berth_place_subtract (&later, &need->leaving);
  if (!need->is_full && berth_party_has_room (party, &nothing, place)
      && berth_party_has_room (party, &later, place))
    return FALSE;
  need->is_full |= stops;
  return TRUE;
}

/* what may be set aside of what is free for one that is held back: where only those before it are
 * why, all that it needs; else it waits for a slot and memory of its own */
static void
add_aside (BerthPlace *before, BerthWaiter *waiter, const BerthPlace *place, gboolean is_covered)
{
  if (is_covered && berth_tenant_has_room (waiter->tenant, place))
    berth_place_add (before, place);
  else if (is_covered)
    before->vcpus += place->vcpus;
}

/* who could be served has been: counted without the passes, from every need before it in order */
static void
check_queue (BerthAdmission *self)
{
  g_autoptr (GHashTable) needs = g_hash_table_new_full (NULL, NULL, NULL, g_free);
  BerthPlace before = { 0 };
  BerthPlace free = berth_budgets_free (&self->budgets);
  BerthWaitersIter iter;
  BerthWaiter *waiter = NULL;

  berth_waiters_iter_init (&iter, self->queue);
  while (berth_admission_is_admitting (self) && (waiter = berth_waiters_iter_next (&iter)) != NULL)
    {
      BerthPlace place = berth_admission_place_of (waiter->request);
      BerthParty *tenant = &waiter->tenant->party;
      BerthParty *user = &waiter->tenant->user->party;
      gboolean is_old = waiter_is_old (self, waiter);
      gboolean is_covered = ((BerthAdmissionWaiter *)waiter)->covered_in == self->pass;
      PartyNeed *of_tenant = ensure_need (self, needs, tenant);
      PartyNeed *of_user = ensure_need (self, needs, user);
      gboolean is_held_back = FALSE;

      if (!is_covered)
        berth_waiters_iter_pass (&iter); /* as dispatch walks */
      if (waiter->deadline_us <= self->now_us)
        g_error ("invariant 3: ticket %" G_GUINT64_FORMAT " waits beyond its deadline",
                 waiter->ticket);
      is_held_back = party_holds_back (user, of_user, &place, is_old && !is_covered);
      is_held_back |= party_holds_back (tenant, of_tenant, &place, is_old && !is_covered);
      if (is_covered)
        {
          berth_place_add (&of_tenant->covered, &place);
          berth_place_add (&of_user->covered, &place);
        }
      if (is_held_back)
        {
          add_aside (&before, waiter, &place, is_covered);
          continue;
        }
      berth_place_add (&before, &place);
      if (berth_place_covers (&free, &before)
          && berth_party_has_room (tenant, &of_tenant->sum, &place)
          && berth_party_has_room (user, &of_user->sum, &place))
        g_error ("invariant 4: ticket %" G_GUINT64_FORMAT " waits though its place is free",
                 waiter->ticket);
      berth_place_add (&of_tenant->sum, &place);
      berth_place_add (&of_user->sum, &place);
      if (is_old && !is_covered)
        return; /* what comes free is kept for it */
    }
}

/* A wake waits for vCPUs alone: it does not, where there are enough for all that wait. */
static void
check_wakes (BerthAdmission *self)
{
  const BerthPlace nothing = { 0 };
  gint64 vcpus = berth_budgets_free (&self->budgets).vcpus;
  BerthWaitersIter iter;
  BerthWaiter *waiter = NULL;

  berth_waiters_iter_init (&iter, self->queue);
  while ((waiter = berth_waiters_iter_next (&iter)) != NULL)
    vcpus -= waiter->request->shape.vcpus;
  berth_waiters_iter_init (&iter, self->queue);
  while (vcpus >= 0 && self->is_open && (waiter = berth_waiters_iter_next (&iter)) != NULL)
    {
      BerthPlace place = berth_admission_place_of (waiter->request);
      BerthUser *user = waiter->tenant->user;

      /* one that waits alone for its user, whose own others could come before it */
      if (berth_request_is_wake (waiter->request) && user->party.n_waiting == 1
          && berth_party_has_room (&waiter->tenant->party, &nothing, &place)
          && berth_party_has_room (&user->party, &nothing, &place))
        g_error ("invariant 4: ticket %" G_GUINT64_FORMAT " waits though its vCPUs are free",
                 waiter->ticket);
    }
}

static gboolean
vm_is_like (BerthAdmissionVm *av, BerthRequest *request)
{
  return berth_shape_equal (berth_vm_get_shape (av->vm), &request->shape)
         && berth_warm_is_for (av->warm, request);
}

/* Who is first in order does not wait beside an idle warm VM that could serve it, or make room. */
static void
check_first (BerthAdmission *self, BerthWaiter *first, gint64 aside_vcpus)
{
  BerthPlace place = berth_admission_place_of (first->request);
  BerthPlace free = berth_budgets_free (&self->budgets);
  BerthPlace with_warm = { 0 };
  gboolean is_coming = FALSE;

  free.vcpus -= aside_vcpus;
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
        is_coming |= vm_is_like (av, first->request);
    }
  berth_place_add (&with_warm, &free);
  if (!berth_place_covers (&free, &place) && berth_place_covers (&with_warm, &place) && !is_coming)
    g_error ("invariant 4: ticket %" G_GUINT64_FORMAT " waits though idle warm VMs hold its place",
             first->ticket);
}

/* in order, but for those that the caps of their own tenant or user hold back; @out_vcpus are set
 * aside for those of them whose place is on its way */
static BerthWaiter *
pick_first (BerthAdmission *self, gint64 *out_vcpus)
{
  const BerthPlace nothing = { 0 };
  BerthWaitersIter iter;
  BerthWaiter *waiter = NULL;

  berth_waiters_iter_init (&iter, self->queue);
  while ((waiter = berth_waiters_iter_next (&iter)) != NULL)
    {
      BerthPlace place = berth_admission_place_of (waiter->request);
      gboolean is_covered = ((BerthAdmissionWaiter *)waiter)->covered_in == self->pass;

      if (berth_tenant_has_room (waiter->tenant, &place))
        return waiter;
      berth_waiters_iter_pass (&iter);
      *out_vcpus += is_covered ? place.vcpus : 0;
      if (!is_covered && !waiter_is_old (self, waiter))
        continue;
      if (berth_party_has_room (&waiter->tenant->user->party, &nothing, &place))
        berth_waiters_iter_skip_tenant (&iter);
      else
        berth_waiters_iter_skip_user (&iter);
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
  gint64 aside_vcpus = 0;

  berth_place_subtract (&rest, held);
  if (!berth_place_is_empty (&rest))
    g_error ("invariant 2: what the VMs hold is not what is taken");
  check_bound (&self->allowed.slots, capacity->max_vms, held->slots, "slots");
  check_bound (&self->allowed.memory_mb, capacity->memory_mb, held->memory_mb, "MiB");
  check_bound (&self->allowed.vcpus, capacity->vcpus, held->vcpus, "vCPUs");
  check_bound (&self->allowed.starts, capacity->max_starts, held->starts, "starts");
  check_parties (self);
  check_queue (self);
  check_wakes (self);
  first = pick_first (self, &aside_vcpus);
  if (first != NULL && berth_admission_is_admitting (self))
    check_first (self, first, aside_vcpus);
  if (self->is_shutting_down && g_hash_table_size (self->waiters) > 0)
    g_error ("invariant 3: somebody waits after the shutdown");
  if (self->is_open && !self->is_admitting && self->in_state[BERTH_VM_STATE_WARM] > 0)
    g_error ("a warm VM stands by while nobody may have it");
}
