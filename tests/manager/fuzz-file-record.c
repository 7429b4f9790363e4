/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Any bytes as a run's stream of files: what the reader takes is in bounds, is what would have been
 * written, and is the same however the bytes come. */
#include <string.h>

#include "plugin/model/berth-file-record.h"

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

/* How many bytes the first record takes, 0 where there is none; none but these are asked for. */
static gsize
read_one (BerthFileRecordReader *reader, const guint8 *data, gsize size, gsize most)
{
  gsize at = 0;
  gboolean is_whole = FALSE;

  while (!is_whole)
    {
      guint8 *room;
      gsize wanted = MIN (berth_file_record_reader_get_room (reader, &room), most);

      g_assert_cmpuint (wanted, >, 0);
      if (wanted > size - at)
        return 0;
      memcpy (room, data + at, wanted);
      at += wanted;
      if (!berth_file_record_reader_take (reader, wanted, &is_whole, NULL))
        return 0;
    }
  return at;
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  while (size > 0)
    {
      BerthFileRecordReader reader = { 0 };
      BerthFileRecordReader slow = { 0 };
      gsize taken = read_one (&reader, data, size, G_MAXSIZE);
      g_autoptr (GByteArray) packed = NULL;

      g_assert_cmpuint (read_one (&slow, data, size, 3), ==, taken);
      if (taken == 0)
        return 0;
      g_assert_cmpstr (reader.text, ==, slow.text);
      packed = berth_file_record_pack (reader.record, reader.text);
      g_assert_cmpmem (packed->data, packed->len, data, taken);
      data += taken;
      size -= taken;
    }
  return 0;
}
