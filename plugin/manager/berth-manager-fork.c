/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The manager's verb fork: several creates of which each is a copy; all of them or none, or each
 * told as it comes. */
#include "plugin/manager/berth-manager-private.h"

#include "plugin/host/berth-purpose.h"
#include "plugin/snapshot/berth-difference.h"
#include "pool/berth-error.h"

typedef struct
{
  BerthFork *fork;             /* (nullable): before it begins */
  BerthVm *vm;                 /* (nullable): of the source */
  BerthCheckpoint *checkpoint; /* (nullable): in its place */
  BerthForkOptions options;
  GCancellable *cancellable; /* of all children: where it is all or none, the first that fails takes
                                the others along */
  gulong cancelled_id;
  guint pending;
  GPtrArray *ids;
  GError *error;
} ForkCall;

/* Who asked may hold the call for longer. */
static void
fork_call_let_go (ForkCall *call)
{
  if (call->checkpoint != NULL)
    berth_checkpoint_end_use (call->checkpoint);
  g_clear_object (&call->checkpoint);
}

static void
fork_call_free (gpointer data)
{
  ForkCall *call = data;

  g_clear_object (&call->fork);
  g_clear_object (&call->vm);
  fork_call_let_go (call);
  g_object_unref (call->cancellable);
  g_ptr_array_unref (call->ids);
  g_clear_error (&call->error);
  g_free (call);
}

BerthDiskPart *
berth_manager_take_disk (BerthVm *vm, gpointer manager, GError **error)
{
  BerthManager *self = manager;
  const BerthDiskBounds bounds = { .all_bytes = (guint64)self->config->forks_mb << 20,
                                   .user_bytes = (guint64)self->config->uid_forks_mb << 20 };
  BerthSandbox *sandbox = berth_manager_find (self, berth_vm_get_id (vm), 0, error);
  guint64 most = ((guint64)berth_vm_get_memory_mb (vm) << 20) + BERTH_DIFFERENCE_MORE_BYTES;
  BerthDiskPart *part;

  if (sandbox == NULL)
    return NULL;
  part = berth_disk_account_take (self->copies, berth_sandbox_get_uid (sandbox), most, &bounds);
  if (part == NULL)
    g_set_error (error, BERTH_ERROR, BERTH_ERROR_UNAVAILABLE,
                 "sandbox %s can't be forked just now: other forks have all the disk that they may "
                 "have (forks_mb, uid_forks_mb); ask again when they are through",
                 berth_sandbox_get_id (sandbox));
  return part;
}

gboolean
berth_manager_copy_begins (BerthVm *vm, gpointer manager, GError **error)
{
  BerthManager *self = manager;
  BerthSandbox *sandbox = berth_manager_find (self, berth_vm_get_id (vm), 0, error);

  return sandbox != NULL && berth_sandbox_begin_copy (sandbox, error);
}

void
berth_manager_copy_ended (BerthVm *vm, gint64 took_us, guint64 bytes, gpointer manager)
{
  BerthManager *self = manager;
  BerthSandbox *sandbox = g_hash_table_lookup (self->sandboxes, berth_vm_get_id (vm));

  berth_metrics_add (self->metrics, BERTH_METRIC_COPIES, took_us >= 0 ? "made" : "failed", NULL, 1);
  if (took_us >= 0)
    {
      berth_metrics_observe (self->metrics, BERTH_METRIC_COPY, NULL, NULL, took_us);
      berth_metrics_add (self->metrics, BERTH_METRIC_COPY_BYTES, NULL, NULL, bytes);
    }
  if (sandbox != NULL)
    berth_sandbox_end_copy (sandbox);
}

static void
fork_end (BerthManager *self, GTask *task)
{
  ForkCall *call = g_task_get_task_data (task);

  g_cancellable_disconnect (g_task_get_cancellable (task), call->cancelled_id);
  berth_fork_end (call->fork);
  fork_call_let_go (call);
  if (call->error == NULL)
    {
      g_ptr_array_add (call->ids, NULL);
      g_task_return_pointer (task, g_strdupv ((char **)call->ids->pdata),
                             (GDestroyNotify)g_strfreev);
      return;
    }
  for (guint i = 0; i < call->ids->len && call->options.tell == NULL; i++)
    berth_manager_end_sandbox (self, call->ids->pdata[i], "another child of the same fork failed");
  g_task_return_error (task, g_steal_pointer (&call->error));
}

static void
fork_take_child (BerthManager *self, ForkCall *call, char *id)
{
  g_autofree char *untold = id;

  if (call->options.tell == NULL || call->options.tell (id, call->options.tell_data))
    {
      g_ptr_array_add (call->ids, g_steal_pointer (&untold));
      return;
    }
  berth_manager_end_sandbox (self, id, "nobody was there to hear of it");
  if (call->error == NULL)
    call->error = g_error_new (G_IO_ERROR, G_IO_ERROR_CANCELLED, "nobody reads the ids of a fork");
  g_cancellable_cancel (call->cancellable);
}

static void
child_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  BerthManager *self = BERTH_MANAGER (source);
  ForkCall *call = g_task_get_task_data (task);
  g_autoptr (GError) error = NULL;
  char *id = berth_manager_serve_finish (self, result, &error);

  if (id != NULL)
    fork_take_child (self, call, id);
  else
    {
      if (call->error == NULL)
        call->error = g_steal_pointer (&error);
      if (call->options.tell == NULL)
        g_cancellable_cancel (call->cancellable);
    }
  if (--call->pending == 0)
    fork_end (self, task);
}

static void
cancelled_cb (GCancellable *cancellable, gpointer user_data)
{
  g_cancellable_cancel (user_data);
}

static BerthRequest *
make_request (const ForkCall *call, GError **error)
{
  g_autoptr (BerthRequest) source = NULL;
  BerthPurpose purpose = { .fork = call->fork };

  if (call->checkpoint != NULL)
    return berth_manager_make_kept_request (call->checkpoint, call->fork, NULL,
                                            call->options.wait_us, error);
  source = berth_vm_dup_request (call->vm);
  purpose.is_session = berth_purpose_of (source)->is_session;
  purpose.idle_timeout_ms = berth_purpose_of (source)->idle_timeout_ms;
  purpose.idle_pause_ms = berth_purpose_of (source)->idle_pause_ms;
  purpose.idle_hibernate_ms = berth_purpose_of (source)->idle_hibernate_ms;
  return berth_purpose_make_request (&purpose, berth_vm_get_shape (call->vm), source->tenant,
                                     source->task, source->uid, call->options.wait_us, error);
}

/* Takes @fork over. */
static void
manager_begin_fork (BerthManager *self, BerthFork *fork, GTask *task)
{
  ForkCall *call = g_task_get_task_data (task);
  GCancellable *cancellable = g_task_get_cancellable (task);

  if (cancellable != NULL)
    call->cancelled_id
        = g_cancellable_connect (cancellable, G_CALLBACK (cancelled_cb), call->cancellable, NULL);
  call->fork = fork;
  call->pending = call->options.count;
  for (guint i = 0; i < call->options.count; i++)
    {
      GError *error = NULL;
      BerthRequest *request = make_request (call, &error);

      if (request != NULL)
        berth_manager_serve_async (self, request, NULL, call->cancellable, child_cb,
                                   g_object_ref (task));
      else
        g_task_report_error (self, child_cb, g_object_ref (task), NULL, error);
    }
}

/* One that was paused runs: what is copied has to answer. */
static void
awake_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  BerthManager *self = g_task_get_source_object (task);
  BerthSandbox *sandbox = BERTH_SANDBOX (source);
  ForkCall *call = g_task_get_task_data (task);
  g_autoptr (GError) error = NULL;

  if (!berth_sandbox_pause_finish (sandbox, result, &error)
      || !berth_sandbox_check_copy (sandbox, &error))
    {
      g_task_return_error (task, g_steal_pointer (&error));
      return;
    }
  call->vm = g_object_ref (berth_sandbox_get_vm (sandbox));
  manager_begin_fork (self, berth_fork_new (call->vm), task);
}

static void
loaded_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  BerthManager *self = BERTH_MANAGER (source);
  GError *error = NULL;
  BerthFork *fork = berth_manager_load_checkpoint_finish (self, result, &error);

  if (fork != NULL)
    manager_begin_fork (self, fork, task);
  else
    g_task_return_error (task, error);
}

/* Each end of a connection would have two others. */
gboolean
berth_manager_check_copy (BerthSandbox *sandbox, GError **error)
{
  g_autoptr (BerthRequest) request = berth_vm_dup_request (berth_sandbox_get_vm (sandbox));
  const char *const *allow = berth_purpose_of (request)->allow;

  if (allow == NULL || allow[0] == NULL)
    return TRUE;
  g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID,
               "sandbox %s can't be copied: its programs may reach other hosts (--allow); take one "
               "that may not",
               berth_sandbox_get_id (sandbox));
  return FALSE;
}

/* (nullable): a checkpoint may be there when its sandbox is gone */
static BerthCheckpoint *
manager_take_checkpoint (BerthManager *self, const char *id, guint32 uid, const char *name,
                         GError **error)
{
  BerthCheckpoint *checkpoint
      = berth_checkpoint_store_find (self->checkpoints, uid, id, name, error);

  if (checkpoint != NULL)
    berth_checkpoint_begin_use (checkpoint);
  return checkpoint != NULL ? g_object_ref (checkpoint) : NULL;
}

void
berth_manager_fork_async (BerthManager *self, const char *id, guint32 uid,
                          const BerthForkOptions *options, GCancellable *cancellable,
                          GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);
  const char *checkpoint = options->checkpoint;
  GError *error = NULL;
  BerthSandbox *sandbox = checkpoint == NULL ? berth_manager_find (self, id, uid, &error) : NULL;
  ForkCall *call = g_new0 (ForkCall, 1);

  g_task_set_source_tag (task, berth_manager_fork_async);
  g_task_set_check_cancellable (task, FALSE); /* sandboxes that were made are told */
  call->options = *options;
  call->options.checkpoint = NULL; /* the caller's */
  call->cancellable = g_cancellable_new ();
  call->ids = g_ptr_array_new_with_free_func (g_free);
  g_task_set_task_data (task, call, fork_call_free);
  if (checkpoint != NULL)
    call->checkpoint = manager_take_checkpoint (self, id, uid, checkpoint, &error);
  else if (sandbox != NULL)
    berth_manager_check_copy (sandbox, &error);
  if (error != NULL)
    g_task_return_error (task, error);
  else if (checkpoint != NULL)
    berth_manager_load_checkpoint_async (self, call->checkpoint, loaded_cb,
                                         g_steal_pointer (&task));
  else
    berth_sandbox_resume_async (sandbox, cancellable, awake_cb, g_steal_pointer (&task));
}

char **
berth_manager_fork_finish (BerthManager *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), NULL);
  return g_task_propagate_pointer (G_TASK (result), error);
}
