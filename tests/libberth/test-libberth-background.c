/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Proves what the library promises of execs in the background: they are begun, listed, read,
 * written to, waited for and ended, each from whoever knows the number. */
#include "libberth-fixture.h"

#include <glib-unix.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

static guint
start (Fixture *fixture, const char *id, const char *code, BerthStartFlags flags)
{
  const char *const argv[] = { "sh", "-c", code, NULL };
  g_autoptr (BerthProgram) program = berth_program_new_for_command (argv);
  g_autoptr (GError) error = NULL;
  guint exec = berth_client_start (fixture->client, id, program, flags, NULL, &error);

  g_assert_no_error (error);
  g_assert_cmpuint (exec, >, 0);
  return exec;
}

/* (transfer full): of the one exec of number @exec */
static char *
dup_state (Fixture *fixture, const char *id, guint exec)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) execs = berth_client_list_execs (fixture->client, id, NULL, &error);
  GVariantIter iter;
  GVariant *next;
  char *state = NULL;

  g_assert_no_error (error);
  g_variant_iter_init (&iter, execs);
  while ((next = g_variant_iter_next_value (&iter)) != NULL)
    {
      g_autoptr (GVariant) entry = next;
      guint32 number = 0;

      g_variant_lookup (entry, "exec", "u", &number);
      if (number == exec)
        g_variant_lookup (entry, "state", "s", &state);
    }
  return state;
}

/* Reads what comes until a line has, or the end. */
static void
read_line (int fd, char *line, gsize size)
{
  gsize length = 0;

  while (length + 1 < size && read (fd, line + length, 1) == 1 && line[length] != '\n')
    length++;
  line[length] = '\0';
}

static void
test_start_and_wait (Fixture *fixture, gconstpointer data)
{
  g_autofree char *id = create (fixture);
  g_autoptr (GError) error = NULL;
  guint exec = start (fixture, id, "exit 3", BERTH_START_DEFAULT);
  guint other = start (fixture, id, "exec sleep 50", BERTH_START_DEFAULT);
  g_autoptr (BerthResult) end = berth_client_wait_exec (fixture->client, id, exec, NULL, &error);
  g_autofree char *state = dup_state (fixture, id, exec);
  g_autofree char *of_other = dup_state (fixture, id, other);

  g_assert_no_error (error);
  g_assert_cmpint (berth_result_get_exit_code (end), ==, 3);
  g_assert_cmpstr (berth_result_get_sandbox_id (end), ==, id);
  g_assert_cmpstr (state, ==, "ended");
  g_assert_cmpuint (exec, !=, other);
  g_assert_cmpstr (of_other, ==, "running");
  g_assert_cmpuint (claimed (fixture), ==, 1);
}

static void
test_signal (Fixture *fixture, gconstpointer data)
{
  g_autofree char *id = create (fixture);
  const struct
  {
    guint number;
    int status;
  } cases[] = { { SIGKILL, 128 + SIGKILL }, { 0, 128 + SIGTERM } };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GError) error = NULL;
      guint exec = start (fixture, id, "exec sleep 50", BERTH_START_DEFAULT);
      g_autoptr (BerthResult) end = NULL;

      g_assert_true (
          berth_client_signal_exec (fixture->client, id, exec, cases[i].number, NULL, &error));
      g_assert_no_error (error);
      end = berth_client_wait_exec (fixture->client, id, exec, NULL, &error);
      g_assert_no_error (error);
      g_assert_cmpint (berth_result_get_exit_code (end), ==, cases[i].status);
    }
}

/* One writes its input, another one reads its output; both are others than who began it. */
static void
test_attach (Fixture *fixture, gconstpointer data)
{
  g_autofree char *id = create (fixture);
  g_autoptr (GError) error = NULL;
  g_auto (Answers) answers = { NULL };
  BerthClient *writer = berth_client_new (fixture->path);
  guint exec = start (fixture, id, "read line; echo \"got $line\"; echo err >&2; exit 4",
                      BERTH_START_KEEP_STDIN);
  g_autoptr (BerthResult) end = NULL;
  int in[2];
  int out[2];
  char line[64];
  guint64 lost = 1;

  answers_init (&answers);
  g_assert_true (g_unix_open_pipe (in, FD_CLOEXEC, NULL)
                 && g_unix_open_pipe (out, FD_CLOEXEC, NULL));
  berth_client_attach_async (fixture->client, id, exec, TRUE, 0, -1, out[1], -1, NULL, answered_cb,
                             &answers);
  close (out[1]);
  berth_client_attach_async (writer, id, exec, TRUE, 0, in[0], -1, -1, NULL, answered_cb, &answers);
  close (in[0]);
  g_assert_cmpint (write (in[1], "word\n", 5), ==, 5);
  close (in[1]);
  answers_wait (&answers, 1); /* both have come */
  for (guint i = 0; i < 2; i++)
    {
      GAsyncResult *answer = answers_wait (&answers, i);
      BerthClient *client = BERTH_CLIENT (g_async_result_get_source_object (answer));

      g_clear_pointer (&end, berth_result_free);
      g_assert_true (berth_client_attach_finish (client, answer, &end, &lost, &error));
      g_assert_no_error (error);
      g_assert_cmpint (berth_result_get_exit_code (end), ==, 4);
      g_assert_cmpuint (lost, ==, 0);
      g_object_unref (client);
    }
  read_line (out[0], line, sizeof line);
  g_assert_cmpstr (line, ==, "got word");
  close (out[0]);
  g_object_unref (writer);
}

/* As streams: written and closed by one who did not begin it, read at once by two. */
static void
test_streams (Fixture *fixture, gconstpointer data)
{
  g_autofree char *id = create (fixture);
  g_autoptr (GError) error = NULL;
  g_auto (Answers) answers = { NULL };
  g_autoptr (BerthClient) other = berth_client_new (fixture->path);
  guint exec
      = start (fixture, id, "while read line; do echo \"got $line\"; done; echo err >&2; exit 4",
               BERTH_START_KEEP_STDIN);
  g_autoptr (BerthAttachment) writing = berth_attachment_new (exec);
  g_autoptr (BerthAttachment) reading = berth_attachment_new (exec);
  g_autoptr (GOutputStream) input = berth_attachment_open_stdin (writing, &error);
  g_autoptr (GInputStream) output = berth_attachment_open_stdout (writing, &error);
  g_autoptr (GInputStream) again = berth_attachment_open_stdout (reading, &error);
  g_autoptr (GInputStream) errors = berth_attachment_open_stderr (reading, &error);
  GInputStream *const streams[] = { output, again, errors };
  const char *const texts[] = { "got a\ngot b\n", "got a\ngot b\n", "err\n" };

  answers_init (&answers);
  berth_client_attach_streams_async (other, id, writing, NULL, answered_cb, &answers);
  berth_client_attach_streams_async (fixture->client, id, reading, NULL, answered_cb, &answers);
  g_assert_true (g_output_stream_write_all (input, "a\nb\n", 4, NULL, NULL, &error));
  g_assert_true (g_output_stream_close (input, NULL, &error));
  answers_wait (&answers, 1); /* both have come */
  for (guint i = 0; i < 2; i++)
    {
      GAsyncResult *answer = answers_wait (&answers, i);
      g_autoptr (BerthClient) client = BERTH_CLIENT (g_async_result_get_source_object (answer));
      g_autoptr (BerthResult) end = NULL;
      guint64 lost = 1;

      g_assert_true (berth_client_attach_streams_finish (client, answer, &end, &lost, &error));
      g_assert_no_error (error);
      g_assert_cmpint (berth_result_get_exit_code (end), ==, 4);
      g_assert_cmpuint (lost, ==, 0);
    }
  for (guint i = 0; i < G_N_ELEMENTS (streams); i++)
    {
      char text[64] = { 0 };

      g_assert_true (g_input_stream_read_all (streams[i], text, sizeof text, NULL, NULL, &error));
      g_assert_cmpstr (text, ==, texts[i]);
    }
}

/* One attachment is one call's; what it opened is at its end where the call is refused. */
static void
test_streams_refused (Fixture *fixture, gconstpointer data)
{
  g_autofree char *id = create (fixture);
  g_autoptr (BerthAttachment) attachment = berth_attachment_new (99);
  g_autoptr (GError) error = NULL;
  g_autoptr (GInputStream) output = berth_attachment_open_stdout (attachment, &error);
  char byte;

  for (guint i = 0; i < 2; i++)
    {
      g_auto (Answers) answers = { NULL };

      answers_init (&answers);
      berth_client_attach_streams_async (fixture->client, id, attachment, NULL, answered_cb,
                                         &answers);
      g_assert_false (berth_client_attach_streams_finish (
          fixture->client, answers_wait (&answers, 0), NULL, NULL, &error));
      g_assert_error (error, BERTH_ERROR, BERTH_ERROR_INVALID);
      g_clear_error (&error);
    }
  g_assert_cmpint (g_input_stream_read (output, &byte, 1, NULL, &error), ==, 0);
}

/* A terminal goes on without whoever began it, and is whoever's who sits down: of his size. */
static void
test_terminal (Fixture *fixture, gconstpointer data)
{
  const char *const argv[] = { "sh", "-c", "read x; stty size; read x; stty size; exit 5", NULL };
  g_autofree char *id = create (fixture);
  g_autoptr (BerthProgram) program = berth_program_new_for_command (argv);
  g_autoptr (GError) error = NULL;
  g_auto (Answers) answers = { NULL };
  g_autoptr (BerthResult) end = NULL;
  g_autoptr (BerthAttachment) attachment = NULL;
  g_autoptr (GOutputStream) input = NULL;
  g_autoptr (GDataInputStream) lines = NULL;
  g_autoptr (GInputStream) output = NULL;
  guint exec;

  berth_program_set_terminal (program, 24, 80);
  exec = berth_client_start (fixture->client, id, program, BERTH_START_DEFAULT, NULL, &error);
  g_assert_no_error (error);
  attachment = berth_attachment_new (exec);
  input = berth_attachment_open_stdin (attachment, &error);
  output = berth_attachment_open_stdout (attachment, &error);
  lines = g_data_input_stream_new (output);
  g_data_input_stream_set_newline_type (lines, G_DATA_STREAM_NEWLINE_TYPE_CR_LF);
  berth_attachment_set_terminal (attachment, 30, 100);
  answers_init (&answers);
  berth_client_attach_streams_async (fixture->client, id, attachment, NULL, answered_cb, &answers);
  for (guint i = 0; i < 2; i++)
    {
      static const char *const sizes[] = { "30 100", "50 132" };
      g_autofree char *line = NULL;

      g_assert_true (g_output_stream_write_all (input, "\n", 1, NULL, NULL, &error));
      g_free (g_data_input_stream_read_line (lines, NULL, NULL, &error)); /* what was typed */
      line = g_data_input_stream_read_line (lines, NULL, NULL, &error);
      g_assert_cmpstr (line, ==, sizes[i]);
      berth_attachment_set_terminal (attachment, 50, 132);
      /* an answer of the same connection comes behind what was told before */
      g_free (dup_state (fixture, id, exec));
    }
  g_assert_true (berth_client_attach_streams_finish (fixture->client, answers_wait (&answers, 0),
                                                     &end, NULL, &error));
  g_assert_cmpint (berth_result_get_exit_code (end), ==, 5);
}

/* What is kept of one that runs on is told at once, as often as it is asked for. */
static void
test_look (Fixture *fixture, gconstpointer data)
{
  g_autofree char *id = create (fixture);
  guint exec = start (fixture, id, "echo begun; exec sleep 50", BERTH_START_DEFAULT);
  gboolean has_begun = FALSE;

  for (guint i = 0; !has_begun || i < 3; i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (BerthResult) end = NULL;
      g_auto (Answers) answers = { NULL };
      int out[2];
      char line[64];

      answers_init (&answers);
      g_assert_true (g_unix_open_pipe (out, FD_CLOEXEC, NULL));
      berth_client_attach_async (fixture->client, id, exec, FALSE, 0, -1, out[1], -1, NULL,
                                 answered_cb, &answers);
      close (out[1]);
      read_line (out[0], line, sizeof line);
      close (out[0]);
      g_assert_true (berth_client_attach_finish (fixture->client, answers_wait (&answers, 0), &end,
                                                 NULL, &error));
      g_assert_no_error (error);
      g_assert_null (end);
      has_begun |= strcmp (line, "begun") == 0;
      g_assert_true (!has_begun || strcmp (line, "begun") == 0);
    }
}

/* The waiting ends, and what is waited for does not. */
static void
test_cancelled (Fixture *fixture, gconstpointer data)
{
  g_autofree char *id = create (fixture);
  guint exec = start (fixture, id, "exec sleep 50", BERTH_START_DEFAULT);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_auto (Answers) answers = { NULL };
  g_autoptr (GError) error = NULL;
  g_autofree char *state = NULL;

  answers_init (&answers);
  berth_client_wait_exec_async (fixture->client, id, exec, cancellable, answered_cb, &answers);
  g_cancellable_cancel (cancellable);
  g_assert_null (
      berth_client_wait_exec_finish (fixture->client, answers_wait (&answers, 0), &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  state = dup_state (fixture, id, exec);
  g_assert_cmpstr (state, ==, "running");
}

static void
test_errors (Fixture *fixture, gconstpointer data)
{
  g_autofree char *id = create (fixture);
  g_autoptr (BerthProgram) program = berth_program_new ("true");
  g_autoptr (GError) error = NULL;

  g_assert_null (berth_client_wait_exec (fixture->client, id, 99, NULL, &error));
  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_INVALID);
  g_clear_error (&error);
  g_assert_false (berth_client_signal_exec (fixture->client, id, 99, 0, NULL, &error));
  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_INVALID);
  g_clear_error (&error);
  g_assert_false (berth_client_signal_exec (fixture->client, id, 1, 65, NULL, &error));
  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_INVALID);
  g_clear_error (&error);
  g_assert_cmpuint (
      berth_client_start (fixture->client, "none", program, BERTH_START_DEFAULT, NULL, &error), ==,
      0);
  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_GONE);
  g_clear_error (&error);
  g_assert_cmpuint (
      berth_client_start (fixture->client, id, program, BERTH_START_NO_TIMEOUT, NULL, &error), ==,
      0);
  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_DENIED);
  g_clear_error (&error);
  g_assert_null (berth_client_list_execs (fixture->client, "no/id", NULL, &error));
  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_INVALID);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("background/start-and-wait", test_start_and_wait);
  ADD ("background/signal", test_signal);
  ADD ("background/attach", test_attach);
  ADD ("background/streams", test_streams);
  ADD ("background/streams-refused", test_streams_refused);
  ADD ("background/terminal", test_terminal);
  ADD ("background/look", test_look);
  ADD ("background/cancelled", test_cancelled);
  ADD ("background/errors", test_errors);
  return g_test_run ();
}
