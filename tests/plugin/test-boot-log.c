/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The follower of a VM's console: live, complete, harmless, and no longer there than its reader. */
#include "berth-boot-log.h"
#include "berth-console.h"
#include "plugin/base/berth-caller-fd.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gunixoutputstream.h>
#include <glib-unix.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#define WAIT_US (20 * G_USEC_PER_SEC)

typedef struct
{
  char *path;
  int console; /* what virtlogd writes */
  int reader;
  GOutputStream *out;
  GString *got;
  BerthBootLog *log;
} World;

static void
world_set_up (World *world, gconstpointer data)
{
  int ends[2];

  world->console = g_file_open_tmp ("berth-console-XXXXXX", &world->path, NULL);
  g_assert_true (g_unix_open_pipe (ends, FD_CLOEXEC, NULL));
  g_assert_true (g_unix_set_fd_nonblocking (ends[0], TRUE, NULL));
  world->reader = ends[0];
  world->out
      = g_unix_output_stream_new (berth_caller_fd_take (ends[1], FALSE, geteuid (), NULL), TRUE);
  close (ends[1]);
  world->got = g_string_new (NULL);
  world->log = berth_boot_log_new (world->path, world->out);
  g_assert_nonnull (world->log);
}

static void
world_tear_down (World *world, gconstpointer data)
{
  g_clear_pointer (&world->log, berth_boot_log_end);
  close (world->console);
  close (world->reader);
  g_clear_object (&world->out);
  g_string_free (world->got, TRUE);
  g_unlink (world->path);
  g_free (world->path);
}

static void
say (World *world, const char *text)
{
  g_assert_cmpint (write (world->console, text, strlen (text)), ==, (gssize)strlen (text));
}

/* FALSE at the end of it */
static gboolean
read_on (World *world)
{
  char bytes[65536];
  gssize length = read (world->reader, bytes, sizeof bytes);

  if (length > 0)
    g_string_append_len (world->got, bytes, length);
  return length > 0 || (length < 0 && errno == EAGAIN);
}

static void
expect (World *world, const char *text)
{
  gint64 end = g_get_monotonic_time () + WAIT_US;

  while (strcmp (world->got->str, text) != 0 && g_get_monotonic_time () < end)
    {
      g_assert_true (read_on (world));
      g_main_context_iteration (NULL, FALSE);
      g_usleep (1000);
    }
  g_assert_cmpstr (world->got->str, ==, text);
}

static void
expect_end (World *world)
{
  gint64 end = g_get_monotonic_time () + WAIT_US;

  while (read_on (world) && g_get_monotonic_time () < end)
    {
      g_main_context_iteration (NULL, FALSE);
      g_usleep (1000);
    }
  g_assert_false (read_on (world));
}

static void
test_live (World *world, gconstpointer data)
{
  say (world, "Linux\r\n");
  expect (world, "Linux\n");
  say (world, "\x1b[2Jagent\n");
  expect (world, "Linux\n[2Jagent\n");
  say (world, "last words");
  g_clear_pointer (&world->log, berth_boot_log_end);
  g_output_stream_close (world->out, NULL, NULL);
  expect_end (world);
  g_assert_cmpstr (world->got->str, ==, "Linux\n[2Jagent\nlast words");
}

/* more than a pipe holds: all of it comes, when it is read */
static void
test_slow_reader (World *world, gconstpointer data)
{
  g_autofree char *line = g_strnfill (99, 'x');

  for (guint i = 0; i < 5000; i++)
    {
      say (world, line);
      say (world, "\n");
    }
  g_clear_pointer (&world->log, berth_boot_log_end);
  g_output_stream_close (world->out, NULL, NULL);
  for (gint64 end = g_get_monotonic_time () + G_USEC_PER_SEC / 2; g_get_monotonic_time () < end;)
    g_main_context_iteration (NULL, FALSE);
  expect_end (world);
  g_assert_cmpuint (world->got->len, ==, 500000);
}

static void
test_reader_goes_away (World *world, gconstpointer data)
{
  say (world, "Linux\n");
  close (world->reader);
  world->reader = -1;
  for (gint64 end = g_get_monotonic_time () + G_USEC_PER_SEC / 2; g_get_monotonic_time () < end;)
    g_main_context_iteration (NULL, FALSE);
  g_clear_pointer (&world->log, berth_boot_log_end);
  g_assert_false (g_main_context_pending (NULL));
}

static void
test_no_file (World *world, gconstpointer data)
{
  g_assert_null (berth_boot_log_new ("/nonexistent/log", world->out));
}

/* what the error of a boot that failed says: the console's last words or that there are none, and
 * what to do; of a VM that did not boot now, no advice about boots */
static void
test_explanation (World *world, gconstpointer data)
{
  g_autofree char *silent = berth_console_explain (world->path, "no answer", TRUE);
  g_autofree char *no_console = berth_console_explain (NULL, "no answer", FALSE);
  g_autofree char *loud = NULL;

  g_assert_cmpstr (silent, ==,
                   "no answer; its console stayed silent; 'berth run --boot-log' shows a boot, "
                   "'berth doctor' what the host lacks");
  g_assert_cmpstr (no_console, ==, "no answer");
  say (world, "first\nlast \033words\n");
  loud = berth_console_explain (world->path, "no answer", TRUE);
  g_assert_cmpstr (
      loud, ==,
      "no answer; its console ends with \"last words\"; 'berth run --boot-log' shows a "
      "boot, 'berth doctor' what the host lacks");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  signal (SIGPIPE, SIG_IGN);
#define ADD(name, func)                                                                            \
  g_test_add ("/boot-log/" name, World, NULL, world_set_up, func, world_tear_down)
  ADD ("live", test_live);
  ADD ("slow-reader", test_slow_reader);
  ADD ("reader-goes-away", test_reader_goes_away);
  ADD ("no-file", test_no_file);
  ADD ("explanation", test_explanation);
  return g_test_run ();
}
