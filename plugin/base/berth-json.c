/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* GVariants as JSON: dictionaries in their own order, an empty maybe as null, times with three
 * digits (json-glib prints seventeen: 0.1 as 0.10000000000000001). */
#include "plugin/base/berth-json.h"

#include <math.h>
#include <string.h>

static void append_value (GString *text, GVariant *value);

static void
append_characters (GString *text, const char *string)
{
  for (const char *at = string; *at != '\0'; at++)
    {
      guchar byte = (guchar)*at;

      if (byte == '"' || byte == '\\')
        g_string_append_printf (text, "\\%c", byte);
      else if (byte == '\n')
        g_string_append (text, "\\n");
      else if (byte < 0x20 || byte == 0x7f)
        g_string_append_printf (text, "\\u%04x", byte);
      else if (byte == 0xc2 && (guchar)at[1] >= 0x80 && (guchar)at[1] <= 0x9f)
        /* a control character to a terminal: U+0080 to U+009F are C2 and their own number */
        g_string_append_printf (text, "\\u%04x", (guchar) * ++at);
      else
        g_string_append_c (text, (char)byte);
    }
}

static void
append_string (GString *text, const char *string)
{
  g_string_append_c (text, '"');
  append_characters (text, string);
  g_string_append_c (text, '"');
}

/* As a string, too: NUL is a character, and what is no UTF-8 is U+FFFD. */
static void
append_bytes (GString *text, GVariant *value)
{
  gsize size;
  const char *data = g_variant_get_fixed_array (value, &size, 1);
  const char *end = data + size;

  g_string_append_c (text, '"');
  while (size > 0 && data <= end)
    {
      const char *nul = memchr (data, '\0', (gsize)(end - data));
      g_autofree char *valid = NULL;

      if (nul == NULL)
        nul = end;
      if (nul > data)
        valid = g_utf8_make_valid (data, nul - data);
      append_characters (text, valid != NULL ? valid : "");
      if (nul < end)
        g_string_append (text, "\\u0000");
      data = nul + 1;
    }
  g_string_append_c (text, '"');
}

static void
append_double (GString *text, double number)
{
  char buffer[G_ASCII_DTOSTR_BUF_SIZE + 320];

  if (isfinite (number))
    g_string_append (text, g_ascii_formatd (buffer, sizeof buffer, "%.3f", number));
  else
    g_string_append (text, "null");
}

static void
append_entry (GString *text, GVariant *entry)
{
  g_autoptr (GVariant) key = g_variant_get_child_value (entry, 0);
  g_autoptr (GVariant) value = g_variant_get_child_value (entry, 1);

  append_string (text, g_variant_get_string (key, NULL));
  g_string_append (text, ": ");
  append_value (text, value);
}

static void
append_container (GString *text, GVariant *value)
{
  gboolean is_object = g_variant_is_of_type (value, G_VARIANT_TYPE_DICTIONARY);
  gsize count = g_variant_n_children (value);

  g_string_append_c (text, is_object ? '{' : '[');
  for (gsize i = 0; i < count; i++)
    {
      g_autoptr (GVariant) child = g_variant_get_child_value (value, i);

      if (i > 0)
        g_string_append (text, ", ");
      if (is_object)
        append_entry (text, child);
      else
        append_value (text, child);
    }
  g_string_append_c (text, is_object ? '}' : ']');
}

/* An empty maybe is null; a variant and a full maybe are what is in them. */
static void
append_inner (GString *text, GVariant *value)
{
  g_autoptr (GVariant) inner
      = g_variant_n_children (value) > 0 ? g_variant_get_child_value (value, 0) : NULL;

  if (inner != NULL)
    append_value (text, inner);
  else
    g_string_append (text, "null");
}

static void
append_value (GString *text, GVariant *value)
{
  g_autofree char *number = NULL;

  switch (g_variant_classify (value))
    {
    case G_VARIANT_CLASS_BOOLEAN:
      g_string_append (text, g_variant_get_boolean (value) ? "true" : "false");
      break;
    case G_VARIANT_CLASS_DOUBLE:
      append_double (text, g_variant_get_double (value));
      break;
    case G_VARIANT_CLASS_STRING:
    case G_VARIANT_CLASS_OBJECT_PATH:
    case G_VARIANT_CLASS_SIGNATURE:
      append_string (text, g_variant_get_string (value, NULL));
      break;
    case G_VARIANT_CLASS_VARIANT:
    case G_VARIANT_CLASS_MAYBE:
      append_inner (text, value);
      break;
    case G_VARIANT_CLASS_ARRAY:
      if (g_variant_is_of_type (value, G_VARIANT_TYPE_BYTESTRING))
        append_bytes (text, value);
      else
        append_container (text, value);
      break;
    case G_VARIANT_CLASS_TUPLE:
      append_container (text, value);
      break;
    default:
      number = g_variant_print (value, FALSE);
      g_string_append (text, number);
    }
}

/**
 * berth_json_from_variant:
 * @value: of any type whose dictionaries have strings for keys
 *
 * Returns: (transfer full): @value on one line
 */
char *
berth_json_from_variant (GVariant *value)
{
  GString *text = g_string_new (NULL);

  append_value (text, value);
  return g_string_free (text, FALSE);
}
