/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Sandboxes without a daemon: the server lives in this process and ends with it.
 *
 *   cc embed.c $(pkg-config --cflags --libs berth-server-1.0) -o embed
 *   ./embed socket=/tmp/mine/berth.sock max_vms=2
 */
#include <berth-server.h>
#include <berth.h>
#include <stdio.h>

static gboolean
run (BerthClient *client, GError **error)
{
  g_autoptr (BerthSpec) spec = berth_spec_new ("shell");
  g_autoptr (BerthProgram) program = berth_program_new ("echo six times seven; exit 42");
  g_autoptr (BerthResult) result = berth_client_run (client, spec, program, NULL, error);

  if (result == NULL)
    return FALSE;
  printf ("output %s", berth_result_get_stdout (result));
  printf ("exit status %d\n", berth_result_get_exit_code (result));
  return TRUE;
}

int
main (int argc, char **argv)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (BerthServer) server = berth_server_new ((const char *const *)argv + 1, &error);
  gboolean ok;

  if (server == NULL || !berth_server_start (server, NULL, &error))
    {
      fprintf (stderr, "%s: %s\n", berth_error_get_code (error), error->message);
      return 1;
    }
  printf ("serving\n");
  ok = run (berth_server_get_client (server), &error);
  ok = berth_server_stop (server, NULL, ok ? &error : NULL) && ok;
  if (ok)
    printf ("stopped\n");
  else
    fprintf (stderr, "%s: %s\n", berth_error_get_code (error), error->message);
  return ok ? 0 : 1;
}
