/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* create and destroy: sandboxes that stay until they are told to go. */
#include "plugin/cli/berth-cli-client.h"
#include "plugin/cli/berth-cli-options.h"
#include "plugin/cli/berth-cli-ports.h"
#include "plugin/cli/berth-cli-report.h"
#include "plugin/cli/berth-cli-source.h"
#include "plugin/cli/berth-cli-verbs.h"
#include "pool/berth-error.h"

const BerthVerbHelp berth_create_help = {
  .synopsis = "",
  .summary = "Makes a sandbox and prints its id. Waits at capacity.",
  .description
  = "Exit status: 0, 126 when berth is at capacity and you would not wait, 125 when it\n"
    "could not be made, 2 when the request is wrong.\n\nExamples:\n"
    "  id=$(berth create -l javascript --tenant acme --task 42)\n"
    "  berth create --no-wait || echo 'all taken'\n"
    "  berth create --idle-timeout 30\n"
    "  berth create --idle-timeout 3600 --idle-pause 10\n"
    "  berth create --publish 8080        'berth port --help' says more",
  .takes = BERTH_TAKES_SANDBOX | BERTH_TAKES_JSON,
  .max_arguments = 0,
};

const BerthVerbHelp berth_destroy_help = {
  .synopsis = "ID...",
  .summary = "Ends sandboxes, whatever runs in them, and waits until they are gone.",
  .description = "One that is gone already is no error; a remark says why it ended.\n\n"
                 "Exit status: 0, or that of the first that could not be ended.\n\nExample:\n"
                 "  berth destroy $id",
  .takes = 0,
  .max_arguments = 1000,
};

static char *
create (const BerthOptionValues *values, GVariantDict *options, GVariant **out_ports,
        int *out_signal, GError **error)
{
  g_autoptr (GUnixFDList) fds = g_unix_fd_list_new ();
  g_autofree char *template_name
      = berth_cli_source_dup_template (berth_option_values_get (values, "template"), error);
  g_autoptr (BerthProgress) progress = berth_progress_new (values->quiet || values->json);
  g_autoptr (BerthClient) client = NULL;
  g_autoptr (GVariant) reply = NULL;
  char *id = NULL;

  if (template_name == NULL || !berth_option_values_add_sandbox (values, options, error))
    return NULL;
  g_variant_dict_insert (options, "template", "s", template_name);
  client = berth_client_new (values->socket, error);
  if (client == NULL)
    return NULL;
  berth_client_set_progress (client, progress);
  if (berth_cli_ports_are_asked (values)
      && (*out_ports = berth_cli_ports_add (values, options, fds, error)) == NULL)
    return NULL;
  reply = berth_client_call (client, "Create",
                             g_variant_new ("(@a{sv})", g_variant_dict_end (options)), "(s)",
                             g_steal_pointer (&fds), error);
  *out_signal = berth_client_get_signal (client);
  if (reply != NULL)
    g_variant_get (reply, "(s)", &id);
  else if (*out_ports != NULL)
    berth_cli_ports_unlink (*out_ports, TRUE);
  return id;
}

static GVariant *
create_object (const char *id, GVariant *ports, const GError *error)
{
  GVariantBuilder builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);

  g_variant_builder_add (&builder, "{sv}", "sandbox_id", g_variant_new ("ms", id));
  if (ports != NULL)
    g_variant_builder_add (&builder, "{sv}", "ports", ports);
  g_variant_builder_add (&builder, "{sv}", "error", berth_report_error_to_variant (error));
  return g_variant_builder_end (&builder);
}

/**
 * berth_verb_create:
 * @argc: of @argv
 * @argv: options
 *
 * Returns: the exit status
 */
int
berth_verb_create (int argc, char **argv)
{
  g_auto (BerthOptionValues) values = { 0 };
  g_auto (GVariantDict) options = G_VARIANT_DICT_INIT (NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) ports = NULL;
  g_autofree char *id = NULL;
  g_autofree char *line = NULL;
  int signal_number = 0;
  int status = BERTH_EXIT_OK;

  if (berth_option_values_parse (&values, &berth_create_help, &argc, &argv, &error))
    id = create (&values, &options, &ports, &signal_number, &error);
  line = id != NULL ? g_strconcat (id, "\n", NULL) : NULL;
  if (id != NULL && ports != NULL && !values.quiet && !values.json)
    berth_cli_ports_tell (ports);
  if (values.json)
    status = berth_report_json (create_object (id, ports, error));
  else if (line != NULL)
    status = berth_report_text (line);
  if (error != NULL)
    status = berth_report_error (error);
  return signal_number != 0 ? BERTH_EXIT_SIGNAL_BASE + signal_number : status;
}

static void
tell_was_gone (const char *id, GVariant *reply)
{
  g_autoptr (GVariant) info = g_variant_get_child_value (reply, 0);
  g_autofree char *text = NULL;
  const char *reason;

  if (!g_variant_lookup (info, "was_gone", "&s", &reason))
    return;
  text = g_strdup_printf ("sandbox %s was gone already: %s", id, reason);
  berth_report_note (text);
}

static int
destroy_all (BerthClient *client, char **ids)
{
  int status = BERTH_EXIT_OK;

  for (guint i = 0; ids[i] != NULL; i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (GVariant) reply = NULL;

      if (berth_option_check_utf8 ("an id", ids[i], &error))
        reply = berth_client_call (client, "Destroy", g_variant_new ("(s)", ids[i]), "(a{sv})",
                                   NULL, &error);
      if (reply != NULL)
        tell_was_gone (ids[i], reply);
      if (error != NULL)
        {
          int failed = berth_report_error (error);

          status = status == BERTH_EXIT_OK ? failed : status;
        }
      if (berth_client_get_signal (client) != 0)
        return BERTH_EXIT_SIGNAL_BASE + berth_client_get_signal (client);
    }
  return status;
}

/**
 * berth_verb_destroy:
 * @argc: of @argv
 * @argv: options and ids
 *
 * Returns: the exit status
 */
int
berth_verb_destroy (int argc, char **argv)
{
  g_auto (BerthOptionValues) values = { 0 };
  g_autoptr (GError) error = NULL;
  g_autoptr (BerthClient) client = NULL;

  if (!berth_option_values_parse (&values, &berth_destroy_help, &argc, &argv, &error))
    return berth_report_error (error);
  if (argc < 2)
    {
      berth_report_note ("which sandboxes? 'berth destroy ID...'; 'berth list' shows the ids");
      return BERTH_EXIT_INVALID;
    }
  client = berth_client_new (values.socket, &error);
  if (client == NULL)
    return berth_report_error (error);
  return destroy_all (client, argv + 1);
}
