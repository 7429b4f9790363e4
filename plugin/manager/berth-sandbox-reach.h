/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What one sandbox reaches: each of its connections is decided about, made, bounded and told. */
#pragma once

#include "plugin/connector/berth-connector.h"
#include "plugin/host/berth-host.h"
#include "plugin/manager/berth-metrics.h"
#include "plugin/reach/berth-reach-policy.h"

G_BEGIN_DECLS

/**
 * BerthReachWorld:
 * @config: as it is now
 * @connector: who connects
 * @metrics: what is counted
 * @last_sandbox: the number of the last one that was made
 * @of_users: (nullable): how many connections each user's sandboxes have: uid -> count
 *
 * What all sandboxes share.
 */
typedef struct
{
  const BerthConfig *config;
  BerthConnector *connector;
  BerthMetrics *metrics;
  guint32 last_sandbox;
  GHashTable *of_users;
} BerthReachWorld;

/**
 * BerthReachCounts:
 * @connections: that were made
 * @refused: connections and names
 * @sent_bytes: by the sandbox
 * @received_bytes: by the sandbox
 *
 * What a sandbox has reached.
 */
typedef struct
{
  guint64 connections;
  guint64 refused;
  guint64 sent_bytes;
  guint64 received_bytes;
} BerthReachCounts;

#define BERTH_TYPE_SANDBOX_REACH (berth_sandbox_reach_get_type ())
G_DECLARE_FINAL_TYPE (BerthSandboxReach, berth_sandbox_reach, BERTH, SANDBOX_REACH, GObject)

/* @rules: of BerthReachRule; @policy: of its user and template; @world outlives it, or its
 * berth_sandbox_reach_close(). Main context, as are all calls. */
BerthSandboxReach *berth_sandbox_reach_new (BerthHost *host, BerthVm *vm, GPtrArray *rules,
                                            BerthReachPolicy *policy, BerthReachWorld *world);
/* The settings have changed: what they refuse now ends, where it is open. */
void berth_sandbox_reach_set_policy (BerthSandboxReach *self, BerthReachPolicy *policy);
/* Tells the guest; from then on its programs reach what they may. */
void berth_sandbox_reach_start_async (BerthSandboxReach *self, GAsyncReadyCallback callback,
                                      gpointer user_data);
gboolean
berth_sandbox_reach_start_finish (BerthSandboxReach *self, GAsyncResult *result, GError **error);
/* Its connections end, and there are no more. Idempotent. */
void berth_sandbox_reach_close (BerthSandboxReach *self);

void berth_sandbox_reach_get_counts (BerthSandboxReach *self, BerthReachCounts *out_counts);
/* (transfer full): aa{sv}: the last of what was decided, oldest first, numbers above @after: number
 * (t), time (d, seconds since 1970), name, port (q), address, verdict, reason (s), open (b),
 * sent_bytes, received_bytes (t), duration_s (d) */
GVariant *berth_sandbox_reach_dup_list (BerthSandboxReach *self, guint64 after);

G_END_DECLS
