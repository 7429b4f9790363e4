/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Proves what is counted of requests, programs, files and ends, and how it is written. */
#include <locale.h>
#include <string.h>

#include "manager-world.h"
#include "plugin/manager/berth-metrics.h"

static char *
dup_text (BerthMetrics *metrics)
{
  g_autoptr (GString) text = g_string_new (NULL);

  berth_metrics_append_text (metrics, text);
  return g_string_free (g_steal_pointer (&text), FALSE);
}

static void
assert_line (const char *text, const char *line)
{
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);

  if (!g_strv_contains ((const char *const *)lines, line))
    g_error ("no line '%s' in:\n%s", line, text);
}

static void
assert_no_series (const char *text, const char *start)
{
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);

  for (guint i = 0; lines[i] != NULL; i++)
    if (g_str_has_prefix (lines[i], start))
      g_error ("unexpected: %s", lines[i]);
}

/* ---- how it is written ---- */

static void
test_nothing_yet (void)
{
  g_autoptr (BerthMetrics) metrics = berth_metrics_new ();
  g_autofree char *text = dup_text (metrics);

  assert_line (text, "# TYPE berth_wait_seconds histogram");
  assert_line (text, "# TYPE berth_execs_total counter");
  assert_no_series (text, "berth_");
}

/* A bound belongs to its bucket, and each bucket holds those below it. */
static void
test_histogram (void)
{
  g_autoptr (BerthMetrics) metrics = berth_metrics_new ();
  g_autofree char *text = NULL;

  berth_metrics_observe (metrics, BERTH_METRIC_WAIT, NULL, NULL, -5);
  berth_metrics_observe (metrics, BERTH_METRIC_WAIT, NULL, NULL, 1000);
  berth_metrics_observe (metrics, BERTH_METRIC_WAIT, NULL, NULL, 1001);
  berth_metrics_observe (metrics, BERTH_METRIC_WAIT, NULL, NULL, 400 * G_USEC_PER_SEC);
  text = dup_text (metrics);
  assert_line (text, "berth_wait_seconds_bucket{le=\"0.001\"} 2");
  assert_line (text, "berth_wait_seconds_bucket{le=\"0.0025\"} 3");
  assert_line (text, "berth_wait_seconds_bucket{le=\"1.0\"} 3");
  assert_line (text, "berth_wait_seconds_bucket{le=\"300.0\"} 3");
  assert_line (text, "berth_wait_seconds_bucket{le=\"+Inf\"} 4");
  assert_line (text, "berth_wait_seconds_sum 400.002001");
  assert_line (text, "berth_wait_seconds_count 4");
}

static void
test_labels (void)
{
  g_autoptr (BerthMetrics) metrics = berth_metrics_new ();
  g_autofree char *text = NULL;

  berth_metrics_add (metrics, BERTH_METRIC_EXECS, "py\"th\\on", "ended", 2);
  berth_metrics_add (metrics, BERTH_METRIC_EXECS, "py\"th\\on", "ended", 1);
  berth_metrics_add (metrics, BERTH_METRIC_EXECS, "shell", "failed", 1);
  berth_metrics_observe (metrics, BERTH_METRIC_START, "shell", "warm", 25000);
  text = dup_text (metrics);
  assert_line (text, "berth_execs_total{template=\"py\\\"th\\\\on\",outcome=\"ended\"} 3");
  assert_line (text, "berth_execs_total{template=\"shell\",outcome=\"failed\"} 1");
  assert_line (text,
               "berth_start_seconds_bucket{template=\"shell\",start=\"warm\",le=\"0.025\"} 1");
  assert_line (text, "berth_start_seconds_sum{template=\"shell\",start=\"warm\"} 0.025");
}

/* ---- what is counted ---- */

static char *
dup_world_text (World *world)
{
  g_autoptr (GVariant) status = berth_manager_dup_status (world->manager);

  return berth_manager_dup_metrics (world->manager, status);
}

static void
test_run (World *world, gconstpointer data)
{
  const BerthSandboxOptions options = world_options (NULL);
  g_autoptr (BerthResult) result = world_run (world, &options, "1", NULL, NULL);
  g_autofree char *text = NULL;

  g_assert_nonnull (result);
  world_wait_for_vms (world, 0);
  world_run_dry ();
  text = dup_world_text (world);
  assert_line (text, "berth_wait_seconds_count 1");
  assert_line (text, "berth_start_seconds_count{template=\"python\",start=\"cold\"} 1");
  assert_line (text, "berth_execs_total{template=\"python\",outcome=\"ended\"} 1");
  assert_line (text, "berth_exec_seconds_count{template=\"python\"} 1");
  assert_line (text, "berth_destroy_seconds_count 1");
  assert_line (text, "berth_slots{state=\"total\"} 2");
  assert_line (text, "berth_libvirt_connected 1");
  assert_line (text, "berth_warm_evicted_total 0");
}

static void
test_session (World *world, gconstpointer data)
{
  const BerthSandboxOptions options = world_options ("shell");
  g_autofree char *id = world_create (world, &options, NULL);
  g_autoptr (BerthResult) first = world_exec (world, id, 1000, NULL);
  g_autoptr (BerthResult) second = world_exec (world, id, 1000, NULL);
  g_autofree char *text = NULL;

  g_assert_true (world_destroy (world, id, 1000, NULL, NULL));
  g_assert_true (world_destroy (world, id, 1000, NULL, NULL));
  text = dup_world_text (world);
  assert_line (text, "berth_start_seconds_count{template=\"shell\",start=\"cold\"} 1");
  assert_line (text, "berth_execs_total{template=\"shell\",outcome=\"ended\"} 2");
  assert_line (text, "berth_destroy_seconds_count 1");
}

/* A VM that ended while it was handed over has no start to count; nobody else's is harmed. */
static void
test_ended_meanwhile (World *world, gconstpointer data)
{
  const BerthSandboxOptions options = world_options ("shell");
  g_autofree char *id = NULL;
  g_autofree char *text = NULL;

  fake_host_set_starts_unknown (world->host, TRUE);
  id = world_create (world, &options, NULL);
  g_assert_nonnull (id);
  text = dup_world_text (world);
  assert_line (text, "berth_wait_seconds_count 1");
  assert_no_series (text, "berth_start_seconds_");
}

/* Who gets no VM is counted by the error that it hears. */
static void
test_refused (World *world, gconstpointer data)
{
  BerthSandboxOptions options = world_options ("shell");
  g_autofree char *first = world_create (world, &options, NULL);
  g_autofree char *second = world_create (world, &options, NULL);
  g_autofree char *text = NULL;

  options.wait_us = 0;
  g_assert_null (world_create (world, &options, NULL));
  text = dup_world_text (world);
  assert_line (text, "berth_requests_failed_total{reason=\"NoCapacity\"} 1");
  assert_line (text, "berth_start_seconds_count{template=\"shell\",start=\"cold\"} 2");
}

int
main (int argc, char **argv)
{
  setlocale (LC_ALL, "");
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/metrics/nothing-yet", test_nothing_yet);
  g_test_add_func ("/metrics/histogram", test_histogram);
  g_test_add_func ("/metrics/labels", test_labels);
  g_test_add ("/metrics/run", World, NULL, world_set_up, test_run, world_tear_down);
  g_test_add ("/metrics/session", World, NULL, world_set_up, test_session, world_tear_down);
  g_test_add ("/metrics/ended-meanwhile", World, NULL, world_set_up, test_ended_meanwhile,
              world_tear_down);
  g_test_add ("/metrics/refused", World, NULL, world_set_up, test_refused, world_tear_down);
  return g_test_run ();
}
