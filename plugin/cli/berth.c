/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The command: which verb, and what a newcomer is told. */
#include <fcntl.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "plugin/cli/berth-cli-report.h"
#include "plugin/cli/berth-cli-verbs.h"

static const char help_head[]
    = "Usage: berth VERB [OPTION...] [ARGUMENT...]\n\n"
      "Runs untrusted code in short-lived virtual machines. berthd keeps a bounded number of them\n"
      "on this host; a request beyond that waits for its turn.\n\nVerbs:\n";

static const char help_tail[]
    = "\nExamples:\n"
      "  berth run 'print(6*7)'                    python, as an argument\n"
      "  berth run -l shell -t 5 'uname -a'        5 seconds at most\n"
      "  berth run script.js < input.json          a file; its suffix tells the language\n"
      "  id=$(berth create --tenant acme)          a sandbox that stays\n"
      "  berth exec $id 'x = 1'                    what it defines stays, too\n"
      "  berth put $id data.csv data/; berth ls $id data; berth get $id out.png .\n"
      "  berth list; berth destroy $id\n"
      "  berth status --json | jq .slots.free\n"
      "  berth top                                 live, until 'q'\n"
      "  berth doctor\n\n"
      "Exit status of run and exec: the program's own, 128+N when signal N ended it, and\n"
      "    2  the request is wrong; nothing was started\n"
      "  124  the program's time ran out\n"
      "  125  berth could not run it; one line on stderr says why and what to do\n"
      "  126  at capacity, and you would not wait\n"
      "  130  after Ctrl-C\n\n"
      "'berth help VERB' tells more, so does 'man berth'. BERTH_SOCKET or --socket names another "
      "berthd.\n";

static int
print_help (void)
{
  g_autoptr (GString) text = g_string_new (help_head);

  for (const BerthVerb *verb = berth_verbs_get_all (); verb->name != NULL; verb++)
    g_string_append_printf (text, "  %-9s %s\n", verb->name, verb->summary);
  g_string_append (text, help_tail);
  return berth_report_text (text->str);
}

/* "berth help VERB" is "berth VERB --help" */
static int
print_help_of (const char *name)
{
  char program[] = "berth";
  char option[] = "--help";
  char *argv[] = { program, option, NULL };
  const BerthVerb *verb = berth_verbs_find (name);
  g_autofree char *prgname = g_strconcat ("berth ", name, NULL);

  if (verb == NULL)
    {
      fprintf (stderr, "berth: '%s' is no verb ('berth --help' lists the verbs)\n", name);
      return BERTH_EXIT_INVALID;
    }
  g_set_prgname (prgname);
  return verb->run (G_N_ELEMENTS (argv) - 1, argv);
}

/* A pipe of ours must never become one of these three numbers. */
static void
fill_standard_fds (void)
{
  int fd;

  do
    fd = open ("/dev/null", O_RDWR);
  while (fd >= 0 && fd <= STDERR_FILENO);
  if (fd >= 0)
    close (fd);
}

int
main (int argc, char **argv)
{
  const char *name = argc > 1 ? argv[1] : "";
  const BerthVerb *verb = berth_verbs_find (name);
  g_autofree char *program = NULL;

  fill_standard_fds ();
  setlocale (LC_CTYPE, "");
  if (verb != NULL)
    {
      program = g_strconcat ("berth ", name, NULL);
      g_set_prgname (program);
      return verb->run (argc - 1, argv + 1);
    }
  if (strcmp (name, "complete") == 0)
    return berth_verb_complete (argc - 1, argv + 1);
  if (strcmp (name, "help") == 0 && argc > 2)
    return print_help_of (argv[2]);
  if (strcmp (name, "--help") == 0 || strcmp (name, "-h") == 0 || strcmp (name, "help") == 0)
    return print_help ();
  if (strcmp (name, "--version") == 0)
    return berth_report_text ("berth " BERTH_VERSION "\n");
  fprintf (stderr, "berth: %s%s%s ('berth --help' lists the verbs)\n", argc > 1 ? "'" : "",
           argc > 1 ? name : "which verb?", argc > 1 ? "' is no verb" : "");
  return BERTH_EXIT_INVALID;
}
