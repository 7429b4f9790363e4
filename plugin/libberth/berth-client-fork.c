/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Sandboxes that begin as copies of one. */
#include "plugin/base/berth-wait.h"
#include "plugin/libberth/berth-client-call.h"
#include "plugin/libberth/berth-client-private.h"
#include "plugin/model/berth-spec-private.h"

/**
 * berth_client_fork_async:
 * @self: a client
 * @id: of a sandbox
 * @count: how many copies, 1 to 64
 * @wait_ms: how long to wait for capacity; 0 not at all, -1 for ever
 * @cancellable: (nullable): withdraws the request; no sandbox of it stays then
 * @callback: (scope async): gets the answer
 * @user_data: for @callback
 *
 * Makes sandboxes that go on from where this one is: with its variables, files and processes, and
 * with random numbers, a clock and a hostname of their own before any of their programs runs. All
 * of them are made or none; the sandbox itself goes on after a pause of a part of a second.
 *
 * What runs goes on in each of them, in the background, also what runs for a caller, who stays with
 * the sandbox itself. Fails with %BERTH_ERROR_INVALID where it was booted instead of cloned, and as
 * [method@Client.create_async] does.
 */
void
berth_client_fork_async (BerthClient *self, const char *id, guint count, gint64 wait_ms,
                         GCancellable *cancellable, GAsyncReadyCallback callback,
                         gpointer user_data)
{
  BerthClientCall call = { BERTH_CLIENT_CALL_CREATES, "Fork", .answer_type = "(as)" };
  g_auto (GVariantDict) options = G_VARIANT_DICT_INIT (NULL);

  g_return_if_fail (BERTH_IS_CLIENT (self));
  g_return_if_fail (id != NULL);

  g_variant_dict_insert (&options, "count", "u", count);
  g_variant_dict_insert (&options, "wait_ms", "x", wait_ms);
  berth_client_call_start_for (
      berth_client_call_new_task (self, berth_client_fork_async, cancellable, callback, user_data),
      &call, id, g_variant_new ("(@a{sv})", g_variant_dict_end (&options)));
}

/**
 * berth_client_fork_finish:
 * @self: a client
 * @result: what the callback got
 *
 * Ends the call in its callback.
 *
 * Returns: (transfer full) (array zero-terminated=1): the ids of the new sandboxes
 */
char **
berth_client_fork_finish (BerthClient *self, GAsyncResult *result, GError **error)
{
  g_autoptr (GVariant) ids
      = berth_client_call_finish_child (self, result, berth_client_fork_async, error);

  return ids != NULL ? g_variant_dup_strv (ids, NULL) : NULL;
}

/**
 * berth_client_fork:
 * @self: a client
 * @id: of a sandbox
 * @count: how many copies, 1 to 64
 * @wait_ms: how long to wait for capacity; 0 not at all, -1 for ever
 * @cancellable: (nullable): withdraws the request
 *
 * As [method@Client.fork_async], waiting.
 *
 * Returns: (transfer full) (array zero-terminated=1): the ids of the new sandboxes
 */
char **
berth_client_fork (BerthClient *self, const char *id, guint count, gint64 wait_ms,
                   GCancellable *cancellable, GError **error)
{
  g_autoptr (GAsyncResult) result = NULL;
  BerthWait wait;

  g_return_val_if_fail (BERTH_IS_CLIENT (self), NULL);
  g_return_val_if_fail (id != NULL, NULL);

  berth_wait_begin (&wait, berth_client_serves_here (self));
  berth_client_fork_async (self, id, count, wait_ms, cancellable, berth_wait_cb, &wait);
  result = berth_wait_end (&wait);
  return berth_client_fork_finish (self, result, error);
}
