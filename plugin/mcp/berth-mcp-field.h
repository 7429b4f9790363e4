/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a tool's arguments and results look like: told to clients as JSON Schema, and held by this
 * server itself. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/**
 * BerthMcpType:
 * @BERTH_MCP_STRING: a string without U+0000
 * @BERTH_MCP_CONTENT: a string
 * @BERTH_MCP_STRINGS: an array of strings without U+0000
 * @BERTH_MCP_INTEGER: a number without a fraction
 * @BERTH_MCP_NUMBER: a number
 * @BERTH_MCP_BOOLEAN: true or false
 * @BERTH_MCP_OBJECT: an object
 * @BERTH_MCP_OBJECTS: an array of objects
 *
 * What values a field has.
 */
typedef enum
{
  BERTH_MCP_STRING,
  BERTH_MCP_CONTENT,
  BERTH_MCP_STRINGS,
  BERTH_MCP_INTEGER,
  BERTH_MCP_NUMBER,
  BERTH_MCP_BOOLEAN,
  BERTH_MCP_OBJECT,
  BERTH_MCP_OBJECTS,
} BerthMcpType;

typedef struct _BerthMcpField BerthMcpField;

/**
 * BerthMcpField:
 * @name: its name in JSON
 * @type: which values it has
 * @is_required: an object without it is none
 * @description: (nullable): for a model
 * @minimum: of a number; bounds where it differs from @maximum
 * @maximum: of a number
 * @fields: (nullable) (array zero-terminated=1): of an object; %NULL: whatever it has
 *
 * One field of an object.
 */
struct _BerthMcpField
{
  const char *name;
  BerthMcpType type;
  gboolean is_required;
  const char *description;
  double minimum;
  double maximum;
  const BerthMcpField *fields;
};

/* (transfer floating): a JSON Schema of an object that has no other fields */
GVariant *berth_mcp_field_make_schema (const BerthMcpField *fields);
/* (transfer floating): the same of a result that has all required @fields, or "error" */
GVariant *berth_mcp_field_make_result_schema (const BerthMcpField *fields);
/* Whether @object, of berth_mcp_json_parse(), is what @fields say. Fails with BERTH_ERROR_INVALID.
 */
gboolean berth_mcp_field_check (const BerthMcpField *fields, GVariant *object, GError **error);

G_END_DECLS
