/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The arithmetic of the budgets, and nothing that decides who gets them. */
#include "berth-budgets.h"

void
berth_place_add (BerthPlace *self, const BerthPlace *other)
{
  self->slots += other->slots;
  self->memory_mb += other->memory_mb;
  self->vcpus += other->vcpus;
  self->starts += other->starts;
}

void
berth_place_subtract (BerthPlace *self, const BerthPlace *other)
{
  self->slots -= other->slots;
  self->memory_mb -= other->memory_mb;
  self->vcpus -= other->vcpus;
  self->starts -= other->starts;
}

gboolean
berth_place_is_empty (const BerthPlace *self)
{
  return self->slots == 0 && self->memory_mb == 0 && self->vcpus == 0 && self->starts == 0;
}

/* a budget that is not needed does not matter, even where it is overdrawn */
static gboolean
amount_covers (gint64 have, gint64 need)
{
  return need <= 0 || have >= need;
}

gboolean
berth_place_covers (const BerthPlace *self, const BerthPlace *need)
{
  return amount_covers (self->slots, need->slots)
         && amount_covers (self->memory_mb, need->memory_mb)
         && amount_covers (self->vcpus, need->vcpus) && amount_covers (self->starts, need->starts);
}

static void
amount_move (gint64 *have, gint64 *need)
{
  gint64 amount = MIN (MAX (*have, 0), MAX (*need, 0));

  *have -= amount;
  *need -= amount;
}

void
berth_place_move (BerthPlace *self, BerthPlace *need)
{
  amount_move (&self->slots, &need->slots);
  amount_move (&self->memory_mb, &need->memory_mb);
  amount_move (&self->vcpus, &need->vcpus);
  amount_move (&self->starts, &need->starts);
}

void
berth_budgets_take (BerthBudgets *self, const BerthPlace *place)
{
  berth_place_add (&self->held, place);
}

void
berth_budgets_give (BerthBudgets *self, const BerthPlace *place)
{
  berth_place_subtract (&self->held, place);
  g_assert (self->held.slots >= 0 && self->held.memory_mb >= 0 && self->held.vcpus >= 0
            && self->held.starts >= 0);
}

BerthPlace
berth_budgets_free (const BerthBudgets *self)
{
  BerthPlace place = {
    .slots = self->capacity.max_vms,
    .memory_mb = self->capacity.memory_mb,
    .vcpus = self->capacity.vcpus,
    .starts = self->capacity.max_starts,
  };

  berth_place_subtract (&place, &self->held);
  return place;
}
