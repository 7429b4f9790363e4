/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The whole terminal for text that is shown anew, and as it was before at the end. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef struct _BerthScreen BerthScreen;

BerthScreen *berth_screen_open (void);
void berth_screen_show (BerthScreen *self, const char *text);
void berth_screen_close (BerthScreen *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BerthScreen, berth_screen_close)

G_END_DECLS
