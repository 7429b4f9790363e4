/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Turns the bytes that a guest sends into frames, taking nothing on trust and no memory beyond one
 * buffer of fixed size. */
#include "berth-frame-decoder.h"

/* room for one whole frame and a good part of the next, so that a full frame never waits for a
 * compaction of the buffer */
#define BUFFER_SIZE (BERTH_FRAME_HEAD_SIZE + BERTH_FRAME_MAX_PAYLOAD + 32768u)
/* bytes of an earlier conversation that may stand before the HELLO_REPLY: what the guest's kernel
 * and QEMU can have held back, generously */
#define HUNT_MAX (1024u * 1024u)

G_DEFINE_QUARK (berth - protocol - error - quark, berth_protocol_error)

struct _BerthFrameDecoder
{
  guint8 nonce[BERTH_PROTOCOL_NONCE_SIZE];
  gboolean is_hunting;
  gsize hunted;
  gsize begin; /* of the bytes not yet taken out */
  gsize end;
  guint8 buffer[BUFFER_SIZE];
};

BerthFrameDecoder *
berth_frame_decoder_new (void)
{
  return g_new0 (BerthFrameDecoder, 1);
}

void
berth_frame_decoder_free (BerthFrameDecoder *self)
{
  g_free (self);
}

void
berth_frame_decoder_expect_hello (BerthFrameDecoder *self,
                                  const guint8 nonce[BERTH_PROTOCOL_NONCE_SIZE])
{
  memcpy (self->nonce, nonce, BERTH_PROTOCOL_NONCE_SIZE);
  self->is_hunting = TRUE;
  self->hunted = 0;
}

guint8 *
berth_frame_decoder_reserve (BerthFrameDecoder *self, gsize *out_size)
{
  if (self->begin == self->end)
    self->begin = self->end = 0;
  else if (self->begin > 0 && self->end > BUFFER_SIZE / 2)
    {
      memmove (self->buffer, self->buffer + self->begin, self->end - self->begin);
      self->end -= self->begin;
      self->begin = 0;
    }
  *out_size = BUFFER_SIZE - self->end;
  return self->buffer + self->end;
}

void
berth_frame_decoder_commit (BerthFrameDecoder *self, gsize size)
{
  g_assert (size <= BUFFER_SIZE - self->end);
  self->end += size;
}

static void
decoder_skip (BerthFrameDecoder *self, gsize size)
{
  self->begin += size;
  self->hunted += size;
}

static gboolean
is_expected_hello (BerthFrameDecoder *self, const guint8 *bytes)
{
  const guint8 *payload = bytes + BERTH_FRAME_HEAD_SIZE;
  BerthFrameHead head;

  return berth_frame_head_read (bytes, &head) && head.type == BERTH_FRAME_HELLO_REPLY
         && head.length == sizeof (BerthHelloReply)
         && memcmp (payload + G_STRUCT_OFFSET (BerthHelloReply, nonce), self->nonce,
                    BERTH_PROTOCOL_NONCE_SIZE)
                == 0;
}

/* Moves `begin` to the HELLO_REPLY; FALSE when it is not (wholly) there yet. */
static gboolean
decoder_hunt (BerthFrameDecoder *self)
{
  const gsize whole = BERTH_FRAME_HEAD_SIZE + sizeof (BerthHelloReply);

  while (self->end - self->begin >= whole)
    {
      const guint8 *bytes = self->buffer + self->begin;
      gsize size = self->end - self->begin;
      const guint8 *magic = memmem (bytes + BERTH_FRAME_HEAD_SIZE, size - BERTH_FRAME_HEAD_SIZE,
                                    BERTH_PROTOCOL_MAGIC, BERTH_PROTOCOL_MAGIC_SIZE);

      if (magic == NULL)
        {
          decoder_skip (self, size - whole + 1);
          return FALSE;
        }
      decoder_skip (self, (gsize)(magic - bytes) - BERTH_FRAME_HEAD_SIZE);
      if (self->end - self->begin < whole)
        return FALSE;
      if (is_expected_hello (self, self->buffer + self->begin))
        return TRUE;
      decoder_skip (self, 1);
    }
  return FALSE;
}

gboolean
berth_frame_decoder_next (BerthFrameDecoder *self, BerthFrame *out_frame, GError **error)
{
  BerthFrameHead head;

  if (self->is_hunting)
    {
      gboolean is_found = decoder_hunt (self);

      if (!is_found && self->hunted > HUNT_MAX)
        {
          g_set_error (error, BERTH_PROTOCOL_ERROR, BERTH_PROTOCOL_ERROR_UNEXPECTED,
                       "no answer to the greeting in %" G_GSIZE_FORMAT " bytes", self->hunted);
          return FALSE;
        }
      if (!is_found)
        return FALSE;
      self->is_hunting = FALSE;
    }

  if (self->end - self->begin < BERTH_FRAME_HEAD_SIZE)
    return FALSE;
  if (!berth_frame_head_read (self->buffer + self->begin, &head))
    {
      g_set_error_literal (error, BERTH_PROTOCOL_ERROR, BERTH_PROTOCOL_ERROR_TOO_LARGE,
                           "a frame's length is out of bounds");
      return FALSE;
    }
  if (!berth_frame_head_is_legal (&head, BERTH_FRAME_OF_AGENT))
    {
      g_set_error (error, BERTH_PROTOCOL_ERROR, BERTH_PROTOCOL_ERROR_TRUNCATED,
                   "a frame of type %u can't have %u bytes", head.type, head.length);
      return FALSE;
    }
  if (self->end - self->begin < BERTH_FRAME_HEAD_SIZE + head.length)
    return FALSE;

  *out_frame = (BerthFrame){
    .type = head.type,
    .request = head.request,
    .length = head.length,
    .payload = self->buffer + self->begin + BERTH_FRAME_HEAD_SIZE,
  };
  self->begin += BERTH_FRAME_HEAD_SIZE + head.length;
  return TRUE;
}
