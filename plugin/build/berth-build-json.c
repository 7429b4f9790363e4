/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Decides which JSON is parsed at all. */
#include "plugin/build/berth-build-json.h"

#include <string.h>

#include "pool/berth-error.h"

#define DEPTH_MAX 32u

#define HEX_DIGITS 4u
/* What JSON has outside of strings: the parser takes remarks and other quotes, too, and then a
 * bracket is where nobody looks for it. */
#define OUTSIDE " \t\r\n{}[]:,+-."

/* -1: no four digits stand there */
static gint
read_unit (const char *text, gsize size)
{
  gint unit = 0;

  if (size < HEX_DIGITS)
    return -1;
  for (guint i = 0; i < HEX_DIGITS; i++)
    {
      gint digit = g_ascii_xdigit_value (text[i]);

      if (digit < 0)
        return -1;
      unit = unit * 16 + digit;
    }
  return unit;
}

/* Characters behind a backslash, 0 if it is no escape of JSON's: of half a one the parser takes the
 * quote that ends the string for the rest. */
static gsize
count_escape (const char *text, gsize size)
{
  gint unit = size > 0 && text[0] == 'u' ? read_unit (text + 1, size - 1) : -1;

  if (size == 0 || strchr ("\"\\/bfnrtu", text[0]) == NULL)
    return 0;
  if (text[0] != 'u')
    return 1;
  if (unit < 0xd800 || unit > 0xdfff)
    return unit < 0 ? 0 : 1 + HEX_DIGITS;
  /* the first surrogate, and the second one: of others the parser forgets to free the string */
  if (unit > 0xdbff || size < 3 + HEX_DIGITS || text[1 + HEX_DIGITS] != '\\'
      || text[2 + HEX_DIGITS] != 'u')
    return 0;
  unit = read_unit (text + 3 + HEX_DIGITS, size - 3 - HEX_DIGITS);
  return unit >= 0xdc00 && unit <= 0xdfff ? 3 + 2 * HEX_DIGITS : 0;
}

/* Characters of the string that begins behind a quote, with that at its end; 0: it is none */
static gsize
count_string (const char *text, gsize size)
{
  for (gsize i = 0; i < size; i++)
    {
      gsize escape = text[i] == '\\' ? count_escape (text + i + 1, size - i - 1) : 0;

      if (text[i] == '"')
        return i + 1;
      if (text[i] == '\\' && escape == 0)
        return 0;
      i += escape;
    }
  return 0;
}

/* Brackets that are open at a time, those in strings left out */
static gboolean
is_shallow (const char *text, gsize size)
{
  guint depth = 0;

  for (gsize i = 0; i < size; i++)
    {
      gsize string = text[i] == '"' ? count_string (text + i + 1, size - i - 1) : 0;

      if (string == 0 && !g_ascii_isalnum (text[i]) && strchr (OUTSIDE, text[i]) == NULL)
        return FALSE;
      i += string;
      if (text[i] == '{' || text[i] == '[')
        depth++;
      else if ((text[i] == '}' || text[i] == ']') && depth > 0)
        depth--;
      if (depth > DEPTH_MAX)
        return FALSE;
    }
  return TRUE;
}

JsonObject *
berth_build_json_parse (const char *text, gsize size, GError **error)
{
  g_autoptr (JsonParser) parser = json_parser_new ();
  JsonNode *root = NULL;

  if (g_utf8_validate (text, (gssize)size, NULL) && is_shallow (text, size)
      && json_parser_load_from_data (parser, text, (gssize)size, NULL))
    root = json_parser_get_root (parser);
  if (root != NULL && JSON_NODE_HOLDS_OBJECT (root))
    return json_object_ref (json_node_get_object (root));
  g_set_error_literal (error, BERTH_ERROR, BERTH_ERROR_INVALID,
                       "it is no JSON object, or a deep one");
  return NULL;
}

static JsonNode *
get_value (JsonObject *object, const char *key, GType type)
{
  JsonNode *node = json_object_get_member (object, key);

  return node != NULL && JSON_NODE_HOLDS_VALUE (node) && json_node_get_value_type (node) == type
             ? node
             : NULL;
}

const char *
berth_build_json_get_text (JsonObject *object, const char *key)
{
  JsonNode *node = get_value (object, key, G_TYPE_STRING);

  return node != NULL ? json_node_get_string (node) : NULL;
}

gint64
berth_build_json_get_number (JsonObject *object, const char *key)
{
  JsonNode *node = get_value (object, key, G_TYPE_INT64);

  return node != NULL ? MAX (json_node_get_int (node), -1) : -1;
}

JsonObject *
berth_build_json_get_object (JsonObject *object, const char *key)
{
  JsonNode *node = json_object_get_member (object, key);

  return node != NULL && JSON_NODE_HOLDS_OBJECT (node) ? json_node_get_object (node) : NULL;
}

JsonArray *
berth_build_json_get_array (JsonObject *object, const char *key)
{
  JsonNode *node = json_object_get_member (object, key);

  return node != NULL && JSON_NODE_HOLDS_ARRAY (node) ? json_node_get_array (node) : NULL;
}

JsonObject *
berth_build_json_get_element (JsonArray *array, guint index)
{
  JsonNode *node
      = index < json_array_get_length (array) ? json_array_get_element (array, index) : NULL;

  return node != NULL && JSON_NODE_HOLDS_OBJECT (node) ? json_node_get_object (node) : NULL;
}

void
berth_build_json_add_text (JsonBuilder *json, const char *key, const char *value)
{
  json_builder_set_member_name (json, key);
  json_builder_add_string_value (json, value);
}

void
berth_build_json_add_number (JsonBuilder *json, const char *key, gint64 value)
{
  json_builder_set_member_name (json, key);
  json_builder_add_int_value (json, value);
}

char *
berth_build_json_dup_object (JsonObject *object)
{
  g_autoptr (JsonNode) node = json_node_new (JSON_NODE_OBJECT);

  json_node_set_object (node, object);
  return json_to_string (node, FALSE);
}
