/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The manager's verbs of checkpoints: one is kept, told, removed; a sandbox goes back to one. */
#include "plugin/manager/berth-manager-private.h"

#include "plugin/host/berth-purpose.h"
#include "pool/berth-error.h"

#define MIB (G_GUINT64_CONSTANT (1) << 20)
#define DEVICES_MAX (64 * MIB) /* of a state, beside the memory */

BerthCheckpointLimits
berth_manager_get_checkpoint_limits (BerthManager *self)
{
  const BerthConfig *config = self->config;

  return (BerthCheckpointLimits){ .count = (guint)config->checkpoints,
                                  .user_count = (guint)config->checkpoints_per_user,
                                  .bytes = (guint64)config->checkpoint_mb * MIB,
                                  .user_bytes = (guint64)config->checkpoint_user_mb * MIB };
}

void
berth_manager_tell_bases (BerthManager *self)
{
  g_autoptr (GHashTable) bases = berth_checkpoint_store_dup_bases (self->checkpoints);

  berth_host_keep_bases (self->host, self->config->snapshot_dir, bases);
}

static void
opened_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  BerthManager *self = g_task_get_source_object (task);
  g_autoptr (GError) error = NULL;

  /* none of what is there may be lost because it could not be read */
  if (berth_checkpoint_store_finish (BERTH_CHECKPOINT_STORE (source), result, &error))
    berth_manager_tell_bases (self);
  else
    g_warning ("checkpoints can't be used: %s", error->message);
  g_task_return_boolean (task, TRUE);
}

void
berth_manager_open_checkpoints_async (BerthManager *self, GAsyncReadyCallback callback,
                                      gpointer user_data)
{
  g_autofree char *dir
      = g_build_filename (self->config->checkpoint_dir, self->config->instance, NULL);

  berth_checkpoint_store_open_async (self->checkpoints, dir, opened_cb,
                                     g_task_new (self, NULL, callback, user_data));
}

gboolean
berth_manager_open_checkpoints_finish (BerthManager *self, GAsyncResult *result)
{
  return g_task_propagate_boolean (G_TASK (result), NULL);
}

/* ---- told ---- */

static void
add_text (GVariantDict *dict, const char *key, const char *text)
{
  g_variant_dict_insert (dict, key, "s", text != NULL ? text : "");
}

static GVariant *
describe (BerthCheckpoint *checkpoint)
{
  const BerthCheckpointManifest *manifest = berth_checkpoint_get_manifest (checkpoint);
  GVariantDict dict;

  g_variant_dict_init (&dict, NULL);
  add_text (&dict, "name", manifest->name);
  add_text (&dict, "sandbox_id", manifest->sandbox);
  add_text (&dict, "template", manifest->template_name);
  add_text (&dict, "tenant", manifest->tenant);
  add_text (&dict, "task", manifest->task);
  add_text (&dict, "parent", manifest->parent);
  add_text (&dict, "snapshot", manifest->base);
  g_variant_dict_insert (&dict, "uid", "u", manifest->uid);
  g_variant_dict_insert (&dict, "exec_count", "u", manifest->exec_count);
  g_variant_dict_insert (&dict, "memory_mb", "u", manifest->memory_mb);
  g_variant_dict_insert (&dict, "created", "x", manifest->created_us / G_USEC_PER_SEC);
  g_variant_dict_insert (&dict, "bytes", "t", manifest->bytes);
  g_variant_dict_insert (&dict, "made_with", "^as", manifest->parts);
  return g_variant_dict_end (&dict);
}

GVariant *
berth_manager_dup_checkpoints (BerthManager *self, const char *id, guint32 uid)
{
  g_autoptr (GPtrArray) all = berth_checkpoint_store_list (self->checkpoints, uid, id);
  GVariantBuilder list;

  g_variant_builder_init (&list, G_VARIANT_TYPE ("aa{sv}"));
  for (guint i = 0; i < all->len; i++)
    if (berth_checkpoint_get_manifest (all->pdata[i])->kind == BERTH_CHECKPOINT_NAMED)
      g_variant_builder_add_value (&list, describe (all->pdata[i]));
  return g_variant_ref_sink (g_variant_builder_end (&list));
}

/* ---- kept ---- */

typedef struct
{
  BerthSandbox *sandbox;
  BerthCheckpointManifest *manifest;
  BerthCheckpointDraft *draft; /* (nullable) */
} KeepCall;

static void
keep_call_free (gpointer data)
{
  KeepCall *call = data;

  g_object_unref (call->sandbox);
  berth_checkpoint_manifest_free (call->manifest);
  g_free (call);
}

BerthCheckpointManifest *
berth_manager_make_manifest (BerthSandbox *sandbox, BerthCheckpointKind kind, const char *name)
{
  BerthVm *vm = berth_sandbox_get_vm (sandbox);
  g_autoptr (BerthRequest) request = berth_vm_dup_request (vm);
  const BerthPurpose *purpose = berth_purpose_of (request);
  const BerthCheckpointManifest manifest = {
    .kind = kind,
    .name = (char *)name,
    .sandbox = (char *)berth_vm_get_id (vm),
    .uid = request->uid,
    .tenant = request->tenant,
    .task = request->task,
    .template_name = (char *)berth_vm_get_template (vm),
    .memory_mb = berth_vm_get_memory_mb (vm),
    .vcpus = berth_vm_get_vcpus (vm),
    .idle_timeout_ms = purpose->idle_timeout_ms,
    .idle_pause_ms = purpose->idle_pause_ms,
    .idle_hibernate_ms = purpose->idle_hibernate_ms,
    .is_attached = !purpose->is_session,
    .parent = (char *)purpose->parent,
    .checkpoint = (char *)purpose->checkpoint,
    .exec_count = berth_sandbox_get_exec_count (sandbox),
    .created_us = g_get_real_time (),
  };

  return berth_checkpoint_manifest_copy (&manifest);
}

/* (transfer full): the host's, and what 'berth template prune' leaves for it, which hosts don't
 * compare */
static char **
dup_parts (BerthManager *self, const char *template_name, char **parts)
{
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();
  BerthTemplate *template = g_hash_table_lookup (self->templates, template_name);
  g_autofree char *layers
      = template != NULL ? g_strjoinv (",", (char **)berth_template_get_layers (template)) : NULL;
  g_autofree char *part = g_strconcat ("layers ", layers, NULL);

  if (parts != NULL)
    g_strv_builder_addv (builder, (const char **)parts);
  if (layers != NULL)
    g_strv_builder_add (builder, part);
  return g_strv_builder_end (builder);
}

void
berth_manager_take_copy (BerthManager *self, BerthCheckpointManifest *manifest, BerthHostCopy *copy)
{
  manifest->base = g_steal_pointer (&copy->base->snapshot);
  manifest->base_key = g_steal_pointer (&copy->base->key);
  manifest->base_sum = g_steal_pointer (&copy->base->sum);
  manifest->parts = dup_parts (self, manifest->template_name, copy->base->parts);
  manifest->pages = copy->pages;
}

static void
keep_fail (GTask *task, GError *error)
{
  BerthManager *self = g_task_get_source_object (task);
  KeepCall *call = g_task_get_task_data (task);

  if (call->draft != NULL)
    berth_checkpoint_store_abandon (self->checkpoints, g_steal_pointer (&call->draft));
  berth_manager_tell_bases (self); /* its copy may have had one kept */
  g_task_return_error (task, error);
}

static void
committed_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  GError *error = NULL;
  g_autoptr (BerthCheckpoint) checkpoint
      = berth_checkpoint_store_commit_finish (BERTH_CHECKPOINT_STORE (source), result, &error);

  if (checkpoint != NULL)
    g_task_return_pointer (task, g_variant_ref_sink (describe (checkpoint)),
                           (GDestroyNotify)g_variant_unref);
  else
    keep_fail (task, error);
}

static void
copied_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  BerthManager *self = g_task_get_source_object (task);
  KeepCall *call = g_task_get_task_data (task);
  BerthCheckpointManifest *manifest = call->manifest;
  GError *error = NULL;
  g_autoptr (BerthHostCopy) copy = berth_host_copy_finish (BERTH_HOST (source), result, &error);

  if (copy == NULL)
    {
      g_prefix_error (&error, "sandbox %s: no checkpoint could be made: ", manifest->sandbox);
      keep_fail (task, error);
      return;
    }
  berth_manager_take_copy (self, manifest, copy);
  berth_checkpoint_store_commit_async (self->checkpoints, g_steal_pointer (&call->draft), manifest,
                                       committed_cb, g_steal_pointer (&task));
}

static void
awake_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  BerthManager *self = g_task_get_source_object (task);
  KeepCall *call = g_task_get_task_data (task);
  BerthSandbox *sandbox = BERTH_SANDBOX (source);
  g_autofree char *name = NULL;
  GError *error = NULL;

  if (!berth_sandbox_pause_finish (sandbox, result, &error)
      || !berth_sandbox_check_copy (sandbox, &error)
      || g_cancellable_set_error_if_cancelled (g_task_get_cancellable (task), &error))
    {
      keep_fail (task, error);
      return;
    }
  name = g_strdup (call->manifest->name);
  berth_checkpoint_manifest_free (call->manifest);
  call->manifest = berth_manager_make_manifest (sandbox, BERTH_CHECKPOINT_NAMED, name);
  berth_host_copy_async (self->host, berth_sandbox_get_vm (sandbox),
                         berth_checkpoint_draft_get_fd (call->draft),
                         berth_checkpoint_draft_get_max_bytes (call->draft), FALSE, copied_cb,
                         g_steal_pointer (&task));
}

static void
begun_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  KeepCall *call = g_task_get_task_data (task);
  GError *error = NULL;

  call->draft
      = berth_checkpoint_store_begin_finish (BERTH_CHECKPOINT_STORE (source), result, &error);
  if (call->draft != NULL)
    berth_sandbox_resume_async (call->sandbox, g_task_get_cancellable (task), awake_cb,
                                g_object_ref (task));
  else
    g_task_return_error (task, error);
}

void
berth_manager_checkpoint_async (BerthManager *self, const char *id, guint32 uid, const char *name,
                                GCancellable *cancellable, GAsyncReadyCallback callback,
                                gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);
  GError *error = NULL;
  BerthSandbox *sandbox = berth_manager_find (self, id, uid, &error);
  guint64 most_bytes;
  KeepCall *call;

  g_task_set_source_tag (task, berth_manager_checkpoint_async);
  g_task_set_check_cancellable (task, FALSE); /* one that was made is told */
  if (sandbox == NULL || !berth_checkpoint_name_check (name, &error)
      || !berth_manager_check_copy (sandbox, &error))
    {
      g_task_return_error (task, error);
      return;
    }
  call = g_new0 (KeepCall, 1);
  call->sandbox = g_object_ref (sandbox);
  call->manifest = berth_manager_make_manifest (sandbox, BERTH_CHECKPOINT_NAMED, name);
  g_task_set_task_data (task, call, keep_call_free);
  most_bytes = call->manifest->memory_mb * MIB + DEVICES_MAX;
  berth_checkpoint_store_begin_async (self->checkpoints, call->manifest, most_bytes, begun_cb,
                                      g_steal_pointer (&task));
}

GVariant *
berth_manager_checkpoint_finish (BerthManager *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), NULL);
  return g_task_propagate_pointer (G_TASK (result), error);
}

/* ---- removed ---- */

static void
removed_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  GError *error = NULL;

  if (berth_checkpoint_store_finish (BERTH_CHECKPOINT_STORE (source), result, &error))
    {
      berth_manager_tell_bases (g_task_get_source_object (task));
      g_task_return_boolean (task, TRUE);
    }
  else
    g_task_return_error (task, error);
}

void
berth_manager_remove_checkpoint_async (BerthManager *self, const char *id, guint32 uid,
                                       const char *name, GCancellable *cancellable,
                                       GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);
  GError *error = NULL;
  BerthCheckpoint *checkpoint
      = berth_checkpoint_store_find (self->checkpoints, uid, id, name, &error);

  g_task_set_check_cancellable (task, FALSE);
  if (checkpoint != NULL)
    berth_checkpoint_store_remove_async (self->checkpoints, checkpoint, removed_cb,
                                         g_steal_pointer (&task));
  else
    g_task_return_error (task, error);
}

/* ---- loaded ---- */

static BerthFork *
fork_of (BerthManager *self, BerthCheckpoint *checkpoint, int fd)
{
  const BerthCheckpointManifest *manifest = berth_checkpoint_get_manifest (checkpoint);
  const BerthForkBase base = { .snapshot = manifest->base,
                               .key = manifest->base_key,
                               .sum = manifest->base_sum,
                               .dir = self->config->snapshot_dir,
                               .parts = manifest->parts };

  /* one that was asleep is no copy of itself */
  if (manifest->kind == BERTH_CHECKPOINT_ASLEEP)
    return berth_fork_new_kept (manifest->parent, manifest->checkpoint, &base, fd);
  return berth_fork_new_kept (manifest->sandbox, manifest->name, &base, fd);
}

static void
loaded_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  GError *error = NULL;
  int fd = berth_checkpoint_store_load_finish (BERTH_CHECKPOINT_STORE (source), result, &error);

  if (fd >= 0)
    g_task_return_pointer (
        task, fork_of (g_task_get_source_object (task), g_task_get_task_data (task), fd),
        g_object_unref);
  else
    g_task_return_error (task, error);
}

void
berth_manager_load_checkpoint_async (BerthManager *self, BerthCheckpoint *checkpoint,
                                     GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task = g_task_new (self, NULL, callback, user_data);

  g_task_set_task_data (task, g_object_ref (checkpoint), g_object_unref);
  berth_checkpoint_store_load_async (self->checkpoints, checkpoint, loaded_cb, task);
}

BerthFork *
berth_manager_load_checkpoint_finish (BerthManager *self, GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

BerthRequest *
berth_manager_make_kept_request (BerthCheckpoint *checkpoint, BerthFork *fork,
                                 BerthSandbox *sandbox, gint64 wait_us, GError **error)
{
  const BerthCheckpointManifest *manifest = berth_checkpoint_get_manifest (checkpoint);
  g_autoptr (BerthRequest) before
      = sandbox != NULL ? berth_vm_dup_request (berth_sandbox_get_vm (sandbox)) : NULL;
  /* an attached one stays so; of a sandbox of an earlier berthd nobody has a request */
  const BerthPurpose purpose
      = { .is_session = before == NULL || berth_purpose_of (before)->is_session,
          .idle_timeout_ms = manifest->idle_timeout_ms,
          .idle_pause_ms = manifest->idle_pause_ms,
          .idle_hibernate_ms = manifest->idle_hibernate_ms,
          .fork = fork,
          .sandbox = sandbox != NULL ? berth_sandbox_get_id (sandbox) : NULL,
          /* its VM may be there as long as the next one is made */
          .generation = sandbox != NULL ? berth_purpose_of (before)->generation + 1 : 0 };
  const BerthShape shape
      = *BERTH_SHAPE (manifest->template_name, manifest->memory_mb, manifest->vcpus);

  return berth_purpose_make_request (&purpose, &shape, manifest->tenant, manifest->task,
                                     manifest->uid, wait_us, error);
}

/* ---- gone back to ---- */

typedef struct
{
  BerthCheckpoint *checkpoint; /* (nullable): owned, in use until it ends */
  BerthFork *fork;             /* (nullable) */
  gint64 wait_us;
} RollbackCall;

/* Who asked may hold the call for longer. */
static void
rollback_let_go (RollbackCall *call)
{
  if (call->checkpoint != NULL)
    berth_checkpoint_end_use (call->checkpoint);
  g_clear_object (&call->checkpoint);
}

static void
rollback_call_free (gpointer data)
{
  RollbackCall *call = data;

  rollback_let_go (call);
  g_clear_object (&call->fork);
  g_free (call);
}

char *
berth_manager_dup_replaced_reason (const BerthRequest *request)
{
  const BerthPurpose *purpose = berth_purpose_of (request);

  if (purpose->sandbox == NULL || purpose->fork == NULL)
    return NULL;
  return g_strdup_printf ("it was rolled back to its checkpoint %s, and what ran in it has ended",
                          berth_fork_get_name (purpose->fork));
}

gboolean
berth_manager_may_go_on (BerthManager *self, BerthRequest *request, GError **error)
{
  const BerthPurpose *purpose = berth_purpose_of (request);

  if (purpose->sandbox == NULL || purpose->fork == NULL
      || berth_fork_get_name (purpose->fork) == NULL
      || g_hash_table_contains (self->sandboxes, purpose->sandbox))
    return TRUE;
  g_set_error (error, BERTH_ERROR, BERTH_ERROR_GONE,
               "sandbox %s is gone: it ended while it was rolled back; make a new one of its "
               "checkpoint (berth fork ID --checkpoint %s)",
               purpose->sandbox, berth_fork_get_name (purpose->fork));
  return FALSE;
}

static void
served_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  BerthManager *self = BERTH_MANAGER (source);
  RollbackCall *call = g_task_get_task_data (task);
  GError *error = NULL;
  g_autofree char *id = berth_manager_serve_finish (self, result, &error);
  BerthSandbox *sandbox = id != NULL ? g_hash_table_lookup (self->sandboxes, id) : NULL;

  berth_fork_end (call->fork);
  if (sandbox != NULL)
    berth_sandbox_set_exec_count (sandbox,
                                  berth_checkpoint_get_manifest (call->checkpoint)->exec_count);
  rollback_let_go (call);
  if (id != NULL)
    g_task_return_boolean (task, TRUE);
  else
    g_task_return_error (task, error);
}

static void
rollback_loaded_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  BerthManager *self = BERTH_MANAGER (source);
  RollbackCall *call = g_task_get_task_data (task);
  const char *id = berth_checkpoint_get_manifest (call->checkpoint)->sandbox;
  GError *error = NULL;
  BerthRequest *request = NULL;
  BerthSandbox *sandbox;

  call->fork = berth_manager_load_checkpoint_finish (self, result, &error);
  sandbox = call->fork != NULL ? berth_manager_find (self, id, 0, &error) : NULL;
  if (sandbox != NULL)
    request = berth_manager_make_kept_request (call->checkpoint, call->fork, sandbox, call->wait_us,
                                               &error);
  if (request != NULL)
    berth_manager_serve_async (self, request, NULL, g_task_get_cancellable (task), served_cb,
                               g_object_ref (task));
  else
    g_task_return_error (task, error);
}

void
berth_manager_rollback_async (BerthManager *self, const char *id, guint32 uid, const char *name,
                              gint64 wait_us, GCancellable *cancellable,
                              GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);
  GError *error = NULL;
  BerthCheckpoint *checkpoint
      = berth_manager_find (self, id, uid, &error) != NULL
            ? berth_checkpoint_store_find (self->checkpoints, uid, id, name, &error)
            : NULL;
  RollbackCall *call;

  g_task_set_source_tag (task, berth_manager_rollback_async);
  g_task_set_check_cancellable (task, FALSE); /* what was done is told */
  if (checkpoint == NULL)
    {
      g_task_return_error (task, error);
      return;
    }
  call = g_new0 (RollbackCall, 1);
  call->checkpoint = g_object_ref (checkpoint);
  call->wait_us = wait_us;
  berth_checkpoint_begin_use (checkpoint);
  g_task_set_task_data (task, call, rollback_call_free);
  berth_manager_load_checkpoint_async (self, checkpoint, rollback_loaded_cb,
                                       g_steal_pointer (&task));
}

gboolean
berth_manager_rollback_finish (BerthManager *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);
  return g_task_propagate_boolean (G_TASK (result), error);
}
