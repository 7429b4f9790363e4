/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Proves what the library promises to programs while berthd is there: results, streams, files,
 * cancelling. */
#include "libberth-fixture.h"

#include <fcntl.h>
#include <glib-unix.h>
#include <unistd.h>

static void
test_result (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (BerthResult) result
      = run_in (fixture, "shell", "echo out; echo err >&2; exit 5", &error);
  g_autoptr (BerthResult) copy = NULL;

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
  g_assert_cmpuint (strlen (berth_result_get_sandbox_id (copy)), ==, 32);
  g_assert_cmpstr (berth_result_get_start (copy), ==, "cold");
  g_assert_cmpfloat (berth_result_get_exec_ms (copy), >, 0);
}

/* What a string can't say is told beside it. */
static void
test_result_bytes (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (BerthResult) result
      = run_in (fixture, "shell", "printf 'a\\0b\\377'; printf plain >&2", &error);
  g_autoptr (BerthResult) copy = NULL;

  g_assert_no_error (error);
  copy = berth_result_copy (result);
  g_clear_pointer (&result, berth_result_free);
  g_assert_cmpmem (g_bytes_get_data (berth_result_get_stdout_bytes (copy), NULL),
                   g_bytes_get_size (berth_result_get_stdout_bytes (copy)), "a\0b\377", 4);
  g_assert_cmpstr (berth_result_get_stdout (copy), ==, "a\357\277\275b\357\277\275");
  g_assert_cmpmem (g_bytes_get_data (berth_result_get_stderr_bytes (copy), NULL),
                   g_bytes_get_size (berth_result_get_stderr_bytes (copy)), "plain", 5);
}

static void
test_time_out (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (BerthProgram) program = berth_program_new ("echo so far; sleep 20");
  g_autoptr (BerthResult) result = NULL;

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
  g_autoptr (GError) error = NULL;
  g_autoptr (BerthProgram) program = berth_program_new ("echo $A $B");
  g_autofree char *id = create (fixture);

  berth_program_set_environment (program, environment);
  berth_program_set_language (program, "shell");
  /* without streams a program is run as often as one likes */
  for (guint i = 0; i < 3; i++)
    {
      g_autoptr (BerthResult) result
          = berth_client_exec (fixture->client, id, program, NULL, &error);

      g_assert_no_error (error);
      g_assert_cmpstr (berth_result_get_stdout (result), ==, "one two\n");
    }
  g_assert_true (berth_client_destroy (fixture->client, id, NULL, &error));
  g_assert_no_error (error);
}

static BerthResult *
exec_command (Fixture *fixture, const char *id, const char *const *argv, GError **error)
{
  g_autoptr (BerthProgram) program = berth_program_new_for_command (argv);

  return berth_client_exec (fixture->client, id, program, NULL, error);
}

/* Until it has shown this much */
static void
assert_shown (GInputStream *output, const char *text)
{
  g_autofree char *shown = g_malloc0 (strlen (text) + 1);
  g_autoptr (GError) error = NULL;

  g_input_stream_read_all (output, shown, strlen (text), NULL, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (shown, ==, text);
}

/* With the size that it was begun with, and with that which it is given later */
static void
test_terminal (Fixture *fixture, gconstpointer data)
{
  const char *const argv[]
      = { "sh", "-c",
          "stty -echo; stty size; until [ \"$(stty size)\" = '50 132' ]; do sleep 0.1; "
          "done; echo more; cat",
          NULL };
  g_autoptr (BerthProgram) program = berth_program_new_for_command (argv);
  g_autofree char *id = create (fixture);
  g_autoptr (GError) error = NULL;
  g_autoptr (GOutputStream) input = berth_program_open_stdin (program, &error);
  g_autoptr (GInputStream) output = berth_program_open_stdout (program, &error);
  g_auto (Answers) answers = { NULL };
  g_autoptr (BerthResult) result = NULL;

  berth_program_set_terminal (program, 24, 80);
  answers_init (&answers);
  berth_client_exec_async (fixture->client, id, program, NULL, answered_cb, &answers);
  assert_shown (output, "24 80\r\n");
  berth_program_set_terminal (program, 50, 132);
  assert_shown (output, "more\r\n");
  g_assert_true (g_output_stream_write_all (input, "line\n", 5, NULL, NULL, &error));
  assert_shown (output, "line\r\n");
  g_assert_true (g_output_stream_close (input, NULL, &error));
  result = berth_client_exec_finish (fixture->client, answers_wait (&answers, 0), &error);
  g_assert_no_error (error);
  g_assert_cmpint (berth_result_get_exit_code (result), ==, 0);
  g_assert_null (berth_client_exec (fixture->client, id, program, NULL, &error));
  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_INVALID);
  g_clear_error (&error);
  g_assert_true (berth_client_destroy (fixture->client, id, NULL, &error));
}

/* As it stands, beside the code of the same sandbox */
static void
test_command (Fixture *fixture, gconstpointer data)
{
  const char *const says[] = { "printf", "%s|", "$A", "", "b  c", NULL };
  const char *const nothing[] = { NULL };
  const char *const missing[] = { "no-such-program", NULL };
  g_autoptr (BerthProgram) code = berth_program_new ("cat");
  g_autofree char *id = create (fixture);
  g_autoptr (GError) error = NULL;
  g_autoptr (GError) invalid = NULL;
  g_autoptr (GOutputStream) input = berth_program_open_stdin (code, &error);
  g_auto (Answers) answers = { NULL };
  g_autoptr (BerthResult) first = NULL;
  g_autoptr (BerthResult) second = NULL;
  g_autoptr (BerthResult) last = NULL;

  g_assert_no_error (error);
  answers_init (&answers);
  berth_client_exec_async (fixture->client, id, code, NULL, answered_cb, &answers);
  first = exec_command (fixture, id, says, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (berth_result_get_stdout (first), ==, "$A||b  c|");
  second = exec_command (fixture, id, missing, &error);
  g_assert_no_error (error);
  g_assert_cmpint (berth_result_get_exit_code (second), ==, 127);
  g_assert_null (exec_command (fixture, id, nothing, &invalid));
  g_assert_error (invalid, BERTH_ERROR, BERTH_ERROR_INVALID);
  g_assert_cmpuint (answers.results->len, ==, 0);
  g_assert_true (g_output_stream_close (input, NULL, &error));
  last = berth_client_exec_finish (fixture->client, answers_wait (&answers, 0), &error);
  g_assert_no_error (error);
  g_assert_cmpint (berth_result_get_exit_code (last), ==, 0);
  g_assert_true (berth_client_destroy (fixture->client, id, NULL, &error));
  g_assert_no_error (error);
}

static void
test_list (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (BerthSpec) spec = berth_spec_new ("shell");
  g_autofree char *id = NULL;
  g_autoptr (GVariant) list = NULL;
  g_autoptr (GVariant) vm = NULL;
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
  g_auto (Answers) answers = { NULL };
  g_autoptr (GError) error = NULL;
  g_autoptr (BerthProgram) program = berth_program_new ("tr a-z A-Z; echo oops >&2");
  g_autoptr (GOutputStream) input = berth_program_open_stdin (program, &error);
  g_autoptr (GInputStream) output = berth_program_open_stdout (program, &error);
  g_autoptr (GInputStream) errors = berth_program_open_stderr (program, &error);
  g_autoptr (BerthResult) result = NULL;
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
  g_auto (Answers) answers = { NULL };
  g_autoptr (GError) error = NULL;
  g_autoptr (BerthProgram) program = berth_program_new ("echo first; read line; echo $line");
  g_autoptr (GOutputStream) input = berth_program_open_stdin (program, &error);
  g_autoptr (GInputStream) output = berth_program_open_stdout (program, &error);
  g_autoptr (GDataInputStream) lines = g_data_input_stream_new (output);
  g_autofree char *first = NULL;
  g_autofree char *second = NULL;
  g_autoptr (BerthResult) result = NULL;

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
  g_autoptr (GError) error = NULL;
  g_autoptr (BerthProgram) program = berth_program_new ("echo through a pipe");
  g_autoptr (BerthResult) result = NULL;
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
  g_autoptr (GError) error = NULL;
  g_autoptr (BerthProgram) program = berth_program_new ("echo once");
  g_autoptr (BerthProgram) empty = berth_program_new (" ");
  g_autoptr (GInputStream) output = berth_program_open_stdout (program, &error);
  g_autoptr (GInputStream) never = berth_program_open_stdout (empty, &error);
  g_autoptr (BerthResult) result = berth_client_run (fixture->client, NULL, program, NULL, &error);
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

/* ---- files ---- */

/* Through both pipes many times over, and nothing */
static void
test_files (Fixture *fixture, gconstpointer data)
{
  const gsize sizes[] = { 0, 1, 3000000 };
  g_autofree char *id = create (fixture);

  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (GBytes) content = random_bytes (sizes[i]);
      g_autoptr (GBytes) back = NULL;

      g_assert_true (
          berth_client_put_file (fixture->client, id, "a/b", content, 0755, NULL, &error));
      g_assert_no_error (error);
      back = berth_client_get_file (fixture->client, id, "a/b", 0, NULL, &error);
      g_assert_no_error (error);
      g_assert_true (g_bytes_equal (content, back));
    }
}

static void
assert_entry (GVariant *entries, const char *wanted, guint64 wanted_size, guint32 wanted_mode)
{
  g_autoptr (GVariant) entry = NULL;
  const char *name;
  guint64 size;
  guint32 mode;

  g_assert_cmpuint (g_variant_n_children (entries), ==, 1);
  entry = g_variant_get_child_value (entries, 0);
  g_assert_true (g_variant_lookup (entry, "name", "^&ay", &name));
  g_assert_cmpstr (name, ==, wanted);
  g_assert_true (g_variant_lookup (entry, "size", "t", &size));
  g_assert_cmpuint (size, ==, wanted_size);
  g_assert_true (g_variant_lookup (entry, "mode", "u", &mode));
  g_assert_cmpuint (mode & 0777, ==, wanted_mode);
}

static void
test_list_files (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *id = create (fixture);
  g_autoptr (GBytes) content = random_bytes (5);
  g_autoptr (GVariant) first = NULL;
  g_autoptr (GVariant) second = NULL;

  g_assert_true (berth_client_put_file (fixture->client, id, "d/one", content, 0600, NULL, &error));
  first = berth_client_list_files (fixture->client, id, "d", NULL, NULL, &error);
  g_assert_no_error (error);
  assert_entry (first, "one", 5, 0600);
  second = berth_client_list_files (fixture->client, id, "d", "one", NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (g_variant_n_children (second), ==, 0);
}

/* A put that is refused leaves bytes that nobody reads, a get bytes that nobody writes. */
static void
test_files_refused (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *id = create (fixture);
  g_autoptr (GBytes) content = random_bytes (1000000);
  g_autofree char *long_path = g_strnfill (3 * 1024 * 1024, 'x');

  g_assert_false (berth_client_put_file (fixture->client, id, "../../x", content, 0, NULL, &error));
  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_INVALID);
  g_clear_error (&error);
  g_assert_null (berth_client_get_file (fixture->client, id, "none", 0, NULL, &error));
  g_assert_nonnull (error);
  g_assert_true (error->domain == BERTH_ERROR);
  g_clear_error (&error);
  g_assert_false (berth_client_put_file (fixture->client, "none", "x", content, 0, NULL, &error));
  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_GONE);
  g_clear_error (&error);
  g_assert_true (berth_client_put_file (fixture->client, id, "x", content, 0, NULL, &error));
  g_assert_null (berth_client_get_file (fixture->client, id, "x", 999999, NULL, &error));
  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_INVALID);
  g_clear_error (&error);
  g_assert_null (berth_client_get_file (fixture->client, id, long_path, 0, NULL, &error));
  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_INVALID);
  g_assert_cmpuint (claimed (fixture), ==, 1);
}

static void
test_attached (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (BerthSpec) spec = berth_spec_new ("shell");
  BerthClient *other = berth_client_new (fixture->path);
  g_autofree char *id = NULL;

  berth_spec_set_attached (spec, TRUE);
  id = berth_client_create (other, spec, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (claimed (fixture), ==, 1);
  g_object_unref (other);
  berthd_process_expect_log (&fixture->berthd, "is destroyed");
  g_assert_cmpuint (claimed (fixture), ==, 0);
}

/* ---- cancelling ---- */

static void
test_cancel_exec (Fixture *fixture, gconstpointer data)
{
  g_auto (Answers) answers = { NULL };
  g_autoptr (GError) error = NULL;
  g_autofree char *id = create (fixture);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (BerthProgram) program = berth_program_new ("echo begun; sleep 60");
  g_autoptr (BerthProgram) next = berth_program_new ("echo next");
  g_autoptr (GInputStream) output = berth_program_open_stdout (program, &error);
  g_autoptr (BerthResult) result = NULL;
  char text[8];

  answers_init (&answers);
  berth_client_exec_async (fixture->client, id, program, cancellable, answered_cb, &answers);
  g_assert_true (g_input_stream_read_all (output, text, 6, NULL, NULL, &error));
  g_cancellable_cancel (cancellable);
  g_assert_null (berth_client_exec_finish (fixture->client, answers_wait (&answers, 0), &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_cmpint (berth_error_get_advice (error), ==, BERTH_ADVICE_NONE);
  g_clear_error (&error);
  berthd_process_expect_log (&fixture->berthd, "fake: a program is cancelled");
  /* the sandbox and the connection, which other calls share, are as they were */
  result = berth_client_exec (fixture->client, id, next, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (berth_result_get_stdout (result), ==, "next\n");
}

/* Two sandboxes are all there is: the third waits, and leaves the queue when it is cancelled. */
static void
test_cancel_waiting_create (Fixture *fixture, gconstpointer data)
{
  g_auto (Answers) answers = { NULL };
  g_autoptr (GError) error = NULL;
  g_autofree char *first = create (fixture);
  g_autofree char *second = create (fixture);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
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
      g_auto (Answers) answers = { NULL };
      g_autoptr (GError) error = NULL;
      g_autoptr (GCancellable) cancellable = g_cancellable_new ();
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

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("result", test_result);
  ADD ("result-bytes", test_result_bytes);
  ADD ("time-out", test_time_out);
  ADD ("program-properties", test_program_properties);
  ADD ("command", test_command);
  ADD ("terminal", test_terminal);
  ADD ("list", test_list);
  ADD ("streams", test_streams);
  ADD ("output-is-live", test_output_is_live);
  ADD ("descriptors", test_descriptors);
  ADD ("streams-end-with-the-call", test_streams_end_with_the_call);
  ADD ("files", test_files);
  ADD ("list-files", test_list_files);
  ADD ("files-refused", test_files_refused);
  ADD ("attached", test_attached);
  ADD ("cancel-exec", test_cancel_exec);
  ADD ("cancel-waiting-create", test_cancel_waiting_create);
  ADD ("cancel-races-create", test_cancel_races_create);
  return g_test_run ();
}
