/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which berthd is asked where the caller does not say, whether it is to be trusted, and how long
 * one that does not greet is waited for. */
#include "plugin/libberth/berth-dial.h"

#include <gio/gunixsocketaddress.h>
#include <unistd.h>

#include "plugin/daemon/berth-wire.h"
#include "plugin/manager/berth-config.h"
#include "pool/berth-error.h"

#define SYSTEM_SOCKET "/run/berth/berthd.sock"
#define GREETING_LIMIT_S 10

typedef struct
{
  GAsyncResult *result;
  GCancellable *limit;
} Greeting;

static void
explain_connect_error (const char *path, const GError *cause, GError **error)
{
  if (g_error_matches (cause, G_IO_ERROR, G_IO_ERROR_PERMISSION_DENIED))
    g_set_error (error, BERTH_ERROR, BERTH_ERROR_DENIED,
                 "you may not use the berthd on %s: join the group that 'ls -l %s' names, or run "
                 "your own",
                 path, path);
  else
    g_set_error (error, BERTH_ERROR, BERTH_ERROR_UNAVAILABLE,
                 "no berthd answers on %s: start it with 'systemctl start berthd' or 'berthd "
                 "--foreground --socket %s'",
                 path, path);
}

static GSocket *
open_socket (const char *path, GError **error)
{
  g_autoptr(GError) cause = NULL;
  g_autoptr(GSocketAddress) address = g_unix_socket_address_new (path);
  g_autoptr(GSocket) socket = g_socket_new (G_SOCKET_FAMILY_UNIX, G_SOCKET_TYPE_STREAM,
                                             G_SOCKET_PROTOCOL_DEFAULT, &cause);

  if (socket != NULL && g_socket_connect (socket, address, NULL, &cause))
    return g_steal_pointer (&socket);
  explain_connect_error (path, cause, error);
  return NULL;
}

/* A default path may lie where another user could have put a socket first. */
static gboolean
check_owner (GSocket *socket, const char *path, GError **error)
{
  g_autoptr(GCredentials) credentials = g_socket_get_credentials (socket, NULL);
  uid_t uid = credentials != NULL ? g_credentials_get_unix_user (credentials, NULL) : (uid_t)-1;

  if (uid == 0 || uid == geteuid ())
    return TRUE;
  g_set_error (error, BERTH_ERROR, BERTH_ERROR_DENIED,
               "%s is served by user %u, neither by you nor by root: if you trust it, name its "
               "socket",
               path, (guint)uid);
  return FALSE;
}

static GSocket *
open_default_socket (GError **error)
{
  g_autofree char *own = berth_config_dup_default_socket ();
  g_autoptr(GSocket) socket = open_socket (own, error);
  const char *path = own;

  if (socket == NULL && geteuid () != 0)
    {
      path = SYSTEM_SOCKET;
      socket = open_socket (path, NULL);
      if (socket != NULL)
        g_clear_error (error);
    }
  if (socket == NULL || !check_owner (socket, path, error))
    return NULL;
  return g_steal_pointer (&socket);
}

static void
greeted_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Greeting *greeting = user_data;

  greeting->result = g_object_ref (result);
}

static gboolean
limit_cb (gpointer user_data)
{
  g_cancellable_cancel (((Greeting *)user_data)->limit);
  return G_SOURCE_REMOVE;
}

/* In a main context of its own: a caller's would run the caller's code. */
static GDBusConnection *
greet (GSocket *socket, GError **error)
{
  g_autoptr(GSocketConnection) stream = g_socket_connection_factory_create_connection (socket);
  g_autoptr(GMainContext) context = g_main_context_new ();
  g_autoptr(GSource) timer = g_timeout_source_new_seconds (GREETING_LIMIT_S);
  g_autoptr(GCancellable) limit = g_cancellable_new ();
  Greeting greeting = { .limit = limit };
  GDBusConnection *connection;

  g_source_set_callback (timer, limit_cb, &greeting, NULL);
  g_source_attach (timer, context);
  g_main_context_push_thread_default (context);
  g_dbus_connection_new (G_IO_STREAM (stream), NULL, G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT,
                         NULL, limit, greeted_cb, &greeting);
  while (greeting.result == NULL)
    g_main_context_iteration (context, TRUE);
  connection = g_dbus_connection_new_finish (greeting.result, error);
  g_object_unref (greeting.result);
  g_source_destroy (timer);
  g_main_context_pop_thread_default (context);
  return connection;
}

GDBusConnection *
berth_dial (const char *path, GError **error)
{
  const char *environment = g_getenv ("BERTH_SOCKET");
  const char *chosen = path != NULL ? path : environment;
  gboolean is_chosen = chosen != NULL && chosen[0] != '\0';
  g_autoptr(GSocket) socket
      = is_chosen ? open_socket (chosen, error) : open_default_socket (error);
  g_autoptr(GError) cause = NULL;
  GDBusConnection *connection;

  berth_wire_register_errors ();
  if (socket == NULL)
    return NULL;
  connection = greet (socket, &cause);
  if (connection == NULL)
    g_set_error (error, BERTH_ERROR, BERTH_ERROR_UNAVAILABLE,
                 "what listens on %s does not answer like a berthd (%s): try again, or restart it",
                 is_chosen ? chosen : "berthd's socket", cause->message);
  return connection;
}
