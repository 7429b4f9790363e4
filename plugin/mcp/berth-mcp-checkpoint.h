/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* checkpoint_sandbox, list_checkpoints, rollback_sandbox, remove_checkpoint, hibernate_sandbox. */
#pragma once

#include "plugin/mcp/berth-mcp-call.h"

G_BEGIN_DECLS

/* Each ends @call at last, also from within. */
void berth_mcp_checkpoint_keep (BerthMcpCall *call);
void berth_mcp_checkpoint_list (BerthMcpCall *call);
void berth_mcp_checkpoint_roll_back (BerthMcpCall *call);
void berth_mcp_checkpoint_remove (BerthMcpCall *call);
void berth_mcp_checkpoint_hibernate (BerthMcpCall *call);

G_END_DECLS
