/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One table of fields is both a schema and the check of what a client sends. */
#include "plugin/mcp/berth-mcp-field.h"

#include <math.h>
#include <string.h>

#include "plugin/mcp/berth-mcp-json.h"
#include "pool/berth-error.h"

/* By BerthMcpType: in JSON Schema, and of the elements of an array */
static const struct
{
  const char *type;
  const char *element;
  const char *words;
} types[] = {
  [BERTH_MCP_STRING] = { "string", NULL, "a string, without U+0000" },
  [BERTH_MCP_CONTENT] = { "string", NULL, "a string" },
  [BERTH_MCP_STRINGS] = { "array", "string", "an array of strings, without U+0000" },
  [BERTH_MCP_INTEGER] = { "integer", NULL, "a whole number" },
  [BERTH_MCP_NUMBER] = { "number", NULL, "a number" },
  [BERTH_MCP_BOOLEAN] = { "boolean", NULL, "true or false" },
  [BERTH_MCP_OBJECT] = { "object", NULL, "an object" },
  [BERTH_MCP_OBJECTS] = { "array", "object", "an array of objects" },
};

static const BerthMcpField error_fields[] = {
  { "code", BERTH_MCP_STRING, TRUE,
    "INVALID, CAPACITY, UNAVAILABLE, TIMED_OUT, OUTCOME_UNKNOWN, GONE, DENIED, CONFIG or INTERNAL",
    0, 0, NULL },
  { "cause", BERTH_MCP_STRING, TRUE, "What went wrong", 0, 0, NULL },
  { "remedy", BERTH_MCP_STRING, TRUE, "What to do next", 0, 0, NULL },
  { "retryable", BERTH_MCP_BOOLEAN, TRUE, "Whether the same call may succeed later", 0, 0, NULL },
  { 0 },
};
static const BerthMcpField failure_fields[] = {
  { "error", BERTH_MCP_OBJECT, TRUE, "Instead of the rest, where berth could not do it", 0, 0,
    error_fields },
  { 0 },
};

static gboolean
has_bounds (const BerthMcpField *field)
{
  return field->minimum < field->maximum;
}

/* (transfer floating) */
static GVariant *
number_to_variant (double number)
{
  return floor (number) == number ? g_variant_new_int64 ((gint64)number)
                                  : g_variant_new_double (number);
}

static void add_fields (GVariantBuilder *schema, const BerthMcpField *fields, gboolean is_open);

/* (transfer floating) */
static GVariant *
make_elements_schema (const BerthMcpField *field, gboolean is_open)
{
  GVariantBuilder schema = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);

  g_variant_builder_add (&schema, "{sv}", "type",
                         g_variant_new_string (types[field->type].element));
  if (field->fields != NULL)
    add_fields (&schema, field->fields, is_open);
  return g_variant_builder_end (&schema);
}

/* (transfer floating) */
static GVariant *
make_field_schema (const BerthMcpField *field, gboolean is_open)
{
  GVariantBuilder schema = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);

  g_variant_builder_add (&schema, "{sv}", "type", g_variant_new_string (types[field->type].type));
  if (field->description != NULL)
    g_variant_builder_add (&schema, "{sv}", "description",
                           g_variant_new_string (field->description));
  if (has_bounds (field))
    {
      g_variant_builder_add (&schema, "{sv}", "minimum", number_to_variant (field->minimum));
      g_variant_builder_add (&schema, "{sv}", "maximum", number_to_variant (field->maximum));
    }
  if (types[field->type].element != NULL)
    g_variant_builder_add (&schema, "{sv}", "items", make_elements_schema (field, is_open));
  else if (field->fields != NULL)
    add_fields (&schema, field->fields, is_open);
  return g_variant_builder_end (&schema);
}

/* (transfer floating) (nullable): names of those that an object must have */
static GVariant *
make_required (const BerthMcpField *fields)
{
  g_autoptr (GPtrArray) required = g_ptr_array_new ();

  for (const BerthMcpField *field = fields; field->name != NULL; field++)
    if (field->is_required)
      g_ptr_array_add (required, (gpointer)field->name);
  return required->len == 0
             ? NULL
             : g_variant_new_strv ((const char *const *)required->pdata, (gssize)required->len);
}

static void
add_properties (GVariantBuilder *properties, const BerthMcpField *fields, gboolean is_open)
{
  for (const BerthMcpField *field = fields; field->name != NULL; field++)
    g_variant_builder_add (properties, "{sv}", field->name, make_field_schema (field, is_open));
}

static void
add_fields (GVariantBuilder *schema, const BerthMcpField *fields, gboolean is_open)
{
  GVariantBuilder properties = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);
  GVariant *required = make_required (fields);

  add_properties (&properties, fields, is_open);
  g_variant_builder_add (schema, "{sv}", "properties", g_variant_builder_end (&properties));
  if (required != NULL)
    g_variant_builder_add (schema, "{sv}", "required", required);
  if (!is_open)
    g_variant_builder_add (schema, "{sv}", "additionalProperties", g_variant_new_boolean (FALSE));
}

GVariant *
berth_mcp_field_make_schema (const BerthMcpField *fields)
{
  GVariantBuilder schema = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);

  g_variant_builder_add (&schema, "{sv}", "type", g_variant_new_string ("object"));
  add_fields (&schema, fields, FALSE);
  return g_variant_builder_end (&schema);
}

/* (transfer floating): {"required": [...]} */
static GVariant *
make_alternative (const BerthMcpField *fields)
{
  GVariantBuilder alternative = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);
  GVariant *required = make_required (fields);

  if (required != NULL)
    g_variant_builder_add (&alternative, "{sv}", "required", required);
  return g_variant_builder_end (&alternative);
}

GVariant *
berth_mcp_field_make_result_schema (const BerthMcpField *fields)
{
  GVariantBuilder schema = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);
  GVariantBuilder properties = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);
  GVariantBuilder either = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("aa{sv}"));

  add_properties (&properties, fields, TRUE);
  add_properties (&properties, failure_fields, TRUE);
  g_variant_builder_add_value (&either, make_alternative (fields));
  g_variant_builder_add_value (&either, make_alternative (failure_fields));
  g_variant_builder_add (&schema, "{sv}", "type", g_variant_new_string ("object"));
  g_variant_builder_add (&schema, "{sv}", "properties", g_variant_builder_end (&properties));
  g_variant_builder_add (&schema, "{sv}", "anyOf", g_variant_builder_end (&either));
  return g_variant_builder_end (&schema);
}

/* ---- the check ---- */

static gboolean
is_number (GVariant *value)
{
  return g_variant_is_of_type (value, G_VARIANT_TYPE_INT64)
         || g_variant_is_of_type (value, G_VARIANT_TYPE_DOUBLE);
}

static double
get_number (GVariant *value)
{
  return g_variant_is_of_type (value, G_VARIANT_TYPE_INT64) ? (double)g_variant_get_int64 (value)
                                                            : g_variant_get_double (value);
}

static gboolean
is_of_type (BerthMcpType type, GVariant *value)
{
  switch (type)
    {
    case BERTH_MCP_STRING:
      return g_variant_is_of_type (value, G_VARIANT_TYPE_STRING);
    case BERTH_MCP_CONTENT:
      return berth_mcp_json_is_string (value);
    case BERTH_MCP_INTEGER:
      return is_number (value) && floor (get_number (value)) == get_number (value);
    case BERTH_MCP_NUMBER:
      return is_number (value);
    case BERTH_MCP_BOOLEAN:
      return g_variant_is_of_type (value, G_VARIANT_TYPE_BOOLEAN);
    case BERTH_MCP_OBJECT:
      return g_variant_is_of_type (value, G_VARIANT_TYPE_VARDICT);
    default:
      return g_variant_is_of_type (value, G_VARIANT_TYPE ("av"));
    }
}

G_GNUC_PRINTF (3, 4)
static gboolean
refuse (GError **error, const char *name, const char *format, ...)
{
  va_list arguments;
  g_autofree char *text = NULL;

  va_start (arguments, format);
  text = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID, "argument \"%.40s\" %s", name, text);
  return FALSE;
}

static gboolean
check_elements (const BerthMcpField *field, GVariant *array, GError **error)
{
  const BerthMcpType type = field->type == BERTH_MCP_STRINGS ? BERTH_MCP_STRING : BERTH_MCP_OBJECT;
  GVariantIter iter;
  GVariant *element;
  gboolean ok = TRUE;

  g_variant_iter_init (&iter, array);
  while (ok && (element = g_variant_iter_next_value (&iter)) != NULL)
    {
      g_autoptr (GVariant) value = g_variant_get_variant (element);

      g_variant_unref (element);
      if (!is_of_type (type, value))
        ok = refuse (error, field->name, "must be %s", types[field->type].words);
      else if (field->fields != NULL && !berth_mcp_field_check (field->fields, value, error))
        {
          g_prefix_error (error, "in \"%s\": ", field->name);
          ok = FALSE;
        }
    }
  return ok;
}

static gboolean
check_value (const BerthMcpField *field, GVariant *value, GError **error)
{
  if (!is_of_type (field->type, value))
    return refuse (error, field->name, "must be %s", types[field->type].words);
  if (types[field->type].element != NULL)
    return check_elements (field, value, error);
  if (has_bounds (field)
      && (get_number (value) < field->minimum || get_number (value) > field->maximum))
    return refuse (error, field->name, "is %.15g: give %.15g to %.15g", get_number (value),
                   field->minimum, field->maximum);
  return TRUE;
}

static gboolean
refuse_unknown (const BerthMcpField *fields, const char *name, GError **error)
{
  g_autoptr (GString) known = g_string_new (NULL);

  for (const BerthMcpField *field = fields; field->name != NULL; field++)
    g_string_append_printf (known, "%s%s", known->len > 0 ? ", " : "", field->name);
  return refuse (error, name, "is not known: %s%s",
                 known->len > 0 ? "there are " : "there are none", known->str);
}

gboolean
berth_mcp_field_check (const BerthMcpField *fields, GVariant *object, GError **error)
{
  GVariantIter iter;
  const char *name;
  GVariant *value;

  g_variant_iter_init (&iter, object);
  while (g_variant_iter_next (&iter, "{&sv}", &name, &value))
    {
      g_autoptr (GVariant) owned = value;
      const BerthMcpField *field = fields;

      while (field->name != NULL && strcmp (field->name, name) != 0)
        field++;
      if (field->name == NULL)
        return refuse_unknown (fields, name, error);
      if (!check_value (field, owned, error))
        return FALSE;
    }
  for (const BerthMcpField *field = fields; field->name != NULL; field++)
    {
      g_autoptr (GVariant) given = g_variant_lookup_value (object, field->name, NULL);

      if (given == NULL && field->is_required)
        return refuse (error, field->name, "is missing: %s",
                       field->description != NULL ? field->description : "give it");
    }
  return TRUE;
}
