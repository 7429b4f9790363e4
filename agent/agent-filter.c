/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Shuts calls that no program needs and that kernels' mistakes were often found in. It is the first
 * process that takes the filter, when it needs none of them itself any more: every program inherits
 * it, and no exec pays for it. The kernel remembers which calls pass whatever their arguments are
 * (since 5.11), so they cost nothing; written by hand, for it is a list and one look at a socket's
 * family, and the agent links nothing. */
#include "agent-filter.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/bpf.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

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
/* Little-endian machines, both: the lower half stands first. */
#define LOAD_ARGUMENT(number) LOAD (args[number])
#define IF_NOT_SKIP(value, skip) BPF_JUMP (BPF_JMP | BPF_JEQ | BPF_K, (value), 0, (skip))
#define IF_SKIP(value, skip) BPF_JUMP (BPF_JMP | BPF_JEQ | BPF_K, (value), (skip), 0)
#define ALLOW BPF_STMT (BPF_RET | BPF_K, SECCOMP_RET_ALLOW)
#define FAIL(number) BPF_STMT (BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (number))
#define SHUT(name) IF_NOT_SKIP (SYS_##name, 1), FAIL (EPERM)

static const struct sock_filter rules[] = {
  /* a call by another door of the processor has other numbers: nothing here has a use for one */
  LOAD (arch),
  IF_SKIP (NATIVE_ARCH, 1),
  BPF_STMT (BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
  LOAD (nr),
#ifdef __x86_64__
  BPF_JUMP (BPF_JMP | BPF_JGE | BPF_K, X32_BIT, 0, 1),
  FAIL (ENOSYS),
  SHUT (modify_ldt),
  SHUT (iopl),
  SHUT (ioperm),
#endif
  SHUT (io_uring_setup),
  SHUT (io_uring_enter),
  SHUT (io_uring_register),
  SHUT (userfaultfd),
  SHUT (add_key),
  SHUT (request_key),
  SHUT (keyctl),
  /* but what the agent itself does with its maps (agent-reach-kernel.c), which no program has */
  IF_NOT_SKIP (SYS_bpf, 5),
  LOAD_ARGUMENT (0),
  IF_SKIP (BPF_MAP_UPDATE_ELEM, 2),
  IF_SKIP (BPF_MAP_DELETE_ELEM, 1),
  FAIL (EPERM),
  ALLOW,
  SHUT (perf_event_open),
  SHUT (fanotify_init),
  SHUT (kexec_load),
  SHUT (kexec_file_load),
  SHUT (init_module),
  SHUT (finit_module),
  SHUT (delete_module),
  SHUT (mount),
  SHUT (umount2),
  SHUT (pivot_root),
  SHUT (open_tree),
  SHUT (move_mount),
  SHUT (fsopen),
  SHUT (fsconfig),
  SHUT (fsmount),
  SHUT (fspick),
  SHUT (mount_setattr),
  SHUT (swapon),
  SHUT (swapoff),
  SHUT (acct),
  SHUT (quotactl),
  SHUT (quotactl_fd),
  SHUT (setns),
  SHUT (open_by_handle_at),
  SHUT (lookup_dcookie),
  IF_SKIP (SYS_socket, 1),
  ALLOW,
  /* families that programs use; the others answer as a kernel without them does */
  LOAD_ARGUMENT (0),
  IF_SKIP (AF_UNIX, 4),
  IF_SKIP (AF_NETLINK, 3),
  IF_SKIP (AF_INET, 3),
  IF_SKIP (AF_INET6, 2),
  FAIL (EAFNOSUPPORT),
  ALLOW,
  LOAD_ARGUMENT (2),
  IF_NOT_SKIP (IPPROTO_MPTCP, 1),
  FAIL (EPERM),
  ALLOW,
};

/* Of this process and of all that it makes from now on. It must be allowed to (CAP_SYS_ADMIN), or
 * have given up new privileges. */
bool
berth_agent_filter_install (void)
{
  const struct sock_fprog program
      = { .len = sizeof rules / sizeof rules[0], .filter = (struct sock_filter *)rules };

  return syscall (SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == 0;
}
