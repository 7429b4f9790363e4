/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Any bytes as a client's message: it is read or refused with a reason; what is read is written as
 * JSON that is read as the same again; arguments are checked without a crash. */
#include <string.h>

#include "plugin/base/berth-json.h"
#include "plugin/mcp/berth-mcp-field.h"
#include "plugin/mcp/berth-mcp-json.h"
#include "plugin/mcp/berth-mcp-message.h"
#include "pool/berth-error.h"

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

static const BerthMcpField inner[] = {
  { "path", BERTH_MCP_STRING, TRUE, "where", 0, 0, NULL },
  { "text", BERTH_MCP_CONTENT, FALSE, NULL, 0, 0, NULL },
  { 0 },
};
static const BerthMcpField fields[] = {
  { "code", BERTH_MCP_CONTENT, TRUE, "what", 0, 0, NULL },
  { "timeout", BERTH_MCP_NUMBER, FALSE, NULL, 1, 86400, NULL },
  { "memory", BERTH_MCP_INTEGER, FALSE, NULL, 128, 1024, NULL },
  { "cold", BERTH_MCP_BOOLEAN, FALSE, NULL, 0, 0, NULL },
  { "env", BERTH_MCP_STRINGS, FALSE, NULL, 0, 0, NULL },
  { "uploads", BERTH_MCP_OBJECTS, FALSE, NULL, 0, 0, inner },
  { 0 },
};

/* A number is written with three digits behind its point, so that it may not be the same. */
static gboolean
has_fraction (const char *json)
{
  return strpbrk (json, ".") != NULL;
}

static void
check_round_trip (GVariant *value)
{
  g_autofree char *written = berth_json_from_variant (value);
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) again = berth_mcp_json_parse (written, strlen (written), &error);
  g_autofree char *rewritten = NULL;

  g_assert_no_error (error);
  rewritten = berth_json_from_variant (again);
  g_assert_null (strchr (written, '\n'));
  if (!has_fraction (written))
    g_assert_cmpstr (rewritten, ==, written);
}

static void
check_message (GVariant *value)
{
  g_auto (BerthMcpMessage) message = { 0 };
  g_autoptr (GVariant) arguments = NULL;
  g_autoptr (GError) error = NULL;

  berth_mcp_message_read (&message, value);
  g_assert_true ((message.kind == BERTH_MCP_BROKEN) == (message.problem != NULL));
  if (message.kind == BERTH_MCP_REQUEST)
    g_assert_true (message.id != NULL && message.method != NULL);
  if (message.params != NULL)
    arguments = g_variant_lookup_value (message.params, "arguments", G_VARIANT_TYPE_VARDICT);
  if (arguments != NULL && !berth_mcp_field_check (fields, arguments, &error))
    g_assert_error (error, BERTH_ERROR, BERTH_ERROR_INVALID);
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) value = berth_mcp_json_parse ((const char *)data, size, &error);

  if (value == NULL)
    {
      g_assert_error (error, BERTH_ERROR, BERTH_ERROR_INVALID);
      return 0;
    }
  check_round_trip (value);
  check_message (value);
  return 0;
}
