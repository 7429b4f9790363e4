/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Decides who is served next, and who has to wait. */
#include "berth-admission-private.h"

/**
 * Supply:
 * @free: what a VM could take now
 * @dying: what comes free when the VMs that are being destroyed are gone
 *
 * What is left to give in one pass over the queue. A waiter that can be served as soon as dying VMs
 * are gone, or as soon as one more may start, is covered: what it needs is set aside, first from
 * the dying and then from the free, so that nobody behind it takes it and nothing is kept idle that
 * it does not need.
 */
typedef struct
{
  BerthPlace free;
  BerthPlace dying;
} Supply;

/* of a VM that is being destroyed and leaves its place to nobody in particular */
static gboolean
vm_leaves_place (BerthAdmissionVm *av)
{
  return av->waiter == NULL && berth_vm_get_state (av->vm) == BERTH_VM_STATE_STOPPING;
}

/* After the capacity was made smaller, the dying pay that debt first. */
static void
supply_settle_debt (gint64 *free, gint64 *dying)
{
  gint64 debt = CLAMP (-*free, 0, *dying);

  *free += debt;
  *dying -= debt;
}

/* @party, with what dispatch notes of it in this pass */
static BerthParty *
in_pass (BerthAdmission *self, BerthParty *party)
{
  if (party->pass != self->pass)
    party->aside = party->aside_now = party->leaving = (BerthPlace){ 0 };
  party->pass = self->pass;
  return party;
}

static void
note_leaving (BerthAdmission *self, BerthAdmissionVm *av)
{
  if (av->tenant == NULL)
    return;
  berth_place_add (&in_pass (self, &av->tenant->party)->leaving, &av->paid);
  berth_place_add (&in_pass (self, &av->tenant->user->party)->leaving, &av->paid);
}

static Supply
supply_new (BerthAdmission *self)
{
  Supply supply = { .free = berth_budgets_free (&self->budgets) };

  if (self->in_state[BERTH_VM_STATE_STOPPING] == 0)
    return supply;
  for (GList *link = self->order.head; link != NULL; link = link->next)
    if (vm_leaves_place (link->data))
      {
        BerthAdmissionVm *av = link->data;

        berth_place_add (&supply.dying, &av->held);
        note_leaving (self, av);
      }
  supply_settle_debt (&supply.free.slots, &supply.dying.slots);
  supply_settle_debt (&supply.free.memory_mb, &supply.dying.memory_mb);
  supply_settle_debt (&supply.free.vcpus, &supply.dying.vcpus);
  return supply;
}

/* Sets @place aside; FALSE, and nothing is changed, where it is not there. Who waits for the end of
 * a VM anyway, because of a cap (@only_dying), keeps no slot and no memory idle. */
static gboolean
supply_cover (Supply *supply, BerthPlace place, gboolean only_dying)
{
  Supply rest = *supply;

  place.starts = 0;
  berth_place_move (&rest.dying, &place);
  if (only_dying && (place.slots > 0 || place.memory_mb > 0))
    return FALSE;
  if (!berth_place_covers (&rest.free, &place))
    return FALSE;
  berth_place_move (&rest.free, &place);
  *supply = rest;
  return TRUE;
}

static gboolean
waiter_is_aged (BerthAdmission *self, BerthAdmissionWaiter *waiter)
{
  return self->now_us - waiter->base.arrived_us >= self->budgets.capacity.big_request_age_us;
}

/**
 * Room:
 * @ROOM_NOW: for one more VM
 * @ROOM_SOON: when VMs of the party that are dying are gone
 * @ROOM_NONE: before its owner ends one
 *
 * What the caps of a party leave for a waiter, after those of the party that come before it.
 */
typedef enum
{
  ROOM_NOW,
  ROOM_SOON,
  ROOM_NONE,
} Room;

static Room
party_get_room (BerthAdmission *self, BerthParty *party, const BerthPlace *need)
{
  BerthPlace later = in_pass (self, party)->aside;

  berth_place_subtract (&later, &party->leaving);
  if (!berth_party_has_room (party, &later, need))
    return ROOM_NONE;
  return berth_party_has_room (party, &party->aside_now, need) ? ROOM_NOW : ROOM_SOON;
}

/* an old request of the party is held back by its caps: none passes it but a wake */
static gboolean
party_is_closed (BerthAdmission *self, const BerthParty *party)
{
  return party->closed_in == self->pass;
}

/* the worse of what its tenant's and its user's leave */
static Room
waiter_get_room (BerthAdmission *self, BerthAdmissionWaiter *waiter)
{
  BerthPlace need = berth_admission_place_of (waiter->base.request);
  BerthTenant *tenant = waiter->base.tenant;

  if (waiter->sleeper == NULL
      && (party_is_closed (self, &tenant->party) || party_is_closed (self, &tenant->user->party)))
    return ROOM_NONE;

  Room of_tenant = party_get_room (self, &tenant->party, &need);
  Room of_user = party_get_room (self, &tenant->user->party, &need);

  return MAX (of_tenant, of_user);
}

static void
party_set_aside (BerthParty *party, const BerthPlace *place, Room room)
{
  berth_place_add (&party->aside, place);
  if (room == ROOM_NOW)
    berth_place_add (&party->aside_now, place);
}

/* What is on its way to @waiter: a warm VM that is being made for requests like it, or a place that
 * somebody leaves. FALSE if nothing is. */
static gboolean
waiter_cover (BerthAdmission *self, BerthAdmissionWaiter *waiter, Room room, Supply *supply)
{
  BerthRequest *request = waiter->base.request;
  BerthPlace place = berth_admission_place_of (request);
  BerthTenant *tenant = waiter->base.tenant;
  BerthAdmissionVm *refill = NULL;

  if (!supply_cover (supply, place, room == ROOM_SOON))
    {
      refill = berth_admission_pick_refill (self, request);
      if (refill == NULL)
        return FALSE;
      refill->promised_in = self->pass;
    }
  waiter->covered_in = self->pass;
  g_array_append_val (self->set_aside, place);
  party_set_aside (in_pass (self, &tenant->party), &place, room);
  party_set_aside (in_pass (self, &tenant->user->party), &place, room);
  return TRUE;
}

/* Warm VMs go for @waiter, if that makes its place. */
static gboolean
waiter_evict (BerthAdmission *self, BerthAdmissionWaiter *waiter, const Supply *supply)
{
  BerthPlace need = berth_admission_place_of (waiter->base.request);
  Supply rest = *supply;

  berth_place_move (&rest.dying, &need);
  berth_place_move (&rest.free, &need);
  return berth_admission_evict (self, need);
}

/* serves @waiter, if it can be served now */
static gboolean
waiter_serve (BerthAdmission *self, BerthAdmissionWaiter *waiter, const Supply *supply)
{
  BerthPlace place = berth_admission_place_of (waiter->base.request);
  BerthAdmissionVm *warm = berth_admission_pick_warm (self, waiter->base.request);

  if (warm != NULL && supply->free.vcpus >= place.vcpus)
    berth_admission_claim (self, waiter, warm);
  else if (berth_place_covers (&supply->free, &place))
    berth_admission_admit (self, waiter);
  else
    return FALSE;
  return TRUE;
}

/* Whether anything may be left to give, so that a long queue is not walked for nothing. Everybody
 * needs a vCPU, and only a refill that is given up can still bring one; a slot is what all but
 * wakes need. */
static gboolean
supply_is_left (BerthAdmission *self, const Supply *supply)
{
  gboolean has_slot = supply->free.slots > 0 || supply->dying.slots > 0
                      || self->in_state[BERTH_VM_STATE_WARM] > 0
                      || berth_waiters_count_wakes (self->queue) > 0;

  return self->n_refilling > 0 || (has_slot && supply->free.vcpus > 0);
}

#define MAX_HOPELESS 16u

/**
 * Hopeless:
 * @is_by_tenant: warm VMs are of tenants: @by_tenant is used, else BerthWaiterKind's hopeless_in
 * @n_kinds: how many kinds are hopeless
 *
 * Requests that got nothing in this pass. What is left to give only shrinks in a pass, so another
 * one of the same kind (where tenants have warm VMs of their own: and of the same tenant) gets
 * nothing, either, and where no other kind waits the pass is over: a long queue is not walked.
 */
typedef struct
{
  gboolean is_by_tenant;
  guint n_kinds;
  const BerthWaiter *by_tenant[MAX_HOPELESS];
  guint n_by_tenant;
} Hopeless;

static gboolean
hopeless_contains (BerthAdmission *self, const Hopeless *hopeless, const BerthWaiter *waiter)
{
  if (!hopeless->is_by_tenant)
    return waiter->kind->hopeless_in == self->pass;
  for (guint i = 0; i < hopeless->n_by_tenant; i++)
    if (hopeless->by_tenant[i]->kind == waiter->kind
        && hopeless->by_tenant[i]->tenant == waiter->tenant)
      return TRUE;
  return FALSE;
}

static void
hopeless_add (BerthAdmission *self, Hopeless *hopeless, const BerthWaiter *waiter)
{
  if (!hopeless->is_by_tenant)
    {
      waiter->kind->hopeless_in = self->pass;
      hopeless->n_kinds++;
    }
  else if (hopeless->n_by_tenant < MAX_HOPELESS)
    {
      hopeless->by_tenant[hopeless->n_by_tenant++] = waiter;
    }
}

static gboolean
hopeless_is_everybody (BerthAdmission *self, const Hopeless *hopeless)
{
  return hopeless->n_kinds == berth_waiters_count_kinds (self->queue);
}

typedef enum
{
  ATTEMPT_CHANGED, /* somebody was served, or made room for */
  ATTEMPT_COVERED, /* it is on its way */
  ATTEMPT_NOTHING,
} Attempt;

static Attempt
waiter_attempt (BerthAdmission *self, BerthAdmissionWaiter *waiter, Room room, Supply *supply)
{
  if (room == ROOM_NOW && waiter_serve (self, waiter, supply))
    return ATTEMPT_CHANGED;
  if (waiter_cover (self, waiter, room, supply))
    return ATTEMPT_COVERED;
  if (room == ROOM_NOW && waiter_evict (self, waiter, supply))
    return ATTEMPT_CHANGED;
  return ATTEMPT_NOTHING;
}

/* no VM of any size */
static gboolean
party_is_full (BerthAdmission *self, BerthParty *party)
{
  const BerthPlace least = { .slots = 1, .memory_mb = 1, .vcpus = 1 };

  return party_get_room (self, party, &least) == ROOM_NONE;
}

/* @waiter is held back by the caps of its own tenant, or user: that keeps nothing from others.
 * Behind it, smaller ones of the same may fit, until it is old; none does where there is no slot
 * for one. Who only wakes a VM needs nothing that an old one waits for: its party has that. */
static void
hold_back (BerthAdmission *self, BerthAdmissionWaiter *waiter, BerthWaitersIter *iter)
{
  const BerthPlace nothing = { 0 };
  BerthPlace need = berth_admission_place_of (waiter->base.request);
  BerthParty *tenant = &waiter->base.tenant->party;
  BerthParty *user = &waiter->base.tenant->user->party;
  gboolean is_old = waiter_is_aged (self, waiter);
  gboolean is_by_user = !berth_party_has_room (user, &nothing, &need)
                        || party_get_room (self, tenant, &need) == ROOM_NOW;

  gboolean closes_user = party_is_full (self, user) || (is_old && is_by_user);
  gboolean closes_tenant = party_is_full (self, tenant) || is_old;

  berth_waiters_iter_pass (iter);
  if (berth_waiters_count_wakes (self->queue) > 0)
    {
      if (closes_user || closes_tenant)
        (closes_user ? user : tenant)->closed_in = self->pass;
    }
  else if (closes_user)
    berth_waiters_iter_skip_user (iter);
  else if (closes_tenant)
    berth_waiters_iter_skip_tenant (iter);
}

static void
begin_pass (BerthAdmission *self)
{
  self->pass++;
  self->kept_from_us = G_MAXINT64;
  g_array_set_size (self->set_aside, 0);
}

/* @waiter gets nothing, and others may pass it, until it is old */
static void
pass_by (BerthAdmission *self, BerthAdmissionWaiter *waiter, BerthWaitersIter *iter)
{
  gint64 old_at_us = waiter->base.arrived_us + self->budgets.capacity.big_request_age_us;

  self->kept_from_us = MIN (self->kept_from_us, old_at_us);
  berth_waiters_iter_pass (iter);
}

/* Whether @waiter, which is old, keeps what comes free from whoever wakes a VM, too. Where a slot
 * or memory is what it waits for, vCPUs alone are of no use to it; and those that would be woken
 * may hold what it waits for. */
static gboolean
keeps_from_wakes (BerthAdmission *self, BerthAdmissionWaiter *waiter, const Supply *supply)
{
  BerthPlace need = berth_admission_place_of (waiter->base.request);

  need.vcpus = need.starts = 0;
  return waiter->sleeper != NULL || berth_place_covers (&supply->free, &need)
         || berth_waiters_count_wakes (self->queue) == 0;
}

/* Walks the queue until something has changed: the order, or what there is to give, is another one
 * after that. */
static gboolean
dispatch_one (BerthAdmission *self)
{
  Supply supply;
  Hopeless hopeless = { .is_by_tenant = berth_admission_has_tenants_warm (self) };
  BerthWaitersIter iter;
  BerthWaiter *next = NULL;
  gboolean wakes_only = !self->is_admitting; /* whose VM it is stays as it is, and is used */

  begin_pass (self);
  supply = supply_new (self);
  if (!supply_is_left (self, &supply))
    return FALSE;
  berth_waiters_iter_init (&iter, self->queue);
  while (supply_is_left (self, &supply) && !hopeless_is_everybody (self, &hopeless)
         && (next = berth_waiters_iter_next (&iter)) != NULL)
    {
      BerthAdmissionWaiter *waiter = (BerthAdmissionWaiter *)next;
      Room room = waiter_get_room (self, waiter);

      if (wakes_only && waiter->sleeper == NULL)
        {
          berth_waiters_iter_pass (&iter);
          continue;
        }
      gboolean is_hopeless = room == ROOM_NONE || hopeless_contains (self, &hopeless, next);
      Attempt attempt
          = is_hopeless ? ATTEMPT_NOTHING : waiter_attempt (self, waiter, room, &supply);

      if (attempt == ATTEMPT_CHANGED)
        return TRUE;
      if (attempt == ATTEMPT_COVERED)
        continue;
      if (room != ROOM_NOW)
        {
          hold_back (self, waiter, &iter);
          continue;
        }
      pass_by (self, waiter, &iter);
      if (waiter_is_aged (self, waiter)) /* from now on, what comes free is kept for it */
        {
          if (keeps_from_wakes (self, waiter, &supply))
            return FALSE;
          wakes_only = TRUE;
        }
      if (!is_hopeless)
        hopeless_add (self, &hopeless, next);
    }
  return FALSE;
}

void
berth_admission_dispatch (BerthAdmission *self)
{
  gboolean any_change = TRUE;

  berth_admission_start_unstarted (self);
  begin_pass (self); /* nobody is covered but by a pass of this message */
  while ((berth_admission_is_admitting (self)
          || (self->is_open && berth_waiters_count_wakes (self->queue) > 0))
         && berth_waiters_get_length (self->queue) > 0 && any_change)
    any_change = dispatch_one (self);
}

/* the fewest requests of the smallest size that any budget has room for; *@out_bound: which one */
static gint64
count_places (const BerthPlace *free, const BerthPlace *smallest, const char **out_bound)
{
  const struct
  {
    const char *name;
    gint64 count;
  } budgets[] = { { "slots", free->slots },
                  { "memory_mb", free->memory_mb / MAX (smallest->memory_mb, 1) },
                  { "vcpus", free->vcpus / MAX (smallest->vcpus, 1) } };
  guint least = 0;

  for (guint i = 1; i < G_N_ELEMENTS (budgets); i++)
    if (budgets[i].count < budgets[least].count)
      least = i;
  *out_bound = budgets[least].name;
  return budgets[least].count;
}

guint
berth_admission_count_free (BerthAdmission *self, const char **out_bound)
{
  Supply supply = supply_new (self);

  if (self->now_us >= self->kept_from_us)
    {
      *out_bound = "waiter"; /* one that is old keeps everything that comes free */
      return 0;
    }
  for (guint i = 0; i < self->set_aside->len; i++)
    supply_cover (&supply, g_array_index (self->set_aside, BerthPlace, i), FALSE);
  for (GList *link = self->order.head; link != NULL; link = link->next)
    if (berth_admission_is_evictable (self, link->data))
      berth_place_add (&supply.free, &((BerthAdmissionVm *)link->data)->held);
  return (guint)MAX (count_places (&supply.free, &self->smallest, out_bound), 0);
}
