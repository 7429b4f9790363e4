/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Proves what the library promises of files that are not in memory: streams of the caller's, in
 * constant memory, and what is left where one does not reach its end. */
#include "libberth-fixture.h"

#include <fcntl.h>
#include <gio/gunixinputstream.h>
#include <gio/gunixoutputstream.h>
#include <glib-unix.h>
#include <string.h>
#include <unistd.h>

#define MIB (1024 * 1024)
/* What a file of LARGE_BYTES may add to a process's memory */
#define LARGE_BYTES (G_GUINT64_CONSTANT (200) * MIB)
#ifdef __SANITIZE_ADDRESS__ /* which keeps what was freed */
#  define ROOM_KB (1024 * 1024)
#else
#  define ROOM_KB (16 * 1024)
#endif

/* Not even what a listing does not show */
static gboolean
is_home_empty (Fixture *fixture, const char *id)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (BerthProgram) program = berth_program_new ("find . -mindepth 1");
  g_autoptr (BerthResult) result = berth_client_exec (fixture->client, id, program, NULL, &error);

  g_assert_no_error (error);
  g_test_message ("left: %s", berth_result_get_stdout (result));
  return g_str_equal (berth_result_get_stdout (result), "");
}

/* There may be more in what is read than is asked for, and both streams stay open. */
static void
test_round_trip (Fixture *fixture, gconstpointer data)
{
  const gsize sizes[] = { 0, 1, 3 * MIB + 17 };
  g_autofree char *id = create (fixture);

  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (GBytes) content = random_bytes (sizes[i] + 5);
      g_autoptr (GBytes) wanted = g_bytes_new_from_bytes (content, 0, sizes[i]);
      g_autoptr (GInputStream) input = g_memory_input_stream_new_from_bytes (content);
      g_autoptr (GOutputStream) output = g_memory_output_stream_new_resizable ();
      g_autoptr (GBytes) back = NULL;
      char rest[8];

      g_assert_true (berth_client_put_stream (fixture->client, id, "a/b", input, sizes[i], 0755,
                                              NULL, &error));
      g_assert_no_error (error);
      g_assert_cmpint (g_input_stream_read (input, rest, sizeof rest, NULL, &error), ==, 5);
      g_assert_true (berth_client_get_stream (fixture->client, id, "a/b", output, 0, NULL, &error));
      g_assert_no_error (error);
      g_assert_true (g_output_stream_close (output, NULL, &error));
      back = g_memory_output_stream_steal_as_bytes (G_MEMORY_OUTPUT_STREAM (output));
      g_assert_true (g_bytes_equal (back, wanted));
    }
}

/* ---- of a run ---- */

static BerthResult *
run_program (Fixture *fixture, BerthProgram *program, GError **error)
{
  g_autoptr (BerthSpec) spec = berth_spec_new ("shell");

  return berth_client_run (fixture->client, spec, program, NULL, error);
}

static void
assert_download (BerthResult *result, const char *path, GBytes *wanted)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) content = berth_result_get_download (result, path, &error);

  g_assert_no_error (error);
  g_assert_true (g_bytes_equal (content, wanted));
}

/* A file that does not fit takes no room from those behind it. */
static void
test_run_download_max (Fixture *fixture, gconstpointer data)
{
  g_autoptr (BerthProgram) program = berth_program_new ("true");
  g_autoptr (GBytes) small = random_bytes (MIB / 2);
  g_autoptr (GBytes) big = random_bytes (3 * MIB + 17);
  g_autoptr (GError) error = NULL;
  g_autoptr (BerthResult) result = NULL;

  berth_program_add_upload (program, "big", big, 0);
  berth_program_add_upload (program, "small", small, 0);
  berth_program_add_download (program, "big");
  berth_program_add_download (program, "small");
  berth_program_set_download_max (program, 3 * MIB);
  result = run_program (fixture, program, &error);
  g_assert_no_error (error);
  assert_download (result, "small", small);
  g_assert_null (berth_result_get_download (result, "big", &error));
  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_INVALID);
}

/* Before and after, whatever the program's status; one program's files go with each of its runs. */
static void
test_run_with_files (Fixture *fixture, gconstpointer data)
{
  g_autoptr (BerthProgram) program = berth_program_new (
      "mkdir -p out/sub; cp big out/sub/copy; ln -s copy out/sub/link; cat in/x > out/x; exit 3");
  g_autoptr (GBytes) small = g_bytes_new_static ("six", 3);
  g_autoptr (GBytes) big = random_bytes (3 * MIB + 17);

  berth_program_add_upload (program, "in/x", small, 0);
  berth_program_add_upload (program, "big", big, 0600);
  berth_program_add_download (program, "out");
  berth_program_add_download (program, "missing");
  berth_program_add_download (program, "big");
  for (guint i = 0; i < 2; i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (BerthResult) result = run_program (fixture, program, &error);
      g_auto (GStrv) paths = NULL;
      g_autofree char *joined = NULL;

      g_assert_no_error (error);
      g_assert_cmpint (berth_result_get_exit_code (result), ==, 3);
      g_assert_cmpuint (berth_result_get_upload_count (result), ==, 2);
      g_assert_cmpuint (berth_result_get_upload_bytes (result), ==, 3 + 3 * MIB + 17);
      paths = berth_result_list_downloads (result);
      joined = g_strjoinv (" ", paths);
      g_assert_cmpstr (joined, ==, "big out/sub/copy out/x");
      assert_download (result, "out/x", small);
      assert_download (result, "out/sub/copy", big);
      assert_download (result, "big", big);
      g_assert_null (berth_result_get_download (result, "missing", &error));
      g_assert_error (error, BERTH_ERROR, BERTH_ERROR_INVALID);
      g_assert_nonnull (strstr (error->message, "file 'missing': "));
      g_clear_error (&error);
      g_assert_null (berth_result_get_download (result, "out/nothing", &error));
      g_assert_error (error, BERTH_ERROR, BERTH_ERROR_INVALID);
    }
}

/* What can't be there keeps the program from being run; a session takes no files along. */
static void
test_run_refuses_files (Fixture *fixture, gconstpointer data)
{
  g_autoptr (BerthProgram) program = berth_program_new ("echo ran");
  g_autoptr (GBytes) content = g_bytes_new_static ("x", 1);
  g_autoptr (GError) error = NULL;
  g_autofree char *id = NULL;

  berth_program_add_upload (program, "fine", content, 0);
  berth_program_add_upload (program, "../x", content, 0);
  g_assert_null (run_program (fixture, program, &error));
  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_INVALID);
  g_assert_nonnull (strstr (error->message, "upload 2: file '../x'"));
  g_clear_error (&error);
  id = create (fixture);
  g_assert_null (berth_client_exec (fixture->client, id, program, NULL, &error));
  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_INVALID);
  g_assert_nonnull (strstr (error->message, "go along with a run"));
}

/* ---- memory ---- */

static guint64
peak_kb (const char *process)
{
  g_autofree char *path = g_strdup_printf ("/proc/%s/status", process);
  g_autofree char *text = NULL;
  const char *peak;

  g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
  peak = strstr (text, "VmHWM:");
  g_assert_nonnull (peak);
  return g_ascii_strtoull (peak + strlen ("VmHWM:"), NULL, 10);
}

static GInputStream *
open_sparse (guint64 size)
{
  g_autofree char *name = NULL;
  int fd = g_file_open_tmp ("berth-lib-XXXXXX", &name, NULL);

  g_assert_cmpint (fd, >=, 0);
  unlink (name);
  g_assert_cmpint (ftruncate (fd, (off_t)size), ==, 0);
  return g_unix_input_stream_new (fd, TRUE);
}

static void
test_constant_memory (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *id = create (fixture);
  g_autoptr (GInputStream) input = open_sparse (LARGE_BYTES);
  g_autoptr (GOutputStream) output
      = g_unix_output_stream_new (open ("/dev/null", O_WRONLY | O_CLOEXEC), TRUE);
  const char *berthd = g_subprocess_get_identifier (fixture->berthd.process);
  guint64 ours, theirs;

  /* the sandbox and its agent take some, too */
  g_assert_true (berth_client_put_stream (fixture->client, id, "f", input, MIB, 0, NULL, &error));
  lseek (g_unix_input_stream_get_fd (G_UNIX_INPUT_STREAM (input)), 0, SEEK_SET);
  ours = peak_kb ("self");
  theirs = peak_kb (berthd);
  g_assert_true (
      berth_client_put_stream (fixture->client, id, "f", input, LARGE_BYTES, 0, NULL, &error));
  g_assert_no_error (error);
  g_assert_true (berth_client_get_stream (fixture->client, id, "f", output, 0, NULL, &error));
  g_assert_no_error (error);
  g_test_message ("a peak of %" G_GUINT64_FORMAT " kB here, of %" G_GUINT64_FORMAT " kB in berthd",
                  peak_kb ("self"), peak_kb (berthd));
  g_assert_cmpuint (peak_kb ("self"), <, ours + ROOM_KB);
  g_assert_cmpuint (peak_kb (berthd), <, theirs + ROOM_KB);
}

/* ---- cancelling ---- */

typedef struct
{
  int fd;
  int is_fed; /* atomic */
} Feeder;

/* A megabyte, more than all pipes on its way hold, and no end */
static gpointer
feed_thread (gpointer data)
{
  Feeder *feeder = data;
  g_autoptr (GBytes) content = random_bytes (MIB);
  gsize size;
  const guint8 *bytes = g_bytes_get_data (content, &size);

  while (size > 0)
    {
      gssize written = write (feeder->fd, bytes, size);

      g_assert_cmpint (written, >, 0);
      bytes += written;
      size -= (gsize)written;
    }
  g_atomic_int_set (&feeder->is_fed, TRUE);
  g_main_context_wakeup (NULL);
  return NULL;
}

/* A put that has sent a megabyte and waits for more */
static void
test_cancel_put (Fixture *fixture, gconstpointer data)
{
  g_auto (Answers) answers = { NULL };
  g_autoptr (GError) error = NULL;
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autofree char *id = create (fixture);
  g_autoptr (GInputStream) input = NULL;
  GThread *thread;
  Feeder feeder = { 0 };
  guint limit_id;
  int ends[2];

  g_assert_true (g_unix_open_pipe (ends, FD_CLOEXEC, &error));
  input = g_unix_input_stream_new (ends[0], TRUE);
  answers_init (&answers);
  berth_client_put_stream_async (fixture->client, id, "folder/f", input, 10 * MIB, 0, cancellable,
                                 answered_cb, &answers);
  feeder.fd = ends[1];
  thread = g_thread_new ("feeder", feed_thread, &feeder);
  limit_id = limit_add ();
  while (!g_atomic_int_get (&feeder.is_fed))
    g_main_context_iteration (NULL, TRUE);
  g_source_remove (limit_id);
  g_thread_join (thread);
  g_cancellable_cancel (cancellable);
  g_assert_false (
      berth_client_put_stream_finish (fixture->client, answers_wait (&answers, 0), &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_false (g_input_stream_is_closed (input));
  g_assert_false (g_input_stream_has_pending (input));
  g_assert_true (is_home_empty (fixture, id));
  close (ends[1]);
}

/* A get whose reader has stopped reading */
static void
test_cancel_get (Fixture *fixture, gconstpointer data)
{
  g_auto (Answers) answers = { NULL };
  g_autoptr (GError) error = NULL;
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autofree char *id = create (fixture);
  g_autoptr (GBytes) content = random_bytes (3 * MIB);
  g_autoptr (GInputStream) reader = NULL;
  g_autoptr (GOutputStream) output = NULL;
  char byte;
  int ends[2];

  g_assert_true (g_unix_open_pipe (ends, FD_CLOEXEC, &error));
  g_assert_true (g_unix_set_fd_nonblocking (ends[1], TRUE, &error));
  reader = g_unix_input_stream_new (ends[0], TRUE);
  output = g_unix_output_stream_new (ends[1], TRUE);
  g_assert_true (berth_client_put_file (fixture->client, id, "f", content, 0, NULL, &error));
  answers_init (&answers);
  berth_client_get_stream_async (fixture->client, id, "f", output, 0, cancellable, answered_cb,
                                 &answers);
  g_input_stream_read_async (reader, &byte, 1, G_PRIORITY_DEFAULT, NULL, answered_cb, &answers);
  g_assert_cmpint (g_input_stream_read_finish (reader, answers_wait (&answers, 0), &error), ==, 1);
  g_cancellable_cancel (cancellable);
  g_assert_false (
      berth_client_get_stream_finish (fixture->client, answers_wait (&answers, 1), &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_false (g_output_stream_is_closed (output));
  g_assert_false (g_output_stream_has_pending (output));
  g_clear_error (&error);
  /* what others share is as it was */
  g_assert_true (berth_client_put_file (fixture->client, id, "g", content, 0, NULL, &error));
}

/* ---- streams that fail ---- */

static void
test_source_ends_early (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *id = create (fixture);
  g_autoptr (GBytes) content = random_bytes (100);
  g_autoptr (GInputStream) input = g_memory_input_stream_new_from_bytes (content);

  g_assert_false (berth_client_put_stream (fixture->client, id, "f", input, 101, 0, NULL, &error));
  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_INVALID);
  g_assert_nonnull (strstr (error->message, "100 of 101"));
  g_assert_true (is_home_empty (fixture, id));
}

static void
test_source_fails (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *id = create (fixture);
  g_autoptr (GInputStream) input
      = g_unix_input_stream_new (open ("/dev/null", O_WRONLY | O_CLOEXEC), TRUE);

  g_assert_false (berth_client_put_stream (fixture->client, id, "f", input, 101, 0, NULL, &error));
  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_LOCAL);
  g_assert_nonnull (strstr (error->message, "your own stream for 'f'"));
  g_assert_true (is_home_empty (fixture, id));
}

static void
test_target_fails (Fixture *fixture, gconstpointer data)
{
  const gsize sizes[] = { 100, 3 * MIB }; /* known when berthd is through, and before */
  g_autofree char *id = create (fixture);

  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (GBytes) content = random_bytes (sizes[i]);
      g_autoptr (GOutputStream) full
          = g_unix_output_stream_new (open ("/dev/full", O_WRONLY | O_CLOEXEC), TRUE);

      g_assert_true (berth_client_put_file (fixture->client, id, "f", content, 0, NULL, &error));
      g_assert_false (berth_client_get_stream (fixture->client, id, "f", full, 0, NULL, &error));
      g_assert_error (error, BERTH_ERROR, BERTH_ERROR_LOCAL);
      g_assert_nonnull (strstr (error->message, "your own stream for 'f'"));
    }
}

/* What berthd says of the file is not what came through the pipe. */
static void
test_something_else_arrives (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (BerthSpec) spec = berth_spec_new ("hostile");
  g_autofree char *id = berth_client_create (fixture->client, spec, NULL, &error);
  g_autoptr (GBytes) content = NULL;
  g_autoptr (GBytes) fine = NULL;

  content = berth_client_get_file (fixture->client, id, "short", 0, NULL, &error);
  g_assert_null (content);
  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_UNAVAILABLE);
  g_assert_nonnull (strstr (error->message, "not what was sent"));
  g_clear_error (&error);
  fine = berth_client_get_file (fixture->client, id, "fine", 0, NULL, &error);
  g_assert_no_error (error);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("round-trip", test_round_trip);
  ADD ("constant-memory", test_constant_memory);
  ADD ("cancel-put", test_cancel_put);
  ADD ("cancel-get", test_cancel_get);
  ADD ("source-ends-early", test_source_ends_early);
  ADD ("source-fails", test_source_fails);
  ADD ("target-fails", test_target_fails);
  ADD ("something-else-arrives", test_something_else_arrives);
  ADD ("run-with-files", test_run_with_files);
  ADD ("run-download-max", test_run_download_max);
  ADD ("run-refuses-files", test_run_refuses_files);
  return g_test_run ();
}
