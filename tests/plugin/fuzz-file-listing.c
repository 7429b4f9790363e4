/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Fuzz target: whatever a guest lists, each name is one component, behind the one before. The first
 * byte of the input says how many entries are allowed, and whether there is one before the first.
 */
#include <string.h>

#include "berth-file-listing.h"

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  g_autoptr (GPtrArray) entries = NULL;
  const char *before = size > 0 && (data[0] & 0x80) ? "m" : NULL;
  guint max = size > 0 ? data[0] & 0x7f : 0;
  g_autofree guint8 *copy = size > 1 ? g_memdup2 (data + 1, size - 1) : NULL;

  entries = berth_file_listing_parse (copy, size > 1 ? size - 1 : 0, max, before);
  if (entries == NULL)
    return 0;
  g_assert_cmpuint (entries->len, <=, max);
  g_assert_cmpuint (size, <=, 1 + berth_file_listing_max (entries->len));
  for (guint i = 0; i < entries->len; i++)
    {
      const BerthFileEntry *entry = g_ptr_array_index (entries, i);

      g_assert_null (strchr (entry->name, '/'));
      g_assert_cmpstr (entry->name, !=, "");
      g_assert_cmpstr (entry->name, !=, ".");
      g_assert_cmpstr (entry->name, !=, "..");
      g_assert_true (before == NULL || strcmp (before, entry->name) < 0);
      before = entry->name;
    }
  return 0;
}
