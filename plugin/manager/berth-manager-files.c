/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The manager's verb for files: whose sandbox, which file, and then it is the sandbox's. */
#include "plugin/manager/berth-manager-private.h"
#include "pool/berth-error.h"

/* What is counted of a file once it has been carried */
typedef struct
{
  BerthFileKind kind;
  guint64 put_size; /* of PUT: without holes */
} Carried;

static void
count_bytes (BerthManager *self, const Carried *carried, const BerthFileResult *result)
{
  if (carried->kind == BERTH_FILE_PUT)
    berth_metrics_add (self->metrics, BERTH_METRIC_FILE_BYTES, "put", NULL, carried->put_size);
  else if (carried->kind == BERTH_FILE_GET)
    berth_metrics_add (self->metrics, BERTH_METRIC_FILE_BYTES, "get", NULL, result->size);
}

static void
file_cb (GObject *source, GAsyncResult *async_result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  BerthManager *self = g_task_get_source_object (task);
  GError *error = NULL;
  BerthFileResult *result
      = berth_sandbox_file_finish (BERTH_SANDBOX (source), async_result, &error);

  if (result == NULL)
    {
      g_task_return_error (task, error);
      return;
    }
  count_bytes (self, g_task_get_task_data (task), result);
  g_task_return_pointer (task, result, (GDestroyNotify)berth_file_result_free);
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
  Carried *carried = g_new0 (Carried, 1);

  g_task_set_source_tag (task, berth_manager_file_async);
  g_task_set_check_cancellable (task, FALSE); /* a file that is there is told */
  carried->kind = owned->kind;
  g_task_set_task_data (task, carried, g_free);
  if (sandbox == NULL || !berth_file_request_check (owned, &error))
    g_task_return_error (task, g_steal_pointer (&error));
  else
    {
      carried->put_size = berth_file_request_get_data_size (owned);
      berth_sandbox_file_async (sandbox, g_steal_pointer (&owned), cancellable, file_cb,
                                g_steal_pointer (&task));
    }
}

BerthFileResult *
berth_manager_file_finish (BerthManager *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), NULL);
  return g_task_propagate_pointer (G_TASK (result), error);
}
