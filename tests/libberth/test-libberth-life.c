/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Proves what the library promises to programs when something is amiss: errors, a berthd that goes
 * and comes back, many threads; and a server in the program itself. */
#include "libberth-fixture.h"

#include <berth-server.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>

#include "plugin/model/berth-limits.h"

/* ---- errors ---- */

static void
test_errors (Fixture *fixture, gconstpointer data)
{
  static const struct
  {
    const char *template_name;
    BerthError code;
    BerthAdvice advice;
  } rows[] = {
    { "fail-invalid", BERTH_ERROR_INVALID, BERTH_ADVICE_FIX_REQUEST },
    { "fail-no-capacity", BERTH_ERROR_NO_CAPACITY, BERTH_ADVICE_WAIT },
    { "fail-unavailable", BERTH_ERROR_UNAVAILABLE, BERTH_ADVICE_RETRY },
    { "fail-outcome-unknown", BERTH_ERROR_OUTCOME_UNKNOWN, BERTH_ADVICE_RECONCILE },
    { "fail-gone", BERTH_ERROR_GONE, BERTH_ADVICE_CREATE },
    { "fail-config", BERTH_ERROR_CONFIG, BERTH_ADVICE_ASK_ADMINISTRATOR },
    { "fail-internal", BERTH_ERROR_INTERNAL, BERTH_ADVICE_REPORT_BUG },
    { "not a name!", BERTH_ERROR_INVALID, BERTH_ADVICE_FIX_REQUEST },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autoptr (GError) error = NULL;

      g_assert_null (run_in (fixture, rows[i].template_name, "true", &error));
      g_assert_error (error, BERTH_ERROR, (int)rows[i].code);
      g_assert_cmpint (berth_error_get_advice (error), ==, rows[i].advice);
      g_assert_null (strstr (error->message, "GDBus"));
    }
}

/* berthd closes a connection for too long a message; other calls share it. */
static void
test_too_long_code (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *id = create (fixture);
  g_autofree char *code = g_strnfill (5 * 1024 * 1024, '#');
  g_autoptr (BerthProgram) program = berth_program_new (code);

  g_assert_null (berth_client_exec (fixture->client, id, program, NULL, &error));
  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_INVALID);
  g_clear_error (&error);
  g_assert_false (berth_client_destroy (fixture->client, "\xff", NULL, &error));
  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_INVALID);
  g_assert_cmpuint (claimed (fixture), ==, 1);
}

/* What no message can carry is told as what it is, whatever is asked about it. */
static void
test_ids_of_any_bytes (Fixture *fixture, gconstpointer data)
{
  BerthClient *client = fixture->client;
  const char *const id = "\xff";

  for (guint i = 0; i < 6; i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (GVariant) answer = NULL;

      if (i == 0)
        answer = berth_client_list_execs (client, id, NULL, &error);
      else if (i == 1)
        answer = berth_client_list_decisions (client, id, 0, NULL, &error);
      else if (i == 2)
        answer = berth_client_list_ports (client, id, NULL, &error);
      else if (i == 3)
        berth_client_signal_exec (client, id, 1, 15, NULL, &error);
      else if (i == 4)
        berth_client_unpublish_port (client, id, 1, NULL, &error);
      else
        berth_client_pause (client, id, NULL, &error);
      g_assert_null (answer);
      g_assert_error (error, BERTH_ERROR, BERTH_ERROR_INVALID);
    }
}

static void
test_no_wait (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (BerthSpec) spec = berth_spec_new (NULL);
  g_autofree char *first = create (fixture);
  g_autofree char *second = create (fixture);

  berth_spec_set_wait_ms (spec, BERTH_WAIT_NOT);
  g_assert_null (berth_client_create (fixture->client, spec, NULL, &error));
  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_NO_CAPACITY);
  g_assert_true (berth_error_is_retryable (error));
  g_clear_error (&error);
  berth_spec_set_wait_ms (spec, 100);
  g_assert_null (berth_client_create (fixture->client, spec, NULL, &error));
  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_WAIT_TIMED_OUT);
}

/* ---- berthd goes and comes back ---- */

static void
test_restart (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (BerthResult) result = NULL;

  g_assert_cmpuint (claimed (fixture), ==, 0);
  berthd_process_stop (&fixture->berthd, SIGTERM);
  g_assert_null (run_in (fixture, "shell", "true", &error));
  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_UNAVAILABLE);
  g_clear_error (&error);
  berthd_process_start (&fixture->berthd, fixture->path);
  result = run_in (fixture, "shell", "echo back", &error);
  g_assert_no_error (error);
  g_assert_cmpstr (berth_result_get_stdout (result), ==, "back\n");
}

static void
test_outcome_unknown (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  /* the fake kills berthd as soon as it has begun this */
  g_assert_null (run_in (fixture, "vanish", "true", &error));
  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_OUTCOME_UNKNOWN);
  g_assert_false (berth_error_is_retryable (error));
  g_clear_error (&error);
  g_assert_null (berth_client_create (fixture->client, NULL, NULL, &error));
  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_UNAVAILABLE);
}

/* ---- threads ---- */

static gpointer
thread_func (gpointer data)
{
  Fixture *fixture = data;

  for (guint i = 0; i < 5; i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (BerthResult) result = run_in (fixture, "shell", "echo thread", &error);

      g_assert_no_error (error);
      g_assert_cmpstr (berth_result_get_stdout (result), ==, "thread\n");
    }
  return NULL;
}

/* The first calls of a client, so that they find no connection, all at once. */
static void
test_threads (Fixture *fixture, gconstpointer data)
{
  GThread *threads[8];

  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    threads[i] = g_thread_new ("client", thread_func, fixture);
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    g_thread_join (threads[i]);
}

/* Two places, so one copy; of two none is left. */
static void
test_fork (Fixture *fixture, gconstpointer data)
{
  g_autofree char *id = create (fixture);
  g_autoptr (GError) full = NULL;
  g_autoptr (GError) none = NULL;
  g_autoptr (GError) wrong = NULL;
  g_auto (GStrv) ids = NULL;

  g_assert_null (berth_client_fork (fixture->client, id, 2, 0, NULL, &full));
  g_assert_error (full, BERTH_ERROR, BERTH_ERROR_NO_CAPACITY);
  ids = berth_client_fork (fixture->client, id, 1, -1, NULL, &none);
  g_assert_no_error (none);
  g_assert_cmpuint (g_strv_length (ids), ==, 1);
  g_assert_cmpstr (ids[0], !=, id);
  g_assert_null (berth_client_fork (fixture->client, id, 65, 0, NULL, &wrong));
  g_assert_error (wrong, BERTH_ERROR, BERTH_ERROR_INVALID);
  g_assert_true (berth_client_destroy (fixture->client, ids[0], NULL, NULL));
  g_assert_true (berth_client_destroy (fixture->client, id, NULL, NULL));
}

/* There is none to go back to; what is kept, tests/manager/test-checkpoint.c looks at. */
static void
test_checkpoints (Fixture *fixture, gconstpointer data)
{
  g_autofree char *id = create (fixture);
  g_autoptr (GVariant) all = NULL;
  g_autoptr (GError) error = NULL;

  all = berth_client_list_checkpoints (fixture->client, NULL, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (g_variant_n_children (all), ==, 0);
  g_assert_false (berth_client_rollback (fixture->client, id, "before", 0, NULL, &error));
  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_INVALID);
  g_clear_error (&error);
  g_assert_null (berth_client_fork_checkpoint (fixture->client, id, "before", 1, 0, NULL, &error));
  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_INVALID);
  g_clear_error (&error);
  g_assert_false (berth_client_remove_checkpoint (fixture->client, id, "before", NULL, &error));
  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_INVALID);
  g_clear_error (&error);
  g_assert_null (berth_client_checkpoint (fixture->client, id, "../x", NULL, &error));
  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_INVALID);
  g_assert_true (berth_client_destroy (fixture->client, id, NULL, NULL));
}

/* More than berthd takes of one connection */
static void
test_many_at_once (Fixture *fixture, gconstpointer data)
{
  const guint count = BERTH_LIMIT_CALLS_PER_CONNECTION + 50;
  g_autofree char *first = create (fixture);
  g_autofree char *second = create (fixture);
  g_auto (Answers) answers = { NULL };
  g_autoptr (BerthProgram) program = berth_program_new ("true");

  answers_init (&answers);
  for (guint i = 0; i < count; i++)
    berth_client_run_async (fixture->client, NULL, program, NULL, answered_cb, &answers);
  /* all of them wait for these two to end */
  g_assert_true (berth_client_destroy (fixture->client, first, NULL, NULL));
  g_assert_true (berth_client_destroy (fixture->client, second, NULL, NULL));
  for (guint i = 0; i < count; i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (BerthResult) result
          = berth_client_run_finish (fixture->client, answers_wait (&answers, i), &error);

      g_assert_no_error (error);
      g_assert_cmpint (berth_result_get_exit_code (result), ==, 0);
    }
}

/* ---- without berthd ---- */

static BerthServer *
server_new (const char *folder, GError **error)
{
  g_autofree char *socket = g_strdup_printf ("socket=%s/s", folder);
  const char *settings[] = { socket, "max_vms=1", NULL };

  return berth_server_new (settings, error);
}

static void
test_server (void)
{
  g_autofree char *folder = g_dir_make_tmp ("berth-lib-XXXXXX", NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (BerthServer) server = server_new (folder, &error);
  g_autoptr (BerthServer) rival = server_new (folder, &error);
  g_autoptr (BerthProgram) program = berth_program_new ("echo here");
  g_autoptr (BerthResult) result = NULL;
  BerthClient *client = berth_server_get_client (server);

  g_assert_no_error (error);
  g_assert_true (berth_server_start (server, NULL, &error));
  g_assert_false (berth_server_start (rival, NULL, &error));
  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_CONFIG);
  g_clear_error (&error);
  result = berth_client_run (client, NULL, program, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (berth_result_get_stdout (result), ==, "here\n");
  g_assert_false (berth_server_start (server, NULL, &error));
  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_INVALID);
  g_clear_error (&error);
  g_assert_true (berth_server_stop (server, NULL, &error));
  g_assert_true (berth_server_stop (server, NULL, &error));
  g_assert_null (berth_client_run (client, NULL, program, NULL, &error));
  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_UNAVAILABLE);
  g_assert_cmpint (g_rmdir (folder), ==, 0);
}

static gpointer
serve_thread (gpointer data)
{
  g_main_loop_run (data);
  return NULL;
}

/* Another thread runs the default main context: every call is made from here all the same. */
static void
test_server_elsewhere (void)
{
  g_autofree char *folder = g_dir_make_tmp ("berth-lib-XXXXXX", NULL);
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);
  GThread *thread = g_thread_new ("serve", serve_thread, loop);
  g_autoptr (GError) error = NULL;
  g_autoptr (BerthServer) server = server_new (folder, &error);
  g_autoptr (BerthProgram) program = berth_program_new ("echo there");
  g_autoptr (BerthResult) result = NULL;

  while (!g_main_loop_is_running (loop))
    g_usleep (1000);
  g_assert_true (berth_server_start (server, NULL, &error));
  result = berth_client_run (berth_server_get_client (server), NULL, program, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (berth_result_get_stdout (result), ==, "there\n");
  g_assert_true (berth_server_stop (server, NULL, &error));
  g_main_loop_quit (loop);
  g_thread_join (thread);
  g_assert_cmpint (g_rmdir (folder), ==, 0);
}

static void
test_server_settings (void)
{
  const char *unknown[] = { "max_vmz=1", NULL };
  const char *nothing[] = { "max_vms", NULL };
  g_autoptr (GError) error = NULL;

  g_assert_null (berth_server_new (unknown, &error));
  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_CONFIG);
  g_clear_error (&error);
  g_assert_null (berth_server_new (nothing, &error));
  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_CONFIG);
}

static gboolean
is_paused (Fixture *fixture)
{
  g_autoptr (GVariant) status = berth_client_status (fixture->client, NULL, NULL);
  g_autoptr (GVariant) slots = g_variant_lookup_value (status, "slots", G_VARIANT_TYPE_VARDICT);
  guint count = 0;

  g_assert_true (g_variant_lookup (slots, "paused", "u", &count));
  return count == 1;
}

static void
test_pause (Fixture *fixture, gconstpointer data)
{
  g_autofree char *id = create (fixture);
  g_autoptr (GCancellable) cancelled = g_cancellable_new ();
  g_auto (Answers) answers = { NULL };
  g_autoptr (GError) error = NULL;

  answers_init (&answers);
  g_assert_true (berth_client_pause (fixture->client, id, NULL, &error));
  g_assert_no_error (error);
  g_assert_true (is_paused (fixture));
  g_assert_true (berth_client_resume (fixture->client, id, NULL, &error));
  g_assert_false (is_paused (fixture));

  berth_client_pause_async (fixture->client, id, NULL, answered_cb, &answers);
  g_assert_true (berth_client_pause_finish (fixture->client, answers_wait (&answers, 0), &error));
  g_assert_true (is_paused (fixture));
  berth_client_resume_async (fixture->client, id, NULL, answered_cb, &answers);
  g_assert_true (berth_client_resume_finish (fixture->client, answers_wait (&answers, 1), &error));
  g_assert_no_error (error);

  g_cancellable_cancel (cancelled);
  g_assert_false (berth_client_pause (fixture->client, id, cancelled, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_clear_error (&error);
  g_assert_false (berth_client_pause (fixture->client, "no/id", NULL, &error));
  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_INVALID);
  g_clear_error (&error);
  g_assert_false (berth_client_resume (fixture->client, "none", NULL, &error));
  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_GONE);
}

static guint
count_hibernated (Fixture *fixture)
{
  g_autoptr (GVariant) status = berth_client_status (fixture->client, NULL, NULL);
  guint count = 0;

  g_assert_true (g_variant_lookup (status, "hibernated", "u", &count));
  return count;
}

static void
test_hibernate (Fixture *fixture, gconstpointer data)
{
  g_autofree char *id = create (fixture);
  g_auto (Answers) answers = { NULL };
  g_autoptr (GError) error = NULL;

  answers_init (&answers);
  g_assert_true (berth_client_hibernate (fixture->client, id, NULL, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (count_hibernated (fixture), ==, 1);
  g_assert_true (berth_client_resume (fixture->client, id, NULL, &error));
  g_assert_cmpuint (count_hibernated (fixture), ==, 0);
  berth_client_hibernate_async (fixture->client, id, NULL, answered_cb, &answers);
  g_assert_true (
      berth_client_hibernate_finish (fixture->client, answers_wait (&answers, 0), &error));
  g_assert_cmpuint (count_hibernated (fixture), ==, 1);
  g_assert_true (berth_client_destroy (fixture->client, id, NULL, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (count_hibernated (fixture), ==, 0);
  g_assert_false (berth_client_hibernate (fixture->client, id, NULL, &error));
  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_GONE);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("errors", test_errors);
  ADD ("too-long-code", test_too_long_code);
  ADD ("ids-of-any-bytes", test_ids_of_any_bytes);
  ADD ("no-wait", test_no_wait);
  ADD ("restart", test_restart);
  ADD ("outcome-unknown", test_outcome_unknown);
  ADD ("threads", test_threads);
  ADD ("fork", test_fork);
  ADD ("checkpoints", test_checkpoints);
  ADD ("many-at-once", test_many_at_once);
  ADD ("pause", test_pause);
  ADD ("hibernate", test_hibernate);
  g_test_add_func ("/libberth/server", test_server);
  g_test_add_func ("/libberth/server-elsewhere", test_server_elsewhere);
  g_test_add_func ("/libberth/server-settings", test_server_settings);
  return g_test_run ();
}
