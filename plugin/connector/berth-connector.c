/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Starts the connector, tells it what to connect, and believes it no more than it has to. */
#include "plugin/connector/berth-connector.h"

#include <errno.h>
#include <glib-unix.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "plugin/reach/berth-reach-policy.h"

/* Where systemd has one started, for berthd's own unit may open no connection: see
 * packaging/systemd/berth-connector.socket. */
#define SYSTEM_SOCKET "/run/berth/connector.sock"
#define DEFAULT_USER "nobody"
/* Beyond its own limit; a connector that says nothing then is none. */
#define PATIENCE_MS 5000u
/* It is not started again more often. */
#define START_EVERY_US G_USEC_PER_SEC

struct _BerthConnector
{
  GObject parent;
  char **denied;
  char **private;
  guint connect_ms;
  char *user;
  int fd; /* -1: there is none */
  guint source_id;
  gint64 started_us;
  GHashTable *calls; /* number -> GTask (owned) */
  guint32 last_number;
  gboolean is_closed;
};

typedef struct
{
  guint32 number;
  guint timeout_id;
  BerthConnectorVerdict verdict;
  int fd;
  char *address;
  char *text;
} Call;

G_DEFINE_FINAL_TYPE (BerthConnector, berth_connector, G_TYPE_OBJECT)

static void
call_free (gpointer data)
{
  Call *self = data;

  g_clear_handle_id (&self->timeout_id, g_source_remove);
  if (self->fd >= 0)
    close (self->fd);
  g_free (self->address);
  g_free (self->text);
  g_free (self);
}

/* ---- the process ---- */

/* Out of the table: its answer, if it comes yet, is nobody's. (transfer full) */
static GTask *
connector_steal (BerthConnector *self, guint32 number)
{
  gpointer task = NULL;

  if (!g_hash_table_steal_extended (self->calls, GUINT_TO_POINTER (number), NULL, &task))
    return NULL;
  g_clear_handle_id (&((Call *)g_task_get_task_data (task))->timeout_id, g_source_remove);
  return task;
}

static void
connector_drop (BerthConnector *self)
{
  g_autoptr (GList) numbers = g_hash_table_get_keys (self->calls);

  g_clear_handle_id (&self->source_id, g_source_remove);
  if (self->fd >= 0)
    close (g_steal_fd (&self->fd));
  for (GList *link = numbers; link != NULL; link = link->next)
    {
      g_autoptr (GTask) task = connector_steal (self, GPOINTER_TO_UINT (link->data));

      if (task != NULL)
        g_task_return_new_error (task, G_IO_ERROR, G_IO_ERROR_BUSY, "the connector ended");
    }
}

static void
connector_take_verdict (BerthConnector *self, GVariant *value, int *fd)
{
  guint32 number;
  guint32 verdict;
  const char *address;
  const char *text;
  g_autoptr (GTask) task = NULL;
  Call *call;

  g_variant_get (value, "(uu&s&s)", &number, &verdict, &address, &text);
  task = connector_steal (self, number);
  if (task == NULL)
    return;
  call = g_task_get_task_data (task);
  call->verdict = MIN (verdict, BERTH_CONNECTOR_FAILED);
  if (call->verdict == BERTH_CONNECTOR_CONNECTED && *fd < 0)
    call->verdict = BERTH_CONNECTOR_FAILED;
  if (call->verdict == BERTH_CONNECTOR_CONNECTED)
    call->fd = g_steal_fd (fd);
  call->address = g_strndup (address, 64);
  call->text = g_strndup (text, BERTH_CONNECTOR_TEXT_MAX);
  g_task_return_boolean (task, TRUE);
}

static gboolean
readable_cb (gint fd, GIOCondition condition, gpointer user_data)
{
  BerthConnector *self = user_data;
  BerthConnectorPacket packet;
  gboolean is_over;
  int passed_fd;
  g_autoptr (GVariant) value = berth_connector_wire_receive (fd, &packet, &passed_fd, &is_over);

  if (value != NULL && packet == BERTH_CONNECTOR_VERDICT)
    connector_take_verdict (self, value, &passed_fd);
  else if (value != NULL)
    is_over = TRUE;
  if (passed_fd >= 0)
    close (passed_fd);
  if (!is_over)
    return G_SOURCE_CONTINUE;
  g_warning ("the connector ended: the next connection of a sandbox starts it again");
  self->source_id = 0;
  connector_drop (self);
  return G_SOURCE_REMOVE;
}

/* -1: nobody listens there */
static int
reach_system_one (void)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = SYSTEM_SOCKET };
  int fd
      = geteuid () == 0 ? socket (AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0) : -1;

  if (fd >= 0 && connect (fd, (struct sockaddr *)&address, sizeof address) != 0)
    close (g_steal_fd (&fd));
  return fd;
}

/* -1 and @error */
static int
connector_spawn (BerthConnector *self, GError **error)
{
  g_autoptr (GSubprocessLauncher) launcher
      = g_subprocess_launcher_new (G_SUBPROCESS_FLAGS_STDOUT_SILENCE);
  g_autoptr (GSubprocess) process = NULL;
  g_autofree char *program = berth_config_dup_connector ();
  int fds[2];

  if (socketpair (AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) != 0)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_FAILED, "no pair of sockets: %s",
                   g_strerror (errno));
      return -1;
    }
  g_unix_set_fd_nonblocking (fds[1], FALSE, NULL); /* lint: caller-fd: the connector's own end */
  g_subprocess_launcher_take_stdin_fd (launcher, fds[1]);
  g_subprocess_launcher_set_cwd (launcher, "/");
  process = g_subprocess_launcher_spawn (launcher, error, program, self->user, NULL);
  if (process == NULL)
    close (g_steal_fd (&fds[0]));
  return fds[0];
}

static gboolean
connector_send (BerthConnector *self, BerthConnectorPacket packet, GVariant *value, GError **error)
{
  if (berth_connector_wire_send (self->fd, packet, value, -1))
    return TRUE;
  g_set_error (error, G_IO_ERROR, G_IO_ERROR_BUSY, "the connector takes nothing (%s)",
               g_strerror (errno));
  return FALSE;
}

static gboolean
connector_start (BerthConnector *self, GError **error)
{
  gint64 now_us = g_get_monotonic_time ();

  if (self->fd >= 0)
    return TRUE;
  if (self->started_us != 0 && now_us - self->started_us < START_EVERY_US)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_BUSY, "the connector ended just now");
      return FALSE;
    }
  self->started_us = now_us;
  self->fd = reach_system_one ();
  if (self->fd < 0)
    self->fd = connector_spawn (self, error);
  if (self->fd < 0)
    return FALSE;
  self->source_id = g_unix_fd_add (self->fd, G_IO_IN | G_IO_HUP, readable_cb, self);
  return connector_send (self, BERTH_CONNECTOR_SETTINGS,
                         g_variant_new ("(u^as^asu)", BERTH_CONNECTOR_VERSION, self->denied,
                                        self->private, self->connect_ms),
                         error);
}

/* ---- connections ---- */

static gboolean
silent_cb (gpointer user_data)
{
  Call *call = g_task_get_task_data (user_data);
  g_autoptr (GTask) task = NULL;

  call->timeout_id = 0;
  task = connector_steal (g_task_get_source_object (user_data), call->number);
  g_task_return_new_error (task, G_IO_ERROR, G_IO_ERROR_BUSY, "the connector says nothing");
  return G_SOURCE_REMOVE;
}

/* 0 is none, and none is used that waits yet. */
static guint32
connector_next_number (BerthConnector *self)
{
  do
    self->last_number++;
  while (self->last_number == 0
         || g_hash_table_contains (self->calls, GUINT_TO_POINTER (self->last_number)));
  return self->last_number;
}

static void
connector_call (BerthConnector *self, GTask *task)
{
  Call *call = g_task_get_task_data (task);

  call->timeout_id = g_timeout_add (self->connect_ms + PATIENCE_MS, silent_cb, task);
  g_hash_table_insert (self->calls, GUINT_TO_POINTER (call->number), g_object_ref (task));
}

void
berth_connector_connect_async (BerthConnector *self, const char *name, guint16 port,
                               GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (self, NULL, callback, user_data);
  Call *call = g_new0 (Call, 1);
  g_autoptr (GError) error = NULL;

  g_task_set_source_tag (task, berth_connector_connect_async);
  call->fd = -1;
  call->number = connector_next_number (self);
  g_task_set_task_data (task, call, call_free);
  if (self->is_closed)
    g_task_return_new_error (task, G_IO_ERROR, G_IO_ERROR_CLOSED, "berthd is shutting down");
  else if (g_hash_table_size (self->calls) >= BERTH_CONNECTOR_DIALS_MAX)
    g_task_return_new_error (task, G_IO_ERROR, G_IO_ERROR_BUSY, "%u connections are being made",
                             BERTH_CONNECTOR_DIALS_MAX);
  else if (!connector_start (self, &error)
           || !connector_send (self, BERTH_CONNECTOR_DIAL,
                               g_variant_new (BERTH_CONNECTOR_DIAL_TYPE, call->number, name, port),
                               &error))
    g_task_return_error (task, g_steal_pointer (&error));
  else
    connector_call (self, task);
}

gboolean
berth_connector_connect_finish (BerthConnector *self, GAsyncResult *result,
                                BerthConnectorVerdict *out_verdict, int *out_fd, char **out_address,
                                char **out_text, GError **error)
{
  Call *call = g_task_get_task_data (G_TASK (result));

  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);
  *out_verdict = call->verdict;
  *out_fd = g_steal_fd (&call->fd);
  *out_address = g_steal_pointer (&call->address);
  *out_text = g_steal_pointer (&call->text);
  return g_task_propagate_boolean (G_TASK (result), error);
}

/* ---- the object ---- */

void
berth_connector_close (BerthConnector *self)
{
  self->is_closed = TRUE;
  connector_drop (self);
}

static void
berth_connector_dispose (GObject *object)
{
  berth_connector_close (BERTH_CONNECTOR (object));
  G_OBJECT_CLASS (berth_connector_parent_class)->dispose (object);
}

static void
berth_connector_finalize (GObject *object)
{
  BerthConnector *self = BERTH_CONNECTOR (object);

  g_strfreev (self->denied);
  g_strfreev (self->private);
  g_free (self->user);
  g_hash_table_unref (self->calls);
  G_OBJECT_CLASS (berth_connector_parent_class)->finalize (object);
}

static void
berth_connector_class_init (BerthConnectorClass *klass)
{
  G_OBJECT_CLASS (klass)->dispose = berth_connector_dispose;
  G_OBJECT_CLASS (klass)->finalize = berth_connector_finalize;
}

static void
berth_connector_init (BerthConnector *self)
{
  self->fd = -1;
  self->calls = g_hash_table_new_full (NULL, NULL, NULL, g_object_unref);
}

BerthConnector *
berth_connector_new (const BerthConfig *config)
{
  BerthConnector *self = g_object_new (BERTH_TYPE_CONNECTOR, NULL);

  self->denied = berth_reach_policy_dup_networks ((const char *const *)config->network_deny);
  self->private = g_strdupv (config->network_private);
  self->connect_ms = (guint)config->network_connect_s * 1000;
  self->user = g_strdup (config->network_user != NULL ? config->network_user : DEFAULT_USER);
  return self;
}
