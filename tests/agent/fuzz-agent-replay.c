/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Any bytes as what a terminal has shown: what comes of them is in bounds, the same however they
 * are parted, and theirs: nothing is added or moved. */
#include <glib.h>
#include <string.h>

#include "berth-replay.h"

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

static GByteArray *
pass (const guint8 *data, gsize size, gsize step)
{
  GByteArray *all = g_byte_array_new ();
  BerthReplay replay = { 0 };
  g_autofree guint8 *room = g_malloc (size + BERTH_REPLAY_HELD);

  for (gsize at = 0; at < size; at += step)
    {
      guint32 part = (guint32)MIN (step, size - at);
      guint32 fill = berth_replay_pass (&replay, data + at, part, room);

      g_assert_cmpuint (fill, <=, part + BERTH_REPLAY_HELD);
      g_byte_array_append (all, room, fill);
    }
  g_byte_array_append (all, room, berth_replay_end (&replay, room));
  return all;
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  g_autoptr (GByteArray) whole = pass (data, size, MAX (size, 1));
  g_autoptr (GByteArray) parted = pass (data, size, 1 + size % 5);
  gsize at = 0;

  g_assert_cmpmem (whole->data, whole->len, parted->data, parted->len);
  for (guint i = 0; i < whole->len; i++, at++)
    {
      while (at < size && data[at] != whole->data[i])
        at++;
      g_assert_cmpuint (at, <, size);
    }
  return 0;
}
