/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plugin/manager/berth-metrics.h"

#include "pool/berth-macros.h"

/* From a warm claim's milliseconds to the longest wait that is usual, three a decade at most: a
 * histogram that is too coarse answers no question, and each bound is a series more. */
static const gint64 bounds_us[]
    = { 1000,   2500,    5000,    10000,   25000,    50000,    100000,   250000,
        500000, 1000000, 2500000, 5000000, 10000000, 30000000, 60000000, 300000000 };

#define N_BOUNDS G_N_ELEMENTS (bounds_us)

/**
 * Metric:
 * @name: as monitoring knows it
 * @help: what it is
 * @labels: names of its labels, as many as it has
 * @is_histogram: of durations; else a counter
 */
typedef struct
{
  const char *name;
  const char *help;
  const char *labels[2];
  gboolean is_histogram;
} Metric;

static const Metric metrics[BERTH_METRIC_N] = {
  [BERTH_METRIC_WAIT]
  = { "berth_wait_seconds", "from a request's arrival to its place", { NULL, NULL }, TRUE },
  [BERTH_METRIC_START] = { "berth_start_seconds",
                           "from a request's place to a guest that takes code",
                           { "template", "start" },
                           TRUE },
  [BERTH_METRIC_REFUSED]
  = { "berth_requests_failed_total", "requests that got no VM", { "reason", NULL }, FALSE },
  [BERTH_METRIC_EXEC]
  = { "berth_exec_seconds", "how long programs ran", { "template", NULL }, TRUE },
  [BERTH_METRIC_EXECS]
  = { "berth_execs_total", "programs, by how they ended", { "template", "outcome" }, FALSE },
  [BERTH_METRIC_DESTROY] = { "berth_destroy_seconds",
                             "from the end of a sandbox to the end of its VM",
                             { NULL, NULL },
                             TRUE },
  [BERTH_METRIC_FILE_BYTES]
  = { "berth_file_bytes_total", "bytes of files that were carried", { "direction", NULL }, FALSE },
  [BERTH_METRIC_PORT_LINKS] = { "berth_port_connections_total",
                                "connections through published ports, by how they ended",
                                { "outcome", NULL },
                                FALSE },
  [BERTH_METRIC_PORT_BYTES] = { "berth_port_bytes_total",
                                "bytes through published ports, sent to sandboxes or received",
                                { "direction", NULL },
                                FALSE },
  [BERTH_METRIC_CONNECTIONS] = { "berth_connections_total",
                                 "what sandboxes wanted to reach, by what came of it",
                                 { "verdict", NULL },
                                 FALSE },
  [BERTH_METRIC_CONNECTION_BYTES] = { "berth_connection_bytes_total",
                                      "bytes that sandboxes sent and received",
                                      { "direction", NULL },
                                      FALSE },
  [BERTH_METRIC_COPY] = { "berth_fork_pause_seconds",
                          "for how long a session's programs stood still while it was copied",
                          { NULL, NULL },
                          TRUE },
  [BERTH_METRIC_COPIES] = { "berth_fork_copies_total",
                            "copies of sessions, for one fork each, by what came of them",
                            { "outcome", NULL },
                            FALSE },
  [BERTH_METRIC_COPY_BYTES] = { "berth_fork_bytes_total",
                                "bytes of these copies: what the sessions had changed",
                                { NULL, NULL },
                                FALSE },
  [BERTH_METRIC_HIBERNATE] = { "berth_hibernate_seconds",
                               "until what a hibernated session was is on the disk",
                               { NULL, NULL },
                               TRUE },
  [BERTH_METRIC_HIBERNATIONS]
  = { "berth_hibernations_total", "sessions, by what came of it", { "outcome", NULL }, FALSE },
  [BERTH_METRIC_RISE] = { "berth_hibernated_wake_seconds",
                          "until a hibernated session that is used has a VM again",
                          { NULL, NULL },
                          TRUE },
  [BERTH_METRIC_RISES]
  = { "berth_hibernated_wakes_total", "of these, by what came of it", { "outcome", NULL }, FALSE },
};

/* One series: a counter is its @n alone. */
typedef struct
{
  guint64 n;
  guint64 sum_us;
  guint64 buckets[N_BOUNDS]; /* each without those below it */
} Series;

struct _BerthMetrics
{
  GHashTable *series[BERTH_METRIC_N]; /* labels as they are written (owned) -> Series (owned) */
};

BerthMetrics *
berth_metrics_new (void)
{
  BerthMetrics *self = g_new0 (BerthMetrics, 1);

  for (guint i = 0; i < BERTH_METRIC_N; i++)
    self->series[i] = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  return self;
}

void
berth_metrics_free (BerthMetrics *self)
{
  for (guint i = 0; i < BERTH_METRIC_N; i++)
    g_hash_table_unref (self->series[i]);
  g_free (self);
}

static void
append_label (GString *text, const char *name, const char *value)
{
  g_string_append_printf (text, "%s%s=\"", text->len > 0 ? "," : "", name);
  for (const char *c = value; *c != '\0'; c++)
    if (*c == '\\' || *c == '"')
      g_string_append_printf (text, "\\%c", *c);
    else
      g_string_append_c (text, *c);
  g_string_append_c (text, '"');
}

static Series *
ensure_series (BerthMetrics *self, BerthMetric metric, const char *first, const char *second)
{
  const char *const values[] = { first, second };
  g_autoptr (GString) labels = g_string_new (NULL);
  Series *series;

  for (guint i = 0; i < G_N_ELEMENTS (values); i++)
    {
      g_return_val_if_fail ((values[i] != NULL) == (metrics[metric].labels[i] != NULL), NULL);
      if (values[i] != NULL)
        append_label (labels, metrics[metric].labels[i], values[i]);
    }
  series = g_hash_table_lookup (self->series[metric], labels->str);
  if (series == NULL)
    {
      series = g_new0 (Series, 1);
      g_hash_table_insert (self->series[metric], g_strdup (labels->str), series);
    }
  return series;
}

void
berth_metrics_add (BerthMetrics *self, BerthMetric metric, const char *first, const char *second,
                   guint64 n)
{
  Series *series = ensure_series (self, metric, first, second);

  g_return_if_fail (series != NULL && !metrics[metric].is_histogram);
  series->n += n;
}

void
berth_metrics_observe (BerthMetrics *self, BerthMetric metric, const char *first,
                       const char *second, gint64 duration_us)
{
  Series *series = ensure_series (self, metric, first, second);
  gint64 us = MAX (duration_us, 0);

  g_return_if_fail (series != NULL && metrics[metric].is_histogram);
  series->n++;
  series->sum_us += (guint64)us;
  for (guint i = 0; i < N_BOUNDS; i++)
    if (us <= bounds_us[i])
      {
        series->buckets[i]++;
        break;
      }
}

static void
append_head (GString *text, const char *name, const char *help, const char *type)
{
  g_string_append_printf (text, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* Seconds, exactly and in every locale */
static void
append_seconds (GString *text, guint64 us)
{
  gsize digits;

  g_string_append_printf (text, "%" G_GUINT64_FORMAT ".%06" G_GUINT64_FORMAT, us / G_USEC_PER_SEC,
                          us % G_USEC_PER_SEC);
  for (digits = text->len; text->str[digits - 1] == '0' && text->str[digits - 2] != '.'; digits--)
    ;
  g_string_truncate (text, digits);
}

static void
append_sample (GString *text, const char *name, const char *suffix, const char *labels)
{
  g_string_append_printf (text, "%s%s", name, suffix);
  if (*labels != '\0')
    g_string_append_printf (text, "{%s}", labels);
  g_string_append_c (text, ' ');
}

static void
append_histogram (GString *text, const char *name, const char *labels, const Series *series)
{
  const char *comma = *labels != '\0' ? "," : "";
  guint64 n = 0;

  for (guint i = 0; i < N_BOUNDS; i++)
    {
      n += series->buckets[i];
      g_string_append_printf (text, "%s_bucket{%s%sle=\"", name, labels, comma);
      append_seconds (text, (guint64)bounds_us[i]);
      g_string_append_printf (text, "\"} %" G_GUINT64_FORMAT "\n", n);
    }
  g_string_append_printf (text, "%s_bucket{%s%sle=\"+Inf\"} %" G_GUINT64_FORMAT "\n", name, labels,
                          comma, series->n);
  append_sample (text, name, "_sum", labels);
  append_seconds (text, series->sum_us);
  g_string_append_c (text, '\n');
  append_sample (text, name, "_count", labels);
  g_string_append_printf (text, "%" G_GUINT64_FORMAT "\n", series->n);
}

static void
append_metric (GString *text, const Metric *metric, GHashTable *all)
{
  g_autoptr (GList) keys = g_list_sort (g_hash_table_get_keys (all), (GCompareFunc)g_strcmp0);

  append_head (text, metric->name, metric->help, metric->is_histogram ? "histogram" : "counter");
  for (GList *link = keys; link != NULL; link = link->next)
    {
      const Series *series = g_hash_table_lookup (all, link->data);

      if (metric->is_histogram)
        append_histogram (text, metric->name, link->data, series);
      else
        {
          append_sample (text, metric->name, "", link->data);
          g_string_append_printf (text, "%" G_GUINT64_FORMAT "\n", series->n);
        }
    }
}

void
berth_metrics_append_text (BerthMetrics *self, GString *text)
{
  for (guint i = 0; i < BERTH_METRIC_N; i++)
    append_metric (text, &metrics[i], self->series[i]);
}

/* ---- the present ---- */

/* Every number of @status' dictionary @key, one sample each, @factor times as large. */
static void
append_dictionary (GString *text, GVariant *status, const char *key, guint64 factor,
                   const char *name, const char *label, const char *help)
{
  g_autoptr (GVariant) dictionary = g_variant_lookup_value (status, key, G_VARIANT_TYPE_VARDICT);
  GVariantIter iter;
  const char *entry;
  GVariant *child;

  if (dictionary == NULL)
    return;
  append_head (text, name, help, "gauge");
  g_variant_iter_init (&iter, dictionary);
  while (g_variant_iter_next (&iter, "{&sv}", &entry, &child))
    {
      g_autoptr (GVariant) value = child;

      if (g_variant_is_of_type (value, G_VARIANT_TYPE_UINT32))
        g_string_append_printf (text, "%s{%s=\"%s\"} %" G_GUINT64_FORMAT "\n", name, label, entry,
                                g_variant_get_uint32 (value) * factor);
    }
}

/**
 * Gauge:
 * @key: of each template in a status
 * @factor: what the number there is multiplied by
 */
typedef struct
{
  const char *key;
  const char *name;
  const char *help;
  guint64 factor;
} Gauge;

static const Gauge template_gauges[] = {
  { "warm", "berth_warm", "warm VMs that stand by", 1 },
  { "target", "berth_warm_target", "warm VMs that are wanted", 1 },
  { "failures", "berth_warm_failures", "warm VMs that failed in a row", 1 },
  { "snapshot_mb", "berth_snapshot_bytes", "of the snapshot on disk", 1024 * 1024 },
  { "snapshot_failures", "berth_snapshot_failures", "snapshots that failed in a row", 1 },
};

static void
append_templates (GString *text, GVariant *templates, const Gauge *gauge)
{
  GVariantIter iter;
  const char *name;
  GVariant *child;

  append_head (text, gauge->name, gauge->help, "gauge");
  g_variant_iter_init (&iter, templates);
  while (g_variant_iter_next (&iter, "{&sv}", &name, &child))
    {
      g_autoptr (GVariant) template = child;
      g_autoptr (GString) label = g_string_new (NULL);
      guint32 value;

      append_label (label, "template", name);
      if (g_variant_lookup (template, gauge->key, "u", &value))
        g_string_append_printf (text, "%s{%s} %" G_GUINT64_FORMAT "\n", gauge->name, label->str,
                                value * gauge->factor);
    }
}

static void
append_number (GString *text, const char *name, const char *help, const char *type, guint64 value)
{
  append_head (text, name, help, type);
  g_string_append_printf (text, "%s %" G_GUINT64_FORMAT "\n", name, value);
}

static void
append_counter (GString *text, GVariant *status, const char *key, const char *name,
                const char *help)
{
  guint64 value = 0;

  g_variant_lookup (status, key, "t", &value);
  append_number (text, name, help, "counter", value);
}

void
berth_metrics_append_checkpoints (GString *text, guint count, guint64 bytes)
{
  append_number (text, "berth_checkpoints", "checkpoints that are kept", "gauge", count);
  append_number (text, "berth_checkpoint_bytes", "of their states, on disk", "gauge", bytes);
}

void
berth_metrics_append_status (GString *text, GVariant *status)
{
  g_autoptr (GVariant) libvirt = g_variant_lookup_value (status, "libvirt", G_VARIANT_TYPE_VARDICT);
  g_autoptr (GVariant) templates
      = g_variant_lookup_value (status, "templates", G_VARIANT_TYPE_VARDICT);
  gboolean is_connected = FALSE;
  guint32 n_waiting = 0;
  guint32 n_hibernated = 0;

  append_dictionary (text, status, "slots", 1, "berth_slots", "state", "VMs, by what they are");
  append_dictionary (text, status, "memory_mb", 1024 * 1024, "berth_memory_bytes", "kind",
                     "memory of the guests");
  append_dictionary (text, status, "vcpus", 1, "berth_vcpus", "kind",
                     "vCPUs of VMs that run or start");
  g_variant_lookup (status, "n_waiting", "u", &n_waiting);
  g_variant_lookup (status, "hibernated", "u", &n_hibernated);
  append_number (text, "berth_hibernated", "sandboxes without a VM", "gauge", n_hibernated);
  append_number (text, "berth_waiters", "requests that wait", "gauge", n_waiting);
  append_counter (text, status, "evicted", "berth_warm_evicted_total",
                  "warm VMs that made room for others");
  append_counter (text, status, "pauses", "berth_pauses_total", "sandboxes that were paused");
  append_counter (text, status, "wakes", "berth_wakes_total",
                  "sandboxes that were woken for who wanted them");
  if (libvirt != NULL)
    g_variant_lookup (libvirt, "connected", "b", &is_connected);
  append_number (text, "berth_libvirt_connected", "whether libvirt answers", "gauge",
                 is_connected ? 1 : 0);
  for (guint i = 0; templates != NULL && i < G_N_ELEMENTS (template_gauges); i++)
    append_templates (text, templates, &template_gauges[i]);
}
