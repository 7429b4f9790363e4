/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* domain: what libvirt's hook asks when somebody starts a domain that carries a template's mark. */
#include <string.h>
#include <unistd.h>

#include "plugin/cli/berth-cli-client.h"
#include "plugin/cli/berth-cli-options.h"
#include "plugin/cli/berth-cli-report.h"
#include "plugin/cli/berth-cli-verbs.h"
#include "pool/berth-error.h"

#define XML_MAX (1024u * 1024u) /* libvirt's own XML of a large domain has a twentieth */
/* libvirt waits, and with it whoever asks about this domain: a berthd that hangs is waited for this
 * long, and one that answers as long as domain_wait_s may be. */
#define ALIVE_S 5u
#define ADMITTED_S 70u

const BerthVerbHelp berth_domain_help = {
  .synopsis = "admit",
  .summary = "Asks for a place for a domain of your own, whose XML is on standard input.",
  .description
  = "libvirt's hook of berth calls it when somebody starts a domain; nobody else need. A domain "
    "that\n"
    "carries <berth:template name='python'/> in its metadata waits for a place as a request does\n"
    "(domain_wait_s in berth.conf) and has it until it stops; else its start fails, and says why.\n"
    "Any other domain is admitted at once.\n\nExamples:\n"
    "  virsh metadata mine urn:berth:domain:1 --key berth --set \"<template name='python'/>\" "
    "--config\n"
    "  virsh dumpxml mine | berth domain admit",
  .takes = 0,
  .max_arguments = 1,
};

/* (transfer full) */
static char *
read_xml (GError **error)
{
  g_autofree char *text = g_malloc (XML_MAX + 1);
  gsize length = 0;
  gssize got = 1;

  while (got > 0 && length < XML_MAX)
    {
      got = read (STDIN_FILENO, text + length, XML_MAX - length);
      if (got > 0)
        length += (gsize)got;
    }
  text[length] = '\0';
  if (got == 0 && strlen (text) == length && g_utf8_validate (text, (gssize)length, NULL))
    return g_steal_pointer (&text);
  g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID,
               "standard input is no domain's XML of at most %u bytes", XML_MAX);
  return NULL;
}

/* Out of whatever it waits in: nothing of this process is worth more than an end. */
static void
alarm_cb (int number)
{
  static const char text[] = "berth: berthd does not answer, so this domain gets no place; see "
                             "'systemctl status berthd', or take the mark out of its metadata\n";

  if (write (STDERR_FILENO, text, sizeof text - 1) < 0)
    _exit (BERTH_EXIT_FAILED);
  _exit (BERTH_EXIT_FAILED);
}

static int
admit (const BerthOptionValues *values, GError **error)
{
  g_autofree char *xml = read_xml (error);
  g_autoptr (BerthClient) client = NULL;
  g_autoptr (GVariant) alive = NULL;
  g_autoptr (GVariant) reply = NULL;

  if (xml == NULL)
    return -1;
  signal (SIGALRM, alarm_cb);
  alarm (ALIVE_S);
  client = berth_client_new (values->socket, error);
  alive = client != NULL
              ? berth_client_call_admin (client, "ListTemplates", NULL, "(aa{sv})", error)
              : NULL;
  if (alive == NULL)
    return -1;
  alarm (ADMITTED_S);
  reply = berth_client_call_admin (client, "AdmitDomain", g_variant_new ("(s)", xml), "()", error);
  alarm (0);
  return reply != NULL ? BERTH_EXIT_OK : -1;
}

/**
 * berth_verb_domain:
 * @argc: of @argv
 * @argv: options, and what is to be done
 *
 * Returns: the exit status
 */
int
berth_verb_domain (int argc, char **argv)
{
  g_auto (BerthOptionValues) values = { 0 };
  g_autoptr (GError) error = NULL;
  int status = -1;

  if (!berth_option_values_parse (&values, &berth_domain_help, &argc, &argv, &error))
    return berth_report_error (error);
  if (argc == 2 && strcmp (argv[1], "admit") == 0)
    status = admit (&values, &error);
  else
    g_set_error (&error, BERTH_ERROR, BERTH_ERROR_INVALID, "it is '%s %s'", g_get_prgname (),
                 berth_domain_help.synopsis);
  return error != NULL ? berth_report_error (error) : status;
}
