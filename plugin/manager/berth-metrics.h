/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What has happened since berthd began, in numbers: counters and histograms for monitoring. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef struct _BerthMetrics BerthMetrics;

/**
 * BerthMetric:
 * @BERTH_METRIC_WAIT: histogram: from a request's arrival to its place
 * @BERTH_METRIC_START: histogram: from its place to a guest that takes code; template and "warm",
 *   "clone" or "cold"
 * @BERTH_METRIC_REFUSED: counter: requests that got no VM; the error's name
 * @BERTH_METRIC_EXEC: histogram: programs; template
 * @BERTH_METRIC_EXECS: counter: programs; template and how they ended
 * @BERTH_METRIC_DESTROY: histogram: from the end of a sandbox to that of its VM
 * @BERTH_METRIC_FILE_BYTES: counter: of files that were carried; "put" or "get"
 * @BERTH_METRIC_PORT_LINKS: counter: connections through published ports, by how they ended
 * @BERTH_METRIC_PORT_BYTES: counter: of these; "sent" to sandboxes or "received" from them
 * @BERTH_METRIC_CONNECTIONS: counter: what sandboxes wanted to reach; what came of it
 * @BERTH_METRIC_CONNECTION_BYTES: counter: of those; "sent" or "received", by the sandboxes
 * @BERTH_METRIC_COPY: histogram: for how long a session's programs stood still while it was copied
 * @BERTH_METRIC_COPIES: counter: such copies, "made" or "failed"
 * @BERTH_METRIC_COPY_BYTES: counter: of what they had changed
 * @BERTH_METRIC_HIBERNATE: histogram: until what a session was is on the disk
 * @BERTH_METRIC_HIBERNATIONS: counter: of sessions, "made" or "failed"
 * @BERTH_METRIC_RISE: histogram: until one that is used has a VM again
 * @BERTH_METRIC_RISES: counter: likewise, "made" or "failed"
 */
typedef enum
{
  BERTH_METRIC_WAIT,
  BERTH_METRIC_START,
  BERTH_METRIC_REFUSED,
  BERTH_METRIC_EXEC,
  BERTH_METRIC_EXECS,
  BERTH_METRIC_DESTROY,
  BERTH_METRIC_FILE_BYTES,
  BERTH_METRIC_PORT_LINKS,
  BERTH_METRIC_PORT_BYTES,
  BERTH_METRIC_CONNECTIONS,
  BERTH_METRIC_CONNECTION_BYTES,
  BERTH_METRIC_COPY,
  BERTH_METRIC_COPIES,
  BERTH_METRIC_COPY_BYTES,
  BERTH_METRIC_HIBERNATE,
  BERTH_METRIC_HIBERNATIONS,
  BERTH_METRIC_RISE,
  BERTH_METRIC_RISES,
  BERTH_METRIC_N,
} BerthMetric;

BerthMetrics *berth_metrics_new (void);
void berth_metrics_free (BerthMetrics *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BerthMetrics, berth_metrics_free)

/* @first, @second: (nullable): values of the metric's labels. They are templates' names or words
 * of berth's own, never anything that a caller invents: each makes a series that stays. */
void berth_metrics_add (BerthMetrics *self, BerthMetric metric, const char *first,
                        const char *second, guint64 n);
void berth_metrics_observe (BerthMetrics *self, BerthMetric metric, const char *first,
                            const char *second, gint64 duration_us);

/* In the text format of Prometheus, version 0.0.4 */
void berth_metrics_append_text (BerthMetrics *self, GString *text);

/* What is kept, likewise */
void berth_metrics_append_checkpoints (GString *text, guint count, guint64 bytes);

/* What a status (of berth_manager_dup_status ()) tells of the present, likewise */
void berth_metrics_append_status (GString *text, GVariant *status);

G_END_DECLS
