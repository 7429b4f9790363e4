/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a program writes: as much as a result has room for, and what is new. */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* Of a stream: what a model reads at its begin and at its end */
#define BERTH_MCP_OUTPUT_HEAD_BYTES 32768u
#define BERTH_MCP_OUTPUT_TAIL_BYTES 32768u

typedef struct _BerthMcpOutput BerthMcpOutput;

BerthMcpOutput *berth_mcp_output_new (void);
void berth_mcp_output_free (BerthMcpOutput *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BerthMcpOutput, berth_mcp_output_free)
void berth_mcp_output_add (BerthMcpOutput *self, const char *bytes, gsize size);
gboolean berth_mcp_output_is_cut (BerthMcpOutput *self);
/* (transfer full): ay: what was written, or its begin and its end, and between them how much is
 * missing */
GVariant *berth_mcp_output_to_variant (BerthMcpOutput *self);

G_END_DECLS
