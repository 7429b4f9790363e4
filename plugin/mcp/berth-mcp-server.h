/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A server of the Model Context Protocol for one client. */
#pragma once

#include "plugin/libberth/berth-client.h"

G_BEGIN_DECLS

/* Calls under way: each is at most one call to berthd, which has its own bounds */
#define BERTH_MCP_CALLS 64u

typedef struct _BerthMcpServer BerthMcpServer;

/**
 * BerthMcpServerOptions:
 * @socket: (nullable): berthd's
 * @keeps_sandboxes: sandboxes that are made outlive this process
 *
 * What the command line says.
 */
typedef struct
{
  char *socket;
  gboolean keeps_sandboxes;
} BerthMcpServerOptions;

BerthMcpServer *berth_mcp_server_new (const BerthMcpServerOptions *options, GInputStream *input,
                                      GOutputStream *output);
void berth_mcp_server_free (BerthMcpServer *self);
/* Runs the default main context until the client is gone and nothing goes on for it. */
void berth_mcp_server_serve (BerthMcpServer *self);
/* As if the client were gone */
void berth_mcp_server_stop (BerthMcpServer *self);

G_END_DECLS
