/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Fuzz target: whatever bytes a guest sends, in whatever pieces, the decoder stays in its bounds.
 * The first byte of the input says how the rest is cut, and whether a HELLO is awaited. */
#include <glib.h>

#include "berth-frame-decoder.h"

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  static const guint8 nonce[BERTH_PROTOCOL_NONCE_SIZE] = "0123456789abcde";
  g_autoptr (BerthFrameDecoder) decoder = berth_frame_decoder_new ();
  gsize step = size > 0 ? 1 + (data[0] & 0x7f) * 37u : 1;
  guint64 sum = 0;

  if (size > 0 && (data[0] & 0x80))
    berth_frame_decoder_expect_hello (decoder, nonce);
  for (gsize done = MIN (size, 1); done < size;)
    {
      g_autoptr (GError) error = NULL;
      BerthFrame frame;
      gsize room;
      guint8 *into;

      while (berth_frame_decoder_next (decoder, &frame, &error))
        for (guint32 i = 0; i < frame.length; i++)
          sum += frame.payload[i]; /* the whole payload must be readable */
      if (error != NULL)
        break;
      into = berth_frame_decoder_reserve (decoder, &room);
      g_assert_cmpuint (room, >, 0);
      room = MIN (MIN (room, step), size - done);
      memcpy (into, data + done, room);
      berth_frame_decoder_commit (decoder, room);
      done += room;
    }
  return sum == G_MAXUINT64 ? 1 : 0;
}
