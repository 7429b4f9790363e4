/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A guest's channel as frames: a socket, the decoder, a queue of what is still to be written. */
#pragma once

#include "berth-frame-decoder.h"

G_BEGIN_DECLS

/* Called from the main context. The frame is borrowed. */
typedef void (*BerthFrameFunc) (const BerthFrame *frame, gpointer user_data);
/* Called once, from the main context, when the channel ends by itself. @error is borrowed. */
typedef void (*BerthFrameClosedFunc) (const GError *error, gpointer user_data);

typedef struct _BerthFrameChannel BerthFrameChannel;

/* Lives on the thread-default main context of the caller; @user_data must outlive it. */
BerthFrameChannel *berth_frame_channel_new (GSocket *socket, BerthFrameFunc frame_func,
                                            BerthFrameClosedFunc closed_func, gpointer user_data);
/* Closes it; no function is called any more. May be called from within them. */
void berth_frame_channel_free (BerthFrameChannel *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BerthFrameChannel, berth_frame_channel_free)

void berth_frame_channel_expect_hello (BerthFrameChannel *self,
                                       const guint8 nonce[BERTH_PROTOCOL_NONCE_SIZE]);

/* Queues a frame of two parts, either may be empty, and writes what the socket takes at once.
 * The queue is bounded by what callers may have under way: a request and its credits. */
void
berth_frame_channel_send (BerthFrameChannel *self, guint32 type, guint32 request,
                          gconstpointer part, gsize part_size, gconstpointer rest, gsize rest_size);

G_END_DECLS
