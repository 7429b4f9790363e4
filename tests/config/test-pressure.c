/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* When the host counts as short of memory, and when no more. */
#include "plugin/manager/berth-pressure.h"

static gboolean
look (BerthPressure *self, guint available_mb, double waiting)
{
  g_autofree char *meminfo = g_strdup_printf (
      "MemTotal:       8000000 kB\nMemFree: 1 kB\nMemAvailable: %u kB\n", available_mb * 1024);
  g_autofree char *psi = g_strdup_printf ("some avg10=%.2f avg60=0.00 avg300=0.00 total=0\n"
                                          "full avg10=99.00 avg60=0.00 avg300=0.00 total=0\n",
                                          waiting);

  return berth_pressure_update (self, meminfo, psi);
}

static void
test_available (void)
{
  BerthPressure pressure = { .reserve_mb = 500 };

  g_assert_false (look (&pressure, 500, 0));
  g_assert_true (look (&pressure, 499, 0));
  g_assert_true (look (&pressure, 700, 0)); /* not yet */
  g_assert_false (look (&pressure, 750, 0));
  g_assert_false (look (&pressure, 501, 0));
}

static void
test_stalls (void)
{
  BerthPressure pressure = { .reserve_mb = 500 };

  g_assert_false (look (&pressure, 5000, 19.99));
  g_assert_true (look (&pressure, 5000, 20));
  g_assert_true (look (&pressure, 5000, 10));
  g_assert_false (look (&pressure, 5000, 9.99));
}

static void
test_nothing_to_read (void)
{
  BerthPressure pressure = { .reserve_mb = 500 };

  g_assert_false (berth_pressure_update (&pressure, NULL, NULL));
  g_assert_false (berth_pressure_update (&pressure, "MemAvailable: x\n", ""));
  g_assert_true (berth_pressure_update (&pressure, "MemAvailable: 1 kB\n", NULL));
  g_assert_true (berth_pressure_update (&pressure, NULL, NULL)); /* nothing changes */
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/pressure/available", test_available);
  g_test_add_func ("/pressure/stalls", test_stalls);
  g_test_add_func ("/pressure/nothing-to-read", test_nothing_to_read);
  return g_test_run ();
}
