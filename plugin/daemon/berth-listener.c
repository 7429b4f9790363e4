/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who may have the socket's path: the berthd that holds the lock beside it. Claimed before the
 * manager starts (two managers of one instance would end each other's VMs), listened on after, so
 * that no caller meets half a berthd. */
#include "plugin/daemon/berth-listener.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <grp.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "pool/berth-error.h"

#define BACKLOG 128

struct _BerthListener
{
  GObject parent_instance;
  char *path;
  char *lock_path;
  char *group;
  int lock_fd;
  int adopted_fd; /* until it is socket */
  gboolean is_adopted;
  GSocket *socket;
};

G_DEFINE_FINAL_TYPE (BerthListener, berth_listener, G_TYPE_OBJECT)

static void
berth_listener_finalize (GObject *object)
{
  BerthListener *self = BERTH_LISTENER (object);

  berth_listener_close (self);
  if (self->adopted_fd >= 0)
    close (self->adopted_fd);
  g_free (self->path);
  g_free (self->lock_path);
  g_free (self->group);
  G_OBJECT_CLASS (berth_listener_parent_class)->finalize (object);
}

static void
berth_listener_class_init (BerthListenerClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = berth_listener_finalize;
}

static void
berth_listener_init (BerthListener *self)
{
  self->lock_fd = -1;
  self->adopted_fd = -1;
}

/**
 * berth_listener_new:
 * @path: of the socket
 * @group: (nullable): whose members may connect; NULL for this user alone
 */
BerthListener *
berth_listener_new (const char *path, const char *group)
{
  BerthListener *self = g_object_new (BERTH_TYPE_LISTENER, NULL);

  self->path = g_strdup (path);
  self->lock_path = g_strconcat (path, ".lock", NULL);
  self->group = g_strdup (group);
  return self;
}

G_GNUC_PRINTF (3, 4)
static gboolean
refuse (BerthListener *self, GError **error, const char *format, ...)
{
  va_list arguments;
  g_autofree char *text = NULL;

  va_start (arguments, format);
  text = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  g_set_error (error, BERTH_ERROR, BERTH_ERROR_CONFIG, "socket %s: %s", self->path, text);
  return FALSE;
}

/* A folder that others can rename things in is no place for a socket that is trusted by its path */
static gboolean
check_folder (BerthListener *self, GError **error)
{
  g_autofree char *folder = g_path_get_dirname (self->path);
  struct stat status;

  if (g_mkdir_with_parents (folder, geteuid () == 0 ? 0755 : 0700) != 0
      || stat (folder, &status) != 0)
    return refuse (self, error, "%s: %s", folder, g_strerror (errno));
  if (status.st_uid != 0 && status.st_uid != geteuid ())
    return refuse (self, error, "%s belongs to user %u: choose a folder of your own (--socket)",
                   folder, (guint)status.st_uid);
  if ((status.st_mode & S_IWOTH) != 0 && (status.st_mode & S_ISVTX) == 0)
    return refuse (self, error, "everybody may write to %s: chmod o-w it", folder);
  return TRUE;
}

static int
open_locked (const char *path)
{
  int fd = open (path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  int saved_errno;

  if (fd < 0 || flock (fd, LOCK_EX | LOCK_NB) == 0)
    return fd;
  saved_errno = errno;
  close (fd);
  errno = saved_errno;
  return -1;
}

/* The holder removes the file when it ends: what was locked must still be what stands there. */
static gboolean
is_still_at (int fd, const char *path)
{
  struct stat opened, named;

  return fstat (fd, &opened) == 0 && lstat (path, &named) == 0 && opened.st_ino == named.st_ino
         && opened.st_dev == named.st_dev;
}

static gboolean
take_lock (BerthListener *self, GError **error)
{
  int fd = open_locked (self->lock_path);

  while (fd >= 0 && !is_still_at (fd, self->lock_path))
    {
      close (fd);
      fd = open_locked (self->lock_path);
    }
  if (fd < 0 && errno == EWOULDBLOCK)
    return refuse (self, error, "another berthd has it: stop that one, or choose another --socket");
  if (fd < 0)
    return refuse (self, error, "%s: %s", self->lock_path, g_strerror (errno));
  self->lock_fd = fd;
  return TRUE;
}

static gboolean
somebody_answers (const char *path)
{
  g_autoptr (GSocketAddress) address = g_unix_socket_address_new (path);
  g_autoptr (GSocket) probe
      = g_socket_new (G_SOCKET_FAMILY_UNIX, G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_DEFAULT, NULL);

  return probe != NULL && g_socket_connect (probe, address, NULL, NULL);
}

static gboolean
remove_stale (BerthListener *self, GError **error)
{
  struct stat status;

  if (lstat (self->path, &status) != 0)
    return errno == ENOENT || refuse (self, error, "%s", g_strerror (errno));
  if (!S_ISSOCK (status.st_mode))
    return refuse (self, error, "a file that is no socket is in the way: remove it");
  if (somebody_answers (self->path))
    return refuse (self, error, "somebody else answers there: choose another --socket");
  if (unlink (self->path) != 0)
    return refuse (self, error, "cannot remove the old one: %s", g_strerror (errno));
  return TRUE;
}

/**
 * berth_listener_adopt:
 * @self: a listener that has claimed nothing yet
 * @fd: (transfer full): listens on the path already
 *
 * Somebody else made the socket, for its users, and keeps it when @self ends.
 */
void
berth_listener_adopt (BerthListener *self, int fd)
{
  self->adopted_fd = fd;
  self->is_adopted = TRUE;
}

/**
 * berth_listener_claim:
 * @self: a listener
 *
 * Makes the folder, takes the lock, clears away what a dead berthd left.
 *
 * Returns: whether the path is @self's now
 */
gboolean
berth_listener_claim (BerthListener *self, GError **error)
{
  return check_folder (self, error) && take_lock (self, error)
         && (self->is_adopted || remove_stale (self, error));
}

/* The mode is set on the descriptor first (bind(2) gives it to the file), so that there is no
 * instant at which the file is open to more users than it should be. */
static gboolean
bind_socket (BerthListener *self, int fd, GError **error)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  const struct group *group = self->group != NULL ? getgrnam (self->group) : NULL;

  if (g_strlcpy (address.sun_path, self->path, sizeof address.sun_path) >= sizeof address.sun_path)
    return refuse (self, error, "longer than %zu bytes", sizeof address.sun_path - 1);
  if (self->group != NULL && group == NULL)
    return refuse (self, error, "there is no group %s: create it, or choose another --socket-group",
                   self->group);
  if (fchmod (fd, 0600) != 0 || bind (fd, (struct sockaddr *)&address, sizeof address) != 0)
    return refuse (self, error, "%s", g_strerror (errno));
  if (group != NULL
      && (chown (self->path, (uid_t)-1, group->gr_gid) != 0 || chmod (self->path, 0660) != 0))
    return refuse (self, error, "cannot give it to group %s: %s", self->group, g_strerror (errno));
  if (listen (fd, BACKLOG) != 0)
    return refuse (self, error, "%s", g_strerror (errno));
  return TRUE;
}

/* -1 with @error */
static int
open_socket (BerthListener *self, GError **error)
{
  int fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

  if (fd < 0)
    {
      refuse (self, error, "%s", g_strerror (errno));
      return -1;
    }
  if (!bind_socket (self, fd, error))
    {
      close (fd);
      return -1;
    }
  return fd;
}

/**
 * berth_listener_listen:
 * @self: a listener that was claimed
 *
 * Returns: (transfer none) (nullable): the listening socket
 */
GSocket *
berth_listener_listen (BerthListener *self, GError **error)
{
  int fd = self->is_adopted ? g_steal_fd (&self->adopted_fd) : open_socket (self, error);

  if (fd < 0)
    return NULL;
  self->socket = g_socket_new_from_fd (fd, error);
  if (self->socket == NULL)
    close (fd);
  return self->socket;
}

/**
 * berth_listener_close:
 * @self: a listener
 *
 * Removes the socket's file, unless it was adopted, and gives the path to whoever comes next.
 * Idempotent.
 */
void
berth_listener_close (BerthListener *self)
{
  if (self->socket != NULL)
    {
      if (!self->is_adopted)
        g_unlink (self->path);
      g_socket_close (self->socket, NULL);
      g_clear_object (&self->socket);
    }
  if (self->lock_fd >= 0)
    {
      g_unlink (self->lock_path);
      close (self->lock_fd);
      self->lock_fd = -1;
    }
}
