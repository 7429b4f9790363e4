/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Shuts what programs don't need, once all that the agent needs is open. */
#include "agent-lockdown.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "agent-config.h"
#include "agent-file.h"

#define RESERVE_DEFAULT_MB 8u
#define ALL_PIDS_MAX "1024"

/* Makes a /dev with nothing but what every program may use: the kernel's own devtmpfs, with disks
 * and ports, is in no program's reach then, whatever the modes of its nodes are. */
bool
berth_agent_lockdown_devices (const char *dev)
{
  static const struct
  {
    const char *name;
    unsigned major, minor;
  } nodes[] = {
    { "null", 1, 3 }, { "zero", 1, 5 },   { "full", 1, 7 },
    { "tty", 5, 0 },  { "random", 1, 8 }, { "urandom", 1, 9 },
  };
  static const struct
  {
    const char *name, *target;
  } links[] = {
    { "fd", "/proc/self/fd" },       { "stdin", "/proc/self/fd/0" },
    { "stdout", "/proc/self/fd/1" }, { "stderr", "/proc/self/fd/2" },
    { "ptmx", "pts/ptmx" },
  };
  int fd;
  bool ok = mount ("dev", dev, "tmpfs", MS_NOSUID | MS_NOEXEC, "mode=0755,size=64k") == 0;

  fd = open (dev, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  ok = ok && fd >= 0;
  for (size_t i = 0; ok && i < sizeof nodes / sizeof nodes[0]; i++)
    ok = mknodat (fd, nodes[i].name, S_IFCHR | 0666, makedev (nodes[i].major, nodes[i].minor)) == 0
         && fchmodat (fd, nodes[i].name, 0666, 0) == 0;
  for (size_t i = 0; ok && i < sizeof links / sizeof links[0]; i++)
    ok = symlinkat (links[i].target, fd, links[i].name) == 0;
  ok = ok && mkdirat (fd, "pts", 0755) == 0 && mkdirat (fd, "shm", 0755) == 0;
  if (fd >= 0)
    close (fd);
  return ok;
}

/* Each is written where the kernel has it; modules are shut last of all. */
void
berth_agent_lockdown_kernel (void)
{
  static const struct
  {
    const char *name, *value;
  } settings[] = {
    { "kernel/core_pattern", "core" },
    { "fs/suid_dumpable", "0" },
    { "kernel/dmesg_restrict", "1" },
    { "kernel/kptr_restrict", "2" },
    { "kernel/printk", "4" }, /* a boot that was told aloud is over */
    { "kernel/sysrq", "0" },
    { "kernel/perf_event_paranoid", "3" },
    { "kernel/unprivileged_bpf_disabled", "1" },
    { "kernel/unprivileged_userns_clone", "0" },
    { "kernel/yama/ptrace_scope", "2" },
    { "kernel/io_uring_disabled", "2" },
    { "kernel/kexec_load_disabled", "1" },
    { "kernel/panic_on_oops", "1" },
    /* what else outlives its maker takes memory from the next exec */
    { "kernel/shm_rmid_forced", "1" },
    { "kernel/msgmni", "32" },
    { "kernel/sem", "250 1024 32 16" },
    { "user/max_user_namespaces", "0" },
    { "vm/unprivileged_userfaultfd", "0" },
    { "vm/overcommit_memory", "0" },
    { "net/core/bpf_jit_harden", "2" },
    { "dev/tty/ldisc_autoload", "0" },
    { "fs/protected_hardlinks", "1" },
    { "fs/protected_symlinks", "1" },
    { "fs/protected_fifos", "2" },
    { "fs/protected_regular", "2" },
    { "fs/pipe-max-size", "65536" },
    { "kernel/modules_disabled", "1" },
  };
  int fd = open ("/proc/sys", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

  for (size_t i = 0; fd >= 0 && i < sizeof settings / sizeof settings[0]; i++)
    berth_agent_file_write (fd, settings[i].name, settings[i].value);
  if (fd >= 0)
    close (fd);
}

/* What tells of the kernel and its machine, and serves no program. */
static void
close_proc_files (void)
{
  static const char *const names[]
      = { "acpi",       "asound",   "buddyinfo", "bus",           "config.gz",   "consoles",
          "crypto",     "dma",      "driver",    "dynamic_debug", "execdomains", "fb",
          "interrupts", "iomem",    "ioports",   "irq",           "kallsyms",    "kcore",
          "key-users",  "keys",     "kmsg",      "kpagecgroup",   "kpagecount",  "kpageflags",
          "misc",       "modules",  "mtrr",      "pagetypeinfo",  "sched_debug", "schedstat",
          "scsi",       "slabinfo", "softirqs",  "sysrq-trigger", "timer_list",  "vmallocinfo",
          "zoneinfo" };
  int fd = open ("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

  for (size_t i = 0; fd >= 0 && i < sizeof names / sizeof names[0]; i++)
    fchmodat (fd, names[i], 0, 0);
  if (fd >= 0)
    close (fd);
}

static bool
make_read_only (const char *path, unsigned long flags)
{
  return mount (NULL, path, NULL, MS_BIND | MS_REMOUNT | MS_RDONLY | flags, NULL) == 0;
}

/* Makes the system and the kernel's settings read-only, whoever a program becomes. The agent's own
 * way to the root, for what a clone is called: a descriptor; -1 when it could not be done. */
int
berth_agent_lockdown_files (void)
{
  const unsigned long flags = MS_NOSUID | MS_NODEV;
  int root = (int)syscall (SYS_open_tree, AT_FDCWD, "/", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);

  close_proc_files ();
  if (root >= 0 && mount ("/proc/sys", "/proc/sys", NULL, MS_BIND, NULL) == 0
      && make_read_only ("/proc/sys", flags | MS_NOEXEC) && make_read_only ("/", flags))
    return root;
  berth_agent_file_close (&root);
  return -1;
}

static bool
set_memory_max (int fd, unsigned reserve_mb)
{
  uint64_t available_kb, reserve_kb = 1024u * (reserve_mb > 0 ? reserve_mb : RESERVE_DEFAULT_MB);
  char text[32];

  if (!berth_agent_file_number (AT_FDCWD, "/proc/meminfo", "MemAvailable:", &available_kb)
      || available_kb <= reserve_kb)
    return false;
  snprintf (text, sizeof text, "%llu", (unsigned long long)(available_kb - reserve_kb) * 1024);
  return berth_agent_file_write (fd, "memory.max", text);
}

/* Makes the cgroup that all programs are in: what they can take leaves the agent enough to live. */
bool
berth_agent_lockdown_groups (unsigned reserve_mb)
{
  static const char *const controllers[] = { "+cpu", "+memory", "+pids" };
  const unsigned long flags = MS_NOSUID | MS_NODEV | MS_NOEXEC;
  int root, fd;
  bool ok;

  /* favordynmods: a process is moved into its exec's group and out of it each time, and would wait
   * for a grace period of RCU each time; kernels before 6.0 don't know it */
  if (mount ("cgroup2", "/sys/fs/cgroup", "cgroup2", flags, "favordynmods") != 0
      && mount ("cgroup2", "/sys/fs/cgroup", "cgroup2", flags, NULL) != 0)
    return false;
  root = open ("/sys/fs/cgroup", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  ok = root >= 0;
  for (size_t i = 0; ok && i < sizeof controllers / sizeof controllers[0]; i++)
    ok = berth_agent_file_write (root, "cgroup.subtree_control", controllers[i]);
  ok = ok && mkdir (BERTH_AGENT_CGROUP, 0755) == 0;
  fd = ok ? open (BERTH_AGENT_CGROUP, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
  ok = fd >= 0 && berth_agent_file_write (fd, "pids.max", ALL_PIDS_MAX)
       && set_memory_max (fd, reserve_mb);
  /* the agent answers while programs take all the CPU time that there is */
  setpriority (PRIO_PROCESS, 0, -20);
  berth_agent_file_write (AT_FDCWD, "/proc/self/oom_score_adj", "-1000");
  if (fd >= 0)
    close (fd);
  if (root >= 0)
    close (root);
  return ok;
}

static bool
append_line (const char *path, const char *key, const char *line)
{
  char text[8192];
  ssize_t size = berth_agent_file_read (AT_FDCWD, path, text, sizeof text);
  int fd;
  bool ok;

  if (size >= 0 && strstr (text, key) != NULL)
    return true;
  fd = open (path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
  /* an image's own file may lack the end of its last line */
  ok = fd >= 0 && (size <= 0 || text[size - 1] == '\n' || write (fd, "\n", 1) == 1)
       && write (fd, line, strlen (line)) == (ssize_t)strlen (line);
  if (fd >= 0)
    close (fd);
  return ok;
}

/* Gives the programs' uid a name, where the base layer has none for it. */
bool
berth_agent_lockdown_user (uid_t uid, gid_t gid)
{
  char user[32], group[32], line[96];

  snprintf (user, sizeof user, ":%u:%u:", uid, gid);
  snprintf (line, sizeof line, BERTH_AGENT_USER ":x%s:" BERTH_AGENT_HOME ":/bin/bash\n", user);
  if (!append_line ("/etc/passwd", user, line))
    return false;
  snprintf (group, sizeof group, ":x:%u:", gid);
  snprintf (line, sizeof line, BERTH_AGENT_USER "%s\n", group);
  return append_line ("/etc/group", group, line);
}

/* The only network there is. */
void
berth_agent_lockdown_loopback (void)
{
  struct ifreq request = { .ifr_name = "lo" };
  int fd = socket (AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

  if (fd < 0)
    return;
  if (ioctl (fd, SIOCGIFFLAGS, &request) == 0)
    {
      request.ifr_flags |= IFF_UP;
      ioctl (fd, SIOCSIFFLAGS, &request);
    }
  close (fd);
}
