/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reads JSON by its grammar and not a bit more: json-glib of Debian 12 takes comments and what else
 * JavaScript has, ends a string at U+0000, and has no bound on depth. */
#include "plugin/mcp/berth-mcp-json.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "pool/berth-error.h"

/* Where a text is read, and why it can't be */
typedef struct
{
  const char *text;
  const char *at;
  const char *end;
  guint depth;
  guint values;
  const char *problem; /* nullable */
} Reader;

static GVariant *read_value (Reader *self);

static gpointer
fail (Reader *self, const char *problem)
{
  if (self->problem == NULL)
    self->problem = problem;
  return NULL;
}

static void
skip_space (Reader *self)
{
  while (self->at < self->end && strchr (" \t\r\n", *self->at) != NULL)
    self->at++;
}

/* After space */
static gboolean
take (Reader *self, char wanted)
{
  skip_space (self);
  if (self->at >= self->end || *self->at != wanted)
    return FALSE;
  self->at++;
  return TRUE;
}

/* -1 where no four hexadecimal digits are */
static gint32
read_hex (Reader *self)
{
  gint32 code = 0;

  for (guint i = 0; i < 4; i++)
    {
      int digit = self->at < self->end ? g_ascii_xdigit_value (*self->at) : -1;

      if (digit < 0)
        return -1;
      code = code * 16 + digit;
      self->at++;
    }
  return code;
}

/* Behind "\u". Half of a surrogate pair stands for no character. */
static gboolean
read_unicode (Reader *self, GString *out)
{
  gint32 code = read_hex (self);
  gint32 low;

  if (code < 0)
    return FALSE;
  if (code >= 0xd800 && code < 0xdc00 && self->end - self->at >= 6
      && strncmp (self->at, "\\u", 2) == 0)
    {
      const char *behind_first = self->at;

      self->at += 2;
      low = read_hex (self);
      if (low >= 0xdc00 && low < 0xe000)
        code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
      else
        self->at = behind_first;
    }
  if (code >= 0xd800 && code < 0xe000)
    code = 0xfffd;
  if (code == 0)
    g_string_append_c (out, '\0');
  else
    g_string_append_unichar (out, (gunichar)code);
  return TRUE;
}

static gboolean
read_escape (Reader *self, GString *out)
{
  static const char letters[] = "\"\\/bfnrt";
  static const char meant[] = "\"\\/\b\f\n\r\t";
  const char *found = self->at < self->end ? memchr (letters, *self->at, strlen (letters)) : NULL;

  if (self->at < self->end && *self->at == 'u')
    {
      self->at++;
      return read_unicode (self, out);
    }
  if (found == NULL)
    return FALSE;
  g_string_append_c (out, meant[found - letters]);
  self->at++;
  return TRUE;
}

/* (transfer full) (nullable): behind its first quote; NUL is a character of it */
static GString *
read_string (Reader *self)
{
  GString *out = g_string_new (NULL);
  gboolean ok = TRUE;

  while (ok && self->at < self->end && *self->at != '"')
    {
      const char *begin = self->at;

      while (self->at < self->end && *self->at != '"' && *self->at != '\\'
             && (guchar)*self->at >= 0x20)
        self->at++;
      g_string_append_len (out, begin, self->at - begin);
      if (self->at < self->end && *self->at == '\\')
        {
          self->at++;
          ok = read_escape (self, out);
        }
      else if (self->at < self->end && *self->at != '"')
        ok = FALSE;
    }
  if (ok && take (self, '"'))
    return out;
  g_string_free (out, TRUE);
  return fail (self, "a string that does not end, or a character that must be escaped");
}

/* Takes over @string. */
static GVariant *
string_to_variant (GString *string)
{
  gsize length = string->len;
  char *text = g_string_free (string, FALSE);

  if (memchr (text, '\0', length) == NULL)
    return g_variant_new_take_string (text);
  return g_variant_new_from_data (G_VARIANT_TYPE_BYTESTRING, text, length, TRUE, g_free, text);
}

static guint
skip_digits (Reader *self)
{
  const char *begin = self->at;

  while (self->at < self->end && g_ascii_isdigit (*self->at))
    self->at++;
  return (guint)(self->at - begin);
}

/* *@out_is_integer: neither fraction nor exponent */
static gboolean
skip_number (Reader *self, gboolean *out_is_integer)
{
  const char *begin;
  guint digits;

  *out_is_integer = TRUE;
  if (*self->at == '-')
    self->at++;
  begin = self->at;
  digits = skip_digits (self);
  if (digits == 0 || (digits > 1 && *begin == '0'))
    return FALSE;
  if (self->at < self->end && *self->at == '.')
    {
      self->at++;
      *out_is_integer = FALSE;
      if (skip_digits (self) == 0)
        return FALSE;
    }
  if (self->at < self->end && (*self->at == 'e' || *self->at == 'E'))
    {
      self->at++;
      *out_is_integer = FALSE;
      if (self->at < self->end && (*self->at == '+' || *self->at == '-'))
        self->at++;
      if (skip_digits (self) == 0)
        return FALSE;
    }
  return TRUE;
}

static GVariant *
read_number (Reader *self)
{
  const char *begin = self->at;
  g_autofree char *text = NULL;
  gboolean is_integer;
  gint64 integer;
  double number;

  if (!skip_number (self, &is_integer))
    return fail (self, "no value");
  text = g_strndup (begin, (gsize)(self->at - begin));
  errno = 0;
  integer = g_ascii_strtoll (text, NULL, 10);
  if (is_integer && errno == 0)
    return g_variant_new_int64 (integer);
  number = g_ascii_strtod (text, NULL);
  return isfinite (number) ? g_variant_new_double (number) : fail (self, "too large a number");
}

static gboolean
read_entry (Reader *self, GVariantBuilder *builder)
{
  GString *key = take (self, '"') ? read_string (self) : fail (self, "no name in quotes");
  GVariant *value;

  if (key != NULL && strlen (key->str) != key->len)
    {
      g_string_free (key, TRUE);
      key = fail (self, "a name with U+0000");
    }
  if (key == NULL)
    return FALSE;
  value = take (self, ':') ? read_value (self) : fail (self, "no colon behind a name");
  if (value != NULL)
    g_variant_builder_add (builder, "{sv}", key->str, value);
  g_string_free (key, TRUE);
  return value != NULL;
}

static gboolean
read_element (Reader *self, GVariantBuilder *builder)
{
  GVariant *value = read_value (self);

  if (value != NULL)
    g_variant_builder_add (builder, "v", value);
  return value != NULL;
}

/* Behind its first bracket */
static GVariant *
read_container (Reader *self, char close, const GVariantType *type,
                gboolean (*read) (Reader *self, GVariantBuilder *builder))
{
  GVariantBuilder builder;
  gboolean ok = TRUE;

  if (self->depth == BERTH_MCP_JSON_DEPTH)
    return fail (self, "too deep: 32 objects and arrays may be in each other");
  g_variant_builder_init (&builder, type);
  self->depth++;
  if (!take (self, close))
    {
      do
        ok = read (self, &builder);
      while (ok && take (self, ','));
      ok = ok && (take (self, close) || fail (self, "neither a comma nor an end") != NULL);
    }
  self->depth--;
  if (ok)
    return g_variant_builder_end (&builder);
  g_variant_builder_clear (&builder);
  return NULL;
}

static gboolean
take_word (Reader *self, const char *word)
{
  gsize length = strlen (word);

  if ((gsize)(self->end - self->at) < length || strncmp (self->at, word, length) != 0)
    return FALSE;
  self->at += length;
  return TRUE;
}

/* (transfer floating) (nullable) */
static GVariant *
read_value (Reader *self)
{
  GString *string;

  skip_space (self);
  if (self->at >= self->end)
    return fail (self, "it ends too early");
  if (self->values++ == BERTH_MCP_JSON_VALUES)
    return fail (self, "too many values: 65,536 may be in a message");
  if (take (self, '{'))
    return read_container (self, '}', G_VARIANT_TYPE_VARDICT, read_entry);
  if (take (self, '['))
    return read_container (self, ']', G_VARIANT_TYPE ("av"), read_element);
  if (take (self, '"'))
    {
      string = read_string (self);
      return string != NULL ? string_to_variant (string) : NULL;
    }
  if (take_word (self, "true"))
    return g_variant_new_boolean (TRUE);
  if (take_word (self, "false"))
    return g_variant_new_boolean (FALSE);
  if (take_word (self, "null"))
    return g_variant_new_maybe (G_VARIANT_TYPE_VARIANT, NULL);
  return read_number (self);
}

/**
 * berth_mcp_json_parse:
 * @text: one JSON value, with space around it
 * @size: of @text; bytes
 *
 * An object is a{sv}, an array av, a string s (or, with U+0000 in it, ay without a NUL behind it),
 * an integer x where it fits, another number d, true and false b, and null an empty mv.
 * berth_json_from_variant() is the way back. Fails with %BERTH_ERROR_INVALID.
 *
 * Returns: (transfer full) (nullable): the value
 */
GVariant *
berth_mcp_json_parse (const char *text, gsize size, GError **error)
{
  Reader reader = { .text = text, .at = text, .end = text + size };
  GVariant *value = NULL;

  if (g_utf8_validate_len (text, size, NULL))
    value = read_value (&reader);
  else
    reader.problem = "not UTF-8";
  skip_space (&reader);
  if (value != NULL && reader.at == reader.end)
    return g_variant_ref_sink (value);
  if (value != NULL)
    g_variant_unref (g_variant_ref_sink (value));
  g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID, "byte %" G_GSIZE_FORMAT " of JSON: %s",
               (gsize)(reader.at - text),
               reader.problem != NULL ? reader.problem : "something follows the value");
  return NULL;
}

/**
 * berth_mcp_json_is_string:
 * @value: of berth_mcp_json_parse()
 *
 * Returns: whether it was a string, whatever is in it
 */
gboolean
berth_mcp_json_is_string (GVariant *value)
{
  return g_variant_is_of_type (value, G_VARIANT_TYPE_STRING)
         || g_variant_is_of_type (value, G_VARIANT_TYPE_BYTESTRING);
}

/**
 * berth_mcp_json_dup_bytes:
 * @string: that is one
 *
 * Returns: (transfer full): its characters as UTF-8, without a NUL behind them
 */
GBytes *
berth_mcp_json_dup_bytes (GVariant *string)
{
  gsize size;
  const char *text;

  if (g_variant_is_of_type (string, G_VARIANT_TYPE_BYTESTRING))
    return g_variant_get_data_as_bytes (string);
  text = g_variant_get_string (string, &size);
  return g_bytes_new (text, size);
}
