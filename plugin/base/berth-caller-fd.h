/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A caller's descriptor, made one that only berthd has. Nothing else may read or write what a
 * caller handed over (lint: caller-fd). */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Takes over @fd, a pipe or a socket of user @uid, and gives back what to use in its place, for
 * reading (@is_input) or writing; -1 with BERTH_ERROR_INVALID, @fd is closed then, too.
 *
 * A pipe is opened anew, in a direction that @fd itself was opened in. O_NONBLOCK belongs to the
 * open file description, which the caller still has: it could take the flag away and let berthd
 * hang. A socket must be one of an unnamed pair of streams that @uid made: whoever answers at a
 * named one would take berthd's bytes for berthd's word, SO_PASSCRED says so. */
int berth_caller_fd_take (int fd, gboolean is_input, guint32 uid, GError **error);

/* Takes over @fd, which is to be a listening stream socket (Unix, or TCP), and gives it back; -1
 * with BERTH_ERROR_INVALID, @fd is closed then. Whoever made it had the right to: berthd binds
 * nothing in a caller's stead. Its open file description is the caller's, too, who may take
 * O_NONBLOCK away at any time: accept(2) on it may block, and is for a thread that may. What it
 * accepts is ours. */
int berth_caller_fd_take_listener (int fd, GError **error);

/* Makes an accepted connection, which nobody else has, as berthd needs it: what it has from its
 * listener's options is who made that one's choice, and SO_LINGER makes close(2) wait, O_NONBLOCK
 * or not. A small answer is not kept back, and a peer that has gone without a word is found out.
 * FALSE: it can't be made so, and is not to be used. */
gboolean berth_caller_fd_take_accepted (int fd);

/* As read(2) and write(2), on what berth_caller_fd_take() returned; never wait (EAGAIN), and never
 * raise SIGPIPE for a socket. */
gssize berth_caller_fd_read (int fd, gpointer bytes, gsize size);
gssize berth_caller_fd_write (int fd, gconstpointer bytes, gsize size);

G_END_DECLS
