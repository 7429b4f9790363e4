/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The options of berth_option_table() as arguments of tools. */
#pragma once

#include "plugin/libberth/berth-client.h"
#include "plugin/mcp/berth-mcp-field.h"
#include "plugin/model/berth-option.h"

G_BEGIN_DECLS

#define BERTH_MCP_DOWNLOADS_HELP                                                                   \
  "Files that come back in the result after the program ended, however it ended: an image as an "  \
  "image, text as text. Paths as the program sees them from its home folder, such as plot.png"

/* (transfer full) (array zero-terminated=1): @own (nullable), and every option of @set that a model
 * may give */
BerthMcpField *berth_mcp_option_make_fields (const BerthMcpField *own, BerthOptionSet set);
void berth_mcp_option_free_fields (BerthMcpField *fields);

/* Sets the options of @part, of those of @set that a tool takes, that are in @arguments, which were
 * checked: of a spec or a program */
void berth_mcp_option_apply (BerthOptionSet set, BerthOptionSet part, GVariant *arguments,
                             GObject *object);
/* Files of "uploads" and "downloads" */
gboolean
berth_mcp_option_apply_uploads (GVariant *arguments, BerthProgram *program, GError **error);
/* *@out_paths: (nullable) (transfer full): of "downloads", 64 at most */
gboolean berth_mcp_option_dup_downloads (GVariant *arguments, GStrv *out_paths, GError **error);
/* (transfer full): the program of "code", or "command" */
BerthProgram *
berth_mcp_option_make_program (BerthOptionSet set, GVariant *arguments, GError **error);

/* A file's content, by "text" or "base64" of @arguments, and its mode by "executable" */
GBytes *berth_mcp_option_dup_content (GVariant *arguments, GError **error);
guint berth_mcp_option_get_mode (GVariant *arguments);

G_END_DECLS
