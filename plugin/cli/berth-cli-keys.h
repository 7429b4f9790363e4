/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is typed at our terminal, on its way to a program's. */
#pragma once

#include <gio/gio.h>
#include <gio/gunixfdlist.h>

G_BEGIN_DECLS

typedef struct _BerthKeys BerthKeys;

/* Whoever types wants no more of the program. */
typedef void (*BerthKeysFunc) (gpointer user_data);

BerthKeys *berth_keys_new (GUnixFDList *fds, GVariantDict *options, BerthKeysFunc hung_up,
                           gpointer user_data, GError **error);
void berth_keys_start (BerthKeys *self);
void berth_keys_free (BerthKeys *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BerthKeys, berth_keys_free)

G_END_DECLS
