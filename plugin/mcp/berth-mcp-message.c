/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Decides what a client's message is, and writes those of the server. */
#include "plugin/mcp/berth-mcp-message.h"

/* A fraction or null is no id in this protocol, though JSON-RPC has them. */
gboolean
berth_mcp_message_is_id (GVariant *value)
{
  gsize size = 0;

  if (g_variant_is_of_type (value, G_VARIANT_TYPE_STRING))
    g_variant_get_string (value, &size);
  else if (!g_variant_is_of_type (value, G_VARIANT_TYPE_INT64))
    return FALSE;
  return size <= BERTH_MCP_ID_BYTES;
}

/* (nullable): static; fills what it can */
static const char *
read_object (BerthMcpMessage *self)
{
  g_autoptr (GVariant) id = g_variant_lookup_value (self->object, "id", NULL);
  g_autoptr (GVariant) params = NULL;
  const char *version = NULL;
  g_autoptr (GVariant) method = g_variant_lookup_value (self->object, "method", NULL);

  if (id != NULL && berth_mcp_message_is_id (id))
    self->id = g_variant_ref (id);
  g_variant_lookup (self->object, "jsonrpc", "&s", &version);
  if (g_strcmp0 (version, "2.0") != 0)
    return "\"jsonrpc\" must be \"2.0\"";
  if (id != NULL && self->id == NULL)
    return "\"id\" must be an integer, or a string of 256 bytes at most";
  if (method == NULL)
    return "there is no \"method\"";
  if (!g_variant_lookup (self->object, "method", "&s", &self->method))
    return "\"method\" must be a string";
  params = g_variant_lookup_value (self->object, "params", NULL);
  if (params != NULL && !g_variant_is_of_type (params, G_VARIANT_TYPE_VARDICT))
    return "\"params\" must be an object";
  self->params = g_steal_pointer (&params);
  return NULL;
}

static gboolean
is_response (BerthMcpMessage *self)
{
  g_autoptr (GVariant) method = g_variant_lookup_value (self->object, "method", NULL);
  g_autoptr (GVariant) result = g_variant_lookup_value (self->object, "result", NULL);
  g_autoptr (GVariant) error = g_variant_lookup_value (self->object, "error", NULL);

  return method == NULL && (result != NULL || error != NULL);
}

/**
 * berth_mcp_message_read:
 * @self: (out): what it is
 * @value: of berth_mcp_json_parse(); no batch
 */
void
berth_mcp_message_read (BerthMcpMessage *self, GVariant *value)
{
  *self = (BerthMcpMessage){ .kind = BERTH_MCP_BROKEN, .problem = "a message must be an object" };
  if (!g_variant_is_of_type (value, G_VARIANT_TYPE_VARDICT))
    return;
  self->object = g_variant_ref (value);
  self->problem = NULL;
  if (is_response (self))
    {
      self->kind = BERTH_MCP_RESPONSE;
      return;
    }
  self->problem = read_object (self);
  if (self->problem == NULL)
    self->kind = self->id != NULL ? BERTH_MCP_REQUEST : BERTH_MCP_NOTIFICATION;
}

void
berth_mcp_message_clear (BerthMcpMessage *self)
{
  g_clear_pointer (&self->id, g_variant_unref);
  g_clear_pointer (&self->params, g_variant_unref);
  g_clear_pointer (&self->object, g_variant_unref);
}

static void
begin (GVariantBuilder *builder, GVariant *id)
{
  g_variant_builder_init (builder, G_VARIANT_TYPE_VARDICT);
  g_variant_builder_add (builder, "{sv}", "jsonrpc", g_variant_new_string ("2.0"));
  if (id != NULL)
    g_variant_builder_add (builder, "{sv}", "id", id);
}

/**
 * berth_mcp_message_new_result:
 * @id: of the request
 * @result: a{sv}; sunk
 *
 * Returns: (transfer floating): its answer
 */
GVariant *
berth_mcp_message_new_result (GVariant *id, GVariant *result)
{
  GVariantBuilder builder;

  begin (&builder, id);
  g_variant_builder_add (&builder, "{sv}", "result", result);
  return g_variant_builder_end (&builder);
}

/**
 * berth_mcp_message_new_error:
 * @id: (nullable): of the request; %NULL where nobody knows it
 * @code: of JSON-RPC
 * @text: one sentence
 * @data: (nullable): more about it; sunk
 *
 * Returns: (transfer floating): its answer
 */
GVariant *
berth_mcp_message_new_error (GVariant *id, int code, const char *text, GVariant *data)
{
  GVariantBuilder builder;
  GVariantBuilder error = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);

  g_variant_builder_add (&error, "{sv}", "code", g_variant_new_int32 (code));
  g_variant_builder_add (&error, "{sv}", "message", g_variant_new_string (text));
  if (data != NULL)
    g_variant_builder_add (&error, "{sv}", "data", data);
  begin (&builder, id);
  g_variant_builder_add (&builder, "{sv}", "error", g_variant_builder_end (&error));
  return g_variant_builder_end (&builder);
}

/**
 * berth_mcp_message_new_notification:
 * @method: what happened
 * @params: a{sv}; sunk
 *
 * Returns: (transfer floating): a message that nobody answers
 */
GVariant *
berth_mcp_message_new_notification (const char *method, GVariant *params)
{
  GVariantBuilder builder;

  begin (&builder, NULL);
  g_variant_builder_add (&builder, "{sv}", "method", g_variant_new_string (method));
  g_variant_builder_add (&builder, "{sv}", "params", params);
  return g_variant_builder_end (&builder);
}
