/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Turns a fork of the agent into an unprivileged program. */
#include "agent-child.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent-command.h"
#include "agent-file.h"
#include "agent-terminal.h"

/* Above those that the child ends up with, so that none is overwritten before it is moved. */
#define FD_ASIDE 16
/* More likely ended by the kernel than anything of the agent when memory runs out. */
#define OOM_SCORE "500"

static bool
move_fds (const BerthAgentChild *child)
{
  int aside[4];

  for (int i = 0; i < 4; i++)
    {
      aside[i] = fcntl (child->fds[i], F_DUPFD_CLOEXEC, FD_ASIDE);
      if (aside[i] < 0)
        return false;
    }
  for (int i = 0; i < 4; i++)
    if (dup2 (aside[i], i) < 0)
      return false;
  if (!child->keeps_control && fcntl (BERTH_AGENT_CONTROL_FD, F_SETFD, FD_CLOEXEC) != 0)
    return false;
  return close_range (BERTH_AGENT_CONTROL_FD + 1, ~0u, 0) == 0;
}

static void
reset_signals (void)
{
  struct sigaction action = { .sa_handler = SIG_DFL };
  sigset_t none;

  for (int number = 1; number < NSIG; number++)
    sigaction (number, &action, NULL);
  sigemptyset (&none);
  sigprocmask (SIG_SETMASK, &none, NULL);
}

static bool
set_limits (void)
{
  static const struct
  {
    int resource;
    rlim_t soft, hard;
  } limits[] = {
    { RLIMIT_CORE, 0, 0 },
    { RLIMIT_NOFILE, 1024, 4096 },
    { RLIMIT_NPROC, 512, 512 },
    { RLIMIT_MEMLOCK, 65536, 65536 },
    { RLIMIT_STACK, 8u << 20, RLIM_INFINITY },
    { RLIMIT_RTPRIO, 0, 0 },
    { RLIMIT_NICE, 0, 0 },
  };

  for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++)
    {
      struct rlimit limit = { limits[i].soft, limits[i].hard };

      if (setrlimit ((__rlimit_resource_t)limits[i].resource, &limit) != 0)
        return false;
    }
  return true;
}

/* No capability now, none by executing anything, no way back. */
static bool
drop_privileges (const BerthAgentConfig *config)
{
  struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
  struct __user_cap_data_struct none[2] = { { 0 } };

  /* the first number that is unknown ends the list, whatever the kernel's last one is */
  for (unsigned long cap = 0; cap < 64; cap++)
    if (prctl (PR_CAPBSET_DROP, cap, 0, 0, 0) != 0 && (errno != EINVAL || cap == 0))
      return false;
  return prctl (PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) == 0
         && prctl (PR_SET_SECUREBITS, SECBIT_NOROOT | SECBIT_NOROOT_LOCKED
                                          | SECBIT_NO_SETUID_FIXUP_LOCKED | SECBIT_KEEP_CAPS_LOCKED
                                          | SECBIT_NO_CAP_AMBIENT_RAISE
                                          | SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED)
                == 0
         && setgroups (0, NULL) == 0 && setresgid (config->gid, config->gid, config->gid) == 0
         && setresuid (config->uid, config->uid, config->uid) == 0
         && syscall (SYS_capset, &header, none) == 0;
}

/* What the agent has and no program needs; of a test's agent on a host, there is nothing. */
static bool
give_up_rights (const BerthAgentConfig *config)
{
  return (!config->is_init || (set_limits () && drop_privileges (config)))
         && prctl (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0;
}

static bool
become_program (const BerthAgentChild *child)
{
  setsid ();
  reset_signals ();
  umask (022);
  if (!berth_agent_group_enter (child->group) || !move_fds (child)
      || (child->has_terminal && !berth_agent_terminal_control (STDIN_FILENO)))
    return false;
  berth_agent_file_write (AT_FDCWD, "/proc/self/oom_score_adj", OOM_SCORE);
  if (child->config->is_init)
    setpriority (PRIO_PROCESS, 0, 0);
  /* a builder's steps unpack packages and mount what they are unpacked into */
  if (!child->config->is_builder && !give_up_rights (child->config))
    return false;
  return chdir (child->workdir) == 0;
}

/* For a fork that executes nothing: takes the same from it, in a guest, a builder's too. */
bool
berth_agent_child_confine (const BerthAgentConfig *config)
{
  setsid ();
  reset_signals ();
  umask (022);
  if (config->is_init)
    setpriority (PRIO_PROCESS, 0, 0);
  return give_up_rights (config);
}

/* Never returns; a failure is told over the control descriptor, but that a command can't be run is
 * its own end. */
void
berth_agent_child_run (const BerthAgentChild *child)
{
  char report[2] = { BERTH_AGENT_CONTROL_FAILED, 0 };
  int control = fcntl (child->fds[3], F_DUPFD_CLOEXEC, FD_ASIDE);

  if (become_program (child))
    {
      control = BERTH_AGENT_CONTROL_FD;
      if (child->command->program == NULL)
        berth_agent_command_execute (child->command->argv, child->command->envp);
      execve (child->command->program, child->command->argv, child->command->envp);
    }
  report[1] = (char)errno;
  if (write (control, report, sizeof report) != sizeof report)
    _exit (126);
  _exit (127);
}
