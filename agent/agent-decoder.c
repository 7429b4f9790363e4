/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Decides what is a frame and what is noise in the bytes that the host sends. */
#include "agent-decoder.h"

#define HELLO_SIZE (BERTH_FRAME_HEAD_SIZE + sizeof (BerthHello))

/* Whether a HELLO may begin with these bytes: its type, any request, its length, the magic. */
static bool
may_be_hello (const uint8_t *bytes, size_t size)
{
  uint8_t want[BERTH_FRAME_HEAD_SIZE + BERTH_PROTOCOL_MAGIC_SIZE];

  berth_frame_head_write (want, BERTH_FRAME_HELLO, 0, sizeof (BerthHello));
  memcpy (want + BERTH_FRAME_HEAD_SIZE, BERTH_PROTOCOL_MAGIC, BERTH_PROTOCOL_MAGIC_SIZE);
  for (size_t i = 0; i < size && i < sizeof want; i++)
    if (bytes[i] != want[i] && (i < 4 || i >= 8))
      return false;
  return true;
}

/* Drops `at` bytes from the front, then more until what is left may be the beginning of a HELLO. */
static void
decoder_shift (BerthAgentDecoder *self, size_t at)
{
  while (at < self->fill && !may_be_hello (self->buffer + at, self->fill - at))
    at++;
  self->fill -= at;
  memmove (self->buffer, self->buffer + at, self->fill);
}

/* Begins to look for a HELLO, with nothing in hand. */
void
berth_agent_decoder_hunt (BerthAgentDecoder *self)
{
  self->hunting = true;
  self->consumed = false;
  self->fill = 0;
}

static BerthAgentDecoderResult
decoder_break (BerthAgentDecoder *self)
{
  self->hunting = true;
  /* the HELLO may have begun within what was taken for a frame */
  decoder_shift (self, 1);
  return BERTH_AGENT_DECODER_BROKEN;
}

static void
decoder_take (BerthAgentDecoder *self, const uint8_t **bytes, size_t *size, size_t until)
{
  size_t count = until - self->fill < *size ? until - self->fill : *size;

  memcpy (self->buffer + self->fill, *bytes, count);
  self->fill += count;
  *bytes += count;
  *size -= count;
}

/* Fills the buffer up to a whole HELLO; false when the bytes ran out before. */
static bool
decoder_find_hello (BerthAgentDecoder *self, const uint8_t **bytes, size_t *size)
{
  while (*size > 0 && self->fill < HELLO_SIZE)
    {
      decoder_take (self, bytes, size, self->fill + 1);
      if (!may_be_hello (self->buffer, self->fill))
        decoder_shift (self, 1);
    }
  if (self->fill < HELLO_SIZE)
    return false;
  self->hunting = false;
  return true;
}

/* Whether a frame has begun that was not handed out: its head is legal. */
static bool
decoder_has_begun (const BerthAgentDecoder *self)
{
  return !self->hunting && !self->consumed && self->fill >= BERTH_FRAME_HEAD_SIZE;
}

uint8_t *
berth_agent_decoder_missing (BerthAgentDecoder *self, size_t *out_size)
{
  *out_size = decoder_has_begun (self) ? BERTH_FRAME_HEAD_SIZE + self->head.length - self->fill : 0;
  return self->buffer + self->fill;
}

void
berth_agent_decoder_add (BerthAgentDecoder *self, size_t size)
{
  self->fill += size;
}

bool
berth_agent_decoder_is_whole (const BerthAgentDecoder *self)
{
  return decoder_has_begun (self) && self->fill == BERTH_FRAME_HEAD_SIZE + self->head.length;
}

/* Takes bytes until a frame is whole or a rule is broken. The payload is good until the next
 * call. */
BerthAgentDecoderResult
berth_agent_decoder_next (BerthAgentDecoder *self, const uint8_t **bytes, size_t *size,
                          BerthFrameHead *out_head, const uint8_t **out_payload)
{
  if (self->consumed)
    self->fill = 0;
  self->consumed = false;
  if (self->hunting && !decoder_find_hello (self, bytes, size))
    return BERTH_AGENT_DECODER_MORE;
  if (self->fill < BERTH_FRAME_HEAD_SIZE)
    decoder_take (self, bytes, size, BERTH_FRAME_HEAD_SIZE);
  if (self->fill < BERTH_FRAME_HEAD_SIZE)
    return BERTH_AGENT_DECODER_MORE;
  if (!berth_frame_head_read (self->buffer, &self->head)
      || !berth_frame_head_is_legal (&self->head, BERTH_FRAME_OF_HOST))
    return decoder_break (self);
  decoder_take (self, bytes, size, BERTH_FRAME_HEAD_SIZE + self->head.length);
  if (self->fill < BERTH_FRAME_HEAD_SIZE + self->head.length)
    return BERTH_AGENT_DECODER_MORE;
  if (self->head.type == BERTH_FRAME_HELLO && !may_be_hello (self->buffer, self->fill))
    return decoder_break (self);
  self->consumed = true;
  *out_head = self->head;
  *out_payload = self->buffer + BERTH_FRAME_HEAD_SIZE;
  return BERTH_AGENT_DECODER_FRAME;
}
