/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* list, status and doctor: what berthd says, for a person or as JSON. */
#include <string.h>

#include "plugin/cli/berth-cli-client.h"
#include "plugin/cli/berth-cli-options.h"
#include "plugin/cli/berth-cli-report.h"
#include "plugin/cli/berth-cli-table.h"
#include "plugin/cli/berth-cli-verbs.h"
#include "pool/berth-error.h"

const BerthVerbHelp berth_list_help = {
  .synopsis = "",
  .summary = "Lists your sandboxes, and the warm VMs that stand by. Root sees everybody's.",
  .description = "Example:\n  berth list --json | jq -r '.[].id'",
  .takes = BERTH_TAKES_JSON,
  .max_arguments = 0,
};

const BerthVerbHelp berth_status_help = {
  .synopsis = "",
  .summary = "Tells how much capacity there is, who holds it, who waits, and how libvirt is.",
  .description = "Examples:\n  berth status --json | jq .slots.free\n"
                 "  berth status --explain        what each request waits for, and about how long",
  .takes = BERTH_TAKES_JSON | BERTH_TAKES_EXPLAIN,
  .max_arguments = 0,
};

const BerthVerbHelp berth_doctor_help = {
  .synopsis = "",
  .summary = "Checks what berth needs of this host, and says how to mend what is missing.",
  .description
  = "Exit status: 0 when all is well, 1 when something is missing, 125 without berthd.",
  .takes = BERTH_TAKES_JSON,
  .max_arguments = 0,
};

/**
 * berth_verb_ask:
 * @help: of the verb
 * @values: (out): its options
 * @argc: of @argv
 * @argv: options
 * @method: of berthd, without arguments
 * @reply_type: of the whole answer
 *
 * Returns: (transfer full) (nullable): the one thing that a verb without arguments shows
 */
GVariant *
berth_verb_ask (const BerthVerbHelp *help, BerthOptionValues *values, int argc, char **argv,
                const char *method, const char *reply_type, GError **error)
{
  g_autoptr (BerthClient) client = NULL;
  g_autoptr (GVariant) reply = NULL;

  if (!berth_option_values_parse (values, help, &argc, &argv, error))
    return NULL;
  client = berth_client_new (values->socket, error);
  if (client == NULL)
    return NULL;
  reply = berth_client_call (client, method, NULL, reply_type, NULL, error);
  return reply != NULL ? g_variant_get_child_value (reply, 0) : NULL;
}

static int
report_failure (const BerthOptionValues *values, const GError *error)
{
  if (values->json)
    berth_report_json (berth_report_failure_object (error));
  return berth_report_error (error);
}

/**
 * berth_verb_dup_list_text:
 * @vms: aa{sv}, as berthd lists them
 *
 * Returns: (transfer full): a table of them
 */
char *
berth_verb_dup_list_text (GVariant *vms)
{
  static const char *const heads[] = { "ID",   "DOMAIN", "TEMPLATE", "STATE",      "TENANT",
                                       "TASK", "AGE",    "PRIVATE",  "SHARED MiB", NULL };
  static const char *const keys[] = { "id",   "domain", "template",   "state",     "tenant",
                                      "task", "age_s",  "private_mb", "shared_mb", NULL };

  return berth_table_of (vms, heads, keys, "");
}

/**
 * berth_verb_list:
 * @argc: of @argv
 * @argv: options
 *
 * Returns: the exit status
 */
int
berth_verb_list (int argc, char **argv)
{
  g_auto (BerthOptionValues) values = { 0 };
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) vms
      = berth_verb_ask (&berth_list_help, &values, argc, argv, "List", "(aa{sv})", &error);
  g_autofree char *text = NULL;

  if (vms == NULL)
    return report_failure (&values, error);
  if (values.json)
    return berth_report_json (vms);
  text = berth_verb_dup_list_text (vms);
  return berth_report_text (text);
}

static GVariant *
lookup_dictionary (GVariant *status, const char *key)
{
  return g_variant_lookup_value (status, key, G_VARIANT_TYPE_VARDICT);
}

/* why no more are free, where it is not the number of VMs */
static const char *
find_bound (GVariant *slots)
{
  static const struct
  {
    const char *bound;
    const char *words;
  } reasons[] = { { "memory_mb", " (memory has room for no more)" },
                  { "vcpus", " (the vCPUs have room for no more)" },
                  { "waiter", " (all is kept for a request that has waited long)" } };
  const char *bound = "";

  g_variant_lookup (slots, "bound", "&s", &bound);
  for (guint i = 0; i < G_N_ELEMENTS (reasons); i++)
    if (strcmp (bound, reasons[i].bound) == 0)
      return reasons[i].words;
  return "";
}

static void
append_slots (GString *text, GVariant *status)
{
  static const char *const kinds[] = { "claimed", "paused", "warm", "starting", "stopping" };
  g_autoptr (GVariant) slots = lookup_dictionary (status, "slots");
  g_autofree char *available = berth_table_dup_cell (slots, "free");
  g_autofree char *total = berth_table_dup_cell (slots, "total");

  g_string_append_printf (text, "slots      %s of %s free%s", available, total,
                          slots != NULL ? find_bound (slots) : "");
  for (guint i = 0; i < G_N_ELEMENTS (kinds); i++)
    {
      g_autofree char *count = berth_table_dup_cell (slots, kinds[i]);

      g_string_append_printf (text, "%s%s %s", i == 0 ? "; " : ", ", count, kinds[i]);
    }
  g_string_append_c (text, '\n');
}

static void
append_hibernated (GString *text, GVariant *status)
{
  guint count = 0;

  g_variant_lookup (status, "hibernated", "u", &count);
  if (count > 0)
    g_string_append_printf (text, "hibernated %u\n", count);
}

static void
append_budget (GString *text, GVariant *status, const char *key, const char *label,
               const char *unit)
{
  g_autoptr (GVariant) budget = lookup_dictionary (status, key);
  g_autofree char *held = berth_table_dup_cell (budget, "held");
  g_autofree char *total = berth_table_dup_cell (budget, "total");

  if (budget != NULL)
    g_string_append_printf (text, "%-9s  %s of %s%s held\n", label, held, total, unit);
}

static void
append_libvirt (GString *text, GVariant *status)
{
  g_autoptr (GVariant) libvirt = lookup_dictionary (status, "libvirt");
  g_autofree char *uri = berth_table_dup_cell (libvirt, "uri");
  g_autofree char *version = berth_table_dup_cell (libvirt, "version");
  const char *type = "";
  const char *problem;
  gboolean connected = FALSE;

  if (libvirt == NULL)
    return;
  g_variant_lookup (libvirt, "connected", "b", &connected);
  g_variant_lookup (libvirt, "virt_type", "&s", &type);
  g_string_append_printf (text, "libvirt    %s, %s, version %s%s\n", uri,
                          connected ? "connected" : "NOT CONNECTED (requests wait)", version,
                          strcmp (type, "kvm") == 0    ? ", KVM"
                          : strcmp (type, "qemu") == 0 ? ", no KVM (TCG)"
                                                       : "");
  if (g_variant_lookup (libvirt, "kvm_problem", "&s", &problem))
    g_string_append_printf (text, "  KVM can't be used, guests are emulated: %s\n", problem);
}

static void
append_waiters (GString *text, GVariant *status, gboolean explains)
{
  const char *heads[] = { "POSITION", "TEMPLATE", "TENANT", "TASK", "WAITS", NULL, NULL, NULL };
  const char *keys[] = { "position", "template", "tenant", "task", "since", NULL, NULL, NULL };
  g_autoptr (GVariant) waiters
      = g_variant_lookup_value (status, "waiters", G_VARIANT_TYPE ("aa{sv}"));
  gsize n_told = waiters != NULL ? g_variant_n_children (waiters) : 0;
  g_autofree char *table = NULL;
  guint n_waiting = 0;

  g_variant_lookup (status, "n_waiting", "u", &n_waiting);
  g_string_append_printf (text, "waiting    %u\n", n_waiting);
  if (n_told < n_waiting)
    g_string_append_printf (text, "  the first %" G_GSIZE_FORMAT ":\n", n_told);
  if (n_told == 0)
    return;
  if (explains)
    {
      heads[5] = "ABOUT", heads[6] = "FOR";
      keys[5] = "estimate_s", keys[6] = "waits_for";
    }
  table = berth_table_of (waiters, heads, keys, "  ");
  g_string_append (text, table);
}

static void
append_templates (GString *text, GVariant *status)
{
  static const char *const heads[]
      = { "TEMPLATE", "WARM", "TARGET", "SNAPSHOT", "FAILURES", "LAST ERROR", NULL };
  static const char *const keys[]
      = { "warm", "target", "snapshot", "failures", "last_error", NULL };
  g_autoptr (GVariant) templates = lookup_dictionary (status, "templates");
  g_autoptr (BerthTable) table = berth_table_new ();
  g_autofree char *rows = NULL;
  GVariantIter iter;
  const char *name;
  GVariant *child;

  if (templates == NULL || g_variant_n_children (templates) == 0)
    return;
  berth_table_take_row (table, g_strdupv ((char **)heads));
  g_variant_iter_init (&iter, templates);
  while (g_variant_iter_next (&iter, "{&sv}", &name, &child))
    {
      g_autoptr (GVariant) template = child;
      GPtrArray *cells = g_ptr_array_new ();

      g_ptr_array_add (cells, g_strdup (name));
      for (guint i = 0; keys[i] != NULL; i++)
        g_ptr_array_add (cells, berth_table_dup_cell (template, keys[i]));
      g_ptr_array_add (cells, NULL);
      berth_table_take_row (table, (char **)g_ptr_array_free (cells, FALSE));
    }
  rows = berth_table_to_text (table, "  ");
  g_string_append_printf (text, "templates\n%s", rows);
}

static void
append_drain (GString *text, GVariant *status)
{
  gboolean admitting = TRUE;

  g_variant_lookup (status, "admitting", "b", &admitting);
  if (!admitting)
    g_string_append (text, "DRAINED    requests wait; 'berth drain end' ends that\n");
}

/**
 * berth_verb_dup_status_text:
 * @status: a{sv}, as berthd tells it
 * @explains: whether to say of waiting requests what they wait for
 *
 * Returns: (transfer full): it for a person
 */
char *
berth_verb_dup_status_text (GVariant *status, gboolean explains)
{
  GString *text = g_string_new (NULL);

  append_drain (text, status);
  append_slots (text, status);
  append_hibernated (text, status);
  append_budget (text, status, "memory_mb", "memory", " MiB");
  append_budget (text, status, "vcpus", "vCPUs", "");
  append_libvirt (text, status);
  append_waiters (text, status, explains);
  append_templates (text, status);
  return g_string_free (text, FALSE);
}

/**
 * berth_verb_status:
 * @argc: of @argv
 * @argv: options
 *
 * Returns: the exit status
 */
int
berth_verb_status (int argc, char **argv)
{
  g_auto (BerthOptionValues) values = { 0 };
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) status
      = berth_verb_ask (&berth_status_help, &values, argc, argv, "Status", "(a{sv})", &error);
  g_autofree char *text = NULL;

  if (status == NULL)
    return report_failure (&values, error);
  if (values.json)
    return berth_report_json (status);
  text = berth_verb_dup_status_text (status, values.explain);
  return berth_report_text (text);
}

static gboolean
append_finding (GString *text, GVariant *finding)
{
  g_autofree char *check = berth_table_dup_cell (finding, "check");
  g_autofree char *what = berth_table_dup_cell (finding, "text");
  g_autofree char *remedy = berth_table_dup_cell (finding, "remedy");
  gboolean ok = FALSE;

  g_variant_lookup (finding, "ok", "b", &ok);
  g_string_append_printf (text, "%-7s  %s: %s\n", ok ? "ok" : "MISSING", check, what);
  if (!ok && strcmp (remedy, "-") != 0)
    g_string_append_printf (text, "         mend it: %s\n", remedy);
  return ok;
}

/**
 * berth_verb_doctor:
 * @argc: of @argv
 * @argv: options
 *
 * Returns: the exit status
 */
int
berth_verb_doctor (int argc, char **argv)
{
  g_auto (BerthOptionValues) values = { 0 };
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) findings
      = berth_verb_ask (&berth_doctor_help, &values, argc, argv, "Doctor", "(aa{sv})", &error);
  g_autoptr (GString) text = g_string_new (NULL);
  gboolean all_ok = TRUE;
  int status;

  if (findings == NULL)
    return report_failure (&values, error);
  for (gsize i = 0; i < g_variant_n_children (findings); i++)
    {
      g_autoptr (GVariant) finding = g_variant_get_child_value (findings, i);

      all_ok = append_finding (text, finding) && all_ok;
    }
  status = values.json ? berth_report_json (findings) : berth_report_text (text->str);
  return status == BERTH_EXIT_OK && !all_ok ? BERTH_EXIT_FINDINGS : status;
}
