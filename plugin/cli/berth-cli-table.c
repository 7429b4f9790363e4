/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Lays rows out: every column as wide as its widest cell, nothing after the last. */
#include "plugin/cli/berth-cli-table.h"

#include <string.h>

#include "plugin/base/berth-printable.h"

#define COLUMN_GAP 2

/**
 * berth_table_new:
 *
 * Returns: (transfer full): a table without rows
 */
BerthTable *
berth_table_new (void)
{
  BerthTable *self = g_new0 (BerthTable, 1);

  self->rows = g_ptr_array_new_with_free_func ((GDestroyNotify)g_strfreev);
  return self;
}

/**
 * berth_table_free:
 * @self: (transfer full) (nullable): a table
 */
void
berth_table_free (BerthTable *self)
{
  if (self == NULL)
    return;
  g_ptr_array_unref (self->rows);
  g_free (self);
}

/**
 * berth_table_take_row:
 * @self: a table
 * @cells: (transfer full): at most %BERTH_TABLE_COLUMNS; what a terminal would obey is shown as '?'
 */
void
berth_table_take_row (BerthTable *self, char **cells)
{
  g_return_if_fail (g_strv_length (cells) <= BERTH_TABLE_COLUMNS);

  for (char **cell = cells; *cell != NULL; cell++)
    {
      g_autofree char *given = *cell;

      *cell = berth_printable_dup (given, FALSE);
    }
  g_ptr_array_add (self->rows, cells);
}

/* What a terminal gives to @text: names of users and templates may be more bytes than columns. */
static gsize
columns_of (const char *text)
{
  gsize columns = 0;

  for (const char *at = text; *at != '\0'; at = g_utf8_next_char (at))
    {
      gunichar character = g_utf8_get_char (at);

      if (!g_unichar_iszerowidth (character))
        columns += g_unichar_iswide (character) ? 2 : 1;
    }
  return columns;
}

static void
measure (BerthTable *self, gsize *widths)
{
  memset (widths, 0, BERTH_TABLE_COLUMNS * sizeof *widths);
  for (guint i = 0; i < self->rows->len; i++)
    {
      char **cells = g_ptr_array_index (self->rows, i);

      for (guint column = 0; cells[column] != NULL; column++)
        widths[column] = MAX (widths[column], columns_of (cells[column]));
    }
}

/**
 * berth_table_to_text:
 * @self: a table
 * @indent: before every row
 *
 * Returns: (transfer full): lines
 */
char *
berth_table_to_text (BerthTable *self, const char *indent)
{
  GString *text = g_string_new (NULL);
  gsize widths[BERTH_TABLE_COLUMNS];

  measure (self, widths);
  for (guint i = 0; i < self->rows->len; i++)
    {
      char **cells = g_ptr_array_index (self->rows, i);

      g_string_append (text, indent);
      for (guint column = 0; cells[column] != NULL; column++)
        {
          gboolean is_last = cells[column + 1] == NULL;
          gsize gap = is_last ? 0 : widths[column] - columns_of (cells[column]) + COLUMN_GAP;

          g_string_append (text, cells[column]);
          g_string_append_printf (text, "%*s", (int)gap, "");
          if (is_last)
            g_string_append_c (text, '\n');
        }
    }
  return g_string_free (text, FALSE);
}

/**
 * berth_table_dup_cell:
 * @dictionary: (nullable): a{sv}
 * @key: of it
 *
 * Returns: (transfer full): any value as a cell: "-" for none, text without its quotes, whole
 * numbers
 */
char *
berth_table_dup_cell (GVariant *dictionary, const char *key)
{
  g_autoptr (GVariant) value
      = dictionary != NULL ? g_variant_lookup_value (dictionary, key, NULL) : NULL;

  if (value == NULL)
    return g_strdup ("-");
  if (g_variant_is_of_type (value, G_VARIANT_TYPE_DOUBLE))
    return g_strdup_printf ("%.0f", g_variant_get_double (value));
  if (!g_variant_is_of_type (value, G_VARIANT_TYPE_STRING))
    return g_variant_print (value, FALSE);
  if (g_variant_get_string (value, NULL)[0] == '\0')
    return g_strdup ("-");
  return g_variant_dup_string (value, NULL);
}

/* Seconds as a person counts them */
static char *
dup_age (GVariant *dictionary, const char *key)
{
  g_autofree char *cell = berth_table_dup_cell (dictionary, key);
  guint64 seconds;

  if (!g_ascii_string_to_unsigned (cell, 10, 0, G_MAXUINT32, &seconds, NULL))
    return g_steal_pointer (&cell);
  if (seconds < 60)
    return g_strdup_printf ("%us", (guint)seconds);
  if (seconds < 3600)
    return g_strdup_printf ("%um%02us", (guint)seconds / 60, (guint)seconds % 60);
  if (seconds < 86400)
    return g_strdup_printf ("%uh%02um", (guint)seconds / 3600, (guint)seconds / 60 % 60);
  return g_strdup_printf ("%ud%02uh", (guint)seconds / 86400, (guint)seconds / 3600 % 24);
}

static void
add_row (BerthTable *table, GVariant *dictionary, const char *const *keys)
{
  GPtrArray *cells = g_ptr_array_new ();

  for (guint i = 0; keys[i] != NULL; i++)
    {
      gboolean is_age = strcmp (keys[i], "age_s") == 0 || strcmp (keys[i], "since") == 0
                        || strcmp (keys[i], "estimate_s") == 0;

      g_ptr_array_add (cells, is_age ? dup_age (dictionary, keys[i])
                                     : berth_table_dup_cell (dictionary, keys[i]));
    }
  g_ptr_array_add (cells, NULL);
  berth_table_take_row (table, (char **)g_ptr_array_free (cells, FALSE));
}

/**
 * berth_table_of:
 * @dictionaries: aa{sv}, a row each
 * @heads: (array zero-terminated=1): the first row
 * @keys: (array zero-terminated=1): what stands in the columns
 * @indent: in front of each line
 *
 * Returns: (transfer full): the text of it
 */
char *
berth_table_of (GVariant *dictionaries, const char *const *heads, const char *const *keys,
                const char *indent)
{
  g_autoptr (BerthTable) table = berth_table_new ();

  berth_table_take_row (table, g_strdupv ((char **)heads));
  for (gsize i = 0; i < g_variant_n_children (dictionaries); i++)
    {
      g_autoptr (GVariant) dictionary = g_variant_get_child_value (dictionaries, i);

      add_row (table, dictionary, keys);
    }
  return berth_table_to_text (table, indent);
}
