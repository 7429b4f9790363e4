/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A connection to berthd. */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* Blocks for at most some seconds; any thread, needs no main loop. @path NULL: BERTH_SOCKET, else
 * this user's own berthd, else the system's. @option (nullable): the command's, that names a
 * socket; for messages. (transfer full) (nullable) */
GDBusConnection *berth_dial (const char *path, const char *option, GError **error);
/* (transfer none): the socket of berthd that @connection, from berth_dial(), leads to */
const char *berth_dial_get_path (GDBusConnection *connection);

G_END_DECLS
