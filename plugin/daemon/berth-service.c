/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Takes connections in. Not GDBusServer: here the caller is known by SO_PEERCRED and counted before
 * a byte of it is read, what it sends is in bounds before GDBus sees it (berth-relay.c), and the
 * socket's mode is right from the first instant (berth-listener.c). To a client it is the same
 * D-Bus. */
#include "plugin/daemon/berth-service.h"

#include "plugin/daemon/berth-account.h"
#include "plugin/daemon/berth-peer.h"
#include "plugin/base/berth-closer.h"
#include "plugin/daemon/berth-relay.h"
#include "plugin/model/berth-limits.h"
#include "pool/berth-request.h"

struct _BerthService
{
  GObject parent_instance;
  BerthManager *manager;
  GSocketService *listener;
  BerthAccounts *accounts;
  GHashTable *relays; /* BerthRelay (owned): those that authenticate, too */
  GHashTable *peers;  /* BerthPeer (owned) */
  char *guid;
  gint64 default_wait_us;
};

G_DEFINE_FINAL_TYPE (BerthService, berth_service, G_TYPE_OBJECT)

static void
peer_closed_cb (BerthPeer *peer, gpointer user_data)
{
  g_hash_table_remove (BERTH_SERVICE (user_data)->peers, peer);
}

/* Behind the relay there is nobody to authenticate. */
static GDBusConnection *
connect_inner (BerthRelay *relay, GError **error)
{
  g_autoptr (GSocket) socket = berth_relay_take_inner (relay, error);
  g_autoptr (GSocketConnection) stream = NULL;

  if (socket == NULL)
    return NULL;
  stream = g_socket_connection_factory_create_connection (socket);
  return g_dbus_connection_new_sync (G_IO_STREAM (stream), NULL,
                                     G_DBUS_CONNECTION_FLAGS_DELAY_MESSAGE_PROCESSING, NULL, NULL,
                                     error);
}

static void
relay_opened_cb (BerthRelay *relay, gpointer user_data)
{
  BerthService *self = BERTH_SERVICE (user_data);
  g_autoptr (GError) error = NULL;
  g_autoptr (GDBusConnection) connection = connect_inner (relay, &error);
  g_autoptr (BerthPeer) peer = NULL;

  if (connection != NULL)
    {
      peer = berth_peer_new (connection, relay, self->manager, self->default_wait_us);
      g_signal_connect_object (peer, "closed", G_CALLBACK (peer_closed_cb), self, 0);
    }
  if (peer != NULL && berth_peer_serve (peer, &error))
    g_hash_table_add (self->peers, g_steal_pointer (&peer));
  else
    /* the inner connection goes with the peer, and the relay with it */
    g_debug ("a client came and went: %s", error->message);
}

static void
relay_closed_cb (BerthRelay *relay, gpointer user_data)
{
  g_hash_table_remove (BERTH_SERVICE (user_data)->relays, relay);
}

static gboolean
peer_uid (GSocketConnection *stream, guint32 *out_uid)
{
  GSocket *socket = g_socket_connection_get_socket (stream);
  g_autoptr (GCredentials) credentials = g_socket_get_credentials (socket, NULL);
  uid_t uid = credentials != NULL ? g_credentials_get_unix_user (credentials, NULL) : (uid_t)-1;

  *out_uid = uid;
  return uid != (uid_t)-1;
}

static gboolean
incoming_cb (GSocketService *listener, GSocketConnection *stream, GObject *source,
             gpointer user_data)
{
  static const BerthRelayFuncs funcs = { relay_opened_cb, relay_closed_cb };
  BerthService *self = BERTH_SERVICE (user_data);
  g_autoptr (BerthAccount) account = NULL;
  BerthTab *tab;
  guint32 uid;

  if (!peer_uid (stream, &uid))
    return TRUE;
  account = berth_accounts_get (self->accounts, uid);
  tab = berth_accounts_has_descriptors () ? berth_tab_open (account) : NULL;
  if (tab == NULL)
    {
      berth_account_log (account,
                         "a connection was refused: %d are the most of one user, and there "
                         "must be file descriptors left for it",
                         BERTH_LIMIT_CONNECTIONS_PER_UID);
      berth_closer_close_socket (g_socket_connection_get_socket (stream), uid);
    }
  else
    g_hash_table_add (self->relays, berth_relay_new (stream, tab, self->guid, &funcs, self));
  return TRUE;
}

static void
berth_service_dispose (GObject *object)
{
  BerthService *self = BERTH_SERVICE (object);

  berth_service_close (self);
  g_hash_table_remove_all (self->relays);
  g_hash_table_remove_all (self->peers);
  g_clear_object (&self->manager);
  G_OBJECT_CLASS (berth_service_parent_class)->dispose (object);
}

static void
berth_service_finalize (GObject *object)
{
  BerthService *self = BERTH_SERVICE (object);

  g_hash_table_unref (self->relays);
  g_hash_table_unref (self->peers);
  berth_accounts_free (self->accounts);
  g_free (self->guid);
  G_OBJECT_CLASS (berth_service_parent_class)->finalize (object);
}

static void
berth_service_class_init (BerthServiceClass *klass)
{
  G_OBJECT_CLASS (klass)->dispose = berth_service_dispose;
  G_OBJECT_CLASS (klass)->finalize = berth_service_finalize;
}

static void
berth_service_init (BerthService *self)
{
  self->relays = g_hash_table_new_full (NULL, NULL, (GDestroyNotify)berth_relay_free, NULL);
  self->peers = g_hash_table_new_full (NULL, NULL, g_object_unref, NULL);
  self->accounts = berth_accounts_new ();
  self->guid = g_dbus_generate_guid ();
}

/**
 * berth_service_set_wait_timeout:
 * @self: a service
 * @wait_timeout_s: as the setting, 0: for ever; of requests that do not say how long they would
 * wait, over connections that are made from now on
 */
void
berth_service_set_wait_timeout (BerthService *self, gint64 wait_timeout_s)
{
  self->default_wait_us
      = wait_timeout_s > 0 ? wait_timeout_s * G_USEC_PER_SEC : BERTH_REQUEST_WAIT_FOREVER;
}

/**
 * berth_service_new:
 * @manager: does what clients ask
 * @wait_timeout_s: as the setting: of requests that do not say how long they would wait
 *
 * Returns: (transfer full): a service whose door is closed
 */
BerthService *
berth_service_new (BerthManager *manager, gint64 wait_timeout_s)
{
  BerthService *self = g_object_new (BERTH_TYPE_SERVICE, NULL);

  self->manager = g_object_ref (manager);
  berth_service_set_wait_timeout (self, wait_timeout_s);
  return self;
}

/**
 * berth_service_open:
 * @self: a service
 * @socket: listens already
 *
 * Takes connections in from now on.
 */
gboolean
berth_service_open (BerthService *self, GSocket *socket, GError **error)
{
  self->listener = g_socket_service_new ();
  if (!g_socket_listener_add_socket (G_SOCKET_LISTENER (self->listener), socket, NULL, error))
    return FALSE;
  g_signal_connect_object (self->listener, "incoming", G_CALLBACK (incoming_cb), self, 0);
  g_socket_service_start (self->listener);
  return TRUE;
}

static gboolean
is_not_open (gpointer key, gpointer value, gpointer user_data)
{
  return !berth_relay_is_open (key);
}

/**
 * berth_service_close:
 * @self: a service
 *
 * Takes no more connections in; those that are there go on. Idempotent.
 */
void
berth_service_close (BerthService *self)
{
  if (self->listener == NULL)
    return;
  g_socket_service_stop (self->listener);
  g_socket_listener_close (G_SOCKET_LISTENER (self->listener));
  g_clear_object (&self->listener);
  g_hash_table_foreach_remove (self->relays, is_not_open, NULL);
}

/**
 * berth_service_drain:
 * @self: a service
 *
 * Ends every connection once its answers are written.
 */
void
berth_service_drain (BerthService *self)
{
  GHashTableIter iter;
  gpointer peer;

  g_hash_table_iter_init (&iter, self->peers);
  while (g_hash_table_iter_next (&iter, &peer, NULL))
    berth_peer_close (peer);
}

/**
 * berth_service_get_n_peers:
 * @self: a service
 *
 * Returns: how many clients are connected, those included whose last answers are being written
 */
guint
berth_service_get_n_peers (BerthService *self)
{
  return g_hash_table_size (self->relays);
}
