/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Cuts the host's bytes into frames; a pure function of the bytes, see berth-protocol.h. */
#pragma once

#include "berth-protocol.h"

typedef enum
{
  BERTH_AGENT_DECODER_MORE,   /* all bytes are used up, no whole frame yet */
  BERTH_AGENT_DECODER_FRAME,  /* a frame whose payload has the size that its type asks for */
  BERTH_AGENT_DECODER_BROKEN, /* a rule was broken; from here on it hunts for the next HELLO */
} BerthAgentDecoderResult;

typedef struct
{
  bool hunting;  /* throws bytes away until a HELLO begins */
  bool consumed; /* the frame in buffer was handed out */
  size_t fill;
  BerthFrameHead head; /* valid when fill >= BERTH_FRAME_HEAD_SIZE and not hunting */
  uint8_t buffer[BERTH_FRAME_HEAD_SIZE + BERTH_FRAME_MAX_PAYLOAD];
} BerthAgentDecoder;

void berth_agent_decoder_hunt (BerthAgentDecoder *self);
BerthAgentDecoderResult
berth_agent_decoder_next (BerthAgentDecoder *self, const uint8_t **bytes, size_t *size,
                          BerthFrameHead *out_head, const uint8_t **out_payload);
/* Where the rest of the frame goes that has begun, and how many bytes it has: who reads them there
 * saves a copy. None where no frame has begun. */
uint8_t *berth_agent_decoder_missing (BerthAgentDecoder *self, size_t *out_size);
/* So many of them are there now. */
void berth_agent_decoder_add (BerthAgentDecoder *self, size_t size);
/* Whether a frame is there that berth_agent_decoder_next () hands out without any more bytes */
bool berth_agent_decoder_is_whole (const BerthAgentDecoder *self);
