/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A client's connections: one, made when it is needed and made anew when berthd was restarted, and
 * more where more calls are under way than berthd takes of one. */
#include "plugin/libberth/berth-client-private.h"

#include "plugin/model/berth-limits.h"
#include "plugin/bus/berth-dial.h"

/* Half of what berthd takes: a call that is withdrawn is two for a while */
#define CALLS_PER_CONNECTION (BERTH_LIMIT_CALLS_PER_CONNECTION / 2)

/**
 * BerthClient:
 *
 * Asks a berthd for sandboxes.
 *
 * A sandbox is known by its id, a string that every process of its owner may use.
 * [method@Client.create] makes one, [method@Client.exec] runs programs in it,
 * [method@Client.destroy] ends it; [method@Client.run] is all three for one program.
 *
 * A client may be used from any thread, by many calls at once. An asynchronous call's callback
 * runs in the thread-default main context of the thread that made the call. A call that waits
 * blocks its thread, needs no main loop, and takes as long as it takes: a request may wait for
 * capacity first.
 *
 * Cancelling a create, exec or run withdraws it: the call ends with %G_IO_ERROR_CANCELLED once the
 * program has ended and nothing is left of it, or with its result where that was known already.
 * Cancelling anything else ends only the wait for the answer.
 *
 * Every error is of the domain %BERTH_ERROR, or %G_IO_ERROR_CANCELLED;
 * [func@Berth.error_get_advice] says what to do about one. After %BERTH_ERROR_UNAVAILABLE the next
 * call connects anew, so a client outlives a restart of berthd, and so do its sandboxes.
 */
struct _BerthClient
{
  GObject parent_instance;
  char *socket_path;    /* NULL for the default */
  gboolean serves_here; /* see BerthWait; constant once others know the client */
  GMutex dial_lock;     /* one thread dials at a time */
  GMutex lock;
  GHashTable *connections; /* GDBusConnection (owned) → calls under way; guarded by @lock */
};

G_DEFINE_FINAL_TYPE (BerthClient, berth_client, G_TYPE_OBJECT)

enum
{
  PROP_SOCKET_PATH = 1,
  N_PROPS,
};
static GParamSpec *properties[N_PROPS]; /* lint: file-scope: set once in class_init */

static void
berth_client_finalize (GObject *object)
{
  BerthClient *self = BERTH_CLIENT (object);

  GHashTableIter iter;
  gpointer connection;

  g_hash_table_iter_init (&iter, self->connections);
  while (g_hash_table_iter_next (&iter, &connection, NULL))
    g_dbus_connection_close (connection, NULL, NULL, NULL);
  g_hash_table_unref (self->connections);
  g_mutex_clear (&self->dial_lock);
  g_mutex_clear (&self->lock);
  g_free (self->socket_path);
  G_OBJECT_CLASS (berth_client_parent_class)->finalize (object);
}

static void
berth_client_get_property (GObject *object, guint id, GValue *value, GParamSpec *pspec)
{
  if (id == PROP_SOCKET_PATH)
    g_value_set_string (value, BERTH_CLIENT (object)->socket_path);
  else
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
}

static void
berth_client_set_property (GObject *object, guint id, const GValue *value, GParamSpec *pspec)
{
  if (id == PROP_SOCKET_PATH)
    BERTH_CLIENT (object)->socket_path = g_value_dup_string (value);
  else
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
}

static void
berth_client_class_init (BerthClientClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  object_class->finalize = berth_client_finalize;
  object_class->get_property = berth_client_get_property;
  object_class->set_property = berth_client_set_property;
  /**
   * BerthClient:socket-path:
   *
   * Where berthd listens; %NULL for BERTH_SOCKET in the environment, else this user's own berthd,
   * else the system's.
   */
  properties[PROP_SOCKET_PATH]
      = g_param_spec_string ("socket-path", NULL, NULL, NULL,
                             G_PARAM_READWRITE | G_PARAM_CONSTRUCT_ONLY | G_PARAM_STATIC_STRINGS);
  g_object_class_install_properties (object_class, N_PROPS, properties);
}

static void
berth_client_init (BerthClient *self)
{
  g_mutex_init (&self->dial_lock);
  g_mutex_init (&self->lock);
  self->connections = g_hash_table_new_full (NULL, NULL, g_object_unref, NULL);
}

/**
 * berth_client_new:
 * @socket_path: (nullable): where berthd listens; %NULL for the default, see
 *   [property@Client:socket-path]
 *
 * Nothing is connected yet: the first call does that.
 *
 * Returns: (transfer full): a client
 */
BerthClient *
berth_client_new (const char *socket_path)
{
  return g_object_new (BERTH_TYPE_CLIENT, "socket-path", socket_path, NULL);
}

BerthClient *
berth_client_new_here (const char *socket_path)
{
  BerthClient *self = berth_client_new (socket_path);

  self->serves_here = TRUE;
  return self;
}

/* Called with the lock. */
static void
count_call (BerthClient *self, GDBusConnection *connection, int change)
{
  gpointer count = g_hash_table_lookup (self->connections, connection);

  g_hash_table_insert (self->connections, g_object_ref (connection),
                       GUINT_TO_POINTER (GPOINTER_TO_UINT (count) + (guint)change));
}

GDBusConnection *
berth_client_take_connection (BerthClient *self)
{
  GDBusConnection *found = NULL;
  GHashTableIter iter;
  gpointer connection, count;

  g_mutex_lock (&self->lock);
  g_hash_table_iter_init (&iter, self->connections);
  while (found == NULL && g_hash_table_iter_next (&iter, &connection, &count))
    {
      if (g_dbus_connection_is_closed (connection))
        g_hash_table_iter_remove (&iter);
      else if (GPOINTER_TO_UINT (count) < CALLS_PER_CONNECTION)
        found = g_object_ref (connection);
    }
  if (found != NULL)
    count_call (self, found, +1);
  g_mutex_unlock (&self->lock);
  return found;
}

GDBusConnection *
berth_client_connect (BerthClient *self, GError **error)
{
  GDBusConnection *connection;

  g_mutex_lock (&self->dial_lock);
  connection = berth_client_take_connection (self);
  if (connection == NULL)
    {
      connection = berth_dial (self->socket_path, NULL, error);
      g_mutex_lock (&self->lock);
      if (connection != NULL)
        count_call (self, connection, +1);
      g_mutex_unlock (&self->lock);
    }
  g_mutex_unlock (&self->dial_lock);
  return connection;
}

void
berth_client_return_connection (BerthClient *self, GDBusConnection *connection)
{
  g_mutex_lock (&self->lock);
  if (g_hash_table_contains (self->connections, connection))
    count_call (self, connection, -1);
  g_mutex_unlock (&self->lock);
  g_object_unref (connection);
}

gboolean
berth_client_serves_here (BerthClient *self)
{
  return self->serves_here;
}
