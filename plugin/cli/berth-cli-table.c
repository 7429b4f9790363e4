/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Lays rows out: every column as wide as its widest cell, nothing after the last. */
#include "plugin/cli/berth-cli-table.h"

#include <string.h>

/**
 * berth_table_new:
 *
 * Returns: (transfer full): a table without rows
 */
BerthTable *
berth_table_new (void)
{
  BerthTable *self = g_new0 (BerthTable, 1);

  self->rows = g_ptr_array_new_with_free_func ((GDestroyNotify) g_strfreev);
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
 * @cells: (transfer full): at most %BERTH_TABLE_COLUMNS
 */
void
berth_table_take_row (BerthTable *self, char **cells)
{
  g_return_if_fail (g_strv_length (cells) <= BERTH_TABLE_COLUMNS);

  g_ptr_array_add (self->rows, cells);
}

static void
measure (BerthTable *self, gsize *widths)
{
  memset (widths, 0, BERTH_TABLE_COLUMNS * sizeof *widths);
  for (guint i = 0; i < self->rows->len; i++)
    {
      char **cells = g_ptr_array_index (self->rows, i);

      for (guint column = 0; cells[column] != NULL; column++)
        widths[column] = MAX (widths[column], strlen (cells[column]));
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
        g_string_append_printf (text, "%-*s%s",
                                cells[column + 1] != NULL ? (int) widths[column] : 0, cells[column],
                                cells[column + 1] != NULL ? "  " : "\n");
    }
  return g_string_free (text, FALSE);
}
