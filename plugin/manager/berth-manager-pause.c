/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The manager's verbs pause and resume: whose sandbox, and then it is the sandbox's. */
#include "plugin/manager/berth-manager-private.h"

/* What was asked for may have been allowed by settings of before; 0 is never. */
static gint64
manager_get_pause_us (BerthManager *self, const BerthRequest *request)
{
  gint64 most_us = self->config->idle_pause_s * G_USEC_PER_SEC;
  gint64 wanted_us = berth_purpose_of (request)->idle_pause_ms * G_GINT64_CONSTANT (1000);

  if (wanted_us == 0 || (most_us > 0 && wanted_us > most_us))
    return most_us;
  return wanted_us;
}

gint64
berth_manager_get_wait_us (BerthManager *self)
{
  return self->config->wait_timeout_s > 0 ? self->config->wait_timeout_s * G_USEC_PER_SEC
                                          : BERTH_REQUEST_WAIT_FOREVER;
}

void
berth_manager_set_pauses (BerthManager *self, BerthSandbox *sandbox, const BerthRequest *request)
{
  berth_sandbox_set_pauses (sandbox, self->pool, manager_get_pause_us (self, request),
                            berth_manager_get_wait_us (self));
}

static void
done_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  GError *error = NULL;

  if (berth_sandbox_pause_finish (BERTH_SANDBOX (source), result, &error))
    g_task_return_boolean (task, TRUE);
  else
    g_task_return_error (task, error);
}

void
berth_manager_set_paused_async (BerthManager *self, const char *id, guint32 uid, gboolean is_paused,
                                GCancellable *cancellable, GAsyncReadyCallback callback,
                                gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);
  g_autoptr (GError) error = NULL;
  BerthSandbox *sandbox = berth_manager_find (self, id, uid, &error);

  g_task_set_source_tag (task, berth_manager_set_paused_async);
  g_task_set_check_cancellable (task, FALSE); /* what is done is told */
  if (sandbox == NULL)
    g_task_return_error (task, g_steal_pointer (&error));
  else if (is_paused)
    berth_sandbox_pause_async (sandbox, cancellable, done_cb, g_steal_pointer (&task));
  else
    berth_sandbox_resume_async (sandbox, cancellable, done_cb, g_steal_pointer (&task));
}

gboolean
berth_manager_set_paused_finish (BerthManager *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);
  return g_task_propagate_boolean (G_TASK (result), error);
}
