/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How one snapshot comes to be: looked for, made by a VM that waits for its place in the pool like
 * everybody else's, made again when it does not hold any more. One is made at a time; requests are
 * served cold meanwhile. */
#include "berth-keeper-private.h"

#include "pool/berth-error.h"

/* After a failure: 2 s, 4 s ... up to 10 minutes, for a snapshot costs a boot. */
#define RETRY_FIRST_S 2u
#define RETRY_MAX_S 600u

static void keeper_next_turn (BerthKeeper *self);

BerthKeep *
berth_keep_new (BerthKeeper *keeper, BerthTemplate *template, const char *tenant_key)
{
  BerthKeep *keep = g_new0 (BerthKeep, 1);

  keep->keeper = keeper;
  keep->template = berth_template_ref (template);
  keep->tenant_key = g_strdup (tenant_key);
  keep->name = berth_snapshot_make_name (berth_template_get_name (template), tenant_key);
  keep->target = g_hash_table_lookup (keeper->targets, berth_template_get_name (template));
  keep->callers = g_ptr_array_new_with_free_func (g_object_unref);
  return keep;
}

void
berth_keep_free (BerthKeep *keep)
{
  g_clear_handle_id (&keep->retry_id, g_source_remove);
  g_ptr_array_unref (keep->callers);
  g_clear_error (&keep->failure);
  berth_template_unref (keep->template);
  g_free (keep->name);
  g_free (keep->tenant_key);
  g_free (keep->last_error);
  g_free (keep);
}

/* ---- what follows from a snapshot's state ---- */

void
berth_keep_tell_target (BerthKeep *keep)
{
  const BerthWarmTarget nothing = { 0 };

  berth_pool_set_warm_target (keep->keeper->pool, berth_template_get_name (keep->template),
                              keep->tenant_key,
                              keep->state == BERTH_KEEP_VALID ? keep->target : &nothing);
}

void
berth_keep_tell_pool (BerthKeep *keep)
{
  /* warm VMs of before are of another snapshot */
  berth_pool_template_changed (keep->keeper->pool, berth_template_get_name (keep->template),
                               keep->tenant_key);
  berth_keep_tell_target (keep);
}

void
berth_keep_answer_callers (BerthKeep *keep, const GError *error)
{
  g_autoptr (GPtrArray) callers = keep->callers;

  keep->callers = g_ptr_array_new_with_free_func (g_object_unref);
  for (guint i = 0; i < callers->len; i++)
    if (error != NULL)
      g_task_return_error (callers->pdata[i], g_error_copy (error));
    else
      g_task_return_boolean (callers->pdata[i], TRUE);
}

static void
keep_end_turn (BerthKeep *keep)
{
  if (keep->keeper->maker == keep)
    keep->keeper->maker = NULL;
  keeper_next_turn (keep->keeper);
}

static void
keep_is_valid (BerthKeep *keep)
{
  keep->state = BERTH_KEEP_VALID;
  keep->failures = 0;
  g_clear_pointer (&keep->last_error, g_free);
  berth_keep_tell_pool (keep);
  berth_keep_answer_callers (keep, NULL);
}

static gboolean
retry_cb (gpointer user_data)
{
  BerthKeep *keep = user_data;

  keep->retry_id = 0;
  berth_keep_look (keep);
  return G_SOURCE_REMOVE;
}

void
berth_keep_has_failed (BerthKeep *keep, const GError *error)
{
  guint delay_s = RETRY_FIRST_S << MIN (keep->failures, 9);

  keep->state = BERTH_KEEP_FAILED;
  keep->failures++;
  g_free (keep->last_error);
  keep->last_error = g_strdup (error->message);
  berth_libvirt_drop_recording (keep->keeper->libvirt, keep->name);
  berth_keep_tell_pool (keep);
  if (!keep->keeper->is_stopped)
    {
      g_warning ("no snapshot of %s, requests for it boot: %s", keep->name, error->message);
      g_clear_handle_id (&keep->retry_id, g_source_remove);
      keep->retry_id = g_timeout_add_seconds (MIN (delay_s, RETRY_MAX_S), retry_cb, keep);
    }
  berth_keep_answer_callers (keep, error);
}

/* ---- making one ---- */

static void
committed_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  BerthKeep *keep = user_data;
  g_autoptr (BerthKeeper) self = keep->keeper;
  g_autoptr (GError) error = NULL;

  if (berth_libvirt_commit_snapshot_finish (BERTH_LIBVIRT (source), result, &error))
    {
      g_message ("the snapshot of %s is ready", keep->name);
      keep_is_valid (keep);
    }
  else
    berth_keep_has_failed (keep, error);
  keep_end_turn (keep);
}

/* The VM is gone, and with it the last that may write to the snapshot. */
static void
destroyed_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  BerthKeep *keep = user_data;
  g_autoptr (BerthKeeper) self = keep->keeper;
  g_autoptr (GError) error = NULL;

  if (!berth_pool_destroy_finish (BERTH_POOL (source), result, &error) && keep->failure == NULL)
    keep->failure = g_steal_pointer (&error);
  if (keep->failure == NULL && self->is_stopped)
    keep->failure
        = g_error_new_literal (BERTH_ERROR, BERTH_ERROR_SHUTTING_DOWN, "berth is shutting down");
  if (keep->failure == NULL)
    {
      berth_libvirt_commit_snapshot_async (self->libvirt, keep->name, committed_cb, keep);
      g_object_ref (self);
      return;
    }
  berth_keep_has_failed (keep, keep->failure);
  g_clear_error (&keep->failure);
  keep_end_turn (keep);
}

typedef struct
{
  BerthKeep *keep;
  BerthVm *vm;
} Recording;

static void
recorded_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autofree Recording *recording = user_data;
  g_autoptr (BerthVm) vm = recording->vm;
  BerthKeep *keep = recording->keep;

  berth_libvirt_record_finish (BERTH_LIBVIRT (source), result, &keep->failure);
  berth_pool_destroy_async (keep->keeper->pool, vm, NULL, destroyed_cb, keep);
}

static void
booted_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  BerthKeep *keep = user_data;
  BerthKeeper *self = keep->keeper;
  g_autoptr (GError) error = NULL;
  BerthVm *vm = berth_pool_acquire_finish (BERTH_POOL (source), result, &error);
  Recording *recording;

  if (vm == NULL)
    {
      g_autoptr (BerthKeeper) held = self;

      berth_keep_has_failed (keep, error);
      keep_end_turn (keep);
      return;
    }
  recording = g_new0 (Recording, 1);
  recording->keep = keep;
  recording->vm = vm;
  berth_libvirt_record_async (self->libvirt, vm, recorded_cb, recording);
}

static void
keep_boot (BerthKeep *keep)
{
  BerthKeeper *self = keep->keeper;
  g_autoptr (GError) error = NULL;
  g_autoptr (BerthRequest) request = berth_request_new (
      berth_template_get_name (keep->template), berth_template_get_memory_mb (keep->template),
      berth_template_get_vcpus (keep->template), NULL, "snapshot", (guint32)geteuid (),
      BERTH_REQUEST_WAIT_FOREVER, &error);

  g_assert_no_error (error);
  request->snapshot_name = g_strdup (keep->name);
  g_object_ref (self); /* until the turn ends */
  berth_pool_acquire_async (self->pool, request, NULL, booted_cb, keep);
}

/* ---- looking for one ---- */

typedef struct
{
  BerthKeep *keep;
  BerthKeeper *keeper;   /* owned */
  BerthSnapshot *before; /* (unowned): only compared */
  gboolean is_first;
} Look;

static void
keeper_note_first_look (BerthKeeper *self)
{
  self->n_looking--;
  if (self->n_looking == 0)
    berth_keeper_is_ready (self);
}

static void
looked_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autofree Look *look = user_data;
  g_autoptr (BerthKeeper) self = look->keeper;
  BerthKeep *keep = look->keep;
  g_autoptr (GError) error = NULL;
  g_autoptr (BerthSnapshot) snapshot
      = berth_libvirt_prepare_snapshot_finish (BERTH_LIBVIRT (source), result, &error);

  if (snapshot != NULL && !berth_snapshot_is_committed (snapshot) && !self->is_stopped)
    {
      keep_boot (keep);
      return;
    }
  if (snapshot != NULL && snapshot == look->before)
    keep->state = BERTH_KEEP_VALID;
  else if (snapshot != NULL && berth_snapshot_is_committed (snapshot))
    keep_is_valid (keep);
  else if (g_error_matches (error, BERTH_ERROR, BERTH_ERROR_GONE))
    keep->state = BERTH_KEEP_NONE;
  else if (error != NULL)
    berth_keep_has_failed (keep, error);
  if (look->is_first)
    keeper_note_first_look (self);
  else
    keep_end_turn (keep);
}

static void
keep_begin_look (BerthKeep *keep, BerthSnapshotWish wish)
{
  BerthKeeper *self = keep->keeper;
  Look *look = g_new0 (Look, 1);

  look->keep = keep;
  look->keeper = g_object_ref (self);
  look->is_first = wish == BERTH_SNAPSHOT_EXISTING;
  look->before = berth_libvirt_get_snapshot (self->libvirt, keep->name);
  keep->state = wish == BERTH_SNAPSHOT_EXISTING ? BERTH_KEEP_CHECKING : BERTH_KEEP_MAKING;
  berth_libvirt_prepare_snapshot_async (self->libvirt, keep->name, self->config->snapshot_dir, wish,
                                        looked_cb, look);
}

void
berth_keep_look_first (BerthKeep *keep)
{
  keep_begin_look (keep, BERTH_SNAPSHOT_EXISTING);
}

void
berth_keep_look (BerthKeep *keep)
{
  BerthKeeper *self = keep->keeper;

  g_clear_handle_id (&keep->retry_id, g_source_remove);
  if (self->is_stopped || berth_keeper_is_off (self) || self->maker == keep
      || g_queue_find (&self->turns, keep) != NULL)
    return;
  keep->state = BERTH_KEEP_MAKING;
  g_queue_push_tail (&self->turns, keep);
  keeper_next_turn (self);
}

/* One at a time may be made; the others wait for their turn. */
static void
keeper_next_turn (BerthKeeper *self)
{
  if (self->maker != NULL || self->is_stopped || g_queue_is_empty (&self->turns))
    return;
  self->maker = g_queue_pop_head (&self->turns);
  keep_begin_look (self->maker,
                   self->maker->callers->len > 0 ? BERTH_SNAPSHOT_NEW : BERTH_SNAPSHOT_ANY);
}

/* ---- its end ---- */

void
berth_keep_remove_snapshot (BerthKeep *keep)
{
  g_clear_handle_id (&keep->retry_id, g_source_remove);
  berth_libvirt_drop_snapshot (keep->keeper->libvirt, keep->name);
  keep->state = BERTH_KEEP_NONE;
  berth_keep_tell_pool (keep);
}

gboolean
berth_keep_is_idle (BerthKeep *keep)
{
  return keep->state == BERTH_KEEP_NONE || keep->state == BERTH_KEEP_VALID
         || keep->state == BERTH_KEEP_FAILED;
}
