/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Proves how many warm VMs are wanted: by rate and refill time, without churn, backing off. */
#include "berth-capacity.h"
#include "berth-warm.h"

#define SECOND G_TIME_SPAN_SECOND

static const BerthWarmTarget automatic = { .min = 1, .max = 10, .memory_mb = 192, .vcpus = 1 };

/* @per_second requests for @seconds; returns the time after them */
static gint64
let_arrive (BerthWarm *warm, gint64 now_us, guint per_second, guint seconds)
{
  for (guint i = 0; i < per_second * seconds; i++)
    {
      now_us += SECOND / per_second;
      berth_warm_note_arrival (warm, now_us);
      berth_warm_get_wanted (warm, now_us);
    }
  return now_us;
}

static void
test_fixed (void)
{
  const BerthWarmTarget target = { .min = 3, .memory_mb = 192, .vcpus = 1 };
  g_autoptr (BerthWarm) warm = berth_warm_new ("python", NULL);

  g_assert_cmpuint (berth_warm_get_wanted (warm, 0), ==, 0);
  berth_warm_set_target (warm, &target);
  g_assert_cmpuint (berth_warm_get_wanted (warm, 1), ==, 3);
  let_arrive (warm, 1, 100, 100);
  g_assert_cmpuint (berth_warm_get_wanted (warm, 101 * SECOND), ==, 3);
  berth_warm_set_drained (warm, TRUE);
  g_assert_cmpuint (berth_warm_get_wanted (warm, 102 * SECOND), ==, 0);
  berth_warm_set_drained (warm, FALSE);
  g_assert_cmpuint (berth_warm_get_wanted (warm, 102 * SECOND), ==, 3);
}

/* rate x refill time: 8 a second, 0.5 s each */
static void
test_automatic (void)
{
  g_autoptr (BerthWarm) warm = berth_warm_new ("python", NULL);
  gint64 now_us = 0;

  berth_warm_set_target (warm, &automatic);
  for (guint i = 0; i < 50; i++)
    berth_warm_note_refill (warm, SECOND / 2);
  g_assert_cmpuint (berth_warm_get_wanted (warm, 0), ==, 1);
  now_us = let_arrive (warm, 0, 8, 300);
  g_assert_cmpuint (berth_warm_get_wanted (warm, now_us), >=, 4);
  g_assert_cmpuint (berth_warm_get_wanted (warm, now_us), <=, 5);
  /* slower refills want more, up to the bound */
  for (guint i = 0; i < 50; i++)
    berth_warm_note_refill (warm, 5 * SECOND);
  g_assert_cmpuint (berth_warm_get_wanted (warm, now_us), ==, 10);
}

static void
test_falls_late (void)
{
  g_autoptr (BerthWarm) warm = berth_warm_new ("python", NULL);
  gint64 now_us = 0;
  guint high = 0;
  guint steps = 0;

  berth_warm_set_target (warm, &automatic);
  now_us = let_arrive (warm, 0, 8, 120);
  high = berth_warm_get_wanted (warm, now_us);
  g_assert_cmpuint (high, >=, 7);
  /* nothing comes any more: not a step in the first minute, and few in all */
  g_assert_cmpuint (berth_warm_get_wanted (warm, now_us + 30 * SECOND), ==, high);
  for (guint i = 31, last = high; i < 1200; i++)
    {
      guint wanted = berth_warm_get_wanted (warm, now_us + i * SECOND);

      g_assert_cmpuint (wanted, <=, last);
      steps += wanted < last ? 1 : 0;
      last = wanted;
    }
  g_assert_cmpuint (berth_warm_get_wanted (warm, now_us + 1200 * SECOND), ==, 1);
  g_assert_cmpuint (steps, <=, 6);
}

/* on and off every 20 s: the pool does not follow */
static void
test_no_churn (void)
{
  g_autoptr (BerthWarm) warm = berth_warm_new ("python", NULL);
  gint64 now_us = 0;
  guint changes = 0;
  guint last = 0;

  berth_warm_set_target (warm, &automatic);
  now_us = let_arrive (warm, 0, 4, 120);
  last = berth_warm_get_wanted (warm, now_us);
  for (guint i = 0; i < 10; i++)
    {
      guint wanted = 0;

      now_us = let_arrive (warm, now_us + 20 * SECOND, 4, 20);
      wanted = berth_warm_get_wanted (warm, now_us);
      changes += wanted != last ? 1 : 0;
      last = wanted;
    }
  g_assert_cmpuint (changes, <=, 2);
}

static void
test_back_off (void)
{
  g_autoptr (BerthWarm) warm = berth_warm_new ("python", NULL);
  gint64 now_us = 1000;

  berth_warm_set_target (warm, &automatic);
  g_assert_true (berth_warm_may_refill (warm, now_us));
  for (guint i = 0; i < 4; i++)
    {
      berth_warm_note_failed_refill (warm, i == 0 ? "first" : "later", now_us);
      g_assert_false (berth_warm_may_refill (warm, now_us + (SECOND << i) - 1));
      g_assert_cmpint (berth_warm_next_wakeup_us (warm, now_us), ==, now_us + (SECOND << i));
      g_assert_true (berth_warm_may_refill (warm, now_us + (SECOND << i)));
    }
  g_assert_cmpuint (berth_warm_get_failures (warm), ==, 4);
  g_assert_cmpstr (berth_warm_get_last_error (warm), ==, "later");
  for (guint i = 0; i < 100; i++)
    berth_warm_note_failed_refill (warm, "again", now_us);
  g_assert_true (berth_warm_may_refill (warm, now_us + 300 * SECOND));
  g_assert_false (berth_warm_may_refill (warm, now_us + 300 * SECOND - 1));
  berth_warm_note_refill (warm, SECOND);
  g_assert_true (berth_warm_may_refill (warm, now_us));
  g_assert_cmpuint (berth_warm_get_failures (warm), ==, 0);
  g_assert_null (berth_warm_get_last_error (warm));
}

/* VMs that can be made but not claimed are no success */
static void
test_failed_claims_back_off (void)
{
  g_autoptr (BerthWarm) warm = berth_warm_new ("python", NULL);

  for (guint i = 0; i < 3; i++)
    {
      berth_warm_note_failed_claim (warm, "dead", 0);
      berth_warm_note_refill (warm, SECOND);
    }
  g_assert_cmpuint (berth_warm_get_failures (warm), ==, 3);
  g_assert_false (berth_warm_may_refill (warm, 3 * SECOND));
  g_assert_cmpstr (berth_warm_get_last_error (warm), ==, "dead");
  berth_warm_note_claim (warm);
  g_assert_true (berth_warm_may_refill (warm, 0));
}

static void
test_worth (void)
{
  g_autoptr (BerthWarm) busy = berth_warm_new ("busy", NULL);
  g_autoptr (BerthWarm) idle = berth_warm_new ("idle", NULL);

  let_arrive (busy, 0, 2, 10);
  let_arrive (idle, 0, 1, 2);
  g_assert_cmpfloat (berth_warm_get_worth (busy, 0, 10 * SECOND), >,
                     berth_warm_get_worth (busy, 1, 10 * SECOND));
  g_assert_cmpfloat (berth_warm_get_worth (busy, 1, 10 * SECOND), >,
                     berth_warm_get_worth (idle, 1, 10 * SECOND));
  g_assert_cmpfloat (berth_warm_get_worth (busy, 1, 10 * SECOND), >,
                     berth_warm_get_worth (busy, 1, 20 * SECOND));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/warm/fixed", test_fixed);
  g_test_add_func ("/warm/automatic", test_automatic);
  g_test_add_func ("/warm/falls-late", test_falls_late);
  g_test_add_func ("/warm/no-churn", test_no_churn);
  g_test_add_func ("/warm/back-off", test_back_off);
  g_test_add_func ("/warm/failed-claims-back-off", test_failed_claims_back_off);
  g_test_add_func ("/warm/worth", test_worth);
  return g_test_run ();
}
