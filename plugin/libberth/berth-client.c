/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A client's one connection: made when it is needed, and made anew when berthd was restarted. */
#include "plugin/libberth/berth-client-private.h"

#include "plugin/libberth/berth-call.h"
#include "plugin/libberth/berth-dial.h"

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
  GDBusConnection *connection; /* guarded by @lock */
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

  if (self->connection != NULL)
    g_dbus_connection_close (self->connection, NULL, NULL, NULL);
  g_clear_object (&self->connection);
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

/* A client of a berthd in this very process. */
BerthClient *
berth_client_new_here (const char *socket_path)
{
  BerthClient *self = berth_client_new (socket_path);

  self->serves_here = TRUE;
  return self;
}

GDBusConnection *
berth_client_dup_connection (BerthClient *self)
{
  GDBusConnection *connection = NULL;

  g_mutex_lock (&self->lock);
  if (self->connection != NULL && g_dbus_connection_is_closed (self->connection))
    g_clear_object (&self->connection);
  if (self->connection != NULL)
    connection = g_object_ref (self->connection);
  g_mutex_unlock (&self->lock);
  return connection;
}

GDBusConnection *
berth_client_connect (BerthClient *self, GError **error)
{
  GDBusConnection *connection;

  g_mutex_lock (&self->dial_lock);
  connection = berth_client_dup_connection (self);
  if (connection == NULL)
    connection = berth_dial (self->socket_path, error);
  g_mutex_lock (&self->lock);
  if (connection != NULL)
    g_set_object (&self->connection, connection);
  g_mutex_unlock (&self->lock);
  g_mutex_unlock (&self->dial_lock);
  return connection;
}

gboolean
berth_client_serves_here (BerthClient *self)
{
  return self->serves_here;
}
