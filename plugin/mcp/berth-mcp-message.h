/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* JSON-RPC 2.0, as the Model Context Protocol has it. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

#define BERTH_MCP_PARSE_ERROR (-32700)
#define BERTH_MCP_INVALID_REQUEST (-32600)
#define BERTH_MCP_METHOD_NOT_FOUND (-32601)
#define BERTH_MCP_INVALID_PARAMS (-32602)
#define BERTH_MCP_UNSUPPORTED_VERSION (-32022)

/* Of a request's id; longer ones are nobody's need, and an answer repeats it */
#define BERTH_MCP_ID_BYTES 256u

/**
 * BerthMcpMessageKind:
 * @BERTH_MCP_REQUEST: wants an answer
 * @BERTH_MCP_NOTIFICATION: wants none
 * @BERTH_MCP_RESPONSE: is one, to what this server never asked
 * @BERTH_MCP_BROKEN: is nothing of these
 *
 * What a client's message is.
 */
typedef enum
{
  BERTH_MCP_REQUEST,
  BERTH_MCP_NOTIFICATION,
  BERTH_MCP_RESPONSE,
  BERTH_MCP_BROKEN,
} BerthMcpMessageKind;

/**
 * BerthMcpMessage:
 * @kind: what it is
 * @id: (nullable): of a request, a string or an integer; of a broken message, where it could be
 * read
 * @method: (nullable): borrowed from @object
 * @params: (nullable): an object
 * @problem: (nullable): of a broken message; static
 * @object: (nullable): all of it
 *
 * One message; cleared with berth_mcp_message_clear().
 */
typedef struct
{
  BerthMcpMessageKind kind;
  GVariant *id;
  const char *method;
  GVariant *params;
  const char *problem;
  GVariant *object;
} BerthMcpMessage;

void berth_mcp_message_read (BerthMcpMessage *self, GVariant *value);
void berth_mcp_message_clear (BerthMcpMessage *self);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (BerthMcpMessage, berth_mcp_message_clear)

gboolean berth_mcp_message_is_id (GVariant *value);

GVariant *berth_mcp_message_new_result (GVariant *id, GVariant *result);
GVariant *berth_mcp_message_new_error (GVariant *id, int code, const char *text, GVariant *data);
GVariant *berth_mcp_message_new_notification (const char *method, GVariant *params);

G_END_DECLS
