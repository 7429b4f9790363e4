/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a guest wrote to its console, made safe to show. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* (transfer full) (nullable): the last @lines lines of the file, printable characters only; NULL
 * where it can't be read or is empty */
char *berth_console_dup_tail (const char *path, guint lines);

G_END_DECLS
