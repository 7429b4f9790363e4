/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Proves the table of errors, and what requests are refused as malformed. */
#include "berth-error-dbus.h"

#include <gio/gio.h>

#include "berth-request.h"

static const struct
{
  gint code;
  const char *dbus_name;
  const char *contract_code;
  gboolean retryable;
  BerthAdvice advice;
} expected[] = {
  { BERTH_ERROR_INVALID, "org.berth.Berth1.Error.Invalid", "INVALID", FALSE,
    BERTH_ADVICE_FIX_REQUEST },
  { BERTH_ERROR_NO_CAPACITY, "org.berth.Berth1.Error.NoCapacity", "CAPACITY", TRUE,
    BERTH_ADVICE_WAIT },
  { BERTH_ERROR_WAIT_TIMED_OUT, "org.berth.Berth1.Error.WaitTimedOut", "CAPACITY", TRUE,
    BERTH_ADVICE_WAIT },
  { BERTH_ERROR_QUEUE_FULL, "org.berth.Berth1.Error.QueueFull", "CAPACITY", TRUE,
    BERTH_ADVICE_WAIT },
  { BERTH_ERROR_SHUTTING_DOWN, "org.berth.Berth1.Error.ShuttingDown", "UNAVAILABLE", TRUE,
    BERTH_ADVICE_RETRY },
  { BERTH_ERROR_UNAVAILABLE, "org.berth.Berth1.Error.Unavailable", "UNAVAILABLE", TRUE,
    BERTH_ADVICE_RETRY },
  { BERTH_ERROR_START_TIMED_OUT, "org.berth.Berth1.Error.StartTimedOut", "TIMED_OUT", TRUE,
    BERTH_ADVICE_RETRY },
  { BERTH_ERROR_OUTCOME_UNKNOWN, "org.berth.Berth1.Error.OutcomeUnknown", "OUTCOME_UNKNOWN", FALSE,
    BERTH_ADVICE_RECONCILE },
  { BERTH_ERROR_GONE, "org.berth.Berth1.Error.Gone", "GONE", FALSE, BERTH_ADVICE_CREATE },
  { BERTH_ERROR_DENIED, "org.berth.Berth1.Error.Denied", "DENIED", FALSE,
    BERTH_ADVICE_ASK_ADMINISTRATOR },
  { BERTH_ERROR_CONFIG, "org.berth.Berth1.Error.Config", "CONFIG", FALSE,
    BERTH_ADVICE_ASK_ADMINISTRATOR },
  { BERTH_ERROR_INTERNAL, "org.berth.Berth1.Error.Internal", "INTERNAL", FALSE,
    BERTH_ADVICE_REPORT_BUG },
  { BERTH_ERROR_LOCAL, "org.berth.Berth1.Error.Local", "INVALID", FALSE, BERTH_ADVICE_FIX_REQUEST },
};

static void
test_table (void)
{
  g_assert_cmpuint (G_N_ELEMENTS (expected), ==, BERTH_ERROR_LAST);
  berth_error_register_dbus ();
  berth_error_register_dbus ();
  for (guint i = 0; i < G_N_ELEMENTS (expected); i++)
    {
      g_autoptr (GError) error = g_error_new_literal (BERTH_ERROR, expected[i].code, "x");
      g_autofree char *name = g_dbus_error_encode_gerror (error);
      g_autoptr (GError) back = g_dbus_error_new_for_dbus_error (expected[i].dbus_name, "x");

      g_assert_cmpstr (name, ==, expected[i].dbus_name);
      g_assert_error (back, BERTH_ERROR, expected[i].code);
      g_assert_cmpstr (berth_error_get_code (error), ==, expected[i].contract_code);
      g_assert_cmpint (berth_error_is_retryable (error), ==, expected[i].retryable);
      g_assert_cmpint (berth_error_get_advice (error), ==, expected[i].advice);
    }
}

static void
test_foreign (void)
{
  g_autoptr (GError) cancelled = g_error_new_literal (G_IO_ERROR, G_IO_ERROR_CANCELLED, "x");
  g_autoptr (GError) foreign = g_error_new_literal (G_IO_ERROR, G_IO_ERROR_FAILED, "x");

  g_assert_cmpstr (berth_error_get_code (cancelled), ==, "CANCELLED");
  g_assert_cmpstr (berth_error_get_code (foreign), ==, "INTERNAL");
  g_assert_cmpstr (berth_error_get_code (NULL), ==, "INTERNAL");
  g_assert_false (berth_error_is_retryable (cancelled));
  g_assert_false (berth_error_is_retryable (NULL));
  g_assert_cmpint (berth_error_get_advice (cancelled), ==, BERTH_ADVICE_NONE);
  g_assert_cmpint (berth_error_get_advice (foreign), ==, BERTH_ADVICE_REPORT_BUG);
}

static void
assert_refused (const char *template_name, guint memory_mb, guint vcpus, const char *tenant,
                const char *task, gint64 wait_us)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (BerthRequest) request = berth_request_new (
      BERTH_SHAPE (template_name, memory_mb, vcpus), tenant, task, 0, wait_us, NULL, NULL, &error);

  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_INVALID);
  g_assert_null (request);
  /* one clean line, however hostile the name was */
  for (const char *at = error->message; *at != '\0'; at++)
    g_assert_true (g_ascii_isprint (*at));
}

static void
test_request_rules (void)
{
  g_autofree char *longest = g_strnfill (BERTH_REQUEST_NAME_MAX, 'x');
  g_autofree char *too_long = g_strnfill (BERTH_REQUEST_NAME_MAX + 1, 'x');
  g_autoptr (BerthRequest) request = berth_request_new (BERTH_SHAPE ("py-3_11", 1, 1), longest, "A",
                                                        0, BERTH_REQUEST_NO_WAIT, NULL, NULL, NULL);

  g_assert_nonnull (request);
  g_assert_cmpstr (request->tenant, ==, longest);
  assert_refused (NULL, 1, 1, NULL, NULL, 0);
  assert_refused ("", 1, 1, NULL, NULL, 0);
  assert_refused ("../x", 1, 1, NULL, NULL, 0);
  assert_refused ("x", 0, 1, NULL, NULL, 0);
  assert_refused ("x", 1, 0, NULL, NULL, 0);
  assert_refused ("x", 1, 1, "", NULL, 0);
  assert_refused ("x", 1, 1, too_long, NULL, 0);
  assert_refused ("x", 1, 1, "a b", NULL, 0);
  assert_refused ("x", 1, 1, NULL, "\x1b[2J\n\xc3\xa4", 0);
  assert_refused ("x", 1, 1, NULL, NULL, -2);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/error/table", test_table);
  g_test_add_func ("/error/foreign", test_foreign);
  g_test_add_func ("/request/rules", test_request_rules);
  return g_test_run ();
}
