/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Text that a guest, a caller or a file system may have written, made fit for a person's terminal.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Whether a terminal shows @character and obeys it in nothing. @keeps_lines: line feeds and tabs
 * are shown, too. */
gboolean berth_printable_has (gunichar character, gboolean keeps_lines);

/* (transfer full): valid UTF-8 in which every character is printable; '?' stands for what is not:
 * C0 and C1 (U+009B begins a terminal's command as ESC [ does), DEL, characters that turn the
 * line's direction. @keeps_lines: line feeds and tabs stay. */
char *berth_printable_dup (const char *text, gboolean keeps_lines);

/* @size, without a character of UTF-8 at its end that has begun and not ended: one that a bound or
 * a piece's end has cut is no mistake of who wrote it. Any bytes. */
gsize berth_printable_count_whole (const guint8 *bytes, gsize size);

G_END_DECLS
