/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Proves what is told of sandboxes that are gone: to whom, for how long, and by which reason. */
#include "plugin/manager/berth-tombstones.h"

#define N_KEPT 3u

static BerthVm *
vm_new (guint number)
{
  g_autofree char *id = g_strdup_printf ("%032x", number);

  return berth_vm_new_adopted (id, BERTH_SHAPE ("python", 128, 1), NULL, 0);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (BerthTombstones, berth_tombstones_free)

/* its owner and root hear of it; another user hears what is said of an id that never was */
static void
test_whose (void)
{
  g_autoptr (BerthTombstones) stones = berth_tombstones_new (N_KEPT);
  g_autoptr (BerthVm) vm = vm_new (1);
  const char *id = berth_vm_get_id (vm);

  g_assert_null (berth_tombstones_find (stones, id, 1000));
  berth_tombstones_add (stones, vm, 1000, "it was idle");
  g_assert_cmpstr (berth_tombstones_find (stones, id, 1000)->reason, ==, "it was idle");
  g_assert_nonnull (berth_tombstones_find (stones, id, 0));
  g_assert_null (berth_tombstones_find (stones, id, 1001));
}

/* what ends a sandbox first is why it is gone, whatever is found out while its VM ends */
static void
test_first_reason_holds (void)
{
  g_autoptr (BerthTombstones) stones = berth_tombstones_new (N_KEPT);
  g_autoptr (BerthVm) vm = vm_new (1);
  const BerthTombstone *stone = NULL;

  berth_tombstones_add (stones, vm, 1000, "first");
  berth_tombstones_add (stones, vm, 1001, "second");
  stone = berth_tombstones_find (stones, berth_vm_get_id (vm), 0);
  g_assert_cmpstr (stone->reason, ==, "first");
  g_assert_cmpuint (stone->uid, ==, 1000);
}

/* the VM is kept as long as it lives, and not longer; the tombstone stays */
static void
test_vm_gone (void)
{
  g_autoptr (BerthTombstones) stones = berth_tombstones_new (N_KEPT);
  g_autoptr (BerthVm) other = vm_new (2);
  BerthVm *vm = vm_new (1);
  g_autofree char *id = g_strdup (berth_vm_get_id (vm));

  berth_tombstones_add (stones, vm, 1000, "gone");
  berth_tombstones_vm_gone (stones, other);
  g_assert_true (berth_tombstones_find (stones, id, 1000)->vm == vm);
  berth_tombstones_vm_gone (stones, vm);
  berth_tombstones_vm_gone (stones, vm);
  g_assert_null (berth_tombstones_find (stones, id, 1000)->vm);
  g_assert_finalize_object (vm);
}

/* at the limit all are told, beyond it the oldest is not, and one said twice takes one place */
static void
test_the_oldest_is_forgotten (void)
{
  g_autoptr (BerthTombstones) stones = berth_tombstones_new (N_KEPT);
  g_autoptr (GPtrArray) vms = g_ptr_array_new_with_free_func (g_object_unref);

  for (guint i = 0; i < 3 * N_KEPT; i++)
    {
      g_ptr_array_add (vms, vm_new (i));
      berth_tombstones_add (stones, vms->pdata[i], 1000, "gone");
      berth_tombstones_add (stones, vms->pdata[i], 1000, "gone again");
      for (guint j = 0; j <= i; j++)
        g_assert_cmpint (berth_tombstones_find (stones, berth_vm_get_id (vms->pdata[j]), 1000)
                             != NULL,
                         ==, j + N_KEPT > i);
    }
}

/* What is there again is not told as gone, and what goes then has its own reason. */
static void
test_there_again (void)
{
  g_autoptr (BerthTombstones) stones = berth_tombstones_new (N_KEPT);
  g_autoptr (BerthVm) vm = vm_new (0);
  const char *id = berth_vm_get_id (vm);

  berth_tombstones_add (stones, vm, 1000, "saved");
  berth_tombstones_remove (stones, id);
  berth_tombstones_remove (stones, id);
  g_assert_null (berth_tombstones_find (stones, id, 0));
  berth_tombstones_add (stones, vm, 1000, "destroyed");
  g_assert_cmpstr (berth_tombstones_find (stones, id, 0)->reason, ==, "destroyed");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/tombstones/whose", test_whose);
  g_test_add_func ("/tombstones/first-reason-holds", test_first_reason_holds);
  g_test_add_func ("/tombstones/vm-gone", test_vm_gone);
  g_test_add_func ("/tombstones/the-oldest-is-forgotten", test_the_oldest_is_forgotten);
  g_test_add_func ("/tombstones/there-again", test_there_again);
  return g_test_run ();
}
