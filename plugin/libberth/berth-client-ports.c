/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Published ports of a sandbox: each verb an asynchronous pair, and a call that waits for it. */
#include <unistd.h>

#include "plugin/base/berth-wait.h"
#include "plugin/libberth/berth-client-call.h"
#include "plugin/libberth/berth-client-private.h"
#include "plugin/model/berth-port.h"
#include "plugin/model/berth-spec-private.h"
#include "pool/berth-error.h"

/* (transfer full) (nullable): a listening socket of ours, alone in a list; *@out_port: (out): what
 * it is for */
static GUnixFDList *
listen_at (const char *place_text, guint *out_port, GError **error)
{
  g_autoptr (BerthPortPlace) place = berth_port_place_parse (place_text, error);
  g_autoptr (GUnixFDList) fds = g_unix_fd_list_new ();
  int fd = place != NULL ? berth_port_place_listen (place, error) : -1;
  int index;

  if (fd < 0)
    return NULL;
  index = g_unix_fd_list_append (fds, fd, error);
  close (fd);
  *out_port = place->port;
  return index >= 0 ? g_steal_pointer (&fds) : NULL;
}

/**
 * berth_client_publish_port_async:
 * @self: a client
 * @id: of a sandbox
 * @place: "[[ADDRESS:]LOCAL:]PORT" or "unix:PATH:PORT"
 * @cancellable: (nullable): ends the wait
 * @callback: (scope async): gets the answer
 * @user_data: for @callback
 *
 * Has a port of a sandbox reached on this host: at 127.0.0.1 where no address is given, at a free
 * port where none is. This process makes the listening socket, by its own rights; berthd accepts on
 * it, also when this process is gone, until [method@Client.unpublish_port_async] or the sandbox's
 * end. The path of a Unix socket stays for the caller to remove.
 *
 * Fails with %BERTH_ERROR_LOCAL where it can't be listened at, %BERTH_ERROR_INVALID where @place is
 * none or the sandbox has as many as may be, and %BERTH_ERROR_GONE where the caller has no such
 * sandbox. Any thread.
 */
void
berth_client_publish_port_async (BerthClient *self, const char *id, const char *place,
                                 GCancellable *cancellable, GAsyncReadyCallback callback,
                                 gpointer user_data)
{
  BerthClientCall call = { BERTH_CLIENT_CALL_ASKS, "AddPort", .answer_type = "(a{sv})" };
  GTask *task;
  GError *error = NULL;
  guint port = 0;

  g_return_if_fail (BERTH_IS_CLIENT (self));
  g_return_if_fail (id != NULL);
  g_return_if_fail (place != NULL);

  task = berth_client_call_new_task (self, berth_client_publish_port_async, cancellable, callback,
                                     user_data);
  call.fds = listen_at (place, &port, &error);
  if (call.fds == NULL)
    {
      g_task_return_error (task, error);
      g_object_unref (task);
      return;
    }
  berth_client_call_start_for (task, &call, id, g_variant_new ("(hu)", 0, port));
}

/**
 * berth_client_publish_port_finish:
 * @self: a client
 * @result: what the callback got
 *
 * Ends the call in its callback.
 *
 * Returns: (transfer full): a{sv}, an entry as of [method@Client.list_ports_finish]
 */
GVariant *
berth_client_publish_port_finish (BerthClient *self, GAsyncResult *result, GError **error)
{
  return berth_client_call_finish_child (self, result, berth_client_publish_port_async, error);
}

/**
 * berth_client_publish_port:
 * @self: a client
 * @id: of a sandbox
 * @place: as of [method@Client.publish_port_async]
 * @cancellable: (nullable): ends the wait
 *
 * As [method@Client.publish_port_async], waiting.
 *
 * Returns: (transfer full): a{sv}, an entry as of [method@Client.list_ports_finish]
 */
GVariant *
berth_client_publish_port (BerthClient *self, const char *id, const char *place,
                           GCancellable *cancellable, GError **error)
{
  g_autoptr (GAsyncResult) result = NULL;
  BerthWait wait;

  g_return_val_if_fail (BERTH_IS_CLIENT (self), NULL);
  g_return_val_if_fail (id != NULL, NULL);
  g_return_val_if_fail (place != NULL, NULL);

  berth_wait_begin (&wait, berth_client_serves_here (self));
  berth_client_publish_port_async (self, id, place, cancellable, berth_wait_cb, &wait);
  result = berth_wait_end (&wait);
  return berth_client_publish_port_finish (self, result, error);
}

/**
 * berth_client_list_ports_async:
 * @self: a client
 * @id: of a sandbox
 * @cancellable: (nullable): ends the wait
 * @callback: (scope async): gets the answer
 * @user_data: for @callback
 *
 * Tells which ports of a sandbox are published. Fails with %BERTH_ERROR_GONE where the caller has
 * no such sandbox. Any thread.
 */
void
berth_client_list_ports_async (BerthClient *self, const char *id, GCancellable *cancellable,
                               GAsyncReadyCallback callback, gpointer user_data)
{
  BerthClientCall call = { BERTH_CLIENT_CALL_ASKS, "Ports", .answer_type = "(aa{sv})" };

  g_return_if_fail (BERTH_IS_CLIENT (self));
  g_return_if_fail (id != NULL);

  berth_client_call_start_for (berth_client_call_new_task (self, berth_client_list_ports_async,
                                                           cancellable, callback, user_data),
                               &call, id, NULL);
}

/**
 * berth_client_list_ports_finish:
 * @self: a client
 * @result: what the callback got
 *
 * Ends the call in its callback.
 *
 * Returns: (transfer full): aa{sv}, a dictionary each: "number" (u: for
 *   [method@Client.unpublish_port_async]), "port" (u: the sandbox's), "address" (s:
 *   "127.0.0.1:8080", "[::1]:8080" or "unix:PATH"), "connections" (u: open now), "total" (t),
 * "refused" (t: nobody listened inside), "sent" and "received" (t: bytes to and from the sandbox),
 * "last" (s: how the last one ended)
 */
GVariant *
berth_client_list_ports_finish (BerthClient *self, GAsyncResult *result, GError **error)
{
  return berth_client_call_finish_child (self, result, berth_client_list_ports_async, error);
}

/**
 * berth_client_list_ports:
 * @self: a client
 * @id: of a sandbox
 * @cancellable: (nullable): ends the wait
 *
 * As [method@Client.list_ports_async], waiting.
 *
 * Returns: (transfer full): aa{sv}, as of [method@Client.list_ports_finish]
 */
GVariant *
berth_client_list_ports (BerthClient *self, const char *id, GCancellable *cancellable,
                         GError **error)
{
  g_autoptr (GAsyncResult) result = NULL;
  BerthWait wait;

  g_return_val_if_fail (BERTH_IS_CLIENT (self), NULL);
  g_return_val_if_fail (id != NULL, NULL);

  berth_wait_begin (&wait, berth_client_serves_here (self));
  berth_client_list_ports_async (self, id, cancellable, berth_wait_cb, &wait);
  result = berth_wait_end (&wait);
  return berth_client_list_ports_finish (self, result, error);
}

/**
 * berth_client_unpublish_port_async:
 * @self: a client
 * @id: of a sandbox
 * @number: of the published port
 * @cancellable: (nullable): ends the wait
 * @callback: (scope async): gets the answer
 * @user_data: for @callback
 *
 * Publishes a port no more; its connections are reset. Fails with %BERTH_ERROR_INVALID where there
 * is none of this number, and %BERTH_ERROR_GONE where the caller has no such sandbox. Any thread.
 */
void
berth_client_unpublish_port_async (BerthClient *self, const char *id, guint number,
                                   GCancellable *cancellable, GAsyncReadyCallback callback,
                                   gpointer user_data)
{
  BerthClientCall call = { BERTH_CLIENT_CALL_ASKS, "RemovePort", .answer_type = "()" };

  g_return_if_fail (BERTH_IS_CLIENT (self));
  g_return_if_fail (id != NULL);

  berth_client_call_start_for (berth_client_call_new_task (self, berth_client_unpublish_port_async,
                                                           cancellable, callback, user_data),
                               &call, id, g_variant_new ("(u)", number));
}

/**
 * berth_client_unpublish_port_finish:
 * @self: a client
 * @result: what the callback got
 *
 * Ends the call in its callback.
 *
 * Returns: %TRUE; %FALSE with @error
 */
gboolean
berth_client_unpublish_port_finish (BerthClient *self, GAsyncResult *result, GError **error)
{
  return berth_client_call_finish_nothing (self, result, berth_client_unpublish_port_async, error);
}

/**
 * berth_client_unpublish_port:
 * @self: a client
 * @id: of a sandbox
 * @number: of the published port
 * @cancellable: (nullable): ends the wait
 *
 * As [method@Client.unpublish_port_async], waiting.
 *
 * Returns: %TRUE; %FALSE with @error
 */
gboolean
berth_client_unpublish_port (BerthClient *self, const char *id, guint number,
                             GCancellable *cancellable, GError **error)
{
  g_autoptr (GAsyncResult) result = NULL;
  BerthWait wait;

  g_return_val_if_fail (BERTH_IS_CLIENT (self), FALSE);
  g_return_val_if_fail (id != NULL, FALSE);

  berth_wait_begin (&wait, berth_client_serves_here (self));
  berth_client_unpublish_port_async (self, id, number, cancellable, berth_wait_cb, &wait);
  result = berth_wait_end (&wait);
  return berth_client_unpublish_port_finish (self, result, error);
}
