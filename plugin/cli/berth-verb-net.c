/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* net: what a sandbox reaches, and wanted to reach. */
#include "plugin/base/berth-printable.h"
#include "plugin/cli/berth-cli-client.h"
#include "plugin/cli/berth-cli-options.h"
#include "plugin/cli/berth-cli-report.h"
#include "plugin/cli/berth-cli-table.h"
#include "plugin/cli/berth-cli-verbs.h"
#include "pool/berth-error.h"

#define LOOK_EVERY_US (G_USEC_PER_SEC / 2)

const BerthVerbHelp berth_net_help = {
  .synopsis = "ID",
  .summary = "Lists what a sandbox has reached, and wanted to reach: the last 256 of it.",
  .description
  = "A connection of port 0 is a name that was only looked up. The bytes are those that the "
    "sandbox\n"
    "sent and received. What may be reached is its --allow, as far as berthd's settings let it.\n\n"
    "Examples:\n  berth net -f $id\n"
    "  berth net --json $id | jq -r '.[] | select(.verdict == \"denied\") | .name'",
  .takes = BERTH_TAKES_JSON | BERTH_TAKES_FOLLOW,
  .max_arguments = 1,
};

/* A row as a person reads it: what a guest says goes to a terminal. */
static GVariant *
make_row (GVariant *decision)
{
  g_auto (GVariantDict) dict = G_VARIANT_DICT_INIT (decision);
  g_autoptr (GDateTime) time = NULL;
  g_autofree char *shown_time = NULL;
  g_autofree char *shown_name = NULL;
  const char *name = "";
  double seconds = 0;

  g_variant_lookup (decision, "time", "d", &seconds);
  g_variant_lookup (decision, "name", "&s", &name);
  time = g_date_time_new_from_unix_local ((gint64)seconds);
  shown_time = time != NULL ? g_date_time_format (time, "%H:%M:%S") : g_strdup ("");
  shown_name = berth_printable_dup (name, FALSE);
  g_variant_dict_insert (&dict, "time", "s", shown_time);
  g_variant_dict_insert (&dict, "name", "s", shown_name);
  return g_variant_dict_end (&dict);
}

static char *
dup_text (GVariant *decisions)
{
  static const char *const heads[]
      = { "TIME", "NAME", "PORT", "ADDRESS", "VERDICT", "SENT", "RECEIVED", "S", "WHY", NULL };
  static const char *const keys[]
      = { "time",       "name",           "port",       "address", "verdict",
          "sent_bytes", "received_bytes", "duration_s", "reason",  NULL };
  GVariantBuilder rows;
  g_autoptr (GVariant) all = NULL;

  g_variant_builder_init (&rows, G_VARIANT_TYPE ("aa{sv}"));
  for (gsize i = 0; i < g_variant_n_children (decisions); i++)
    {
      g_autoptr (GVariant) decision = g_variant_get_child_value (decisions, i);

      g_variant_builder_add_value (&rows, make_row (decision));
    }
  all = g_variant_ref_sink (g_variant_builder_end (&rows));
  return berth_table_of (all, heads, keys, "");
}

static int
show (const BerthOptionValues *values, GVariant *decisions)
{
  g_autofree char *text = NULL;

  if (values->json)
    return berth_report_json (decisions);
  text = dup_text (decisions);
  return berth_report_text (text);
}

/* (transfer full) (nullable) */
static GVariant *
ask (BerthClient *client, const char *id, guint64 after, GError **error)
{
  g_autoptr (GVariant) reply = berth_client_call (client, "Net", g_variant_new ("(st)", id, after),
                                                  "(aa{sv})", NULL, error);

  return reply != NULL ? g_variant_get_child_value (reply, 0) : NULL;
}

/* Each decision is shown when it is over, in their order. */
static int
follow (const BerthOptionValues *values, BerthClient *client, const char *id, GError **error)
{
  guint64 after = 0;
  int status = 0;

  while (status == 0)
    {
      g_autoptr (GVariant) all = ask (client, id, after, error);
      GVariantBuilder ended;
      g_autoptr (GVariant) shown = NULL;
      gboolean is_open = FALSE;

      if (all == NULL)
        return -1;
      g_variant_builder_init (&ended, G_VARIANT_TYPE ("aa{sv}"));
      for (gsize i = 0; !is_open && i < g_variant_n_children (all); i++)
        {
          g_autoptr (GVariant) decision = g_variant_get_child_value (all, i);

          g_variant_lookup (decision, "open", "b", &is_open);
          if (is_open)
            break;
          g_variant_lookup (decision, "number", "t", &after);
          g_variant_builder_add_value (&ended, decision);
        }
      shown = g_variant_ref_sink (g_variant_builder_end (&ended));
      if (g_variant_n_children (shown) > 0)
        status = show (values, shown);
      g_usleep (LOOK_EVERY_US);
    }
  return status;
}

/**
 * berth_verb_net:
 * @argc: of @argv
 * @argv: options and a sandbox id
 *
 * Returns: the exit status
 */
int
berth_verb_net (int argc, char **argv)
{
  g_auto (BerthOptionValues) values = { 0 };
  g_autoptr (GError) error = NULL;
  g_autoptr (BerthClient) client = NULL;
  g_autoptr (GVariant) decisions = NULL;
  int status = -1;

  if (berth_option_values_parse (&values, &berth_net_help, &argc, &argv, &error))
    {
      if (argc < 2)
        g_set_error (&error, BERTH_ERROR, BERTH_ERROR_INVALID, "which sandbox? '%s %s'",
                     g_get_prgname (), berth_net_help.synopsis);
      else if (berth_option_check_utf8 ("an id", argv[1], &error))
        client = berth_client_new (values.socket, &error);
    }
  if (client != NULL && values.follows)
    status = follow (&values, client, argv[1], &error);
  else if (client != NULL)
    decisions = ask (client, argv[1], 0, &error);
  if (decisions != NULL)
    status = show (&values, decisions);
  if (status >= 0)
    return status;
  if (values.json)
    berth_report_json (berth_report_failure_object (error));
  return berth_client_report (client, error);
}
