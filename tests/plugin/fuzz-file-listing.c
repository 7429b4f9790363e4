/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Fuzz target: whatever a guest lists, each name is one component, behind the one before. The first
 * byte of the input says how many entries are allowed, which version the guest speaks, and whether
 * there is one before the first. */
#include <string.h>

#include "berth-file-listing.h"
#include "berth-protocol.h"

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  g_autoptr (GPtrArray) entries = NULL;
  const char *before = size > 0 && (data[0] & 0x80) ? "m" : NULL;
  guint32 version = size > 0 && (data[0] & 0x40) ? BERTH_PROTOCOL_VERSION : BERTH_PROTOCOL_OLDEST;
  guint max = size > 0 ? data[0] & 0x3f : 0;
  g_autofree guint8 *copy = size > 1 ? g_memdup2 (data + 1, size - 1) : NULL;

  entries = berth_file_listing_parse (copy, size > 1 ? size - 1 : 0, version, max, before);
  if (entries == NULL)
    return 0;
  g_assert_cmpuint (entries->len, <=, max);
  g_assert_cmpuint (size, <=, 1 + berth_file_listing_max (entries->len));
  for (guint i = 0; i < entries->len; i++)
    {
      const BerthFileEntry *entry = g_ptr_array_index (entries, i);

      if (version < BERTH_LS_ALLOCATED_VERSION)
        g_assert_cmpuint (entry->allocated, ==, BERTH_FILE_ALLOCATED_UNKNOWN);
      g_assert_null (strchr (entry->name, '/'));
      g_assert_cmpstr (entry->name, !=, "");
      g_assert_cmpstr (entry->name, !=, ".");
      g_assert_cmpstr (entry->name, !=, "..");
      g_assert_true (before == NULL || strcmp (before, entry->name) < 0);
      before = entry->name;
    }
  return 0;
}
