/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A sandbox's file in a tool's result. */
#pragma once

#include "plugin/mcp/berth-mcp-field.h"

G_BEGIN_DECLS

/* Of all files of one result: they are in memory, and as base64 in one message */
#define BERTH_MCP_FILES_BYTES (8u * 1024 * 1024)
/* Of a text that a result holds */
#define BERTH_MCP_TEXT_BYTES (256u * 1024)

/* What berth_mcp_content_add() tells */
extern const BerthMcpField berth_mcp_content_fields[];

/* (transfer floating): what is told of the file as structured content. An image and what is no text
 * become an item of @contents (element-type GVariant) each. */
GVariant *berth_mcp_content_add (GPtrArray *contents, const char *sandbox_id, const char *path,
                                 GBytes *bytes);

G_END_DECLS
