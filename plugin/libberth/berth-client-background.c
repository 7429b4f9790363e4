/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Execs in the background of a sandbox: each verb an asynchronous pair, and a call that waits for
 * it. */
#include "plugin/base/berth-pipe.h"
#include "plugin/base/berth-wait.h"
#include "plugin/libberth/berth-attachment-private.h"
#include "plugin/libberth/berth-client-call.h"
#include "plugin/libberth/berth-client-private.h"
#include "plugin/model/berth-option.h"
#include "plugin/model/berth-program-private.h"
#include "plugin/model/berth-result-private.h"
#include "plugin/model/berth-spec-private.h"
#include "pool/berth-error.h"

/**
 * berth_client_start_async:
 * @self: a client
 * @id: of a sandbox
 * @program: what to run: without streams, uploads and downloads
 * @flags: how
 * @cancellable: (nullable): withdraws the request; what has begun goes on
 * @callback: (scope async): gets the answer
 * @user_data: for @callback
 *
 * Begins a program in the background of a sandbox and answers when it runs. It goes on when this
 * process ends, and when berthd does; what it writes is kept in the sandbox
 * ([method@Client.attach_async]), and so is its end ([method@Client.wait_exec_async]). Code waits
 * for its turn and has the interpreter until it ends; a command takes one of the sandbox's places.
 *
 * Fails as [method@Client.exec_async] does, and with %BERTH_ERROR_DENIED where
 * %BERTH_START_NO_TIMEOUT is not allowed. Any thread.
 */
void
berth_client_start_async (BerthClient *self, const char *id, BerthProgram *program,
                          BerthStartFlags flags, GCancellable *cancellable,
                          GAsyncReadyCallback callback, gpointer user_data)
{
  BerthClientCall call = { BERTH_CLIENT_CALL_RUNS_CODE, "Start", .answer_type = "(u)" };
  g_auto (GVariantDict) options = G_VARIANT_DICT_INIT (NULL);
  g_autoptr (GUnixFDList) fds = g_unix_fd_list_new ();
  GTask *task;
  GError *error = NULL;

  g_return_if_fail (BERTH_IS_CLIENT (self));
  g_return_if_fail (id != NULL);
  g_return_if_fail (BERTH_IS_PROGRAM (program));

  task = berth_client_call_new_task (self, berth_client_start_async, cancellable, callback,
                                     user_data);
  if (!berth_program_write (program, &options, fds, &error)
      || !berth_option_write_object (BERTH_OPTION_SET_BACKGROUND, G_OBJECT (program), &options,
                                     &error))
    {
      g_task_return_error (task, error);
      g_object_unref (task);
      return;
    }
  if (berth_program_has_files (program) || g_unix_fd_list_get_length (fds) > 0)
    {
      g_task_return_new_error (task, BERTH_ERROR, BERTH_ERROR_INVALID,
                               "what runs in the background has no streams and no files of its "
                               "caller's: its output is kept in the sandbox");
      g_object_unref (task);
      return;
    }
  if ((flags & BERTH_START_NO_TIMEOUT) != 0)
    g_variant_dict_insert (&options, "no_timeout", "b", TRUE);
  if ((flags & BERTH_START_KEEP_STDIN) != 0)
    g_variant_dict_insert (&options, "keep_stdin", "b", TRUE);
  berth_client_call_start_for (task, &call, id,
                               g_variant_new ("(@a{sv})", g_variant_dict_end (&options)));
}

/**
 * berth_client_start_finish:
 * @self: a client
 * @result: what the callback got
 *
 * Ends the call in its callback.
 *
 * Returns: the exec's number in its sandbox; 0 with @error
 */
guint
berth_client_start_finish (BerthClient *self, GAsyncResult *result, GError **error)
{
  g_autoptr (GVariant) number
      = berth_client_call_finish_child (self, result, berth_client_start_async, error);

  return number != NULL ? g_variant_get_uint32 (number) : 0;
}

/**
 * berth_client_start:
 * @self: a client
 * @id: of a sandbox
 * @program: what to run
 * @flags: how
 * @cancellable: (nullable): withdraws the request
 *
 * As [method@Client.start_async], waiting.
 *
 * Returns: the exec's number in its sandbox; 0 with @error
 */
guint
berth_client_start (BerthClient *self, const char *id, BerthProgram *program, BerthStartFlags flags,
                    GCancellable *cancellable, GError **error)
{
  g_autoptr (GAsyncResult) result = NULL;
  BerthWait wait;

  g_return_val_if_fail (BERTH_IS_CLIENT (self), 0);
  g_return_val_if_fail (id != NULL, 0);
  g_return_val_if_fail (BERTH_IS_PROGRAM (program), 0);

  berth_wait_begin (&wait, berth_client_serves_here (self));
  berth_client_start_async (self, id, program, flags, cancellable, berth_wait_cb, &wait);
  result = berth_wait_end (&wait);
  return berth_client_start_finish (self, result, error);
}

/**
 * berth_client_list_execs_async:
 * @self: a client
 * @id: of a sandbox
 * @cancellable: (nullable): ends the wait
 * @callback: (scope async): gets the answer
 * @user_data: for @callback
 *
 * Tells what a sandbox has in the background, and the last of it that has ended. Fails with
 * %BERTH_ERROR_GONE where the caller has no such sandbox. Any thread.
 */
void
berth_client_list_execs_async (BerthClient *self, const char *id, GCancellable *cancellable,
                               GAsyncReadyCallback callback, gpointer user_data)
{
  BerthClientCall call = { BERTH_CLIENT_CALL_ASKS, "Execs", .answer_type = "(aa{sv})" };

  g_return_if_fail (BERTH_IS_CLIENT (self));
  g_return_if_fail (id != NULL);

  berth_client_call_start_for (berth_client_call_new_task (self, berth_client_list_execs_async,
                                                           cancellable, callback, user_data),
                               &call, id, NULL);
}

/**
 * berth_client_list_execs_finish:
 * @self: a client
 * @result: what the callback got
 *
 * Ends the call in its callback.
 *
 * Returns: (transfer full): aa{sv}, an exec each: "exec" (u), "state" (s: "running", "ended",
 *   "failed"), "kind" (s: "code", "command"), "command" (s), "begun", "age_s" (d, seconds),
 *   "wall_ms", "cpu_ms" (d, milliseconds), "memory_mb" (d, MiB), "kept_bytes" and "lost_bytes" (t),
 *   and of one that has ended "exit_code" (i), "timed_out" and "oom" (b)
 */
GVariant *
berth_client_list_execs_finish (BerthClient *self, GAsyncResult *result, GError **error)
{
  return berth_client_call_finish_child (self, result, berth_client_list_execs_async, error);
}

/**
 * berth_client_list_execs:
 * @self: a client
 * @id: of a sandbox
 * @cancellable: (nullable): ends the wait
 *
 * As [method@Client.list_execs_async], waiting.
 *
 * Returns: (transfer full): as [method@Client.list_execs_finish] says
 */
GVariant *
berth_client_list_execs (BerthClient *self, const char *id, GCancellable *cancellable,
                         GError **error)
{
  g_autoptr (GAsyncResult) result = NULL;
  BerthWait wait;

  g_return_val_if_fail (BERTH_IS_CLIENT (self), NULL);
  g_return_val_if_fail (id != NULL, NULL);

  berth_wait_begin (&wait, berth_client_serves_here (self));
  berth_client_list_execs_async (self, id, cancellable, berth_wait_cb, &wait);
  result = berth_wait_end (&wait);
  return berth_client_list_execs_finish (self, result, error);
}

/**
 * berth_client_list_decisions_async:
 * @self: a client
 * @id: of a sandbox
 * @after: a number of a decision, 0 for all that are known
 * @cancellable: (nullable): ends the wait
 * @callback: (scope async): gets the answer
 * @user_data: for @callback
 *
 * Tells what a sandbox has reached, and wanted to reach. Fails with %BERTH_ERROR_GONE where the
 * caller has no such sandbox. Any thread.
 */
void
berth_client_list_decisions_async (BerthClient *self, const char *id, guint64 after,
                                   GCancellable *cancellable, GAsyncReadyCallback callback,
                                   gpointer user_data)
{
  BerthClientCall call = { BERTH_CLIENT_CALL_ASKS, "Net", .answer_type = "(aa{sv})" };

  g_return_if_fail (BERTH_IS_CLIENT (self));
  g_return_if_fail (id != NULL);

  berth_client_call_start_for (berth_client_call_new_task (self, berth_client_list_decisions_async,
                                                           cancellable, callback, user_data),
                               &call, id, g_variant_new ("(t)", after));
}

/**
 * berth_client_list_decisions_finish:
 * @self: a client
 * @result: what the callback got
 *
 * Ends the call in its callback.
 *
 * Returns: (transfer full): aa{sv}, a decision each, the oldest first: "number" (t), "time" (d),
 *   "name" (s), "port" (q), "address", "verdict", "reason" (s), "open" (b), "sent_bytes",
 *   "received_bytes" (t), "duration_s" (d)
 */
GVariant *
berth_client_list_decisions_finish (BerthClient *self, GAsyncResult *result, GError **error)
{
  return berth_client_call_finish_child (self, result, berth_client_list_decisions_async, error);
}

/**
 * berth_client_list_decisions:
 * @self: a client
 * @id: of a sandbox
 * @after: a number of a decision, 0 for all that are known
 * @cancellable: (nullable): ends the wait
 *
 * As [method@Client.list_decisions_async], waiting.
 *
 * Returns: (transfer full): as [method@Client.list_decisions_finish] says
 */
GVariant *
berth_client_list_decisions (BerthClient *self, const char *id, guint64 after,
                             GCancellable *cancellable, GError **error)
{
  g_autoptr (GAsyncResult) result = NULL;
  BerthWait wait;

  g_return_val_if_fail (BERTH_IS_CLIENT (self), NULL);
  g_return_val_if_fail (id != NULL, NULL);

  berth_wait_begin (&wait, berth_client_serves_here (self));
  berth_client_list_decisions_async (self, id, after, cancellable, berth_wait_cb, &wait);
  result = berth_wait_end (&wait);
  return berth_client_list_decisions_finish (self, result, error);
}

/* Adds a copy of @fd under @key; FALSE with @error */
static gboolean
add_stream (GVariantDict *options, GUnixFDList *fds, const char *key, int fd, GError **error)
{
  int copy = -1;

  return fd < 0
         || (berth_pipe_keep_copy (&copy, fd, key, error)
             && berth_pipe_hand_over (&copy, key, options, fds, error));
}

/**
 * berth_client_attach_async:
 * @self: a client
 * @id: of a sandbox
 * @exec: number of an exec in its background
 * @follows: until the exec ends, and not only what there is
 * @since_us: only what was written from then on, microseconds since 1970; 0 for all that is kept
 * @stdin_fd: a pipe for its standard input, where it was begun with %BERTH_START_KEEP_STDIN; -1 for
 *   none
 * @stdout_fd: a pipe for its standard output; -1 for nowhere
 * @stderr_fd: the same for its standard error
 * @cancellable: (nullable): ends the call alone
 * @callback: (scope async): gets the answer
 * @user_data: for @callback
 *
 * Tells what an exec in the background has written, and writes. The descriptors are pipes, or of
 * unnamed pairs of sockets; they stay the caller's, who closes its copies of those that berthd
 * writes to, to see their end. A reader that is slow misses what falls out of what is kept.
 *
 * Fails with %BERTH_ERROR_INVALID where there is no such exec (any more), and %BERTH_ERROR_GONE
 * where there is no such sandbox. Any thread.
 */
void
berth_client_attach_async (BerthClient *self, const char *id, guint exec, gboolean follows,
                           gint64 since_us, int stdin_fd, int stdout_fd, int stderr_fd,
                           GCancellable *cancellable, GAsyncReadyCallback callback,
                           gpointer user_data)
{
  BerthClientCall call = { BERTH_CLIENT_CALL_CARRIES, "Attach", .answer_type = "(a{sv})" };
  g_auto (GVariantDict) options = G_VARIANT_DICT_INIT (NULL);
  GTask *task;
  GError *error = NULL;

  g_return_if_fail (BERTH_IS_CLIENT (self));
  g_return_if_fail (id != NULL);

  task = berth_client_call_new_task (self, berth_client_attach_async, cancellable, callback,
                                     user_data);
  call.fds = g_unix_fd_list_new ();
  g_variant_dict_insert (&options, "follow", "b", follows);
  g_variant_dict_insert (&options, "since", "x", since_us);
  if (!add_stream (&options, call.fds, "stdin", stdin_fd, &error)
      || !add_stream (&options, call.fds, "stdout", stdout_fd, &error)
      || !add_stream (&options, call.fds, "stderr", stderr_fd, &error))
    {
      g_clear_object (&call.fds);
      g_task_return_error (task, error);
      g_object_unref (task);
      return;
    }
  berth_client_call_start_for (task, &call, id,
                               g_variant_new ("(u@a{sv})", exec, g_variant_dict_end (&options)));
}

static gboolean
finish_attach (BerthClient *self, GAsyncResult *result, gpointer tag, BerthResult **out_end,
               guint64 *out_lost_bytes, GError **error)
{
  g_autoptr (GVariant) told = berth_client_call_finish_child (self, result, tag, error);
  gboolean is_running = TRUE;
  guint64 lost = 0;

  if (told == NULL)
    return FALSE;
  g_variant_lookup (told, "running", "b", &is_running);
  g_variant_lookup (told, "lost_bytes", "t", &lost);
  if (out_end != NULL)
    *out_end = is_running ? NULL : berth_result_new_from_variant (told);
  if (out_lost_bytes != NULL)
    *out_lost_bytes = lost;
  return TRUE;
}

/**
 * berth_client_attach_finish:
 * @self: a client
 * @result: what the callback got
 * @out_end: (out) (optional) (nullable) (transfer full): how it ended; %NULL where it has not
 * @out_lost_bytes: (out) (optional): of its output, that fell out before it could be told
 *
 * Ends the call in its callback.
 *
 * Returns: %TRUE; %FALSE with @error
 */
gboolean
berth_client_attach_finish (BerthClient *self, GAsyncResult *result, BerthResult **out_end,
                            guint64 *out_lost_bytes, GError **error)
{
  return finish_attach (self, result, berth_client_attach_async, out_end, out_lost_bytes, error);
}

/**
 * berth_client_attach_streams_async:
 * @self: a client
 * @id: of a sandbox
 * @attachment: (not nullable): what is wanted of which exec in its background, not used yet
 * @cancellable: (nullable): ends the call alone
 * @callback: (scope async): gets the answer
 * @user_data: for @callback
 *
 * Carries streams of an exec in the background until it ends. Whoever may reach the sandbox may
 * read what one writes, at once with others; one at a time writes to it.
 *
 * Fails with %BERTH_ERROR_INVALID where there is no such exec (any more), or its input is somebody
 * else's, and %BERTH_ERROR_GONE where there is no such sandbox. Any thread.
 */
void
berth_client_attach_streams_async (BerthClient *self, const char *id, BerthAttachment *attachment,
                                   GCancellable *cancellable, GAsyncReadyCallback callback,
                                   gpointer user_data)
{
  BerthClientCall call = { BERTH_CLIENT_CALL_CARRIES, "Attach", .answer_type = "(a{sv})" };
  GTask *task;
  GVariant *arguments;
  GError *error = NULL;

  g_return_if_fail (BERTH_IS_CLIENT (self));
  g_return_if_fail (id != NULL);
  g_return_if_fail (BERTH_IS_ATTACHMENT (attachment));

  task = berth_client_call_new_task (self, berth_client_attach_streams_async, cancellable, callback,
                                     user_data);
  call.fds = g_unix_fd_list_new ();
  call.tty = berth_attachment_get_tty (attachment);
  arguments = berth_attachment_take_arguments (attachment, call.fds, &error);
  if (arguments != NULL)
    {
      berth_client_call_start_for (task, &call, id, arguments);
      return;
    }
  g_clear_object (&call.fds);
  g_task_return_error (task, error);
  g_object_unref (task);
}

/**
 * berth_client_attach_streams_finish:
 * @self: a client
 * @result: what the callback got
 * @out_end: (out) (optional) (transfer full): how the exec ended, without its output
 * @out_lost_bytes: (out) (optional): of its output, that fell out before it could be told
 *
 * Ends the call in its callback.
 *
 * Returns: %TRUE; %FALSE with @error
 */
gboolean
berth_client_attach_streams_finish (BerthClient *self, GAsyncResult *result, BerthResult **out_end,
                                    guint64 *out_lost_bytes, GError **error)
{
  return finish_attach (self, result, berth_client_attach_streams_async, out_end, out_lost_bytes,
                        error);
}

/**
 * berth_client_wait_exec_async:
 * @self: a client
 * @id: of a sandbox
 * @exec: number of an exec in its background
 * @cancellable: (nullable): ends the wait alone
 * @callback: (scope async): gets the answer
 * @user_data: for @callback
 *
 * Waits for the end of an exec in the background, as often as one likes. Fails as
 * [method@Client.attach_async] does. Any thread.
 */
void
berth_client_wait_exec_async (BerthClient *self, const char *id, guint exec,
                              GCancellable *cancellable, GAsyncReadyCallback callback,
                              gpointer user_data)
{
  BerthClientCall call = { BERTH_CLIENT_CALL_CARRIES, "Attach", .answer_type = "(a{sv})" };

  g_return_if_fail (BERTH_IS_CLIENT (self));
  g_return_if_fail (id != NULL);

  berth_client_call_start_for (berth_client_call_new_task (self, berth_client_wait_exec_async,
                                                           cancellable, callback, user_data),
                               &call, id, g_variant_new_parsed ("(%u, {'follow': <true>})", exec));
}

/**
 * berth_client_wait_exec_finish:
 * @self: a client
 * @result: what the callback got
 *
 * Ends the call in its callback.
 *
 * Returns: (transfer full): how it ended, without its output
 */
BerthResult *
berth_client_wait_exec_finish (BerthClient *self, GAsyncResult *result, GError **error)
{
  g_autoptr (GVariant) told
      = berth_client_call_finish_child (self, result, berth_client_wait_exec_async, error);

  return told != NULL ? berth_result_new_from_variant (told) : NULL;
}

/**
 * berth_client_wait_exec:
 * @self: a client
 * @id: of a sandbox
 * @exec: number of an exec in its background
 * @cancellable: (nullable): ends the wait alone
 *
 * As [method@Client.wait_exec_async], waiting.
 *
 * Returns: (transfer full): how it ended, without its output
 */
BerthResult *
berth_client_wait_exec (BerthClient *self, const char *id, guint exec, GCancellable *cancellable,
                        GError **error)
{
  g_autoptr (GAsyncResult) result = NULL;
  BerthWait wait;

  g_return_val_if_fail (BERTH_IS_CLIENT (self), NULL);
  g_return_val_if_fail (id != NULL, NULL);

  berth_wait_begin (&wait, berth_client_serves_here (self));
  berth_client_wait_exec_async (self, id, exec, cancellable, berth_wait_cb, &wait);
  result = berth_wait_end (&wait);
  return berth_client_wait_exec_finish (self, result, error);
}

/**
 * berth_client_signal_exec_async:
 * @self: a client
 * @id: of a sandbox
 * @exec: number of an exec in its background
 * @signal_number: of Linux, 1 to 64, for all of its processes; 0: it is to end, with SIGTERM and
 *   2 s later SIGKILL
 * @cancellable: (nullable): ends the wait
 * @callback: (scope async): gets the answer
 * @user_data: for @callback
 *
 * Sends a signal to an exec in the background; one that has ended gets none, and that is no error.
 * Fails as [method@Client.attach_async] does. Any thread.
 */
void
berth_client_signal_exec_async (BerthClient *self, const char *id, guint exec, guint signal_number,
                                GCancellable *cancellable, GAsyncReadyCallback callback,
                                gpointer user_data)
{
  BerthClientCall call = { BERTH_CLIENT_CALL_ASKS, "Signal", .answer_type = "()" };

  g_return_if_fail (BERTH_IS_CLIENT (self));
  g_return_if_fail (id != NULL);

  berth_client_call_start_for (berth_client_call_new_task (self, berth_client_signal_exec_async,
                                                           cancellable, callback, user_data),
                               &call, id, g_variant_new ("(uu)", exec, signal_number));
}

/**
 * berth_client_signal_exec_finish:
 * @self: a client
 * @result: what the callback got
 *
 * Ends the call in its callback.
 *
 * Returns: %TRUE; %FALSE with @error
 */
gboolean
berth_client_signal_exec_finish (BerthClient *self, GAsyncResult *result, GError **error)
{
  return berth_client_call_finish_nothing (self, result, berth_client_signal_exec_async, error);
}

/**
 * berth_client_signal_exec:
 * @self: a client
 * @id: of a sandbox
 * @exec: number of an exec in its background
 * @signal_number: as of [method@Client.signal_exec_async]
 * @cancellable: (nullable): ends the wait
 *
 * As [method@Client.signal_exec_async], waiting.
 *
 * Returns: %TRUE; %FALSE with @error
 */
gboolean
berth_client_signal_exec (BerthClient *self, const char *id, guint exec, guint signal_number,
                          GCancellable *cancellable, GError **error)
{
  g_autoptr (GAsyncResult) result = NULL;
  BerthWait wait;

  g_return_val_if_fail (BERTH_IS_CLIENT (self), FALSE);
  g_return_val_if_fail (id != NULL, FALSE);

  berth_wait_begin (&wait, berth_client_serves_here (self));
  berth_client_signal_exec_async (self, id, exec, signal_number, cancellable, berth_wait_cb, &wait);
  result = berth_wait_end (&wait);
  return berth_client_signal_exec_finish (self, result, error);
}
