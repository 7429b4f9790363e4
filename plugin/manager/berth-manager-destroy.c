/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The manager's verb destroy, and every other end of a sandbox's VM. */
#include "plugin/manager/berth-manager-private.h"

/* A VM on its way out */
typedef struct
{
  BerthManager *manager; /* owned */
  BerthVm *vm;           /* owned */
} Ending;

static void
ending_free (Ending *ending)
{
  g_object_unref (ending->vm);
  g_object_unref (ending->manager);
  g_free (ending);
}

void
berth_manager_note_vm_gone (BerthManager *self, BerthVm *vm)
{
  gint64 took_us = berth_tombstones_vm_gone (self->tombstones, vm);

  if (took_us >= 0)
    berth_metrics_observe (self->metrics, BERTH_METRIC_DESTROY, NULL, NULL, took_us);
}

static void
ended_unasked_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Ending *ending = user_data;
  g_autoptr (GError) error = NULL;

  if (berth_pool_destroy_finish (BERTH_POOL (source), result, &error))
    berth_manager_note_vm_gone (ending->manager, ending->vm);
  else
    g_warning ("%s", error->message); /* the pool goes on trying */
  ending_free (ending);
}

/* Nobody waits for it. */
void
berth_manager_end_vm (BerthManager *self, BerthVm *vm)
{
  Ending *ending = g_new (Ending, 1);

  ending->manager = g_object_ref (self);
  ending->vm = g_object_ref (vm);
  berth_pool_destroy_async (self->pool, vm, NULL, ended_unasked_cb, ending);
}

static void
settled_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Ending *ending = user_data;
  g_autoptr (GError) error = NULL;

  /* what can't be told to libvirt can't be helped, and two VMs are one too many */
  if (!berth_host_finish (BERTH_HOST (source), result, &error))
    g_message ("%s", error->message);
  berth_pool_destroy_async (ending->manager->pool, ending->vm, NULL, ended_unasked_cb, ending);
}

void
berth_manager_end_vm_after (BerthManager *self, BerthVm *vm, BerthVm *next)
{
  Ending *ending = g_new (Ending, 1);

  ending->manager = g_object_ref (self);
  ending->vm = g_object_ref (vm);
  berth_host_settle_async (self->host, next, settled_cb, ending);
}

void
berth_manager_end_sandbox (BerthManager *self, const char *id, const char *reason)
{
  BerthSandbox *sandbox = g_hash_table_lookup (self->sandboxes, id);
  g_autoptr (BerthVm) vm = sandbox != NULL ? g_object_ref (berth_sandbox_get_vm (sandbox)) : NULL;

  if (vm == NULL)
    return;
  berth_manager_forget_sleeper (self, sandbox);
  berth_manager_bury (self, sandbox, reason);
  berth_manager_end_vm (self, vm);
}

/* ---- somebody waits for it ---- */

/* What was found of a sandbox that is to be destroyed */
typedef struct
{
  BerthVm *vm;              /* owned */
  char *was_gone;           /* (nullable) (owned): why it had ended before */
  BerthCheckpoint *sleeper; /* (nullable) (owned): what is kept of it */
} DestroyCall;

static void
destroy_call_free (gpointer data)
{
  DestroyCall *call = data;

  g_clear_object (&call->vm);
  g_clear_object (&call->sleeper);
  g_free (call->was_gone);
  g_free (call);
}

static void
destroyed_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  BerthManager *self = g_task_get_source_object (task);
  DestroyCall *call = g_task_get_task_data (task);
  g_autoptr (GError) error = NULL;

  if (!berth_pool_destroy_finish (BERTH_POOL (source), result, &error))
    {
      g_task_return_error (task, g_steal_pointer (&error));
      return;
    }
  berth_manager_note_vm_gone (self, call->vm);
  g_task_return_boolean (task, TRUE);
}

/* The second destroy of a sandbox: waits with the first while its VM is on its way out. */
static gboolean
find_ended (BerthManager *self, const char *id, guint32 uid, DestroyCall *call)
{
  const BerthTombstone *stone = berth_tombstones_find (self->tombstones, id, uid);

  if (stone == NULL)
    return FALSE;
  call->was_gone = g_strdup (stone->reason);
  call->vm = stone->vm != NULL ? g_object_ref (stone->vm) : NULL;
  return TRUE;
}

static gboolean
find_and_bury (BerthManager *self, const char *id, guint32 uid, DestroyCall *call, GError **error)
{
  BerthSandbox *sandbox = berth_manager_find (self, id, uid, error);

  if (sandbox == NULL)
    return FALSE;
  call->vm = g_object_ref (berth_sandbox_get_vm (sandbox));
  call->sleeper = berth_manager_find_sleeper (self, sandbox);
  if (call->sleeper != NULL)
    g_object_ref (call->sleeper);
  berth_manager_bury (self, sandbox, "it was destroyed");
  return TRUE;
}

/* Where it can't be removed, whoever loads it does so. */
static void
forgotten_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  BerthManager *self = g_task_get_source_object (task);
  const DestroyCall *call = g_task_get_task_data (task);
  g_autoptr (GError) error = NULL;

  if (!berth_checkpoint_store_finish (BERTH_CHECKPOINT_STORE (source), result, &error))
    g_message ("%s", error->message);
  berth_manager_tell_bases (self);
  berth_pool_destroy_async (self->pool, call->vm, g_task_get_cancellable (task), destroyed_cb,
                            g_object_ref (task));
}

void
berth_manager_destroy_sandbox_async (BerthManager *self, const char *id, guint32 uid,
                                     GCancellable *cancellable, GAsyncReadyCallback callback,
                                     gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);
  g_autoptr (GError) error = NULL;
  DestroyCall *call = g_new0 (DestroyCall, 1);

  g_task_set_source_tag (task, berth_manager_destroy_sandbox_async);
  g_task_set_task_data (task, call, destroy_call_free);
  if (!find_ended (self, id, uid, call) && !find_and_bury (self, id, uid, call, &error))
    g_task_return_error (task, g_steal_pointer (&error));
  else if (call->vm == NULL)
    g_task_return_boolean (task, TRUE);
  else if (call->sleeper != NULL)
    berth_checkpoint_store_remove_async (self->checkpoints, call->sleeper, forgotten_cb,
                                         g_steal_pointer (&task));
  else
    berth_pool_destroy_async (self->pool, call->vm, cancellable, destroyed_cb,
                              g_steal_pointer (&task));
}

gboolean
berth_manager_destroy_sandbox_finish (BerthManager *self, GAsyncResult *result, char **out_was_gone,
                                      GError **error)
{
  DestroyCall *call;

  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);
  if (!g_task_propagate_boolean (G_TASK (result), error))
    return FALSE;
  call = g_task_get_task_data (G_TASK (result));
  if (out_was_gone != NULL)
    *out_was_gone = g_steal_pointer (&call->was_gone);
  return TRUE;
}
