/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Descriptors that leave this process with a call. */
#pragma once

#include <gio/gunixfdlist.h>

G_BEGIN_DECLS

/* What goes along with the call is *@kept, -1 for nothing yet; what it was before is closed. */

/* The other end of a new pipe; -1 with BERTH_ERROR_LOCAL or _UNAVAILABLE. @kept_reads: the call
 * reads it */
int berth_pipe_open (int *kept, gboolean kept_reads, GError **error);
/* (transfer full) (nullable): the same as a stream: what is written there the call reads, and what
 * the call writes is read there */
GOutputStream *berth_pipe_open_writer (int *kept, GError **error);
GInputStream *berth_pipe_open_reader (int *kept, GError **error);
/* A copy of the caller's @fd. Fails with BERTH_ERROR_INVALID; @key says what it is for */
gboolean berth_pipe_keep_copy (int *kept, int fd, const char *key, GError **error);
/* Moves it to @fds and, as the option @key, to @options. Fails with BERTH_ERROR_LOCAL or
 * _UNAVAILABLE */
gboolean berth_pipe_hand_over (int *kept, const char *key, GVariantDict *options, GUnixFDList *fds,
                               GError **error);
void berth_pipe_close (int *kept);

G_END_DECLS
