/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How large a program's terminal is, between who says it and who has to be told. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

#define BERTH_TTY_SIDE_MAX 65535u /* rows, and columns */

typedef struct _BerthTty BerthTty;

typedef void (*BerthTtyFunc) (guint rows, guint columns, gpointer user_data);

/* Sides from 1 to BERTH_TTY_SIDE_MAX. Any thread may call any of these. */
BerthTty *berth_tty_new (guint rows, guint columns);
BerthTty *berth_tty_ref (BerthTty *self);
void berth_tty_unref (BerthTty *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BerthTty, berth_tty_unref)

gboolean berth_tty_size_is_valid (guint rows, guint columns);
void berth_tty_get_size (BerthTty *self, guint *out_rows, guint *out_columns);
/* Tells who watches, if it is another size than before. */
void berth_tty_resize (BerthTty *self, guint rows, guint columns);
/* @func hears of the size at once, and of each other one, on the thread that says it. Nobody else
 * hears any more, and @destroy of before is called. @func: (nullable) */
void
berth_tty_watch (BerthTty *self, BerthTtyFunc func, gpointer user_data, GDestroyNotify destroy);

G_END_DECLS
