/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A file between the host's end and a guest that the test plays. */
#pragma once

#include "agent-fixture.h"

G_BEGIN_DECLS

/* what is due now */
void settle (void);

/* the next frame that the host sent, which is of @type; its request */
guint32 peer_expect (Fixture *fixture, guint32 type, guint8 *payload);
void send_data (Fixture *fixture, guint32 request, gconstpointer bytes, gsize size);
void send_credit (Fixture *fixture, guint32 request, guint32 size);
void send_done (Fixture *fixture, guint32 request, gconstpointer bytes, gsize size, guint32 mode,
                guint32 flags);
void send_error (Fixture *fixture, guint32 request, guint32 code, const char *text);

/* Begins it; the other end of its pipe, or -1. */
int begin (Fixture *fixture, BerthFileKind kind, const char *path, guint64 size,
           GCancellable *cancellable);
BerthFileResult *finish (Fixture *fixture, GError **error);
void assert_fails (Fixture *fixture, GQuark domain, int code, const char *part);
/* Closes @fd, too */
void assert_end_of_file (int fd);

G_END_DECLS
