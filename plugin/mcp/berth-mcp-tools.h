/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The tools: what each is called, takes, tells and does. */
#pragma once

#include "plugin/mcp/berth-mcp-call.h"
#include "plugin/mcp/berth-mcp-field.h"
#include "plugin/model/berth-option.h"

G_BEGIN_DECLS

/**
 * BerthMcpHint:
 * @BERTH_MCP_READS: it changes nothing
 * @BERTH_MCP_DESTROYS: what it takes away does not come back
 * @BERTH_MCP_IDEMPOTENT: doing it again changes nothing more
 *
 * What a client may think of a tool before it asks its user. None of them reaches out of this host.
 */
typedef enum
{
  BERTH_MCP_READS = 1 << 0,
  BERTH_MCP_DESTROYS = 1 << 1,
  BERTH_MCP_IDEMPOTENT = 1 << 2,
} BerthMcpHint;

/**
 * BerthMcpTool:
 * @name: what it is called by
 * @title: for people
 * @description: for a model
 * @hints: what it may do
 * @options: rows of berth_option_table() that are arguments of it
 * @arguments: (nullable) (array zero-terminated=1): those beside
 * @results: (array zero-terminated=1): what it tells
 * @start: does it; ends @call at last, also from within
 */
typedef struct
{
  const char *name;
  const char *title;
  const char *description;
  BerthMcpHint hints;
  BerthOptionSet options;
  const BerthMcpField *arguments;
  const BerthMcpField *results;
  void (*start) (BerthMcpCall *call);
} BerthMcpTool;

const BerthMcpTool *berth_mcp_tools_find (const char *name);
/* (transfer floating): of tools/list */
GVariant *berth_mcp_tools_list (void);
/* Fails with BERTH_ERROR_INVALID. */
gboolean berth_mcp_tools_check (const BerthMcpTool *tool, GVariant *arguments, GError **error);

G_END_DECLS
