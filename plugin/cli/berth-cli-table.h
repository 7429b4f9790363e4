/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Rows of text in columns that line up. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

#define BERTH_TABLE_COLUMNS 10

/**
 * BerthTable:
 * @rows: (element-type GStrv): owned
 *
 * Rows of at most %BERTH_TABLE_COLUMNS cells.
 */
typedef struct
{
  GPtrArray *rows;
} BerthTable;

BerthTable *berth_table_new (void);
void berth_table_free (BerthTable *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BerthTable, berth_table_free)

void berth_table_take_row (BerthTable *self, char **cells);
char *berth_table_to_text (BerthTable *self, const char *indent);

char *berth_table_dup_cell (GVariant *dictionary, const char *key);
char *berth_table_of (GVariant *dictionaries, const char *const *heads, const char *const *keys,
                      const char *indent);

G_END_DECLS
