/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The connector reads answers of foreign resolvers: what a mistake there could be used for is shut
 * before the first of them. It needs sockets, threads, and a few files of the resolver's. */
#include "plugin/connector/berth-connector-confine.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <pwd.h>
#include <sched.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
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
#define ARGUMENT(number) LOAD (args[number]) /* its lower half: what is looked at has no other */
#define PASS BPF_STMT (BPF_RET | BPF_K, SECCOMP_RET_ALLOW)
#define FAIL(number) BPF_STMT (BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (number))
/* The next @steps are for this call alone. */
#define CALL(name, steps) BPF_JUMP (BPF_JMP | BPF_JEQ | BPF_K, SYS_##name, 0, steps)
#define MAY(name) CALL (name, 1), PASS
/* Where its argument has none of @bits, or one of them, or is @value */
#define MAY_WITHOUT(name, number, bits, error)                                                     \
  CALL (name, 4), ARGUMENT (number), BPF_JUMP (BPF_JMP | BPF_JSET | BPF_K, bits, 1, 0), PASS,      \
      FAIL (error)
#define MAY_WITH(name, number, bits, error)                                                        \
  CALL (name, 4), ARGUMENT (number), BPF_JUMP (BPF_JMP | BPF_JSET | BPF_K, bits, 0, 1), PASS,      \
      FAIL (error)
#define MAY_IF(name, number, value)                                                                \
  CALL (name, 4), ARGUMENT (number), BPF_JUMP (BPF_JMP | BPF_JEQ | BPF_K, value, 0, 1), PASS,      \
      FAIL (EPERM)
#define IS(value, steps) BPF_JUMP (BPF_JMP | BPF_JEQ | BPF_K, value, steps, 0)
#define WRITES (O_WRONLY | O_RDWR | O_CREAT | O_TRUNC)

/* What is not here is not in this kernel, for all that the connector knows: libraries take another
 * way then. */
static const struct sock_filter rules[] = {
  LOAD (arch),
  BPF_JUMP (BPF_JMP | BPF_JEQ | BPF_K, NATIVE_ARCH, 1, 0),
  BPF_STMT (BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
  LOAD (nr),
#ifdef __x86_64__
  BPF_JUMP (BPF_JMP | BPF_JGE | BPF_K, X32_BIT, 0, 1),
  FAIL (ENOSYS),
#endif
  /* the loop, and sockets that it has */
  MAY (read),
  MAY (write),
  MAY (readv),
  MAY (writev),
  MAY (ppoll),
  MAY (pselect6),
  MAY (eventfd2),
  MAY (connect),
  MAY (sendto),
  MAY (sendmsg),
  MAY (sendmmsg),
  MAY (recvfrom),
  MAY (recvmsg),
  MAY (recvmmsg),
  MAY (getsockname),
  MAY (getpeername),
  MAY (getsockopt),
  MAY (setsockopt),
  MAY (shutdown),
  MAY (close),
  /* memory and threads: none is a process, and no memory becomes code that no file has */
  MAY (munmap),
  MAY (mremap),
  MAY (madvise),
  MAY (brk),
  MAY (futex),
  MAY (sched_yield),
  MAY (sched_getaffinity),
  MAY (sched_getattr),
  MAY (set_robust_list),
  MAY (rseq),
  MAY (membarrier),
  MAY (rt_sigaction),
  MAY (rt_sigprocmask),
  MAY (rt_sigreturn),
  MAY (sigaltstack),
  MAY (restart_syscall),
  MAY (exit),
  MAY (exit_group),
  MAY_WITH (clone, 0, CLONE_THREAD, EPERM),
  MAY_WITHOUT (mprotect, 2, PROT_EXEC, EACCES),
  CALL (mmap, 6),
  ARGUMENT (2),
  BPF_JUMP (BPF_JMP | BPF_JSET | BPF_K, PROT_EXEC, 0, 2),
  ARGUMENT (3),
  BPF_JUMP (BPF_JMP | BPF_JSET | BPF_K, MAP_ANONYMOUS, 1, 0),
  PASS,
  FAIL (EACCES),
  /* time, names of its own, chance */
  MAY (clock_gettime),
  MAY (clock_nanosleep),
  MAY (nanosleep),
  MAY (gettimeofday),
  MAY (getpid),
  MAY (gettid),
  MAY (getuid),
  MAY (geteuid),
  MAY (getgid),
  MAY (getegid),
  MAY (uname),
  MAY (sysinfo),
  MAY (getrandom),
  MAY_IF (prctl, 0, PR_SET_NAME),
  MAY_IF (prlimit64, 0, 0),
  /* files of the resolver's */
  MAY_WITHOUT (openat, 2, WRITES, EACCES),
  MAY (fstat),
  MAY (newfstatat),
  MAY (statx),
  MAY (lseek),
  MAY (pread64),
  MAY (faccessat),
  MAY (readlinkat),
  MAY_IF (ioctl, 1, FIONREAD),
  CALL (fcntl, 8),
  ARGUMENT (1),
  IS (F_GETFL, 5),
  IS (F_SETFL, 4),
  IS (F_GETFD, 3),
  IS (F_SETFD, 2),
  IS (F_DUPFD_CLOEXEC, 1),
  FAIL (EPERM),
  PASS,
#ifdef __x86_64__
  MAY (poll),
  MAY (select),
  MAY (time),
  MAY (stat),
  MAY (lstat),
  MAY (access),
  MAY (readlink),
  MAY_WITHOUT (open, 1, WRITES, EACCES),
#endif
  /* NETLINK tells of this host's addresses. Services of the host that look names up by a socket of
   * AF_UNIX (nscd, systemd-resolved) are nobody's to connect to: so is the user's bus, where the
   * connector is the user. Names are asked of a server, then. */
  CALL (socket, 6),
  ARGUMENT (0),
  IS (AF_INET, 3),
  IS (AF_INET6, 2),
  IS (AF_NETLINK, 1),
  FAIL (EAFNOSUPPORT),
  PASS,
  FAIL (ENOSYS),
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
  const struct passwd *entry = user[0] != '\0' ? getpwnam (user) : NULL;
  uid_t uid = entry != NULL ? entry->pw_uid : BERTH_CONNECTOR_OWN_UID + (uid_t)getpid ();
  gid_t gid = entry != NULL ? entry->pw_gid : uid;

  if (user[0] != '\0' && (entry == NULL || uid == 0))
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                   "'%s' is no user without privileges: set network_user", user);
      return FALSE;
    }
  if (setgroups (0, NULL) != 0 || setresgid (gid, gid, gid) != 0 || setresuid (uid, uid, uid) != 0)
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

static void
let_read (int ruleset, const char *path)
{
  struct landlock_path_beneath_attr rule
      = { .allowed_access = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR,
          .parent_fd = open (path, O_PATH | O_CLOEXEC) };

  if (rule.parent_fd < 0)
    return;
  syscall (SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
  close (rule.parent_fd);
}

/* Where @path leads: what writes it anew does so beside it. */
static void
let_read_beside (int ruleset, const char *path)
{
  char target[PATH_MAX];
  g_autofree char *folder = realpath (path, target) != NULL ? g_path_get_dirname (target) : NULL;

  if (folder != NULL && !g_str_equal (folder, "/"))
    let_read (ruleset, folder);
}

/* Of files those that resolvers read are left, whoever owns the others. Kernels before 5.13, and
 * some that were told so, can't: there permissions alone hold. */
static gboolean
restrict_files (GError **error)
{
  static const char *const readable[]
      = { "/etc", "/usr", "/lib", "/lib64", "/run/systemd/resolve", "/var/lib/libvirt/dnsmasq" };
  static const guint rights[] = { 0, 13, 14 }; /* how many a version has */
  int version
      = (int)syscall (SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
  const struct landlock_ruleset_attr all
      = { .handled_access_fs
          = (G_GUINT64_CONSTANT (1)
             << (version < (int)G_N_ELEMENTS (rights) && version > 0 ? rights[version] : 15))
            - 1 };
  int ruleset = version > 0 ? (int)syscall (SYS_landlock_create_ruleset, &all,
                                            sizeof all.handled_access_fs, 0)
                            : -1;
  gboolean ok;

  if (ruleset < 0)
    return TRUE;
  for (guint i = 0; i < G_N_ELEMENTS (readable); i++)
    let_read (ruleset, readable[i]);
  let_read_beside (ruleset, "/etc/resolv.conf");
  let_read_beside (ruleset, "/etc/hosts");
  ok = syscall (SYS_landlock_restrict_self, ruleset, 0) == 0;
  close (ruleset);
  return ok || fail (error, "the connector's files can't be shut");
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
  if (!restrict_files (error))
    return FALSE;
  /* not seccomp(2), which no group of systemd's calls has: the packaged unit would refuse it */
  if (prctl (PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) != 0)
    return fail (error, "the connector's calls can't be filtered");
  return TRUE;
}
