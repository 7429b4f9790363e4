/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* port: which ports of a sandbox are reached from this host, and where. */
#include <string.h>

#include "plugin/cli/berth-cli-client.h"
#include "plugin/cli/berth-cli-options.h"
#include "plugin/cli/berth-cli-ports.h"
#include "plugin/cli/berth-cli-report.h"
#include "plugin/cli/berth-cli-table.h"
#include "plugin/cli/berth-cli-verbs.h"
#include "plugin/model/berth-limits.h"
#include "plugin/model/berth-port.h"
#include "pool/berth-error.h"

const BerthVerbHelp berth_port_help = {
  .synopsis = "ID [add | remove] [PLACE...]",
  .summary = "Lists the ports of a sandbox that are reached from this host, or changes which are.",
  .description
  = "PLACE is [[ADDRESS:]LOCAL:]PORT or unix:PATH:PORT: PORT is the sandbox's, of a program there\n"
    "that listens on its loopback; who connects to ADDRESS and LOCAL, or to the Unix socket PATH,\n"
    "reaches it. Without an ADDRESS it is 127.0.0.1, without a LOCAL a free port, which is told.\n"
    "Whoever can connect to the address can talk to the program: an ADDRESS other than a loopback\n"
    "lets in other hosts, as your firewall has it. Of IPv6 it stands in brackets.\n\n"
    "The socket is made in your name, and lives on when this command is gone, until 'remove' or\n"
    "the sandbox's end; over a restart of berthd only where systemd runs it. A path is removed by\n"
    "'remove', and by the end of 'berth run --publish'. Connections work while programs run; one\n"
    "is closed at once where nobody listens inside, and REFUSED counts it. What is left out in\n"
    "the PLACE of 'remove' is any.\n\n"
    "Exit status: 0, 2 when a PLACE is none, 125 when it can't be listened at, or the sandbox is\n"
    "gone.\n\nExamples:\n"
    "  berth port $id add 8080\n"
    "  berth port $id add 127.0.0.1:8000:80 unix:/run/user/1000/web:80\n"
    "  berth port $id --json | jq -r '.[].address'\n"
    "  berth port $id remove 8080",
  .takes = BERTH_TAKES_JSON,
  .max_arguments = 2 + BERTH_LIMIT_PORTS,
};

typedef struct
{
  BerthOptionValues values;
  BerthClient *client; /* nullable */
  const char *id;
} Verb;

static void
verb_clear (Verb *self)
{
  berth_option_values_clear (&self->values);
  berth_client_free (self->client);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Verb, verb_clear)

/* (transfer full) (nullable): aa{sv} */
static GVariant *
get_ports (Verb *self, GError **error)
{
  g_autoptr (GVariant) reply = berth_client_call (
      self->client, "Ports", g_variant_new ("(s)", self->id), "(aa{sv})", NULL, error);

  return reply != NULL ? g_variant_get_child_value (reply, 0) : NULL;
}

/* (transfer full) (nullable): a{sv} */
static GVariant *
add_one (Verb *self, const char *text, GError **error)
{
  const char *const texts[] = { text, NULL };
  g_autoptr (GUnixFDList) fds = g_unix_fd_list_new ();
  GVariant *floating = NULL;
  g_autoptr (GVariant) ports = berth_port_listen_all (texts, fds, &floating, error);
  g_autoptr (GVariant) told = NULL;
  g_autoptr (GVariant) reply = NULL;
  gint32 handle;
  guint port;

  if (ports == NULL)
    return NULL;
  g_variant_ref_sink (ports);
  told = g_variant_ref_sink (floating);
  g_variant_get_child (ports, 0, "(hu)", &handle, &port);
  reply
      = berth_client_call (self->client, "AddPort", g_variant_new ("(shu)", self->id, handle, port),
                           "(a{sv})", g_steal_pointer (&fds), error);
  if (reply == NULL)
    berth_cli_ports_unlink (told, TRUE);
  return reply != NULL ? g_variant_get_child_value (reply, 0) : NULL;
}

/* (transfer full): aa{sv}: as many as could be, and @error of the first that could not */
static GVariant *
add (Verb *self, char **texts, GError **error)
{
  GVariantBuilder builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("aa{sv}"));

  for (guint i = 0; texts[i] != NULL; i++)
    {
      g_autoptr (GVariant) info = add_one (self, texts[i], error);

      if (info == NULL)
        break;
      g_variant_builder_add_value (&builder, info);
    }
  return g_variant_ref_sink (g_variant_builder_end (&builder));
}

static gboolean
remove_number (Verb *self, GVariant *entry, GError **error)
{
  g_autoptr (GVariant) reply = NULL;
  guint number = 0;

  g_variant_lookup (entry, "number", "u", &number);
  reply = berth_client_call (self->client, "RemovePort", g_variant_new ("(su)", self->id, number),
                             "()", NULL, error);
  return reply != NULL;
}

/* Those that @text means go into @builder. */
static gboolean
remove_one (Verb *self, GVariant *ports, const char *text, GVariantBuilder *builder, GError **error)
{
  g_autoptr (BerthPortPlace) place = berth_port_place_parse (text, error);
  gboolean is_found = FALSE;

  for (gsize i = 0; place != NULL && i < g_variant_n_children (ports); i++)
    {
      g_autoptr (GVariant) entry = g_variant_get_child_value (ports, i);
      const char *address = "";
      guint port = 0;

      g_variant_lookup (entry, "address", "&s", &address);
      g_variant_lookup (entry, "port", "u", &port);
      if (!berth_port_place_matches (place, port, address))
        continue;
      is_found = TRUE;
      if (!remove_number (self, entry, error))
        return FALSE;
      g_variant_builder_add_value (builder, entry);
    }
  if (place != NULL && !is_found)
    g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID,
                 "%s of sandbox %s is not published: 'berth port ID' lists what is", text,
                 self->id);
  return is_found;
}

/* (transfer full) (nullable): aa{sv}: what is published no more */
static GVariant *
remove_all (Verb *self, char **texts, GError **error)
{
  GVariantBuilder builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("aa{sv}"));
  g_autoptr (GVariant) ports = get_ports (self, error);
  g_autoptr (GVariant) removed = NULL;

  for (guint i = 0; ports != NULL && texts[i] != NULL; i++)
    if (!remove_one (self, ports, texts[i], &builder, error))
      break;
  removed = g_variant_ref_sink (g_variant_builder_end (&builder));
  berth_cli_ports_unlink (removed, FALSE);
  return g_steal_pointer (&removed);
}

/* (transfer full) (nullable) */
static GVariant *
act (Verb *self, int argc, char **argv, GError **error)
{
  const char *action = argc > 2 ? argv[2] : NULL;
  gboolean is_add = g_strcmp0 (action, "add") == 0;

  if (action == NULL)
    return get_ports (self, error);
  if (argc > 3 && (is_add || strcmp (action, "remove") == 0))
    return is_add ? add (self, argv + 3, error) : remove_all (self, argv + 3, error);
  g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID, "it is '%s %s'", g_get_prgname (),
               berth_port_help.synopsis);
  return NULL;
}

static gboolean
begin (Verb *self, int *argc, char ***argv, GError **error)
{
  if (!berth_option_values_parse (&self->values, &berth_port_help, argc, argv, error))
    return FALSE;
  if (*argc < 2)
    {
      g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID, "which sandbox? '%s %s'",
                   g_get_prgname (), berth_port_help.synopsis);
      return FALSE;
    }
  self->id = (*argv)[1];
  return berth_option_check_utf8 ("an id", self->id, error)
         && (self->client = berth_client_new (self->values.socket, error)) != NULL;
}

static int
show (const Verb *self, GVariant *ports, gboolean is_list)
{
  static const char *const heads[]
      = { "PORT", "ADDRESS", "OPEN", "TOTAL", "REFUSED", "LAST", NULL };
  static const char *const keys[]
      = { "port", "address", "connections", "total", "refused", "last", NULL };
  g_autofree char *text = NULL;

  if (self->values.json)
    return berth_report_json (ports);
  if (!is_list)
    return BERTH_EXIT_OK;
  text = berth_table_of (ports, heads, keys, "");
  return berth_report_text (text);
}

/**
 * berth_verb_port:
 * @argc: of @argv
 * @argv: options, a sandbox id, what to do, and places
 *
 * Returns: the exit status
 */
int
berth_verb_port (int argc, char **argv)
{
  g_auto (Verb) self = { 0 };
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) ports = NULL;
  int status = BERTH_EXIT_OK;

  if (begin (&self, &argc, &argv, &error))
    ports = act (&self, argc, argv, &error);
  if (ports == NULL && self.values.json)
    berth_report_json (berth_report_failure_object (error));
  if (ports != NULL && argc > 2 && strcmp (argv[2], "add") == 0 && !self.values.json)
    {
      g_autofree char *lines = NULL;
      g_autoptr (GString) text = g_string_new (NULL);

      for (gsize i = 0; i < g_variant_n_children (ports); i++)
        {
          g_autoptr (GVariant) entry = g_variant_get_child_value (ports, i);
          g_autofree char *address = berth_table_dup_cell (entry, "address");

          g_string_append_printf (text, "%s\n", address);
        }
      status = berth_report_text (text->str);
    }
  else if (ports != NULL)
    status = show (&self, ports, argc < 3);
  return error != NULL ? berth_client_report (self.client, error) : status;
}
