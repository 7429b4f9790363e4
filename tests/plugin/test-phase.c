/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Every phase of a machine and every event that can meet it. */
#include "plugin/libvirt/berth-phase.h"

static const char *const phases[] = { "starting", "unwanted", "up", "down", "ending" };

G_STATIC_ASSERT (G_N_ELEMENTS (phases) == BERTH_PHASE_COUNT);

static void
test_table (void)
{
  static const char wanted[] = "         started  failed   end\n"
                               "starting up       down     unwanted\n"
                               "unwanted ending   ending   -\n"
                               "up       -        down     ending\n"
                               "down     -        -        ending\n"
                               "ending   -        down     -\n";
  g_autoptr (GString) table = g_string_new ("         started  failed   end\n");

  for (guint phase = 0; phase < BERTH_PHASE_COUNT; phase++)
    {
      g_string_append_printf (table, "%-8s", phases[phase]);
      for (guint event = 0; event < BERTH_PHASE_EVENT_COUNT; event++)
        {
          BerthPhase next = (BerthPhase)phase;
          gboolean moves = berth_phase_next ((BerthPhase)phase, (BerthPhaseEvent)event, &next);

          g_assert_true (moves || next == (BerthPhase)phase);
          g_string_append_printf (table, event + 1 < BERTH_PHASE_EVENT_COUNT ? " %-8s" : " %s",
                                  moves ? phases[next] : "-");
        }
      g_string_append_c (table, '\n');
    }
  g_assert_cmpstr (table->str, ==, wanted);
}

/* Whatever happens on the way, who asks for its end, and again after one that failed, gets it. */
static void
test_ends (void)
{
  for (guint phase = 0; phase < BERTH_PHASE_COUNT; phase++)
    for (guint event = 0; event < BERTH_PHASE_EVENT_COUNT; event++)
      {
        BerthPhase now = (BerthPhase)phase;

        berth_phase_next (now, BERTH_PHASE_END, &now);
        berth_phase_next (now, (BerthPhaseEvent)event, &now);
        if (now == BERTH_PHASE_DOWN)
          berth_phase_next (now, BERTH_PHASE_END, &now);
        if (now == BERTH_PHASE_UNWANTED)
          berth_phase_next (now, BERTH_PHASE_STARTED, &now);
        g_assert_cmpint (now, ==, BERTH_PHASE_ENDING);
      }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/phase/table", test_table);
  g_test_add_func ("/phase/ends", test_ends);
  return g_test_run ();
}
