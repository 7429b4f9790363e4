/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* fork: sandboxes that begin as copies of one. */
#include "plugin/cli/berth-cli-client.h"
#include "plugin/cli/berth-cli-options.h"
#include "plugin/cli/berth-cli-report.h"
#include "plugin/cli/berth-cli-verbs.h"
#include "plugin/model/berth-limits.h"
#include "pool/berth-error.h"

const BerthVerbHelp berth_fork_help = {
  .synopsis = "ID",
  .summary = "Makes sandboxes that go on from where this one is, and prints their ids.",
  .description
  = "Variables, files and processes are theirs from that moment on, the sandbox itself goes on\n"
    "after a pause of a part of a second. Each new one has random numbers, a clock and a hostname\n"
    "of its own before anything runs in it. Waits at capacity; all of them are made, or none.\n"
    "While code or a command runs in it a sandbox is not forked.\n\n"
    "Exit status: 0, 126 when berth is at capacity and you would not wait, 125 when they\n"
    "could not be made, 2 when the request is wrong.\n\nExamples:\n"
    "  berth fork $id\n"
    "  for child in $(berth fork $id -n 8); do berth exec $child 'x += 1; print(x)'; done",
  .takes = BERTH_TAKES_COUNT | BERTH_TAKES_JSON,
  .max_arguments = 1,
};

static gboolean
add_options (const BerthOptionValues *values, GVariantDict *options, GError **error)
{
  guint64 count = 1;

  if (values->count != NULL
      && !g_ascii_string_to_unsigned (values->count, 10, 1, BERTH_LIMIT_FORKS, &count, NULL))
    {
      g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID, "--count %s: give 1 to %u",
                   values->count, BERTH_LIMIT_FORKS);
      return FALSE;
    }
  g_variant_dict_insert (options, "count", "u", (guint32)count);
  if (values->no_wait)
    g_variant_dict_insert (options, "wait_ms", "x", G_GINT64_CONSTANT (0));
  return TRUE;
}

/* (transfer full) (nullable) */
static char **
ask_fork (const BerthOptionValues *values, const char *id, int *out_signal, GError **error)
{
  g_auto (GVariantDict) options = G_VARIANT_DICT_INIT (NULL);
  g_autoptr (BerthClient) client = NULL;
  g_autoptr (GVariant) reply = NULL;
  char **ids = NULL;

  if (!berth_option_check_utf8 ("an id", id, error) || !add_options (values, &options, error))
    return NULL;
  client = berth_client_new (values->socket, error);
  if (client == NULL)
    return NULL;
  reply = berth_client_call (client, "Fork",
                             g_variant_new ("(s@a{sv})", id, g_variant_dict_end (&options)), "(as)",
                             NULL, error);
  *out_signal = berth_client_get_signal (client);
  if (reply != NULL)
    g_variant_get (reply, "(^as)", &ids);
  return ids;
}

static GVariant *
fork_object (char **ids, const GError *error)
{
  static const char *const none[] = { NULL };
  GVariantBuilder builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);

  g_variant_builder_add (&builder, "{sv}", "sandbox_ids",
                         g_variant_new_strv (ids != NULL ? (const char *const *)ids : none, -1));
  g_variant_builder_add (&builder, "{sv}", "error", berth_report_error_to_variant (error));
  return g_variant_builder_end (&builder);
}

/**
 * berth_verb_fork:
 * @argc: of @argv
 * @argv: options and an id
 *
 * Returns: the exit status
 */
int
berth_verb_fork (int argc, char **argv)
{
  g_auto (BerthOptionValues) values = { 0 };
  g_autoptr (GError) error = NULL;
  g_auto (GStrv) ids = NULL;
  int signal_number = 0;
  int status = BERTH_EXIT_OK;

  if (berth_option_values_parse (&values, &berth_fork_help, &argc, &argv, &error))
    {
      if (argc < 2)
        {
          berth_report_note ("which sandbox? 'berth fork ID'; 'berth list' shows the ids");
          return BERTH_EXIT_INVALID;
        }
      ids = ask_fork (&values, argv[1], &signal_number, &error);
    }
  if (values.json)
    status = berth_report_json (fork_object (ids, error));
  else if (ids != NULL)
    {
      g_autofree char *joined = g_strjoinv ("\n", ids);
      g_autofree char *lines = g_strconcat (joined, "\n", NULL);

      status = berth_report_text (lines);
    }
  if (error != NULL)
    status = berth_report_error (error);
  return signal_number != 0 ? BERTH_EXIT_SIGNAL_BASE + signal_number : status;
}
