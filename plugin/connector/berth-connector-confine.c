/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The connector reads answers of foreign resolvers: what a mistake there could be used for is shut
 * before the first of them. It needs sockets, threads, and a few files of the resolver's. */
#include "plugin/connector/berth-connector-confine.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pwd.h>
#include <sched.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define FILES_MAX 4096u
#define MEMORY_MAX (G_GUINT64_CONSTANT (1) << 30)

#if defined(__x86_64__)
#  define NATIVE_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#  define NATIVE_ARCH AUDIT_ARCH_AARCH64
#else
#  error "which AUDIT_ARCH is this?"
#endif

#define X32_BIT 0x40000000u
#define LOAD(field)                                                                                \
  BPF_STMT (BPF_LD | BPF_W | BPF_ABS, (unsigned)offsetof (struct seccomp_data, field))
#define FAIL(number) BPF_STMT (BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (number))
#define SHUT(name) BPF_JUMP (BPF_JMP | BPF_JEQ | BPF_K, SYS_##name, 0, 1), FAIL (EPERM)
#define ARGUMENT(number)                                                                           \
  BPF_STMT (BPF_LD | BPF_W | BPF_ABS, (unsigned)offsetof (struct seccomp_data, args[number]))
/* @bits are in the argument: @has steps further on, else @has_not; then the call's number again */
#define SHUT_BY_BITS(name, number, bits, has, has_not, error)                                      \
  BPF_JUMP (BPF_JMP | BPF_JEQ | BPF_K, SYS_##name, 0, 4), ARGUMENT (number),                       \
      BPF_JUMP (BPF_JMP | BPF_JSET | BPF_K, bits, has, has_not), FAIL (error), LOAD (nr)
#define WRITES (O_WRONLY | O_RDWR | O_CREAT | O_TRUNC)
#define FAMILY(name, steps) BPF_JUMP (BPF_JMP | BPF_JEQ | BPF_K, AF_##name, steps, 0)

static const struct sock_filter rules[] = {
  LOAD (arch),
  BPF_JUMP (BPF_JMP | BPF_JEQ | BPF_K, NATIVE_ARCH, 1, 0),
  BPF_STMT (BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
  LOAD (nr),
#ifdef __x86_64__
  BPF_JUMP (BPF_JMP | BPF_JGE | BPF_K, X32_BIT, 0, 1),
  FAIL (ENOSYS),
#endif
  SHUT (execve),
  SHUT (execveat),
  SHUT (ptrace),
  SHUT (process_vm_readv),
  SHUT (process_vm_writev),
  SHUT (listen),
  SHUT (accept),
  SHUT (accept4),
  SHUT (mount),
  SHUT (umount2),
  SHUT (unshare),
  SHUT (setns),
  SHUT (chroot),
  SHUT (pivot_root),
  SHUT (bpf),
  SHUT (perf_event_open),
  SHUT (userfaultfd),
  SHUT (io_uring_setup),
  SHUT (keyctl),
  SHUT (add_key),
  SHUT (request_key),
  SHUT (init_module),
  SHUT (finit_module),
  SHUT (kexec_load),
  SHUT (open_by_handle_at),
  SHUT (truncate),
  SHUT (unlinkat),
  SHUT (mkdirat),
  SHUT (linkat),
  SHUT (symlinkat),
  SHUT (renameat2),
  SHUT (fchmodat),
  SHUT (fchownat),
  SHUT (fchmod),
  SHUT (fchown),
  SHUT (mknodat),
  SHUT (utimensat),
  SHUT (setxattr),
  SHUT (lsetxattr),
  SHUT (fsetxattr),
#ifdef SYS_renameat
  SHUT (renameat),
#endif
#ifdef __x86_64__
  SHUT (unlink),
  SHUT (rmdir),
  SHUT (mkdir),
  SHUT (link),
  SHUT (symlink),
  SHUT (rename),
  SHUT (chmod),
  SHUT (chown),
  SHUT (lchown),
  SHUT (mknod),
  SHUT (creat),
  SHUT (fork),
  SHUT (vfork),
  SHUT_BY_BITS (open, 1, WRITES, 0, 1, EACCES),
#endif
  SHUT_BY_BITS (openat, 2, WRITES, 0, 1, EACCES),
  SHUT (openat2),
  SHUT (kill),
  SHUT (tkill),
  SHUT (rt_sigqueueinfo),
  SHUT (rt_tgsigqueueinfo),
  SHUT (pidfd_open),
  SHUT (pidfd_getfd),
  SHUT (pidfd_send_signal),
  SHUT (fsopen),
  SHUT (fspick),
  SHUT (open_tree),
  SHUT (move_mount),
#ifdef SYS_mount_setattr
  SHUT (mount_setattr),
#endif
  /* threads, and no process or namespace; of clone3(2) nothing can be seen here, and whoever is
   * told that there is none takes the other */
  SHUT_BY_BITS (clone, 0, CLONE_THREAD, 1, 0, EPERM),
  BPF_JUMP (BPF_JMP | BPF_JEQ | BPF_K, SYS_clone3, 0, 1),
  FAIL (ENOSYS),
  /* names are looked up by services of the host, too (nscd, systemd-resolved), and NETLINK tells of
   * this host's addresses */
  BPF_JUMP (BPF_JMP | BPF_JEQ | BPF_K, SYS_socket, 0, 6),
  ARGUMENT (0),
  FAMILY (UNIX, 4),
  FAMILY (INET, 3),
  FAMILY (INET6, 2),
  FAMILY (NETLINK, 1),
  FAIL (EAFNOSUPPORT),
  BPF_STMT (BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
};

static gboolean
fail (GError **error, const char *what)
{
  int saved_errno = errno;

  g_set_error (error, G_IO_ERROR, g_io_error_from_errno (saved_errno),
               "%s: %s; look at the log of the kernel for who forbids it", what,
               g_strerror (saved_errno));
  return FALSE;
}

static gboolean
become (const char *user, GError **error)
{
  const struct passwd *entry = getpwnam (user);

  if (entry == NULL || entry->pw_uid == 0)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                   "'%s' is no user without privileges: set network_user", user);
      return FALSE;
    }
  if (setgroups (0, NULL) != 0 || setresgid (entry->pw_gid, entry->pw_gid, entry->pw_gid) != 0
      || setresuid (entry->pw_uid, entry->pw_uid, entry->pw_uid) != 0)
    return fail (error, "the connector can't become another user");
  return TRUE;
}

static void
limit (int resource, rlim_t most)
{
  struct rlimit now;

  if (getrlimit (resource, &now) != 0)
    return;
  now.rlim_max = MIN (now.rlim_max, most);
  now.rlim_cur = now.rlim_max;
  setrlimit (resource, &now);
}

gboolean
berth_connector_confine (const char *user, GError **error)
{
  const struct sock_fprog program
      = { .len = G_N_ELEMENTS (rules), .filter = (struct sock_filter *)rules };

  if (geteuid () == 0 && user != NULL && !become (user, error))
    return FALSE;
  limit (RLIMIT_CORE, 0);
  limit (RLIMIT_FSIZE, 0);
  limit (RLIMIT_NOFILE, FILES_MAX);
#if !defined __SANITIZE_ADDRESS__ && !defined __SANITIZE_THREAD__ /* their shadow is more */
  limit (RLIMIT_DATA, MEMORY_MAX);
#endif
  if (prctl (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl (PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
    return fail (error, "the connector can't give up privileges");
  /* not seccomp(2), which no group of systemd's calls has: the packaged unit would refuse it */
  if (prctl (PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) != 0)
    return fail (error, "the connector's calls can't be filtered");
  return TRUE;
}
