/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Decides what every error code is called on D-Bus and to a caller, and whether a retry is safe. */
#include "berth-error.h"

#include <gio/gio.h>

#define DBUS_PREFIX "org.berth.Berth1.Error."

typedef struct
{
  BerthError code;
  const char *dbus_name;
  const char *contract_code; /* contract.md, Errors */
  gboolean retryable;
} ErrorRow;

static const ErrorRow error_table[] = {
  { BERTH_ERROR_INVALID, DBUS_PREFIX "Invalid", "INVALID", FALSE },
  { BERTH_ERROR_NO_CAPACITY, DBUS_PREFIX "NoCapacity", "CAPACITY", TRUE },
  { BERTH_ERROR_WAIT_TIMED_OUT, DBUS_PREFIX "WaitTimedOut", "CAPACITY", TRUE },
  { BERTH_ERROR_QUEUE_FULL, DBUS_PREFIX "QueueFull", "CAPACITY", TRUE },
  { BERTH_ERROR_SHUTTING_DOWN, DBUS_PREFIX "ShuttingDown", "UNAVAILABLE", TRUE },
  { BERTH_ERROR_UNAVAILABLE, DBUS_PREFIX "Unavailable", "UNAVAILABLE", TRUE },
  { BERTH_ERROR_START_TIMED_OUT, DBUS_PREFIX "StartTimedOut", "TIMED_OUT", TRUE },
  { BERTH_ERROR_OUTCOME_UNKNOWN, DBUS_PREFIX "OutcomeUnknown", "OUTCOME_UNKNOWN", FALSE },
  { BERTH_ERROR_GONE, DBUS_PREFIX "Gone", "GONE", FALSE },
  { BERTH_ERROR_DENIED, DBUS_PREFIX "Denied", "DENIED", FALSE },
  { BERTH_ERROR_CONFIG, DBUS_PREFIX "Config", "CONFIG", FALSE },
  { BERTH_ERROR_INTERNAL, DBUS_PREFIX "Internal", "INTERNAL", FALSE },
};

G_STATIC_ASSERT (G_N_ELEMENTS (error_table) == BERTH_ERROR_LAST);

/**
 * berth_error_quark:
 *
 * Returns: the domain #BERTH_ERROR
 */
GQuark
berth_error_quark (void)
{
  return g_quark_from_static_string ("berth-error-quark");
}

/**
 * berth_error_register_dbus:
 *
 * Tells GDBus the name of every code, so that errors keep their code across the bus in both
 * directions. Idempotent; any thread.
 */
void
berth_error_register_dbus (void)
{
  static gsize registered = 0;

  if (!g_once_init_enter (&registered))
    return;
  for (guint i = 0; i < G_N_ELEMENTS (error_table); i++)
    g_dbus_error_register_error (BERTH_ERROR, (gint)error_table[i].code, error_table[i].dbus_name);
  g_once_init_leave (&registered, 1);
}

static const ErrorRow *
error_find_row (const GError *error)
{
  if (error == NULL || error->domain != BERTH_ERROR || error->code < 0
      || error->code >= BERTH_ERROR_LAST)
    return NULL;
  return &error_table[error->code];
}

/**
 * berth_error_get_code:
 * @error: (nullable): of any domain
 *
 * Returns: (transfer none): the code that contract.md gives it; "CANCELLED" for
 *   %G_IO_ERROR_CANCELLED, "INTERNAL" for a foreign domain; never %NULL
 */
const char *
berth_error_get_code (const GError *error)
{
  const ErrorRow *row = error_find_row (error);

  if (row != NULL)
    return row->contract_code;
  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    return "CANCELLED";
  return "INTERNAL";
}

/**
 * berth_error_is_retryable:
 * @error: (nullable): of any domain
 *
 * Returns: %TRUE if nothing of the request was done and the same request may succeed later
 */
gboolean
berth_error_is_retryable (const GError *error)
{
  const ErrorRow *row = error_find_row (error);

  return row != NULL && row->retryable;
}
