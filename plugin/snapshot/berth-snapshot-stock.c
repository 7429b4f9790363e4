/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What new VMs are made of. */
#include "plugin/snapshot/berth-snapshot-stock.h"

#include "pool/berth-error.h"

/* Clones that fail one after the other, while nothing else says that the snapshot is bad. */
#define FAILURES_MAX 3u
/* Proofs of 32 bytes that are remembered: two clones that share random numbers were claimed near to
 * each other, and this many claims take a minute at least. */
#define PROOFS_MAX 16384u

typedef struct
{
  BerthSnapshot *snapshot;
  BerthImages *images;
  guint failures;
  gboolean is_doubted;
} Item;

struct _BerthSnapshotStock
{
  GHashTable *items;  /* snapshot's name (owned) -> Item (owned) */
  GHashTable *proofs; /* GBytes (owned) */
  GQueue proof_order; /* GBytes (borrowed from proofs), oldest first */
};

static void
item_free (Item *item)
{
  berth_snapshot_retire (item->snapshot);
  berth_snapshot_unref (item->snapshot);
  berth_images_unref (item->images);
  g_free (item);
}

BerthSnapshotStock *
berth_snapshot_stock_new (void)
{
  BerthSnapshotStock *self = g_new0 (BerthSnapshotStock, 1);

  self->items = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify)item_free);
  self->proofs
      = g_hash_table_new_full (g_bytes_hash, g_bytes_equal, (GDestroyNotify)g_bytes_unref, NULL);
  g_queue_init (&self->proof_order);
  return self;
}

void
berth_snapshot_stock_free (BerthSnapshotStock *self)
{
  GHashTableIter iter;
  char *name;
  Item *item;

  /* the end of this process is no end of the snapshots */
  g_hash_table_iter_init (&iter, self->items);
  while (g_hash_table_iter_next (&iter, (gpointer *)&name, (gpointer *)&item))
    {
      g_hash_table_iter_steal (&iter);
      g_free (name);
      berth_snapshot_unref (item->snapshot);
      berth_images_unref (item->images);
      g_free (item);
    }
  g_hash_table_unref (self->items);
  g_queue_clear (&self->proof_order);
  g_hash_table_unref (self->proofs);
  g_free (self);
}

gboolean
berth_snapshot_stock_set (BerthSnapshotStock *self, const char *name, BerthSnapshot *snapshot,
                          BerthImages *images)
{
  Item *item = g_hash_table_lookup (self->items, name);

  if (snapshot == NULL)
    {
      g_hash_table_remove (self->items, name);
      return TRUE;
    }
  if (berth_snapshot_is_retired (snapshot))
    return FALSE;
  if (item != NULL && item->snapshot == snapshot)
    {
      berth_images_unref (item->images);
      item->images = berth_images_ref (images);
      return TRUE;
    }
  item = g_new0 (Item, 1);
  item->snapshot = berth_snapshot_ref (snapshot);
  item->images = berth_images_ref (images);
  g_hash_table_replace (self->items, g_strdup (name), item);
  return TRUE;
}

BerthSnapshot *
berth_snapshot_stock_get (BerthSnapshotStock *self, const char *name)
{
  Item *item = g_hash_table_lookup (self->items, name);

  return item != NULL ? item->snapshot : NULL;
}

const char *
berth_snapshot_stock_find_key (BerthSnapshotStock *self, const char *key)
{
  GHashTableIter iter;
  const char *name;
  Item *item;

  g_hash_table_iter_init (&iter, self->items);
  while (g_hash_table_iter_next (&iter, (gpointer *)&name, (gpointer *)&item))
    if (g_strcmp0 (berth_snapshot_get_key (item->snapshot), key) == 0)
      return name;
  return NULL;
}

BerthSnapshot *
berth_snapshot_stock_pick (BerthSnapshotStock *self, const char *name, BerthImages *images,
                           GError **error)
{
  Item *item = g_hash_table_lookup (self->items, name);

  if (item == NULL)
    return NULL;
  if (item->images != images)
    g_set_error (error, BERTH_ERROR, BERTH_ERROR_UNAVAILABLE, "the guest's image was built again");
  else if (berth_snapshot_is_intact (item->snapshot, error))
    return item->snapshot;
  g_hash_table_remove (self->items, name);
  return NULL;
}

gboolean
berth_snapshot_stock_note_clone (BerthSnapshotStock *self, const char *name,
                                 BerthSnapshot *snapshot, gboolean has_started)
{
  Item *item = g_hash_table_lookup (self->items, name);

  if (item == NULL || item->snapshot != snapshot)
    return TRUE; /* of one that is history */
  if (has_started)
    {
      item->failures = 0;
      item->is_doubted = FALSE;
      return TRUE;
    }
  item->failures++;
  item->is_doubted = TRUE;
  if (item->failures < FAILURES_MAX)
    return TRUE;
  g_hash_table_remove (self->items, name);
  return FALSE;
}

gboolean
berth_snapshot_stock_take_doubt (BerthSnapshotStock *self, const char *name)
{
  Item *item = g_hash_table_lookup (self->items, name);
  gboolean is_doubted = item != NULL && item->is_doubted;

  if (item != NULL)
    item->is_doubted = FALSE;
  return is_doubted;
}

gboolean
berth_snapshot_stock_check_proof (BerthSnapshotStock *self, const guint8 *proof, gsize size)
{
  g_autoptr (GBytes) bytes = g_bytes_new (proof, size);

  if (g_hash_table_contains (self->proofs, bytes))
    return FALSE;
  g_queue_push_tail (&self->proof_order, bytes);
  g_hash_table_add (self->proofs, g_steal_pointer (&bytes));
  if (g_queue_get_length (&self->proof_order) > PROOFS_MAX)
    g_hash_table_remove (self->proofs, g_queue_pop_head (&self->proof_order));
  return TRUE;
}
