/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* berthd's work, inside the program that wants sandboxes. */
#pragma once

#include <gio/gio.h>

#include "berth-client.h"
#include "berth-macros.h"

G_BEGIN_DECLS

#define BERTH_TYPE_SERVER (berth_server_get_type ())
BERTH_AVAILABLE
G_DECLARE_FINAL_TYPE (BerthServer, berth_server, BERTH, SERVER, GObject)

BERTH_AVAILABLE BerthServer *berth_server_new (const char *const *settings, GError **error);
BERTH_AVAILABLE BerthClient *berth_server_get_client (BerthServer *self);

BERTH_AVAILABLE gboolean berth_server_start (BerthServer *self, GCancellable *cancellable,
                                             GError **error);
BERTH_AVAILABLE void berth_server_start_async (BerthServer *self, GCancellable *cancellable,
                                               GAsyncReadyCallback callback, gpointer user_data);
BERTH_AVAILABLE gboolean berth_server_start_finish (BerthServer *self, GAsyncResult *result,
                                                    GError **error);

BERTH_AVAILABLE gboolean berth_server_stop (BerthServer *self, GCancellable *cancellable,
                                            GError **error);
BERTH_AVAILABLE void berth_server_stop_async (BerthServer *self, GCancellable *cancellable,
                                              GAsyncReadyCallback callback, gpointer user_data);
BERTH_AVAILABLE gboolean berth_server_stop_finish (BerthServer *self, GAsyncResult *result,
                                                   GError **error);

G_END_DECLS
