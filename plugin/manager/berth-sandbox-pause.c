/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Decides when a sandbox's VM stands still, and lets it run for whoever wants something of it. */
#include "plugin/manager/berth-sandbox-private.h"

#include "plugin/manager/berth-manager-call.h"
#include "pool/berth-error.h"

/* ---- paused ---- */

static void
idly_paused_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (BerthSandbox) self = user_data;
  g_autoptr (GError) error = NULL;

  self->pausing--;
  /* somebody wants it just now, or it ends: either way it is not for long that it runs unused */
  if (!berth_pool_pause_finish (BERTH_POOL (source), result, &error)
      && !g_error_matches (error, BERTH_ERROR, BERTH_ERROR_GONE))
    g_message ("%s", error->message);
}

static void
sandbox_pause (BerthSandbox *self)
{
  self->pausing++;
  berth_pool_pause_async (self->pool, self->vm, NULL, idly_paused_cb, g_object_ref (self));
}

void
berth_sandbox_pause_again (BerthSandbox *self)
{
  if (self->pool != NULL && self->close_reason == NULL && g_queue_is_empty (&self->waiting)
      && berth_sandbox_check_quiet (self, NULL))
    sandbox_pause (self);
}

/* Again and again: an administrator may have resumed it meanwhile. */
static gboolean
pause_cb (gpointer user_data)
{
  BerthSandbox *self = user_data;

  if (self->pausing == 0 && berth_vm_get_state (self->vm) == BERTH_VM_STATE_CLAIMED)
    sandbox_pause (self);
  return G_SOURCE_CONTINUE;
}

void
berth_sandbox_begin_pause_timer (BerthSandbox *self)
{
  if (self->pool != NULL && self->pause_us > 0)
    self->pause_id = berth_host_add_timer (self->host, self->pause_us, pause_cb, self);
}

void
berth_sandbox_set_pauses (BerthSandbox *self, BerthPool *pool, gint64 pause_us, gint64 wait_us)
{
  g_set_object (&self->pool, pool);
  self->pause_us = pause_us;
  self->wait_us = wait_us;
  berth_sandbox_watch_idle (self);
}

static void
paused_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  BerthSandbox *self = g_task_get_source_object (task);
  g_autoptr (GError) error = NULL;
  gboolean ok = berth_pool_pause_finish (BERTH_POOL (source), result, &error);

  self->pausing--;
  if (ok)
    g_task_return_boolean (task, TRUE);
  else if (self->close_reason != NULL)
    berth_sandbox_return_gone (self, task);
  else
    g_task_return_error (task, g_steal_pointer (&error));
}

void
berth_sandbox_pause_async (BerthSandbox *self, GCancellable *cancellable,
                           GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);

  g_task_set_source_tag (task, berth_sandbox_pause_async);
  g_task_set_check_cancellable (task, FALSE); /* a pause that is done is told */
  if (self->close_reason != NULL)
    {
      berth_sandbox_return_gone (self, task);
      return;
    }
  if (self->is_copied || self->is_leaving)
    {
      g_task_return_new_error (task, BERTH_ERROR, BERTH_ERROR_UNAVAILABLE,
                               "sandbox %s is being copied: ask again in a second",
                               berth_sandbox_get_id (self));
      return;
    }
  if (self->is_hibernated) /* it stands still */
    {
      g_task_return_boolean (task, TRUE);
      return;
    }
  self->pausing++;
  berth_pool_pause_async (self->pool, self->vm, cancellable, paused_cb, g_steal_pointer (&task));
}

/* ---- held ---- */

void
berth_sandbox_hold (BerthSandbox *self)
{
  self->holds++;
  berth_sandbox_touch (self);
}

void
berth_sandbox_let_go (BerthSandbox *self)
{
  self->holds--;
  berth_sandbox_touch (self);
}

void
berth_sandbox_touch (BerthSandbox *self)
{
  self->was_tried = FALSE;
  self->unused_us = 0;
  berth_sandbox_watch_idle (self);
}

/* ---- woken ---- */

/* One that waits for the VM to run */
typedef struct
{
  BerthSandbox *sandbox; /* owned */
  GTask *task;           /* owned, until it is handed over */
  BerthSandboxAwakeFunc func;
} Waking;

void
berth_sandbox_note_request (GTask *task, BerthRequest *request)
{
  GCancellable *cancellable = g_task_get_cancellable (task);

  if (cancellable != NULL && BERTH_IS_MANAGER_CALL (cancellable))
    berth_manager_call_set_request (BERTH_MANAGER_CALL (cancellable), request);
}

/* It runs, for the first time since this berthd began. */
static void
sandbox_get_up (BerthSandbox *self)
{
  if (!self->is_asleep)
    return;
  self->is_asleep = FALSE;
  berth_sandbox_adopt (self);
}

static void
woken_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autofree Waking *waking = user_data;
  g_autoptr (BerthSandbox) self = waking->sandbox;
  g_autoptr (GTask) task = waking->task;
  g_autoptr (GError) error = NULL;
  gboolean ok = berth_pool_wake_finish (BERTH_POOL (source), result, &error);

  self->waking--;
  berth_sandbox_note_request (task, NULL);
  if (self->close_reason != NULL)
    berth_sandbox_return_gone (self, task);
  else if (!ok)
    g_task_return_error (task, g_steal_pointer (&error));
  else
    {
      sandbox_get_up (self);
      waking->func (self, g_steal_pointer (&task));
    }
  berth_sandbox_watch_idle (self);
}

/* Who comes while another waits comes after it, though the VM may run by now. */
gboolean
berth_sandbox_is_awake (BerthSandbox *self)
{
  if (self->is_hibernated)
    return FALSE;
  return self->pool == NULL
         || (self->pausing == 0 && self->waking == 0 && !self->is_asleep
             && berth_vm_get_state (self->vm) == BERTH_VM_STATE_CLAIMED);
}

gboolean
berth_sandbox_is_paused (BerthSandbox *self)
{
  return self->is_asleep || berth_vm_get_state (self->vm) == BERTH_VM_STATE_PAUSED;
}

void
berth_sandbox_when_awake (BerthSandbox *self, GTask *task, BerthSandboxAwakeFunc func)
{
  g_autoptr (BerthRequest) owner = berth_vm_dup_request (self->vm);
  g_autoptr (BerthRequest) request = NULL;
  Waking *waking;

  if (self->is_hibernated || self->is_leaving)
    {
      berth_sandbox_when_risen (self, task, func);
      return;
    }
  if (berth_sandbox_is_awake (self) || owner == NULL)
    {
      func (self, task);
      return;
    }
  request = berth_request_new_wake (owner, self->wait_us);
  waking = g_new0 (Waking, 1);
  waking->sandbox = g_object_ref (self);
  waking->task = task;
  waking->func = func;
  self->waking++;
  berth_sandbox_note_use (self);
  berth_sandbox_note_request (task, request);
  berth_pool_wake_async (self->pool, self->vm, request, g_task_get_cancellable (task), woken_cb,
                         waking);
}

static void
resume_awake (BerthSandbox *self, GTask *task)
{
  g_autoptr (GTask) owned = task;

  berth_sandbox_watch_idle (self);
  g_task_return_boolean (task, TRUE);
}

void
berth_sandbox_resume_async (BerthSandbox *self, GCancellable *cancellable,
                            GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);

  g_task_set_source_tag (task, berth_sandbox_resume_async);
  g_task_set_check_cancellable (task, FALSE);
  if (self->close_reason != NULL)
    berth_sandbox_return_gone (self, task);
  else
    berth_sandbox_when_awake (self, g_steal_pointer (&task), resume_awake);
}

gboolean
berth_sandbox_pause_finish (BerthSandbox *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);
  return g_task_propagate_boolean (G_TASK (result), error);
}

/* ---- found paused ---- */

void
berth_sandbox_note_asleep (BerthSandbox *self)
{
  self->is_asleep = TRUE;
}

static void
look_awake (BerthSandbox *self, GTask *task)
{
  g_autoptr (GTask) owned = task;

  self->pauses_again = TRUE;
  g_task_return_boolean (task, TRUE);
}

/* What runs in the background of one that its owner has paused keeps it from ending, and an earlier
 * berthd knew of that. */
void
berth_sandbox_look (BerthSandbox *self)
{
  berth_sandbox_when_awake (self, g_task_new (self, self->closed, NULL, NULL), look_awake);
}

void
berth_sandbox_note_looked (BerthSandbox *self)
{
  gboolean pauses_again = self->pauses_again;

  self->pauses_again = FALSE;
  if (!self->is_hibernated && !self->is_leaving)
    berth_sandbox_end_risers (self, NULL); /* it has risen */
  if (pauses_again && self->close_reason == NULL && (self->is_busy || self->commands > 0))
    sandbox_pause (self);
}
