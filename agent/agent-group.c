/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Finds, signals and measures the processes of an exec. */
#include "agent-group.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent-file.h"

#define GROUP_PIDS_MAX "256"
#define PROCESSES_MAX 2048u /* that are looked at where there are no cgroups */

typedef struct
{
  pid_t pid, parent, session;
  pid_t leader; /* of the command that it is of; 0: of none */
  bool ours;
} Process;

void
berth_agent_groups_init (BerthAgentGroups *self)
{
  *self = (BerthAgentGroups){ .base_fd = -1 };
}

/* Puts the groups into this folder of cgroup2, whose controllers are given to them. */
bool
berth_agent_groups_open (BerthAgentGroups *self, const char *path)
{
  static const char *const controllers[] = { "+cpu", "+memory", "+pids" };

  self->base_fd = open (path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (self->base_fd < 0)
    return false;
  for (size_t i = 0; i < sizeof controllers / sizeof controllers[0]; i++)
    berth_agent_file_write (self->base_fd, "cgroup.subtree_control", controllers[i]);
  return true;
}

void
berth_agent_groups_clear (BerthAgentGroups *self)
{
  if (self->base_fd >= 0)
    close (self->base_fd);
  self->base_fd = -1;
}

static void
group_name (const BerthAgentGroup *group, char out_name[32])
{
  snprintf (out_name, 32, "exec-%u", group->number);
}

bool
berth_agent_group_create (BerthAgentGroups *self, BerthAgentGroup *out_group)
{
  char name[32];

  *out_group = (BerthAgentGroup){ .number = ++self->last, .fd = -1 };
  if (self->base_fd < 0)
    return true;
  group_name (out_group, name);
  if (mkdirat (self->base_fd, name, 0755) != 0)
    return false;
  out_group->fd = openat (self->base_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (out_group->fd < 0)
    return false;
  /* each is missing where the kernel or the host keeps the controller to itself */
  berth_agent_file_write (out_group->fd, "pids.max", GROUP_PIDS_MAX);
  berth_agent_file_write (out_group->fd, "memory.oom.group", "1");
  return true;
}

/* Moves the calling process, a child that is about to become the exec's first. */
bool
berth_agent_group_enter (const BerthAgentGroup *group)
{
  return group->fd < 0 || berth_agent_file_write (group->fd, "cgroup.procs", "0");
}

static void
replace_leader (BerthAgentGroups *self, pid_t from, pid_t to)
{
  for (unsigned i = 0; i < BERTH_COMMANDS_MAX; i++)
    if (self->leaders[i] == from)
      {
        self->leaders[i] = to;
        return;
      }
}

/* Tells a command's processes from those of others, where no cgroup does. */
void
berth_agent_group_lead (BerthAgentGroups *self, BerthAgentGroup *group, pid_t leader)
{
  if (group->fd >= 0)
    return;
  group->leader = leader;
  replace_leader (self, 0, leader);
}

/* Moves a process, with all of its threads and without its children. */
bool
berth_agent_group_move (const BerthAgentGroup *group, pid_t pid)
{
  char text[16];

  snprintf (text, sizeof text, "%d", pid);
  return group->fd < 0 || berth_agent_file_write (group->fd, "cgroup.procs", text);
}

/* Counts CPU time from now on: loading the interpreter is not the program's. */
void
berth_agent_group_start_usage (BerthAgentGroup *group)
{
  if (group->fd >= 0)
    berth_agent_file_number (group->fd, "cpu.stat", "usage_usec ", &group->cpu_base_us);
}

/* Puts in what the kernel tells; the rest stays as it is. */
void
berth_agent_group_usage (const BerthAgentGroups *self, const BerthAgentGroup *group,
                         BerthAgentUsage *usage)
{
  uint64_t cpu_us, kills;

  if (group->fd < 0)
    return;
  if (berth_agent_file_number (group->fd, "cpu.stat", "usage_usec ", &cpu_us))
    usage->cpu_us = cpu_us - group->cpu_base_us;
  berth_agent_file_number (group->fd, "memory.peak", NULL, &usage->peak_bytes);
  usage->is_oom
      = group->number == self->starved
        || (berth_agent_file_number (group->fd, "memory.events", "oom_kill ", &kills) && kills > 0);
}

static size_t
read_processes (Process *out_processes)
{
  DIR *proc = opendir ("/proc");
  const int self = getpid ();
  struct dirent *entry;
  size_t count = 0;

  while (proc != NULL && count < PROCESSES_MAX && (entry = readdir (proc)) != NULL)
    {
      char name[64], text[512];
      const char *after;
      char state;
      int parent, session;

      if (entry->d_name[0] < '1' || entry->d_name[0] > '9')
        continue;
      snprintf (name, sizeof name, "%.20s/stat", entry->d_name);
      if (berth_agent_file_read (dirfd (proc), name, text, sizeof text) <= 0)
        continue;
      after = strrchr (text, ')');
      if (after == NULL || sscanf (after + 1, " %c %d %*d %d", &state, &parent, &session) != 3)
        continue;
      /* a dead child of the agent's own counts until it is reaped, which it is about to be */
      if (state == 'Z' && parent != self)
        continue;
      out_processes[count++]
          = (Process){ .pid = atoi (entry->d_name), .parent = parent, .session = session };
    }
  if (proc != NULL)
    closedir (proc);
  return count;
}

static bool
is_leader (const BerthAgentGroups *self, pid_t pid)
{
  for (unsigned i = 0; pid > 0 && i < BERTH_COMMANDS_MAX; i++)
    if (self->leaders[i] == pid)
      return true;
  return false;
}

static pid_t
find_leader (const BerthAgentGroups *self, const Process *processes, size_t count,
             const Process *process)
{
  if (is_leader (self, process->pid))
    return process->pid;
  if (is_leader (self, process->session))
    return process->session;
  for (size_t i = 0; i < count; i++)
    if (processes[i].pid == process->parent)
      return processes[i].leader;
  return 0;
}

static void
find_leaders (const BerthAgentGroups *self, Process *processes, size_t count)
{
  bool changed = true;

  while (changed)
    {
      changed = false;
      for (size_t i = 0; i < count; i++)
        if (processes[i].leader == 0)
          {
            processes[i].leader = find_leader (self, processes, count, &processes[i]);
            changed |= processes[i].leader != 0;
          }
    }
}

static bool
is_apart (const BerthAgentGroups *self, pid_t pid)
{
  /* 0 is a free place, and the parent of the machine's first process */
  for (int i = 0; pid > 0 && i < BERTH_AGENT_APART_MAX; i++)
    if (self->apart[i] == pid)
      return true;
  return false;
}

static bool
is_ours (const BerthAgentGroups *self, const Process *processes, size_t count, pid_t parent)
{
  if (parent == getpid () || is_apart (self, parent))
    return true;
  for (size_t i = 0; i < count; i++)
    if (processes[i].pid == parent)
      return processes[i].ours;
  return false;
}

static bool
is_helper (const BerthAgentGroups *self, pid_t pid)
{
  for (int i = 0; i < BERTH_AGENT_HELPERS_MAX; i++)
    if (self->helpers[i] == pid)
      return true;
  return self->holder == pid;
}

/* Signals everything below the agent that is of this command (0: of none) but what stands apart or
 * is its own; returns how many there were. */
static size_t
signal_descendants (const BerthAgentGroups *self, pid_t leader, int number)
{
  Process processes[PROCESSES_MAX];
  size_t count = read_processes (processes), found = 0;
  bool changed = true;

  find_leaders (self, processes, count);
  while (changed)
    {
      changed = false;
      for (size_t i = 0; i < count; i++)
        if (!processes[i].ours && processes[i].leader == leader
            && !is_apart (self, processes[i].pid) && !is_helper (self, processes[i].pid)
            && is_ours (self, processes, count, processes[i].parent))
          processes[i].ours = changed = true;
    }
  for (size_t i = 0; i < count; i++)
    if (processes[i].ours)
      {
        found++;
        if (number != 0)
          kill (processes[i].pid, number);
      }
  return found;
}

bool
berth_agent_group_is_empty (BerthAgentGroups *self, const BerthAgentGroup *group)
{
  uint64_t populated;

  if (group->number == 0)
    return true;
  if (group->fd < 0)
    return signal_descendants (self, group->leader, 0) == 0;
  return berth_agent_file_number (group->fd, "cgroup.events", "populated ", &populated)
         && populated == 0;
}

static void
signal_members (const BerthAgentGroup *group, int number)
{
  int fd = openat (group->fd, "cgroup.procs", O_RDONLY | O_CLOEXEC);
  FILE *members = fd >= 0 ? fdopen (fd, "r") : NULL;
  int pid;

  if (members == NULL)
    {
      if (fd >= 0)
        close (fd);
      return;
    }
  while (fscanf (members, "%d", &pid) == 1)
    if (pid > 0)
      kill (pid, number);
  fclose (members);
}

/* Signals each process of the group; SIGKILL leaves none, not even one being forked now. */
void
berth_agent_group_signal (BerthAgentGroups *self, const BerthAgentGroup *group, int number)
{
  if (group->number == 0)
    return;
  if (group->fd < 0)
    signal_descendants (self, group->leader, number);
  else if (number != SIGKILL || !berth_agent_file_write (group->fd, "cgroup.kill", "1"))
    signal_members (group, number);
}

/* Forgets the group if nothing is in it; else it stays and the answer is false. */
bool
berth_agent_group_remove (BerthAgentGroups *self, BerthAgentGroup *group)
{
  char name[32];

  if (group->number == 0)
    return true;
  group_name (group, name);
  if (group->fd >= 0 && unlinkat (self->base_fd, name, AT_REMOVEDIR) != 0 && errno == EBUSY)
    return false;
  if (group->fd >= 0)
    close (group->fd);
  if (group->leader != 0)
    replace_leader (self, group->leader, 0);
  *group = (BerthAgentGroup){ .fd = -1 };
  return true;
}

/* Lets go of it, even while something in it is still dying; its folder stays then. */
void
berth_agent_group_forget (BerthAgentGroups *self, BerthAgentGroup *group)
{
  if (berth_agent_group_remove (self, group))
    return;
  close (group->fd);
  *group = (BerthAgentGroup){ .fd = -1 };
}

/* Whether this process, one of the agent's own children, belongs to no exec now. */
void
berth_agent_groups_set_apart (BerthAgentGroups *self, pid_t pid, bool apart)
{
  for (int i = 0; i < BERTH_AGENT_APART_MAX; i++)
    if (self->apart[i] == (apart ? 0 : pid))
      {
        self->apart[i] = apart ? pid : 0;
        return;
      }
}

/* The group that took most memory; 0: none has any. */
static unsigned
groups_find_largest (const BerthAgentGroups *self)
{
  int fd = openat (self->base_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR *groups = fd >= 0 ? fdopendir (fd) : NULL;
  uint64_t bytes, most = 0;
  unsigned number, largest = 0;
  struct dirent *entry;
  char path[300];

  while (groups != NULL && (entry = readdir (groups)) != NULL)
    {
      snprintf (path, sizeof path, "%s/memory.current", entry->d_name);
      if (sscanf (entry->d_name, "exec-%u", &number) == 1
          && berth_agent_file_number (self->base_fd, path, NULL, &bytes) && bytes > most)
        {
          most = bytes;
          largest = number;
        }
    }
  if (groups != NULL)
    closedir (groups);
  else if (fd >= 0)
    close (fd);
  return largest;
}

/* Hardly anything is left that could be given back: what was told of the last seconds is still so.
 */
static bool
groups_lack_memory (const BerthAgentGroups *self)
{
  uint64_t max, now, inactive, active;

  return berth_agent_file_number (self->base_fd, "memory.max", NULL, &max)
         && berth_agent_file_number (self->base_fd, "memory.current", NULL, &now)
         && berth_agent_file_number (self->base_fd, "memory.stat", "inactive_file ", &inactive)
         && berth_agent_file_number (self->base_fd, "memory.stat", "active_file ", &active)
         && now > max / 8 * 7 + inactive + active;
}

/* Ends what took most memory, of this exec or left behind by another, if memory is out; for its
 * exec it is the same as if the kernel had done it. */
void
berth_agent_groups_end_starving (BerthAgentGroups *self)
{
  char path[64];

  if (!groups_lack_memory (self))
    return;
  self->starved = groups_find_largest (self);
  snprintf (path, sizeof path, "exec-%u/cgroup.kill", self->starved);
  if (self->starved != 0)
    berth_agent_file_write (self->base_fd, path, "1");
}

/* Kills whatever the agent has started; one that was being forked may need a second time. */
void
berth_agent_groups_kill_all (BerthAgentGroups *self)
{
  memset (self->apart, 0, sizeof self->apart);
  memset (self->helpers, 0, sizeof self->helpers);
  memset (self->leaders, 0, sizeof self->leaders);
  self->holder = 0;
  if (self->base_fd < 0 || !berth_agent_file_write (self->base_fd, "cgroup.kill", "1"))
    signal_descendants (self, 0, SIGKILL);
}

/* Changes what all programs together may take. */
static bool
groups_move_limit (BerthAgentGroups *self, uint64_t less, uint64_t more)
{
  uint64_t max = 0, now, inactive, active;
  char text[32];

  /* a word reads as 0: there is no limit to take from */
  if (self->base_fd < 0 || !berth_agent_file_number (self->base_fd, "memory.max", NULL, &max)
      || max == 0)
    return true;
  if (less > 0
      && (!berth_agent_file_number (self->base_fd, "memory.current", NULL, &now)
          || !berth_agent_file_number (self->base_fd, "memory.stat", "inactive_file ", &inactive)
          || !berth_agent_file_number (self->base_fd, "memory.stat", "active_file ", &active)
          || now + less > max + inactive + active))
    return false;
  snprintf (text, sizeof text, "%llu", (unsigned long long)(max + more - less));
  return berth_agent_file_write (self->base_fd, "memory.max", text);
}

/* Takes memory from the programs for what the agent keeps for them; false where they use it. */
bool
berth_agent_groups_take (BerthAgentGroups *self, uint64_t bytes)
{
  return groups_move_limit (self, bytes, 0);
}

void
berth_agent_groups_give_back (BerthAgentGroups *self, uint64_t bytes)
{
  groups_move_limit (self, 0, bytes);
}

/* What it takes just now, page cache included; 0 where nobody knows. */
uint64_t
berth_agent_group_memory (const BerthAgentGroup *group)
{
  uint64_t bytes = 0;

  if (group->number != 0 && group->fd >= 0)
    berth_agent_file_number (group->fd, "memory.current", NULL, &bytes);
  return bytes;
}
