/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The manager's verb for execs in the background: whose sandbox, and then it is the sandbox's. */
#include "plugin/manager/berth-manager-private.h"

static void
background_cb (GObject *source, GAsyncResult *async_result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  GError *error = NULL;
  BerthBackgroundResult *result
      = berth_sandbox_background_finish (BERTH_SANDBOX (source), async_result, &error);

  if (result != NULL)
    g_task_return_pointer (task, result, (GDestroyNotify)berth_background_result_free);
  else
    g_task_return_error (task, error);
}

void
berth_manager_background_async (BerthManager *self, const char *id, guint32 uid,
                                BerthBackgroundRequest *request, GCancellable *cancellable,
                                GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (BerthBackgroundRequest) owned = request;
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);
  g_autoptr (GError) error = NULL;
  BerthSandbox *sandbox = berth_manager_find (self, id, uid, &error);

  g_task_set_source_tag (task, berth_manager_background_async);
  g_task_set_check_cancellable (task, FALSE); /* an end that is known is told */
  if (sandbox == NULL)
    g_task_return_error (task, g_steal_pointer (&error));
  else
    berth_sandbox_background_async (sandbox, g_steal_pointer (&owned), cancellable, background_cb,
                                    g_steal_pointer (&task));
}

BerthBackgroundResult *
berth_manager_background_finish (BerthManager *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), NULL);
  return g_task_propagate_pointer (G_TASK (result), error);
}
