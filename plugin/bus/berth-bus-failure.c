/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Every client tells a failed call in the same words: berthd's own, or that it went away, which for
 * a program that may have run is another thing than for a question. */
#include "plugin/bus/berth-bus-failure.h"

#include "plugin/bus/berth-dial.h"
#include "pool/berth-error.h"

GError *
berth_bus_failure_of_answer (GError *answer)
{
  g_autoptr (GError) own = answer;

  g_dbus_error_strip_remote_error (own);
  if (own->domain == BERTH_ERROR || g_error_matches (own, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    return g_steal_pointer (&own);
  return g_error_new (BERTH_ERROR, BERTH_ERROR_INTERNAL, "berthd's answer: %s", own->message);
}

GError *
berth_bus_failure_of_silence (GDBusConnection *connection, const GError *cause, gboolean ran_code)
{
  const char *path = berth_dial_get_path (connection);

  if (g_error_matches (cause, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    return g_error_copy (cause);
  if (ran_code)
    return g_error_new (BERTH_ERROR, BERTH_ERROR_OUTCOME_UNKNOWN,
                        "berthd on %s went away before it said how the program ended (%s): look at "
                        "what the program does elsewhere before you run it again",
                        path, cause->message);
  return g_error_new (BERTH_ERROR, BERTH_ERROR_UNAVAILABLE,
                      "berthd on %s went away before it answered (%s): start it and try again",
                      path, cause->message);
}
