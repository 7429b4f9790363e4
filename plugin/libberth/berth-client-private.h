/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "plugin/libberth/berth-client.h"

G_BEGIN_DECLS

/* A client of a berthd in this very process: libberth-server's, in whose map it is private. */
BERTH_AVAILABLE BerthClient *berth_client_new_here (const char *socket_path);
gboolean berth_client_serves_here (BerthClient *self);

/* For one call: (transfer full) (nullable), a connection with room for it, if there is one; or the
 * same, made where there is none, which blocks. Any thread. */
GDBusConnection *berth_client_take_connection (BerthClient *self);
GDBusConnection *berth_client_connect (BerthClient *self, GError **error);
/* (transfer full) @connection: the call is over */
void berth_client_return_connection (BerthClient *self, GDBusConnection *connection);

G_END_DECLS
