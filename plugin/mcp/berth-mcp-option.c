/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Decides which options of the table a model may give, what they are called, and how they get into
 * a request: what the command has a flag for, and what it takes as an argument. */
#include "plugin/mcp/berth-mcp-option.h"

#include <math.h>
#include <string.h>

#include "plugin/mcp/berth-mcp-json.h"
#include "plugin/model/berth-limits.h"
#include "pool/berth-error.h"

#define MODE_EXECUTABLE 0755u
#define MODE_PLAIN 0644u
/* The flag of a command line says what its arguments are; here they are its value. */
#define COMMAND "command"

static const BerthMcpField upload_fields[] = {
  { "path", BERTH_MCP_STRING, TRUE,
    "Where it goes: relative to the home folder, or absolute in it or in /tmp", 0, 0, NULL },
  { "text", BERTH_MCP_CONTENT, FALSE, "The content of a text file", 0, 0, NULL },
  { "base64", BERTH_MCP_STRING, FALSE, "The content of any other file, instead of text", 0, 0,
    NULL },
  { "executable", BERTH_MCP_BOOLEAN, FALSE, "Whether it may be run (default false)", 0, 0, NULL },
  { 0 },
};

/* What a command line has as arguments, and so no flag of the table describes */
static const BerthMcpField plain_fields[] = {
  { "code", BERTH_MCP_CONTENT, FALSE, "The program, as its source text", 0, 0, NULL },
  { COMMAND, BERTH_MCP_STRINGS, FALSE,
    "Instead of code: a program of the sandbox and its arguments as they stand, no shell between, "
    "such as [\"git\", \"status\"]",
    0, 0, NULL },
  { "language", BERTH_MCP_STRING, FALSE, "The code's language, where it is not the sandbox's own",
    0, 0, NULL },
  { "stdin", BERTH_MCP_CONTENT, FALSE,
    "What the program reads from standard input (default nothing)", 0, 0, NULL },
  { "uploads", BERTH_MCP_OBJECTS, FALSE, "Files that are there when the program starts", 0, 0,
    upload_fields },
  { "downloads", BERTH_MCP_STRINGS, FALSE, BERTH_MCP_DOWNLOADS_HELP, 0, 0, NULL },
  { 0 },
};

static BerthMcpType
type_of_kind (BerthOptionKind kind)
{
  switch (kind)
    {
    case BERTH_OPTION_TEXTS:
      return BERTH_MCP_STRINGS;
    case BERTH_OPTION_NUMBER:
      return BERTH_MCP_INTEGER;
    case BERTH_OPTION_MILLISECONDS:
    case BERTH_OPTION_WAIT:
      return BERTH_MCP_NUMBER;
    case BERTH_OPTION_FLAG:
      return BERTH_MCP_BOOLEAN;
    default:
      return BERTH_MCP_STRING;
    }
}

/* (transfer full): a flag as a name: "wait-timeout" is "wait_timeout" */
static char *
dup_name (const BerthOption *option)
{
  return g_strdelimit (g_strdup (option->flag != NULL ? option->flag : option->key), "-", '_');
}

static const BerthMcpField *
find_plain (const char *key)
{
  for (const BerthMcpField *field = plain_fields; field->name != NULL; field++)
    if (strcmp (field->name, key) == 0)
      return field;
  return NULL;
}

/* Seconds, as on the command line, where the table has milliseconds */
static void
set_bounds (BerthMcpField *field, const BerthOption *option)
{
  double unit
      = option->kind == BERTH_OPTION_MILLISECONDS || option->kind == BERTH_OPTION_WAIT ? 1000 : 1;

  field->minimum = (double)MAX (option->min, 0) / unit;
  field->maximum = (double)option->max / unit;
}

static gboolean
has_field (GArray *fields, const char *name)
{
  for (guint i = 0; i < fields->len; i++)
    if (strcmp (g_array_index (fields, BerthMcpField, i).name, name) == 0)
      return TRUE;
  return FALSE;
}

/* Whether a row of @set above has the argument that this one would be called: the language of a run
 * is its template's. */
static gboolean
is_shadowed (BerthOptionSet set, guint place)
{
  const BerthOption *table = berth_option_table ();
  g_autofree char *name = dup_name (&table[place]);

  for (guint i = 0; i < place; i++)
    {
      g_autofree char *above = dup_name (&table[i]);

      if ((table[i].set & set) != 0 && table[i].flag != NULL && strcmp (above, name) == 0)
        return TRUE;
    }
  return FALSE;
}

static void
add_option (GArray *fields, const BerthOption *option)
{
  const BerthMcpField *plain = find_plain (option->key);
  g_autofree char *name = dup_name (option);
  BerthMcpField field = { 0 };

  /* a port is for who is at this host, and that is not the model */
  if ((option->flag == NULL && plain == NULL) || option->kind == BERTH_OPTION_PORTS
      || has_field (fields, name))
    return;
  if (plain != NULL)
    {
      field = *plain;
      field.description = g_strdup (plain->description);
    }
  else
    {
      field.type = type_of_kind (option->kind);
      field.description = option->kind == BERTH_OPTION_TEXTS
                              ? g_strdup_printf ("%s. Each is %s", option->help, option->metavar)
                              : g_strdup (option->help);
      set_bounds (&field, option);
    }
  field.name = g_steal_pointer (&name);
  g_array_append_val (fields, field);
}

/* What runs in the background reads nothing: who would write it later is at a terminal. */
static gboolean
is_offered (const BerthOption *option, BerthOptionSet set)
{
  gboolean is_input = option->kind == BERTH_OPTION_INPUT || strcmp (option->key, "keep_stdin") == 0;

  return (option->set & set) != 0 && !(is_input && (set & BERTH_OPTION_SET_BACKGROUND) != 0);
}

BerthMcpField *
berth_mcp_option_make_fields (const BerthMcpField *own, BerthOptionSet set)
{
  GArray *fields = g_array_new (TRUE, TRUE, sizeof (BerthMcpField));
  const BerthOption *table = berth_option_table ();

  for (; own != NULL && own->name != NULL; own++)
    {
      BerthMcpField field = *own;

      field.name = g_strdup (own->name);
      field.description = g_strdup (own->description);
      g_array_append_val (fields, field);
    }
  for (guint i = 0; i < BERTH_OPTION_COUNT; i++)
    if (is_offered (&table[i], set))
      add_option (fields, &table[i]);
  return (BerthMcpField *)(void *)g_array_free (fields, FALSE);
}

void
berth_mcp_option_free_fields (BerthMcpField *fields)
{
  for (BerthMcpField *field = fields; field->name != NULL; field++)
    {
      g_free ((char *)field->name);
      g_free ((char *)field->description);
    }
  g_free (fields);
}

/* ---- values ---- */

static double
get_number (GVariant *value)
{
  return g_variant_is_of_type (value, G_VARIANT_TYPE_INT64) ? (double)g_variant_get_int64 (value)
                                                            : g_variant_get_double (value);
}

/* (transfer full) */
static GStrv
dup_texts (GVariant *array)
{
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();
  gsize count = g_variant_n_children (array);

  for (gsize i = 0; i < count; i++)
    {
      g_autoptr (GVariant) boxed = g_variant_get_child_value (array, i);
      g_autoptr (GVariant) value = g_variant_get_variant (boxed);

      g_strv_builder_add (builder, g_variant_get_string (value, NULL));
    }
  return g_strv_builder_end (builder);
}

static void
apply_one (const BerthOption *option, GVariant *value, GObject *object)
{
  g_auto (GStrv) texts = NULL;

  switch (option->kind)
    {
    case BERTH_OPTION_NUMBER:
      g_object_set (object, option->property, (guint)get_number (value), NULL);
      break;
    case BERTH_OPTION_MILLISECONDS:
      g_object_set (object, option->property, (guint)lround (get_number (value) * 1000), NULL);
      break;
    case BERTH_OPTION_WAIT:
      g_object_set (object, option->property, (gint64)llround (get_number (value) * 1000), NULL);
      break;
    case BERTH_OPTION_FLAG:
      g_object_set (object, option->property, g_variant_get_boolean (value), NULL);
      break;
    case BERTH_OPTION_TEXTS:
      texts = dup_texts (value);
      g_object_set (object, option->property, texts, NULL);
      break;
    default:
      g_object_set (object, option->property, g_variant_get_string (value, NULL), NULL);
      break;
    }
}

void
berth_mcp_option_apply (BerthOptionSet set, BerthOptionSet part, GVariant *arguments,
                        GObject *object)
{
  const BerthOption *table = berth_option_table ();

  for (guint i = 0; i < BERTH_OPTION_COUNT; i++)
    {
      g_autofree char *name = dup_name (&table[i]);
      g_autoptr (GVariant) value = g_variant_lookup_value (arguments, name, NULL);

      if (value != NULL && (table[i].set & set & part) != 0 && table[i].property != NULL
          && table[i].kind != BERTH_OPTION_BYTES && strcmp (table[i].key, COMMAND) != 0
          && !is_shadowed (set, i))
        apply_one (&table[i], value, object);
    }
}

BerthProgram *
berth_mcp_option_make_program (BerthOptionSet set, GVariant *arguments, GError **error)
{
  g_autoptr (GVariant) code = g_variant_lookup_value (arguments, "code", NULL);
  g_autoptr (GVariant) command = g_variant_lookup_value (arguments, COMMAND, NULL);
  g_autoptr (GBytes) bytes = code != NULL ? berth_mcp_json_dup_bytes (code) : NULL;
  g_auto (GStrv) argv = command != NULL ? dup_texts (command) : NULL;
  BerthProgram *program;

  if ((bytes != NULL) == (argv != NULL))
    {
      g_set_error_literal (error, BERTH_ERROR, BERTH_ERROR_INVALID,
                           "what is run is \"code\" or a \"command\": give one of them");
      return NULL;
    }
  program = argv != NULL ? berth_program_new_for_command ((const char *const *)argv)
                         : berth_program_new_for_bytes (bytes);
  berth_mcp_option_apply (set, BERTH_OPTION_SET_EXEC | BERTH_OPTION_SET_BACKGROUND, arguments,
                          G_OBJECT (program));
  return program;
}

/* ---- files ---- */

/* GLib's decoder passes over what is no base64. */
static GBytes *
decode (const char *text, GError **error)
{
  static const char characters[] = G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS "+/";
  gsize length = strlen (text);
  gsize digits = strspn (text, characters);
  gsize padding = strspn (text + digits, "=");
  gsize size;
  guchar *data;

  if (digits + padding != length || length % 4 != 0 || padding > 2)
    {
      g_set_error_literal (error, BERTH_ERROR, BERTH_ERROR_INVALID,
                           "argument \"base64\" is none: give the standard alphabet, padded, "
                           "without spaces");
      return NULL;
    }
  if (length == 0)
    return g_bytes_new (NULL, 0);
  data = g_base64_decode (text, &size);
  return g_bytes_new_take (data, size);
}

GBytes *
berth_mcp_option_dup_content (GVariant *arguments, GError **error)
{
  g_autoptr (GVariant) text = g_variant_lookup_value (arguments, "text", NULL);
  g_autoptr (GVariant) base64 = g_variant_lookup_value (arguments, "base64", NULL);

  if ((text != NULL) == (base64 != NULL))
    {
      g_set_error_literal (error, BERTH_ERROR, BERTH_ERROR_INVALID,
                           "a file's content is \"text\" or \"base64\": give one of them");
      return NULL;
    }
  if (text != NULL)
    return berth_mcp_json_dup_bytes (text);
  return decode (g_variant_get_string (base64, NULL), error);
}

guint
berth_mcp_option_get_mode (GVariant *arguments)
{
  gboolean is_executable = FALSE;

  g_variant_lookup (arguments, "executable", "b", &is_executable);
  return is_executable ? MODE_EXECUTABLE : MODE_PLAIN;
}

static gboolean
apply_upload (GVariant *upload, BerthProgram *program, GError **error)
{
  g_autoptr (GVariant) path = g_variant_lookup_value (upload, "path", NULL);
  g_autoptr (GBytes) content = berth_mcp_option_dup_content (upload, error);

  if (content != NULL)
    berth_program_add_upload (program, g_variant_get_string (path, NULL), content,
                              berth_mcp_option_get_mode (upload));
  else
    g_prefix_error (error, "upload: ");
  return content != NULL;
}

gboolean
berth_mcp_option_apply_uploads (GVariant *arguments, BerthProgram *program, GError **error)
{
  g_autoptr (GVariant) uploads = g_variant_lookup_value (arguments, "uploads", NULL);
  gsize count = uploads != NULL ? g_variant_n_children (uploads) : 0;

  for (gsize i = 0; i < count; i++)
    {
      g_autoptr (GVariant) boxed = g_variant_get_child_value (uploads, i);
      g_autoptr (GVariant) upload = g_variant_get_variant (boxed);

      if (!apply_upload (upload, program, error))
        return FALSE;
    }
  return TRUE;
}

gboolean
berth_mcp_option_dup_downloads (GVariant *arguments, GStrv *out_paths, GError **error)
{
  g_autoptr (GVariant) downloads = g_variant_lookup_value (arguments, "downloads", NULL);

  *out_paths = NULL;
  if (downloads == NULL)
    return TRUE;
  if (g_variant_n_children (downloads) > BERTH_LIMIT_RUN_DOWNLOADS)
    {
      g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID,
                   "argument \"downloads\" names %" G_GSIZE_FORMAT " files: give %u at most",
                   g_variant_n_children (downloads), BERTH_LIMIT_RUN_DOWNLOADS);
      return FALSE;
    }
  *out_paths = dup_texts (downloads);
  return TRUE;
}
