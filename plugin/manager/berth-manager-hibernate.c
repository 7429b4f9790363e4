/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The manager's verb hibernate: what a session is goes to the disk, and its VM away; and how it
 * goes on in another, through the queue as any create does. */
#include "plugin/manager/berth-manager-private.h"

#include "plugin/host/berth-purpose.h"
#include "plugin/snapshot/berth-difference.h"
#include "pool/berth-error.h"

/* A VM that did not end is looked for as often: pool goes on trying. */
#define END_AGAIN_US (5 * G_USEC_PER_SEC)
/* As many of a user are loaded at once as may be. */
#define LOAD_AGAIN_US (G_USEC_PER_SEC / 10)

/* ---- what is kept of one ---- */

static void
removed_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (BerthManager) self = user_data;
  g_autoptr (GError) error = NULL;

  if (berth_checkpoint_store_finish (BERTH_CHECKPOINT_STORE (source), result, &error))
    berth_manager_tell_bases (self);
  else if (!g_error_matches (error, BERTH_ERROR, BERTH_ERROR_UNAVAILABLE))
    g_warning ("what a session was can't be removed: %s", error->message);
  /* else whoever loads it removes it */
}

static void
manager_forget (BerthManager *self, BerthCheckpoint *checkpoint)
{
  berth_checkpoint_store_remove_async (self->checkpoints, checkpoint, removed_cb,
                                       g_object_ref (self));
}

BerthCheckpoint *
berth_manager_find_sleeper (BerthManager *self, BerthSandbox *sandbox)
{
  return berth_sandbox_is_hibernated (sandbox) ? berth_checkpoint_store_find_asleep (
             self->checkpoints, berth_sandbox_get_id (sandbox))
                                               : NULL;
}

void
berth_manager_forget_sleeper (BerthManager *self, BerthSandbox *sandbox)
{
  BerthCheckpoint *checkpoint = berth_manager_find_sleeper (self, sandbox);

  if (checkpoint != NULL)
    manager_forget (self, checkpoint);
}

/* ---- it goes to the disk ---- */

typedef struct
{
  BerthManager *self;    /* owned */
  BerthSandbox *sandbox; /* owned */
  BerthVm *vm;           /* owned: the one that goes */
  BerthCheckpointManifest *manifest;
  BerthCheckpointDraft *draft; /* (nullable) */
  gint64 begun_us;
} Hibernation;

static void
hibernation_free (gpointer data)
{
  Hibernation *hibernation = data;

  g_object_unref (hibernation->sandbox);
  g_object_unref (hibernation->vm);
  berth_checkpoint_manifest_free (hibernation->manifest);
  g_object_unref (hibernation->self);
  g_free (hibernation);
}

/* It goes on as it was. Takes over @error. */
static void
hibernation_fail (GTask *task, GError *error)
{
  BerthManager *self = g_task_get_source_object (task);
  Hibernation *hibernation = g_task_get_task_data (task);

  if (hibernation->draft != NULL)
    berth_checkpoint_store_abandon (self->checkpoints, g_steal_pointer (&hibernation->draft));
  berth_metrics_add (self->metrics, BERTH_METRIC_HIBERNATIONS, "failed", NULL, 1);
  g_prefix_error (&error, "sandbox %s can't be hibernated: ", hibernation->manifest->sandbox);
  g_task_return_error (task, error);
  berth_sandbox_end_leave (hibernation->sandbox); /* last: who waits is let in */
}

static void hibernation_end_vm (GTask *task);

static gboolean
end_again_cb (gpointer user_data)
{
  hibernation_end_vm (user_data);
  return G_SOURCE_REMOVE;
}

/* One that does not end is tried again, and the session does not go on before: there would be two
 * of one id. */
static void
ended_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  BerthManager *self = g_task_get_source_object (task);
  Hibernation *hibernation = g_task_get_task_data (task);
  g_autoptr (GError) error = NULL;

  if (!berth_pool_destroy_finish (BERTH_POOL (source), result, &error))
    {
      g_warning ("%s", error->message);
      berth_host_add_timer (self->host, END_AGAIN_US, end_again_cb, g_steal_pointer (&task));
      return;
    }
  g_task_return_boolean (task, TRUE);
  berth_sandbox_may_rise (hibernation->sandbox);
}

/* Takes over @task. */
static void
hibernation_end_vm (GTask *task)
{
  BerthManager *self = g_task_get_source_object (task);
  Hibernation *hibernation = g_task_get_task_data (task);

  berth_pool_destroy_async (self->pool, hibernation->vm, NULL, ended_cb, task);
}

static void
committed_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  BerthManager *self = g_task_get_source_object (task);
  Hibernation *hibernation = g_task_get_task_data (task);
  BerthSandbox *sandbox = hibernation->sandbox;
  GError *error = NULL;
  g_autoptr (BerthCheckpoint) checkpoint
      = berth_checkpoint_store_commit_finish (BERTH_CHECKPOINT_STORE (source), result, &error);

  if (checkpoint == NULL)
    {
      berth_host_go_on (self->host, hibernation->vm);
      hibernation_fail (task, error);
      return;
    }
  if (berth_sandbox_is_closed (sandbox)) /* it was destroyed, or its VM has ended */
    {
      manager_forget (self, checkpoint);
      hibernation_fail (task, berth_sandbox_new_gone_error (sandbox));
      return;
    }
  berth_sandbox_note_hibernated (sandbox, hibernation->manifest->created_us);
  berth_metrics_add (self->metrics, BERTH_METRIC_HIBERNATIONS, "made", NULL, 1);
  berth_metrics_observe (self->metrics, BERTH_METRIC_HIBERNATE, NULL, NULL,
                         g_get_monotonic_time () - hibernation->begun_us);
  g_message ("sandbox %s is hibernated: %" G_GUINT64_FORMAT " KiB", berth_sandbox_get_id (sandbox),
             berth_checkpoint_get_manifest (checkpoint)->bytes / 1024);
  hibernation_end_vm (g_steal_pointer (&task));
}

static void
copied_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  BerthManager *self = g_task_get_source_object (task);
  Hibernation *hibernation = g_task_get_task_data (task);
  GError *error = NULL;
  g_autoptr (BerthHostCopy) copy = berth_host_copy_finish (BERTH_HOST (source), result, &error);

  if (copy == NULL)
    {
      hibernation_fail (task, error);
      return;
    }
  berth_manager_take_copy (hibernation->manifest, copy);
  berth_checkpoint_store_commit_async (self->checkpoints, g_steal_pointer (&hibernation->draft),
                                       hibernation->manifest, committed_cb,
                                       g_steal_pointer (&task));
}

static void
begun_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  BerthManager *self = g_task_get_source_object (task);
  Hibernation *hibernation = g_task_get_task_data (task);
  GError *error = NULL;

  hibernation->draft
      = berth_checkpoint_store_begin_finish (BERTH_CHECKPOINT_STORE (source), result, &error);
  if (hibernation->draft == NULL)
    {
      hibernation_fail (task, error);
      return;
    }
  hibernation->manifest->created_us = g_get_real_time ();
  berth_host_copy_async (self->host, hibernation->vm,
                         berth_checkpoint_draft_get_fd (hibernation->draft),
                         berth_checkpoint_draft_get_max_bytes (hibernation->draft), TRUE, copied_cb,
                         g_steal_pointer (&task));
}

/* What is copied has to answer. */
static void
awake_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  BerthManager *self = g_task_get_source_object (task);
  BerthSandbox *sandbox = BERTH_SANDBOX (source);
  Hibernation *hibernation;
  GError *error = NULL;

  if (!berth_sandbox_pause_finish (sandbox, result, &error)
      || !berth_sandbox_begin_leave (sandbox, &error))
    {
      g_task_return_error (task, error);
      return;
    }
  hibernation = g_new0 (Hibernation, 1);
  hibernation->self = g_object_ref (self);
  hibernation->sandbox = g_object_ref (sandbox);
  hibernation->vm = g_object_ref (berth_sandbox_get_vm (sandbox));
  hibernation->manifest = berth_manager_make_manifest (sandbox, BERTH_CHECKPOINT_ASLEEP, "");
  hibernation->begun_us = g_get_monotonic_time ();
  g_task_set_task_data (task, hibernation, hibernation_free);
  berth_checkpoint_store_begin_async (self->checkpoints, hibernation->manifest,
                                      ((guint64)hibernation->manifest->memory_mb << 20)
                                          + BERTH_DIFFERENCE_MORE_BYTES,
                                      begun_cb, g_steal_pointer (&task));
}

void
berth_manager_hibernate_async (BerthManager *self, const char *id, guint32 uid,
                               GCancellable *cancellable, GAsyncReadyCallback callback,
                               gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);
  GError *error = NULL;
  BerthSandbox *sandbox = berth_manager_find (self, id, uid, &error);

  g_task_set_source_tag (task, berth_manager_hibernate_async);
  g_task_set_check_cancellable (task, FALSE); /* what is done is told */
  if (sandbox == NULL || !berth_manager_check_copy (sandbox, &error))
    g_task_return_error (task, error);
  else if (berth_sandbox_is_hibernated (sandbox))
    g_task_return_boolean (task, TRUE);
  else
    berth_sandbox_resume_async (sandbox, cancellable, awake_cb, g_steal_pointer (&task));
}

gboolean
berth_manager_hibernate_finish (BerthManager *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);
  return g_task_propagate_boolean (G_TASK (result), error);
}

static void
idly_hibernated_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GError) error = NULL;

  if (!berth_manager_hibernate_finish (BERTH_MANAGER (source), result, &error)
      && !g_error_matches (error, BERTH_ERROR, BERTH_ERROR_GONE))
    g_message ("%s", error->message);
}

static void
hibernate_cb (BerthSandbox *sandbox, gpointer user_data)
{
  berth_manager_hibernate_async (user_data, berth_sandbox_get_id (sandbox), 0, NULL,
                                 idly_hibernated_cb, NULL);
}

/* ---- it goes on ---- */

typedef struct
{
  BerthSandbox *sandbox;       /* owned */
  BerthCheckpoint *checkpoint; /* owned */
  GCancellable *cancellable;   /* owned */
  gboolean is_sole;            /* no VM has begun with it */
  BerthFork *fork;             /* (nullable) */
  BerthRequest *request;       /* (nullable) */
  BerthVm *vm;                 /* (nullable) */
  GError *error;               /* (nullable) */
  gint64 begun_us;
} Rise;

static void
rise_free (gpointer data)
{
  Rise *rise = data;

  if (rise->fork != NULL)
    berth_fork_end (rise->fork);
  g_clear_object (&rise->fork);
  g_clear_object (&rise->vm);
  g_clear_error (&rise->error);
  g_clear_pointer (&rise->request, berth_request_unref);
  g_object_unref (rise->cancellable);
  g_object_unref (rise->checkpoint);
  g_object_unref (rise->sandbox);
  g_free (rise);
}

static void
unmarked_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  const Rise *rise = g_task_get_task_data (task);
  g_autoptr (GError) error = NULL;

  if (!berth_checkpoint_store_finish (BERTH_CHECKPOINT_STORE (source), result, &error))
    g_warning ("a session that could not be woken is still marked so: %s", error->message);
  berth_sandbox_rise (rise->sandbox, NULL, rise->error);
}

/* It stays what it was; where a VM has begun with it, that is known. Takes over @error. */
static void
rise_fail (GTask *task, GError *error)
{
  BerthManager *self = g_task_get_source_object (task);
  Rise *rise = g_task_get_task_data (task);
  gboolean none_began = rise->is_sole && (rise->fork == NULL || berth_fork_is_sole (rise->fork));

  rise->error = error;
  if (!g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    {
      berth_metrics_add (self->metrics, BERTH_METRIC_RISES, "failed", NULL, 1);
      g_prefix_error (&rise->error, "sandbox %s is hibernated and does not go on: ",
                      berth_sandbox_get_id (rise->sandbox));
      g_message ("%s", rise->error->message);
    }
  if (berth_sandbox_is_closed (rise->sandbox))
    {
      if (self->is_started) /* else it is berth that ends */
        manager_forget (self, rise->checkpoint);
    }
  else if (none_began)
    {
      berth_checkpoint_store_set_waking_async (self->checkpoints, rise->checkpoint, FALSE,
                                               unmarked_cb, g_object_ref (task));
      return;
    }
  berth_sandbox_rise (rise->sandbox, NULL, rise->error);
}

/* Takes over @error. */
static void
rise_abandon_vm (GTask *task, GError *error)
{
  Rise *rise = g_task_get_task_data (task);

  berth_manager_end_vm (g_task_get_source_object (task), rise->vm);
  rise_fail (task, error != NULL ? error : berth_sandbox_new_gone_error (rise->sandbox));
}

static void
forgotten_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  BerthManager *self = g_task_get_source_object (task);
  Rise *rise = g_task_get_task_data (task);
  g_autoptr (GError) error = NULL;

  if (!berth_checkpoint_store_finish (BERTH_CHECKPOINT_STORE (source), result, &error))
    g_warning ("what a session was can't be removed: %s", error->message);
  berth_manager_tell_bases (self);
  if (berth_sandbox_is_closed (rise->sandbox))
    {
      rise_abandon_vm (task, NULL);
      return;
    }
  berth_metrics_add (self->metrics, BERTH_METRIC_RISES, "made", NULL, 1);
  berth_metrics_observe (self->metrics, BERTH_METRIC_RISE, NULL, NULL,
                         g_get_monotonic_time () - rise->begun_us);
  berth_sandbox_rise (rise->sandbox, rise->vm, NULL);
}

/* The next berthd would find it: what was kept is needed no more. */
static void
settled_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  BerthManager *self = g_task_get_source_object (task);
  Rise *rise = g_task_get_task_data (task);
  g_autoptr (GError) error = NULL;

  if (!berth_host_finish (BERTH_HOST (source), result, &error)
      || berth_sandbox_is_closed (rise->sandbox))
    rise_abandon_vm (task, g_steal_pointer (&error));
  else
    berth_checkpoint_store_remove_async (self->checkpoints, rise->checkpoint, forgotten_cb,
                                         g_steal_pointer (&task));
}

static void
acquired_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  BerthManager *self = g_task_get_source_object (task);
  Rise *rise = g_task_get_task_data (task);
  GError *error = NULL;

  rise->vm = berth_pool_acquire_finish (BERTH_POOL (source), result, &error);
  berth_sandbox_note_rise_request (rise->sandbox, NULL);
  if (rise->vm != NULL)
    berth_host_settle_async (self->host, rise->vm, settled_cb, g_steal_pointer (&task));
  else
    rise_fail (task, error);
}

static void load (GTask *task);

static gboolean
load_again_cb (gpointer user_data)
{
  load (user_data);
  return G_SOURCE_REMOVE;
}

static void
loaded_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  BerthManager *self = BERTH_MANAGER (source);
  Rise *rise = g_task_get_task_data (task);
  GError *error = NULL;

  rise->fork = berth_manager_load_checkpoint_finish (self, result, &error);
  if (g_error_matches (error, BERTH_ERROR, BERTH_ERROR_QUEUE_FULL)
      && !g_cancellable_is_cancelled (rise->cancellable))
    {
      g_error_free (error);
      berth_host_add_timer (self->host, LOAD_AGAIN_US, load_again_cb, g_steal_pointer (&task));
      return;
    }
  if (rise->fork != NULL)
    rise->request = berth_manager_make_kept_request (rise->checkpoint, rise->fork,
                                                     berth_sandbox_get_id (rise->sandbox),
                                                     berth_manager_get_wait_us (self), &error);
  if (rise->request == NULL)
    {
      rise_fail (task, error);
      return;
    }
  if (rise->is_sole)
    berth_fork_set_sole (rise->fork);
  berth_sandbox_note_rise_request (rise->sandbox, rise->request);
  berth_pool_acquire_async (self->pool, rise->request, rise->cancellable, acquired_cb,
                            g_steal_pointer (&task));
}

/* Takes over @task. */
static void
load (GTask *task)
{
  Rise *rise = g_task_get_task_data (task);

  berth_manager_load_checkpoint_async (g_task_get_source_object (task), rise->checkpoint, loaded_cb,
                                       task);
}

static void
marked_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  GError *error = NULL;

  if (berth_checkpoint_store_finish (BERTH_CHECKPOINT_STORE (source), result, &error))
    load (g_steal_pointer (&task));
  else
    rise_fail (task, error);
}

static void
rise_cb (BerthSandbox *sandbox, GCancellable *cancellable, gpointer user_data)
{
  BerthManager *self = user_data;
  g_autoptr (GTask) task = g_task_new (self, NULL, NULL, NULL);
  BerthCheckpoint *checkpoint = berth_manager_find_sleeper (self, sandbox);
  Rise *rise;

  if (checkpoint == NULL)
    {
      berth_manager_bury (self, sandbox, "what it was is not there any more");
      return;
    }
  rise = g_new0 (Rise, 1);
  rise->sandbox = g_object_ref (sandbox);
  rise->checkpoint = g_object_ref (checkpoint);
  rise->cancellable = g_object_ref (cancellable);
  rise->is_sole = !berth_checkpoint_is_waking (checkpoint);
  rise->begun_us = g_get_monotonic_time ();
  g_task_set_task_data (task, rise, rise_free);
  berth_checkpoint_store_set_waking_async (self->checkpoints, checkpoint, TRUE, marked_cb,
                                           g_steal_pointer (&task));
}

void
berth_manager_set_hibernation (BerthManager *self, BerthSandbox *sandbox)
{
  const BerthSandboxHibernation hibernation
      = { .after_us = self->config->idle_hibernate_s * G_USEC_PER_SEC,
          .kept_us = self->config->hibernated_s * G_USEC_PER_SEC,
          .rise = rise_cb,
          .hibernate = hibernate_cb,
          .user_data = self };

  berth_sandbox_set_hibernation (sandbox, &hibernation);
}

/* ---- those of an earlier berthd ---- */

/* A VM of an earlier berthd may have gone on with it, and has ended since: it is known for no sole
 * one then. */
static void
doubted_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (BerthSandbox) sandbox = user_data;
  g_autoptr (GError) error = NULL;

  if (berth_checkpoint_store_finish (BERTH_CHECKPOINT_STORE (source), result, &error))
    berth_sandbox_may_rise (sandbox);
  else
    g_warning ("sandbox %s can't be woken: %s", berth_sandbox_get_id (sandbox), error->message);
}

static void
add_sleeper (BerthManager *self, BerthCheckpoint *checkpoint)
{
  const BerthCheckpointManifest *manifest = berth_checkpoint_get_manifest (checkpoint);
  const BerthShape shape
      = *BERTH_SHAPE (manifest->template_name, manifest->memory_mb, manifest->vcpus);
  g_autoptr (BerthVm) vm
      = berth_vm_new_adopted (manifest->sandbox, &shape, NULL, g_get_monotonic_time ());
  g_autoptr (GError) error = NULL;
  g_autoptr (BerthRequest) request = berth_manager_make_kept_request (
      checkpoint, NULL, manifest->sandbox, BERTH_REQUEST_WAIT_FOREVER, &error);
  BerthSandbox *sandbox;

  if (request == NULL)
    {
      g_warning ("sandbox %s is lost: %s", manifest->sandbox, error->message);
      return;
    }
  sandbox = berth_manager_add_sandbox (self, vm, request);
  berth_sandbox_set_exec_count (sandbox, manifest->exec_count);
  berth_sandbox_note_hibernated (sandbox, manifest->created_us);
  if (berth_tombstones_find (self->tombstones, manifest->sandbox, 0) == NULL)
    {
      berth_sandbox_may_rise (sandbox);
      return;
    }
  berth_tombstones_remove (self->tombstones, manifest->sandbox);
  berth_checkpoint_store_set_waking_async (self->checkpoints, checkpoint, TRUE, doubted_cb,
                                           g_object_ref (sandbox));
}

void
berth_manager_find_sleepers (BerthManager *self)
{
  g_autoptr (GPtrArray) all = berth_checkpoint_store_list (self->checkpoints, 0, NULL);

  for (guint i = 0; i < all->len; i++)
    {
      BerthCheckpoint *checkpoint = all->pdata[i];
      const BerthCheckpointManifest *manifest = berth_checkpoint_get_manifest (checkpoint);

      if (manifest->kind != BERTH_CHECKPOINT_ASLEEP)
        continue;
      /* its VM was to go, or had come, when an earlier berthd died: it is what it was, or more */
      if (g_hash_table_contains (self->sandboxes, manifest->sandbox))
        manager_forget (self, checkpoint);
      else
        add_sleeper (self, checkpoint);
    }
}

/* ---- what is shown of one ---- */

guint
berth_manager_count_sleepers (BerthManager *self)
{
  GHashTableIter iter;
  BerthSandbox *sandbox;
  guint count = 0;

  g_hash_table_iter_init (&iter, self->sandboxes);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *)&sandbox))
    count += berth_sandbox_is_hibernated (sandbox);
  return count;
}

/* (nullable) */
static GVariant *
describe_sleeper (BerthManager *self, BerthSandbox *sandbox)
{
  BerthCheckpoint *checkpoint = berth_manager_find_sleeper (self, sandbox);
  const BerthCheckpointManifest *manifest;
  GVariantDict dict;

  if (checkpoint == NULL)
    return NULL;
  manifest = berth_checkpoint_get_manifest (checkpoint);
  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert (&dict, "id", "s", manifest->sandbox);
  g_variant_dict_insert (&dict, "domain", "s", "");
  g_variant_dict_insert (&dict, "template", "s", manifest->template_name);
  g_variant_dict_insert (&dict, "state", "s", "hibernated");
  g_variant_dict_insert (&dict, "memory_mb", "u", manifest->memory_mb);
  g_variant_dict_insert (&dict, "holds_slot", "b", FALSE);
  g_variant_dict_insert (&dict, "age_s", "d",
                         (double)(g_get_real_time () - manifest->created_us) / G_USEC_PER_SEC);
  g_variant_dict_insert (&dict, "exec_count", "u", berth_sandbox_get_exec_count (sandbox));
  g_variant_dict_insert (&dict, "bytes", "t", manifest->bytes);
  g_variant_dict_insert (&dict, "tenant", "s", manifest->tenant != NULL ? manifest->tenant : "");
  g_variant_dict_insert (&dict, "task", "s", manifest->task != NULL ? manifest->task : "");
  g_variant_dict_insert (&dict, "uid", "u", manifest->uid);
  return g_variant_dict_end (&dict);
}

static gboolean
has_vm (GPtrArray *vms, const char *id)
{
  for (guint i = 0; i < vms->len; i++)
    if (g_str_equal (berth_vm_get_id (vms->pdata[i]), id))
      return TRUE;
  return FALSE;
}

void
berth_manager_list_sleepers (BerthManager *self, guint32 uid, GPtrArray *vms, GVariantBuilder *list)
{
  GHashTableIter iter;
  BerthSandbox *sandbox;

  g_hash_table_iter_init (&iter, self->sandboxes);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *)&sandbox))
    {
      gboolean is_shown = berth_sandbox_is_hibernated (sandbox)
                          && (uid == 0 || berth_sandbox_get_uid (sandbox) == uid)
                          && !has_vm (vms, berth_sandbox_get_id (sandbox));
      GVariant *described = is_shown ? describe_sleeper (self, sandbox) : NULL;

      if (described != NULL)
        g_variant_builder_add_value (list, described);
    }
}
