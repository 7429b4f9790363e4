/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where a request waits because all places are taken, and the administrator allows it, sandboxes
 * that nobody uses are hibernated for it: one after the other, the one that is longest unused
 * first. */
#include "plugin/manager/berth-manager-private.h"

#include "pool/berth-error.h"

/* A request that is served at once is none that waits. */
#define LOOK_EVERY_US (G_USEC_PER_SEC / 4)

/* Somebody waits for a place, and not for another reason: a new request would get none. */
static gboolean
manager_is_full (BerthManager *self)
{
  g_autoptr (GVariant) status = berth_pool_dup_status (self->pool);
  g_autoptr (GVariant) slots = g_variant_lookup_value (status, "slots", G_VARIANT_TYPE_VARDICT);
  gboolean is_open = FALSE;
  gboolean is_admitting = TRUE;
  guint n_waiting = 0;
  guint n_free = 1;

  g_variant_lookup (status, "open", "b", &is_open);
  g_variant_lookup (status, "admitting", "b", &is_admitting);
  g_variant_lookup (status, "n_waiting", "u", &n_waiting);
  g_variant_lookup (slots, "free", "u", &n_free);
  return is_open && is_admitting && n_waiting > 0 && n_free == 0;
}

/* (nullable) */
static BerthSandbox *
manager_find_unused (BerthManager *self)
{
  gint64 longest_us = self->config->full_hibernate_s * G_USEC_PER_SEC - 1;
  BerthSandbox *found = NULL;
  GHashTableIter iter;
  BerthSandbox *sandbox;

  g_hash_table_iter_init (&iter, self->sandboxes);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *)&sandbox))
    {
      gint64 unused_us = berth_sandbox_get_unused_us (sandbox);

      if (unused_us <= longest_us || !berth_manager_check_copy (sandbox, NULL))
        continue;
      longest_us = unused_us;
      found = sandbox;
    }
  return found;
}

static void
made_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  BerthManager *self = BERTH_MANAGER (source);
  g_autoptr (GError) error = NULL;

  self->is_making_room = FALSE;
  if (!berth_manager_hibernate_finish (self, result, &error)
      && !g_error_matches (error, BERTH_ERROR, BERTH_ERROR_GONE))
    g_message ("%s", error->message);
}

static gboolean
look_cb (gpointer user_data)
{
  BerthManager *self = user_data;
  BerthSandbox *sandbox;

  if (self->acquiring == 0 || self->config->full_hibernate_s == 0)
    {
      self->room_id = 0;
      return G_SOURCE_REMOVE;
    }
  sandbox = !self->is_making_room && manager_is_full (self) ? manager_find_unused (self) : NULL;
  if (sandbox == NULL)
    return G_SOURCE_CONTINUE;
  self->is_making_room = TRUE;
  berth_sandbox_note_tried (sandbox);
  berth_manager_hibernate_async (self, berth_sandbox_get_id (sandbox), 0, NULL, made_cb, NULL);
  return G_SOURCE_CONTINUE;
}

void
berth_manager_note_acquire (BerthManager *self, int change)
{
  self->acquiring += (guint)change;
  if (self->acquiring > 0 && self->config->full_hibernate_s > 0 && self->room_id == 0)
    self->room_id = berth_host_add_timer (self->host, LOOK_EVERY_US, look_cb, self);
}
