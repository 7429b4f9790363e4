/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Proves that what a caller handed over can't make berthd wait, and that berthd lends its name to
 * nobody. */
#include <errno.h>
#include <fcntl.h>
#include <gio/gunixfdmessage.h>
#include <glib-unix.h>
#include <glib/gstdio.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "plugin/base/berth-caller-fd.h"
#include "plugin/base/berth-closer.h"
#include "pool/berth-error.h"

/* A call that blocks ends the test, not the build. */
#define LIMIT_S 20

/* The caller's own end stays with the test, as it does with the caller. */
static int
take_copy (int fd, gboolean is_input)
{
  g_autoptr (GError) error = NULL;
  int own = berth_caller_fd_take (fd, is_input, geteuid (), &error);

  g_assert_no_error (error);
  g_assert_cmpint (own, >=, 0);
  return own;
}

static void
fill (int own)
{
  char bytes[4096] = "";
  gssize put;

  do
    put = berth_caller_fd_write (own, bytes, sizeof bytes);
  while (put > 0);
  g_assert_cmpint (put, ==, -1);
  g_assert_cmpint (errno, ==, EAGAIN);
}

/* The caller sets its flags at any time, before and after. */
static void
test_pipe_never_blocks (void)
{
  char byte;
  int ends[2];
  int own;

  g_assert_true (g_unix_open_pipe (ends, FD_CLOEXEC, NULL));
  own = take_copy (ends[1], FALSE);
  g_assert_cmpint (fcntl (ends[1], F_GETFL) & O_NONBLOCK, ==, 0);
  g_assert_true (g_unix_set_fd_nonblocking (ends[1], TRUE, NULL));
  g_assert_true (g_unix_set_fd_nonblocking (ends[1], FALSE, NULL));
  fill (own);
  close (own);
  close (ends[0]);
  close (ends[1]);

  g_assert_true (g_unix_open_pipe (ends, FD_CLOEXEC, NULL));
  own = take_copy (ends[0], TRUE);
  g_assert_true (g_unix_set_fd_nonblocking (ends[0], FALSE, NULL));
  g_assert_cmpint (berth_caller_fd_read (own, &byte, 1), ==, -1);
  g_assert_cmpint (errno, ==, EAGAIN);
  close (own);
  close (ends[0]);
  close (ends[1]);
}

static void
test_pair_never_blocks (void)
{
  char byte;
  int ends[2];
  int own;

  g_assert_no_errno (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends));
  own = take_copy (ends[0], TRUE);
  g_assert_cmpint (berth_caller_fd_read (own, &byte, 1), ==, -1);
  g_assert_cmpint (errno, ==, EAGAIN);
  fill (own);
  g_assert_cmpint (fcntl (ends[0], F_GETFL) & O_NONBLOCK, ==, 0);
  close (ends[1]);
  g_assert_cmpint (berth_caller_fd_write (own, "x", 1), ==, -1); /* and no SIGPIPE */
  close (own);
  close (ends[0]);
}

/* What was in the pipe is there still, and so is its end. */
static void
test_bytes_and_end (void)
{
  char bytes[8];
  int ends[2];
  int own;

  g_assert_true (g_unix_open_pipe (ends, FD_CLOEXEC, NULL));
  g_assert_cmpint (write (ends[1], "text", 4), ==, 4);
  own = take_copy (ends[0], TRUE);
  close (ends[0]);
  close (ends[1]);
  g_assert_cmpint (berth_caller_fd_read (own, bytes, sizeof bytes), ==, 4);
  g_assert_cmpint (berth_caller_fd_read (own, bytes, sizeof bytes), ==, 0);
  close (own);
}

static void
test_reader_is_gone (void)
{
  int ends[2];
  int own;

  g_assert_true (g_unix_open_pipe (ends, FD_CLOEXEC, NULL));
  close (ends[0]);
  own = take_copy (ends[1], FALSE);
  g_assert_cmpint (berth_caller_fd_write (own, "x", 1), ==, -1);
  g_assert_cmpint (errno, ==, EPIPE);
  close (own);
  close (ends[1]);
}

/* Takes @fd over. */
static void
assert_refused (int fd, gboolean is_input, guint32 uid, const char *part)
{
  g_autoptr (GError) error = NULL;

  g_assert_cmpint (berth_caller_fd_take (fd, is_input, uid, &error), ==, -1);
  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_INVALID);
  g_assert_nonnull (strstr (error->message, part));
  g_assert_no_errno (close (fd));
}

static int
open_pair_end (int type)
{
  int ends[2];

  g_assert_no_errno (socketpair (AF_UNIX, type | SOCK_CLOEXEC, 0, ends));
  close (ends[1]);
  return ends[0];
}

/* (out) @connected: to a named listener; what it accepted; the listener */
static void
open_named (int out[3])
{
  g_autofree char *folder = g_dir_make_tmp ("berth-fd-XXXXXX", NULL);
  g_autofree char *path = g_build_filename (folder, "s", NULL);
  struct sockaddr_un address = { .sun_family = AF_UNIX };

  g_strlcpy (address.sun_path, path, sizeof address.sun_path);
  out[2] = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  g_assert_no_errno (bind (out[2], (struct sockaddr *)&address, sizeof address));
  g_assert_no_errno (listen (out[2], 1));
  out[0] = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  g_assert_no_errno (connect (out[0], (struct sockaddr *)&address, sizeof address));
  out[1] = accept4 (out[2], NULL, NULL, SOCK_CLOEXEC);
  g_assert_cmpint (out[1], >=, 0);
  g_assert_no_errno (g_unlink (path));
  g_assert_no_errno (g_rmdir (folder));
}

/* Of a named pipe that nobody may read or write: to have its path takes no right to it. */
static int
open_path_of_pipe (void)
{
  g_autofree char *dir = g_dir_make_tmp ("berth-caller-fd-XXXXXX", NULL);
  g_autofree char *path = g_build_filename (dir, "pipe", NULL);
  int fd;

  g_assert_no_errno (mkfifo (path, 0));
  fd = open (path, O_PATH | O_CLOEXEC);
  g_assert_cmpint (fd, >=, 0);
  unlink (path);
  rmdir (dir);
  return fd;
}

static void
test_what_is_refused (void)
{
  static const char pair[] = "must be one of a pair";
  int ends[2];
  int named[3];

  assert_refused (open ("/dev/null", O_RDWR | O_CLOEXEC), TRUE, geteuid (), "neither a pipe");
  assert_refused (open ("/", O_PATH | O_CLOEXEC), TRUE, geteuid (), "neither a pipe");
  g_assert_true (g_unix_open_pipe (ends, FD_CLOEXEC, NULL));
  assert_refused (ends[0], FALSE, geteuid (), "not open for writing");
  assert_refused (ends[1], TRUE, geteuid (), "not open for reading");
  assert_refused (open_path_of_pipe (), TRUE, geteuid (), "neither a pipe");
  assert_refused (open_path_of_pipe (), FALSE, geteuid (), "neither a pipe");
  assert_refused (open_pair_end (SOCK_DGRAM), TRUE, geteuid (), pair);
  assert_refused (open_pair_end (SOCK_SEQPACKET), TRUE, geteuid (), pair);
  assert_refused (socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), TRUE, geteuid (), pair);
  assert_refused (socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), TRUE, geteuid (), pair);
  assert_refused (socket (AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), TRUE, geteuid (), pair);
  open_named (named);
  for (guint i = 0; i < G_N_ELEMENTS (named); i++)
    assert_refused (named[i], FALSE, geteuid (), pair);
  g_assert_no_errno (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends));
  assert_refused (ends[0], FALSE, geteuid () + 1, "another user");
  close (ends[1]);
}

/* From here on no file system answers what a descriptor is. */
static void
forbid_stat (void)
{
  struct sock_filter code[] = {
    BPF_STMT (BPF_LD | BPF_W | BPF_ABS, offsetof (struct seccomp_data, nr)),
    BPF_JUMP (BPF_JMP | BPF_JEQ | BPF_K, __NR_fstat, 2, 0),
    BPF_JUMP (BPF_JMP | BPF_JEQ | BPF_K, __NR_newfstatat, 1, 0),
    BPF_JUMP (BPF_JMP | BPF_JEQ | BPF_K, __NR_statx, 0, 1),
    BPF_STMT (BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EIO),
    BPF_STMT (BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const struct sock_fprog program = { G_N_ELEMENTS (code), code };

  g_assert_no_errno (prctl (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
  g_assert_no_errno (prctl (PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program));
}

/* A file system that hangs, or is a program of the caller's, would hold up berthd. */
static void
test_no_file_system_is_asked (void)
{
  g_autoptr (GError) error = NULL;
  int ends[2];
  int own;

  if (!g_test_subprocess ())
    {
      g_test_trap_subprocess (NULL, 0, G_TEST_SUBPROCESS_INHERIT_STDERR);
      g_test_trap_assert_passed ();
      return;
    }
  forbid_stat ();
  g_assert_true (g_unix_open_pipe (ends, FD_CLOEXEC, NULL));
  own = berth_caller_fd_take (ends[0], TRUE, geteuid (), &error);
  g_assert_no_error (error);
  g_assert_cmpint (own, >=, 0);
  g_assert_no_errno (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends));
  own = berth_caller_fd_take (ends[0], TRUE, geteuid (), &error);
  g_assert_no_error (error);
  g_assert_cmpint (own, >=, 0);
  berth_caller_fd_close (own);
}

/* A connection whose last close(2) waits until *@out_peer, which reads nothing, is closed */
static int
open_lingering (int *out_peer)
{
  const struct linger for_ever = { .l_onoff = 1, .l_linger = 3600 };
  struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr = { htonl (INADDR_LOOPBACK) } };
  socklen_t size = sizeof address;
  static const char bytes[65536];
  int listener = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  int fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

  g_assert_no_errno (bind (listener, (const struct sockaddr *)&address, sizeof address));
  g_assert_no_errno (listen (listener, 1));
  g_assert_no_errno (getsockname (listener, (struct sockaddr *)&address, &size));
  g_assert_no_errno (connect (fd, (const struct sockaddr *)&address, sizeof address));
  *out_peer = accept4 (listener, NULL, NULL, SOCK_CLOEXEC);
  g_assert_no_errno (close (listener));
  while (send (fd, bytes, sizeof bytes, MSG_DONTWAIT) > 0)
    ;
  g_assert_no_errno (setsockopt (fd, SOL_SOCKET, SO_LINGER, &for_ever, sizeof for_ever));
  return fd;
}

/* The kernel closes what comes with bytes and finds no place, in whose stead reads them. */
static void
test_descriptors_in_a_stream (void)
{
  g_autoptr (GUnixFDList) list = g_unix_fd_list_new ();
  g_autoptr (GSocketControlMessage) rights = g_unix_fd_message_new_with_fd_list (list);
  g_autoptr (GSocket) caller = NULL;
  GOutputVector vector = { "x", 1 };
  char byte;
  int ends[2];
  int peer;
  int own;

  g_assert_no_errno (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends));
  own = take_copy (ends[0], TRUE);
  close (ends[0]);
  caller = g_socket_new_from_fd (ends[1], NULL);
  {
    int fd = open_lingering (&peer);

    g_assert_cmpint (g_unix_fd_list_append (list, fd, NULL), ==, 0);
    g_assert_no_errno (close (fd));
  }
  g_assert_cmpint (
      g_socket_send_message (caller, NULL, &vector, 1, &rights, 1, MSG_NOSIGNAL, NULL, NULL), ==,
      1);
  g_clear_object (&rights);
  g_clear_object (&list); /* what stands in the queue is the last of it */
  g_assert_cmpint (berth_caller_fd_read (own, &byte, 1), ==, -1);
  g_assert_cmpint (errno, ==, EBADMSG);
  berth_caller_fd_close (own);
  g_assert_cmpuint (berth_closer_count (geteuid ()), >, 0);
  g_assert_no_errno (close (peer));
  while (berth_closer_count (geteuid ()) > 0)
    g_thread_yield ();
}

/* A socket of this kind, at a free port of the loopback or without a name */
static int
make_socket (int domain, int type, gboolean listens)
{
  struct sockaddr_in four = { .sin_family = AF_INET, .sin_addr.s_addr = htonl (INADDR_LOOPBACK) };
  struct sockaddr_un local = { .sun_family = AF_UNIX };
  int fd = socket (domain, type | SOCK_CLOEXEC, 0);

  g_assert_cmpint (fd, >=, 0);
  if (domain == AF_INET)
    g_assert_no_errno (bind (fd, (struct sockaddr *)&four, sizeof four));
  else
    g_assert_no_errno (bind (fd, (struct sockaddr *)&local, sizeof local.sun_family));
  if (listens)
    g_assert_no_errno (listen (fd, 1));
  return fd;
}

static void
test_listeners (void)
{
  const struct
  {
    int domain, type;
    gboolean listens, serves;
  } kinds[] = { { AF_INET, SOCK_STREAM, TRUE, TRUE },   { AF_UNIX, SOCK_STREAM, TRUE, TRUE },
                { AF_INET, SOCK_STREAM, FALSE, FALSE }, { AF_UNIX, SOCK_STREAM, FALSE, FALSE },
                { AF_INET, SOCK_DGRAM, FALSE, FALSE },  { AF_UNIX, SOCK_SEQPACKET, TRUE, FALSE } };
  int ends[2];

  for (gsize i = 0; i < G_N_ELEMENTS (kinds); i++)
    {
      g_autoptr (GError) error = NULL;
      int fd = make_socket (kinds[i].domain, kinds[i].type, kinds[i].listens);
      int own = berth_caller_fd_take_listener (fd, geteuid (), &error);

      g_assert_cmpint (own >= 0, ==, kinds[i].serves);
      if (own >= 0)
        berth_caller_fd_close (own);
      else
        g_assert_error (error, BERTH_ERROR, BERTH_ERROR_INVALID);
      close (fd);
    }
  ends[0] = make_socket (AF_UNIX, SOCK_STREAM, TRUE);
  g_assert_cmpint (berth_caller_fd_take_listener (ends[0], geteuid () + 1, NULL), ==, -1);
  close (ends[0]);
  g_assert_true (g_unix_open_pipe (ends, FD_CLOEXEC, NULL));
  g_assert_cmpint (berth_caller_fd_take_listener (ends[0], geteuid (), NULL), ==, -1);
  close (ends[0]);
  close (ends[1]);
}

/* Whoever asks hears that a guest's bytes are its owner's, not berthd's. */
static void
test_words_of_the_owner (void)
{
  union
  {
    struct cmsghdr head;
    char bytes[CMSG_SPACE (sizeof (struct ucred))];
  } control;
  char byte = 0;
  struct iovec vector = { &byte, 1 };
  struct msghdr message = {
    .msg_iov = &vector, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control
  };
  struct ucred words;
  const int on = 1;
  int fds[2];

  if (geteuid () != 0)
    {
      g_test_skip ("for root");
      return;
    }
  g_assert_no_errno (socketpair (AF_UNIX, SOCK_STREAM, 0, fds));
  g_assert_no_errno (setsockopt (fds[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof on));
  g_assert_cmpint (berth_caller_fd_send_as (fds[0], "x", 1, 1234), ==, 1);
  g_assert_cmpint (recvmsg (fds[1], &message, 0), ==, 1);
  g_assert_cmpint (control.head.cmsg_type, ==, SCM_CREDENTIALS);
  memcpy (&words, CMSG_DATA (&control.head), sizeof words);
  g_assert_cmpuint (words.uid, ==, 1234);
  g_assert_cmpuint (words.gid, !=, 0);
  close (fds[0]);
  close (fds[1]);
}

int
main (int argc, char **argv)
{
  alarm (LIMIT_S);
  signal (SIGPIPE, SIG_IGN); /* as berthd does */
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/caller-fd/pipe-never-blocks", test_pipe_never_blocks);
  g_test_add_func ("/caller-fd/pair-never-blocks", test_pair_never_blocks);
  g_test_add_func ("/caller-fd/bytes-and-end", test_bytes_and_end);
  g_test_add_func ("/caller-fd/reader-is-gone", test_reader_is_gone);
  g_test_add_func ("/caller-fd/what-is-refused", test_what_is_refused);
  g_test_add_func ("/caller-fd/no-file-system-is-asked", test_no_file_system_is_asked);
  g_test_add_func ("/caller-fd/listeners", test_listeners);
  g_test_add_func ("/caller-fd/words-of-the-owner", test_words_of_the_owner);
  g_test_add_func ("/caller-fd/descriptors-in-a-stream", test_descriptors_in_a_stream);
  return g_test_run ();
}
