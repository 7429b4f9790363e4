/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Taking from and giving to the budgets: slots, memory, vCPUs, starts. */
#pragma once

#include "berth-capacity.h"

G_BEGIN_DECLS

/**
 * BerthPlace:
 * @slots: VMs that exist
 * @memory_mb: MiB of guest memory
 * @vcpus: that run
 * @starts: VMs being started
 *
 * An amount of every budget: what one VM holds or needs, or what all of them do. Signed, because
 * what is free is negative after the capacity was made smaller.
 */
typedef struct
{
  gint64 slots;
  gint64 memory_mb;
  gint64 vcpus;
  gint64 starts;
} BerthPlace;

/**
 * BerthBudgets:
 * @capacity: how much there is
 * @held: how much of it is taken
 */
typedef struct
{
  BerthCapacity capacity;
  BerthPlace held;
} BerthBudgets;

void berth_place_add (BerthPlace *self, const BerthPlace *other);
void berth_place_subtract (BerthPlace *self, const BerthPlace *other);
gboolean berth_place_is_empty (const BerthPlace *self);
/* whether @need is there in @self, all of it */
gboolean berth_place_covers (const BerthPlace *self, const BerthPlace *need);
/* moves as much of @need as there is from @self; @need is what is still wanted after that */
void berth_place_move (BerthPlace *self, BerthPlace *need);

void berth_budgets_take (BerthBudgets *self, const BerthPlace *place);
void berth_budgets_give (BerthBudgets *self, const BerthPlace *place);
/* negative in every budget that holds more than it has */
BerthPlace berth_budgets_free (const BerthBudgets *self);

G_END_DECLS
