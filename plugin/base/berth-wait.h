/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How a synchronous call waits for its asynchronous one. */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

typedef struct
{
  GMainContext *context;
  GAsyncResult *result;
  gboolean is_default;
} BerthWait;

/* @serves_here: the answer comes from this process, on the default main context. Where no other
 * thread runs that one, this thread has to. */
void berth_wait_begin (BerthWait *self, gboolean serves_here);
/* the callback of the asynchronous call */
void berth_wait_cb (GObject *source, GAsyncResult *result, gpointer user_data);
/* (transfer full): waits; ends what berth_wait_begin() began */
GAsyncResult *berth_wait_end (BerthWait *self);

G_END_DECLS
