/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* JSON of somebody else's: bounded before it is parsed, and asked by type; and our own. */
#pragma once

#include <json-glib/json-glib.h>

G_BEGIN_DECLS

/* (transfer full): the object that @text is; its depth is bounded, for the parser's is not */
JsonObject *berth_build_json_parse (const char *text, gsize size, GError **error);

/* (nullable): the member, where it is of that type */
const char *berth_build_json_get_text (JsonObject *object, const char *key);
JsonObject *berth_build_json_get_object (JsonObject *object, const char *key);
JsonArray *berth_build_json_get_array (JsonObject *object, const char *key);
/* -1: it is no number, or a negative one */
gint64 berth_build_json_get_number (JsonObject *object, const char *key);
/* (nullable): the element, where it is an object */
JsonObject *berth_build_json_get_element (JsonArray *array, guint index);

/* One more member of the object that is made */
void berth_build_json_add_text (JsonBuilder *json, const char *key, const char *value);
void berth_build_json_add_number (JsonBuilder *json, const char *key, gint64 value);
/* (transfer full): as text, on one line */
char *berth_build_json_dup_object (JsonObject *object);

G_END_DECLS
