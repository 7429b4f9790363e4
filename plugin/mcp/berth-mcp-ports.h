/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* publish_port, list_ports and unpublish_port: what of a sandbox this host reaches. */
#pragma once

#include "plugin/mcp/berth-mcp-call.h"

G_BEGIN_DECLS

/* Each ends @call at last, also from within. */
void berth_mcp_ports_publish (BerthMcpCall *call);
void berth_mcp_ports_list (BerthMcpCall *call);
void berth_mcp_ports_unpublish (BerthMcpCall *call);

G_END_DECLS
