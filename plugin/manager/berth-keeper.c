/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Keeps the snapshot of every template in use. One is made at a time, by a VM that waits for its
 * place in the pool like everybody else's; requests are served cold meanwhile. */
#include "berth-keeper.h"

#include "pool/berth-error.h"

/* After a failure: 2 s, 4 s ... up to 10 minutes, for a snapshot costs a boot. */
#define RETRY_FIRST_S 2u
#define RETRY_MAX_S 600u
/* images.json is replaced by several events. */
#define CHECK_AGAIN_MS 300u

typedef enum
{
  KEEP_NONE,
  KEEP_CHECKING, /* looking for one on disk */
  KEEP_MAKING,   /* waiting for a VM, booting it, recording it */
  KEEP_VALID,
  KEEP_FAILED, /* tried again later */
} KeepState;

static const char *const state_names[] = { [KEEP_NONE] = "none",
                                           [KEEP_CHECKING] = "checking",
                                           [KEEP_MAKING] = "making",
                                           [KEEP_VALID] = "valid",
                                           [KEEP_FAILED] = "failed" };

typedef struct
{
  BerthKeeper *keeper; /* unowned */
  BerthTemplate *template;
  const char *name;
  KeepState state;
  BerthWarmTarget target; /* while the snapshot is valid */
  guint failures;
  char *last_error;
  guint retry_id;
  GPtrArray *callers; /* GTask (owned): who waits for a new one */
  GError *failure;    /* of the making under way, until its VM is gone */
} Keep;

struct _BerthKeeper
{
  GObject parent;
  const BerthConfig *config;
  BerthLibvirt *libvirt;
  BerthPool *pool;
  GHashTable *keeps; /* template name (borrowed from its value) -> Keep (owned) */
  GQueue turns;      /* Keep (borrowed): who makes one next */
  Keep *maker;       /* whose snapshot is being made */
  GFileMonitor *images_monitor;
  guint check_again_id;
  gboolean is_stopped;
  guint n_looking; /* of the first looks */
  BerthKeeperReadyFunc ready_func;
  gpointer ready_data;
};

G_DEFINE_FINAL_TYPE (BerthKeeper, berth_keeper, G_TYPE_OBJECT)

static void keep_look (Keep *keep, BerthSnapshotWish wish);
static void keeper_next_turn (BerthKeeper *self);

static void
keep_free (Keep *keep)
{
  g_clear_handle_id (&keep->retry_id, g_source_remove);
  g_ptr_array_unref (keep->callers);
  g_clear_error (&keep->failure);
  berth_template_unref (keep->template);
  g_free (keep->last_error);
  g_free (keep);
}

static void
berth_keeper_dispose (GObject *object)
{
  BerthKeeper *self = BERTH_KEEPER (object);

  berth_keeper_stop (self);
  g_clear_object (&self->pool);
  g_clear_object (&self->libvirt);
  G_OBJECT_CLASS (berth_keeper_parent_class)->dispose (object);
}

static void
berth_keeper_finalize (GObject *object)
{
  BerthKeeper *self = BERTH_KEEPER (object);

  g_queue_clear (&self->turns);
  g_hash_table_unref (self->keeps);
  G_OBJECT_CLASS (berth_keeper_parent_class)->finalize (object);
}

static void
berth_keeper_class_init (BerthKeeperClass *klass)
{
  G_OBJECT_CLASS (klass)->dispose = berth_keeper_dispose;
  G_OBJECT_CLASS (klass)->finalize = berth_keeper_finalize;
}

static void
berth_keeper_init (BerthKeeper *self)
{
  self->keeps = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, (GDestroyNotify)keep_free);
  g_queue_init (&self->turns);
}

static gboolean
keeper_is_off (BerthKeeper *self)
{
  return g_strcmp0 (self->config->snapshot_scope, "none") == 0;
}

/* ---- what follows from a snapshot's state ---- */

static void
keep_tell_pool (Keep *keep)
{
  const BerthWarmTarget nothing = { 0 };

  /* warm VMs of before are of another snapshot */
  berth_pool_template_changed (keep->keeper->pool, keep->name, NULL);
  berth_pool_set_warm_target (keep->keeper->pool, keep->name, NULL,
                              keep->state == KEEP_VALID ? &keep->target : &nothing);
}

static void
keep_answer_callers (Keep *keep, const GError *error)
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
keep_end_turn (Keep *keep)
{
  if (keep->keeper->maker == keep)
    keep->keeper->maker = NULL;
  keeper_next_turn (keep->keeper);
}

static void
keep_is_valid (Keep *keep)
{
  keep->state = KEEP_VALID;
  keep->failures = 0;
  g_clear_pointer (&keep->last_error, g_free);
  keep_tell_pool (keep);
  keep_answer_callers (keep, NULL);
}

static gboolean
retry_cb (gpointer user_data)
{
  Keep *keep = user_data;

  keep->retry_id = 0;
  keep_look (keep, BERTH_SNAPSHOT_ANY);
  return G_SOURCE_REMOVE;
}

static void
keep_has_failed (Keep *keep, const GError *error)
{
  guint delay_s = RETRY_FIRST_S << MIN (keep->failures, 9);

  keep->state = KEEP_FAILED;
  keep->failures++;
  g_free (keep->last_error);
  keep->last_error = g_strdup (error->message);
  berth_libvirt_drop_recording (keep->keeper->libvirt, keep->name);
  keep_tell_pool (keep);
  if (!keep->keeper->is_stopped)
    {
      g_warning ("no snapshot of %s, requests for it boot: %s", keep->name, error->message);
      g_clear_handle_id (&keep->retry_id, g_source_remove);
      keep->retry_id = g_timeout_add_seconds (MIN (delay_s, RETRY_MAX_S), retry_cb, keep);
    }
  keep_answer_callers (keep, error);
}

/* ---- making one ---- */

static void
committed_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Keep *keep = user_data;
  g_autoptr (BerthKeeper) self = keep->keeper;
  g_autoptr (GError) error = NULL;

  if (berth_libvirt_commit_snapshot_finish (BERTH_LIBVIRT (source), result, &error))
    {
      g_message ("the snapshot of %s is ready", keep->name);
      keep_is_valid (keep);
    }
  else
    keep_has_failed (keep, error);
  keep_end_turn (keep);
}

/* The VM is gone, and with it the last that may write to the snapshot. */
static void
destroyed_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Keep *keep = user_data;
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
  keep_has_failed (keep, keep->failure);
  g_clear_error (&keep->failure);
  keep_end_turn (keep);
}

typedef struct
{
  Keep *keep;
  BerthVm *vm;
} Recording;

static void
recorded_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autofree Recording *recording = user_data;
  g_autoptr (BerthVm) vm = recording->vm;
  Keep *keep = recording->keep;

  berth_libvirt_record_finish (BERTH_LIBVIRT (source), result, &keep->failure);
  berth_pool_destroy_async (keep->keeper->pool, vm, NULL, destroyed_cb, keep);
}

static void
booted_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Keep *keep = user_data;
  BerthKeeper *self = keep->keeper;
  g_autoptr (GError) error = NULL;
  BerthVm *vm = berth_pool_acquire_finish (BERTH_POOL (source), result, &error);
  Recording *recording;

  if (vm == NULL)
    {
      g_autoptr (BerthKeeper) held = self;

      keep_has_failed (keep, error);
      keep_end_turn (keep);
      return;
    }
  recording = g_new0 (Recording, 1);
  recording->keep = keep;
  recording->vm = vm;
  berth_libvirt_record_async (self->libvirt, vm, recorded_cb, recording);
}

static void
keep_boot (Keep *keep)
{
  BerthKeeper *self = keep->keeper;
  g_autoptr (GError) error = NULL;
  g_autoptr (BerthRequest) request
      = berth_request_new (keep->name, berth_template_get_memory_mb (keep->template),
                           berth_template_get_vcpus (keep->template), NULL, "snapshot",
                           (guint32)geteuid (), BERTH_REQUEST_WAIT_FOREVER, &error);

  g_assert_no_error (error);
  request->needs_boot = TRUE;
  g_object_ref (self); /* until the turn ends */
  berth_pool_acquire_async (self->pool, request, NULL, booted_cb, keep);
}

/* ---- looking for one ---- */

typedef struct
{
  Keep *keep;
  BerthKeeper *keeper;   /* owned */
  BerthSnapshot *before; /* (unowned): only compared */
  gboolean is_first;
} Look;

static void
keeper_is_ready (BerthKeeper *self)
{
  GHashTableIter iter;
  Keep *keep;

  self->ready_func (self->ready_data);
  g_hash_table_iter_init (&iter, self->keeps);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *)&keep))
    if (keep->state == KEEP_NONE && keep->target.is_named && keep->target.max > 0)
      keep_look (keep, BERTH_SNAPSHOT_ANY);
}

static void
keeper_note_first_look (BerthKeeper *self)
{
  self->n_looking--;
  if (self->n_looking == 0)
    keeper_is_ready (self);
}

static void
looked_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autofree Look *look = user_data;
  g_autoptr (BerthKeeper) self = look->keeper;
  Keep *keep = look->keep;
  g_autoptr (GError) error = NULL;
  g_autoptr (BerthSnapshot) snapshot
      = berth_libvirt_prepare_snapshot_finish (BERTH_LIBVIRT (source), result, &error);

  if (snapshot != NULL && !berth_snapshot_is_committed (snapshot) && !self->is_stopped)
    {
      keep_boot (keep);
      return;
    }
  if (snapshot != NULL && snapshot == look->before)
    keep->state = KEEP_VALID;
  else if (snapshot != NULL && berth_snapshot_is_committed (snapshot))
    keep_is_valid (keep);
  else if (g_error_matches (error, BERTH_ERROR, BERTH_ERROR_GONE))
    keep->state = KEEP_NONE;
  else if (error != NULL)
    keep_has_failed (keep, error);
  if (look->is_first)
    keeper_note_first_look (self);
  else
    keep_end_turn (keep);
}

static void
keep_begin_look (Keep *keep, BerthSnapshotWish wish)
{
  BerthKeeper *self = keep->keeper;
  Look *look = g_new0 (Look, 1);

  look->keep = keep;
  look->keeper = g_object_ref (self);
  look->is_first = wish == BERTH_SNAPSHOT_EXISTING;
  look->before = berth_libvirt_get_snapshot (self->libvirt, keep->name);
  keep->state = wish == BERTH_SNAPSHOT_EXISTING ? KEEP_CHECKING : KEEP_MAKING;
  berth_libvirt_prepare_snapshot_async (self->libvirt, keep->name, self->config->snapshot_dir, wish,
                                        looked_cb, look);
}

/* One template at a time may make one; the others wait for their turn. */
static void
keep_look (Keep *keep, BerthSnapshotWish wish)
{
  BerthKeeper *self = keep->keeper;

  g_clear_handle_id (&keep->retry_id, g_source_remove);
  if (self->is_stopped || keeper_is_off (self) || self->maker == keep
      || g_queue_find (&self->turns, keep) != NULL)
    return;
  keep->state = KEEP_MAKING;
  g_queue_push_tail (&self->turns, keep);
  keeper_next_turn (self);
}

static void
keeper_next_turn (BerthKeeper *self)
{
  if (self->maker != NULL || self->is_stopped || g_queue_is_empty (&self->turns))
    return;
  self->maker = g_queue_pop_head (&self->turns);
  keep_begin_look (self->maker,
                   self->maker->callers->len > 0 ? BERTH_SNAPSHOT_NEW : BERTH_SNAPSHOT_ANY);
}

/* ---- what makes a snapshot be looked at again ---- */

static void
spoilt_cb (const char *template_name, const char *reason, gpointer user_data)
{
  BerthKeeper *self = user_data;
  Keep *keep = g_hash_table_lookup (self->keeps, template_name);
  g_autoptr (GError) error
      = g_error_new (BERTH_ERROR, BERTH_ERROR_UNAVAILABLE,
                     "the snapshot was thrown away with its warm VMs: %s", reason);

  if (keep->state != KEEP_MAKING)
    {
      keep_has_failed (keep, error);
      return;
    }
  g_warning ("%s: %s", keep->name, error->message); /* a new one is under way */
  keep_tell_pool (keep);
}

static gboolean
check_again_cb (gpointer user_data)
{
  BerthKeeper *self = user_data;

  self->check_again_id = 0;
  berth_keeper_check_again (self);
  return G_SOURCE_REMOVE;
}

static void
images_changed_cb (GFileMonitor *monitor, GFile *file, GFile *other, GFileMonitorEvent event,
                   gpointer user_data)
{
  BerthKeeper *self = user_data;

  if (self->check_again_id == 0 && !self->is_stopped)
    self->check_again_id = g_timeout_add (CHECK_AGAIN_MS, check_again_cb, self);
}

static void
keeper_watch_images (BerthKeeper *self)
{
  g_autofree char *path = g_build_filename (self->config->image_dir, "images.json", NULL);
  g_autoptr (GFile) file = g_file_new_for_path (path);

  /* without it, the next start finds out */
  self->images_monitor = g_file_monitor_file (file, G_FILE_MONITOR_WATCH_MOVES, NULL, NULL);
  if (self->images_monitor != NULL)
    g_signal_connect_object (self->images_monitor, "changed", G_CALLBACK (images_changed_cb), self,
                             0);
}

void
berth_keeper_check_again (BerthKeeper *self)
{
  GHashTableIter iter;
  Keep *keep;

  g_hash_table_iter_init (&iter, self->keeps);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *)&keep))
    if (keep->state == KEEP_VALID || keep->state == KEEP_FAILED)
      keep_look (keep, BERTH_SNAPSHOT_ANY);
}

void
berth_keeper_want (BerthKeeper *self, const char *template_name)
{
  Keep *keep = g_hash_table_lookup (self->keeps, template_name);

  if (keep != NULL && keep->state == KEEP_NONE)
    keep_look (keep, BERTH_SNAPSHOT_ANY);
}

/* ---- what an administrator asks ---- */

void
berth_keeper_retry (BerthKeeper *self, const char *template_name)
{
  Keep *keep = g_hash_table_lookup (self->keeps, template_name);

  if (keep != NULL && keep->state == KEEP_FAILED)
    keep_look (keep, BERTH_SNAPSHOT_ANY);
}

void
berth_keeper_make_async (BerthKeeper *self, const char *template_name, GAsyncReadyCallback callback,
                         gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (self, NULL, callback, user_data);
  Keep *keep = g_hash_table_lookup (self->keeps, template_name);

  g_task_set_source_tag (task, berth_keeper_make_async);
  if (keep == NULL)
    g_task_return_new_error (task, BERTH_ERROR, BERTH_ERROR_INVALID, "there is no template %s",
                             template_name);
  else if (keeper_is_off (self))
    g_task_return_new_error (task, BERTH_ERROR, BERTH_ERROR_CONFIG,
                             "snapshots are turned off: set snapshot_scope to shared");
  else if (self->is_stopped)
    g_task_return_new_error (task, BERTH_ERROR, BERTH_ERROR_SHUTTING_DOWN,
                             "berth is shutting down");
  else
    {
      g_ptr_array_add (keep->callers, g_steal_pointer (&task));
      keep_look (keep, BERTH_SNAPSHOT_NEW);
    }
}

gboolean
berth_keeper_make_finish (BerthKeeper *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);
  return g_task_propagate_boolean (G_TASK (result), error);
}

void
berth_keeper_remove (BerthKeeper *self, const char *template_name)
{
  Keep *keep = g_hash_table_lookup (self->keeps, template_name);

  if (keep == NULL || (keep->state != KEEP_VALID && keep->state != KEEP_FAILED))
    return;
  g_clear_handle_id (&keep->retry_id, g_source_remove);
  berth_libvirt_drop_snapshot (self->libvirt, keep->name);
  keep->state = KEEP_NONE;
  keep_tell_pool (keep);
}

void
berth_keeper_set_target (BerthKeeper *self, const char *template_name, guint min, guint max)
{
  Keep *keep = g_hash_table_lookup (self->keeps, template_name);

  if (keep == NULL)
    return;
  keep->target.min = min;
  keep->target.max = MAX (min, max);
  keep->target.is_named = TRUE;
  if (keep->state == KEEP_VALID)
    berth_pool_set_warm_target (self->pool, keep->name, NULL, &keep->target);
  else if (min > 0)
    berth_keeper_want (self, template_name);
}

void
berth_keeper_describe (BerthKeeper *self, const char *template_name, GVariantDict *dict)
{
  Keep *keep = g_hash_table_lookup (self->keeps, template_name);
  BerthSnapshot *snapshot = berth_libvirt_get_snapshot (self->libvirt, template_name);
  guint64 bytes = snapshot != NULL ? berth_snapshot_get_disk_bytes (snapshot) : 0;

  if (keep == NULL)
    return;
  g_variant_dict_insert (dict, "snapshot", "s",
                         keeper_is_off (self) ? "off" : state_names[keep->state]);
  g_variant_dict_insert (dict, "snapshot_mb", "u", (guint32)(bytes / (1024 * 1024)));
  g_variant_dict_insert (dict, "snapshot_failures", "u", keep->failures);
  g_variant_dict_insert (dict, "snapshot_error", "s",
                         keep->last_error != NULL ? keep->last_error : "");
  /* without a snapshot there are no warm VMs: what is told of the template is why */
  if (keep->last_error != NULL)
    {
      g_variant_dict_insert (dict, "failures", "u", keep->failures);
      g_variant_dict_insert (dict, "last_error", "s", keep->last_error);
    }
}

/* ---- its own life ---- */

static Keep *
keep_new (BerthKeeper *self, BerthTemplate *template, guint max_vms)
{
  Keep *keep = g_new0 (Keep, 1);

  keep->keeper = self;
  keep->template = berth_template_ref (template);
  keep->name = berth_template_get_name (template);
  keep->callers = g_ptr_array_new_with_free_func (g_object_unref);
  keep->target.memory_mb = berth_template_get_memory_mb (template);
  keep->target.vcpus = berth_template_get_vcpus (template);
  keep->target.max_idle_us = self->config->warm_max_idle_s * G_USEC_PER_SEC;
  keep->target.is_named
      = berth_config_get_warm (self->config, keep->name, &keep->target.min, &keep->target.max);
  if (!keep->target.is_named)
    {
      keep->target.min = (guint)self->config->warm_default;
      keep->target.max = keep->target.min > 0 ? MAX (keep->target.min, max_vms / 2) : 0;
    }
  return keep;
}

BerthKeeper *
berth_keeper_new (const BerthConfig *config, GHashTable *templates, BerthLibvirt *libvirt,
                  BerthPool *pool, guint max_vms)
{
  BerthKeeper *self = g_object_new (BERTH_TYPE_KEEPER, NULL);
  GHashTableIter iter;
  BerthTemplate *template;

  self->config = config;
  self->libvirt = g_object_ref (libvirt);
  self->pool = g_object_ref (pool);
  g_hash_table_iter_init (&iter, templates);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *)&template))
    {
      Keep *keep = keep_new (self, template, max_vms);

      g_hash_table_insert (self->keeps, (gpointer)keep->name, keep);
    }
  return self;
}

void
berth_keeper_start (BerthKeeper *self, BerthKeeperReadyFunc ready, gpointer user_data)
{
  GHashTableIter iter;
  Keep *keep;

  self->ready_func = ready;
  self->ready_data = user_data;
  berth_libvirt_set_spoilt_func (self->libvirt, spoilt_cb, self);
  if (keeper_is_off (self))
    {
      ready (user_data);
      return;
    }
  keeper_watch_images (self);
  self->n_looking = g_hash_table_size (self->keeps);
  g_hash_table_iter_init (&iter, self->keeps);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *)&keep))
    keep_begin_look (keep, BERTH_SNAPSHOT_EXISTING);
}

void
berth_keeper_stop (BerthKeeper *self)
{
  GHashTableIter iter;
  Keep *keep;

  if (self->is_stopped)
    return;
  self->is_stopped = TRUE;
  g_clear_object (&self->images_monitor);
  g_clear_handle_id (&self->check_again_id, g_source_remove);
  berth_libvirt_set_spoilt_func (self->libvirt, NULL, NULL);
  g_hash_table_iter_init (&iter, self->keeps);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *)&keep))
    {
      g_autoptr (GError) error
          = g_error_new_literal (BERTH_ERROR, BERTH_ERROR_SHUTTING_DOWN, "berth is shutting down");

      g_clear_handle_id (&keep->retry_id, g_source_remove);
      keep_answer_callers (keep, error);
    }
}
