/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Standard input and output as lines. */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* Of a message that comes: a file of 11 MiB as base64, and around it */
#define BERTH_MCP_LINE_BYTES (16u * 1024 * 1024)
/* Of messages that the client has not read: nothing more is read from it then, and who writes what
 * need not be written waits. A result that is larger goes out all the same. */
#define BERTH_MCP_UNREAD_BYTES (1024u * 1024)

typedef struct _BerthMcpChannel BerthMcpChannel;

/**
 * BerthMcpChannelFuncs:
 * @line: a message came; @text has no end of line, and is borrowed
 * @too_long: one of more than BERTH_MCP_LINE_BYTES came and is passed over
 * @closed: the client sends nothing more, or reads nothing; no line comes after it
 * @drained: after @closed: all that was sent is read, or can't be any more
 *
 * What a channel tells, in its main context.
 */
typedef struct
{
  void (*line) (const char *text, gsize size, gpointer user_data);
  void (*too_long) (gpointer user_data);
  void (*closed) (gpointer user_data);
  void (*drained) (gpointer user_data);
} BerthMcpChannelFuncs;

BerthMcpChannel *berth_mcp_channel_new (GInputStream *input, GOutputStream *output,
                                        const BerthMcpChannelFuncs *funcs, gpointer user_data);
void berth_mcp_channel_free (BerthMcpChannel *self);
/* A line; takes over @text. */
void berth_mcp_channel_send (BerthMcpChannel *self, char *text);
/* Bytes that the client has not read, as far as this process knows */
gsize berth_mcp_channel_get_unread (BerthMcpChannel *self);

G_END_DECLS
