/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Starts berthd without a configuration, on a socket of the test's own. */
#include "berthd-process.h"

#include <signal.h>
#include <string.h>
#include <sys/prctl.h>

/* A test that fails leaves no berthd behind. */
static void
child_setup (gpointer user_data)
{
  prctl (PR_SET_PDEATHSIG, SIGKILL);
}

void
berthd_process_start (BerthdProcess *self, const char *socket_path)
{
  const char *argv[] = { g_getenv ("BERTHD"),
                         "--foreground",
                         "--config",
                         "/dev/null",
                         "--socket-group",
                         "",
                         "--snapshot-scope",
                         self->snapshot_scope != NULL ? self->snapshot_scope : "none",
                         "--warm-default",
                         "0",
                         "--max-waiters", /* the bounds of the service come first */
                         "100000",
                         "--max-vms",
                         BERTHD_MAX_VMS,
                         "--socket",
                         socket_path,
                         NULL };
  g_autoptr (GSubprocessLauncher) launcher
      = g_subprocess_launcher_new (G_SUBPROCESS_FLAGS_STDERR_PIPE);
  g_autoptr (GError) error = NULL;

  g_subprocess_launcher_set_child_setup (launcher, child_setup, NULL, NULL);
  self->process = g_subprocess_launcher_spawnv (launcher, argv, &error);
  g_assert_no_error (error);
  self->log = g_data_input_stream_new (g_subprocess_get_stderr_pipe (self->process));
  berthd_process_expect_log (self, "berthd ready");
}

GDBusConnection *
berthd_process_connect (const char *socket_path)
{
  g_autofree char *address = g_strconcat ("unix:path=", socket_path, NULL);
  g_autoptr (GError) error = NULL;
  GDBusConnection *connection = g_dbus_connection_new_for_address_sync (
      address, G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT, NULL, NULL, &error);

  g_assert_no_error (error);
  return connection;
}

gboolean
berthd_process_stop (BerthdProcess *self, int signal_number)
{
  gboolean is_successful;

  g_subprocess_send_signal (self->process, signal_number);
  g_assert_true (g_subprocess_wait (self->process, NULL, NULL));
  is_successful = g_subprocess_get_successful (self->process);
  g_clear_object (&self->log);
  g_clear_object (&self->process);
  return is_successful;
}

void
berthd_process_expect_log (BerthdProcess *self, const char *part)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *line = NULL;

  do
    {
      g_free (line);
      line = g_data_input_stream_read_line (self->log, NULL, NULL, &error);
      g_assert_no_error (error);
      g_assert_nonnull (line);
      g_test_message ("%s", line);
    }
  while (strstr (line, part) == NULL);
}
