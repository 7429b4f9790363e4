/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* metrics: the status as numbers, in the text format that Prometheus and others read. */
#include "plugin/cli/berth-cli-options.h"
#include "plugin/cli/berth-cli-report.h"
#include "plugin/cli/berth-cli-verbs.h"

const BerthVerbHelp berth_metrics_help = {
  .synopsis = "",
  .summary = "Prints the status as numbers, in Prometheus' text format.",
  .description = "For node_exporter's textfile collector, say:\n"
                 "  berth metrics > /var/lib/node_exporter/berth.prom",
  .takes = 0,
  .max_arguments = 0,
};

static void
append_head (GString *text, const char *name, const char *help)
{
  g_string_append_printf (text, "# HELP %s %s\n# TYPE %s gauge\n", name, help, name);
}

/* Every number of @status' dictionary @key, one sample each. */
static void
append_dictionary (GString *text, GVariant *status, const char *key, const char *name,
                   const char *label, const char *help)
{
  g_autoptr (GVariant) dictionary = g_variant_lookup_value (status, key, G_VARIANT_TYPE_VARDICT);
  GVariantIter iter;
  const char *entry;
  GVariant *child;

  if (dictionary == NULL)
    return;
  append_head (text, name, help);
  g_variant_iter_init (&iter, dictionary);
  while (g_variant_iter_next (&iter, "{&sv}", &entry, &child))
    {
      g_autoptr (GVariant) value = child;

      if (g_variant_is_of_type (value, G_VARIANT_TYPE_UINT32))
        g_string_append_printf (text, "%s{%s=\"%s\"} %u\n", name, label, entry,
                                g_variant_get_uint32 (value));
    }
}

/* The number @key of every template. Their names need no escape: a template's may have none. */
static void
append_templates (GString *text, GVariant *status, const char *key, const char *name,
                  const char *help)
{
  g_autoptr (GVariant) templates
      = g_variant_lookup_value (status, "templates", G_VARIANT_TYPE_VARDICT);
  GVariantIter iter;
  const char *template_name;
  GVariant *child;

  if (templates == NULL)
    return;
  append_head (text, name, help);
  g_variant_iter_init (&iter, templates);
  while (g_variant_iter_next (&iter, "{&sv}", &template_name, &child))
    {
      g_autoptr (GVariant) template = child;
      guint32 value;

      if (g_variant_lookup (template, key, "u", &value))
        g_string_append_printf (text, "%s{template=\"%s\"} %u\n", name, template_name, value);
    }
}

static char *
dup_metrics (GVariant *status)
{
  GString *text = g_string_new (NULL);
  g_autoptr (GVariant) libvirt = g_variant_lookup_value (status, "libvirt", G_VARIANT_TYPE_VARDICT);
  gboolean connected = FALSE;
  guint n_waiting = 0;

  append_dictionary (text, status, "slots", "berth_slots", "state", "VMs, by what they are");
  append_dictionary (text, status, "memory_mb", "berth_memory_mebibytes", "kind",
                     "memory of the guests");
  append_dictionary (text, status, "vcpus", "berth_vcpus", "kind",
                     "vCPUs of VMs that run or start");
  append_head (text, "berth_waiters", "requests that wait");
  g_variant_lookup (status, "n_waiting", "u", &n_waiting);
  g_string_append_printf (text, "berth_waiters %u\n", n_waiting);
  if (libvirt != NULL)
    g_variant_lookup (libvirt, "connected", "b", &connected);
  append_head (text, "berth_libvirt_connected", "whether libvirt answers");
  g_string_append_printf (text, "berth_libvirt_connected %d\n", connected);
  append_templates (text, status, "warm", "berth_warm", "warm VMs that stand by");
  append_templates (text, status, "target", "berth_warm_target", "warm VMs that are wanted");
  append_templates (text, status, "failures", "berth_warm_failures",
                    "warm VMs that failed in a row");
  append_templates (text, status, "snapshot_mb", "berth_snapshot_mebibytes",
                    "of the snapshot on disk");
  append_templates (text, status, "snapshot_failures", "berth_snapshot_failures",
                    "snapshots that failed in a row");
  return g_string_free (text, FALSE);
}

/**
 * berth_verb_metrics:
 * @argc: of @argv
 * @argv: options
 *
 * Returns: the exit status
 */
int
berth_verb_metrics (int argc, char **argv)
{
  g_auto (BerthOptionValues) values = { 0 };
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) status
      = berth_verb_ask (&berth_metrics_help, &values, argc, argv, "Status", "(a{sv})", &error);
  g_autofree char *text = NULL;

  if (status == NULL)
    return berth_report_error (error);
  text = dup_metrics (status);
  return berth_report_text (text);
}
