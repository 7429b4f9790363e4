/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A client's JSON as GVariants: strict, bounded, and nothing of it is lost. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Objects and arrays in each other */
#define BERTH_MCP_JSON_DEPTH 32u
/* Values in one text: each costs some hundred bytes */
#define BERTH_MCP_JSON_VALUES 65536u

GVariant *berth_mcp_json_parse (const char *text, gsize size, GError **error);

gboolean berth_mcp_json_is_string (GVariant *value);
GBytes *berth_mcp_json_dup_bytes (GVariant *string);

G_END_DECLS
