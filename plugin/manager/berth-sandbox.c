/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A sandbox: a claimed VM with an owner, and the execs that wait for their turn in it. */
#include "plugin/manager/berth-sandbox-private.h"

#include "plugin/model/berth-limits.h"
#include "pool/berth-error.h"

/* One that was found paused, that nobody wants and that can't be woken to be asked what runs in it
 * ends after as many of its idle times. */
#define LOOKS_MAX 3u

/* Of a call: what is asked leaves it when the host takes it over. */
typedef struct
{
  BerthExec *exec;                 /* (nullable) */
  BerthFileRequest *file;          /* (nullable) */
  BerthBackgroundRequest *request; /* (nullable) */
  gboolean is_command;
  gboolean is_terminal; /* in the background */
  guint limit_ms;       /* 0: no limit */
  guint32 terminal;     /* that its caller sits at; 0: none */
  gulong cancelled_id;
  gboolean is_over; /* the host has told its end */
  gboolean is_told; /* the caller has been told that it was cancelled */
} Box;

/* A background exec whose end is waited for */
typedef struct
{
  BerthSandbox *sandbox; /* owned */
  guint32 exec;
  gboolean is_command;
  gboolean is_terminal;
} Watch;

G_DEFINE_FINAL_TYPE (BerthSandbox, berth_sandbox, G_TYPE_OBJECT)

static void sandbox_next (BerthSandbox *self);

static void
berth_sandbox_finalize (GObject *object)
{
  BerthSandbox *self = BERTH_SANDBOX (object);

  g_clear_handle_id (&self->idle_id, g_source_remove);
  g_clear_handle_id (&self->pause_id, g_source_remove);
  berth_sandbox_hibernate_clear (self);
  g_clear_object (&self->pool);
  g_hash_table_unref (self->terminals);
  g_queue_clear_full (&self->waiting, g_object_unref);
  g_object_unref (self->vm);
  g_free (self->id);
  g_object_unref (self->host);
  g_free (self->close_reason);
  g_strfreev (self->env);
  g_object_unref (self->closed);
  if (self->reach != NULL)
    berth_sandbox_reach_close (self->reach);
  g_clear_object (&self->reach);
  G_OBJECT_CLASS (berth_sandbox_parent_class)->finalize (object);
}

static void
berth_sandbox_class_init (BerthSandboxClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = berth_sandbox_finalize;
}

static void
berth_sandbox_init (BerthSandbox *self)
{
  g_queue_init (&self->waiting);
  self->closed = g_cancellable_new ();
  berth_sandbox_terminals_init (self);
  berth_sandbox_hibernate_init (self);
}

static gboolean
idle_cb (gpointer user_data)
{
  BerthSandbox *self = user_data;

  self->idle_id = 0;
  if (self->is_asleep && self->looks++ < LOOKS_MAX)
    berth_sandbox_look (self);
  else
    self->idle_func (self, self->idle_data); /* last: it may drop us */
  return G_SOURCE_REMOVE;
}

void
berth_sandbox_note_use (BerthSandbox *self)
{
  g_clear_handle_id (&self->idle_id, g_source_remove);
  g_clear_handle_id (&self->pause_id, g_source_remove);
  g_clear_handle_id (&self->hibernate_id, g_source_remove);
  self->unused_us = 0;
}

gboolean
berth_sandbox_is_used (BerthSandbox *self)
{
  guint calls = (self->is_busy ? 1 : 0) + self->commands + self->files + self->asks
                + g_queue_get_length (&self->waiting);

  return calls > self->orphans || self->is_copied || self->is_leaving || self->waking > 0;
}

void
berth_sandbox_watch_idle (BerthSandbox *self)
{
  gint64 idle_us = self->is_hibernated ? berth_sandbox_get_kept_us (self) : self->idle_us;
  gint64 unused_us = self->unused_us;

  berth_sandbox_note_use (self);
  if (self->close_reason != NULL || berth_sandbox_is_used (self))
    return;
  self->unused_us = unused_us != 0 ? unused_us : berth_host_get_time (self->host);
  if (idle_us > 0)
    self->idle_id = berth_host_add_timer (self->host, idle_us, idle_cb, self);
  if (self->holds > 0 || self->is_hibernated)
    return;
  berth_sandbox_begin_pause_timer (self);
  berth_sandbox_begin_hibernate_timer (self);
}

BerthSandbox *
berth_sandbox_new (BerthVm *vm, BerthHost *host, guint32 uid, gint64 idle_us,
                   BerthSandboxIdleFunc idle_func, gpointer user_data)
{
  BerthSandbox *self = g_object_new (BERTH_TYPE_SANDBOX, NULL);

  self->id = g_strdup (berth_vm_get_id (vm));
  self->vm = g_object_ref (vm);
  self->host = g_object_ref (host);
  self->uid = uid;
  self->idle_us = idle_us;
  self->idle_func = idle_func;
  self->idle_data = user_data;
  berth_sandbox_watch_idle (self);
  return self;
}

void
berth_sandbox_set_origin (BerthSandbox *self, const BerthOrigin *origin)
{
  self->origin = *origin;
}

void
berth_sandbox_set_reach (BerthSandbox *self, BerthSandboxReach *reach)
{
  g_set_object (&self->reach, reach);
}

BerthSandboxReach *
berth_sandbox_get_reach (BerthSandbox *self)
{
  return self->reach;
}

const char *
berth_sandbox_get_id (BerthSandbox *self)
{
  return self->id;
}

BerthVm *
berth_sandbox_get_vm (BerthSandbox *self)
{
  return self->vm;
}

guint32
berth_sandbox_get_uid (BerthSandbox *self)
{
  return self->uid;
}

gint64
berth_sandbox_get_idle_us (BerthSandbox *self)
{
  return self->is_hibernated ? self->hibernation.kept_us : self->idle_us;
}

void
berth_sandbox_set_exec_count (BerthSandbox *self, guint exec_count)
{
  self->exec_count = exec_count;
}

guint
berth_sandbox_get_exec_count (BerthSandbox *self)
{
  return self->exec_count;
}

gboolean
berth_sandbox_is_closed (BerthSandbox *self)
{
  return self->close_reason != NULL;
}

GCancellable *
berth_sandbox_get_closed (BerthSandbox *self)
{
  return self->closed;
}

GError *
berth_sandbox_new_gone_error (BerthSandbox *self)
{
  return g_error_new (BERTH_ERROR, BERTH_ERROR_GONE, "sandbox %s is gone: %s; make a new one",
                      berth_sandbox_get_id (self), self->close_reason);
}

void
berth_sandbox_return_gone (BerthSandbox *self, GTask *task)
{
  g_task_return_error (task, berth_sandbox_new_gone_error (self));
}

void
berth_sandbox_close (BerthSandbox *self, const char *reason)
{
  GTask *task;

  if (self->close_reason != NULL)
    return;
  self->close_reason = g_strdup (reason);
  berth_sandbox_note_use (self);
  g_hash_table_remove_all (self->terminals);
  if (self->reach != NULL)
    berth_sandbox_reach_close (self->reach);
  while ((task = g_queue_pop_head (&self->waiting)) != NULL)
    {
      berth_sandbox_return_gone (self, task);
      g_object_unref (task);
    }
  berth_sandbox_end_risers (self, NULL);
  g_cancellable_cancel (self->closed);
}

static void
sandbox_note_watch (BerthSandbox *self, gboolean is_command, gboolean is_watched)
{
  if (is_command)
    self->watched += is_watched ? 1 : -1;
  else
    self->is_watched = is_watched;
}

static void
sandbox_release (BerthSandbox *self, gboolean is_command)
{
  if (is_command)
    self->commands--;
  else
    self->is_busy = FALSE;
  sandbox_next (self);
  berth_sandbox_watch_idle (self);
}

/* It has ended, or its VM has, which everybody hears of by themselves. */
static void
watched_cb (GObject *source, GAsyncResult *async_result, gpointer user_data)
{
  Watch *watch = user_data;
  g_autoptr (BerthSandbox) self = watch->sandbox;
  g_autoptr (BerthBackgroundResult) result
      = berth_host_background_finish (BERTH_HOST (source), async_result, NULL);

  self->exec_count += result != NULL;
  sandbox_note_watch (self, watch->is_command, FALSE);
  if (watch->is_terminal)
    berth_sandbox_terminal_note (self, watch->exec, FALSE);
  sandbox_release (self, watch->is_command);
  g_free (watch);
}

/* It keeps the place that it has until it ends. @limit_ms: 0: it has none, or nobody knows */
static void
sandbox_watch (BerthSandbox *self, guint32 exec, gboolean is_command, gboolean is_terminal,
               guint limit_ms)
{
  BerthBackgroundRequest *request = berth_background_request_new (BERTH_BACKGROUND_ATTACH, exec);
  Watch *watch = g_new0 (Watch, 1);

  request->follows = TRUE;
  request->limit_ms = limit_ms;
  watch->sandbox = g_object_ref (self);
  watch->exec = exec;
  watch->is_command = is_command;
  sandbox_note_watch (self, is_command, TRUE);
  watch->is_terminal = is_terminal;
  if (is_terminal)
    berth_sandbox_terminal_note (self, exec, TRUE);
  berth_host_background_async (self->host, self->vm, request, self->closed, watched_cb, watch);
}

/* What is left of its time; 0: it has no limit, or its agent is too old to tell. */
static guint
get_limit_left_ms (GVariant *exec)
{
  guint32 timeout_ms = 0;
  double wall_ms = 0;

  g_variant_lookup (exec, "wall_ms", "d", &wall_ms);
  if (!g_variant_lookup (exec, "timeout_ms", "u", &timeout_ms))
    return 0;
  return wall_ms < timeout_ms ? (guint)(timeout_ms - wall_ms) + 1 : 1;
}

static void
sandbox_adopt_exec (BerthSandbox *self, GVariant *exec)
{
  const char *state = "";
  const char *kind = "";
  guint32 number = 0;
  gboolean is_command;

  g_variant_lookup (exec, "state", "&s", &state);
  g_variant_lookup (exec, "kind", "&s", &kind);
  g_variant_lookup (exec, "exec", "u", &number);
  if (!g_str_equal (state, "running"))
    return;
  is_command = !g_str_equal (kind, "code");
  if (is_command)
    self->commands++;
  else
    self->is_busy = TRUE;
  sandbox_watch (self, number, is_command, g_str_equal (kind, "terminal"),
                 get_limit_left_ms (exec));
}

/* What an earlier berthd, or a guest that was not asked, has in the background has its place. */
static void
sandbox_adopt_execs (BerthSandbox *self, GVariant *execs)
{
  GVariantIter iter;
  GVariant *next;

  g_variant_iter_init (&iter, execs);
  while ((next = g_variant_iter_next_value (&iter)) != NULL)
    {
      g_autoptr (GVariant) exec = next;

      sandbox_adopt_exec (self, exec);
    }
}

static void
adopted_cb (GObject *source, GAsyncResult *async_result, gpointer user_data)
{
  g_autoptr (BerthSandbox) self = user_data;
  g_autoptr (BerthBackgroundResult) result
      = berth_host_background_finish (BERTH_HOST (source), async_result, NULL);

  self->is_busy = FALSE;
  /* an agent that is too old to tell has none */
  if (result != NULL && self->close_reason == NULL)
    sandbox_adopt_execs (self, result->execs);
  sandbox_next (self);
  berth_sandbox_watch_idle (self);
  berth_sandbox_note_looked (self);
}

/* What runs in the background and open connections are in nobody's way: the former goes on in each
 * copy, the latter end there. */
void
berth_sandbox_end_copy (BerthSandbox *self)
{
  if (!self->is_copied)
    return;
  self->is_copied = FALSE;
  if (!self->is_leaving)
    berth_sandbox_note_goes_on (self);
  sandbox_next (self);
  berth_sandbox_watch_idle (self);
}

/* TRUE: @task has failed. */
static gboolean
sandbox_refuses (BerthSandbox *self, GTask *task)
{
  if (self->close_reason != NULL)
    berth_sandbox_return_gone (self, task);
  else if (self->is_copied && !self->is_leaving)
    g_task_return_new_error (task, BERTH_ERROR, BERTH_ERROR_UNAVAILABLE,
                             "sandbox %s is being copied: ask again in a second",
                             berth_sandbox_get_id (self));
  else
    return FALSE;
  return TRUE;
}

void
berth_sandbox_await_adoption (BerthSandbox *self)
{
  /* until it is known whether code runs, none is sent, and none says that it is unused */
  self->is_busy = TRUE;
  berth_sandbox_note_use (self);
}

void
berth_sandbox_adopt (BerthSandbox *self)
{
  if (self->is_asleep)
    return; /* when it is woken */
  berth_sandbox_await_adoption (self);
  berth_host_background_async (self->host, self->vm,
                               berth_background_request_new (BERTH_BACKGROUND_LIST, 0),
                               self->closed, adopted_cb, g_object_ref (self));
}

static void
sandbox_tell_reach (BerthSandbox *self, BerthResult *result)
{
  BerthReachCounts counts;

  if (self->reach == NULL)
    return;
  berth_sandbox_reach_get_counts (self->reach, &counts);
  result->has_network = TRUE;
  result->connections = counts.connections;
  result->refused = counts.refused;
  result->sent_bytes = counts.sent_bytes;
  result->received_bytes = counts.received_bytes;
}

/* What was cancelled ends in the guest, and one that stands still does nothing: its caller does not
 * wait for that, and what is left of it does not keep the sandbox. */
static gboolean
cancelled_idle (gpointer user_data)
{
  GTask *task = user_data;
  BerthSandbox *self = g_task_get_source_object (task);
  Box *box = g_task_get_task_data (task);

  if (box->is_over || box->is_told || berth_sandbox_is_awake (self))
    return G_SOURCE_REMOVE;
  box->is_told = TRUE;
  self->orphans++;
  g_task_return_error_if_cancelled (task);
  berth_sandbox_watch_idle (self);
  return G_SOURCE_REMOVE;
}

static void
cancelled_cb (GCancellable *cancellable, gpointer user_data)
{
  g_autoptr (GSource) source = g_idle_source_new ();

  g_source_set_callback (source, cancelled_idle, g_object_ref (user_data), g_object_unref);
  g_source_attach (source, g_task_get_context (user_data));
}

/* The host has the call: from now on a cancel of one that stands still is told at once. */
static void
sandbox_mind_cancel (GTask *task)
{
  GCancellable *cancellable = g_task_get_cancellable (task);
  Box *box = g_task_get_task_data (task);

  if (cancellable != NULL && !box->is_over)
    box->cancelled_id
        = g_signal_connect (cancellable, "cancelled", G_CALLBACK (cancelled_cb), task);
}

/* The host has told its end. TRUE: nobody waits for it. */
static gboolean
sandbox_note_over (BerthSandbox *self, GTask *task)
{
  Box *box = g_task_get_task_data (task);

  box->is_over = TRUE;
  if (box->cancelled_id != 0)
    g_signal_handler_disconnect (g_task_get_cancellable (task), box->cancelled_id);
  box->cancelled_id = 0;
  if (box->is_told)
    self->orphans--;
  return box->is_told;
}

static void
exec_cb (GObject *source, GAsyncResult *async_result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  BerthSandbox *self = g_task_get_source_object (task);
  const Box *box = g_task_get_task_data (task);
  g_autoptr (GError) error = NULL;
  g_autoptr (BerthResult) result
      = berth_host_exec_finish (BERTH_HOST (source), async_result, &error);

  gboolean is_begun = result != NULL && result->exec != 0;
  gboolean is_told = sandbox_note_over (self, task);

  if (result != NULL)
    {
      if (self->exec_count == 0)
        result->origin = self->origin;
      result->template_name = g_strdup (berth_vm_get_template (self->vm));
      result->sandbox_id = g_strdup (berth_sandbox_get_id (self));
      self->exec_count += !is_begun;
      sandbox_tell_reach (self, result);
    }
  if (is_begun)
    sandbox_watch (self, result->exec, box->is_command, box->is_terminal, box->limit_ms);
  else
    sandbox_release (self, box->is_command);
  if (is_told)
    return;
  if (result != NULL)
    g_task_return_pointer (task, g_steal_pointer (&result), (GDestroyNotify)berth_result_free);
  else if (self->close_reason != NULL
           && g_error_matches (error, BERTH_ERROR, BERTH_ERROR_OUTCOME_UNKNOWN))
    g_task_return_new_error (task, BERTH_ERROR, BERTH_ERROR_OUTCOME_UNKNOWN,
                             "sandbox %s ended while its code ran (%s): what the code did is "
                             "unknown; look before you run it again",
                             berth_sandbox_get_id (self), self->close_reason);
  else
    g_task_return_error (task, g_steal_pointer (&error));
}

static void
sandbox_begin (BerthSandbox *self, GTask *task)
{
  Box *box = g_task_get_task_data (task);

  if (box->is_command)
    self->commands++;
  else
    self->is_busy = TRUE;
  self->was_tried = FALSE;
  berth_sandbox_note_use (self);
  berth_host_exec_async (self->host, self->vm, g_steal_pointer (&box->exec),
                         g_task_get_cancellable (task), exec_cb, g_object_ref (task));
  sandbox_mind_cancel (task);
}

/* Gives the VM to the first that waits. A caller who has cancelled meanwhile never gets it. */
static void
sandbox_next (BerthSandbox *self)
{
  while (!self->is_busy && !self->is_copied && !g_queue_is_empty (&self->waiting))
    {
      g_autoptr (GTask) task = g_queue_pop_head (&self->waiting);

      if (!g_task_return_error_if_cancelled (task))
        sandbox_begin (self, task);
    }
}

/* Nobody waits for a place among commands: who asks for one more is to know that others run. */
static void
sandbox_begin_command (BerthSandbox *self, GTask *task)
{
  if (self->commands >= BERTH_LIMIT_COMMANDS)
    g_task_return_new_error (task, BERTH_ERROR, BERTH_ERROR_NO_CAPACITY,
                             "sandbox %s runs %u commands, and more it may not at once: ask again "
                             "when one of them has ended",
                             berth_sandbox_get_id (self), self->commands);
  else if (!g_task_return_error_if_cancelled (task))
    sandbox_begin (self, task);
}

static void
box_free (gpointer data)
{
  Box *box = data;

  berth_exec_free (box->exec);
  berth_file_request_free (box->file);
  berth_background_request_free (box->request);
  g_free (box);
}

static void
exec_awake (BerthSandbox *self, GTask *task)
{
  g_autoptr (GTask) owned = task;
  const Box *box = g_task_get_task_data (task);

  if (box->is_command)
    {
      sandbox_begin_command (self, task);
      return;
    }
  g_queue_push_tail (&self->waiting, g_steal_pointer (&owned));
  sandbox_next (self);
}

void
berth_sandbox_exec_async (BerthSandbox *self, BerthExec *exec, GCancellable *cancellable,
                          GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);
  GError *error = NULL;
  Box *box;

  g_task_set_source_tag (task, berth_sandbox_exec_async);
  g_task_set_check_cancellable (task, FALSE); /* an end that is known is told */
  box = g_new0 (Box, 1);
  box->exec = exec;
  box->is_command = exec->is_command;
  box->is_terminal = exec->tty != NULL;
  box->limit_ms = exec->has_no_limit ? 0 : exec->timeout_ms;
  g_task_set_task_data (task, box, box_free);
  if (!berth_exec_add_env (exec, (const char *const *)self->env, &error))
    {
      g_task_return_error (task, error);
      return;
    }
  if (self->close_reason == NULL && !box->is_command)
    berth_sandbox_when_awake (self, g_steal_pointer (&task), exec_awake);
  else if (!sandbox_refuses (self, task))
    berth_sandbox_when_awake (self, g_steal_pointer (&task), exec_awake);
}

BerthResult *
berth_sandbox_exec_finish (BerthSandbox *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), NULL);
  return g_task_propagate_pointer (G_TASK (result), error);
}

void
berth_sandbox_set_env (BerthSandbox *self, const char *const *env)
{
  g_strfreev (self->env);
  self->env = g_strdupv ((char **)env);
}

void
berth_sandbox_queue_again (BerthSandbox *self)
{
  GQueue waiting = self->waiting;
  GTask *task;

  g_queue_init (&self->waiting);
  while ((task = g_queue_pop_head (&waiting)) != NULL)
    berth_sandbox_when_awake (self, task, exec_awake);
}

static void
file_cb (GObject *source, GAsyncResult *async_result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  BerthSandbox *self = g_task_get_source_object (task);
  GError *error = NULL;
  BerthFileResult *result = berth_host_file_finish (BERTH_HOST (source), async_result, &error);
  gboolean is_told = sandbox_note_over (self, task);

  self->files--;
  berth_sandbox_watch_idle (self);
  if (is_told)
    {
      berth_file_result_free (result);
      g_clear_error (&error);
    }
  else if (result != NULL)
    g_task_return_pointer (task, result, (GDestroyNotify)berth_file_result_free);
  else if (self->close_reason != NULL && g_error_matches (error, BERTH_ERROR, BERTH_ERROR_GONE))
    {
      berth_sandbox_return_gone (self, task);
      g_error_free (error);
    }
  else
    g_task_return_error (task, error);
}

static void
file_awake (BerthSandbox *self, GTask *task)
{
  g_autoptr (GTask) owned = task;
  Box *box = g_task_get_task_data (task);

  self->files++;
  self->was_tried = FALSE;
  berth_sandbox_note_use (self);
  box->file->caller_idle_us = self->idle_us; /* its VM is not held by one that does nothing */
  berth_host_file_async (self->host, self->vm, g_steal_pointer (&box->file),
                         g_task_get_cancellable (task), file_cb, g_object_ref (task));
  sandbox_mind_cancel (task);
}

void
berth_sandbox_file_async (BerthSandbox *self, BerthFileRequest *file, GCancellable *cancellable,
                          GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);
  Box *box = g_new0 (Box, 1);

  box->file = file;
  g_task_set_task_data (task, box, box_free);
  g_task_set_source_tag (task, berth_sandbox_file_async);
  g_task_set_check_cancellable (task, FALSE); /* a file that is there is told */
  if (!sandbox_refuses (self, task))
    berth_sandbox_when_awake (self, g_steal_pointer (&task), file_awake);
}

BerthFileResult *
berth_sandbox_file_finish (BerthSandbox *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), NULL);
  return g_task_propagate_pointer (G_TASK (result), error);
}

static void
background_cb (GObject *source, GAsyncResult *async_result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  BerthSandbox *self = g_task_get_source_object (task);
  GError *error = NULL;
  BerthBackgroundResult *result
      = berth_host_background_finish (BERTH_HOST (source), async_result, &error);
  const Box *box = g_task_get_task_data (task);
  gboolean is_told = sandbox_note_over (self, task);

  self->asks--;
  if (box->terminal != 0)
    berth_sandbox_terminal_attend (self, box->terminal, -1);
  berth_sandbox_watch_idle (self);
  if (is_told)
    {
      berth_background_result_free (result);
      g_clear_error (&error);
    }
  else if (result != NULL)
    {
      if (result->end != NULL)
        {
          result->end->template_name = g_strdup (berth_vm_get_template (self->vm));
          result->end->sandbox_id = g_strdup (berth_sandbox_get_id (self));
        }
      g_task_return_pointer (task, result, (GDestroyNotify)berth_background_result_free);
    }
  else if (self->close_reason != NULL && g_error_matches (error, BERTH_ERROR, BERTH_ERROR_GONE))
    {
      berth_sandbox_return_gone (self, task);
      g_error_free (error);
    }
  else
    g_task_return_error (task, error);
}

static void
background_awake (BerthSandbox *self, GTask *task)
{
  g_autoptr (GTask) owned = task;
  Box *box = g_task_get_task_data (task);

  /* the guest takes more, and those are ours: see sandbox_watch() */
  if (self->asks >= BERTH_LIMIT_ASKS)
    {
      g_task_return_new_error (task, BERTH_ERROR, BERTH_ERROR_NO_CAPACITY,
                               "%u callers read of execs in the background of sandbox %s, and more "
                               "may not at once: ask again when one of them has ended",
                               self->asks, berth_sandbox_get_id (self));
      return;
    }
  self->asks++;
  self->was_tried = FALSE;
  if (box->request->tty != NULL)
    {
      box->terminal = box->request->exec;
      berth_sandbox_terminal_attend (self, box->terminal, 1);
    }
  berth_sandbox_note_use (self);
  berth_host_background_async (self->host, self->vm, g_steal_pointer (&box->request),
                               g_task_get_cancellable (task), background_cb, g_object_ref (task));
  sandbox_mind_cancel (task);
}

void
berth_sandbox_background_async (BerthSandbox *self, BerthBackgroundRequest *request,
                                GCancellable *cancellable, GAsyncReadyCallback callback,
                                gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);
  Box *box = g_new0 (Box, 1);

  box->request = request;
  g_task_set_task_data (task, box, box_free);
  g_task_set_source_tag (task, berth_sandbox_background_async);
  g_task_set_check_cancellable (task, FALSE); /* an end that is known is told */
  if (!sandbox_refuses (self, task))
    berth_sandbox_when_awake (self, g_steal_pointer (&task), background_awake);
}

BerthBackgroundResult *
berth_sandbox_background_finish (BerthSandbox *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), NULL);
  return g_task_propagate_pointer (G_TASK (result), error);
}
