/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* mcp: the server is a program of its own, which the verb becomes: what it is made of would cost
 * every other verb time at its start. */
#include <errno.h>
#include <unistd.h>

#include "plugin/cli/berth-cli-report.h"
#include "plugin/cli/berth-cli-verbs.h"
#include "pool/berth-error.h"

const BerthVerbHelp berth_mcp_help = {
  .synopsis = "",
  .summary = "Serves an AI agent by the Model Context Protocol, on standard input and output.",
  .description
  = "The agent's program starts it. Tools: run_code, create_sandbox, exec_code, start_exec,\n"
    "list_execs, exec_log, kill_exec, list_sandboxes,\n"
    "end_sandbox, put_file, get_file, list_files, status. Sandboxes that the agent makes end with\n"
    "it, when standard input is closed. Revisions 2026-07-28, 2025-11-25 and older.\n\n"
    "In the configuration of the agent's program:\n"
    "  {\"mcpServers\": {\"berth\": {\"command\": \"berth\", \"args\": [\"mcp\"]}}}",
  .takes = BERTH_TAKES_KEEP,
  .max_arguments = 0,
};

/* The build's for a command of it, else the installed one */
static const char *
find_program (void)
{
  g_autofree char *exe = g_file_read_link ("/proc/self/exe", NULL);

  return exe != NULL && g_str_has_prefix (exe, BERTH_BUILD_DIR "/")
             ? BERTH_BUILD_DIR "/plugin/berth-mcp"
             : BERTH_LIBEXEC_DIR "/berth-mcp";
}

static void
become (const BerthOptionValues *values, GError **error)
{
  const char *program = find_program ();
  g_autoptr (GPtrArray) command = g_ptr_array_new ();

  g_ptr_array_add (command, (char *)program);
  if (values->socket != NULL)
    {
      g_ptr_array_add (command, (char *)"--socket");
      g_ptr_array_add (command, values->socket);
    }
  if (values->keep)
    g_ptr_array_add (command, (char *)"--keep");
  g_ptr_array_add (command, NULL);
  execv (program, (char **)command->pdata);
  g_set_error (error, BERTH_ERROR, BERTH_ERROR_CONFIG, "%s: %s: install the package berth anew",
               program, g_strerror (errno));
}

/**
 * berth_verb_mcp:
 * @argc: of @argv
 * @argv: options
 *
 * Returns: the exit status, where the server can't be started; else not at all
 */
int
berth_verb_mcp (int argc, char **argv)
{
  g_auto (BerthOptionValues) values = { 0 };
  g_autoptr (GError) error = NULL;

  if (berth_option_values_parse (&values, &berth_mcp_help, &argc, &argv, &error))
    become (&values, &error);
  return berth_report_error (error);
}
