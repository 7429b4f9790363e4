/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Remembers the last sandboxes that are gone, and tells nobody of another user's. */
#include "plugin/manager/berth-tombstones.h"

struct _BerthTombstones
{
  GHashTable *by_id; /* id (borrowed from value) -> BerthTombstone (owned) */
  GQueue order;      /* BerthTombstone (borrowed), oldest first */
  guint max;
};

static void
tombstone_free (gpointer data)
{
  BerthTombstone *stone = data;

  g_free (stone->id);
  g_free (stone->reason);
  g_clear_object (&stone->vm);
  g_free (stone);
}

/**
 * berth_tombstones_new:
 * @max: how many are kept; the oldest are forgotten
 *
 * One thread's.
 *
 * Returns: (transfer full): none yet
 */
BerthTombstones *
berth_tombstones_new (guint max)
{
  BerthTombstones *self = g_new0 (BerthTombstones, 1);

  self->by_id = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, tombstone_free);
  g_queue_init (&self->order);
  self->max = max;
  return self;
}

/**
 * berth_tombstones_free:
 * @self: (transfer full): all of them
 */
void
berth_tombstones_free (BerthTombstones *self)
{
  g_queue_clear (&self->order);
  g_hash_table_unref (self->by_id);
  g_free (self);
}

/**
 * berth_tombstones_add:
 * @self: tombstones
 * @vm: of the sandbox, which may live a little longer: see berth_tombstones_vm_gone()
 * @uid: whose it was
 * @reason: why it is gone; the first one given holds
 */
void
berth_tombstones_add (BerthTombstones *self, BerthVm *vm, guint32 uid, const char *reason)
{
  BerthTombstone *stone;

  if (g_hash_table_contains (self->by_id, berth_vm_get_id (vm)))
    return;
  stone = g_new0 (BerthTombstone, 1);
  stone->id = g_strdup (berth_vm_get_id (vm));
  stone->uid = uid;
  stone->reason = g_strdup (reason);
  stone->vm = g_object_ref (vm);
  stone->ended_us = g_get_monotonic_time ();
  g_hash_table_insert (self->by_id, stone->id, stone);
  g_queue_push_tail (&self->order, stone);
  if (g_queue_get_length (&self->order) > self->max)
    {
      stone = g_queue_pop_head (&self->order);
      g_hash_table_remove (self->by_id, stone->id);
    }
}

/**
 * berth_tombstones_remove:
 * @self: tombstones
 * @id: of a sandbox that is there again; or of any
 */
void
berth_tombstones_remove (BerthTombstones *self, const char *id)
{
  BerthTombstone *stone = g_hash_table_lookup (self->by_id, id);

  if (stone == NULL)
    return;
  g_queue_remove (&self->order, stone);
  g_hash_table_remove (self->by_id, id);
}

/**
 * berth_tombstones_find:
 * @self: tombstones
 * @id: of a sandbox
 * @uid: who asks; 0 may hear of all
 *
 * Returns: (transfer none) (nullable): its tombstone, if it was the user's and is remembered
 */
const BerthTombstone *
berth_tombstones_find (BerthTombstones *self, const char *id, guint32 uid)
{
  const BerthTombstone *stone = g_hash_table_lookup (self->by_id, id);

  return stone != NULL && (uid == 0 || uid == stone->uid) ? stone : NULL;
}

/**
 * berth_tombstones_vm_gone:
 * @self: tombstones
 * @vm: one that has ended
 *
 * Returns: how long its end took, us; -1 for one that is not remembered, or was gone already
 */
gint64
berth_tombstones_vm_gone (BerthTombstones *self, BerthVm *vm)
{
  BerthTombstone *stone = g_hash_table_lookup (self->by_id, berth_vm_get_id (vm));

  if (stone == NULL || stone->vm == NULL)
    return -1;
  g_clear_object (&stone->vm);
  return g_get_monotonic_time () - stone->ended_us;
}
