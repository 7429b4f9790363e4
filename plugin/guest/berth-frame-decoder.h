/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Turns the bytes that a guest sends into frames, taking nothing on trust and no memory beyond one
 * buffer of fixed size. */
#pragma once

#include <gio/gio.h>

#include "berth-protocol.h"
#include "pool/berth-types.h"

G_BEGIN_DECLS

/**
 * BERTH_PROTOCOL_ERROR:
 * Domain of what a guest did wrong on its channel.
 */
#define BERTH_PROTOCOL_ERROR (berth_protocol_error_quark ())
GQuark berth_protocol_error_quark (void);

/**
 * BerthProtocolError:
 * @BERTH_PROTOCOL_ERROR_TRUNCATED: a payload is shorter than its type needs, or longer
 * @BERTH_PROTOCOL_ERROR_TOO_LARGE: a length out of bounds, or a stream beyond its credit
 * @BERTH_PROTOCOL_ERROR_UNEXPECTED: a frame that nothing called for
 */
typedef enum
{
  BERTH_PROTOCOL_ERROR_TRUNCATED,
  BERTH_PROTOCOL_ERROR_TOO_LARGE,
  BERTH_PROTOCOL_ERROR_UNEXPECTED,
} BerthProtocolError;

/**
 * BerthFrame:
 * @payload: borrowed from the decoder, until its next call
 */
typedef struct
{
  guint32 type;
  guint32 request;
  guint32 length;
  const guint8 *payload;
} BerthFrame;

typedef struct _BerthFrameDecoder BerthFrameDecoder;

BerthFrameDecoder *berth_frame_decoder_new (void);
void berth_frame_decoder_free (BerthFrameDecoder *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BerthFrameDecoder, berth_frame_decoder_free)

/* Throw away everything up to the HELLO_REPLY that returns @nonce. */
void berth_frame_decoder_expect_hello (BerthFrameDecoder *self,
                                       const guint8 nonce[BERTH_PROTOCOL_NONCE_SIZE]);

/* Where to put new bytes: at least one byte of room once every whole frame has been taken out. */
guint8 *berth_frame_decoder_reserve (BerthFrameDecoder *self, gsize *out_size);
void berth_frame_decoder_commit (BerthFrameDecoder *self, gsize size);

/* TRUE: *@out_frame is the next frame, its payload of the right length for its type. FALSE with
 * *@error unset: more bytes are needed. FALSE with *@error set: the guest broke a rule; final. */
gboolean berth_frame_decoder_next (BerthFrameDecoder *self, BerthFrame *out_frame, GError **error);

G_END_DECLS
