/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A client of berthd that sends bytes as it likes, where GDBus would send whole messages. */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* Connected and authenticated, the descriptor's reads end after some seconds. */
int raw_client_connect (const char *path);
/* (transfer full): a call of the Manager interface */
GBytes *raw_client_call (const char *method, guint32 serial, GVariant *arguments);
/* How much of it went out, of one try with @flags of sendmsg(2); -1 for nothing. @fds go with it.
 */
gssize raw_client_try_send (int client, const void *bytes, gsize size, const int *fds, guint n_fds,
                            int flags);
/* Whether all of it went out. @fds go with the first byte. */
gboolean raw_client_send (int client, const void *bytes, gsize size, const int *fds, guint n_fds);
gboolean raw_client_send_bytes (int client, GBytes *bytes);
/* (transfer full) (nullable): the next message; NULL when the connection is over */
GDBusMessage *raw_client_receive (int client);
/* Reads what is there until the other end has closed; FALSE where that takes too long. */
gboolean raw_client_is_closed (int client);

G_END_DECLS
