/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The program behind 'berth mcp', which checks its options: the command does not load what it is
 * made of. */
#include <gio/gunixinputstream.h>
#include <gio/gunixoutputstream.h>
#include <glib-unix.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "plugin/mcp/berth-mcp-server.h"

static gboolean
signal_cb (gpointer user_data)
{
  berth_mcp_server_stop (user_data);
  return G_SOURCE_CONTINUE;
}

int
main (int argc, char **argv)
{
  BerthMcpServerOptions options = { 0 };
  const GOptionEntry entries[] = {
    { "socket", 0, 0, G_OPTION_ARG_FILENAME, &options.socket, "berthd's socket", "PATH" },
    { "keep", 0, 0, G_OPTION_ARG_NONE, &options.keeps_sandboxes, "Sandboxes outlive this server",
      NULL },
    G_OPTION_ENTRY_NULL,
  };
  g_autoptr (GOptionContext) context = g_option_context_new (NULL);
  g_autoptr (GInputStream) input = g_unix_input_stream_new (STDIN_FILENO, FALSE);
  g_autoptr (GOutputStream) output = g_unix_output_stream_new (STDOUT_FILENO, FALSE);
  g_autoptr (GError) error = NULL;
  BerthMcpServer *server;

  g_option_context_add_main_entries (context, entries, NULL);
  if (!g_option_context_parse (context, &argc, &argv, &error))
    {
      fprintf (stderr, "berth mcp: %s\n", error->message);
      return 2;
    }
  signal (SIGPIPE, SIG_IGN);
  server = berth_mcp_server_new (&options, input, output);
  g_unix_signal_add (SIGTERM, signal_cb, server);
  g_unix_signal_add (SIGINT, signal_cb, server);
  berth_mcp_server_serve (server);
  /* what has not ended by now is berthd's: it sees the connection close */
  berth_mcp_server_free (server);
  g_free (options.socket);
  return 0;
}
