/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SOCKS is GLib's own; of HTTP the question goes out and the answer comes in here, a byte at a
 * time, so that none is taken of what follows it. */
#include "plugin/connector/berth-connector-proxy.h"

#include <string.h>

#include "plugin/connector/berth-connector-http.h"

typedef struct
{
  GSocket *socket;
  char *request;
  gsize sent;
  GString *head; /* of the answer */
} Asking;

static void
asking_free (gpointer data)
{
  Asking *self = data;

  g_object_unref (self->socket);
  g_free (self->request);
  g_string_free (self->head, TRUE);
  g_free (self);
}

/* ---- HTTP ---- */

/* FALSE: @condition is waited for, or @error. */
static gboolean
asking_send (Asking *self, GCancellable *cancellable, GError **error)
{
  while (self->request[self->sent] != '\0')
    {
      gssize size = g_socket_send (self->socket, self->request + self->sent,
                                   strlen (self->request + self->sent), cancellable, error);

      if (size < 0)
        return FALSE;
      self->sent += (gsize)size;
    }
  return TRUE;
}

/* Likewise; TRUE: the answer's head is whole. */
static gboolean
asking_receive (Asking *self, GCancellable *cancellable, GError **error)
{
  while (!g_str_has_suffix (self->head->str, "\r\n\r\n"))
    {
      char byte;
      gssize size = g_socket_receive (self->socket, &byte, 1, cancellable, error);

      if (size < 0)
        return FALSE;
      if (size == 0 || byte == '\0' || self->head->len >= BERTH_CONNECTOR_HTTP_HEAD_MAX)
        {
          g_set_error (error, G_IO_ERROR, G_IO_ERROR_PROXY_FAILED,
                       "network_proxy ends without an answer");
          return FALSE;
        }
      g_string_append_c (self->head, byte);
    }
  return TRUE;
}

static void asking_go_on (GTask *task);

static gboolean
ready_cb (GSocket *socket, GIOCondition condition, gpointer user_data)
{
  asking_go_on (g_object_ref (user_data));
  return G_SOURCE_REMOVE;
}

static void
asking_wait (GTask *task, GIOCondition condition)
{
  Asking *self = g_task_get_task_data (task);
  g_autoptr (GSource) source
      = g_socket_create_source (self->socket, condition, g_task_get_cancellable (task));

  g_source_set_callback (source, G_SOURCE_FUNC (ready_cb), task, g_object_unref);
  g_source_attach (source, g_task_get_context (task));
}

/* (transfer full) @task */
static void
asking_go_on (GTask *task)
{
  Asking *self = g_task_get_task_data (task);
  GCancellable *cancellable = g_task_get_cancellable (task);
  g_autoptr (GTask) owned = task;
  g_autoptr (GError) error = NULL;
  gboolean is_sent = asking_send (self, cancellable, &error);
  gboolean is_whole = is_sent && asking_receive (self, cancellable, &error);

  if (is_whole && berth_connector_http_check (self->head->str, self->head->len, &error))
    g_task_return_boolean (task, TRUE);
  else if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK))
    asking_wait (g_steal_pointer (&owned), is_sent ? G_IO_IN : G_IO_OUT);
  else
    g_task_return_error (task, g_steal_pointer (&error));
}

static void
ask_http (GTask *task, const BerthReachProxy *proxy, GSocketConnection *connection,
          const char *name, guint16 port)
{
  Asking *self = g_new0 (Asking, 1);

  self->socket = g_object_ref (g_socket_connection_get_socket (connection));
  self->request = berth_connector_http_dup_request (proxy, name, port);
  self->head = g_string_new (NULL);
  g_task_set_task_data (task, self, asking_free);
  g_socket_set_blocking (self->socket, FALSE);
  asking_go_on (task);
}

/* ---- SOCKS ---- */

static void
asked_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  GError *error = NULL;
  g_autoptr (GIOStream) stream = g_proxy_connect_finish (G_PROXY (source), result, &error);

  if (stream != NULL)
    g_task_return_boolean (task, TRUE);
  else
    g_task_return_error (task, error);
}

static void
ask_socks (GTask *task, const BerthReachProxy *self, GSocketConnection *connection,
           const char *name, guint16 port)
{
  g_autoptr (GProxy) proxy = g_proxy_get_default_for_protocol ("socks5");
  g_autoptr (GSocketAddress) peer = g_socket_connection_get_remote_address (connection, NULL);
  GInetAddress *address
      = peer != NULL ? g_inet_socket_address_get_address (G_INET_SOCKET_ADDRESS (peer)) : NULL;
  g_autoptr (GProxyAddress) to = NULL;

  if (proxy == NULL || address == NULL)
    {
      g_task_return_new_error (task, G_IO_ERROR, G_IO_ERROR_PROXY_FAILED,
                               "network_proxy is gone, or GLib has no SOCKS");
      g_object_unref (task);
      return;
    }
  to = G_PROXY_ADDRESS (
      g_proxy_address_new (address, self->port, "socks5", name, port, self->user, self->password));
  g_proxy_connect_async (proxy, G_IO_STREAM (connection), to, g_task_get_cancellable (task),
                         asked_cb, task);
}

void
berth_connector_proxy_ask_async (const BerthReachProxy *self, GSocketConnection *connection,
                                 const char *name, guint16 port, GCancellable *cancellable,
                                 GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (NULL, cancellable, callback, user_data);

  g_task_set_source_tag (task, berth_connector_proxy_ask_async);
  if (self->is_http)
    ask_http (g_steal_pointer (&task), self, connection, name, port);
  else
    ask_socks (g_steal_pointer (&task), self, connection, name, port);
}

gboolean
berth_connector_proxy_ask_finish (GAsyncResult *result, GError **error)
{
  return g_task_propagate_boolean (G_TASK (result), error);
}
