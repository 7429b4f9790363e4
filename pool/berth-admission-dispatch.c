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

static Supply
supply_new (BerthAdmission *self)
{
  Supply supply = { .free = berth_budgets_free (&self->budgets) };

  for (GList *link = self->order.head; link != NULL; link = link->next)
    if (vm_leaves_place (link->data))
      berth_place_add (&supply.dying, &((BerthAdmissionVm *)link->data)->held);
  supply_settle_debt (&supply.free.slots, &supply.dying.slots);
  supply_settle_debt (&supply.free.memory_mb, &supply.dying.memory_mb);
  supply_settle_debt (&supply.free.vcpus, &supply.dying.vcpus);
  return supply;
}

/* sets @place aside; FALSE, and nothing is changed, where it is not there */
static gboolean
supply_cover (Supply *supply, BerthPlace place)
{
  Supply rest = *supply;

  place.starts = 0;
  berth_place_move (&rest.dying, &place);
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

/* whether a slot may be left at all, so that a long queue is not walked for nothing */
static gboolean
supply_has_slot (const Supply *supply)
{
  return supply->free.slots > 0 || supply->dying.slots > 0;
}

/* Walks the queue until somebody was admitted: the order is another one after that. */
static gboolean
dispatch_one (BerthAdmission *self)
{
  Supply supply = supply_new (self);
  BerthWaitersIter iter;
  BerthWaiter *next = NULL;

  self->pass++;
  berth_waiters_iter_init (&iter, self->queue);
  while (supply_has_slot (&supply) && (next = berth_waiters_iter_next (&iter)) != NULL)
    {
      BerthAdmissionWaiter *waiter = (BerthAdmissionWaiter *)next;
      BerthPlace place = berth_admission_place_of (next->request);

      if (berth_place_covers (&supply.free, &place))
        {
          berth_admission_admit (self, waiter);
          return TRUE;
        }
      if (supply_cover (&supply, place))
        waiter->covered_in = self->pass;
      else if (waiter_is_aged (self, waiter))
        return FALSE; /* from now on, what comes free is kept for it */
    }
  return FALSE;
}

void
berth_admission_dispatch (BerthAdmission *self)
{
  gboolean any_admitted = TRUE;

  berth_admission_start_unstarted (self);
  self->pass++; /* nobody is covered but by a pass of this message */
  while (self->is_open && berth_waiters_get_length (self->queue) > 0 && any_admitted)
    any_admitted = dispatch_one (self);
}
