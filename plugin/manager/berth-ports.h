/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The ports of sandboxes that are published on this host, and the connections through them. */
#pragma once

#include "plugin/config/berth-config.h"
#include "plugin/manager/berth-metrics.h"
#include "plugin/manager/berth-sandbox.h"

G_BEGIN_DECLS

typedef struct _BerthPorts BerthPorts;

/**
 * BerthPortKeeper:
 * @keep: somebody shall keep this listening socket (borrowed) for the next berthd, under @name
 * @forget: no more
 *
 * Where a berthd that ends leaves its listening sockets. Each may be NULL.
 */
typedef struct
{
  void (*keep) (const char *name, int fd, gpointer user_data);
  void (*forget) (const char *name, gpointer user_data);
} BerthPortKeeper;

/* All outlive it. @config: as it is now */
BerthPorts *berth_ports_new (BerthHost *host, const BerthConfig *config, BerthMetrics *metrics);
/* All are let go of; who listens goes on to. */
void berth_ports_free (BerthPorts *self);
void berth_ports_set_keeper (BerthPorts *self, const BerthPortKeeper *keeper, gpointer user_data);

/* Takes over @fd, a listening socket: who connects to it is connected to @port of the sandbox's
 * loopback, from now on until berth_ports_remove(), or the sandbox's end. (transfer full): a{sv},
 * as an entry of berth_ports_dup_list(). */
GVariant *
berth_ports_add (BerthPorts *self, BerthSandbox *sandbox, int fd, guint port, GError **error);
/* The same of one that an earlier berthd had kept as @name; FALSE: it is of no sandbox that there
 * is. */
gboolean berth_ports_restore (BerthPorts *self, GHashTable *sandboxes, const char *name, int fd);
/* Its connections are reset. */
gboolean berth_ports_remove (BerthPorts *self, BerthSandbox *sandbox, guint number, GError **error);
/* The sandbox has ended. */
void berth_ports_drop (BerthPorts *self, BerthSandbox *sandbox);
/* (transfer full): aa{sv}: "number" (u), "port" (u), "address" (s), "connections" (u: now), "total"
 * (t), "refused" (t: nobody listened inside), "sent" and "received" (t: bytes to and from the
 * sandbox), "last" (s: how the last one ended) */
GVariant *berth_ports_dup_list (BerthPorts *self, BerthSandbox *sandbox);

G_END_DECLS
