/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whose snapshot goes for another tenant's: one user's names never keep every place. */
#include "plugin/snapshot/berth-snapshot-places.h"

#define NOW 1000
#define BEFORE 400

static gint
pick (const BerthSnapshotPlace *places, guint n, guint32 uid)
{
  return berth_snapshot_places_pick (places, n, uid, BEFORE);
}

/* sixteen names, all wanted a moment ago, and another user comes; then a third */
static void
test_names_keep_no_places (void)
{
  BerthSnapshotPlace places[16];
  guint n_own = 0;

  for (guint i = 0; i < G_N_ELEMENTS (places); i++)
    places[i] = (BerthSnapshotPlace){ .uid = 1001, .wanted_us = NOW - i, .is_idle = TRUE };
  g_assert_cmpint (pick (places, 16, 1001), ==, -1);
  for (guint32 uid = 1002; uid < 1004; uid++)
    for (gint taken = 0; (taken = pick (places, 16, uid)) >= 0;)
      places[taken].uid = uid;
  for (guint i = 0; i < G_N_ELEMENTS (places); i++)
    n_own += places[i].uid == 1001 ? 1 : 0;
  g_assert_cmpuint (n_own, >=, 5);
  g_assert_cmpuint (n_own, <=, 6);
}

static void
test_unused_goes_first (void)
{
  const BerthSnapshotPlace places[] = {
    { .uid = 1, .wanted_us = 100, .is_idle = TRUE },
    { .uid = 2, .wanted_us = 300, .is_idle = TRUE },
    { .uid = 2, .wanted_us = 200, .is_idle = TRUE },
    { .uid = 2, .wanted_us = 50, .is_idle = FALSE },
    { .uid = 2, .wanted_us = 900, .is_idle = TRUE },
  };

  g_assert_cmpint (pick (places, 5, 3), ==, 2);
  g_assert_cmpint (pick (places, 1, 1), ==, 0);
}

/* what is being made stays, and nobody takes from who has no more than itself would have */
static void
test_nobody_takes_from_an_equal (void)
{
  const BerthSnapshotPlace places[] = {
    { .uid = 1, .wanted_us = 900, .is_idle = TRUE },
    { .uid = 1, .wanted_us = 800, .is_idle = FALSE },
    { .uid = 2, .wanted_us = 700, .is_idle = TRUE },
  };

  g_assert_cmpint (pick (places, 3, 3), ==, 0);
  g_assert_cmpint (pick (places, 3, 2), ==, -1);
  g_assert_cmpint (pick (places + 1, 2, 3), ==, -1);
  g_assert_cmpint (pick (places, 0, 3), ==, -1);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/snapshot-places/names-keep-no-places", test_names_keep_no_places);
  g_test_add_func ("/snapshot-places/unused-goes-first", test_unused_goes_first);
  g_test_add_func ("/snapshot-places/nobody-takes-from-an-equal", test_nobody_takes_from_an_equal);
  return g_test_run ();
}
