/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Proves what the library promises to programs: results, streams, cancelling, errors, threads, and
 * a berthd that goes and comes back. The real berthd over a scripted manager (fake-manager.c),
 * BERTHD in the environment; the library over the same one where it serves by itself. */
#include <berth.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#define LIMIT_S 30
#define MAX_VMS "2"

typedef struct
{
  char *folder;
  char *path;
  GSubprocess *process;
  GDataInputStream *log;
  BerthClient *client;
} Fixture;

/* Answers of asynchronous calls, by the order in which they come */
typedef struct
{
  GPtrArray *results; /* GAsyncResult */
} Answers;

static gboolean
limit_cb (gpointer user_data)
{
  g_error ("waited %d s in vain", LIMIT_S);
  return G_SOURCE_REMOVE;
}

static void
answered_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Answers *answers = user_data;

  g_ptr_array_add (answers->results, g_object_ref (result));
}

static void
answers_init (Answers *self)
{
  self->results = g_ptr_array_new_with_free_func (g_object_unref);
}

/* (transfer none): the answer number @index */
static GAsyncResult *
answers_wait (Answers *self, guint index)
{
  guint limit_id = g_timeout_add_seconds (LIMIT_S, limit_cb, NULL);

  while (self->results->len <= index)
    g_main_context_iteration (NULL, TRUE);
  g_source_remove (limit_id);
  return self->results->pdata[index];
}

static void
answers_clear (Answers *self)
{
  g_ptr_array_unref (self->results);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Answers, answers_clear)

/* Reads berthd's log until a line has @part. */
static void
expect_log (Fixture *fixture, const char *part)
{
  g_autoptr(GError) error = NULL;
  g_autofree char *line = NULL;

  do
    {
      g_free (line);
      line = g_data_input_stream_read_line (fixture->log, NULL, NULL, &error);
      g_assert_no_error (error);
      g_assert_nonnull (line);
      g_test_message ("%s", line);
    }
  while (strstr (line, part) == NULL);
}

/* A test that fails leaves no berthd behind. */
static void
child_setup (gpointer user_data)
{
  prctl (PR_SET_PDEATHSIG, SIGKILL);
}

static void
start_berthd (Fixture *fixture)
{
  const char *argv[] = { g_getenv ("BERTHD"),
                         "--foreground",
                         "--config",
                         "/dev/null",
                         "--socket-group",
                         "",
                         "--max-vms",
                         MAX_VMS,
                         "--socket",
                         fixture->path,
                         NULL };
  g_autoptr(GSubprocessLauncher) launcher
      = g_subprocess_launcher_new (G_SUBPROCESS_FLAGS_STDERR_PIPE);
  g_autoptr(GError) error = NULL;

  g_subprocess_launcher_set_child_setup (launcher, child_setup, NULL, NULL);
  fixture->process = g_subprocess_launcher_spawnv (launcher, argv, &error);
  g_assert_no_error (error);
  fixture->log = g_data_input_stream_new (g_subprocess_get_stderr_pipe (fixture->process));
  expect_log (fixture, "berthd ready");
}

static void
stop_berthd (Fixture *fixture, int signal_number)
{
  g_subprocess_send_signal (fixture->process, signal_number);
  g_assert_true (g_subprocess_wait (fixture->process, NULL, NULL));
  g_clear_object (&fixture->log);
  g_clear_object (&fixture->process);
}

static void
set_up (Fixture *fixture, gconstpointer data)
{
  fixture->folder = g_dir_make_tmp ("berth-lib-XXXXXX", NULL);
  fixture->path = g_build_filename (fixture->folder, "s", NULL);
  fixture->client = berth_client_new (fixture->path);
  start_berthd (fixture);
}

/* Nothing may hold the client any more, but for the thread that connected, on its way out. */
static void
assert_finalized_soon (gpointer object)
{
  gint64 end = g_get_monotonic_time () + LIMIT_S * G_USEC_PER_SEC;
  GWeakRef weak;
  gpointer left;

  g_weak_ref_init (&weak, object);
  g_object_unref (object);
  while ((left = g_weak_ref_get (&weak)) != NULL)
    {
      g_assert_cmpint (g_get_monotonic_time (), <, end);
      g_object_unref (left);
      g_usleep (1000);
    }
  g_weak_ref_clear (&weak);
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  g_autofree char *lock = g_strconcat (fixture->path, ".lock", NULL);

  assert_finalized_soon (fixture->client);
  if (fixture->process != NULL)
    stop_berthd (fixture, SIGTERM);
  g_unlink (fixture->path);
  g_unlink (lock);
  g_assert_cmpint (g_rmdir (fixture->folder), ==, 0);
  g_free (fixture->folder);
  g_free (fixture->path);
}

static BerthResult *
run_in (Fixture *fixture, const char *template_name, const char *code, GError **error)
{
  g_autoptr(BerthSpec) spec = berth_spec_new (template_name);
  g_autoptr(BerthProgram) program = berth_program_new (code);

  return berth_client_run (fixture->client, spec, program, NULL, error);
}

static char *
create (Fixture *fixture)
{
  g_autoptr(GError) error = NULL;
  char *id = berth_client_create (fixture->client, NULL, NULL, &error);

  g_assert_no_error (error);
  return id;
}

static guint
claimed (Fixture *fixture)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(GVariant) status = berth_client_status (fixture->client, NULL, &error);
  g_autoptr(GVariant) slots = NULL;
  guint32 count = G_MAXUINT32;

  g_assert_no_error (error);
  slots = g_variant_lookup_value (status, "slots", G_VARIANT_TYPE_VARDICT);
  g_assert_true (g_variant_lookup (slots, "claimed", "u", &count));
  return count;
}

static void
test_result (Fixture *fixture, gconstpointer data)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(BerthResult) result
      = run_in (fixture, "shell", "echo out; echo err >&2; exit 5", &error);
  g_autoptr(BerthResult) copy = NULL;

  g_assert_no_error (error);
  copy = berth_result_copy (result);
  g_clear_pointer (&result, berth_result_free);
  g_assert_cmpstr (berth_result_get_stdout (copy), ==, "out\n");
  g_assert_cmpstr (berth_result_get_stderr (copy), ==, "err\n");
  g_assert_cmpint (berth_result_get_exit_code (copy), ==, 5);
  g_assert_false (berth_result_get_timed_out (copy));
  g_assert_false (berth_result_get_oom (copy));
  g_assert_false (berth_result_get_stdout_truncated (copy));
  g_assert_false (berth_result_get_stderr_truncated (copy));
  g_assert_false (berth_result_get_destroy_unconfirmed (copy));
  g_assert_cmpstr (berth_result_get_template (copy), ==, "shell");
  g_assert_cmpstr (berth_result_get_sandbox_id (copy), ==, "fake");
  g_assert_cmpstr (berth_result_get_start (copy), ==, "cold");
  g_assert_cmpfloat_with_epsilon (berth_result_get_exec_ms (copy), 1.234, 0.001);
}

static void
test_time_out (Fixture *fixture, gconstpointer data)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(BerthProgram) program = berth_program_new ("echo so far; sleep 20");
  g_autoptr(BerthResult) result = NULL;

  berth_program_set_timeout_ms (program, 1000);
  result = berth_client_run (fixture->client, NULL, program, NULL, &error);
  g_assert_no_error (error);
  g_assert_true (berth_result_get_timed_out (result));
  g_assert_cmpint (berth_result_get_exit_code (result), ==, -1);
  g_assert_cmpstr (berth_result_get_stdout (result), ==, "so far\n");
}

static void
test_program_properties (Fixture *fixture, gconstpointer data)
{
  const char *environment[] = { "A=one", "B=two", NULL };
  g_autoptr(GError) error = NULL;
  g_autoptr(BerthProgram) program = berth_program_new ("echo $A $B");
  g_autofree char *id = create (fixture);

  berth_program_set_environment (program, environment);
  berth_program_set_language (program, "shell");
  /* without streams a program is run as often as one likes */
  for (guint i = 0; i < 3; i++)
    {
      g_autoptr(BerthResult) result
          = berth_client_exec (fixture->client, id, program, NULL, &error);

      g_assert_no_error (error);
      g_assert_cmpstr (berth_result_get_stdout (result), ==, "one two\n");
    }
  g_assert_true (berth_client_destroy (fixture->client, id, NULL, &error));
  g_assert_no_error (error);
}

static void
test_list (Fixture *fixture, gconstpointer data)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(BerthSpec) spec = berth_spec_new ("shell");
  g_autofree char *id = NULL;
  g_autoptr(GVariant) list = NULL;
  g_autoptr(GVariant) vm = NULL;
  const char *text;

  berth_spec_set_tenant (spec, "acme");
  berth_spec_set_task (spec, "42");
  berth_spec_set_memory_mb (spec, 256);
  id = berth_client_create (fixture->client, spec, NULL, &error);
  g_assert_no_error (error);
  list = berth_client_list (fixture->client, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (g_variant_n_children (list), ==, 1);
  vm = g_variant_get_child_value (list, 0);
  g_assert_true (g_variant_lookup (vm, "id", "&s", &text));
  g_assert_cmpstr (text, ==, id);
  g_assert_true (g_variant_lookup (vm, "tenant", "&s", &text));
  g_assert_cmpstr (text, ==, "acme");
}

/* ---- streams ---- */

static void
test_streams (Fixture *fixture, gconstpointer data)
{
  g_auto(Answers) answers = { NULL };
  g_autoptr(GError) error = NULL;
  g_autoptr(BerthProgram) program = berth_program_new ("tr a-z A-Z; echo oops >&2");
  g_autoptr(GOutputStream) input = berth_program_open_stdin (program, &error);
  g_autoptr(GInputStream) output = berth_program_open_stdout (program, &error);
  g_autoptr(GInputStream) errors = berth_program_open_stderr (program, &error);
  g_autoptr(BerthResult) result = NULL;
  char text[64] = "";

  answers_init (&answers);
  berth_client_run_async (fixture->client, NULL, program, NULL, answered_cb, &answers);
  g_assert_true (g_output_stream_write_all (input, "hello\n", 6, NULL, NULL, &error));
  g_assert_true (g_output_stream_close (input, NULL, &error));
  result = berth_client_run_finish (fixture->client, answers_wait (&answers, 0), &error);
  g_assert_no_error (error);
  g_assert_null (berth_result_get_stdout (result));
  g_assert_true (g_input_stream_read_all (output, text, 6, NULL, NULL, &error));
  g_assert_cmpstr (text, ==, "HELLO\n");
  g_assert_cmpint (g_input_stream_read (output, text, sizeof text, NULL, &error), ==, 0);
  g_assert_true (g_input_stream_read_all (errors, text, 5, NULL, NULL, &error));
  g_assert_cmpmem (text, 5, "oops\n", 5);
  g_assert_cmpint (g_input_stream_read (errors, text, sizeof text, NULL, &error), ==, 0);
}

/* The first bytes are there while the program runs. */
static void
test_output_is_live (Fixture *fixture, gconstpointer data)
{
  g_auto(Answers) answers = { NULL };
  g_autoptr(GError) error = NULL;
  g_autoptr(BerthProgram) program = berth_program_new ("echo first; read line; echo $line");
  g_autoptr(GOutputStream) input = berth_program_open_stdin (program, &error);
  g_autoptr(GInputStream) output = berth_program_open_stdout (program, &error);
  g_autoptr(GDataInputStream) lines = g_data_input_stream_new (output);
  g_autofree char *first = NULL;
  g_autofree char *second = NULL;
  g_autoptr(BerthResult) result = NULL;

  answers_init (&answers);
  berth_client_run_async (fixture->client, NULL, program, NULL, answered_cb, &answers);
  g_data_input_stream_read_line_async (lines, G_PRIORITY_DEFAULT, NULL, answered_cb, &answers);
  first = g_data_input_stream_read_line_finish (lines, answers_wait (&answers, 0), NULL, &error);
  g_assert_cmpstr (first, ==, "first");
  g_assert_true (g_output_stream_write_all (input, "go on\n", 6, NULL, NULL, &error));
  result = berth_client_run_finish (fixture->client, answers_wait (&answers, 1), &error);
  g_assert_no_error (error);
  second = g_data_input_stream_read_line (lines, NULL, NULL, &error);
  g_assert_cmpstr (second, ==, "go on");
}

static void
test_descriptors (Fixture *fixture, gconstpointer data)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(BerthProgram) program = berth_program_new ("echo through a pipe");
  g_autoptr(BerthResult) result = NULL;
  char text[64] = "";
  int ends[2];

  g_assert_true (g_unix_open_pipe (ends, FD_CLOEXEC, &error));
  g_assert_true (berth_program_set_stdout_fd (program, ends[1], &error));
  close (ends[1]);
  result = berth_client_run (fixture->client, NULL, program, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpint (read (ends[0], text, sizeof text - 1), ==, 15);
  g_assert_cmpstr (text, ==, "through a pipe\n");
  /* no copy of the other end is left in this process, or in berthd */
  g_assert_cmpint (read (ends[0], text, sizeof text), ==, 0);
  close (ends[0]);
}

static void
test_streams_end_with_the_call (Fixture *fixture, gconstpointer data)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(BerthProgram) program = berth_program_new ("echo once");
  g_autoptr(BerthProgram) empty = berth_program_new (" ");
  g_autoptr(GInputStream) output = berth_program_open_stdout (program, &error);
  g_autoptr(GInputStream) never = berth_program_open_stdout (empty, &error);
  g_autoptr(BerthResult) result = berth_client_run (fixture->client, NULL, program, NULL, &error);
  char text[8];

  g_assert_no_error (error);
  g_assert_null (berth_client_run (fixture->client, NULL, program, NULL, &error));
  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_INVALID);
  g_clear_error (&error);
  g_assert_null (berth_client_run (fixture->client, NULL, empty, NULL, &error));
  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_INVALID);
  g_clear_error (&error);
  g_assert_cmpint (g_input_stream_read (never, text, sizeof text, NULL, &error), ==, 0);
  g_assert_false (berth_program_set_stdin_fd (empty, -1, &error));
  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_INVALID);
}

/* ---- cancelling ---- */

static void
test_cancel_exec (Fixture *fixture, gconstpointer data)
{
  g_auto(Answers) answers = { NULL };
  g_autoptr(GError) error = NULL;
  g_autofree char *id = create (fixture);
  g_autoptr(GCancellable) cancellable = g_cancellable_new ();
  g_autoptr(BerthProgram) program = berth_program_new ("echo begun; sleep 60");
  g_autoptr(BerthProgram) next = berth_program_new ("echo next");
  g_autoptr(GInputStream) output = berth_program_open_stdout (program, &error);
  g_autoptr(BerthResult) result = NULL;
  char text[8];

  answers_init (&answers);
  berth_client_exec_async (fixture->client, id, program, cancellable, answered_cb, &answers);
  g_assert_true (g_input_stream_read_all (output, text, 6, NULL, NULL, &error));
  g_cancellable_cancel (cancellable);
  g_assert_null (berth_client_exec_finish (fixture->client, answers_wait (&answers, 0), &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_cmpint (berth_error_get_advice (error), ==, BERTH_ADVICE_NONE);
  g_clear_error (&error);
  expect_log (fixture, "fake: a program is cancelled");
  /* the sandbox and the connection, which other calls share, are as they were */
  result = berth_client_exec (fixture->client, id, next, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (berth_result_get_stdout (result), ==, "next\n");
}

/* Two sandboxes are all there is: the third waits, and leaves the queue when it is cancelled. */
static void
test_cancel_waiting_create (Fixture *fixture, gconstpointer data)
{
  g_auto(Answers) answers = { NULL };
  g_autoptr(GError) error = NULL;
  g_autofree char *first = create (fixture);
  g_autofree char *second = create (fixture);
  g_autoptr(GCancellable) cancellable = g_cancellable_new ();
  g_autofree char *third = NULL;

  answers_init (&answers);
  berth_client_create_async (fixture->client, NULL, cancellable, answered_cb, &answers);
  g_cancellable_cancel (cancellable);
  g_assert_null (berth_client_create_finish (fixture->client, answers_wait (&answers, 0), &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_clear_error (&error);
  g_assert_true (berth_client_destroy (fixture->client, first, NULL, &error));
  third = create (fixture);
  g_assert_cmpuint (claimed (fixture), ==, 2);
}

static gpointer
cancel_thread (gpointer data)
{
  g_cancellable_cancel (data);
  return NULL;
}

/* Whoever wins, a cancelled create leaves no sandbox that nobody knows. */
static void
test_cancel_races_create (Fixture *fixture, gconstpointer data)
{
  for (guint i = 0; i < 60; i++)
    {
      g_auto(Answers) answers = { NULL };
      g_autoptr(GError) error = NULL;
      g_autoptr(GCancellable) cancellable = g_cancellable_new ();
      g_autofree char *id = NULL;
      GThread *thread = NULL;

      answers_init (&answers);
      if (i % 3 == 0)
        g_cancellable_cancel (cancellable);
      if (i % 3 == 1)
        thread = g_thread_new ("cancel", cancel_thread, cancellable);
      berth_client_create_async (fixture->client, NULL, cancellable, answered_cb, &answers);
      if (i % 3 == 2)
        g_cancellable_cancel (cancellable);
      id = berth_client_create_finish (fixture->client, answers_wait (&answers, 0), &error);
      g_clear_pointer (&thread, g_thread_join);
      if (id != NULL)
        g_assert_true (berth_client_destroy (fixture->client, id, NULL, &error));
      else
        g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
    }
  /* a discarded one is destroyed before this is answered: one connection keeps its order */
  g_assert_cmpuint (claimed (fixture), ==, 0);
}

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
      g_autoptr(GError) error = NULL;

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
  g_autoptr(GError) error = NULL;
  g_autofree char *id = create (fixture);
  g_autofree char *code = g_strnfill (5 * 1024 * 1024, '#');
  g_autoptr(BerthProgram) program = berth_program_new (code);

  g_assert_null (berth_client_exec (fixture->client, id, program, NULL, &error));
  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_INVALID);
  g_clear_error (&error);
  g_assert_false (berth_client_destroy (fixture->client, "\xff", NULL, &error));
  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_INVALID);
  g_assert_cmpuint (claimed (fixture), ==, 1);
}

static void
test_no_wait (Fixture *fixture, gconstpointer data)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(BerthSpec) spec = berth_spec_new (NULL);
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
  g_autoptr(GError) error = NULL;
  g_autoptr(BerthResult) result = NULL;

  g_assert_cmpuint (claimed (fixture), ==, 0);
  stop_berthd (fixture, SIGTERM);
  g_assert_null (run_in (fixture, "shell", "true", &error));
  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_UNAVAILABLE);
  g_clear_error (&error);
  start_berthd (fixture);
  result = run_in (fixture, "shell", "echo back", &error);
  g_assert_no_error (error);
  g_assert_cmpstr (berth_result_get_stdout (result), ==, "back\n");
}

static void
test_outcome_unknown (Fixture *fixture, gconstpointer data)
{
  g_autoptr(GError) error = NULL;

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
      g_autoptr(GError) error = NULL;
      g_autoptr(BerthResult) result = run_in (fixture, "shell", "echo thread", &error);

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

static void
test_many_at_once (Fixture *fixture, gconstpointer data)
{
  const guint count = 100;
  g_auto(Answers) answers = { NULL };
  g_autoptr(BerthProgram) program = berth_program_new ("true");

  answers_init (&answers);
  for (guint i = 0; i < count; i++)
    berth_client_run_async (fixture->client, NULL, program, NULL, answered_cb, &answers);
  for (guint i = 0; i < count; i++)
    {
      g_autoptr(GError) error = NULL;
      g_autoptr(BerthResult) result
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
  g_autoptr(GError) error = NULL;
  g_autoptr(BerthServer) server = server_new (folder, &error);
  g_autoptr(BerthServer) rival = server_new (folder, &error);
  g_autoptr(BerthProgram) program = berth_program_new ("echo here");
  g_autoptr(BerthResult) result = NULL;
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
  g_autoptr(GMainLoop) loop = g_main_loop_new (NULL, FALSE);
  GThread *thread = g_thread_new ("serve", serve_thread, loop);
  g_autoptr(GError) error = NULL;
  g_autoptr(BerthServer) server = server_new (folder, &error);
  g_autoptr(BerthProgram) program = berth_program_new ("echo there");
  g_autoptr(BerthResult) result = NULL;

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
  g_autoptr(GError) error = NULL;

  g_assert_null (berth_server_new (unknown, &error));
  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_CONFIG);
  g_clear_error (&error);
  g_assert_null (berth_server_new (nothing, &error));
  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_CONFIG);
}

#define ADD(name, function)                                                                        \
  g_test_add ("/libberth/" name, Fixture, NULL, set_up, function, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("result", test_result);
  ADD ("time-out", test_time_out);
  ADD ("program-properties", test_program_properties);
  ADD ("list", test_list);
  ADD ("streams", test_streams);
  ADD ("output-is-live", test_output_is_live);
  ADD ("descriptors", test_descriptors);
  ADD ("streams-end-with-the-call", test_streams_end_with_the_call);
  ADD ("cancel-exec", test_cancel_exec);
  ADD ("cancel-waiting-create", test_cancel_waiting_create);
  ADD ("cancel-races-create", test_cancel_races_create);
  ADD ("errors", test_errors);
  ADD ("too-long-code", test_too_long_code);
  ADD ("no-wait", test_no_wait);
  ADD ("restart", test_restart);
  ADD ("outcome-unknown", test_outcome_unknown);
  ADD ("threads", test_threads);
  ADD ("many-at-once", test_many_at_once);
  g_test_add_func ("/libberth/server", test_server);
  g_test_add_func ("/libberth/server-elsewhere", test_server_elsewhere);
  g_test_add_func ("/libberth/server-settings", test_server_settings);
  return g_test_run ();
}
