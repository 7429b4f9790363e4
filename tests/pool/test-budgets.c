/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Proves the arithmetic of the budgets: what is taken comes back, and nothing is made of nothing.
 */
#include "berth-budgets.h"

static const BerthCapacity capacity
    = { .max_vms = 2, .memory_mb = 1000, .vcpus = 4, .max_starts = 1 };

static void
test_take_and_give (void)
{
  BerthBudgets budgets = { .capacity = capacity };
  const BerthPlace place = { .slots = 1, .memory_mb = 300, .vcpus = 2, .starts = 1 };
  BerthPlace free = { 0 };

  berth_budgets_take (&budgets, &place);
  free = berth_budgets_free (&budgets);
  g_assert_cmpint (free.slots, ==, 1);
  g_assert_cmpint (free.memory_mb, ==, 700);
  g_assert_cmpint (free.vcpus, ==, 2);
  g_assert_cmpint (free.starts, ==, 0);
  berth_budgets_give (&budgets, &place);
  g_assert_true (berth_place_is_empty (&budgets.held));
}

static void
test_covers_each_budget (void)
{
  const BerthPlace have = { .slots = 1, .memory_mb = 300, .vcpus = 2, .starts = 1 };
  BerthPlace need = have;

  g_assert_true (berth_place_covers (&have, &need));
  need.slots++;
  g_assert_false (berth_place_covers (&have, &need));
  need = have;
  need.memory_mb++;
  g_assert_false (berth_place_covers (&have, &need));
  need = have;
  need.vcpus++;
  g_assert_false (berth_place_covers (&have, &need));
  need = have;
  need.starts++;
  g_assert_false (berth_place_covers (&have, &need));
}

static void
test_overdrawn (void)
{
  BerthBudgets budgets = { .capacity = capacity };
  const BerthPlace place = { .slots = 3, .memory_mb = 900, .vcpus = 3 };
  const BerthPlace slot = { .slots = 1 };
  const BerthPlace vcpu = { .vcpus = 1 };
  BerthPlace free = { 0 };

  /* as after a resize: what is overdrawn gives nothing, the others still do */
  berth_budgets_take (&budgets, &place);
  free = berth_budgets_free (&budgets);
  g_assert_cmpint (free.slots, ==, -1);
  g_assert_false (berth_place_covers (&free, &slot));
  g_assert_true (berth_place_covers (&free, &vcpu));
}

static void
test_move (void)
{
  BerthPlace from = { .slots = 1, .memory_mb = 100, .vcpus = -1 };
  BerthPlace need = { .slots = 1, .memory_mb = 300, .vcpus = 1 };

  berth_place_move (&from, &need);
  g_assert_cmpint (from.slots, ==, 0);
  g_assert_cmpint (from.memory_mb, ==, 0);
  g_assert_cmpint (from.vcpus, ==, -1);
  g_assert_cmpint (need.slots, ==, 0);
  g_assert_cmpint (need.memory_mb, ==, 200);
  g_assert_cmpint (need.vcpus, ==, 1);
}

static void
test_double_give_aborts (void)
{
  if (g_test_subprocess ())
    {
      BerthBudgets budgets = { .capacity = capacity };
      const BerthPlace slot = { .slots = 1 };

      berth_budgets_give (&budgets, &slot);
      return;
    }
  g_test_trap_subprocess (NULL, 0, 0);
  g_test_trap_assert_failed ();
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/budgets/take-and-give", test_take_and_give);
  g_test_add_func ("/budgets/covers-each-budget", test_covers_each_budget);
  g_test_add_func ("/budgets/overdrawn", test_overdrawn);
  g_test_add_func ("/budgets/move", test_move);
  g_test_add_func ("/budgets/2-double-give-aborts", test_double_give_aborts);
  return g_test_run ();
}
