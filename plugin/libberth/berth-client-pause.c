/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* pause and resume: sandboxes that stand still and take no vCPU. */
#include "plugin/base/berth-wait.h"
#include "plugin/libberth/berth-client-call.h"
#include "plugin/libberth/berth-client-private.h"
#include "plugin/model/berth-spec-private.h"

static void
start (BerthClient *self, const char *method, gpointer tag, const char *id,
       GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  BerthClientCall call = { BERTH_CLIENT_CALL_ASKS, method, .answer_type = "()" };

  berth_client_call_start_for (
      berth_client_call_new_task (self, tag, cancellable, callback, user_data), &call, id, NULL);
}

/**
 * berth_client_pause_async:
 * @self: a client
 * @id: of a sandbox
 * @cancellable: (nullable): ends the wait, not the pause
 * @callback: (scope async): gets the answer
 * @user_data: for @callback
 *
 * Lets a sandbox stand still, whatever runs in it: it takes no vCPU. Whatever is asked of it later
 * wakes it. Its clock stands, and with it the time limits of what runs in it; after it was woken it
 * is right. The time that it may be unused goes on.
 */
void
berth_client_pause_async (BerthClient *self, const char *id, GCancellable *cancellable,
                          GAsyncReadyCallback callback, gpointer user_data)
{
  g_return_if_fail (BERTH_IS_CLIENT (self));
  g_return_if_fail (id != NULL);
  start (self, "Pause", berth_client_pause_async, id, cancellable, callback, user_data);
}

/**
 * berth_client_pause_finish:
 * @self: a client
 * @result: what the callback got
 *
 * Ends the call in its callback.
 *
 * Returns: %TRUE if it stands still, also if it did before; %FALSE with @error
 */
gboolean
berth_client_pause_finish (BerthClient *self, GAsyncResult *result, GError **error)
{
  return berth_client_call_finish_nothing (self, result, berth_client_pause_async, error);
}

/**
 * berth_client_pause:
 * @self: a client
 * @id: of a sandbox
 * @cancellable: (nullable): ends the wait, not the pause
 *
 * As [method@Client.pause_async], waiting.
 *
 * Returns: %TRUE; %FALSE with @error
 */
gboolean
berth_client_pause (BerthClient *self, const char *id, GCancellable *cancellable, GError **error)
{
  g_autoptr (GAsyncResult) result = NULL;
  BerthWait wait;

  g_return_val_if_fail (BERTH_IS_CLIENT (self), FALSE);
  g_return_val_if_fail (id != NULL, FALSE);

  berth_wait_begin (&wait, berth_client_serves_here (self));
  berth_client_pause_async (self, id, cancellable, berth_wait_cb, &wait);
  result = berth_wait_end (&wait);
  return berth_client_pause_finish (self, result, error);
}

/**
 * berth_client_hibernate_async:
 * @self: a client
 * @id: of a sandbox
 * @cancellable: (nullable): ends the wait, not what has begun
 * @callback: (scope async): gets the answer
 * @user_data: for @callback
 *
 * Writes what a sandbox is to the disk and ends its VM: it takes no place. It keeps its id, its
 * files and its programs, which stand still; whatever is asked of it later has it go on in another
 * VM, which waits for its place as [method@Client.create_async] does.
 *
 * Fails with %BERTH_ERROR_UNAVAILABLE while code or a command runs in it, with %BERTH_ERROR_INVALID
 * where it was booted instead of cloned; it goes on then.
 */
void
berth_client_hibernate_async (BerthClient *self, const char *id, GCancellable *cancellable,
                              GAsyncReadyCallback callback, gpointer user_data)
{
  g_return_if_fail (BERTH_IS_CLIENT (self));
  g_return_if_fail (id != NULL);
  start (self, "Hibernate", berth_client_hibernate_async, id, cancellable, callback, user_data);
}

/**
 * berth_client_hibernate_finish:
 * @self: a client
 * @result: what the callback got
 *
 * Ends the call in its callback.
 *
 * Returns: whether it is hibernated
 */
gboolean
berth_client_hibernate_finish (BerthClient *self, GAsyncResult *result, GError **error)
{
  return berth_client_call_finish_nothing (self, result, berth_client_hibernate_async, error);
}

/**
 * berth_client_hibernate:
 * @self: a client
 * @id: of a sandbox
 * @cancellable: (nullable): ends the wait, not what has begun
 *
 * As [method@Client.hibernate_async], waiting.
 *
 * Returns: whether it is hibernated
 */
gboolean
berth_client_hibernate (BerthClient *self, const char *id, GCancellable *cancellable,
                        GError **error)
{
  g_autoptr (GAsyncResult) result = NULL;
  BerthWait wait;

  g_return_val_if_fail (BERTH_IS_CLIENT (self), FALSE);
  g_return_val_if_fail (id != NULL, FALSE);

  berth_wait_begin (&wait, berth_client_serves_here (self));
  berth_client_hibernate_async (self, id, cancellable, berth_wait_cb, &wait);
  result = berth_wait_end (&wait);
  return berth_client_hibernate_finish (self, result, error);
}

/**
 * berth_client_resume_async:
 * @self: a client
 * @id: of a sandbox
 * @cancellable: (nullable): ends the wait
 * @callback: (scope async): gets the answer
 * @user_data: for @callback
 *
 * Lets a sandbox run again that is paused. Waits for its vCPUs at capacity, as every call does that
 * wakes one.
 */
void
berth_client_resume_async (BerthClient *self, const char *id, GCancellable *cancellable,
                           GAsyncReadyCallback callback, gpointer user_data)
{
  g_return_if_fail (BERTH_IS_CLIENT (self));
  g_return_if_fail (id != NULL);
  start (self, "Resume", berth_client_resume_async, id, cancellable, callback, user_data);
}

/**
 * berth_client_resume_finish:
 * @self: a client
 * @result: what the callback got
 *
 * Ends the call in its callback.
 *
 * Returns: %TRUE if it runs, also if it did before; %FALSE with @error
 */
gboolean
berth_client_resume_finish (BerthClient *self, GAsyncResult *result, GError **error)
{
  return berth_client_call_finish_nothing (self, result, berth_client_resume_async, error);
}

/**
 * berth_client_resume:
 * @self: a client
 * @id: of a sandbox
 * @cancellable: (nullable): ends the wait
 *
 * As [method@Client.resume_async], waiting.
 *
 * Returns: %TRUE; %FALSE with @error
 */
gboolean
berth_client_resume (BerthClient *self, const char *id, GCancellable *cancellable, GError **error)
{
  g_autoptr (GAsyncResult) result = NULL;
  BerthWait wait;

  g_return_val_if_fail (BERTH_IS_CLIENT (self), FALSE);
  g_return_val_if_fail (id != NULL, FALSE);

  berth_wait_begin (&wait, berth_client_serves_here (self));
  berth_client_resume_async (self, id, cancellable, berth_wait_cb, &wait);
  result = berth_wait_end (&wait);
  return berth_client_resume_finish (self, result, error);
}
