/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Decides what every error code is called on D-Bus and to a caller, and what the caller does next.
 */
#include "berth-error-dbus.h"

#include <gio/gio.h>
#include <string.h>

#define DBUS_PREFIX "org.berth.Berth1.Error."

typedef struct
{
  BerthError code;
  const char *dbus_name;
  const char *contract_code; /* contract.md, Errors */
  BerthAdvice advice;
} ErrorRow;

static const ErrorRow error_table[] = {
  { BERTH_ERROR_INVALID, DBUS_PREFIX "Invalid", "INVALID", BERTH_ADVICE_FIX_REQUEST },
  { BERTH_ERROR_NO_CAPACITY, DBUS_PREFIX "NoCapacity", "CAPACITY", BERTH_ADVICE_WAIT },
  { BERTH_ERROR_WAIT_TIMED_OUT, DBUS_PREFIX "WaitTimedOut", "CAPACITY", BERTH_ADVICE_WAIT },
  { BERTH_ERROR_QUEUE_FULL, DBUS_PREFIX "QueueFull", "CAPACITY", BERTH_ADVICE_WAIT },
  { BERTH_ERROR_SHUTTING_DOWN, DBUS_PREFIX "ShuttingDown", "UNAVAILABLE", BERTH_ADVICE_RETRY },
  { BERTH_ERROR_UNAVAILABLE, DBUS_PREFIX "Unavailable", "UNAVAILABLE", BERTH_ADVICE_RETRY },
  { BERTH_ERROR_START_TIMED_OUT, DBUS_PREFIX "StartTimedOut", "TIMED_OUT", BERTH_ADVICE_RETRY },
  { BERTH_ERROR_OUTCOME_UNKNOWN, DBUS_PREFIX "OutcomeUnknown", "OUTCOME_UNKNOWN",
    BERTH_ADVICE_RECONCILE },
  { BERTH_ERROR_GONE, DBUS_PREFIX "Gone", "GONE", BERTH_ADVICE_CREATE },
  { BERTH_ERROR_DENIED, DBUS_PREFIX "Denied", "DENIED", BERTH_ADVICE_ASK_ADMINISTRATOR },
  { BERTH_ERROR_CONFIG, DBUS_PREFIX "Config", "CONFIG", BERTH_ADVICE_ASK_ADMINISTRATOR },
  { BERTH_ERROR_INTERNAL, DBUS_PREFIX "Internal", "INTERNAL", BERTH_ADVICE_REPORT_BUG },
  { BERTH_ERROR_LOCAL, DBUS_PREFIX "Local", "INVALID", BERTH_ADVICE_FIX_REQUEST },
};

G_STATIC_ASSERT (G_N_ELEMENTS (error_table) == BERTH_ERROR_LAST);

/**
 * berth_error_quark:
 *
 * What %BERTH_ERROR stands for.
 *
 * Returns: the domain %BERTH_ERROR
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
 * A word for logs and for JSON, the same that `berth --json` prints: "INVALID", "CAPACITY",
 * "UNAVAILABLE", "TIMED_OUT", "OUTCOME_UNKNOWN", "GONE", "DENIED", "CANCELLED", "CONFIG" or
 * "INTERNAL". Any thread.
 *
 * Returns: (transfer none): the word; "CANCELLED" for %G_IO_ERROR_CANCELLED, "INTERNAL" for a
 *   foreign domain; never %NULL
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

/* The error's own name on D-Bus without what they all begin with; words for counters and logs */
const char *
berth_error_get_name (const GError *error)
{
  const ErrorRow *row = error_find_row (error);

  return row != NULL ? row->dbus_name + strlen (DBUS_PREFIX)
         : g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED) ? "Cancelled"
                                                                     : "Internal";
}

/**
 * berth_error_get_advice:
 * @error: (nullable): of any domain
 *
 * Any thread.
 *
 * Returns: what the caller should do next
 */
BerthAdvice
berth_error_get_advice (const GError *error)
{
  const ErrorRow *row = error_find_row (error);

  if (row != NULL)
    return row->advice;
  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    return BERTH_ADVICE_NONE;
  return BERTH_ADVICE_REPORT_BUG;
}

/**
 * berth_error_is_retryable:
 * @error: (nullable): of any domain
 *
 * Any thread.
 *
 * Returns: %TRUE if nothing of the request was done and the same request may succeed later:
 *   %BERTH_ADVICE_WAIT and %BERTH_ADVICE_RETRY
 */
gboolean
berth_error_is_retryable (const GError *error)
{
  BerthAdvice advice = berth_error_get_advice (error);

  return advice == BERTH_ADVICE_WAIT || advice == BERTH_ADVICE_RETRY;
}
