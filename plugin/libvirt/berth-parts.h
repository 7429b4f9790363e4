/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A task whose parts are under way at once. */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* @whole returns when all of its parts have, with the error of the first that failed. It has no
 * other task data. The context that makes the parts is the one that they return in. */
void berth_parts_init (GTask *whole);
/* (transfer full): one more part of @whole, which it keeps alive; it returns a boolean */
GTask *berth_parts_add (GTask *whole);

G_END_DECLS
