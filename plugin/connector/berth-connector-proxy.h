/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Has a proxy connect to a name. */
#pragma once

#include "plugin/reach/berth-reach-proxy.h"

G_BEGIN_DECLS

/* @connection: to the proxy. It outlives the call, as does @self; what follows the proxy's yes is
 * left in it. Main context. */
void berth_connector_proxy_ask_async (const BerthReachProxy *self, GSocketConnection *connection,
                                      const char *name, guint16 port, GCancellable *cancellable,
                                      GAsyncReadyCallback callback, gpointer user_data);
gboolean berth_connector_proxy_ask_finish (GAsyncResult *result, GError **error);

G_END_DECLS
