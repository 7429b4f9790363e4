/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The manager's verb for files: whose sandbox, which file, and then it is the sandbox's. */
#include "plugin/manager/berth-manager-private.h"
#include "pool/berth-error.h"

/* (nullable): where the bytes of a file go, for who counts them */
static const char *
direction_of (BerthFileKind kind)
{
  return kind == BERTH_FILE_PUT ? "put" : kind == BERTH_FILE_GET ? "get" : NULL;
}

static void
file_cb (GObject *source, GAsyncResult *async_result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  BerthManager *self = g_task_get_source_object (task);
  const char *direction = g_task_get_task_data (task);
  GError *error = NULL;
  BerthFileResult *result
      = berth_sandbox_file_finish (BERTH_SANDBOX (source), async_result, &error);

  if (result != NULL && direction != NULL)
    berth_metrics_add (self->metrics, BERTH_METRIC_FILE_BYTES, direction, NULL, result->size);
  if (result != NULL)
    g_task_return_pointer (task, result, (GDestroyNotify)berth_file_result_free);
  else
    g_task_return_error (task, error);
}

void
berth_manager_file_async (BerthManager *self, const char *id, guint32 uid, BerthFileRequest *file,
                          GCancellable *cancellable, GAsyncReadyCallback callback,
                          gpointer user_data)
{
  g_autoptr (BerthFileRequest) owned = file;
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);
  g_autoptr (GError) error = NULL;
  BerthSandbox *sandbox = berth_manager_find (self, id, uid, &error);

  g_task_set_source_tag (task, berth_manager_file_async);
  g_task_set_check_cancellable (task, FALSE); /* a file that is there is told */
  g_task_set_task_data (task, (gpointer)direction_of (owned->kind), NULL);
  if (sandbox == NULL || !berth_file_request_check (owned, &error))
    g_task_return_error (task, g_steal_pointer (&error));
  else
    berth_sandbox_file_async (sandbox, g_steal_pointer (&owned), cancellable, file_cb,
                              g_steal_pointer (&task));
}

BerthFileResult *
berth_manager_file_finish (BerthManager *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), NULL);
  return g_task_propagate_pointer (G_TASK (result), error);
}
