/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is done with a checkpoint that is there: loaded, marked, removed. */
#include "plugin/checkpoint/berth-checkpoint-private.h"

#include "pool/berth-error.h"

static void
load_job (GTask *task, gpointer source, gpointer task_data, GCancellable *cancellable)
{
  const BerthCheckpointJob *job = task_data;
  GError *error = NULL;
  int fd = berth_checkpoint_disk_open (job->disk, job->from, job->manifest, &error);

  berth_checkpoint_job_end_with_fd (task, fd, error);
}

static void
loaded_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  BerthCheckpoint *checkpoint = g_task_get_task_data (task);
  GError *error = NULL;
  gssize fd = g_task_propagate_int (G_TASK (result), &error);

  checkpoint->loads--;
  berth_checkpoint_end_use (checkpoint);
  if (error != NULL)
    g_task_return_error (task, error);
  else
    g_task_return_int (task, fd);
}

static guint
store_count_loads (BerthCheckpointStore *self, guint32 uid)
{
  guint count = 0;

  for (guint i = 0; i < self->all->len; i++)
    {
      const BerthCheckpoint *checkpoint = self->all->pdata[i];

      count += checkpoint->manifest->uid == uid ? checkpoint->loads : 0;
    }
  return count;
}

/* All of a state is read for its sum: a user who asks for many at once is in nobody else's way. */
void
berth_checkpoint_store_load_async (BerthCheckpointStore *self, BerthCheckpoint *checkpoint,
                                   GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task = g_task_new (self, NULL, callback, user_data);

  g_task_set_source_tag (task, berth_checkpoint_store_load_async);
  g_task_set_task_data (task, g_object_ref (checkpoint), g_object_unref);
  if (store_count_loads (self, checkpoint->manifest->uid) >= BERTH_CHECKPOINT_LOADS_PER_UID)
    {
      g_task_return_new_error (
          task, BERTH_ERROR, BERTH_ERROR_QUEUE_FULL,
          "%u checkpoints of user %u are being loaded, and no more are at once: "
          "ask again when one has been",
          BERTH_CHECKPOINT_LOADS_PER_UID, checkpoint->manifest->uid);
      g_object_unref (task);
      return;
    }
  checkpoint->loads++;
  berth_checkpoint_begin_use (checkpoint);
  berth_checkpoint_store_run (self, checkpoint->folder, NULL, checkpoint->manifest, load_job,
                              loaded_cb, task);
}

int
berth_checkpoint_store_load_finish (BerthCheckpointStore *self, GAsyncResult *result,
                                    GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), -1);
  return (int)g_task_propagate_int (G_TASK (result), error);
}

static void
rename_job (GTask *task, gpointer source, gpointer task_data, GCancellable *cancellable)
{
  const BerthCheckpointJob *job = task_data;
  GError *error = NULL;
  gboolean ok = berth_checkpoint_disk_rename (job->disk, job->from, job->to, &error);

  berth_checkpoint_job_end (task, ok, error);
}

static void
renamed_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  BerthCheckpoint *checkpoint = g_task_get_task_data (task);
  const BerthCheckpointJob *job = g_task_get_task_data (G_TASK (result));
  GError *error = NULL;

  berth_checkpoint_end_use (checkpoint);
  if (!g_task_propagate_boolean (G_TASK (result), &error))
    {
      g_task_return_error (task, error);
      return;
    }
  g_free (checkpoint->folder);
  checkpoint->folder = g_strdup (job->to);
  checkpoint->is_waking = !checkpoint->is_waking;
  g_task_return_boolean (task, TRUE);
}

void
berth_checkpoint_store_set_waking_async (BerthCheckpointStore *self, BerthCheckpoint *checkpoint,
                                         gboolean is_waking, GAsyncReadyCallback callback,
                                         gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (self, NULL, callback, user_data);
  g_autofree char *to = berth_checkpoint_disk_make_name (checkpoint->manifest, is_waking);

  g_task_set_source_tag (task, berth_checkpoint_store_set_waking_async);
  g_task_set_task_data (task, g_object_ref (checkpoint), g_object_unref);
  if (is_waking == checkpoint->is_waking)
    {
      g_task_return_boolean (task, TRUE);
      return;
    }
  berth_checkpoint_begin_use (checkpoint);
  berth_checkpoint_store_run (self, checkpoint->folder, to, NULL, rename_job, renamed_cb,
                              g_steal_pointer (&task));
}

static void
remove_job (GTask *task, gpointer source, gpointer task_data, GCancellable *cancellable)
{
  const BerthCheckpointJob *job = task_data;
  GError *error = NULL;
  gboolean ok = berth_checkpoint_disk_remove (job->disk, job->from, &error);

  berth_checkpoint_job_end (task, ok, error);
}

static void
removed_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  BerthCheckpointStore *self = BERTH_CHECKPOINT_STORE (source);
  BerthCheckpoint *checkpoint = g_task_get_task_data (task);
  GError *error = NULL;
  gboolean ok = g_task_propagate_boolean (G_TASK (result), &error);

  g_ptr_array_remove (self->leaving, checkpoint);
  if (ok)
    {
      g_task_return_boolean (task, TRUE);
      return;
    }
  g_ptr_array_add (self->all, g_object_ref (checkpoint));
  g_ptr_array_sort (self->all, berth_checkpoint_compare_times);
  g_task_return_error (task, error);
}

static gboolean
checkpoint_check_unused (BerthCheckpoint *self, GError **error)
{
  if (self->uses == 0)
    return TRUE;
  g_set_error (error, BERTH_ERROR, BERTH_ERROR_UNAVAILABLE,
               "checkpoint %s of sandbox %s is being loaded: ask again when that has ended",
               self->manifest->name, self->manifest->sandbox);
  return FALSE;
}

void
berth_checkpoint_store_remove_async (BerthCheckpointStore *self, BerthCheckpoint *checkpoint,
                                     GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (self, NULL, callback, user_data);
  GError *error = NULL;

  g_task_set_source_tag (task, berth_checkpoint_store_remove_async);
  g_task_set_task_data (task, g_object_ref (checkpoint), g_object_unref);
  if (!checkpoint_check_unused (checkpoint, &error))
    g_task_return_error (task, error);
  else if (!g_ptr_array_find (self->all, checkpoint, NULL))
    g_task_return_boolean (task, TRUE); /* another was faster */
  else
    {
      g_ptr_array_add (self->leaving, g_object_ref (checkpoint));
      g_ptr_array_remove (self->all, checkpoint);
      berth_checkpoint_store_run (self, checkpoint->folder, NULL, NULL, remove_job, removed_cb,
                                  g_steal_pointer (&task));
    }
}
