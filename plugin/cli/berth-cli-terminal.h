/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a terminal can do beyond text, and whether it should. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

gboolean berth_terminal_can_erase (int fd);
gboolean berth_terminal_has_colour (int fd);
void berth_terminal_get_size (int fd, guint *out_columns, guint *out_rows);
void berth_terminal_write (int fd, const char *text);
void berth_terminal_show_line (int fd, const char *text);
void berth_terminal_erase_line (int fd);

G_END_DECLS
