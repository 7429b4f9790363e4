/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "plugin/libberth/berth-client.h"

G_BEGIN_DECLS

BerthClient *berth_client_new_here (const char *socket_path);
gboolean berth_client_serves_here (BerthClient *self);

/* (transfer full) (nullable): the connection if there is one. Any thread. */
GDBusConnection *berth_client_dup_connection (BerthClient *self);
/* (transfer full) (nullable): the same, made where there is none, which blocks. Any thread. */
GDBusConnection *berth_client_connect (BerthClient *self, GError **error);

G_END_DECLS
