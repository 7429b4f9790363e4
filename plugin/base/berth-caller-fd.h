/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A caller's descriptor, made one that only berthd has. Nothing else may read or write what a
 * caller handed over (lint: caller-fd). */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* Whether there are descriptors for others beside @reserved ones, which berthd needs itself. From
 * any thread. */
gboolean berth_caller_fd_has_room (guint reserved);

/* As many as the kernel carries with one piece of a Unix socket's stream */
#define BERTH_CALLER_FDS_MAX 253

/**
 * BerthCallerFds:
 * @fds: as they came with a message; whose call it is closes them when it is answered
 * @count: of them
 */
typedef struct
{
  int *fds;
  guint count;
} BerthCallerFds;

/* That at @index, to be taken; -1 with BERTH_ERROR_INVALID: there is none. @self: (nullable) */
int berth_caller_fds_get (const BerthCallerFds *self, gint32 index, GError **error);

/* What to use in place of @fd, a pipe or a socket of user @uid, for reading (@is_input) or writing;
 * -1 with an error. @fd stays the message's.
 *
 * A pipe is opened anew, in a direction that @fd itself was opened in. O_NONBLOCK belongs to the
 * open file description, which the caller still has: it could take the flag away and let berthd
 * hang. A socket must be one of an unnamed pair of streams that @uid made: whoever answers at a
 * named one would take berthd's bytes for berthd's word, SO_PASSCRED says so. */
int berth_caller_fd_take (int fd, gboolean is_input, guint32 uid, GError **error);

/* The same of a listening stream socket (Unix, at which @uid listens, or TCP). Whoever made it had
 * the right to: berthd binds nothing in a caller's stead. Its open file description is the
 * caller's, too, who may take O_NONBLOCK away at any time: accept(2) on it may block, and is for a
 * thread that may. What it accepts is ours. */
int berth_caller_fd_take_listener (int fd, guint32 uid, GError **error);

/* What of these is not needed any more is closed by this and nothing else, for close(2) may wait:
 * see berth-closer.h. What was not taken from a caller is closed at once. */
void berth_caller_fd_close (int fd);
/* Another one of the same, closed in the same way; -1 with errno */
int berth_caller_fd_dup (int fd);

/* Makes an accepted connection, which nobody else has, as berthd needs it: what it has from its
 * listener's options is who made that one's choice, and SO_LINGER makes close(2) wait, O_NONBLOCK
 * or not. A small answer is not kept back, and a peer that has gone without a word is found out.
 * FALSE: it can't be made so, and is not to be used. */
gboolean berth_caller_fd_take_accepted (int fd);

/* As recv(2) with MSG_DONTWAIT. What comes with descriptors is an error, EBADMSG: the kernel would
 * close them in the reader's stead, which may wait. */
gssize berth_caller_fd_receive (int fd, gpointer bytes, gsize size);

/* As read(2) and write(2), on what berth_caller_fd_take() returned; never wait (EAGAIN), and never
 * raise SIGPIPE for a socket. */
gssize berth_caller_fd_read (int fd, gpointer bytes, gsize size);
gssize berth_caller_fd_write (int fd, gconstpointer bytes, gsize size);

/* As send(2) with MSG_DONTWAIT and without SIGPIPE; at a Unix socket whoever asks (SO_PASSCRED)
 * hears that @uid wrote it, for berthd's own word, root's, is no guest's. EPERM: berthd may not say
 * so, and says nothing. */
gssize berth_caller_fd_send_as (int fd, gconstpointer bytes, gsize size, guint32 uid);

/* Takes over @fd. Returns: (transfer full): a stream that is never written here, and carries the
 * descriptor to who writes it */
GOutputStream *berth_caller_fd_hold (int fd);
/* Closes what @held carries, whoever has references to it yet; nothing the second time */
void berth_caller_fd_let_go (GOutputStream *held);

G_END_DECLS
