/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Any bytes: the decoder stays within its buffer, uses all of them up, and gives only frames whose
 * size their type allows, the first of them a HELLO. */
#include <glib.h>

#include "agent-decoder.h"
#include "decoder-read.h"

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  static BerthAgentDecoder decoder;
  const guint8 *bytes = data;
  gboolean is_greeted = FALSE;
  guint8 sum = 0;

  berth_agent_decoder_hunt (&decoder);
  while (size > 0 || berth_agent_decoder_is_whole (&decoder))
    {
      const guint8 *payload = NULL;
      BerthFrameHead head = { 0 };
      /* in two halves, so that frames lie across reads */
      gsize half = (size + 1) / 2, left = half;
      gboolean was_whole = berth_agent_decoder_is_whole (&decoder);
      BerthAgentDecoderResult result
          = berth_agent_decoder_next (&decoder, &bytes, &left, &head, &payload);

      size -= half - left;
      if (result == BERTH_AGENT_DECODER_MORE)
        g_assert_cmpuint (left, ==, 0);
      if (was_whole)
        g_assert_cmpint (result, !=, BERTH_AGENT_DECODER_MORE);
      if (result == BERTH_AGENT_DECODER_MORE)
        decoder_read_missing (&decoder, &bytes, &size);
      if (result == BERTH_AGENT_DECODER_BROKEN)
        is_greeted = FALSE;
      if (result != BERTH_AGENT_DECODER_FRAME)
        continue;
      g_assert_true (is_greeted || head.type == BERTH_FRAME_HELLO);
      is_greeted = TRUE;
      g_assert_cmpuint (head.length, <=, BERTH_FRAME_MAX_PAYLOAD);
      for (guint32 i = 0; i < head.length; i++)
        sum ^= payload[i];
    }
  g_assert_cmpuint (sum, <=, 255); /* all of every payload was read */
  return 0;
}
