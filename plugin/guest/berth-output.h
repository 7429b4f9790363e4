/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where the bytes of a program's stream go: to a descriptor at its reader's pace, or into memory up
 * to a bound. */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

typedef struct _BerthOutput BerthOutput;

/* @size bytes have left the output, so that as many may come. In the main context; may be called
 * from within berth_output_write(). */
typedef void (*BerthOutputDrainedFunc) (gsize size, gpointer user_data);

/* Takes @fd over, one of berth_caller_fd_take(). Its reader may go away: what comes after that is
 * dropped. */
BerthOutput *berth_output_new_for_fd (int fd, BerthOutputDrainedFunc func, gpointer user_data);
/* Keeps the first @max bytes, drops the rest. */
BerthOutput *
berth_output_new_for_capture (gsize max, BerthOutputDrainedFunc func, gpointer user_data);
void berth_output_free (BerthOutput *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BerthOutput, berth_output_free)

/* Never blocks; what the reader does not take is kept. The caller bounds that by its credit. */
void berth_output_write (BerthOutput *self, const guint8 *bytes, gsize size);
gboolean berth_output_is_drained (BerthOutput *self);
/* Whether nobody reads the descriptor any more */
gboolean berth_output_is_broken (BerthOutput *self);
/* (nullable): what was captured; NULL for a descriptor */
GBytes *berth_output_dup_bytes (BerthOutput *self, gboolean *out_truncated);

G_END_DECLS
