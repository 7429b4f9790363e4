/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The filter of programs' calls, in a process of its own that takes it. */
#include <glib.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent-filter.h"

#define NOT_FILTERED 120

typedef struct
{
  long number;
  long arguments[3];
  int wanted; /* errno; 0: it succeeds */
} Try;

static int
attempt (const Try *try)
{
  long result
      = syscall (try->number, try->arguments[0], try->arguments[1], try->arguments[2], 0, 0, 0);

  return result < 0 ? errno : 0;
}

/* What a filtered process gets: errno, or NOT_FILTERED */
static int
attempt_filtered (const Try *try)
{
  pid_t pid = fork ();
  int status;

  g_assert_cmpint (pid, >=, 0);
  if (pid == 0)
    {
      if (prctl (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || !berth_agent_filter_install ())
        _exit (NOT_FILTERED);
      _exit (attempt (try));
    }
  g_assert_cmpint (waitpid (pid, &status, 0), ==, pid);
  g_assert_true (WIFEXITED (status));
  g_assert_cmpint (WEXITSTATUS (status), !=, NOT_FILTERED);
  return WEXITSTATUS (status);
}

static void
test_tries (gconstpointer data)
{
  for (const Try *try = data; try->number >= 0; try++)
    {
      g_test_message ("call %ld (%ld, %ld, %ld)", try->number, try->arguments[0], try->arguments[1],
                      try->arguments[2]);
      g_assert_cmpint (attempt_filtered (try), ==, try->wanted);
    }
}

static const Try shut[] = {
#ifdef __x86_64__
  { SYS_modify_ldt, { 0, 0, 0 }, EPERM },
  { 0x40000000 + SYS_getpid, { 0 }, ENOSYS },
#endif
  { SYS_io_uring_setup, { 1, 0, 0 }, EPERM },
  { SYS_io_uring_enter, { -1, 0, 0 }, EPERM },
  { SYS_io_uring_register, { -1, 0, 0 }, EPERM },
  { SYS_userfaultfd, { 1, 0, 0 }, EPERM },
  { SYS_keyctl, { 0, -1, 0 }, EPERM },
  { SYS_add_key, { 0, 0, 0 }, EPERM },
  { SYS_request_key, { 0, 0, 0 }, EPERM },
  { SYS_bpf, { 0, 0, 0 }, EPERM },
  { SYS_perf_event_open, { 0, 0, 0 }, EPERM },
  { SYS_fanotify_init, { -1, 0, 0 }, EPERM },
  { SYS_kexec_file_load, { -1, 0, 0 }, EPERM },
  { SYS_finit_module, { -1, 0, 0 }, EPERM },
  { SYS_mount, { 0, 0, 0 }, EPERM },
  { SYS_umount2, { 0, -1, 0 }, EPERM },
  { SYS_open_tree, { -1, 0, 0 }, EPERM },
  { SYS_fsopen, { 0, 0, 0 }, EPERM },
  { SYS_mount_setattr, { -1, 0, 0 }, EPERM },
  { SYS_setns, { -1, 0, 0 }, EPERM },
  { SYS_quotactl, { -1, 0, 0 }, EPERM },
  { -1, { 0 }, 0 },
};

static const Try sockets[] = {
  { SYS_socket, { AF_UNIX, SOCK_STREAM, 0 }, 0 },
  { SYS_socket, { AF_NETLINK, SOCK_RAW, 0 }, 0 },
  { SYS_socket, { AF_INET, SOCK_STREAM, IPPROTO_TCP }, 0 },
  { SYS_socket, { AF_INET, SOCK_DGRAM, 0 }, 0 },
  { SYS_socket, { AF_INET, SOCK_STREAM, IPPROTO_MPTCP }, EPERM },
  { SYS_socket, { AF_INET6, SOCK_STREAM, IPPROTO_MPTCP }, EPERM },
  { SYS_socket, { AF_ALG, SOCK_SEQPACKET, 0 }, EAFNOSUPPORT },
  { SYS_socket, { AF_PACKET, SOCK_RAW, 0 }, EAFNOSUPPORT },
  { SYS_socket, { AF_VSOCK, SOCK_STREAM, 0 }, EAFNOSUPPORT },
  { SYS_socketpair, { AF_UNIX, SOCK_STREAM, 0 }, EFAULT },
  { -1, { 0 }, 0 },
};

#ifdef __x86_64__
/* The door of 32-bit programs: numbers there are others, so it is none. */
static void
test_other_door (void)
{
  pid_t pid = fork ();
  int status;

  g_assert_cmpint (pid, >=, 0);
  if (pid == 0)
    {
      long result = 20; /* getpid of i386 */

      signal (SIGSEGV, SIG_DFL); /* a sanitizer's would tell of it, and exit */
      if (prctl (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || !berth_agent_filter_install ())
        _exit (NOT_FILTERED);
      __asm__ volatile("int $0x80" : "+a"(result) : : "memory", "r8", "r9", "r10", "r11");
      _exit (0);
    }
  g_assert_cmpint (waitpid (pid, &status, 0), ==, pid);
  /* a kernel without that door ends it likewise, by SIGSEGV */
  g_assert_true (WIFSIGNALED (status));
  g_assert_true (WTERMSIG (status) == SIGSYS || WTERMSIG (status) == SIGSEGV);
}
#endif

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_data_func ("/filter/shut", shut, test_tries);
  g_test_add_data_func ("/filter/sockets", sockets, test_tries);
#ifdef __x86_64__
  g_test_add_func ("/filter/other-door", test_other_door);
#endif
  return g_test_run ();
}
