/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A guest's channel as frames: a socket, the decoder, a queue of what is still to be written. */
#pragma once

#include "berth-frame-decoder.h"

G_BEGIN_DECLS

/* What waits for a guest and is not read: full. A stream's window, as of what comes from it. */
#define BERTH_FRAME_QUEUE_BYTES (256u * 1024u)
/* Requests of a guest that reads nothing: the code and environment of one exec fit beside it. */
#define BERTH_FRAME_QUEUE_BYTES_MAX (4u * 1024u * 1024u)

/* Called from the main context. The frame is borrowed. */
typedef void (*BerthFrameFunc) (const BerthFrame *frame, gpointer user_data);
/* Called once, from the main context, when the channel ends by itself. @error is borrowed. */
typedef void (*BerthFrameClosedFunc) (const GError *error, gpointer user_data);

/* Called from the main context when a queue that was found full has room again. It may free the
 * channel. */
typedef void (*BerthFrameRoomFunc) (gpointer user_data);

typedef struct _BerthFrameChannel BerthFrameChannel;

/* Lives on the thread-default main context of the caller; @user_data must outlive it. */
BerthFrameChannel *berth_frame_channel_new (GSocket *socket, BerthFrameFunc frame_func,
                                            BerthFrameClosedFunc closed_func, gpointer user_data);
/* Closes it; no function is called any more. May be called from within them. */
void berth_frame_channel_free (BerthFrameChannel *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BerthFrameChannel, berth_frame_channel_free)

void berth_frame_channel_expect_hello (BerthFrameChannel *self,
                                       const guint8 nonce[BERTH_PROTOCOL_NONCE_SIZE]);

/* Gets the channel's user data; there is none at first. */
void berth_frame_channel_set_room_func (BerthFrameChannel *self, BerthFrameRoomFunc func);
/* Whether BERTH_FRAME_QUEUE_BYTES wait for the guest already. Streams and credits wait then, until
 * the room function is called: how fast a guest reads is for the guest to say, how much of the
 * host's memory waits for it is not. */
gboolean berth_frame_channel_is_full (BerthFrameChannel *self);

/* While it @holds, streams and links are kept back: it is full for them, and what has no room to
 * wait for is sent when it holds no more. Then the room function is called, as after a full queue.
 */
void berth_frame_channel_hold (BerthFrameChannel *self, gboolean holds);

/* Queues a frame of two parts, either may be empty, and writes what the socket takes at once.
 * Requests are queued even when it is full; a guest that lets them add up is given up. */
void
berth_frame_channel_send (BerthFrameChannel *self, guint32 type, guint32 request,
                          gconstpointer part, gsize part_size, gconstpointer rest, gsize rest_size);

G_END_DECLS
