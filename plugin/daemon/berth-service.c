/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Takes connections in. Not GDBusServer: here the caller is known by SO_PEERCRED and counted before
 * a byte of it is read, the authentication has a deadline, and the socket's mode is right from the
 * first instant (berth-listener.c). To a client it is the same D-Bus. */
#include "plugin/daemon/berth-service.h"

#include "plugin/daemon/berth-gate.h"
#include "plugin/model/berth-limits.h"
#include "plugin/daemon/berth-peer.h"

struct _BerthService
{
  GObject parent_instance;
  BerthManager *manager;
  GSocketService *listener;
  GDBusAuthObserver *observer;
  GHashTable *peers;          /* BerthPeer (owned) */
  GHashTable *counts;         /* uid → connections, those that still authenticate, too */
  GHashTable *authenticating; /* uid → how many */
  GQueue arrivals;            /* Arrival (owned): wait until their uid may authenticate another */
  char *guid;
  gint64 default_wait_us;
};

G_DEFINE_FINAL_TYPE (BerthService, berth_service, G_TYPE_OBJECT)

/* A connection on its way from accept() to its peer. */
typedef struct
{
  BerthService *service;
  GSocketConnection *stream;
  GCancellable *deadline;
  guint deadline_id;
  guint32 uid;
} Arrival;

static int
count_of (GHashTable *counts, guint32 uid)
{
  return GPOINTER_TO_INT (g_hash_table_lookup (counts, GUINT_TO_POINTER (uid)));
}

static void
count (GHashTable *counts, guint32 uid, int change)
{
  gpointer key = GUINT_TO_POINTER (uid);
  int number = count_of (counts, uid) + change;

  if (number > 0)
    g_hash_table_insert (counts, key, GINT_TO_POINTER (number));
  else
    g_hash_table_remove (counts, key);
}

static gboolean
has_room (BerthService *self, guint32 uid)
{
  return count_of (self->counts, uid) < BERTH_LIMIT_CONNECTIONS_PER_UID;
}

static void
arrival_free (Arrival *arrival)
{
  g_clear_handle_id (&arrival->deadline_id, g_source_remove);
  g_object_unref (arrival->stream);
  g_object_unref (arrival->deadline);
  g_object_unref (arrival->service);
  g_free (arrival);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Arrival, arrival_free)

static gboolean
deadline_cb (gpointer user_data)
{
  Arrival *arrival = user_data;

  arrival->deadline_id = 0;
  g_cancellable_cancel (arrival->deadline);
  if (g_queue_remove (&arrival->service->arrivals, arrival))
    {
      count (arrival->service->counts, arrival->uid, -1);
      arrival_free (arrival);
    }
  return G_SOURCE_REMOVE;
}

static gboolean
mechanism_cb (GDBusAuthObserver *observer, const char *mechanism, gpointer user_data)
{
  return g_str_equal (mechanism, "EXTERNAL");
}

static void
peer_closed_cb (BerthPeer *peer, gpointer user_data)
{
  BerthService *self = BERTH_SERVICE (user_data);

  count (self->counts, berth_peer_get_uid (peer), -1);
  g_hash_table_remove (self->peers, peer);
}

static void service_authenticate (BerthService *self);

static void
authenticated_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (Arrival) arrival = user_data;
  BerthService *self = arrival->service;
  g_autoptr (GError) error = NULL;
  g_autoptr (GDBusConnection) connection = g_dbus_connection_new_finish (result, &error);
  g_autoptr (BerthPeer) peer = NULL;

  count (self->authenticating, arrival->uid, -1);
  service_authenticate (self);
  if (connection != NULL)
    {
      peer = berth_peer_new (connection, arrival->uid, self->manager, self->default_wait_us);
      g_signal_connect_object (peer, "closed", G_CALLBACK (peer_closed_cb), self, 0);
    }
  if (peer == NULL || !berth_peer_serve (peer, &error))
    {
      g_debug ("a client of user %u came and went: %s", arrival->uid, error->message);
      count (self->counts, arrival->uid, -1);
      return;
    }
  g_hash_table_add (self->peers, g_steal_pointer (&peer));
}

/* Each holds one of the few threads that GIO has for all of berthd until its client has spoken:
 * some of each user's at once, so that no user's silence keeps another out. */
static void
service_authenticate (BerthService *self)
{
  GList *next;

  for (GList *link = self->arrivals.head; link != NULL; link = next)
    {
      Arrival *arrival = link->data;

      next = link->next;
      if (count_of (self->authenticating, arrival->uid) >= BERTH_LIMIT_AUTHENTICATIONS_PER_UID)
        continue;
      g_queue_delete_link (&self->arrivals, link);
      count (self->authenticating, arrival->uid, +1);
      g_dbus_connection_new (G_IO_STREAM (arrival->stream), self->guid,
                             G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_SERVER
                                 | G_DBUS_CONNECTION_FLAGS_DELAY_MESSAGE_PROCESSING,
                             self->observer, arrival->deadline, authenticated_cb, arrival);
    }
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
  BerthService *self = BERTH_SERVICE (user_data);
  Arrival *arrival;
  guint32 uid;

  if (!berth_gate_has_descriptors ())
    {
      g_message ("a connection was refused: there are no file descriptors left for it");
      return TRUE;
    }
  if (!peer_uid (stream, &uid) || !has_room (self, uid))
    {
      g_message ("a connection of user %u was refused: %d is the most", uid,
                 BERTH_LIMIT_CONNECTIONS_PER_UID);
      return TRUE;
    }
  count (self->counts, uid, +1);
  arrival = g_new0 (Arrival, 1);
  arrival->service = g_object_ref (self);
  arrival->stream = g_object_ref (stream);
  arrival->uid = uid;
  arrival->deadline = g_cancellable_new ();
  arrival->deadline_id = g_timeout_add_seconds (BERTH_LIMIT_AUTHENTICATION_S, deadline_cb, arrival);
  g_queue_push_tail (&self->arrivals, arrival);
  service_authenticate (self);
  return TRUE;
}

static void
berth_service_dispose (GObject *object)
{
  BerthService *self = BERTH_SERVICE (object);

  berth_service_close (self);
  g_hash_table_remove_all (self->peers);
  g_clear_object (&self->observer);
  g_clear_object (&self->manager);
  G_OBJECT_CLASS (berth_service_parent_class)->dispose (object);
}

static void
berth_service_finalize (GObject *object)
{
  BerthService *self = BERTH_SERVICE (object);

  g_hash_table_unref (self->peers);
  g_hash_table_unref (self->counts);
  g_hash_table_unref (self->authenticating);
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
  self->peers = g_hash_table_new_full (NULL, NULL, g_object_unref, NULL);
  self->counts = g_hash_table_new (NULL, NULL);
  self->authenticating = g_hash_table_new (NULL, NULL);
  self->guid = g_dbus_generate_guid ();
  self->observer = g_dbus_auth_observer_new ();
  g_signal_connect (self->observer, "allow-mechanism", G_CALLBACK (mechanism_cb), NULL);
}

/**
 * berth_service_new:
 * @manager: does what clients ask
 * @default_wait_us: of requests that do not say how long they would wait
 *
 * Returns: (transfer full): a service whose door is closed
 */
BerthService *
berth_service_new (BerthManager *manager, gint64 default_wait_us)
{
  BerthService *self = g_object_new (BERTH_TYPE_SERVICE, NULL);

  self->manager = g_object_ref (manager);
  self->default_wait_us = default_wait_us;
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
  g_queue_clear_full (&self->arrivals, (GDestroyNotify)arrival_free);
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
 * Returns: how many clients are connected
 */
guint
berth_service_get_n_peers (BerthService *self)
{
  return g_hash_table_size (self->peers);
}
