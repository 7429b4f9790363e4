/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The manager's verb hibernate: what a session is goes to the disk, and its VM away; and how it
 * goes on in another, through the queue as any create does. */
#include "plugin/manager/berth-manager-private.h"

#include "plugin/host/berth-purpose.h"
#include "plugin/snapshot/berth-difference.h"
#include "pool/berth-error.h"
#include "pool/berth-vm-private.h"

/* A VM that did not end is looked for as often: pool goes on trying. */
#define END_AGAIN_US (5 * G_USEC_PER_SEC)

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

void
berth_manager_forget_asleep (BerthManager *self, BerthCheckpoint *checkpoint)
{
  berth_checkpoint_store_remove_async (self->checkpoints, checkpoint, removed_cb,
                                       g_object_ref (self));
}

BerthCheckpoint *
berth_manager_find_sleeper (BerthManager *self, BerthSandbox *sandbox)
{
  return berth_checkpoint_store_find_asleep (self->checkpoints, berth_sandbox_get_id (sandbox));
}

void
berth_manager_forget_sleeper (BerthManager *self, BerthSandbox *sandbox)
{
  BerthCheckpoint *checkpoint = berth_manager_find_sleeper (self, sandbox);

  if (checkpoint != NULL)
    berth_manager_forget_asleep (self, checkpoint);
}

/* ---- it goes to the disk ---- */

typedef struct
{
  BerthManager *self;    /* owned */
  BerthSandbox *sandbox; /* owned */
  GPtrArray *tasks;      /* GTask (owned): who wants to hear of it */
  BerthVm *vm;           /* (nullable) (owned): the one that goes */
  gboolean was_paused;
  BerthCheckpointManifest *manifest; /* (nullable) */
  BerthCheckpointDraft *draft;       /* (nullable) */
  gint64 begun_us;
} Hibernation;

static void
hibernation_free (Hibernation *self)
{
  g_hash_table_remove (self->self->hibernations, self->sandbox);
  g_ptr_array_unref (self->tasks);
  g_clear_object (&self->vm);
  g_clear_pointer (&self->manifest, berth_checkpoint_manifest_free);
  g_object_unref (self->sandbox);
  g_object_unref (self->self);
  g_free (self);
}

/* @error: (nullable) */
static void
hibernation_answer (Hibernation *self, const GError *error)
{
  g_autoptr (GPtrArray) tasks = g_steal_pointer (&self->tasks);

  self->tasks = g_ptr_array_new_with_free_func (g_object_unref);
  for (guint i = 0; i < tasks->len; i++)
    if (error != NULL)
      g_task_return_error (tasks->pdata[i], g_error_copy (error));
    else
      g_task_return_boolean (tasks->pdata[i], TRUE);
}

static void manager_hibernate (BerthManager *self, BerthSandbox *sandbox, GTask *task);

/* (transfer full): those who came later than the one who has withdrawn */
static GPtrArray *
hibernation_steal_others (Hibernation *self, const GError *error)
{
  GPtrArray *others = g_ptr_array_new_with_free_func (g_object_unref);

  while (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED) && self->tasks->len > 1)
    g_ptr_array_add (others, g_ptr_array_steal_index (self->tasks, 1));
  return others;
}

/* It goes on as it was. Takes @self and @error over. */
static void
hibernation_fail (Hibernation *self, GError *error)
{
  BerthManager *manager = self->self;
  g_autoptr (BerthSandbox) sandbox = g_object_ref (self->sandbox);
  g_autoptr (GError) reason = error;
  g_autoptr (GPtrArray) others = hibernation_steal_others (self, error);
  gboolean was_paused = self->was_paused;

  if (self->draft != NULL)
    berth_checkpoint_store_abandon (manager->checkpoints, g_steal_pointer (&self->draft));
  berth_manager_tell_bases (manager); /* its copy may have had one kept */
  berth_metrics_add (manager->metrics, BERTH_METRIC_HIBERNATIONS, "failed", NULL, 1);
  g_prefix_error (&reason, "sandbox %s can't be hibernated: ", berth_sandbox_get_id (sandbox));
  hibernation_answer (self, reason);
  hibernation_free (self);
  for (guint i = 0; i < others->len; i++)
    manager_hibernate (manager, sandbox, g_object_ref (others->pdata[i]));
  if (others->len == 0)
    berth_sandbox_end_leave (sandbox, was_paused); /* last: who waits is let in */
}

static void hibernation_end_vm (Hibernation *self);

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
  Hibernation *self = user_data;
  g_autoptr (BerthSandbox) sandbox = g_object_ref (self->sandbox);
  g_autoptr (GError) error = NULL;
  gboolean ok = berth_pool_destroy_finish (BERTH_POOL (source), result, &error);

  hibernation_answer (self, error);
  if (!ok && !g_error_matches (error, BERTH_ERROR, BERTH_ERROR_SHUTTING_DOWN))
    {
      g_warning ("%s", error->message);
      berth_host_add_timer (self->self->host, END_AGAIN_US, end_again_cb, self);
      return;
    }
  hibernation_free (self);
  if (ok)
    berth_sandbox_may_rise (sandbox);
}

static void
hibernation_end_vm (Hibernation *self)
{
  berth_pool_destroy_async (self->self->pool, self->vm, NULL, ended_cb, self);
}

static void
committed_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Hibernation *self = user_data;
  BerthManager *manager = self->self;
  BerthSandbox *sandbox = self->sandbox;
  GError *error = NULL;
  g_autoptr (BerthCheckpoint) checkpoint
      = berth_checkpoint_store_commit_finish (BERTH_CHECKPOINT_STORE (source), result, &error);

  if (checkpoint == NULL)
    {
      berth_host_go_on (manager->host, self->vm);
      hibernation_fail (self, error);
      return;
    }
  if (berth_sandbox_is_closed (sandbox)) /* it was destroyed, or its VM has ended */
    {
      berth_manager_forget_asleep (manager, checkpoint);
      hibernation_fail (self, berth_sandbox_new_gone_error (sandbox));
      return;
    }
  berth_sandbox_note_hibernated (sandbox, self->manifest->created_us);
  berth_metrics_add (manager->metrics, BERTH_METRIC_HIBERNATIONS, "made", NULL, 1);
  berth_metrics_observe (manager->metrics, BERTH_METRIC_HIBERNATE, NULL, NULL,
                         g_get_monotonic_time () - self->begun_us);
  g_message ("sandbox %s is hibernated: %" G_GUINT64_FORMAT " KiB", berth_sandbox_get_id (sandbox),
             berth_checkpoint_get_manifest (checkpoint)->bytes / 1024);
  hibernation_end_vm (self);
}

static void
copied_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Hibernation *self = user_data;
  GError *error = NULL;
  g_autoptr (BerthHostCopy) copy = berth_host_copy_finish (BERTH_HOST (source), result, &error);

  if (copy == NULL)
    {
      hibernation_fail (self, error);
      return;
    }
  berth_manager_take_copy (self->self, self->manifest, copy);
  berth_checkpoint_store_commit_async (self->self->checkpoints, g_steal_pointer (&self->draft),
                                       self->manifest, committed_cb, self);
}

static void
begun_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Hibernation *self = user_data;
  GError *error = NULL;

  self->draft
      = berth_checkpoint_store_begin_finish (BERTH_CHECKPOINT_STORE (source), result, &error);
  if (self->draft == NULL)
    {
      hibernation_fail (self, error);
      return;
    }
  self->manifest->created_us = g_get_real_time ();
  berth_host_copy_async (self->self->host, self->vm, berth_checkpoint_draft_get_fd (self->draft),
                         berth_checkpoint_draft_get_max_bytes (self->draft), TRUE, copied_cb, self);
}

/* What is copied has to answer. */
static void
awake_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  BerthSandbox *sandbox = BERTH_SANDBOX (source);
  Hibernation *self = user_data;
  GError *error = NULL;

  if (!berth_sandbox_pause_finish (sandbox, result, &error)
      || !berth_sandbox_begin_leave (sandbox, &error))
    {
      hibernation_fail (self, error);
      return;
    }
  berth_manager_forget_sleeper (self->self, sandbox); /* it is older */
  self->vm = g_object_ref (berth_sandbox_get_vm (sandbox));
  self->manifest = berth_manager_make_manifest (sandbox, BERTH_CHECKPOINT_ASLEEP, "");
  self->begun_us = g_get_monotonic_time ();
  berth_checkpoint_store_begin_async (
      self->self->checkpoints, self->manifest,
      ((guint64)self->manifest->memory_mb << 20) + BERTH_DIFFERENCE_MORE_BYTES, begun_cb, self);
}

/* Takes @task over. */
static void
manager_hibernate (BerthManager *self, BerthSandbox *sandbox, GTask *task)
{
  Hibernation *hibernation = g_hash_table_lookup (self->hibernations, sandbox);

  if (hibernation != NULL)
    {
      g_ptr_array_add (hibernation->tasks, task);
      return;
    }
  hibernation = g_new0 (Hibernation, 1);
  hibernation->self = g_object_ref (self);
  hibernation->sandbox = g_object_ref (sandbox);
  hibernation->tasks = g_ptr_array_new_with_free_func (g_object_unref);
  hibernation->was_paused
      = berth_vm_get_state (berth_sandbox_get_vm (sandbox)) == BERTH_VM_STATE_PAUSED;
  g_ptr_array_add (hibernation->tasks, task);
  g_hash_table_insert (self->hibernations, sandbox, hibernation);
  berth_sandbox_resume_async (sandbox, g_task_get_cancellable (task), awake_cb, hibernation);
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
  else if (berth_sandbox_is_hibernated (sandbox)
           && !g_hash_table_contains (self->hibernations, sandbox))
    g_task_return_boolean (task, TRUE);
  else
    manager_hibernate (self, sandbox, g_steal_pointer (&task));
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

/* As for a pause */
static gint64
manager_get_after_us (BerthManager *self, const BerthRequest *request)
{
  gint64 most_us = self->config->idle_hibernate_s * G_USEC_PER_SEC;
  gint64 wanted_us = berth_purpose_of (request)->idle_hibernate_ms * G_GINT64_CONSTANT (1000);

  return wanted_us == 0 || (most_us > 0 && wanted_us > most_us) ? most_us : wanted_us;
}

void
berth_manager_set_hibernation (BerthManager *self, BerthSandbox *sandbox,
                               const BerthRequest *request)
{
  const BerthSandboxHibernation hibernation
      = { .after_us = manager_get_after_us (self, request),
          .kept_us = self->config->hibernated_s * G_USEC_PER_SEC,
          .rise = berth_manager_rise,
          .hibernate = hibernate_cb,
          .user_data = self };

  berth_sandbox_set_hibernation (sandbox, &hibernation);
}

/* ---- those of an earlier berthd ---- */

static void
doubted_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (BerthSandbox) sandbox = user_data;
  g_autoptr (GError) error = NULL;

  if (!berth_checkpoint_store_finish (BERTH_CHECKPOINT_STORE (source), result, &error))
    g_warning ("%s", error->message); /* this berthd knows all the same */
  berth_sandbox_may_rise (sandbox);
}

/* @is_doubted: a VM may have gone on with it, and has ended since: it is no sole one then */
static void
add_sleeper (BerthManager *self, BerthCheckpoint *checkpoint, gboolean is_doubted)
{
  const BerthCheckpointManifest *manifest = berth_checkpoint_get_manifest (checkpoint);
  const BerthShape shape
      = *BERTH_SHAPE (manifest->template_name, manifest->memory_mb, manifest->vcpus);
  g_autoptr (BerthVm) vm
      = berth_vm_new_adopted (manifest->sandbox, &shape, NULL, g_get_monotonic_time ());
  g_autoptr (GError) error = NULL;
  g_autoptr (BerthRequest) request = berth_manager_make_kept_request (
      checkpoint, NULL, NULL, BERTH_REQUEST_WAIT_FOREVER, &error);
  BerthSandbox *sandbox;

  if (request == NULL)
    {
      g_warning ("sandbox %s is lost: %s", manifest->sandbox, error->message);
      return;
    }
  berth_vm_set_request (vm, request, 0, FALSE); /* as the last that it had */
  sandbox = berth_manager_add_sandbox (self, vm, request);
  berth_tombstones_remove (self->tombstones, manifest->sandbox);
  berth_sandbox_set_exec_count (sandbox, manifest->exec_count);
  berth_sandbox_note_hibernated (sandbox, manifest->created_us);
  if (!is_doubted)
    {
      berth_sandbox_may_rise (sandbox);
      return;
    }
  berth_manager_doubt (checkpoint);
  berth_checkpoint_store_set_waking_async (self->checkpoints, checkpoint, TRUE, doubted_cb,
                                           g_object_ref (sandbox));
}

gboolean
berth_manager_fall_asleep (BerthManager *self, const char *id)
{
  BerthCheckpoint *checkpoint = berth_checkpoint_store_find_asleep (self->checkpoints, id);

  if (checkpoint == NULL)
    return FALSE;
  add_sleeper (self, checkpoint, TRUE);
  return TRUE;
}

/* Which of its VM and what is kept is the session. */
typedef struct
{
  BerthManager *self;          /* owned */
  BerthCheckpoint *checkpoint; /* owned */
} Probe;

static void
probed_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autofree Probe *probe = user_data;
  g_autoptr (BerthManager) self = probe->self;
  g_autoptr (BerthCheckpoint) checkpoint = probe->checkpoint;
  g_autoptr (GError) error = NULL;
  g_autoptr (BerthBackgroundResult) told
      = berth_host_background_finish (BERTH_HOST (source), result, &error);

  if (told != NULL)
    berth_manager_forget_asleep (self, checkpoint);
}

/* Its VM was to go, or had come, when an earlier berthd died. One that answers is what is kept, or
 * more; one that ends meanwhile was on its way. */
static void
manager_probe (BerthManager *self, BerthSandbox *sandbox, BerthCheckpoint *checkpoint)
{
  Probe *probe;

  if (berth_vm_get_state (berth_sandbox_get_vm (sandbox)) == BERTH_VM_STATE_GONE)
    return;                              /* which is about to be told: it falls asleep then */
  if (berth_sandbox_is_paused (sandbox)) /* somebody paused it since it had come */
    {
      berth_manager_forget_asleep (self, checkpoint);
      return;
    }
  probe = g_new0 (Probe, 1);
  probe->self = g_object_ref (self);
  probe->checkpoint = g_object_ref (checkpoint);
  berth_host_background_async (self->host, berth_sandbox_get_vm (sandbox),
                               berth_background_request_new (BERTH_BACKGROUND_LIST, 0),
                               berth_sandbox_get_closed (sandbox), probed_cb, probe);
}

static void
manager_find_sleeper (BerthManager *self, BerthCheckpoint *checkpoint)
{
  const BerthCheckpointManifest *manifest = berth_checkpoint_get_manifest (checkpoint);
  BerthSandbox *sandbox = g_hash_table_lookup (self->sandboxes, manifest->sandbox);
  const BerthTombstone *stone = berth_tombstones_find (self->tombstones, manifest->sandbox, 0);

  /* of an attached one the connection is gone; of two the newer is there */
  if (manifest->is_attached || (sandbox != NULL && berth_sandbox_is_hibernated (sandbox)))
    berth_manager_forget_asleep (self, checkpoint);
  else if (sandbox != NULL)
    manager_probe (self, sandbox, checkpoint);
  else
    add_sleeper (self, checkpoint, stone != NULL);
}

void
berth_manager_find_sleepers (BerthManager *self)
{
  g_autoptr (GPtrArray) all = berth_checkpoint_store_list (self->checkpoints, 0, NULL);

  for (guint i = all->len; i-- > 0;) /* the newest first */
    if (berth_checkpoint_get_manifest (all->pdata[i])->kind == BERTH_CHECKPOINT_ASLEEP)
      manager_find_sleeper (self, all->pdata[i]);
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
  g_variant_dict_insert (&dict, "made_with", "^as", manifest->parts);
  berth_manager_describe_origin (manifest->sandbox, manifest->parent, manifest->checkpoint, &dict);
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
