/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A program that uses libberth on sandboxes that live: how long an exec takes, what files move at,
 * what many streams add up to.
 *
 * Usage: bench-session exec|echo|wake|files|fork|rise SOCKET COUNT ID, stream SOCKET SECONDS ID...
 * Prints a number a line: NAME MILLISECONDS; of files and streams NAME MIB_PER_SECOND. */
#include <berth.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MIB (1024 * 1024)
/* As large as what bench-bare moves */
#define FILE_MIB 32
#define FILE_BYTES (FILE_MIB * MIB)
#define CHUNK_BYTES 65536

static double
now_ms (void)
{
  return (double)g_get_monotonic_time () / 1000;
}

static void
check (const GError *error)
{
  if (error != NULL)
    g_error ("%s: %s", berth_error_get_code (error), error->message);
}

static void
bench_program (BerthClient *client, int count, const char *id, const char *name,
               BerthProgram *program)
{
  while (count-- > 0)
    {
      g_autoptr (GError) error = NULL;
      double begin = now_ms ();
      g_autoptr (BerthResult) result = berth_client_exec (client, id, program, NULL, &error);

      check (error);
      printf ("%s %.3f\n", name, now_ms () - begin);
    }
}

static void
bench_exec (BerthClient *client, int count, const char *id)
{
  const char *const argv[] = { "echo", "1", NULL };
  g_autoptr (BerthProgram) code = berth_program_new ("print(1)");
  g_autoptr (BerthProgram) command = berth_program_new_for_command (argv);

  bench_program (client, count, id, "exec", code);
  bench_program (client, count, id, "command", command);
}

/* A key at a terminal: until what it shows of it is here. */
static void
bench_echo (BerthClient *client, int count, const char *id)
{
  const char *const argv[] = { "sleep", "600", NULL };
  g_autoptr (BerthProgram) program = berth_program_new_for_command (argv);
  g_autoptr (GError) error = NULL;
  g_autoptr (BerthAttachment) attachment = NULL;
  g_autoptr (GOutputStream) input = NULL;
  g_autoptr (GInputStream) output = NULL;
  guint exec;

  berth_program_set_timeout_ms (program, 600000);
  berth_program_set_terminal (program, 24, 80);
  exec = berth_client_start (client, id, program, BERTH_START_DEFAULT, NULL, &error);
  check (error);
  attachment = berth_attachment_new (exec);
  berth_attachment_set_terminal (attachment, 24, 80);
  input = berth_attachment_open_stdin (attachment, &error);
  output = berth_attachment_open_stdout (attachment, &error);
  check (error);
  berth_client_attach_streams_async (client, id, attachment, NULL, NULL, NULL);
  for (int i = 0; i <= count; i++)
    {
      double begin = now_ms ();
      char key;

      g_output_stream_write_all (input, "x", 1, NULL, NULL, &error);
      check (error);
      if (g_input_stream_read (output, &key, 1, NULL, &error) != 1)
        g_error ("the terminal has ended");
      if (i > 0) /* the first one waits for the attachment, too */
        printf ("echo %.3f\n", now_ms () - begin);
    }
  berth_client_signal_exec (client, id, exec, 9, NULL, &error);
  check (error);
}

/* Of a paused sandbox: until its agent has answered. */
static void
bench_wake (BerthClient *client, int count, const char *id)
{
  while (count-- > 0)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (GVariant) execs = NULL;
      double begin;

      berth_client_pause (client, id, NULL, &error);
      check (error);
      begin = now_ms ();
      execs = berth_client_list_execs (client, id, NULL, &error);
      check (error);
      printf ("wake %.3f\n", now_ms () - begin);
    }
}

static void
end_child (BerthClient *client, const char *id)
{
  g_autoptr (GError) error = NULL;

  berth_client_destroy (client, id, NULL, &error);
  check (error);
}

/* Of one that has just begun to run: until its agent has answered, and until code has run in it. */
static void
bench_answers (BerthClient *client, const char *id, double begin, const char *name)
{
  g_autoptr (BerthProgram) code = berth_program_new ("print(1)");
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) execs = berth_client_list_execs (client, id, NULL, &error);
  g_autoptr (BerthResult) result = NULL;

  check (error);
  printf ("%s-answer %.3f\n", name, now_ms () - begin);
  result = berth_client_exec (client, id, code, NULL, &error);
  check (error);
  printf ("%s-exec %.3f\n", name, now_ms () - begin);
}

/* @count copies at once: the call, and until each has answered; of one also until it has run code.
 */
static void
bench_fork (BerthClient *client, int count, const char *id)
{
  g_autoptr (GError) error = NULL;
  double begin = now_ms ();
  g_auto (GStrv) ids = berth_client_fork (client, id, (guint)count, -1, NULL, &error);

  check (error);
  printf ("fork %.3f\n", now_ms () - begin);
  if (count == 1)
    bench_answers (client, ids[0], begin, "child");
  for (guint i = 0; count > 1 && ids[i] != NULL; i++)
    {
      g_autoptr (GVariant) execs = berth_client_list_execs (client, ids[i], NULL, &error);

      check (error);
    }
  if (count > 1)
    printf ("children %.3f\n", now_ms () - begin);
  for (guint i = 0; ids[i] != NULL; i++)
    end_child (client, ids[i]);
}

static void
bench_rise (BerthClient *client, int count, const char *id)
{
  while (count-- > 0)
    {
      g_autoptr (GError) error = NULL;
      double begin = now_ms ();

      berth_client_hibernate (client, id, NULL, &error);
      check (error);
      printf ("hibernate %.3f\n", now_ms () - begin);
      bench_answers (client, id, now_ms (), "rise");
    }
}

/* Beside it there would be no room for the next: what is put replaces a file when it is whole. */
static void
remove_file (BerthClient *client, const char *id)
{
  const char *const argv[] = { "rm", "file", NULL };
  g_autoptr (BerthProgram) program = berth_program_new_for_command (argv);
  g_autoptr (GError) error = NULL;
  g_autoptr (BerthResult) result = berth_client_exec (client, id, program, NULL, &error);

  check (error);
}

static void
bench_files (BerthClient *client, int count, const char *id)
{
  g_autoptr (GBytes) content = g_bytes_new_take (g_malloc0 (FILE_BYTES), FILE_BYTES);

  while (count-- > 0)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (GInputStream) input = g_memory_input_stream_new_from_bytes (content);
      g_autoptr (GOutputStream) output = g_memory_output_stream_new_resizable ();
      double begin = now_ms ();

      berth_client_put_stream (client, id, "file", input, FILE_BYTES, 0, NULL, &error);
      check (error);
      printf ("put %.3f\n", FILE_MIB / (now_ms () - begin) * 1000);
      begin = now_ms ();
      berth_client_get_stream (client, id, "file", output, 0, NULL, &error);
      check (error);
      printf ("get %.3f\n", FILE_MIB / (now_ms () - begin) * 1000);
      remove_file (client, id);
    }
}

typedef struct
{
  BerthClient *client;
  const char *id;
  int seconds;
  GInputStream *output;
  guint64 bytes;
} Session;

/* Drops what it reads: whoever is slow is not this program. */
static gpointer
read_thread (gpointer data)
{
  Session *session = data;
  g_autofree guint8 *chunk = g_malloc (CHUNK_BYTES);
  gssize size;

  while ((size = g_input_stream_read (session->output, chunk, CHUNK_BYTES, NULL, NULL)) > 0)
    session->bytes += (guint64)size;
  return NULL;
}

static gpointer
session_thread (gpointer data)
{
  Session *session = data;
  g_autoptr (GError) error = NULL;
  g_autofree char *code
      = g_strdup_printf ("import os, time\nz = bytes(65536)\nend = time.monotonic() + %d\n"
                         "while time.monotonic() < end: os.write(1, z)\n",
                         session->seconds);
  g_autoptr (BerthProgram) program = berth_program_new (code);
  g_autoptr (BerthResult) result = NULL;
  GThread *reader;

  berth_program_set_timeout_ms (program, (guint)session->seconds * 1000 + 60000);
  session->output = berth_program_open_stdout (program, &error);
  check (error);
  reader = g_thread_new ("reader", read_thread, session);
  result = berth_client_exec (session->client, session->id, program, NULL, &error);
  check (error);
  g_thread_join (reader);
  g_object_unref (session->output);
  return NULL;
}

static void
bench_stream (BerthClient *client, int seconds, char **ids)
{
  guint count = g_strv_length (ids);
  g_autofree Session *sessions = g_new0 (Session, count);
  g_autofree GThread **threads = g_new0 (GThread *, count);
  double begin = now_ms ();
  guint64 bytes = 0;

  for (guint i = 0; i < count; i++)
    {
      sessions[i] = (Session){ .client = client, .id = ids[i], .seconds = seconds };
      threads[i] = g_thread_new ("session", session_thread, &sessions[i]);
    }
  for (guint i = 0; i < count; i++)
    {
      g_thread_join (threads[i]);
      bytes += sessions[i].bytes;
    }
  printf ("stream %.3f\n", (double)bytes / MIB / (now_ms () - begin) * 1000);
}

int
main (int argc, char **argv)
{
  g_autoptr (BerthClient) client = argc > 4 ? berth_client_new (argv[2]) : NULL;

  if (client == NULL)
    return 2;
  setvbuf (stdout, NULL, _IOLBF, 0);
  if (strcmp (argv[1], "exec") == 0)
    bench_exec (client, atoi (argv[3]), argv[4]);
  else if (strcmp (argv[1], "echo") == 0)
    bench_echo (client, atoi (argv[3]), argv[4]);
  else if (strcmp (argv[1], "wake") == 0)
    bench_wake (client, atoi (argv[3]), argv[4]);
  else if (strcmp (argv[1], "files") == 0)
    bench_files (client, atoi (argv[3]), argv[4]);
  else if (strcmp (argv[1], "fork") == 0)
    bench_fork (client, atoi (argv[3]), argv[4]);
  else if (strcmp (argv[1], "rise") == 0)
    bench_rise (client, atoi (argv[3]), argv[4]);
  else
    bench_stream (client, atoi (argv[3]), argv + 4);
  return 0;
}
