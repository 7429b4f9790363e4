/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "real-agent.h"

#include <gio/gunixsocketaddress.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

const char *agent_program;
const char *agent_runners;

static void
die_with_parent (gpointer data)
{
  prctl (PR_SET_PDEATHSIG, SIGTERM);
}

static GSocket *
dial (const char *path)
{
  g_autoptr (GSocketAddress) address = g_unix_socket_address_new (path);
  gint64 end = g_get_monotonic_time () + 30 * G_USEC_PER_SEC;

  for (;;)
    {
      g_autoptr (GSocket) socket
          = g_socket_new (G_SOCKET_FAMILY_UNIX, G_SOCKET_TYPE_STREAM, 0, NULL);

      if (g_socket_connect (socket, address, NULL, NULL))
        return g_steal_pointer (&socket);
      g_assert_cmpint (g_get_monotonic_time (), <, end);
      g_usleep (1000);
    }
}

void
set_up_real (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *path = NULL;
  g_autofree char *home = NULL;
  g_autoptr (GSocket) socket = NULL;

  fixture->peer = -1;
  fixture->dir = g_dir_make_tmp ("berth-file-XXXXXX", NULL);
  path = g_build_filename (fixture->dir, "socket", NULL);
  home = g_build_filename (fixture->dir, "home", NULL);
  g_assert_no_errno (g_mkdir (home, 0755));
  {
    const char *argv[]
        = { agent_program, "--socket", path, "--home", home, "--runners", agent_runners, NULL };

    g_spawn_async (NULL, (char **)argv, NULL, G_SPAWN_DO_NOT_REAP_CHILD, die_with_parent, NULL,
                   &fixture->pid, &error);
  }
  g_assert_no_error (error);
  socket = dial (path);
  take_socket (fixture, socket);
  berth_guest_hello_async (fixture->agent, BERTH_HELLO_RESET, 30000, NULL, done_cb, fixture);
  run_until_done (fixture);
  g_assert_true (berth_guest_hello_finish (fixture->agent, fixture->result, &error));
  g_assert_no_error (error);
  g_clear_object (&fixture->result);
}

void
tear_down_real (Fixture *fixture, gconstpointer data)
{
  g_autofree char *home = g_build_filename (fixture->dir, "home", NULL);
  g_autoptr (GDir) folder = g_dir_open (home, 0, NULL);
  const char *name;
  int status;

  tear_down (fixture, data);
  kill (fixture->pid, SIGTERM);
  g_assert_cmpint (waitpid (fixture->pid, &status, 0), ==, fixture->pid);
  while ((name = g_dir_read_name (folder)) != NULL)
    {
      g_autofree char *path = g_build_filename (home, name, NULL);

      g_remove (path);
    }
  g_rmdir (home);
  g_rmdir (fixture->dir);
  g_free (fixture->dir);
}
