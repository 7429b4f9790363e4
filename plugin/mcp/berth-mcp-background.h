/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* start_exec, list_execs and kill_exec: what goes on in a sandbox behind the calls. */
#pragma once

#include "plugin/mcp/berth-mcp-call.h"

G_BEGIN_DECLS

/* Each ends @call at last, also from within. */
void berth_mcp_background_start (BerthMcpCall *call);
void berth_mcp_background_list (BerthMcpCall *call);
void berth_mcp_background_kill (BerthMcpCall *call);

G_END_DECLS
