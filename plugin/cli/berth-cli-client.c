/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which berthd is asked, and how a call to it ends: by its answer, by berthd's end, or by a signal,
 * which closes the connection and so withdraws the request. */
#include "plugin/cli/berth-cli-client.h"

#include <errno.h>
#include <gio/gunixsocketaddress.h>
#include <glib-unix.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "plugin/cli/berth-cli-report.h"
#include "plugin/daemon/berth-wire.h"
#include "plugin/manager/berth-config.h"
#include "pool/berth-error.h"

#define SYSTEM_SOCKET "/run/berth/berthd.sock"
#define GREETING_LIMIT_S 10

struct _BerthClient
{
  char *path;
  GSocket *socket;
  GDBusConnection *connection;
  int signal; /* that ended it, 0 for none */
  guint signal_ids[2];
};

typedef struct
{
  BerthClient *client;
  gboolean done;
  GVariant *reply;
  GError *error;
} Pending;

static gboolean
interrupt (BerthClient *self, int number)
{
  if (self->signal != 0)
    _exit (BERTH_EXIT_SIGNAL_BASE + number);
  self->signal = number;
  /* berthd sees the end at once, withdraws a waiting request and ends a running program */
  g_socket_shutdown (self->socket, TRUE, TRUE, NULL);
  return G_SOURCE_CONTINUE;
}

static gboolean
interrupt_cb (gpointer user_data)
{
  return interrupt (user_data, SIGINT);
}

static gboolean
terminate_cb (gpointer user_data)
{
  return interrupt (user_data, SIGTERM);
}

/* berth_error's own line for what connect(2) said */
static void
explain_connect_error (const char *path, const GError *cause, GError **error)
{
  if (g_error_matches (cause, G_IO_ERROR, G_IO_ERROR_PERMISSION_DENIED))
    g_set_error (error, BERTH_ERROR, BERTH_ERROR_DENIED,
                 "you may not use the berthd on %s: join the group that 'ls -l %s' names, or run "
                 "your own and name it with --socket",
                 path, path);
  else
    g_set_error (error, BERTH_ERROR, BERTH_ERROR_UNAVAILABLE,
                 "no berthd answers on %s: start it with 'systemctl start berthd' or 'berthd "
                 "--foreground --socket %s'",
                 path, path);
}

static gboolean
open_socket (BerthClient *self, const char *path, GError **error)
{
  g_autoptr(GError) cause = NULL;
  g_autoptr(GSocketAddress) address = g_unix_socket_address_new (path);
  g_autoptr(GSocket) socket = g_socket_new (G_SOCKET_FAMILY_UNIX, G_SOCKET_TYPE_STREAM,
                                             G_SOCKET_PROTOCOL_DEFAULT, &cause);

  g_free (self->path);
  self->path = g_strdup (path);
  if (socket == NULL || !g_socket_connect (socket, address, NULL, &cause))
    {
      explain_connect_error (path, cause, error);
      return FALSE;
    }
  self->socket = g_steal_pointer (&socket);
  return TRUE;
}

/* A default path may lie where another user could have put a socket first. */
static gboolean
check_owner (BerthClient *self, GError **error)
{
  g_autoptr(GCredentials) credentials = g_socket_get_credentials (self->socket, NULL);
  uid_t uid = credentials != NULL ? g_credentials_get_unix_user (credentials, NULL) : (uid_t) -1;

  if (uid == 0 || uid == geteuid ())
    return TRUE;
  g_set_error (error, BERTH_ERROR, BERTH_ERROR_DENIED,
               "%s is served by user %u, neither by you nor by root: if you trust it, name it with "
               "--socket",
               self->path, (guint) uid);
  return FALSE;
}

/* Without a choice of the caller's: the user's own berthd, else the system's. */
static gboolean
open_default_socket (BerthClient *self, GError **error)
{
  g_autofree char *own = berth_config_dup_default_socket ();

  if (open_socket (self, own, error))
    return check_owner (self, error);
  if (geteuid () == 0 || !open_socket (self, SYSTEM_SOCKET, NULL))
    return FALSE;
  g_clear_error (error);
  return check_owner (self, error);
}

static void
greeted_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Pending *pending = user_data;

  pending->client->connection = g_dbus_connection_new_finish (result, &pending->error);
  pending->done = TRUE;
}

static gboolean
greeting_limit_cb (gpointer user_data)
{
  g_cancellable_cancel (user_data);
  return G_SOURCE_CONTINUE;
}

static gboolean
greet (BerthClient *self, GError **error)
{
  g_autoptr(GSocketConnection) stream
      = g_socket_connection_factory_create_connection (self->socket);
  g_autoptr(GCancellable) limit = g_cancellable_new ();
  guint limit_id = g_timeout_add_seconds (GREETING_LIMIT_S, greeting_limit_cb, limit);
  Pending pending = { .client = self };

  g_dbus_connection_new (G_IO_STREAM (stream), NULL, G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT,
                         NULL, limit, greeted_cb, &pending);
  while (!pending.done)
    g_main_context_iteration (NULL, TRUE);
  g_source_remove (limit_id);
  if (self->connection != NULL)
    return TRUE;
  g_set_error (error, BERTH_ERROR, BERTH_ERROR_UNAVAILABLE,
               "what listens on %s does not answer like a berthd (%s): try again, or restart it",
               self->path, pending.error->message);
  g_error_free (pending.error);
  return FALSE;
}

/**
 * berth_client_new:
 * @socket_path: (nullable): what the caller chose; else BERTH_SOCKET, else the defaults
 *
 * Returns: (transfer full) (nullable): a connection to berthd
 */
BerthClient *
berth_client_new (const char *socket_path, GError **error)
{
  g_autoptr(BerthClient) self = g_new0 (BerthClient, 1);
  const char *environment = g_getenv ("BERTH_SOCKET");
  const char *chosen = socket_path != NULL ? socket_path : environment;
  gboolean is_chosen = chosen != NULL && chosen[0] != '\0';

  berth_wire_register_errors ();
  if (!(is_chosen ? open_socket (self, chosen, error) : open_default_socket (self, error))
      || !greet (self, error))
    return NULL;
  self->signal_ids[0] = g_unix_signal_add (SIGINT, interrupt_cb, self);
  self->signal_ids[1] = g_unix_signal_add (SIGTERM, terminate_cb, self);
  return g_steal_pointer (&self);
}

/**
 * berth_client_free:
 * @self: (transfer full) (nullable): a connection
 */
void
berth_client_free (BerthClient *self)
{
  if (self == NULL)
    return;
  for (guint i = 0; i < G_N_ELEMENTS (self->signal_ids); i++)
    g_clear_handle_id (&self->signal_ids[i], g_source_remove);
  g_clear_object (&self->connection);
  g_clear_object (&self->socket);
  g_free (self->path);
  g_free (self);
}

static void
called_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Pending *pending = user_data;

  pending->reply = g_dbus_connection_call_with_unix_fd_list_finish (G_DBUS_CONNECTION (source),
                                                                    NULL, result, &pending->error);
  pending->done = TRUE;
}

/* What berthd said; or that it went away, which for a program that may have run is another thing
 * than for a question. */
static void
translate_error (BerthClient *self, GError *failure, gboolean ran_code, GError **error)
{
  g_autoptr(GError) owned = failure;

  if (self->signal != 0)
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED, "interrupted: the request is withdrawn");
  else if (g_dbus_error_is_remote_error (owned))
    {
      g_dbus_error_strip_remote_error (owned);
      g_propagate_error (error, g_steal_pointer (&owned));
    }
  else if (ran_code)
    g_set_error (error, BERTH_ERROR, BERTH_ERROR_OUTCOME_UNKNOWN,
                 "berthd on %s went away before it said how the program ended: look at what the "
                 "program does elsewhere before you run it again",
                 self->path);
  else
    g_set_error (error, BERTH_ERROR, BERTH_ERROR_UNAVAILABLE,
                 "berthd on %s went away before it answered: start it and try again", self->path);
}

static GVariant *
client_call (BerthClient *self, const char *interface, const char *method, GVariant *arguments,
             const char *reply_type, GUnixFDList *fds, GError **error)
{
  Pending pending = { .client = self };
  gboolean runs_code = strcmp (method, "Run") == 0 || strcmp (method, "Exec") == 0;

  g_dbus_connection_call_with_unix_fd_list (self->connection, NULL, BERTH_WIRE_PATH, interface,
                                            method, arguments, G_VARIANT_TYPE (reply_type),
                                            G_DBUS_CALL_FLAGS_NONE, G_MAXINT, fds, NULL, called_cb,
                                            &pending);
  g_clear_object (&fds);
  while (!pending.done)
    g_main_context_iteration (NULL, TRUE);
  if (pending.reply == NULL)
    translate_error (self, pending.error, runs_code, error);
  return pending.reply;
}

/**
 * berth_client_call:
 * @self: a connection
 * @method: of the manager
 * @arguments: (nullable): sunk if it floats
 * @reply_type: of the whole answer
 * @fds: (transfer full) (nullable): for the handles in @arguments; closed here once they are sent,
 *   so that their pipes end when berthd closes its copies
 *
 * Runs the default main context until the answer is there, however long that takes.
 *
 * Returns: (transfer full) (nullable): the answer; %NULL with berthd's own error, or
 * %G_IO_ERROR_CANCELLED after a signal
 */
GVariant *
berth_client_call (BerthClient *self, const char *method, GVariant *arguments,
                   const char *reply_type, GUnixFDList *fds, GError **error)
{
  return client_call (self, BERTH_WIRE_INTERFACE, method, arguments, reply_type, fds, error);
}

/**
 * berth_client_call_admin:
 * @self: a connection
 * @method: of the interface for administrators
 * @arguments: (nullable): sunk if it floats
 * @reply_type: of the whole answer
 *
 * As berth_client_call().
 *
 * Returns: (transfer full) (nullable): the answer
 */
GVariant *
berth_client_call_admin (BerthClient *self, const char *method, GVariant *arguments,
                         const char *reply_type, GError **error)
{
  return client_call (self, BERTH_WIRE_ADMIN_INTERFACE, method, arguments, reply_type, NULL,
                      error);
}

/**
 * berth_client_get_signal:
 * @self: a connection
 *
 * Returns: the signal that ended it, 0 for none
 */
int
berth_client_get_signal (BerthClient *self)
{
  return self->signal;
}

/**
 * berth_client_get_socket:
 * @self: a connection
 *
 * Returns: the path of berthd's socket
 */
const char *
berth_client_get_socket (BerthClient *self)
{
  return self->path;
}
