/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What sandboxes were at a moment, kept, and the way back there. */
#include "plugin/base/berth-wait.h"
#include "plugin/libberth/berth-client-call.h"
#include "plugin/libberth/berth-client-private.h"
#include "plugin/model/berth-spec-private.h"

/* (transfer floating). @checkpoint: (nullable) */
static GVariant *
make_options (gint64 wait_ms, const char *checkpoint, guint count)
{
  g_auto (GVariantDict) options = G_VARIANT_DICT_INIT (NULL);

  g_variant_dict_insert (&options, "wait_ms", "x", wait_ms);
  if (checkpoint != NULL)
    {
      g_variant_dict_insert (&options, "checkpoint", "s", checkpoint);
      g_variant_dict_insert (&options, "count", "u", count);
    }
  return g_variant_dict_end (&options);
}

static void
start (GTask *task, const char *method, gboolean creates, const char *answer_type, const char *id,
       GVariant *arguments)
{
  BerthClientCall call = { creates ? BERTH_CLIENT_CALL_CREATES : BERTH_CLIENT_CALL_ASKS, method,
                           .answer_type = answer_type };

  berth_client_call_start_for (task, &call, id, arguments);
}

/**
 * berth_client_checkpoint_async:
 * @self: a client
 * @id: of a sandbox
 * @name: of the new checkpoint: 1 to 128 of A-Z a-z 0-9 _ -
 * @cancellable: (nullable): ends the wait; what was kept by then stays
 * @callback: (scope async): gets the answer
 * @user_data: for @callback
 *
 * Keeps what a sandbox is at this moment, with its variables, files and processes, while it goes
 * on. It stays on disk until it is removed, also when the sandbox ends, and can be loaded as often
 * as wanted by [method@Client.rollback_async] and [method@Client.fork_checkpoint_async], as long as
 * template, image, QEMU, libvirt and the host's CPU are what they were.
 *
 * What runs for a caller goes on in the background of whatever is loaded from it.
 *
 * Fails with %BERTH_ERROR_UNAVAILABLE while a file is carried in or out of it, with
 * %BERTH_ERROR_NO_CAPACITY where as much is kept as may be.
 */
void
berth_client_checkpoint_async (BerthClient *self, const char *id, const char *name,
                               GCancellable *cancellable, GAsyncReadyCallback callback,
                               gpointer user_data)
{
  g_return_if_fail (BERTH_IS_CLIENT (self));
  g_return_if_fail (id != NULL);
  g_return_if_fail (name != NULL);
  start (berth_client_call_new_task (self, berth_client_checkpoint_async, cancellable, callback,
                                     user_data),
         "Checkpoint", FALSE, "(a{sv})", id, g_variant_new ("(s)", name));
}

/**
 * berth_client_checkpoint_finish:
 * @self: a client
 * @result: what the callback got
 *
 * Ends the call in its callback.
 *
 * Returns: (transfer full): a{sv}, as an entry of [method@Client.list_checkpoints_async]
 */
GVariant *
berth_client_checkpoint_finish (BerthClient *self, GAsyncResult *result, GError **error)
{
  return berth_client_call_finish_child (self, result, berth_client_checkpoint_async, error);
}

/**
 * berth_client_checkpoint:
 * @self: a client
 * @id: of a sandbox
 * @name: of the new checkpoint: 1 to 128 of A-Z a-z 0-9 _ -
 * @cancellable: (nullable): ends the wait; what was kept by then stays
 *
 * As [method@Client.checkpoint_async], waiting.
 *
 * Returns: (transfer full): a{sv}, as an entry of [method@Client.list_checkpoints_async]
 */
GVariant *
berth_client_checkpoint (BerthClient *self, const char *id, const char *name,
                         GCancellable *cancellable, GError **error)
{
  g_autoptr (GAsyncResult) result = NULL;
  BerthWait wait;

  g_return_val_if_fail (BERTH_IS_CLIENT (self), NULL);
  g_return_val_if_fail (id != NULL, NULL);
  g_return_val_if_fail (name != NULL, NULL);

  berth_wait_begin (&wait, berth_client_serves_here (self));
  berth_client_checkpoint_async (self, id, name, cancellable, berth_wait_cb, &wait);
  result = berth_wait_end (&wait);
  return berth_client_checkpoint_finish (self, result, error);
}

/**
 * berth_client_list_checkpoints_async:
 * @self: a client
 * @id: (nullable): of a sandbox, which may be gone; %NULL: of all
 * @cancellable: (nullable): ends the wait
 * @callback: (scope async): gets the answer
 * @user_data: for @callback
 *
 * Which checkpoints there are, of a sandbox or of all, those that are gone among them.
 */
void
berth_client_list_checkpoints_async (BerthClient *self, const char *id, GCancellable *cancellable,
                                     GAsyncReadyCallback callback, gpointer user_data)
{
  BerthClientCall call = { BERTH_CLIENT_CALL_ASKS, "Checkpoints", .answer_type = "(aa{sv})" };
  GTask *task;

  g_return_if_fail (BERTH_IS_CLIENT (self));

  task = berth_client_call_new_task (self, berth_client_list_checkpoints_async, cancellable,
                                     callback, user_data);
  if (id != NULL)
    {
      berth_client_call_start_for (task, &call, id, NULL);
      return;
    }
  call.arguments = g_variant_new ("(s)", "");
  berth_client_call_start (task, &call);
}

/**
 * berth_client_list_checkpoints_finish:
 * @self: a client
 * @result: what the callback got
 *
 * Ends the call in its callback.
 *
 * Returns: (transfer full): aa{sv}, a checkpoint each, oldest first: "name", "sandbox_id",
 *   "template", "tenant", "task", "parent", "snapshot" (s), "uid", "exec_count", "memory_mb" (u),
 *   "created" (x: seconds since 1970), "bytes" (t), "made_with" (as)
 */
GVariant *
berth_client_list_checkpoints_finish (BerthClient *self, GAsyncResult *result, GError **error)
{
  return berth_client_call_finish_child (self, result, berth_client_list_checkpoints_async, error);
}

/**
 * berth_client_list_checkpoints:
 * @self: a client
 * @id: (nullable): of a sandbox, which may be gone; %NULL: of all
 * @cancellable: (nullable): ends the wait
 *
 * As [method@Client.list_checkpoints_async], waiting.
 *
 * Returns: (transfer full): aa{sv}, a checkpoint each, oldest first: "name", "sandbox_id",
 *   "template", "tenant", "task", "parent", "snapshot" (s), "uid", "exec_count", "memory_mb" (u),
 *   "created" (x: seconds since 1970), "bytes" (t), "made_with" (as)
 */
GVariant *
berth_client_list_checkpoints (BerthClient *self, const char *id, GCancellable *cancellable,
                               GError **error)
{
  g_autoptr (GAsyncResult) result = NULL;
  BerthWait wait;

  g_return_val_if_fail (BERTH_IS_CLIENT (self), NULL);

  berth_wait_begin (&wait, berth_client_serves_here (self));
  berth_client_list_checkpoints_async (self, id, cancellable, berth_wait_cb, &wait);
  result = berth_wait_end (&wait);
  return berth_client_list_checkpoints_finish (self, result, error);
}

/**
 * berth_client_remove_checkpoint_async:
 * @self: a client
 * @id: of a sandbox, which may be gone
 * @name: of its checkpoint
 * @cancellable: (nullable): ends the wait, not the removal
 * @callback: (scope async): gets the answer
 * @user_data: for @callback
 *
 * Removes a checkpoint. Fails with %BERTH_ERROR_UNAVAILABLE while somebody loads it.
 */
void
berth_client_remove_checkpoint_async (BerthClient *self, const char *id, const char *name,
                                      GCancellable *cancellable, GAsyncReadyCallback callback,
                                      gpointer user_data)
{
  g_return_if_fail (BERTH_IS_CLIENT (self));
  g_return_if_fail (id != NULL);
  g_return_if_fail (name != NULL);
  start (berth_client_call_new_task (self, berth_client_remove_checkpoint_async, cancellable,
                                     callback, user_data),
         "RemoveCheckpoint", FALSE, "()", id, g_variant_new ("(s)", name));
}

/**
 * berth_client_remove_checkpoint_finish:
 * @self: a client
 * @result: what the callback got
 *
 * Ends the call in its callback.
 *
 * Returns: %TRUE; %FALSE with @error
 */
gboolean
berth_client_remove_checkpoint_finish (BerthClient *self, GAsyncResult *result, GError **error)
{
  return berth_client_call_finish_nothing (self, result, berth_client_remove_checkpoint_async,
                                           error);
}

/**
 * berth_client_remove_checkpoint:
 * @self: a client
 * @id: of a sandbox, which may be gone
 * @name: of its checkpoint
 * @cancellable: (nullable): ends the wait, not the removal
 *
 * As [method@Client.remove_checkpoint_async], waiting.
 *
 * Returns: %TRUE; %FALSE with @error
 */
gboolean
berth_client_remove_checkpoint (BerthClient *self, const char *id, const char *name,
                                GCancellable *cancellable, GError **error)
{
  g_autoptr (GAsyncResult) result = NULL;
  BerthWait wait;

  g_return_val_if_fail (BERTH_IS_CLIENT (self), FALSE);
  g_return_val_if_fail (id != NULL, FALSE);
  g_return_val_if_fail (name != NULL, FALSE);

  berth_wait_begin (&wait, berth_client_serves_here (self));
  berth_client_remove_checkpoint_async (self, id, name, cancellable, berth_wait_cb, &wait);
  result = berth_wait_end (&wait);
  return berth_client_remove_checkpoint_finish (self, result, error);
}

/**
 * berth_client_rollback_async:
 * @self: a client
 * @id: of a sandbox
 * @name: of its checkpoint
 * @wait_ms: how long to wait for capacity; 0 not at all, -1 for ever
 * @cancellable: (nullable): withdraws the request; the sandbox is as it was then
 * @callback: (scope async): gets the answer
 * @user_data: for @callback
 *
 * Lets a sandbox go on from what it was when the checkpoint was made, under the same id, in a new
 * virtual machine: with random numbers and a clock of its own before any of its programs runs. What
 * runs in it ends then. If it fails, the sandbox is as it was.
 */
void
berth_client_rollback_async (BerthClient *self, const char *id, const char *name, gint64 wait_ms,
                             GCancellable *cancellable, GAsyncReadyCallback callback,
                             gpointer user_data)
{
  g_return_if_fail (BERTH_IS_CLIENT (self));
  g_return_if_fail (id != NULL);
  g_return_if_fail (name != NULL);
  start (berth_client_call_new_task (self, berth_client_rollback_async, cancellable, callback,
                                     user_data),
         "Rollback", TRUE, "()", id,
         g_variant_new ("(s@a{sv})", name, make_options (wait_ms, NULL, 0)));
}

/**
 * berth_client_rollback_finish:
 * @self: a client
 * @result: what the callback got
 *
 * Ends the call in its callback.
 *
 * Returns: %TRUE; %FALSE with @error
 */
gboolean
berth_client_rollback_finish (BerthClient *self, GAsyncResult *result, GError **error)
{
  return berth_client_call_finish_nothing (self, result, berth_client_rollback_async, error);
}

/**
 * berth_client_rollback:
 * @self: a client
 * @id: of a sandbox
 * @name: of its checkpoint
 * @wait_ms: how long to wait for capacity; 0 not at all, -1 for ever
 * @cancellable: (nullable): withdraws the request; the sandbox is as it was then
 *
 * As [method@Client.rollback_async], waiting.
 *
 * Returns: %TRUE; %FALSE with @error
 */
gboolean
berth_client_rollback (BerthClient *self, const char *id, const char *name, gint64 wait_ms,
                       GCancellable *cancellable, GError **error)
{
  g_autoptr (GAsyncResult) result = NULL;
  BerthWait wait;

  g_return_val_if_fail (BERTH_IS_CLIENT (self), FALSE);
  g_return_val_if_fail (id != NULL, FALSE);
  g_return_val_if_fail (name != NULL, FALSE);

  berth_wait_begin (&wait, berth_client_serves_here (self));
  berth_client_rollback_async (self, id, name, wait_ms, cancellable, berth_wait_cb, &wait);
  result = berth_wait_end (&wait);
  return berth_client_rollback_finish (self, result, error);
}

/**
 * berth_client_fork_checkpoint_async:
 * @self: a client
 * @id: of a sandbox, which may be gone
 * @name: of its checkpoint
 * @count: how many sandboxes, 1 to 64
 * @wait_ms: how long to wait for capacity; 0 not at all, -1 for ever
 * @cancellable: (nullable): withdraws the request; no sandbox of it stays then
 * @callback: (scope async): gets the answer
 * @user_data: for @callback
 *
 * As [method@Client.fork_async], but the new sandboxes go on from what the other was when the
 * checkpoint was made. It may be gone by now.
 */
void
berth_client_fork_checkpoint_async (BerthClient *self, const char *id, const char *name,
                                    guint count, gint64 wait_ms, GCancellable *cancellable,
                                    GAsyncReadyCallback callback, gpointer user_data)
{
  g_return_if_fail (BERTH_IS_CLIENT (self));
  g_return_if_fail (id != NULL);
  g_return_if_fail (name != NULL);
  start (berth_client_call_new_task (self, berth_client_fork_checkpoint_async, cancellable,
                                     callback, user_data),
         "Fork", TRUE, "(as)", id, g_variant_new ("(@a{sv})", make_options (wait_ms, name, count)));
}

/**
 * berth_client_fork_checkpoint_finish:
 * @self: a client
 * @result: what the callback got
 *
 * Ends the call in its callback.
 *
 * Returns: (transfer full) (array zero-terminated=1): the ids of the new sandboxes
 */
char **
berth_client_fork_checkpoint_finish (BerthClient *self, GAsyncResult *result, GError **error)
{
  g_autoptr (GVariant) ids
      = berth_client_call_finish_child (self, result, berth_client_fork_checkpoint_async, error);

  return ids != NULL ? g_variant_dup_strv (ids, NULL) : NULL;
}

/**
 * berth_client_fork_checkpoint:
 * @self: a client
 * @id: of a sandbox, which may be gone
 * @name: of its checkpoint
 * @count: how many sandboxes, 1 to 64
 * @wait_ms: how long to wait for capacity; 0 not at all, -1 for ever
 * @cancellable: (nullable): withdraws the request; no sandbox of it stays then
 *
 * As [method@Client.fork_checkpoint_async], waiting.
 *
 * Returns: (transfer full) (array zero-terminated=1): the ids of the new sandboxes
 */
char **
berth_client_fork_checkpoint (BerthClient *self, const char *id, const char *name, guint count,
                              gint64 wait_ms, GCancellable *cancellable, GError **error)
{
  g_autoptr (GAsyncResult) result = NULL;
  BerthWait wait;

  g_return_val_if_fail (BERTH_IS_CLIENT (self), NULL);
  g_return_val_if_fail (id != NULL, NULL);
  g_return_val_if_fail (name != NULL, NULL);

  berth_wait_begin (&wait, berth_client_serves_here (self));
  berth_client_fork_checkpoint_async (self, id, name, count, wait_ms, cancellable, berth_wait_cb,
                                      &wait);
  result = berth_wait_end (&wait);
  return berth_client_fork_checkpoint_finish (self, result, error);
}
