/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The verbs of a client: each an asynchronous pair, and a call that waits for it. */
#include "plugin/libberth/berth-client-call.h"
#include "plugin/libberth/berth-client-private.h"
#include "plugin/libberth/berth-run-carrier.h"
#include "plugin/model/berth-program-private.h"
#include "plugin/model/berth-spec-private.h"
#include "plugin/base/berth-wait.h"
#include "plugin/model/berth-exec.h"
#include "plugin/model/berth-result-private.h"
#include "pool/berth-error.h"

static BerthResult *
finish_result (BerthClient *self, GAsyncResult *result, gpointer tag, GError **error)
{
  g_autoptr (GVariant) dictionary = berth_client_call_finish_child (self, result, tag, error);

  return dictionary != NULL ? berth_result_new_from_variant (dictionary) : NULL;
}

static gboolean
write_files (BerthProgram *program, GVariantDict *options, GUnixFDList *fds,
             BerthRunCarrier **out_carrier, GError **error)
{
  if (out_carrier != NULL)
    *out_carrier = berth_run_carrier_new (program, options, fds, error);
  else
    g_set_error_literal (error, BERTH_ERROR, BERTH_ERROR_INVALID,
                         "this program's files go along with a run: of a sandbox that stays, they "
                         "are put and got by themselves");
  return out_carrier != NULL && *out_carrier != NULL;
}

/* (transfer floating) (nullable): options of what is given. What somebody reads already ends where
 * it fails, whosever mistake that is. *@out_carrier: (nullable) (out): of the program's files;
 * NULL: it may have none */
static GVariant *
write_options (BerthSpec *spec, BerthProgram *program, GUnixFDList **out_fds,
               BerthRunCarrier **out_carrier, GError **error)
{
  g_auto (GVariantDict) options = G_VARIANT_DICT_INIT (NULL);
  g_autoptr (GUnixFDList) fds = g_unix_fd_list_new ();
  gboolean ok = program == NULL || berth_program_write (program, &options, fds, error);

  if (spec != NULL && !berth_spec_write (spec, &options, fds, program == NULL, ok ? error : NULL))
    ok = FALSE;
  if (ok && program != NULL && berth_program_has_files (program))
    ok = write_files (program, &options, fds, out_carrier, error);
  if (!ok)
    return NULL;
  *out_fds = g_steal_pointer (&fds);
  return g_variant_dict_end (&options);
}

/**
 * berth_client_create_async:
 * @self: a client
 * @spec: (nullable): what is asked for; %NULL for the defaults
 * @cancellable: (nullable): withdraws the request; no sandbox stays then
 * @callback: (scope async): gets the answer
 * @user_data: for @callback
 *
 * Makes a sandbox that stays until it is destroyed or unused for too long (berthd's setting
 * idle_timeout_s, five minutes by default). Waits at capacity for as long as @spec says.
 *
 * Fails with %BERTH_ERROR_NO_CAPACITY, %BERTH_ERROR_WAIT_TIMED_OUT or %BERTH_ERROR_QUEUE_FULL at
 * capacity, %BERTH_ERROR_UNAVAILABLE or %BERTH_ERROR_START_TIMED_OUT where no VM could be had, and
 * %BERTH_ERROR_INVALID for a mistake in @spec.
 */
void
berth_client_create_async (BerthClient *self, BerthSpec *spec, GCancellable *cancellable,
                           GAsyncReadyCallback callback, gpointer user_data)
{
  BerthClientCall call = { BERTH_CLIENT_CALL_CREATES, "Create", .answer_type = "(s)" };
  GTask *task;
  GError *error = NULL;
  GVariant *options;

  g_return_if_fail (BERTH_IS_CLIENT (self));
  g_return_if_fail (spec == NULL || BERTH_IS_SPEC (spec));

  task = berth_client_call_new_task (self, berth_client_create_async, cancellable, callback,
                                     user_data);
  options = write_options (spec, NULL, &call.fds, NULL, &error);
  if (options == NULL)
    {
      g_task_return_error (task, error);
      g_object_unref (task);
      return;
    }
  call.arguments = g_variant_new ("(@a{sv})", options);
  call.spec = spec;
  berth_client_call_start (task, &call);
}

/**
 * berth_client_create_finish:
 * @self: a client
 * @result: what the callback got
 *
 * Ends the call in its callback.
 *
 * Returns: (transfer full): the sandbox's id
 */
char *
berth_client_create_finish (BerthClient *self, GAsyncResult *result, GError **error)
{
  g_autoptr (GVariant) id
      = berth_client_call_finish_child (self, result, berth_client_create_async, error);

  return id != NULL ? g_variant_dup_string (id, NULL) : NULL;
}

/**
 * berth_client_create:
 * @self: a client
 * @spec: (nullable): what is asked for; %NULL for the defaults
 * @cancellable: (nullable): withdraws the request
 *
 * As [method@Client.create_async], waiting.
 *
 * Returns: (transfer full): the sandbox's id
 */
char *
berth_client_create (BerthClient *self, BerthSpec *spec, GCancellable *cancellable, GError **error)
{
  g_autoptr (GAsyncResult) result = NULL;
  BerthWait wait;

  g_return_val_if_fail (BERTH_IS_CLIENT (self), NULL);

  berth_wait_begin (&wait, berth_client_serves_here (self));
  berth_client_create_async (self, spec, cancellable, berth_wait_cb, &wait);
  result = berth_wait_end (&wait);
  return berth_client_create_finish (self, result, error);
}

/**
 * berth_client_exec_async:
 * @self: a client
 * @id: of a sandbox
 * @program: what to run
 * @cancellable: (nullable): ends the program
 * @callback: (scope async): gets the answer
 * @user_data: for @callback
 *
 * Runs a program in a sandbox that exists. Code runs one program at a time, in the order asked, and
 * what one leaves behind the next one finds; commands ([ctor@Program.new_for_command]) run at once,
 * beside it and each other.
 *
 * A program that fails is no error: see [struct@Result]. Fails with %BERTH_ERROR_INVALID for a
 * mistake in @program, %BERTH_ERROR_NO_CAPACITY where as many commands run in the sandbox as may,
 * %BERTH_ERROR_GONE where the caller has no such sandbox (any more), and
 * %BERTH_ERROR_OUTCOME_UNKNOWN where the VM or berthd died and nobody knows how the program ended.
 */
void
berth_client_exec_async (BerthClient *self, const char *id, BerthProgram *program,
                         GCancellable *cancellable, GAsyncReadyCallback callback,
                         gpointer user_data)
{
  BerthClientCall call = { BERTH_CLIENT_CALL_RUNS_CODE, "Exec", .answer_type = "(a{sv})" };
  GTask *task;
  GError *error = NULL;
  GVariant *options;

  g_return_if_fail (BERTH_IS_CLIENT (self));
  g_return_if_fail (id != NULL);
  g_return_if_fail (BERTH_IS_PROGRAM (program));

  task = berth_client_call_new_task (self, berth_client_exec_async, cancellable, callback,
                                     user_data);
  options = write_options (NULL, program, &call.fds, NULL, &error);
  if (options == NULL || !berth_spec_check_name ("sandbox id", id, &error))
    {
      g_clear_pointer (&options, g_variant_unref);
      g_clear_object (&call.fds);
      g_task_return_error (task, error);
      g_object_unref (task);
      return;
    }
  call.arguments = g_variant_new ("(s@a{sv})", id, options);
  call.tty = berth_program_get_tty (program);
  berth_client_call_start (task, &call);
}

/**
 * berth_client_exec_finish:
 * @self: a client
 * @result: what the callback got
 *
 * Ends the call in its callback.
 *
 * Returns: (transfer full): how the program ended
 */
BerthResult *
berth_client_exec_finish (BerthClient *self, GAsyncResult *result, GError **error)
{
  return finish_result (self, result, berth_client_exec_async, error);
}

/**
 * berth_client_exec:
 * @self: a client
 * @id: of a sandbox
 * @program: what to run
 * @cancellable: (nullable): ends the program
 *
 * As [method@Client.exec_async], waiting.
 *
 * Returns: (transfer full): how the program ended
 */
BerthResult *
berth_client_exec (BerthClient *self, const char *id, BerthProgram *program,
                   GCancellable *cancellable, GError **error)
{
  g_autoptr (GAsyncResult) result = NULL;
  BerthWait wait;

  g_return_val_if_fail (BERTH_IS_CLIENT (self), NULL);
  g_return_val_if_fail (id != NULL, NULL);
  g_return_val_if_fail (BERTH_IS_PROGRAM (program), NULL);

  berth_wait_begin (&wait, berth_client_serves_here (self));
  berth_client_exec_async (self, id, program, cancellable, berth_wait_cb, &wait);
  result = berth_wait_end (&wait);
  return berth_client_exec_finish (self, result, error);
}

/**
 * berth_client_run_async:
 * @self: a client
 * @spec: (nullable): what to run it in; %NULL for the defaults
 * @program: what to run
 * @cancellable: (nullable): withdraws the request, or ends the program
 * @callback: (scope async): gets the answer
 * @user_data: for @callback
 *
 * Makes a sandbox, runs one program in it, destroys it. Answers when the program's end is known
 * and what it leaves behind is here ([method@Program.add_download]), and, with
 * [property@Spec:wait-gone], its VM is gone. Fails as [method@Client.create_async] and
 * [method@Client.exec_async] do.
 */
void
berth_client_run_async (BerthClient *self, BerthSpec *spec, BerthProgram *program,
                        GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  BerthClientCall call = { BERTH_CLIENT_CALL_RUNS_CODE, "Run", .answer_type = "(a{sv})" };
  BerthRunCarrier *carrier = NULL;
  GTask *task;
  GError *error = NULL;
  GVariant *options;

  g_return_if_fail (BERTH_IS_CLIENT (self));
  g_return_if_fail (spec == NULL || BERTH_IS_SPEC (spec));
  g_return_if_fail (BERTH_IS_PROGRAM (program));

  task
      = berth_client_call_new_task (self, berth_client_run_async, cancellable, callback, user_data);
  options = write_options (spec, program, &call.fds, &carrier, &error);
  if (options == NULL)
    {
      g_task_return_error (task, error);
      g_object_unref (task);
      return;
    }
  call.arguments = g_variant_new ("(@a{sv})", options);
  call.spec = spec;
  call.tty = berth_program_get_tty (program);
  if (carrier != NULL)
    berth_run_carrier_start (carrier, task, &call);
  else
    berth_client_call_start (task, &call);
}

/**
 * berth_client_run_finish:
 * @self: a client
 * @result: what the callback got
 *
 * Ends the call in its callback.
 *
 * Returns: (transfer full): how the program ended
 */
BerthResult *
berth_client_run_finish (BerthClient *self, GAsyncResult *result, GError **error)
{
  BerthResult *ended = finish_result (self, result, berth_client_run_async, error);

  berth_run_carrier_complete (result, ended);
  return ended;
}

/**
 * berth_client_run:
 * @self: a client
 * @spec: (nullable): what to run it in; %NULL for the defaults
 * @program: what to run
 * @cancellable: (nullable): withdraws the request, or ends the program
 *
 * As [method@Client.run_async], waiting.
 *
 * Returns: (transfer full): how the program ended
 */
BerthResult *
berth_client_run (BerthClient *self, BerthSpec *spec, BerthProgram *program,
                  GCancellable *cancellable, GError **error)
{
  g_autoptr (GAsyncResult) result = NULL;
  BerthWait wait;

  g_return_val_if_fail (BERTH_IS_CLIENT (self), NULL);
  g_return_val_if_fail (BERTH_IS_PROGRAM (program), NULL);

  berth_wait_begin (&wait, berth_client_serves_here (self));
  berth_client_run_async (self, spec, program, cancellable, berth_wait_cb, &wait);
  result = berth_wait_end (&wait);
  return berth_client_run_finish (self, result, error);
}

/**
 * berth_client_destroy_async:
 * @self: a client
 * @id: of a sandbox
 * @cancellable: (nullable): ends the wait, not the destroying
 * @callback: (scope async): gets the answer
 * @user_data: for @callback
 *
 * Ends a sandbox, whatever runs in it. Answers when its VM is gone. Of one that had ended before,
 * it succeeds as long as berthd remembers it; fails with %BERTH_ERROR_GONE where no such sandbox is
 * known.
 */
void
berth_client_destroy_async (BerthClient *self, const char *id, GCancellable *cancellable,
                            GAsyncReadyCallback callback, gpointer user_data)
{
  BerthClientCall call = { BERTH_CLIENT_CALL_ASKS, "Destroy", .answer_type = "(a{sv})" };

  g_return_if_fail (BERTH_IS_CLIENT (self));
  g_return_if_fail (id != NULL);

  berth_client_call_start_for (berth_client_call_new_task (self, berth_client_destroy_async,
                                                           cancellable, callback, user_data),
                               &call, id, NULL);
}

/**
 * berth_client_destroy_finish:
 * @self: a client
 * @result: what the callback got
 *
 * Ends the call in its callback.
 *
 * Returns: %TRUE; %FALSE with @error
 */
gboolean
berth_client_destroy_finish (BerthClient *self, GAsyncResult *result, GError **error)
{
  return berth_client_call_finish_nothing (self, result, berth_client_destroy_async, error);
}

/**
 * berth_client_destroy:
 * @self: a client
 * @id: of a sandbox
 * @cancellable: (nullable): ends the wait, not the destroying
 *
 * As [method@Client.destroy_async], waiting.
 *
 * Returns: %TRUE; %FALSE with @error
 */
gboolean
berth_client_destroy (BerthClient *self, const char *id, GCancellable *cancellable, GError **error)
{
  g_autoptr (GAsyncResult) result = NULL;
  BerthWait wait;

  g_return_val_if_fail (BERTH_IS_CLIENT (self), FALSE);
  g_return_val_if_fail (id != NULL, FALSE);

  berth_wait_begin (&wait, berth_client_serves_here (self));
  berth_client_destroy_async (self, id, cancellable, berth_wait_cb, &wait);
  result = berth_wait_end (&wait);
  return berth_client_destroy_finish (self, result, error);
}
