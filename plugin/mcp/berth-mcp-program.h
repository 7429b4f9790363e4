/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The tools that run programs. */
#pragma once

#include "plugin/mcp/berth-mcp-call.h"
#include "plugin/mcp/berth-mcp-field.h"

G_BEGIN_DECLS

#define BERTH_MCP_RUN_OPTIONS                                                                      \
  (BERTH_OPTION_SET_SANDBOX | BERTH_OPTION_SET_EXEC | BERTH_OPTION_SET_FILES)

/* What both tell */
extern const BerthMcpField berth_mcp_program_fields[];
/* of an exec in the background */
extern const BerthMcpField berth_mcp_log_fields[];

void berth_mcp_program_run (BerthMcpCall *call);
void berth_mcp_program_exec (BerthMcpCall *call);
void berth_mcp_program_log (BerthMcpCall *call);

G_END_DECLS
