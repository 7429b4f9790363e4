/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which berthd is asked where the caller does not say, whether it is to be trusted, and how long
 * one that does not greet is waited for. */
#include "plugin/bus/berth-dial.h"

#include <gio/gunixsocketaddress.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "plugin/model/berth-limits.h"
#include "plugin/bus/berth-bus-names.h"
#include "plugin/config/berth-config.h"
#include "pool/berth-error.h"

#define SYSTEM_SOCKET "/run/berth/berthd.sock"
#define PATH_KEY "berth-socket-path"       /* of a connection */
#define SYSTEMD_RUNS "/run/systemd/system" /* sd_booted(3) */
/* s; a berthd that systemd starts for its first caller connects to libvirt first */
#define GREETING_LIMIT_S 30
/* s; among others who connect, each of whom berthd takes in or turns away in a moment */
#define CONNECT_LIMIT_S 30

/* Which berthd, and how its caller can name another one */
typedef struct
{
  char *path;
  const char *option; /* nullable */
  GSocket *socket;
} Dial;

static void
dial_clear (Dial *self)
{
  g_free (self->path);
  g_clear_object (&self->socket);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Dial, dial_clear)

typedef struct
{
  GAsyncResult *result;
  GCancellable *limit;
} Greeting;

static void
explain_connect_error (const Dial *self, const GError *cause, GError **error)
{
  const char *path = self->path;

  if (g_error_matches (cause, G_IO_ERROR, G_IO_ERROR_PERMISSION_DENIED))
    g_set_error (error, BERTH_ERROR, BERTH_ERROR_DENIED,
                 "you may not use the berthd on %s: join the group that 'ls -l %s' names, or run "
                 "your own%s%s",
                 path, path, self->option != NULL ? " and name it with " : "",
                 self->option != NULL ? self->option : "");
  else
    g_set_error (error, BERTH_ERROR, BERTH_ERROR_UNAVAILABLE,
                 "no berthd answers on %s: start it with %s'berthd --foreground --socket %s'", path,
                 strcmp (path, SYSTEM_SOCKET) == 0 && g_file_test (SYSTEMD_RUNS, G_FILE_TEST_IS_DIR)
                     ? "'systemctl enable --now berthd.socket' or "
                     : "",
                 path);
}

/* (transfer full) (nullable): where many come at once, one waits for its turn: a socket that does
 * not block, as GSocket's, is turned away by the kernel. */
static GSocket *
connect_in_turn (const char *path, GError **error)
{
  const struct timeval limit = { .tv_sec = CONNECT_LIMIT_S };
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  int fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  GSocket *connected = NULL;
  gboolean fits
      = g_strlcpy (address.sun_path, path, sizeof address.sun_path) < sizeof address.sun_path;

  if (!fits)
    errno = ENAMETOOLONG;
  if (fits && fd >= 0 && setsockopt (fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) == 0
      && connect (fd, (const struct sockaddr *)&address, sizeof address) == 0)
    connected = g_socket_new_from_fd (fd, error);
  else
    g_set_error_literal (error, G_IO_ERROR, (int)g_io_error_from_errno (errno), g_strerror (errno));
  if (connected == NULL && fd >= 0)
    close (fd);
  return connected;
}

static gboolean
open_socket (Dial *self, const char *path, GError **error)
{
  g_autoptr (GError) cause = NULL;

  g_free (self->path);
  self->path = g_strdup (path);
  self->socket = connect_in_turn (path, &cause);
  if (self->socket == NULL)
    explain_connect_error (self, cause, error);
  return self->socket != NULL;
}

/* A default path may lie where another user could have put a socket first. */
static gboolean
check_owner (const Dial *self, GError **error)
{
  g_autoptr (GCredentials) credentials = g_socket_get_credentials (self->socket, NULL);
  uid_t uid = credentials != NULL ? g_credentials_get_unix_user (credentials, NULL) : (uid_t)-1;

  if (uid == 0 || uid == geteuid ())
    return TRUE;
  g_set_error (error, BERTH_ERROR, BERTH_ERROR_DENIED,
               "%s is served by user %u, neither by you nor by root: if you trust it, name %s%s",
               self->path, (guint)uid, self->option != NULL ? "it with " : "its socket",
               self->option != NULL ? self->option : "");
  return FALSE;
}

/* Without a choice of the caller's: the user's own berthd, else the system's. */
static gboolean
open_default_socket (Dial *self, GError **error)
{
  g_autofree char *own = berth_config_dup_default_socket ();
  g_autoptr (GError) system_error = NULL;

  if (open_socket (self, own, error))
    return check_owner (self, error);
  if (geteuid () == 0)
    return FALSE;
  if (!open_socket (self, SYSTEM_SOCKET, &system_error))
    {
      /* one that is there is more to the point than one that is not */
      if (g_error_matches (system_error, BERTH_ERROR, BERTH_ERROR_DENIED))
        {
          g_clear_error (error);
          g_propagate_error (error, g_steal_pointer (&system_error));
        }
      return FALSE;
    }
  g_clear_error (error);
  return check_owner (self, error);
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
  g_autoptr (GSocketConnection) stream = g_socket_connection_factory_create_connection (socket);
  g_autoptr (GMainContext) context = g_main_context_new ();
  g_autoptr (GSource) timer = g_timeout_source_new_seconds (GREETING_LIMIT_S);
  g_autoptr (GCancellable) limit = g_cancellable_new ();
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
berth_dial (const char *path, const char *option, GError **error)
{
  const char *environment = g_getenv ("BERTH_SOCKET");
  const char *chosen = path != NULL ? path : environment;
  gboolean is_chosen = chosen != NULL && chosen[0] != '\0';
  g_auto (Dial) dial = { .option = option };
  g_autoptr (GError) cause = NULL;
  gboolean is_open
      = is_chosen ? open_socket (&dial, chosen, error) : open_default_socket (&dial, error);
  GDBusConnection *connection = NULL;

  berth_bus_register_errors ();
  if (is_open)
    connection = greet (dial.socket, &cause);
  if (is_open && connection == NULL)
    g_set_error (error, BERTH_ERROR, BERTH_ERROR_UNAVAILABLE,
                 "what listens on %s does not answer like a berthd (%s): it is none, or stopping, "
                 "or has %d connections of yours, the most that it takes: close some, or try again",
                 dial.path, cause->message, BERTH_LIMIT_CONNECTIONS_PER_UID);
  if (connection != NULL)
    g_object_set_data_full (G_OBJECT (connection), PATH_KEY, g_steal_pointer (&dial.path), g_free);
  return connection;
}

const char *
berth_dial_get_path (GDBusConnection *connection)
{
  return g_object_get_data (G_OBJECT (connection), PATH_KEY);
}
