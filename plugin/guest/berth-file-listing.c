/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The entries of a folder as a guest sends them: whoever walks through them meets no name that
 * leads anywhere else, and comes to an end. */
#include "berth-file-listing.h"

#include <string.h>

#include "berth-protocol.h"

/* Behind a name, where the version has it */
#define ALLOCATED_SIZE 8u

gsize
berth_file_listing_max (guint count)
{
  return count * (sizeof (BerthLsEntry) + BERTH_NAME_MAX + ALLOCATED_SIZE);
}

/* (nullable): the first entry of these bytes, and its size in them */
static BerthFileEntry *
parse_entry (const guint8 *bytes, gsize size, guint32 version, const char *before, gsize *out_used)
{
  gsize tail = version >= BERTH_LS_ALLOCATED_VERSION ? ALLOCATED_SIZE : 0;
  g_autoptr (BerthFileEntry) entry = NULL;
  BerthLsEntry head;
  const char *name = (const char *)bytes + sizeof head;

  if (size < sizeof head)
    return NULL;
  memcpy (&head, bytes, sizeof head);
  if (size - sizeof head < head.name_size + tail
      || !berth_file_name_is_valid (name, head.name_size))
    return NULL;
  entry = berth_file_entry_new (name, head.name_size);
  if (before != NULL && strcmp (entry->name, before) <= 0)
    return NULL;
  entry->size = head.size;
  entry->mode = head.mode;
  entry->mtime_us = head.mtime_ns / 1000;
  entry->allocated = tail > 0 ? berth_le64_read (bytes + sizeof head + head.name_size)
                              : BERTH_FILE_ALLOCATED_UNKNOWN;
  *out_used = sizeof head + head.name_size + tail;
  return g_steal_pointer (&entry);
}

GPtrArray *
berth_file_listing_parse (const guint8 *bytes, gsize size, guint32 version, guint count_max,
                          const char *after)
{
  g_autoptr (GPtrArray) entries
      = g_ptr_array_new_with_free_func ((GDestroyNotify)berth_file_entry_free);
  const char *before = after;
  gsize used;

  for (gsize at = 0; at < size; at += used)
    {
      BerthFileEntry *entry = entries->len < count_max
                                  ? parse_entry (bytes + at, size - at, version, before, &used)
                                  : NULL;

      if (entry == NULL)
        return NULL;
      before = entry->name;
      g_ptr_array_add (entries, entry);
    }
  return g_steal_pointer (&entries);
}
