/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a client may look at. */
#include "plugin/libberth/berth-client-call.h"
#include "plugin/libberth/berth-client-private.h"
#include "plugin/base/berth-wait.h"

static void
ask (BerthClient *self, const char *method, const char *answer_type, gpointer tag,
     GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  BerthClientCall call = { BERTH_CLIENT_CALL_ASKS, method, .answer_type = answer_type };

  berth_client_call_start (berth_client_call_new_task (self, tag, cancellable, callback, user_data),
                           &call);
}

/**
 * berth_client_list_async:
 * @self: a client
 * @cancellable: (nullable): ends the wait
 * @callback: (scope async): gets the answer
 * @user_data: for @callback
 *
 * Tells which VMs the caller may see.
 */
void
berth_client_list_async (BerthClient *self, GCancellable *cancellable, GAsyncReadyCallback callback,
                         gpointer user_data)
{
  g_return_if_fail (BERTH_IS_CLIENT (self));

  ask (self, "List", "(aa{sv})", berth_client_list_async, cancellable, callback, user_data);
}

/**
 * berth_client_list_finish:
 * @self: a client
 * @result: what the callback got
 *
 * Ends the call in its callback.
 *
 * Returns: (transfer full): aa{sv}, a VM each: "id", "domain", "template", "state",
 *   "tenant", "task" (s), "holds_slot" (b), "age_s" (d), "uid" (u)
 */
GVariant *
berth_client_list_finish (BerthClient *self, GAsyncResult *result, GError **error)
{
  return berth_client_call_finish_child (self, result, berth_client_list_async, error);
}

/**
 * berth_client_list:
 * @self: a client
 * @cancellable: (nullable): ends the wait
 *
 * Tells which VMs the caller may see, waiting for the answer.
 *
 * Returns: (transfer full): aa{sv}, a VM each: "id", "domain", "template", "state",
 *   "tenant", "task" (s), "holds_slot" (b), "age_s" (d), "uid" (u)
 */
GVariant *
berth_client_list (BerthClient *self, GCancellable *cancellable, GError **error)
{
  g_autoptr (GAsyncResult) result = NULL;
  BerthWait wait;

  g_return_val_if_fail (BERTH_IS_CLIENT (self), NULL);

  berth_wait_begin (&wait, berth_client_serves_here (self));
  berth_client_list_async (self, cancellable, berth_wait_cb, &wait);
  result = berth_wait_end (&wait);
  return berth_client_list_finish (self, result, error);
}

/**
 * berth_client_status_async:
 * @self: a client
 * @cancellable: (nullable): ends the wait
 * @callback: (scope async): gets the answer
 * @user_data: for @callback
 *
 * Tells the capacity, the queue, the templates, and the connection to libvirt.
 */
void
berth_client_status_async (BerthClient *self, GCancellable *cancellable,
                           GAsyncReadyCallback callback, gpointer user_data)
{
  g_return_if_fail (BERTH_IS_CLIENT (self));

  ask (self, "Status", "(a{sv})", berth_client_status_async, cancellable, callback, user_data);
}

/**
 * berth_client_status_finish:
 * @self: a client
 * @result: what the callback got
 *
 * Ends the call in its callback.
 *
 * Returns: (transfer full): a{sv}: "slots", "memory_mb", "vcpus", "n_waiting", "waiters",
 *   "templates", "libvirt", as `berth status --json` prints them
 */
GVariant *
berth_client_status_finish (BerthClient *self, GAsyncResult *result, GError **error)
{
  return berth_client_call_finish_child (self, result, berth_client_status_async, error);
}

/**
 * berth_client_status:
 * @self: a client
 * @cancellable: (nullable): ends the wait
 *
 * Tells the capacity, the queue, the templates, and the connection to libvirt, waiting for the
 * answer.
 *
 * Returns: (transfer full): a{sv}: "slots", "memory_mb", "vcpus", "n_waiting", "waiters",
 *   "templates", "libvirt", as `berth status --json` prints them
 */
GVariant *
berth_client_status (BerthClient *self, GCancellable *cancellable, GError **error)
{
  g_autoptr (GAsyncResult) result = NULL;
  BerthWait wait;

  g_return_val_if_fail (BERTH_IS_CLIENT (self), NULL);

  berth_wait_begin (&wait, berth_client_serves_here (self));
  berth_client_status_async (self, cancellable, berth_wait_cb, &wait);
  result = berth_wait_end (&wait);
  return berth_client_status_finish (self, result, error);
}
