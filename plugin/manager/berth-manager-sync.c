/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The manager's verbs for programs without a main loop: each runs the default main context until
 * its answer is there. */
#include "plugin/manager/berth-manager.h"

typedef struct
{
  GAsyncResult *result;
} Wait;

static void
wait_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Wait *wait = user_data;

  wait->result = g_object_ref (result);
}

static GAsyncResult *
wait_for (Wait *wait)
{
  while (wait->result == NULL)
    g_main_context_iteration (NULL, TRUE);
  return wait->result;
}

gboolean
berth_manager_start (BerthManager *self, GCancellable *cancellable, GError **error)
{
  Wait wait = { NULL };
  g_autoptr (GAsyncResult) result = NULL;

  berth_manager_start_async (self, cancellable, wait_cb, &wait);
  result = wait_for (&wait);
  return berth_manager_start_finish (self, result, error);
}

char *
berth_manager_create_vm (BerthManager *self, const BerthSandboxOptions *options,
                         GCancellable *cancellable, GError **error)
{
  Wait wait = { NULL };
  g_autoptr (GAsyncResult) result = NULL;

  berth_manager_create_vm_async (self, options, cancellable, wait_cb, &wait);
  result = wait_for (&wait);
  return berth_manager_create_vm_finish (self, result, error);
}

BerthResult *
berth_manager_exec (BerthManager *self, const char *id, guint32 uid, BerthExec *exec,
                    GCancellable *cancellable, GError **error)
{
  Wait wait = { NULL };
  g_autoptr (GAsyncResult) result = NULL;

  berth_manager_exec_async (self, id, uid, exec, cancellable, wait_cb, &wait);
  result = wait_for (&wait);
  return berth_manager_exec_finish (self, result, error);
}

BerthFileResult *
berth_manager_file (BerthManager *self, const char *id, guint32 uid, BerthFileRequest *file,
                    GCancellable *cancellable, GError **error)
{
  Wait wait = { NULL };
  g_autoptr (GAsyncResult) result = NULL;

  berth_manager_file_async (self, id, uid, file, cancellable, wait_cb, &wait);
  result = wait_for (&wait);
  return berth_manager_file_finish (self, result, error);
}

gboolean
berth_manager_destroy_vm (BerthManager *self, const char *id, guint32 uid,
                          GCancellable *cancellable, GError **error)
{
  Wait wait = { NULL };
  g_autoptr (GAsyncResult) result = NULL;

  berth_manager_destroy_vm_async (self, id, uid, cancellable, wait_cb, &wait);
  result = wait_for (&wait);
  return berth_manager_destroy_vm_finish (self, result, NULL, error);
}

BerthResult *
berth_manager_run (BerthManager *self, const BerthSandboxOptions *options, BerthExec *exec,
                   GCancellable *cancellable, GError **error)
{
  Wait wait = { NULL };
  g_autoptr (GAsyncResult) result = NULL;

  berth_manager_run_async (self, options, exec, cancellable, wait_cb, &wait);
  result = wait_for (&wait);
  return berth_manager_run_finish (self, result, error);
}

gboolean
berth_manager_shutdown (BerthManager *self, GError **error)
{
  Wait wait = { NULL };
  g_autoptr (GAsyncResult) result = NULL;

  berth_manager_shutdown_async (self, NULL, wait_cb, &wait);
  result = wait_for (&wait);
  return berth_manager_shutdown_finish (self, result, error);
}
