/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where a request waits because all places are taken, and the administrator allows it, sandboxes
 * that nobody uses are hibernated for it: one after the other, the one that is longest unused
 * first. */
#include "plugin/manager/berth-manager-private.h"

#include "pool/berth-error.h"

/* A place that comes free at once, by the end of a run, is as good: nobody is hibernated for that.
 */
#define GRACE_US (G_USEC_PER_SEC / 4)

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

static gboolean
sandbox_is_awake (BerthSandbox *sandbox)
{
  return berth_vm_get_state (berth_sandbox_get_vm (sandbox)) == BERTH_VM_STATE_CLAIMED;
}

/* (nullable): one that runs before one that is paused, which has to be woken for it and may wait
 * for that. @out_next_us: when the next one that runs has been unused for long enough, at the
 * earliest */
static BerthSandbox *
manager_find_unused (BerthManager *self, gint64 *out_next_us)
{
  const gint64 wanted_us = self->config->full_hibernate_s * G_USEC_PER_SEC;
  BerthSandbox *found = NULL;
  gint64 longest_us[2] = { wanted_us - 1, wanted_us - 1 }; /* of the paused, and of the others */
  gint64 next_us = wanted_us;
  GHashTableIter iter;
  BerthSandbox *sandbox;

  g_hash_table_iter_init (&iter, self->sandboxes);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *)&sandbox))
    {
      gint64 unused_us = berth_sandbox_get_unused_us (sandbox);
      gboolean is_awake = sandbox_is_awake (sandbox);

      if (unused_us < 0 || !berth_manager_check_copy (sandbox, NULL))
        continue;
      if (unused_us < wanted_us)
        next_us = MIN (next_us, wanted_us - unused_us);
      if (unused_us <= longest_us[is_awake]
          || (found != NULL && !is_awake && sandbox_is_awake (found)))
        continue;
      longest_us[is_awake] = unused_us;
      found = sandbox;
    }
  *out_next_us = next_us;
  return found;
}

static void manager_look_in (BerthManager *self, gint64 after_us);

static void
made_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  BerthManager *self = BERTH_MANAGER (source);
  g_autoptr (BerthSandbox) sandbox = user_data;
  g_autoptr (GError) error = NULL;

  g_clear_object (&self->room);
  self->room_for = NULL;
  if (!berth_manager_hibernate_finish (self, result, &error)
      && !g_error_matches (error, BERTH_ERROR, BERTH_ERROR_GONE)
      && !g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    {
      g_message ("%s", error->message);
      berth_sandbox_note_tried (sandbox);
    }
  manager_look_in (self, GRACE_US);
}

static void
manager_make_room (BerthManager *self, BerthSandbox *sandbox)
{
  self->room = g_cancellable_new ();
  self->room_for = sandbox;
  berth_manager_hibernate_async (self, berth_sandbox_get_id (sandbox), 0, self->room, made_cb,
                                 g_object_ref (sandbox));
}

/* The pool tells when it is full again, and nothing has to be looked for until then. */
static gboolean
look_cb (gpointer user_data)
{
  BerthManager *self = user_data;
  BerthSandbox *sandbox;
  gint64 next_us;

  self->room_id = 0;
  if (self->config->full_hibernate_s == 0 || !manager_is_full (self))
    return G_SOURCE_REMOVE;
  sandbox = manager_find_unused (self, &next_us);
  if (self->room == NULL && sandbox != NULL)
    manager_make_room (self, sandbox);
  else if (sandbox != NULL && sandbox != self->room_for && sandbox_is_awake (sandbox))
    g_cancellable_cancel (self->room); /* of one that is not awake yet; made_cb() looks again */
  manager_look_in (self, next_us);
  return G_SOURCE_REMOVE;
}

static void
manager_look_in (BerthManager *self, gint64 after_us)
{
  g_clear_handle_id (&self->room_id, g_source_remove);
  if (self->config->full_hibernate_s > 0)
    self->room_id = berth_host_add_timer (self->host, after_us, look_cb, self);
}

void
berth_manager_note_full (BerthManager *self, gboolean is_full)
{
  if (is_full)
    manager_look_in (self, GRACE_US);
  else if (self->room != NULL)
    g_cancellable_cancel (self->room); /* nobody waits for it any more */
}
