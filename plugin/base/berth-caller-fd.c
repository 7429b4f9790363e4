/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A caller's descriptor, made one that only berthd has. */
#include "plugin/base/berth-caller-fd.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gunixoutputstream.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "plugin/base/berth-closer.h"
#include "pool/berth-error.h"

/* Of what stands before descriptors, where the other end's maker asked for it: credentials, a label
 */
#define OTHER_PARTS_BYTES 1024

static gboolean
refuse (GError **error, const char *text)
{
  g_set_error_literal (error, BERTH_ERROR, BERTH_ERROR_INVALID, text);
  return FALSE;
}

/* A pipe that nobody reads any more: what is written to it fails as it would have there. */
static int
open_broken_pipe (void)
{
  int ends[2];

  if (pipe2 (ends, O_CLOEXEC | O_NONBLOCK) != 0)
    return -1;
  close (ends[0]);
  return ends[1];
}

static int
open_pipe_anew (int fd, gboolean is_input, GError **error)
{
  g_autofree char *path = g_strdup_printf ("/proc/self/fd/%d", fd);
  int flags = fcntl (fd, F_GETFL);
  int own;

  /* O_PATH names a pipe that its holder may not have been let into: its access mode says nothing,
   * and berthd would be let in */
  if (flags < 0 || (flags & O_PATH) != 0 || (flags & O_ACCMODE) == (is_input ? O_WRONLY : O_RDONLY))
    {
      refuse (error, is_input ? "the descriptor is not open for reading"
                              : "the descriptor is not open for writing");
      return -1;
    }
  own = open (path, (is_input ? O_RDONLY : O_WRONLY) | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  if (own < 0 && errno == ENXIO)
    own = open_broken_pipe ();
  if (own < 0)
    g_set_error (
        error, BERTH_ERROR, BERTH_ERROR_INVALID,
        "berthd can't open the pipe anew (%s): give a pipe of the user that berthd runs as, "
        "or a pair of sockets",
        g_strerror (errno));
  return own;
}

static gboolean
has_option (int fd, int option, int value)
{
  int got = -1;
  socklen_t size = sizeof got;

  return getsockopt (fd, SOL_SOCKET, option, &got, &size) == 0 && got == value;
}

/* Both ends of a pair have no name: no bytes of an address behind its family */
static gboolean
is_unnamed (int (*get_name) (int, struct sockaddr *, socklen_t *), int fd)
{
  struct sockaddr_un address;
  socklen_t size = sizeof address;

  return get_name (fd, (struct sockaddr *)&address, &size) == 0
         && size <= offsetof (struct sockaddr_un, sun_path);
}

static int
get_own_name (int fd, struct sockaddr *address, socklen_t *size)
{
  return getsockname (fd, address, size);
}

static int
get_peer_name (int fd, struct sockaddr *address, socklen_t *size)
{
  return getpeername (fd, address, size);
}

static gboolean
check_socket (int fd, guint32 uid, GError **error)
{
  struct ucred peer = { 0 };
  socklen_t size = sizeof peer;

  if (!has_option (fd, SO_DOMAIN, AF_UNIX) || !has_option (fd, SO_TYPE, SOCK_STREAM)
      || !has_option (fd, SO_ACCEPTCONN, 0) || !is_unnamed (get_own_name, fd)
      || !is_unnamed (get_peer_name, fd))
    return refuse (error, "a socket must be one of a pair of Unix stream sockets (socketpair)");
  if (getsockopt (fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0 || peer.uid != uid)
    return refuse (error, "the pair of sockets was made by another user");
  return TRUE;
}

/* What kind of file it is, is asked of the kernel's own sockets and pipes, never by fstat(): that
 * is for the file system to answer, which may be one that hangs, or a user's own program (FUSE). */
static gboolean
is_socket (int fd)
{
  int type;
  socklen_t size = sizeof type;

  return getsockopt (fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0;
}

static gboolean
is_pipe (int fd)
{
  return fcntl (fd, F_GETPIPE_SZ) > 0;
}

gboolean
berth_caller_fd_has_room (guint reserved)
{
  struct rlimit limit = { 0 };
  int lowest = fcntl (STDIN_FILENO, F_DUPFD_CLOEXEC, 0); /* all below it are in use */

  if (lowest < 0)
    return FALSE;
  close (lowest);
  return getrlimit (RLIMIT_NOFILE, &limit) == 0 && (rlim_t)lowest + reserved < limit.rlim_cur;
}

static int
dup_noted (int fd, guint32 uid, GError **error)
{
  int own = fcntl (fd, F_DUPFD_CLOEXEC, 0);

  if (own >= 0)
    berth_closer_note (own, uid);
  else
    g_set_error (error, BERTH_ERROR, BERTH_ERROR_UNAVAILABLE,
                 "berthd can't keep the descriptor (%s): try again, or raise its limit "
                 "(LimitNOFILE)",
                 g_strerror (errno));
  return own;
}

int
berth_caller_fds_get (const BerthCallerFds *self, gint32 index, GError **error)
{
  if (self != NULL && index >= 0 && (guint)index < self->count)
    return self->fds[index];
  g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID, "the message carries no descriptor %d",
               index);
  return -1;
}

int
berth_caller_fd_take (int fd, gboolean is_input, guint32 uid, GError **error)
{
  int own = -1;

  if (is_socket (fd))
    return check_socket (fd, uid, error) ? dup_noted (fd, uid, error) : -1;
  else if (is_pipe (fd))
    own = open_pipe_anew (fd, is_input, error);
  else
    refuse (error, "the descriptor is neither a pipe nor a socket");
  return own;
}

/* Of a Unix socket: who connected, or who listens */
static guint32
get_peer_uid (int fd)
{
  struct ucred peer = { .uid = (uid_t)-1 };
  socklen_t size = sizeof peer;

  return getsockopt (fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 ? peer.uid : (guint32)-1;
}

int
berth_caller_fd_take_listener (int fd, guint32 uid, GError **error)
{
  gboolean is_tcp = (has_option (fd, SO_DOMAIN, AF_INET) || has_option (fd, SO_DOMAIN, AF_INET6))
                    && has_option (fd, SO_PROTOCOL, IPPROTO_TCP);

  if (has_option (fd, SO_DOMAIN, AF_UNIX) && has_option (fd, SO_ACCEPTCONN, 1)
      && get_peer_uid (fd) != uid)
    {
      refuse (error, "another user listens at the Unix socket: publish one of your own");
      return -1;
    }
  if ((is_tcp || has_option (fd, SO_DOMAIN, AF_UNIX)) && has_option (fd, SO_TYPE, SOCK_STREAM)
      && has_option (fd, SO_ACCEPTCONN, 1))
    return dup_noted (fd, uid, error);
  refuse (error, "the descriptor is no listening socket of TCP or of Unix streams");
  return -1;
}

/* What makes an error queue, which is never read and so is an event without end */
static const struct
{
  int level;
  int option;
} error_queues[] = {
  { SOL_SOCKET, SO_TIMESTAMPING }, { SOL_SOCKET, SO_TIMESTAMP },   { SOL_SOCKET, SO_TIMESTAMPNS },
  { IPPROTO_IP, IP_RECVERR },      { IPPROTO_IPV6, IPV6_RECVERR },
};

gboolean
berth_caller_fd_take_accepted (int fd)
{
  const struct linger none = { 0 };
  const int on = 1;
  const int off = 0;

  setsockopt (fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  setsockopt (fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  setsockopt (fd, SOL_SOCKET, SO_RCVLOWAT, &on, sizeof on);
  if (has_option (fd, SO_DOMAIN, AF_UNIX))
    berth_closer_note (fd, get_peer_uid (fd));
  for (guint i = 0; i < G_N_ELEMENTS (error_queues); i++)
    if (setsockopt (fd, error_queues[i].level, error_queues[i].option, &off, sizeof off) != 0
        && error_queues[i].level == SOL_SOCKET)
      return FALSE;
  return setsockopt (fd, SOL_SOCKET, SO_LINGER, &none, sizeof none) == 0;
}

int
berth_caller_fd_dup (int fd)
{
  int own = fcntl (fd, F_DUPFD_CLOEXEC, 0);
  guint32 uid;

  if (own >= 0 && berth_closer_find (fd, &uid))
    berth_closer_note (own, uid);
  return own;
}

void
berth_caller_fd_close (int fd)
{
  berth_closer_close_noted (fd);
}

/* Gives them to whom they are of to be closed; how many there were. */
static guint
drop_fds (struct msghdr *message, guint32 uid)
{
  guint dropped = 0;

  for (struct cmsghdr *part = CMSG_FIRSTHDR (message); part != NULL;
       part = CMSG_NXTHDR (message, part))
    {
      gsize count = (part->cmsg_len - CMSG_LEN (0)) / sizeof (int);

      if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS)
        continue;
      for (gsize i = 0; i < count; i++, dropped++)
        {
          int fd;

          memcpy (&fd, CMSG_DATA (part) + i * sizeof fd, sizeof fd);
          berth_closer_close (fd, uid);
        }
    }
  return dropped;
}

gssize
berth_caller_fd_receive (int fd, gpointer bytes, gsize size)
{
  union
  {
    struct cmsghdr head;
    char bytes[CMSG_SPACE (sizeof (int) * BERTH_CALLER_FDS_MAX) + OTHER_PARTS_BYTES];
  } control;
  struct iovec vector = { bytes, size };
  struct msghdr message = {
    .msg_iov = &vector, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control
  };
  gssize got = recvmsg (fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  guint32 uid;

  if (got < 0 || message.msg_controllen == 0)
    return got;
  if (!berth_closer_find (fd, &uid))
    uid = (guint32)-1;
  if (drop_fds (&message, uid) == 0)
    return got;
  errno = EBADMSG;
  return -1;
}

gssize
berth_caller_fd_read (int fd, gpointer bytes, gsize size)
{
  gssize got = berth_caller_fd_receive (fd, bytes, size);

  return got < 0 && errno == ENOTSOCK ? read (fd, bytes, size) : got;
}

gssize
berth_caller_fd_write (int fd, gconstpointer bytes, gsize size)
{
  gssize put = send (fd, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL);

  return put < 0 && errno == ENOTSOCK ? write (fd, bytes, size) : put;
}

/* Of no group that is somebody's */
#define NO_GROUP 65534u

gssize
berth_caller_fd_send_as (int fd, gconstpointer bytes, gsize size, guint32 uid)
{
  const struct ucred words = { .pid = getpid (), .uid = uid, .gid = NO_GROUP };
  union
  {
    struct cmsghdr head;
    char bytes[CMSG_SPACE (sizeof words)];
  } control = { 0 };
  struct iovec vector = { (gpointer)bytes, size };
  struct msghdr message = { .msg_iov = &vector, .msg_iovlen = 1 };

  if (geteuid () == 0 && uid != 0 && has_option (fd, SO_DOMAIN, AF_UNIX))
    {
      message.msg_control = &control;
      message.msg_controllen = sizeof control;
      control.head.cmsg_level = SOL_SOCKET;
      control.head.cmsg_type = SCM_CREDENTIALS;
      control.head.cmsg_len = CMSG_LEN (sizeof words);
      memcpy (CMSG_DATA (&control.head), &words, sizeof words);
    }
  return sendmsg (fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void
held_cb (gpointer data)
{
  berth_caller_fd_close (GPOINTER_TO_INT (data));
}

GOutputStream *
berth_caller_fd_hold (int fd)
{
  GOutputStream *held = g_unix_output_stream_new (fd, FALSE); /* lint: caller-fd: only held */

  g_object_set_data_full (G_OBJECT (held), "berth-fd", GINT_TO_POINTER (fd), held_cb);
  return held;
}

/* The stream's own close closes no descriptor: that would be on this thread. */
void
berth_caller_fd_let_go (GOutputStream *held)
{
  g_object_set_data (G_OBJECT (held), "berth-fd", NULL);
  g_output_stream_close (held, NULL, NULL);
}
