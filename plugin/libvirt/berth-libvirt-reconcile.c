/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What libvirt tells of the machines: which stopped, which are left over, which are gone after
 * libvirt was away. */
#include "berth-libvirt-private.h"

#include "berth-console.h"
#include "berth-domain.h"
#include "berth-libvirt-error.h"
#include "pool/berth-request.h"
#include "pool/berth-vm-private.h"

/* Between two tries to compare with a libvirt that is there and does not tell all. */
#define COMPARE_US G_USEC_PER_SEC

static gboolean
machine_has_life (BerthMachine *machine, guint life)
{
  guint own = berth_machine_get_life (machine);

  return life == 0 || own == 0 || life == own;
}

/* (nullable): the slot of a domain whose machine is up: while it starts or ends, the step under way
 * finds out by itself. @life: of the domain; what is told late of an earlier one is of no slot any
 * more. 0: nobody knows */
static BerthSlot *
libvirt_find_up (BerthLibvirt *self, const char *uuid, guint life, BerthVm **out_vm)
{
  GHashTableIter iter;
  BerthSlot *slot;

  g_hash_table_iter_init (&iter, self->slots);
  while (g_hash_table_iter_next (&iter, (gpointer *)out_vm, (gpointer *)&slot))
    if (slot->phase == BERTH_PHASE_UP
        && g_strcmp0 (berth_machine_get_uuid (slot->machine), uuid) == 0)
      return machine_has_life (slot->machine, life) ? slot : NULL;
  return NULL;
}

/* TRUE: a machine has the domain. Where that is on its way out, the domain was restored
 * behind it, and is looked at when the machine is gone. */
static gboolean
libvirt_await_end (BerthLibvirt *self, const char *uuid)
{
  GHashTableIter iter;
  BerthSlot *slot;

  g_hash_table_iter_init (&iter, self->slots);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *)&slot))
    if (slot->machine != NULL && g_strcmp0 (berth_machine_get_uuid (slot->machine), uuid) == 0)
      {
        if (berth_slot_is_ending (slot))
          berth_slot_set_next (slot, uuid);
        return TRUE;
      }
  return FALSE;
}

/* What the worker gets of an end of which nobody knows whose it is. */
typedef struct
{
  char *uuid;
  char *reason;
} End;

static void
end_free (gpointer data)
{
  End *end = data;

  g_free (end->uuid);
  g_free (end->reason);
  g_free (end);
}

static void
life_job (GTask *task, gpointer source, gpointer task_data, GCancellable *cancellable)
{
  BerthLibvirt *self = source;
  const End *end = task_data;
  g_autoptr (GError) error = NULL;
  g_auto (virConnectPtr) connection
      = berth_connection_ref_connection (self->connection, BERTH_CONNECTION_CONTROL, &error);

  guint life;

  if (connection != NULL && berth_domain_get_life (connection, end->uuid, &life, &error))
    g_task_return_int (task, life);
  else
    g_task_return_error (task, g_steal_pointer (&error)); /* all are looked at when it is back */
}

static void
life_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  BerthLibvirt *self = BERTH_LIBVIRT (source);
  const End *end = g_task_get_task_data (G_TASK (result));
  g_autoptr (GError) error = NULL;
  gssize life = g_task_propagate_int (G_TASK (result), &error);
  BerthVm *vm;
  BerthSlot *slot = error == NULL ? libvirt_find_up (self, end->uuid, 0, &vm) : NULL;

  /* of one that it is nobody knows which, only that it runs says something */
  if (slot != NULL && (life == 0 || !machine_has_life (slot->machine, (guint)life)))
    berth_libvirt_end_unasked (self, vm, slot, end->reason);
}

static void
libvirt_look_at_life (BerthLibvirt *self, const char *uuid, const char *reason)
{
  g_autoptr (GTask) task = g_task_new (self, NULL, life_cb, NULL);
  End *end = g_new0 (End, 1);

  end->uuid = g_strdup (uuid);
  end->reason = g_strdup (reason);
  g_task_set_task_data (task, end, end_free);
  berth_connection_run (self->connection, BERTH_CONNECTION_CONTROL, task, life_job);
}

/* libvirt goes on with a start whose berthd has died, and restores what an administrator saved. */
static void
begun_cb (const char *uuid, gpointer user_data)
{
  if (!libvirt_await_end (user_data, uuid))
    berth_libvirt_look_for_session (user_data, uuid);
}

/* Of a life that began before the connection did nobody knows the number: its end may be told when
 * the next VM is up in that place already. */
static void
stopped_cb (const char *uuid, guint life, const char *reason, gpointer user_data)
{
  BerthVm *vm;
  BerthSlot *slot = libvirt_find_up (user_data, uuid, life, &vm);

  berth_libvirt_look_at_counted (user_data, uuid);
  if (slot != NULL && life == 0)
    libvirt_look_at_life (user_data, uuid, reason);
  else if (slot != NULL)
    berth_libvirt_end_unasked (user_data, vm, slot, reason);
}

static void
paused_cb (const char *uuid, guint life, gboolean is_paused, gpointer user_data)
{
  BerthVm *vm;
  BerthSlot *slot = libvirt_find_up (user_data, uuid, life, &vm);

  if (slot == NULL)
    {
      begun_cb (uuid, user_data); /* libvirt restores a paused one paused */
      return;
    }
  if (berth_libvirt_is_of_copy (slot, is_paused))
    return;
  berth_libvirt_note_pause (vm, slot, is_paused ? BERTH_PAUSES_SUSPENDED : BERTH_PAUSES_RESUMED);
  berth_libvirt_tell_paused (user_data, vm, slot, is_paused);
}

void
berth_libvirt_note_pause (BerthVm *vm, BerthSlot *slot, BerthPausesNote note)
{
  g_autoptr (BerthRequest) request = berth_vm_dup_request (vm);

  if (request != NULL && berth_pauses_note (&slot->pauses, note))
    berth_machine_set_clock (slot->machine, note == BERTH_PAUSES_RESUMED);
}

/* Nobody tells of pauses while libvirt is away. */
static void
libvirt_doubt_clocks (BerthLibvirt *self)
{
  GHashTableIter iter;
  BerthVm *vm;
  BerthSlot *slot;

  g_hash_table_iter_init (&iter, self->slots);
  while (g_hash_table_iter_next (&iter, (gpointer *)&vm, (gpointer *)&slot))
    if (slot->phase == BERTH_PHASE_UP)
      {
        slot->resumes = FALSE; /* that may not be told any more */
        berth_libvirt_note_pause (vm, slot, BERTH_PAUSES_UNSEEN);
      }
}

/* The domains that are running though no machine of ours has them, and the machines that believe to
 * be up though their domain is not. */
typedef struct
{
  char *instance;
  gboolean is_first;    /* an earlier berthd's are left */
  GHashTable *known;    /* uuid (owned) -> 1 + its pause_number when it is believed to be up */
  GHashTable *lives;    /* uuid (owned) -> the life that it is believed to be in; 0: any */
  GPtrArray *dead;      /* uuid (owned) of those that are not */
  GPtrArray *paused;    /* uuid (owned) of those that are, and do not run */
  GPtrArray *running;   /* uuid (owned) of those that are, and run */
  GPtrArray *adoptable; /* BerthOwnDomain (owned) that this berthd may go on with */
  GPtrArray *counted;   /* (nullable): BerthCounted (owned) */
} Reconcile;

static void
reconcile_free (Reconcile *reconcile)
{
  g_free (reconcile->instance);
  g_hash_table_unref (reconcile->known);
  g_hash_table_unref (reconcile->lives);
  g_ptr_array_unref (reconcile->dead);
  g_ptr_array_unref (reconcile->paused);
  g_ptr_array_unref (reconcile->running);
  g_ptr_array_unref (reconcile->adoptable);
  g_clear_pointer (&reconcile->counted, g_ptr_array_unref);
  g_free (reconcile);
}

/* A warm VM that nobody was given, by libvirt's word and not its guest's: whose claim has begun was
 * resumed, before its mark said so even, and whoever has paused it then was not berth. And a
 * session, which its owner knows by its id. */
static gboolean
is_adoptable (const BerthOwnDomain *domain, gboolean is_first)
{
  if (g_str_equal (domain->mark->state, BERTH_MARK_STATE_WARM))
    return is_first && domain->is_active && domain->stands_by;
  return domain->is_active && g_str_equal (domain->mark->state, BERTH_MARK_STATE_SESSION);
}

static gboolean
end_orphans (virConnectPtr connection, const char *uri, BerthPlaces *places, Reconcile *reconcile,
             GError **error)
{
  g_autoptr (GPtrArray) own = berth_domain_list_own (connection, reconcile->instance, error);

  if (own == NULL)
    return FALSE;
  for (guint i = 0; i < own->len; i++)
    {
      BerthOwnDomain *domain = g_ptr_array_index (own, i);

      if (g_hash_table_contains (reconcile->known, domain->uuid))
        continue;
      if (!domain->is_active) /* a place; berth_libvirt_trim_places() decides whether it stays */
        {
          if (reconcile->is_first) /* its last VM may have ended behind an earlier berthd's back */
            berth_console_remove_logs (uri, domain->name);
          berth_domain_drop_saved (connection, domain->uuid);
          continue;
        }
      if (is_adoptable (domain, reconcile->is_first))
        {
          own->pdata[i] = NULL;
          g_ptr_array_add (reconcile->adoptable, domain);
          continue;
        }
      g_message ("ending domain %s, left behind by an earlier berthd", domain->name);
      if (!berth_domain_end (connection, uri, domain->uuid, domain->name, 0,
                             berth_places_keeps (places, domain->name, domain->uuid), NULL, error))
        return FALSE;
    }
  return TRUE;
}

/* Which list it goes to; NULL with @error: nobody knows whether it lives. */
static GPtrArray *
reconcile_list_for (Reconcile *reconcile, virConnectPtr connection, const char *uuid,
                    GError **error)
{
  guint believed = GPOINTER_TO_UINT (g_hash_table_lookup (reconcile->lives, uuid));
  guint life;

  if (!berth_domain_get_life (connection, uuid, &life, error))
    return NULL;
  if (life == 0 || (believed != 0 && life != believed))
    return reconcile->dead;
  return berth_domain_is_running (connection, uuid) ? reconcile->running : reconcile->paused;
}

/* How those are that berthd has. */
static gboolean
reconcile_known (Reconcile *reconcile, virConnectPtr connection, GError **error)
{
  GHashTableIter iter;
  const char *uuid;
  gpointer is_up;

  g_hash_table_iter_init (&iter, reconcile->known);
  while (g_hash_table_iter_next (&iter, (gpointer *)&uuid, &is_up))
    {
      GPtrArray *list
          = is_up != NULL ? reconcile_list_for (reconcile, connection, uuid, error) : NULL;

      if (is_up != NULL && list == NULL)
        return FALSE;
      if (list != NULL)
        g_ptr_array_add (list, g_strdup (uuid));
    }
  return TRUE;
}

static void
reconcile_job (GTask *task, gpointer source, gpointer task_data, GCancellable *cancellable)
{
  BerthLibvirt *self = source;
  Reconcile *reconcile = task_data;
  g_autoptr (GError) error = NULL;
  g_auto (virConnectPtr) connection
      = berth_connection_ref_connection (self->connection, BERTH_CONNECTION_CONTROL, &error);
  g_autofree char *uri = berth_connection_dup_uri (self->connection);

  if (connection == NULL || !end_orphans (connection, uri, self->places, reconcile, &error)
      || !reconcile_known (reconcile, connection, &error))
    {
      g_task_return_error (task, g_steal_pointer (&error));
      return;
    }
  if (reconcile->is_first && self->counts_domains)
    reconcile->counted = berth_domain_list_counted (connection);
  g_task_return_boolean (task, TRUE);
}

static void
libvirt_reconcile_async (BerthLibvirt *self, gboolean is_first, GAsyncReadyCallback callback,
                         gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (self, NULL, callback, user_data);
  Reconcile *reconcile = g_new0 (Reconcile, 1);
  GHashTableIter iter;
  BerthSlot *slot;

  reconcile->instance = g_strdup (self->instance);
  reconcile->known = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  reconcile->lives = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  reconcile->dead = g_ptr_array_new_with_free_func (g_free);
  reconcile->paused = g_ptr_array_new_with_free_func (g_free);
  reconcile->running = g_ptr_array_new_with_free_func (g_free);
  reconcile->is_first = is_first;
  reconcile->adoptable = g_ptr_array_new_with_free_func ((GDestroyNotify)berth_own_domain_free);
  g_hash_table_iter_init (&iter, self->slots);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *)&slot))
    if (slot->machine != NULL)
      {
        const char *uuid = berth_machine_get_uuid (slot->machine);

        g_hash_table_insert (reconcile->known, g_strdup (uuid),
                             slot->phase == BERTH_PHASE_UP
                                 ? GSIZE_TO_POINTER ((gsize)slot->pause_number + 1)
                                 : NULL);
        g_hash_table_insert (reconcile->lives, g_strdup (uuid),
                             GUINT_TO_POINTER (berth_machine_get_life (slot->machine)));
      }
  g_task_set_task_data (task, reconcile, (GDestroyNotify)reconcile_free);
  berth_connection_run (self->connection, BERTH_CONNECTION_CONTROL, task, reconcile_job);
}

/* What was heard since it was looked at is newer. */
static void
libvirt_note_found (BerthLibvirt *self, const Reconcile *reconcile, GPtrArray *uuids,
                    BerthPausesNote note)
{
  for (guint i = 0; i < uuids->len; i++)
    {
      BerthVm *vm;
      BerthSlot *slot = libvirt_find_up (self, uuids->pdata[i], 0, &vm);
      gsize number = GPOINTER_TO_SIZE (g_hash_table_lookup (reconcile->known, uuids->pdata[i]));

      if (slot == NULL || slot->is_copied) /* the copy lets it go on itself */
        continue;
      if (number != (gsize)slot->pause_number + 1)
        {
          berth_libvirt_look_at_pause (self, vm, slot);
          continue;
        }
      berth_libvirt_note_pause (vm, slot, note);
      berth_libvirt_tell_paused (self, vm, slot, note == BERTH_PAUSES_FOUND_PAUSED);
    }
}

static gboolean
compare_again_cb (gpointer user_data)
{
  BerthLibvirt *self = user_data;

  self->compare_id = 0;
  berth_libvirt_compare (self);
  return G_SOURCE_REMOVE;
}

static void
reconciled_again_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  BerthLibvirt *self = BERTH_LIBVIRT (source);
  Reconcile *reconcile = g_task_get_task_data (G_TASK (result));
  g_autoptr (GError) error = NULL;

  if (!g_task_propagate_boolean (G_TASK (result), &error))
    {
      /* the gate stays shut until it is done; of a connection that is lost again another try
       * follows when it comes up */
      g_warning ("can't compare with libvirt, which is tried again: %s", error->message);
      if (berth_connection_is_up (self->connection) && self->compare_id == 0)
        self->compare_id
            = berth_host_add_timer (BERTH_HOST (self), COMPARE_US, compare_again_cb, self);
      return;
    }
  for (guint i = 0; i < reconcile->dead->len; i++)
    stopped_cb (g_ptr_array_index (reconcile->dead, i), 0, "it ended while libvirt was away", self);
  for (guint i = 0; i < reconcile->adoptable->len; i++)
    berth_libvirt_take_back (self, g_steal_pointer (&reconcile->adoptable->pdata[i]));
  libvirt_note_found (self, reconcile, reconcile->paused, BERTH_PAUSES_FOUND_PAUSED);
  libvirt_note_found (self, reconcile, reconcile->running, BERTH_PAUSES_FOUND_RUNNING);
  berth_libvirt_look_at_counted (self, NULL);
  berth_libvirt_tell_state (self, TRUE);
}

void
berth_libvirt_compare (BerthLibvirt *self)
{
  libvirt_reconcile_async (self, FALSE, reconciled_again_cb, NULL);
}

static void
connection_state_cb (gboolean is_up, gpointer user_data)
{
  BerthLibvirt *self = user_data;

  g_clear_handle_id (&self->compare_id, g_source_remove);
  if (is_up)
    berth_libvirt_compare (self);
  else
    {
      libvirt_doubt_clocks (self);
      berth_libvirt_tell_state (self, FALSE);
    }
}

void
berth_libvirt_listen (BerthLibvirt *self)
{
  berth_connection_set_funcs (self->connection, begun_cb, stopped_cb, paused_cb,
                              connection_state_cb, self);
}

static void
reconciled_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  BerthLibvirt *self = BERTH_LIBVIRT (source);
  Reconcile *reconcile = g_task_get_task_data (G_TASK (result));
  g_autoptr (GError) error = NULL;

  if (!g_task_propagate_boolean (G_TASK (result), &error))
    {
      g_task_return_error (task, g_steal_pointer (&error));
      return;
    }
  self->adoptable = g_ptr_array_ref (reconcile->adoptable);
  self->found_counted = g_steal_pointer (&reconcile->counted);
  g_task_return_boolean (task, TRUE);
}

static void
linked_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  BerthLibvirt *self = g_task_get_source_object (task);
  g_autoptr (GError) error = NULL;

  if (!berth_connection_open_finish (BERTH_CONNECTION (source), result, &error))
    g_task_return_error (task, g_steal_pointer (&error));
  else
    libvirt_reconcile_async (self, TRUE, reconciled_cb, g_steal_pointer (&task));
}

void
berth_libvirt_open (BerthHost *host, GHashTable *templates, GTask *task)
{
  g_autoptr (GTask) owned = task;
  BerthLibvirt *self = BERTH_LIBVIRT (host);
  g_autoptr (GError) error = NULL;

  self->templates = g_hash_table_ref (templates);
  berth_libvirt_watch_snapshots (self);
  /* each start looks again: what is built later is found without a restart */
  if (berth_libvirt_get_images (self, &error) == NULL)
    g_warning ("no program can run yet: %s", error->message);
  berth_connection_open_async (self->connection, g_task_get_cancellable (task), linked_cb,
                               g_steal_pointer (&owned));
}
