/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Closes what users handed over, where it holds nobody up. close(2) of a file of a user's own file
 * system (FUSE) waits for that user's program, and so does the last one of a TCP socket with
 * SO_LINGER for its peer, and that of a Unix socket in whose queue such a one stands. So it is done
 * on a thread, one for each user: who makes closing take for ever waits for himself only. */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* Takes over @fd, which user @uid handed over. From any thread. */
void berth_closer_close (int fd, guint32 uid);
/* The same with a connection's socket, which is closed from here on for whoever holds @socket. */
void berth_closer_close_socket (GSocket *socket, guint32 uid);
/* How many of @uid are not closed yet */
guint berth_closer_count (guint32 uid);

/* Notes whose @fd is, until berth_closer_close_noted(). */
void berth_closer_note (int fd, guint32 uid);
/* Whose it was noted to be; FALSE: it was not. */
gboolean berth_closer_find (int fd, guint32 *out_uid);
/* Takes over @fd: closes it as that user's, or at once where it is noted to be nobody's. */
void berth_closer_close_noted (int fd);

G_END_DECLS
