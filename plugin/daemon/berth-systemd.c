/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a service manager hands over is taken once, when berthd starts, and the environment forgets
 * it: nothing that berthd might start later can speak in its name. */
#include "plugin/daemon/berth-systemd.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "plugin/base/berth-caller-fd.h"
#include "pool/berth-error.h"

#define FIRST_FD 3 /* SD_LISTEN_FDS_START */
#define KEPT_PREFIX "port."
#define KEPT_MAX 65536u
#define AGAIN_MS 100u
#define UNTOLD_MAX                                                                                 \
  1024u /* more than berthd has to tell at once, the ports of its sandboxes among it */

struct _BerthSystemd
{
  struct sockaddr_un address; /* of who is told */
  socklen_t address_size;     /* 0: nobody is */
  int notify_fd;
  int socket_fd;
  char *socket_path; /* of socket_fd */
  guint64 watchdog_us;
  GQueue untold; /* News (owned), in the order of what happened */
  GArray *kept;  /* Kept: what an earlier berthd left */
  guint again_id;
};

typedef struct
{
  char *name; /* owned */
  int fd;     /* owned */
} Kept;

/* What the manager is to be told */
typedef struct
{
  char *state; /* owned */
  int fd;      /* owned; -1: none */
} News;

static void
news_free (gpointer data)
{
  News *news = data;

  if (news->fd >= 0)
    berth_caller_fd_close (news->fd);
  g_free (news->state);
  g_free (news);
}

static void
kept_clear (gpointer data)
{
  Kept *kept = data;

  g_free (kept->name);
  if (kept->fd >= 0)
    berth_caller_fd_close (kept->fd);
}

static char *
take_variable (const char *name)
{
  char *value = g_strdup (g_getenv (name));

  g_unsetenv (name);
  return value;
}

/* Whether a number in the environment is this process: else it was meant for one that started us.
 */
static gboolean
is_ours (const char *pid)
{
  guint64 number;

  return pid != NULL && g_ascii_string_to_unsigned (pid, 10, 1, G_MAXINT32, &number, NULL)
         && number == (guint64)getpid ();
}

/* A path, or a name that begins with '@' where an abstract one has its NUL */
static void
take_address (BerthSystemd *self)
{
  g_autofree char *name = take_variable ("NOTIFY_SOCKET");
  gsize length = name != NULL ? strlen (name) : 0;

  if (length < 2 || length >= sizeof self->address.sun_path || strchr ("/@", name[0]) == NULL)
    return;
  self->notify_fd = socket (AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (self->notify_fd < 0)
    return;
  self->address.sun_family = AF_UNIX;
  memcpy (self->address.sun_path, name, length);
  if (name[0] == '@')
    self->address.sun_path[0] = '\0';
  self->address_size = (socklen_t)(offsetof (struct sockaddr_un, sun_path) + length);
}

static void
take_watchdog (BerthSystemd *self)
{
  g_autofree char *pid = take_variable ("WATCHDOG_PID");
  g_autofree char *interval = take_variable ("WATCHDOG_USEC");

  if (interval == NULL || (pid != NULL && !is_ours (pid))
      || !g_ascii_string_to_unsigned (interval, 10, 1, G_MAXINT64, &self->watchdog_us, NULL))
    self->watchdog_us = 0;
}

static gboolean
has_value (int fd, int option, int expected)
{
  int value = -1;
  socklen_t size = sizeof value;

  return getsockopt (fd, SOL_SOCKET, option, &value, &size) == 0 && value == expected;
}

/* (transfer full) (nullable): the path of a socket that berthd can serve */
static char *
dup_path_of (int fd)
{
  struct sockaddr_un address;
  socklen_t size = sizeof address;
  gsize length;

  memset (&address, 0, sizeof address);
  if (getsockname (fd, (struct sockaddr *)&address, &size) != 0 || address.sun_family != AF_UNIX
      || !has_value (fd, SO_TYPE, SOCK_STREAM) || !has_value (fd, SO_ACCEPTCONN, 1)
      || size <= offsetof (struct sockaddr_un, sun_path) || address.sun_path[0] != '/')
    return NULL;
  length = size - offsetof (struct sockaddr_un, sun_path);
  return g_strndup (address.sun_path, length);
}

/* Takes what berth_systemd_keep() left out of what is passed; how many others there are, and the
 * last of these. */
static guint
take_kept (BerthSystemd *self, guint count, char **names, int *out_fd)
{
  guint others = 0;

  for (guint i = 0; i < count; i++)
    {
      Kept kept = { .fd = FIRST_FD + (int)i };

      if (names == NULL || i >= g_strv_length (names) || !g_str_has_prefix (names[i], KEPT_PREFIX))
        {
          others++;
          *out_fd = kept.fd;
          continue;
        }
      kept.name = g_strdup (names[i]);
      fcntl (kept.fd, F_SETFD, FD_CLOEXEC);
      g_array_append_val (self->kept, kept);
    }
  return others;
}

static gboolean
take_socket (BerthSystemd *self, GError **error)
{
  g_autofree char *pid = take_variable ("LISTEN_PID");
  g_autofree char *text = take_variable ("LISTEN_FDS");
  g_autofree char *names = take_variable ("LISTEN_FDNAMES");
  g_auto (GStrv) split = names != NULL ? g_strsplit (names, ":", -1) : NULL;
  int socket_fd = -1;
  guint64 count;
  guint others;

  if (!is_ours (pid) || text == NULL
      || !g_ascii_string_to_unsigned (text, 10, 1, KEPT_MAX, &count, NULL))
    return TRUE;
  others = take_kept (self, (guint)count, split, &socket_fd);
  if (others == 0)
    return TRUE;
  if (others > 1)
    {
      g_set_error (error, BERTH_ERROR, BERTH_ERROR_CONFIG,
                   "systemd passes %u sockets, berthd serves one: give berthd.socket one "
                   "ListenStream= ('systemctl edit berthd.socket')",
                   others);
      return FALSE;
    }
  self->socket_path = dup_path_of (socket_fd);
  if (self->socket_path == NULL || fcntl (socket_fd, F_SETFD, FD_CLOEXEC) != 0)
    {
      g_set_error_literal (error, BERTH_ERROR, BERTH_ERROR_CONFIG,
                           "systemd passes something else than a listening Unix stream socket: "
                           "ListenStream= of berthd.socket is an absolute path, Accept= no "
                           "('systemctl edit berthd.socket')");
      return FALSE;
    }
  self->socket_fd = socket_fd;
  return TRUE;
}

/**
 * berth_systemd_new:
 *
 * Takes what the environment says, and removes it there. To be called once, while there is one
 * thread.
 *
 * Returns: (transfer full): also where no manager started us; %NULL with %BERTH_ERROR_CONFIG where
 *   what it passes can't be served
 */
BerthSystemd *
berth_systemd_new (GError **error)
{
  g_autoptr (BerthSystemd) self = g_new0 (BerthSystemd, 1);

  self->notify_fd = -1;
  self->socket_fd = -1;
  self->kept = g_array_new (FALSE, FALSE, sizeof (Kept));
  g_array_set_clear_func (self->kept, kept_clear);
  take_address (self);
  take_watchdog (self);
  return take_socket (self, error) ? g_steal_pointer (&self) : NULL;
}

/**
 * berth_systemd_free:
 * @self: (transfer full) (nullable): a manager
 */
void
berth_systemd_free (BerthSystemd *self)
{
  if (self == NULL)
    return;
  g_clear_handle_id (&self->again_id, g_source_remove);
  g_queue_clear_full (&self->untold, news_free);
  if (self->notify_fd >= 0)
    close (self->notify_fd);
  if (self->socket_fd >= 0)
    close (self->socket_fd);
  g_array_unref (self->kept);
  g_free (self->socket_path);
  g_free (self);
}

/**
 * berth_systemd_get_socket_path:
 * @self: a manager
 *
 * Returns: (nullable): where it listens for us; %NULL where berthd has to listen itself
 */
const char *
berth_systemd_get_socket_path (BerthSystemd *self)
{
  return self->socket_path;
}

/**
 * berth_systemd_steal_socket:
 * @self: a manager
 *
 * Returns: (transfer full): the listening socket, once; -1 without one
 */
int
berth_systemd_steal_socket (BerthSystemd *self)
{
  return g_steal_fd (&self->socket_fd);
}

/**
 * berth_systemd_get_watchdog_us:
 * @self: a manager
 *
 * Returns: it has to hear "WATCHDOG=1" within that many microseconds, again and again; 0: it does
 *   not wait for it
 */
guint64
berth_systemd_get_watchdog_us (BerthSystemd *self)
{
  return self->watchdog_us;
}

/* FALSE: its queue is full. What it refuses for another reason it never takes. */
static gboolean
tell (BerthSystemd *self, const char *state, int fd)
{
  struct iovec text = { .iov_base = (char *)state, .iov_len = strlen (state) };
  union
  {
    struct cmsghdr head;
    guint8 bytes[CMSG_SPACE (sizeof (int))];
  } control = { 0 };
  struct msghdr message = {
    .msg_name = &self->address, .msg_namelen = self->address_size, .msg_iov = &text, .msg_iovlen = 1
  };
  gssize sent;

  if (fd >= 0)
    {
      control.head.cmsg_level = SOL_SOCKET;
      control.head.cmsg_type = SCM_RIGHTS;
      control.head.cmsg_len = CMSG_LEN (sizeof fd);
      memcpy (CMSG_DATA (&control.head), &fd, sizeof fd);
      message.msg_control = &control;
      message.msg_controllen = sizeof control;
    }
  do
    sent = sendmsg (self->notify_fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
  while (sent < 0 && errno == EINTR);
  if (sent >= 0)
    return TRUE;
  g_debug ("the service manager can't be told '%s': %s", state, g_strerror (errno));
  return errno != EAGAIN && errno != ENOBUFS;
}

static gboolean
tell_first (BerthSystemd *self)
{
  const News *news = g_queue_peek_head (&self->untold);

  return news != NULL && tell (self, news->state, news->fd);
}

static gboolean
again_cb (gpointer user_data)
{
  BerthSystemd *self = user_data;

  while (tell_first (self))
    news_free (g_queue_pop_head (&self->untold));
  if (!g_queue_is_empty (&self->untold))
    return G_SOURCE_CONTINUE;
  self->again_id = 0;
  return G_SOURCE_REMOVE;
}

/* @fd: (borrowed): goes with it; -1: none */
static void
notify (BerthSystemd *self, const char *state, int fd)
{
  News *news;

  if (self->address_size == 0)
    return;
  if ((g_queue_is_empty (&self->untold) && tell (self, state, fd))
      || g_str_equal (state, "WATCHDOG=1"))
    return;
  if (g_queue_get_length (&self->untold) == UNTOLD_MAX)
    news_free (g_queue_pop_head (&self->untold));
  news = g_new (News, 1);
  news->state = g_strdup (state);
  news->fd = fd >= 0 ? berth_caller_fd_dup (fd) : -1;
  if (fd >= 0 && news->fd < 0)
    {
      news_free (news); /* without it systemd would be told to keep nothing */
      return;
    }
  g_queue_push_tail (&self->untold, news);
  if (self->again_id == 0)
    self->again_id = g_timeout_add (AGAIN_MS, again_cb, self);
}

/**
 * berth_systemd_notify:
 * @self: a manager
 * @state: as sd_notify(3) has it: lines NAME=VALUE
 *
 * Never blocks: to a manager that reads late a state is told as soon as it does (a start that it
 * never hears of it would end), by the default main context; a sign of life is not, for the next
 * one says the same.
 */
void
berth_systemd_notify (BerthSystemd *self, const char *state)
{
  notify (self, state, -1);
}

/**
 * berth_systemd_notify_reloading:
 * @self: a manager
 *
 * Says that settings are read anew; "READY=1" says that they are. systemd wants the time with it
 * (Type=notify-reload), in its own clock.
 */
void
berth_systemd_notify_reloading (BerthSystemd *self)
{
  g_autofree char *state = NULL;
  struct timespec now;

  clock_gettime (CLOCK_MONOTONIC, &now);
  state = g_strdup_printf ("RELOADING=1\nMONOTONIC_USEC=%" G_GINT64_FORMAT,
                           (gint64)now.tv_sec * G_USEC_PER_SEC + now.tv_nsec / 1000);
  berth_systemd_notify (self, state);
}

void
berth_systemd_keep (BerthSystemd *self, const char *name, int fd)
{
  g_autofree char *state = g_strdup_printf ("FDSTORE=1\nFDNAME=%s", name);

  notify (self, state, fd);
}

void
berth_systemd_forget (BerthSystemd *self, const char *name)
{
  g_autofree char *state = g_strdup_printf ("FDSTOREREMOVE=1\nFDNAME=%s", name);

  berth_systemd_notify (self, state);
}

char *
berth_systemd_steal_kept (BerthSystemd *self, int *out_fd)
{
  g_autofree char *name = NULL;
  Kept *kept;

  if (self->kept->len == 0)
    return NULL;
  kept = &g_array_index (self->kept, Kept, 0);
  name = g_steal_pointer (&kept->name);
  *out_fd = g_steal_fd (&kept->fd);
  g_array_remove_index (self->kept, 0);
  return g_steal_pointer (&name);
}
