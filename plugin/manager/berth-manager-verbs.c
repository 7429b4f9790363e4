/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The manager's verbs: create, exec, and run, which is the two in one and a destroy, with files
 * before and after. */
#include "plugin/manager/berth-manager-private.h"

#include <unistd.h>

#include "plugin/base/berth-caller-fd.h"
#include "plugin/manager/berth-run-downloads.h"
#include "plugin/manager/berth-run-uploads.h"
#include "plugin/model/berth-limits.h"
#include "pool/berth-error-dbus.h"

/* How long a run that waits for its VM's end does so before it says that it can't confirm it.
 * libvirt tries SIGTERM for 10 s, then SIGKILL (virprocess.c). */
#define DESTROY_WAIT_S 15u

/* ---- create ---- */

/* What a create found out, for a run's result. */
typedef struct
{
  BerthSandbox *sandbox; /* owned */
  BerthOrigin origin;
} Created;

static void
created_free (Created *created)
{
  g_clear_object (&created->sandbox);
  g_free (created);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Created, created_free)

typedef struct
{
  BerthManagerCall *waiting; /* (nullable) (owned): whoever asked wants to know how far it is */
  BerthRequest *request;
  GArray *ports;    /* (nullable): of BerthListener */
  Created *created; /* (nullable): while its guest is told what it may reach */
  gint64 begun_us;
} CreateCall;

static void
create_call_free (CreateCall *call)
{
  GOutputStream *boot_log = berth_purpose_of (call->request)->boot_log;

  if (call->waiting != NULL)
    berth_manager_call_set_request (call->waiting, NULL);
  g_clear_object (&call->waiting);
  /* whoever still writes the last of it has a descriptor of its own */
  if (boot_log != NULL)
    berth_caller_fd_let_go (boot_log);
  berth_request_unref (call->request);
  g_clear_pointer (&call->ports, g_array_unref);
  g_clear_pointer (&call->created, created_free);
  g_free (call);
}

/* Whether the guests of a template boot is of use to who waits to try it again. */
static void
manager_note_boot (BerthManager *self, const char *template_name, BerthVm *vm, const GError *error)
{
  if (vm != NULL && g_strcmp0 (berth_host_get_start_name (self->host, vm), "cold") == 0)
    berth_snapshot_keeper_note_boot (self->keeper, template_name, TRUE);
  else if (g_error_matches (error, BERTH_ERROR, BERTH_ERROR_UNAVAILABLE)
           || g_error_matches (error, BERTH_ERROR, BERTH_ERROR_START_TIMED_OUT))
    berth_snapshot_keeper_note_boot (self->keeper, template_name, FALSE);
}

/* Takes over @created. */
static void
create_answer (GTask *task, Created *created)
{
  g_task_return_pointer (task, created, (GDestroyNotify)created_free);
}

/* Of one whose programs may reach something: they may from now on. */
static void
reach_started_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  BerthManager *self = g_task_get_source_object (task);
  CreateCall *call = g_task_get_task_data (task);
  GError *error = NULL;

  if (berth_sandbox_reach_start_finish (BERTH_SANDBOX_REACH (source), result, &error))
    create_answer (task, g_steal_pointer (&call->created));
  else
    {
      g_autoptr (BerthVm) vm = g_object_ref (berth_sandbox_get_vm (call->created->sandbox));

      berth_manager_bury (self, call->created->sandbox, "its programs could reach nothing");
      berth_manager_end_vm (self, vm);
      g_task_return_error (task, error);
    }
}

static void
acquired_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  BerthManager *self = g_task_get_source_object (task);
  CreateCall *call = g_task_get_task_data (task);
  g_autoptr (GError) error = NULL;
  g_autoptr (BerthVm) vm = berth_pool_acquire_finish (BERTH_POOL (source), result, &error);
  BerthSandbox *sandbox;
  BerthOrigin *origin;
  Created *created;

  manager_note_boot (self, call->request->shape.template_name, vm, error);
  if (vm == NULL)
    {
      berth_metrics_add (self->metrics, BERTH_METRIC_REFUSED, berth_error_get_name (error), NULL,
                         1);
      g_task_return_error (task, g_steal_pointer (&error));
      return;
    }
  if (!berth_manager_may_go_on (self, call->request, &error))
    {
      berth_manager_end_vm (self, vm);
      g_task_return_error (task, g_steal_pointer (&error));
      return;
    }
  sandbox = berth_manager_add_sandbox (self, vm, call->request);
  if (berth_purpose_of (call->request)->fork != NULL)
    berth_sandbox_adopt (sandbox); /* it may have begun with what runs in the background */
  if (!berth_manager_publish (self, sandbox, call->ports, &error))
    {
      berth_manager_bury (self, sandbox, "its ports can't be published");
      berth_manager_end_vm (self, vm);
      g_task_return_error (task, g_steal_pointer (&error));
      return;
    }
  created = g_new0 (Created, 1);
  created->sandbox = g_object_ref (sandbox);
  origin = &created->origin;
  origin->start = berth_host_get_start_name (self->host, vm);
  origin->wait_us = MAX (berth_vm_get_admitted_us (vm) - call->begun_us, 0);
  origin->start_us = g_get_monotonic_time () - call->begun_us - origin->wait_us;
  berth_host_get_start_times (self->host, vm, &origin->spawn_us, &origin->connect_us);
  berth_sandbox_set_origin (sandbox, origin);
  berth_metrics_observe (self->metrics, BERTH_METRIC_WAIT, NULL, NULL, origin->wait_us);
  if (origin->start != NULL) /* else it has ended already, and its program will be told */
    berth_metrics_observe (self->metrics, BERTH_METRIC_START, berth_vm_get_template (vm),
                           origin->start, origin->start_us);
  if (berth_sandbox_get_reach (sandbox) == NULL)
    {
      create_answer (task, created);
      return;
    }
  call->created = created;
  berth_sandbox_reach_start_async (berth_sandbox_get_reach (sandbox), reach_started_cb,
                                   g_steal_pointer (&task));
}

void
berth_manager_serve_async (BerthManager *self, BerthRequest *request, GArray *ports,
                           GCancellable *cancellable, GAsyncReadyCallback callback,
                           gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);
  CreateCall *call = g_new0 (CreateCall, 1);

  g_task_set_source_tag (task, berth_manager_serve_async);
  g_task_set_check_cancellable (task, FALSE); /* a sandbox that was made is told */
  call->request = request;
  if (BERTH_IS_MANAGER_CALL (cancellable))
    {
      call->waiting = g_object_ref (BERTH_MANAGER_CALL (cancellable));
      berth_manager_call_set_request (call->waiting, request);
    }
  call->ports = ports != NULL ? g_array_ref (ports) : NULL;
  call->begun_us = g_get_monotonic_time ();
  g_task_set_task_data (task, call, (GDestroyNotify)create_call_free);
  berth_snapshot_keeper_want (self->keeper, request);
  berth_pool_acquire_async (self->pool, request, cancellable, acquired_cb, g_steal_pointer (&task));
}

static void
manager_create_async (BerthManager *self, const BerthSandboxOptions *options, gboolean is_session,
                      GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  GError *error = NULL;
  BerthRequest *request = berth_manager_make_request (self, options, is_session, &error);

  if (request != NULL)
    berth_manager_serve_async (self, request, options->ports, cancellable, callback, user_data);
  else
    g_task_report_error (self, callback, user_data, manager_create_async, error);
}

static Created *
manager_create_finish (BerthManager *self, GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

void
berth_manager_create_sandbox_async (BerthManager *self, const BerthSandboxOptions *options,
                                    GCancellable *cancellable, GAsyncReadyCallback callback,
                                    gpointer user_data)
{
  manager_create_async (self, options, !options->ends_with_caller, cancellable, callback,
                        user_data);
}

char *
berth_manager_serve_finish (BerthManager *self, GAsyncResult *result, GError **error)
{
  g_autoptr (Created) created = manager_create_finish (self, result, error);

  return created != NULL ? g_strdup (berth_sandbox_get_id (created->sandbox)) : NULL;
}

char *
berth_manager_create_sandbox_finish (BerthManager *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), NULL);
  return berth_manager_serve_finish (self, result, error);
}

/* ---- exec ---- */

/* Counts a program that @sandbox was given. @result: (nullable): NULL after an @error */
static void
manager_note_exec (BerthManager *self, BerthSandbox *sandbox, const BerthResult *result,
                   const GError *error)
{
  const char *name = berth_vm_get_template (berth_sandbox_get_vm (sandbox));
  const char *outcome = "ended";

  if (result != NULL && result->exec != 0)
    return; /* its end is nobody's call's */
  if (g_error_matches (error, BERTH_ERROR, BERTH_ERROR_NO_CAPACITY))
    return; /* a command for which there was no place: nothing has begun */
  if (result == NULL)
    outcome = g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED) ? "cancelled" : "failed";
  else if (result->timed_out || result->oom)
    outcome = result->oom ? "out-of-memory" : "timed-out";

  berth_metrics_add (self->metrics, BERTH_METRIC_EXECS, name, outcome, 1);
  if (result != NULL)
    berth_metrics_observe (self->metrics, BERTH_METRIC_EXEC, name, NULL, result->exec_us);
}

static gboolean
exec_is_captured (const BerthExec *exec)
{
  return exec->is_command && !exec->is_detached && (exec->stdout_fd < 0 || exec->stderr_fd < 0);
}

static void
manager_count_captures (BerthManager *self, guint32 uid, int change)
{
  guint count = GPOINTER_TO_UINT (g_hash_table_lookup (self->captures, GUINT_TO_POINTER (uid)));

  count += (guint)change;
  if (count > 0)
    g_hash_table_insert (self->captures, GUINT_TO_POINTER (uid), GUINT_TO_POINTER (count));
  else
    g_hash_table_remove (self->captures, GUINT_TO_POINTER (uid));
}

/* What is captured is berthd's memory, and a sandbox has many commands. */
static gboolean
manager_take_capture (BerthManager *self, guint32 uid, GTask *task, GError **error)
{
  guint count = GPOINTER_TO_UINT (g_hash_table_lookup (self->captures, GUINT_TO_POINTER (uid)));

  if (count >= BERTH_LIMIT_CAPTURES_PER_UID)
    {
      g_set_error (error, BERTH_ERROR, BERTH_ERROR_NO_CAPACITY,
                   "berthd keeps the output of %u commands of this user, and of no more: give the "
                   "command streams of its own, or ask again when one of them has ended",
                   count);
      return FALSE;
    }
  manager_count_captures (self, uid, 1);
  g_task_set_task_data (task, g_memdup2 (&uid, sizeof uid), g_free);
  return TRUE;
}

static void
exec_cb (GObject *source, GAsyncResult *async_result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  const guint32 *captured_uid = g_task_get_task_data (task);
  GError *error = NULL;
  BerthResult *result = berth_sandbox_exec_finish (BERTH_SANDBOX (source), async_result, &error);

  if (captured_uid != NULL)
    manager_count_captures (g_task_get_source_object (task), *captured_uid, -1);
  manager_note_exec (g_task_get_source_object (task), BERTH_SANDBOX (source), result, error);
  if (result == NULL)
    g_task_return_error (task, error);
  else
    {
      result->total_us = result->exec_us;
      g_task_return_pointer (task, result, (GDestroyNotify)berth_result_free);
    }
}

/* What runs in the background without an end holds its VM without one. */
static gboolean
manager_check_limit (BerthManager *self, const BerthExec *exec, GError **error)
{
  if (!exec->has_no_limit || self->config->background_unlimited)
    return TRUE;
  g_set_error_literal (error, BERTH_ERROR, BERTH_ERROR_DENIED,
                       "this berthd gives every exec a time limit: give one of up to 86400 s, or "
                       "have background_unlimited set");
  return FALSE;
}

void
berth_manager_exec_async (BerthManager *self, const char *id, guint32 uid, BerthExec *exec,
                          GCancellable *cancellable, GAsyncReadyCallback callback,
                          gpointer user_data)
{
  g_autoptr (BerthExec) owned = exec;
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);
  g_autoptr (GError) error = NULL;
  BerthSandbox *sandbox = berth_manager_find (self, id, uid, &error);

  g_task_set_source_tag (task, berth_manager_exec_async);
  g_task_set_check_cancellable (task, FALSE);
  if (sandbox == NULL || !berth_exec_check (owned, &error)
      || !berth_manager_settle_exec (self, berth_vm_get_template (berth_sandbox_get_vm (sandbox)),
                                     owned, &error)
      || !manager_check_limit (self, owned, &error)
      || (exec_is_captured (owned) && !manager_take_capture (self, uid, task, &error)))
    g_task_return_error (task, g_steal_pointer (&error));
  else
    {
      owned->keeps_state = !owned->is_script && !owned->is_command;
      berth_sandbox_exec_async (sandbox, g_steal_pointer (&owned), cancellable, exec_cb,
                                g_steal_pointer (&task));
    }
}

BerthResult *
berth_manager_exec_finish (BerthManager *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), NULL);
  return g_task_propagate_pointer (G_TASK (result), error);
}

/* ---- run ---- */

typedef struct
{
  BerthExec *exec; /* until it is handed on */
  int uploads_fd;  /* of @exec, as the next three; -1 for none */
  int downloads_fd;
  char **downloads; /* (nullable) */
  guint64 file_size_max;
  guint upload_count; /* what was carried */
  guint64 upload_bytes;
  gboolean has_uploads;
  gboolean waits_gone;
  Created *created;
  BerthVm *vm; /* from the program's end on */
  BerthResult *result;
  GError *error;
  GCancellable *destroy_wait; /* ends the waiting for the VM's end */
  guint destroy_timeout_id;
  gint64 begun_us;
  gint64 destroy_begun_us; /* 0 where nobody waits for it */
} RunCall;

static void
run_call_free (RunCall *call)
{
  berth_exec_free (call->exec);
  if (call->uploads_fd >= 0)
    berth_caller_fd_close (call->uploads_fd);
  if (call->downloads_fd >= 0)
    berth_caller_fd_close (call->downloads_fd);
  g_strfreev (call->downloads);
  g_clear_pointer (&call->created, created_free);
  g_clear_pointer (&call->result, berth_result_free);
  g_clear_error (&call->error);
  g_clear_handle_id (&call->destroy_timeout_id, g_source_remove);
  g_clear_object (&call->destroy_wait);
  g_clear_object (&call->vm);
  g_free (call);
}

/* The end of a run. @may_exist: its VM's end was waited for, and in vain */
static void
run_answer (GTask *task, gboolean may_exist)
{
  RunCall *call = g_task_get_task_data (task);
  gint64 now_us = g_get_monotonic_time ();

  g_clear_handle_id (&call->destroy_timeout_id, g_source_remove);
  if (call->error != NULL)
    {
      g_task_return_error (task, g_steal_pointer (&call->error));
      return;
    }
  call->result->destroy_unconfirmed = may_exist;
  call->result->origin = call->created->origin;
  call->result->destroy_us = call->destroy_begun_us != 0 ? now_us - call->destroy_begun_us : 0;
  call->result->total_us = now_us - call->begun_us;
  g_task_return_pointer (task, g_steal_pointer (&call->result), (GDestroyNotify)berth_result_free);
}

static void
run_destroyed_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  BerthManager *self = g_task_get_source_object (task);
  RunCall *call = g_task_get_task_data (task);
  gboolean is_gone = berth_pool_destroy_finish (BERTH_POOL (source), result, NULL);

  if (is_gone)
    berth_manager_note_vm_gone (self, call->vm);
  run_answer (task, !is_gone);
}

static gboolean
destroy_timeout_cb (gpointer user_data)
{
  RunCall *call = user_data;

  call->destroy_timeout_id = 0;
  g_cancellable_cancel (call->destroy_wait);
  return G_SOURCE_REMOVE;
}

static void
run_destroy (BerthManager *self, GTask *task)
{
  RunCall *call = g_task_get_task_data (task);

  call->destroy_begun_us = g_get_monotonic_time ();
  call->destroy_wait = g_cancellable_new ();
  call->destroy_timeout_id = berth_host_add_timer (self->host, DESTROY_WAIT_S * G_USEC_PER_SEC,
                                                   destroy_timeout_cb, call);
  berth_pool_destroy_async (self->pool, call->vm, call->destroy_wait, run_destroyed_cb,
                            g_object_ref (task));
}

/* The caller has waited for the program and its files. The VM's end is the pool's business: it
 * holds its slot until libvirt says that it is gone, and should berthd die before, its mark ends it
 * at the next start. */
static void
run_end (GTask *task)
{
  BerthManager *self = g_task_get_source_object (task);
  RunCall *call = g_task_get_task_data (task);
  BerthSandbox *sandbox = call->created->sandbox;

  call->vm = g_object_ref (berth_sandbox_get_vm (sandbox));
  berth_manager_bury (self, sandbox, "its run ended");
  if (call->waits_gone)
    {
      run_destroy (self, task);
      return;
    }
  run_answer (task, FALSE);
  berth_manager_end_vm (self, call->vm);
}

static void
run_downloaded_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  BerthManager *self = g_task_get_source_object (task);
  RunCall *call = g_task_get_task_data (task);
  GPtrArray *downloads = berth_run_downloads_finish (BERTH_SANDBOX (source), result);

  for (guint i = 0; i < downloads->len; i++)
    berth_metrics_add (self->metrics, BERTH_METRIC_FILE_BYTES, "get", NULL,
                       ((BerthDownload *)downloads->pdata[i])->bytes);
  call->result->downloads = downloads;
  run_end (task);
}

/* Whatever the program's end was, as long as it is known, its files are what it left. */
static void
run_executed_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  BerthManager *self = g_task_get_source_object (task);
  RunCall *call = g_task_get_task_data (task);
  BerthSandbox *sandbox = BERTH_SANDBOX (source);

  call->result = berth_sandbox_exec_finish (sandbox, result, &call->error);
  manager_note_exec (self, sandbox, call->result, call->error);
  if (call->result != NULL)
    {
      call->result->has_uploads = call->has_uploads;
      call->result->upload_count = call->upload_count;
      call->result->upload_bytes = call->upload_bytes;
    }
  if (call->result == NULL || call->downloads == NULL)
    run_end (task);
  else
    berth_run_downloads_async (
        sandbox, self->host, g_steal_fd (&call->downloads_fd), (const char *const *)call->downloads,
        call->file_size_max, g_task_get_cancellable (task), run_downloaded_cb, g_object_ref (task));
}

static void
run_execute (GTask *task)
{
  RunCall *call = g_task_get_task_data (task);

  berth_sandbox_exec_async (call->created->sandbox, g_steal_pointer (&call->exec),
                            g_task_get_cancellable (task), run_executed_cb, g_object_ref (task));
}

/* Takes over @error. A VM that ended under its uploads took no program with it. */
static GError *
settle_upload_failure (GError *error)
{
  GError *settled;

  if (!g_error_matches (error, BERTH_ERROR, BERTH_ERROR_GONE))
    return error;
  settled = g_error_new (
      BERTH_ERROR, BERTH_ERROR_UNAVAILABLE,
      "the VM ended before the program was sent (%s): nothing was run, try again", error->message);
  g_error_free (error);
  return settled;
}

static void
run_uploaded_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  BerthManager *self = g_task_get_source_object (task);
  RunCall *call = g_task_get_task_data (task);
  gboolean ok = berth_run_uploads_finish (BERTH_SANDBOX (source), result, &call->upload_count,
                                          &call->upload_bytes, &call->error);

  berth_metrics_add (self->metrics, BERTH_METRIC_FILE_BYTES, "put", NULL, call->upload_bytes);
  if (ok)
    {
      run_execute (task);
      return;
    }
  call->error = settle_upload_failure (call->error);
  run_end (task);
}

static void
run_created_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  BerthManager *self = BERTH_MANAGER (source);
  RunCall *call = g_task_get_task_data (task);
  g_autoptr (GError) error = NULL;

  call->created = manager_create_finish (self, result, &error);
  if (call->created == NULL)
    g_task_return_error (task, g_steal_pointer (&error));
  else if (call->uploads_fd < 0)
    run_execute (task);
  else
    {
      call->has_uploads = TRUE;
      berth_run_uploads_async (call->created->sandbox, self->host, g_steal_fd (&call->uploads_fd),
                               call->file_size_max, g_task_get_cancellable (task), run_uploaded_cb,
                               g_object_ref (task));
    }
}

/* @exec goes to the guest without what is the manager's. */
static void
run_take_exec (RunCall *call, BerthExec *exec)
{
  call->exec = exec;
  call->uploads_fd = g_steal_fd (&exec->uploads_fd);
  call->downloads_fd = g_steal_fd (&exec->downloads_fd);
  call->downloads = g_steal_pointer (&exec->downloads);
  call->file_size_max = exec->file_size_max;
}

void
berth_manager_run_async (BerthManager *self, const BerthSandboxOptions *options, BerthExec *exec,
                         GCancellable *cancellable, GAsyncReadyCallback callback,
                         gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);
  RunCall *call = g_new0 (RunCall, 1);
  g_autoptr (GError) error = NULL;
  gboolean is_right;

  g_task_set_source_tag (task, berth_manager_run_async);
  g_task_set_check_cancellable (task, FALSE); /* an end that is known is told */
  is_right = berth_exec_check (exec, &error)
             && berth_manager_settle_exec (self, berth_manager_get_template_name (options), exec,
                                           &error);
  run_take_exec (call, exec);
  call->waits_gone = options->waits_gone;
  call->begun_us = g_get_monotonic_time ();
  g_task_set_task_data (task, call, (GDestroyNotify)run_call_free);
  if (!is_right)
    g_task_return_error (task, g_steal_pointer (&error));
  else
    manager_create_async (self, options, FALSE, cancellable, run_created_cb,
                          g_steal_pointer (&task));
}

BerthResult *
berth_manager_run_finish (BerthManager *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), NULL);
  return g_task_propagate_pointer (G_TASK (result), error);
}
