/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Starts the connector, tells it what to connect, and believes it no more than it has to. */
#include "plugin/connector/berth-connector.h"

#include <errno.h>
#include <glib-unix.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "plugin/base/berth-closer.h"
#include "plugin/base/berth-printable.h"
#include "plugin/reach/berth-reach-address.h"
#include "plugin/reach/berth-reach-proxy.h"

/* Where systemd has one started, for berthd's own unit may open no connection: see
 * packaging/systemd/berth-connector.socket. */
#define SYSTEM_SOCKET "/run/berth/connector.sock"
/* Where no user can be made up */
#define OTHERS_USER "nobody"
/* Beyond its own limit; a connector that says nothing then is none. */
#define PATIENCE_MS 5000u
/* It is not started again more often. */
#define START_EVERY_US G_USEC_PER_SEC

struct _BerthConnector
{
  GObject parent;
  guint connect_ms;
  char *user;
  int fd; /* -1: there is none */
  guint source_id;
  guint writable_id;        /* 0: it takes what it is sent, and nothing waits */
  gboolean is_settings_due; /* they go before what waits */
  GQueue waiting; /* Waiting: dials, oldest first; each has its call, so they are bounded */
  gint64 started_us;
  GHashTable *calls; /* number -> GTask (owned) */
  guint32 last_number;
  gboolean is_closed;
};

typedef struct
{
  guint32 number;
  guint32 uid;
  guint16 port;
  guint timeout_id;
  GPtrArray *denied;
  GPtrArray *private;
  BerthReachProxy *proxy; /* (nullable) */
  BerthConnectorVerdict verdict;
  int fd;
  char *address;
  char *text;
} Call;

/* A dial that the socket had no room for */
typedef struct
{
  guint32 number;
  GVariant *value;
} Waiting;

G_DEFINE_FINAL_TYPE (BerthConnector, berth_connector, G_TYPE_OBJECT)

static void
waiting_free (gpointer data)
{
  Waiting *self = data;

  g_variant_unref (self->value);
  g_free (self);
}

static void
call_free (gpointer data)
{
  Call *self = data;

  g_clear_handle_id (&self->timeout_id, g_source_remove);
  if (self->fd >= 0)
    close (self->fd);
  g_clear_pointer (&self->denied, g_ptr_array_unref);
  g_clear_pointer (&self->private, g_ptr_array_unref);
  berth_reach_proxy_free (self->proxy);
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
  g_clear_handle_id (&self->writable_id, g_source_remove);
  g_queue_clear_full (&self->waiting, waiting_free);
  if (self->fd >= 0)
    close (g_steal_fd (&self->fd));
  for (GList *link = numbers; link != NULL; link = link->next)
    {
      g_autoptr (GTask) task = connector_steal (self, GPOINTER_TO_UINT (link->data));

      if (task != NULL)
        g_task_return_new_error (task, G_IO_ERROR, G_IO_ERROR_BUSY, "the connector ended");
    }
}

/* (transfer full): no more than @most bytes, no character that is cut in two, and none that a
 * terminal obeys */
static char *
dup_text (const char *text, gsize most)
{
  gsize size = berth_printable_count_whole ((const guint8 *)text, MIN (strlen (text), most));
  g_autofree char *cut = g_strndup (text, size);

  return berth_printable_dup (cut, FALSE);
}

/* (transfer full) (nullable): at the end that @get (getpeername(), getsockname()) tells of */
static GInetSocketAddress *
get_end (int fd, int (*get) (int, struct sockaddr *, socklen_t *))
{
  struct sockaddr_storage storage = { 0 };
  socklen_t size = sizeof storage;
  g_autoptr (GSocketAddress) address = NULL;

  if (get (fd, (struct sockaddr *)&storage, &size) == 0)
    address = g_socket_address_new_from_native (&storage, size);
  return G_IS_INET_SOCKET_ADDRESS (address)
             ? (GInetSocketAddress *)(gpointer)g_steal_pointer (&address)
             : NULL;
}

static gboolean
has_option (int fd, int option, int expected)
{
  int value = -1;
  socklen_t size = sizeof value;

  return getsockopt (fd, SOL_SOCKET, option, &value, &size) == 0 && value == expected;
}

/* A connection of TCP as the kernel made it: one that lingers holds up who closes it. */
static gboolean
is_connection (int fd)
{
  struct linger linger = { .l_onoff = 1 };
  socklen_t size = sizeof linger;

  return (has_option (fd, SO_DOMAIN, AF_INET) || has_option (fd, SO_DOMAIN, AF_INET6))
         && has_option (fd, SO_TYPE, SOCK_STREAM) && has_option (fd, SO_PROTOCOL, IPPROTO_TCP)
         && has_option (fd, SO_ACCEPTCONN, 0) && has_option (fd, SO_TIMESTAMPING, 0)
         && getsockopt (fd, SOL_SOCKET, SO_LINGER, &linger, &size) == 0 && linger.l_onoff == 0;
}

/* Whether it is connected to what was asked for: of a proxy that has a name berthd knows the port
 * alone, for it looks none up. */
static gboolean
call_is_answered (const Call *self, GInetSocketAddress *peer, GInetAddress *told)
{
  g_autoptr (GInetAddress) proxy
      = self->proxy != NULL ? g_inet_address_new_from_string (self->proxy->host) : NULL;

  return g_inet_socket_address_get_port (peer)
             == (self->proxy != NULL ? self->proxy->port : self->port)
         && g_inet_address_equal (told, g_inet_socket_address_get_address (peer))
         && (proxy == NULL || g_inet_address_equal (told, proxy));
}

/* (transfer full) (nullable): what is wrong with what the connector handed over. Where it leads is
 * asked again: the connector reads what strangers send. The
 * host's own address is told by its being that of both ends, for berthd may ask for no other. */
static char *
call_dup_problem (const Call *self, int fd, const char *address)
{
  g_autoptr (GInetAddress) told = g_inet_address_new_from_string (address);
  g_autoptr (GInetSocketAddress) peer = is_connection (fd) ? get_end (fd, getpeername) : NULL;
  g_autoptr (GInetSocketAddress) here = peer != NULL ? get_end (fd, getsockname) : NULL;
  g_autoptr (GPtrArray) own = g_ptr_array_new_with_free_func (g_object_unref);
  GInetAddress *at = here != NULL ? g_inet_socket_address_get_address (here) : NULL;

  if (told == NULL || at == NULL || !call_is_answered (self, peer, told))
    return g_strdup ("the connector handed over what was not asked for");
  if (self->proxy != NULL)
    return NULL;
  g_ptr_array_add (own,
                   g_inet_address_mask_new (at, 8 * g_inet_address_get_native_size (at), NULL));
  return berth_reach_address_dup_problem (told, self->denied, self->private, own);
}

static void
connector_take_verdict (BerthConnector *self, GVariant *value, int *fd)
{
  guint32 number;
  guint32 verdict;
  const char *address;
  const char *text;
  g_autoptr (GTask) task = NULL;
  g_autofree char *problem = NULL;
  Call *call;

  g_variant_get (value, "(uu&s&s)", &number, &verdict, &address, &text);
  task = connector_steal (self, number);
  if (task == NULL)
    return;
  call = g_task_get_task_data (task);
  call->verdict = MIN (verdict, BERTH_CONNECTOR_FAILED);
  if (call->verdict == BERTH_CONNECTOR_CONNECTED && *fd < 0)
    call->verdict = BERTH_CONNECTOR_FAILED;
  problem
      = call->verdict == BERTH_CONNECTOR_CONNECTED ? call_dup_problem (call, *fd, address) : NULL;
  if (problem != NULL)
    call->verdict = BERTH_CONNECTOR_DENIED;
  if (call->verdict == BERTH_CONNECTOR_CONNECTED)
    call->fd = g_steal_fd (fd);
  call->address = dup_text (address, 64);
  call->text = dup_text (problem != NULL ? problem : text, BERTH_CONNECTOR_TEXT_MAX);
  g_task_return_boolean (task, TRUE);
}

/* ---- what it is sent ---- */

static void
connector_lose (BerthConnector *self)
{
  g_warning ("the connector ended: the next connection of a sandbox starts it again");
  connector_drop (self);
}

static GVariant *
connector_make_settings (BerthConnector *self)
{
  return g_variant_new (BERTH_CONNECTOR_SETTINGS_TYPE, BERTH_CONNECTOR_VERSION, self->connect_ms);
}

/* TRUE: what waits next has gone, or nobody waits for it. FALSE: errno says why not. */
static gboolean
connector_send_next (BerthConnector *self)
{
  const Waiting *next = g_queue_peek_head (&self->waiting);

  if (self->is_settings_due)
    {
      if (!berth_connector_wire_send (self->fd, BERTH_CONNECTOR_SETTINGS,
                                      connector_make_settings (self), -1))
        return FALSE;
      self->is_settings_due = FALSE;
      return TRUE;
    }
  if (g_hash_table_contains (self->calls, GUINT_TO_POINTER (next->number))
      && !berth_connector_wire_send (self->fd, BERTH_CONNECTOR_DIAL, next->value, -1))
    return FALSE;
  waiting_free (g_queue_pop_head (&self->waiting));
  return TRUE;
}

static gboolean writable_cb (gint fd, GIOCondition condition, gpointer user_data);

/* Sends what the socket takes; the rest follows when it takes more. A connector that takes nothing
 * for another reason is none. */
static void
connector_flush (BerthConnector *self)
{
  while (self->is_settings_due || !g_queue_is_empty (&self->waiting))
    if (!connector_send_next (self))
      {
        if (errno != EAGAIN)
          connector_lose (self);
        else if (self->writable_id == 0)
          self->writable_id = g_unix_fd_add (self->fd, G_IO_OUT, writable_cb, self);
        return;
      }
  g_clear_handle_id (&self->writable_id, g_source_remove);
}

static gboolean
writable_cb (gint fd, GIOCondition condition, gpointer user_data)
{
  BerthConnector *self = user_data;

  connector_flush (self);
  return self->writable_id != 0 ? G_SOURCE_CONTINUE : G_SOURCE_REMOVE;
}

/* ---- what it says ---- */

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
  /* it may be anything, whose close(2) waits */
  if (passed_fd >= 0)
    berth_closer_close (passed_fd, BERTH_CONNECTOR_LINE);
  if (!is_over)
    return G_SOURCE_CONTINUE;
  connector_lose (self);
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
  self->is_settings_due = TRUE;
  return TRUE;
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

static guint
connector_count (BerthConnector *self, guint32 uid)
{
  GHashTableIter iter;
  gpointer task;
  guint count = 0;

  g_hash_table_iter_init (&iter, self->calls);
  while (g_hash_table_iter_next (&iter, NULL, &task))
    count += ((const Call *)g_task_get_task_data (task))->uid == uid;
  return count;
}

/* A user may have no more than are left: so however many users keep theirs, the next one finds
 * some. */
static gboolean
connector_has_room (BerthConnector *self, guint32 uid, GError **error)
{
  guint left = BERTH_CONNECTOR_DIALS_MAX - g_hash_table_size (self->calls);
  guint count = connector_count (self, uid);

  if (count < MIN (left, BERTH_CONNECTOR_DIALS_OF_USER))
    return TRUE;
  g_set_error (error, G_IO_ERROR, G_IO_ERROR_BUSY, "%u connections of this user are being made",
               count);
  return FALSE;
}

static void
connector_call (BerthConnector *self, GTask *task, GVariant *value)
{
  Call *call = g_task_get_task_data (task);
  Waiting *waiting = g_new (Waiting, 1);

  call->timeout_id = g_timeout_add (self->connect_ms + PATIENCE_MS, silent_cb, task);
  g_hash_table_insert (self->calls, GUINT_TO_POINTER (call->number), g_object_ref (task));
  waiting->number = call->number;
  waiting->value = g_variant_ref_sink (value);
  g_queue_push_tail (&self->waiting, waiting);
  connector_flush (self);
}

static GVariant *
make_dial (guint32 number, const BerthConnectorTarget *target)
{
  g_auto (GStrv) denied = berth_reach_networks_to_texts (target->denied);
  g_auto (GStrv) private = berth_reach_networks_to_texts (target->private);

  return g_variant_new ("(usquu^as^ass)", number, target->name, target->port, target->asker.sandbox,
                        target->asker.uid, denied, private,
                        target->proxy != NULL ? target->proxy : "");
}

void
berth_connector_connect_async (BerthConnector *self, const BerthConnectorTarget *target,
                               GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (self, NULL, callback, user_data);
  Call *call = g_new0 (Call, 1);
  g_autoptr (GError) error = NULL;

  g_task_set_source_tag (task, berth_connector_connect_async);
  call->fd = -1;
  call->number = connector_next_number (self);
  call->uid = target->asker.uid;
  call->port = target->port;
  call->denied = g_ptr_array_ref (target->denied);
  call->private = g_ptr_array_ref (target->private);
  call->proxy = target->proxy != NULL ? berth_reach_proxy_parse (target->proxy, NULL) : NULL;
  g_task_set_task_data (task, call, call_free);
  if (self->is_closed)
    g_task_return_new_error (task, G_IO_ERROR, G_IO_ERROR_CLOSED, "berthd is shutting down");
  else if (!connector_has_room (self, call->uid, &error) || !connector_start (self, &error))
    g_task_return_error (task, g_steal_pointer (&error));
  else
    connector_call (self, task, make_dial (call->number, target));
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

/* A container may have less users than there are numbers. */
static gboolean
has_own_uids (void)
{
  g_autofree char *map = NULL;
  guint first, other, count;

  return g_file_get_contents ("/proc/self/uid_map", &map, NULL, NULL)
         && sscanf (map, "%u %u %u", &first, &other, &count) == 3
         && first <= BERTH_CONNECTOR_OWN_UID
         && count - (BERTH_CONNECTOR_OWN_UID - first) >= BERTH_CONNECTOR_OWN_UIDS
         && count > BERTH_CONNECTOR_OWN_UID - first;
}

BerthConnector *
berth_connector_new (const BerthConfig *config)
{
  BerthConnector *self = g_object_new (BERTH_TYPE_CONNECTOR, NULL);

  self->connect_ms = (guint)config->network_connect_s * 1000;
  self->user = g_strdup (config->network_user != NULL ? config->network_user
                         : has_own_uids ()            ? ""
                                                      : OTHERS_USER);
  return self;
}

char *
berth_connector_dup_user (const BerthConnector *self, char **out_problem)
{
  *out_problem = NULL;
  if (geteuid () != 0)
    return g_strdup ("the connector is this user, filtered, and reads no files of it");
  if (access (SYSTEM_SOCKET, F_OK) == 0)
    return g_strdup ("the connector is systemd's to start, as a user of its own");
  if (self->user[0] == '\0')
    return g_strdup ("the connector is a user that nobody else is");
  if (g_str_equal (self->user, OTHERS_USER))
    *out_problem = g_strdup ("the connector is the user " OTHERS_USER ", as other services may be");
  return g_strdup_printf ("the connector is the user %s", self->user);
}
