/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Takes and gives back parts of a disk in any order: nobody ever has more than the bounds allow,
 * and what was given back is there again. */
#include "plugin/host/berth-disk-account.h"

static void
test_bounds (void)
{
  const BerthDiskBounds bounds = { .all_bytes = 100, .user_bytes = 60 };
  g_autoptr (BerthDiskAccount) account = berth_disk_account_new ();
  g_autoptr (BerthDiskPart) first = berth_disk_account_take (account, 1, 50, &bounds);
  g_autoptr (BerthDiskPart) rest = berth_disk_account_take (account, 1, 50, &bounds);
  g_autoptr (BerthDiskPart) other = berth_disk_account_take (account, 2, 50, &bounds);

  g_assert_cmpuint (berth_disk_part_get_bytes (first), ==, 50);
  g_assert_cmpuint (berth_disk_part_get_bytes (rest), ==, 10);
  g_assert_cmpuint (berth_disk_part_get_bytes (other), ==, 40);
  g_assert_null (berth_disk_account_take (account, 1, 1, &bounds));
  g_assert_null (berth_disk_account_take (account, 3, 1, &bounds));
  berth_disk_part_shrink (first, 20);
  g_assert_cmpuint (berth_disk_account_get_user_bytes (account, 1), ==, 30);
  g_assert_cmpuint (berth_disk_account_get_bytes (account), ==, 70);
}

static void
test_no_bounds (void)
{
  const BerthDiskBounds none = { 0 };
  const BerthDiskBounds lower = { .all_bytes = 10, .user_bytes = 10 };
  g_autoptr (BerthDiskAccount) account = berth_disk_account_new ();
  g_autoptr (BerthDiskPart) part = berth_disk_account_take (account, 1, 50, &none);

  g_assert_cmpuint (berth_disk_part_get_bytes (part), ==, 50);
  /* lowered below what there is */
  g_assert_null (berth_disk_account_take (account, 2, 1, &lower));
  berth_disk_part_shrink (part, 60);
  g_assert_cmpuint (berth_disk_part_get_bytes (part), ==, 50);
}

static void
test_random (void)
{
  const BerthDiskBounds bounds = { .all_bytes = 1000, .user_bytes = 300 };
  g_autoptr (GPtrArray) parts
      = g_ptr_array_new_with_free_func ((GDestroyNotify)berth_disk_part_free);
  BerthDiskAccount *account = berth_disk_account_new ();

  for (guint i = 0; i < 20000; i++)
    {
      guint64 sum = 0;
      BerthDiskPart *part = NULL;

      if (g_test_rand_bit ())
        part = berth_disk_account_take (account, (guint32)g_test_rand_int_range (0, 5),
                                        (guint64)g_test_rand_int_range (0, 200), &bounds);
      else if (parts->len > 0)
        g_ptr_array_remove_index_fast (parts, (guint)g_test_rand_int_range (0, (gint)parts->len));
      if (part != NULL)
        g_ptr_array_add (parts, part);
      for (guint n = 0; n < parts->len; n++)
        sum += berth_disk_part_get_bytes (parts->pdata[n]);
      g_assert_cmpuint (sum, ==, berth_disk_account_get_bytes (account));
      g_assert_cmpuint (sum, <=, bounds.all_bytes);
      for (guint32 uid = 0; uid < 5; uid++)
        g_assert_cmpuint (berth_disk_account_get_user_bytes (account, uid), <=, bounds.user_bytes);
    }
  /* parts outlive their account's owner */
  berth_disk_account_unref (account);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/disk-account/bounds", test_bounds);
  g_test_add_func ("/disk-account/no-bounds", test_no_bounds);
  g_test_add_func ("/disk-account/random", test_random);
  return g_test_run ();
}
