/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Looks at the files of snapshots while their clones run. A clone reads its memory from there, page
 * by page and for as long as it lives, so what somebody writes into the file reaches the clones
 * that run as much as those to come. */
#include "berth-libvirt-private.h"

#include "pool/berth-vm-private.h"

#define LOOK_US (5 * G_TIME_SPAN_SECOND)

BerthSnapshot *
berth_libvirt_snapshot_of (BerthLibvirt *self, const BerthSlot *slot)
{
  const char *name = NULL;

  if (slot->phase != BERTH_PHASE_UP)
    return NULL; /* a start is looked at by itself, and an end is one */
  if (slot->snapshot_key != NULL)
    name = berth_snapshot_stock_find_key (self->stock, slot->snapshot_key);
  return name != NULL ? berth_snapshot_stock_get (self->stock, name)
                      : berth_machine_get_snapshot (slot->machine);
}

static void
libvirt_end_clone (BerthLibvirt *self, BerthVm *vm, BerthSlot *slot, const char *reason)
{
  g_autoptr (BerthRequest) request = berth_vm_dup_request (vm);

  if (request != NULL)
    berth_libvirt_log (vm, slot->machine, G_LOG_LEVEL_WARNING, BERTH_EVENT_VM_TAMPERED,
                       "%s is ended: user %u's sandbox %s reads memory that somebody changed (%s)",
                       berth_machine_get_name (slot->machine), request->uid, berth_vm_get_id (vm),
                       reason);
  berth_libvirt_end_unasked (self, vm, slot, reason);
}

/* (transfer full) (element-type BerthVm): those that run on @snapshot, or, where it is NULL,
 * sessions of an earlier berthd that run on the one of @key */
static GPtrArray *
libvirt_find_clones (BerthLibvirt *self, BerthSnapshot *snapshot, const char *key)
{
  GPtrArray *clones = g_ptr_array_new_with_free_func (g_object_unref);
  GHashTableIter iter;
  BerthVm *vm;
  BerthSlot *slot;

  g_hash_table_iter_init (&iter, self->slots);
  while (g_hash_table_iter_next (&iter, (gpointer *)&vm, (gpointer *)&slot))
    if (snapshot != NULL ? berth_libvirt_snapshot_of (self, slot) == snapshot
                         : g_strcmp0 (slot->snapshot_key, key) == 0)
      g_ptr_array_add (clones, g_object_ref (vm));
  return clones;
}

static void
libvirt_end_clones (BerthLibvirt *self, GPtrArray *clones, const char *reason)
{
  for (guint i = 0; i < clones->len; i++)
    {
      BerthSlot *slot = g_hash_table_lookup (self->slots, clones->pdata[i]);

      if (slot != NULL && slot->phase == BERTH_PHASE_UP)
        libvirt_end_clone (self, clones->pdata[i], slot, reason);
    }
}

/* New clones first, then those that run: pool is not to be given one for the other. */
static void
libvirt_give_up (BerthLibvirt *self, BerthSnapshot *snapshot, const char *reason)
{
  g_autoptr (GPtrArray) clones = libvirt_find_clones (self, snapshot, NULL);
  g_autofree char *name
      = g_strdup (berth_snapshot_stock_find_key (self->stock, berth_snapshot_get_key (snapshot)));

  if (name != NULL && berth_snapshot_stock_get (self->stock, name) == snapshot)
    {
      berth_snapshot_stock_set (self->stock, name, NULL, NULL);
      berth_libvirt_tell_spoilt (self, name, reason);
    }
  libvirt_end_clones (self, clones, reason);
}

/* (transfer full) (nullable): one that clones run on and somebody changed; @out_reason: likewise */
static BerthSnapshot *
libvirt_find_changed (BerthLibvirt *self, char **out_reason)
{
  g_autoptr (GHashTable) seen = g_hash_table_new (NULL, NULL);
  GHashTableIter iter;
  BerthSlot *slot;

  g_hash_table_iter_init (&iter, self->slots);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *)&slot))
    {
      BerthSnapshot *snapshot = berth_libvirt_snapshot_of (self, slot);
      g_autoptr (GError) error = NULL;

      if (snapshot == NULL || !g_hash_table_add (seen, snapshot)
          || !berth_snapshot_was_changed (snapshot, &error))
        continue;
      *out_reason = g_strdup (error->message);
      return berth_snapshot_ref (snapshot);
    }
  return NULL;
}

void
berth_libvirt_check_clones (BerthLibvirt *self)
{
  BerthSnapshot *snapshot;
  char *reason = NULL;

  /* whose clones are given up is not found a second time */
  while ((snapshot = libvirt_find_changed (self, &reason)) != NULL)
    {
      libvirt_give_up (self, snapshot, reason);
      berth_snapshot_unref (snapshot);
      g_free (reason);
    }
}

void
berth_libvirt_end_clones_of (BerthLibvirt *self, const char *key, const char *reason)
{
  g_autoptr (GPtrArray) clones = libvirt_find_clones (self, NULL, key);

  libvirt_end_clones (self, clones, reason);
}

static gboolean
look_cb (gpointer user_data)
{
  berth_libvirt_check_clones (user_data);
  return G_SOURCE_CONTINUE;
}

void
berth_libvirt_watch_snapshots (BerthLibvirt *self)
{
  if (self->look_id == 0)
    self->look_id = berth_host_add_timer (BERTH_HOST (self), LOOK_US, look_cb, self);
}
