/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* drain: brings a host to where no VM of berth's is left, and back. */
#include <string.h>

#include "plugin/cli/berth-cli-client.h"
#include "plugin/cli/berth-cli-options.h"
#include "plugin/cli/berth-cli-report.h"
#include "plugin/cli/berth-cli-verbs.h"
#include "pool/berth-error.h"

#define LOOK_EVERY_MS 500u
#define NAMED_MAX 5u /* ids in one line of what is left */

const BerthVerbHelp berth_drain_help = {
  .synopsis = "[begin | end]",
  .summary = "Empties the host for maintenance: no request is given a VM until 'berth drain end'.",
  .description
  = "Requests wait meanwhile, the warm VMs are destroyed, and who has a VM keeps it. Without an\n"
    "argument it begins, tells what is left, and waits until nothing is; Ctrl-C ends the wait\n"
    "alone, and the host stays drained.\n\n"
    "begin   does not wait\n"
    "end     gives requests VMs again, and makes warm ones; so does a restart of berthd\n\n"
    "Examples:\n"
    "  berth drain && systemctl stop berthd libvirtd\n"
    "  berth list --json | jq -r '.[].id' | xargs berth destroy    who does not want to wait",
  .takes = 0,
  .max_arguments = 1,
};

static gboolean
set_admitting (BerthClient *client, gboolean admitting, GError **error)
{
  g_autoptr (GVariant) reply = berth_client_call_admin (
      client, "SetAdmitting", g_variant_new ("(b)", admitting), "()", error);

  return reply != NULL;
}

/* FALSE: berthd does not tell. @out_count: VMs in any state */
static gboolean
count_vms (BerthClient *client, guint *out_count, GError **error)
{
  static const char *const states[] = { "claimed", "paused", "warm", "starting", "stopping" };
  g_autoptr (GVariant) reply = berth_client_call (client, "Status", NULL, "(a{sv})", NULL, error);
  g_autoptr (GVariant) status = reply != NULL ? g_variant_get_child_value (reply, 0) : NULL;
  g_autoptr (GVariant) slots = NULL;

  if (status == NULL)
    return FALSE;
  slots = g_variant_lookup_value (status, "slots", G_VARIANT_TYPE_VARDICT);
  *out_count = 0;
  for (guint i = 0; slots != NULL && i < G_N_ELEMENTS (states); i++)
    {
      guint count = 0;

      g_variant_lookup (slots, states[i], "u", &count);
      *out_count += count;
    }
  return TRUE;
}

/* (transfer full) (nullable): the ids of some sandboxes that are there */
static char *
dup_ids (BerthClient *client, GError **error)
{
  g_autoptr (GVariant) reply = berth_client_call (client, "List", NULL, "(aa{sv})", NULL, error);
  g_autoptr (GVariant) vms = reply != NULL ? g_variant_get_child_value (reply, 0) : NULL;
  GString *text = g_string_new (NULL);
  guint n_named = 0;

  for (gsize i = 0; vms != NULL && i < g_variant_n_children (vms) && n_named < NAMED_MAX; i++)
    {
      g_autoptr (GVariant) vm = g_variant_get_child_value (vms, i);
      const char *id = "";

      if (g_variant_lookup (vm, "id", "&s", &id) && id[0] != '\0')
        g_string_append_printf (text, "%s%s", n_named++ > 0 ? ", " : ": ", id);
    }
  return g_string_free (text, vms == NULL);
}

static gboolean
tell_what_is_left (BerthClient *client, guint count, GError **error)
{
  g_autofree char *ids = dup_ids (client, error);
  g_autofree char *line = NULL;

  if (ids == NULL)
    return FALSE;
  line = g_strdup_printf ("%u %s left%s", count, count == 1 ? "VM is" : "VMs are", ids);
  berth_report_note (line);
  return TRUE;
}

/* Told whenever it is another number. Returns the exit status; negative with @error. */
static int
wait_until_empty (BerthClient *client, GError **error)
{
  guint told = 0;

  for (;;)
    {
      guint count;

      if (!count_vms (client, &count, error))
        return -1;
      if (count == 0)
        return BERTH_EXIT_OK;
      if (count != told && !tell_what_is_left (client, count, error))
        return -1;
      told = count;
      berth_client_pause (client, LOOK_EVERY_MS, NULL);
      if (berth_client_get_signal (client) != 0)
        return BERTH_EXIT_SIGNAL_BASE + berth_client_get_signal (client);
    }
}

static int
drain (const BerthOptionValues *values, const char *action, GError **error)
{
  gboolean ends = g_strcmp0 (action, "end") == 0;
  g_autoptr (BerthClient) client = NULL;

  if (action != NULL && !ends && strcmp (action, "begin") != 0)
    {
      g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID, "it is '%s %s'", g_get_prgname (),
                   berth_drain_help.synopsis);
      return -1;
    }
  client = berth_client_new (values->socket, error);
  if (client == NULL || !set_admitting (client, ends, error))
    return -1;
  return action == NULL ? wait_until_empty (client, error) : BERTH_EXIT_OK;
}

/**
 * berth_verb_drain:
 * @argc: of @argv
 * @argv: options, and what is to happen
 *
 * Returns: the exit status
 */
int
berth_verb_drain (int argc, char **argv)
{
  g_auto (BerthOptionValues) values = { 0 };
  g_autoptr (GError) error = NULL;
  int status = -1;

  if (berth_option_values_parse (&values, &berth_drain_help, &argc, &argv, &error))
    status = drain (&values, argc > 1 ? argv[1] : NULL, &error);
  return error != NULL ? berth_report_error (error) : status;
}
