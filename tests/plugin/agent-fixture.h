/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The host's end of an agent, and a guest that the test plays. */
#pragma once

#include "berth-guest.h"

G_BEGIN_DECLS

typedef struct
{
  BerthGuest *agent;
  int peer; /* the guest's end, blocking; -1: the real one's */
  GAsyncResult *result;
  gboolean is_closed;
  char *dir; /* of the real one */
  GPid pid;
} Fixture;

/* Makes the agent; its end is noted. */
void take_socket (Fixture *fixture, GSocket *socket);
void set_up (Fixture *fixture, gconstpointer data);
void tear_down (Fixture *fixture, gconstpointer data);

/* the callback of a call, with a Fixture */
void done_cb (GObject *source, GAsyncResult *result, gpointer user_data);
void run_until_done (Fixture *fixture);

void
peer_send (Fixture *fixture, guint32 type, guint32 request, gconstpointer payload, gsize length);
void append_frame (GByteArray *bytes, guint32 type, guint32 request, gconstpointer payload,
                   guint32 length);
/* The next frame that the host sent; the payload into @payload, which must be large enough. */
BerthFrameHead peer_read (Fixture *fixture, guint8 *payload);

/* Reads the host's hello, and answers with @reply, to which it adds what the host wants back. */
void peer_answer_hello (Fixture *fixture, BerthHelloReply *reply);
/* As berthd takes a caller's descriptor: takes over @fd. */
int hand_over (int fd, gboolean is_input);
/* The hello, both sides of it. @flags: of BERTH_HELLO_* */
void greet (Fixture *fixture, guint32 flags);
/* As an agent that speaks this version of the protocol */
void greet_as (Fixture *fixture, guint32 version, guint32 flags);

G_END_DECLS
