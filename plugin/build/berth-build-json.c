/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Decides which JSON is parsed at all. */
#include "plugin/build/berth-build-json.h"

#include <string.h>

#include "pool/berth-error.h"

#define DEPTH_MAX 32u

/* Brackets that are open at a time, those in strings left out */
static gboolean
is_shallow (const char *text, gsize size)
{
  gboolean is_string = FALSE;
  guint depth = 0;

  for (gsize i = 0; i < size; i++)
    {
      if (is_string && text[i] == '\\')
        i++;
      else if (text[i] == '"')
        is_string = !is_string;
      else if (!is_string && (text[i] == '{' || text[i] == '['))
        depth++;
      else if (!is_string && (text[i] == '}' || text[i] == ']') && depth > 0)
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

char *
berth_build_json_dup_object (JsonObject *object)
{
  g_autoptr (JsonNode) node = json_node_new (JSON_NODE_OBJECT);

  json_node_set_object (node, object);
  return json_to_string (node, FALSE);
}
