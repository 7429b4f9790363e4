/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* metrics: what berthd counts, for monitoring; by the command or by one request of HTTP. */
#include <unistd.h>

#include "plugin/cli/berth-cli-client.h"
#include "plugin/cli/berth-cli-http.h"
#include "plugin/cli/berth-cli-options.h"
#include "plugin/cli/berth-cli-report.h"
#include "plugin/cli/berth-cli-verbs.h"

#define REQUEST_LIMIT_MS 5000
#define FINISH_LIMIT_MS 1000

const BerthVerbHelp berth_metrics_help = {
  .synopsis = "",
  .summary = "Prints what berthd counts, in Prometheus' text format.",
  .description = "Gauges of the present, and counters and histograms since berthd began.\n\n"
                 "With systemd, 'systemctl enable --now berth-metrics.socket' serves them at\n"
                 "/run/berth/metrics.sock, and at an address of the loopback that\n"
                 "'systemctl edit berth-metrics.socket' adds (ListenStream=127.0.0.1:9842).\n"
                 "For node_exporter's textfile collector, say:\n"
                 "  berth metrics > /var/lib/node_exporter/berth.prom",
  .takes = BERTH_TAKES_HTTP,
  .max_arguments = 0,
};

static char *
dup_metrics (const BerthOptionValues *values, GError **error)
{
  g_autoptr (BerthClient) client = berth_client_new (values->socket, error);
  g_autoptr (GVariant) reply = NULL;
  char *text = NULL;

  if (client != NULL)
    reply = berth_client_call (client, "Metrics", NULL, "(s)", NULL, error);
  if (reply != NULL)
    g_variant_get (reply, "(s)", &text);
  return text;
}

static int
serve (const BerthOptionValues *values)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GString) head = berth_http_read_head (STDIN_FILENO, REQUEST_LIMIT_MS, &error);
  BerthHttpRequest request
      = head != NULL ? berth_http_parse (head->str, head->len, "/metrics") : BERTH_HTTP_BAD;
  g_autofree char *text = request <= BERTH_HTTP_HEAD ? dup_metrics (values, &error) : NULL;
  g_autoptr (GString) answer = berth_http_make_answer (request, text, error);
  int status = berth_report_text (answer->str);

  berth_http_finish (STDIN_FILENO, FINISH_LIMIT_MS);
  return status;
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
  g_autofree char *text = NULL;

  if (!berth_option_values_parse (&values, &berth_metrics_help, &argc, &argv, &error))
    return berth_report_error (error);
  if (values.http)
    return serve (&values);
  text = dup_metrics (&values, &error);
  return text != NULL ? berth_report_text (text) : berth_report_error (error);
}
