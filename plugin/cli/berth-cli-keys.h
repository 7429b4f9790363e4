/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is typed at our terminal, on its way to a program's. */
#pragma once

#include <gio/gio.h>
#include <gio/gunixfdlist.h>

G_BEGIN_DECLS

typedef struct _BerthKeys BerthKeys;

/* Whoever types wants no more of the program. */
#define BERTH_KEYS_HANG_UP '.'
#define BERTH_KEYS_LEAVE 'd'
#define BERTH_KEYS_INTERRUPT '\x03' /* Ctrl-C, of who may only look */

typedef void (*BerthKeysFunc) (char way, gpointer user_data);

BerthKeys *berth_keys_new (GUnixFDList *fds, GVariantDict *options, const char *ways,
                           BerthKeysFunc func, gpointer user_data, GError **error);
BerthKeys *berth_keys_new_for_looking (BerthKeysFunc func, gpointer user_data);
void berth_keys_start (BerthKeys *self);
void berth_keys_free (BerthKeys *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BerthKeys, berth_keys_free)

G_END_DECLS
