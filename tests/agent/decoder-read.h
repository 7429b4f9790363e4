/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Bytes that are there, read the way that the agent reads those of a large frame. */
#pragma once

#include <glib.h>

#include "agent-decoder.h"

/* As many of what is missing of a frame as there are; @bytes and @size are then what is left. */
static inline void
decoder_read_missing (BerthAgentDecoder *decoder, const guint8 **bytes, gsize *size)
{
  gsize missing;
  guint8 *to = berth_agent_decoder_missing (decoder, &missing);
  gsize count = MIN (missing, *size);

  g_assert_true (to + missing <= decoder->buffer + sizeof decoder->buffer);
  memcpy (to, *bytes, count);
  berth_agent_decoder_add (decoder, count);
  *bytes += count;
  *size -= count;
}
