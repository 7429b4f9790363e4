/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Our terminal as a wire: what is typed goes on untouched, until it is as it was before. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

gboolean berth_raw_begin (GError **error);
void berth_raw_swallow_answers (void);
void berth_raw_end (gboolean is_clean);
void berth_raw_restore (void);

G_END_DECLS
