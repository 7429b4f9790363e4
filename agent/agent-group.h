/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* All processes of one exec, whatever session or group they made themselves: found, signalled,
 * measured and ended as one. A cgroup where there is one; else, in tests on a host, what descends
 * from a command's first process or is of its session, and of all else that descends from the agent
 * what does not stand apart. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "berth-protocol.h"

#define BERTH_AGENT_APART_MAX 5
#define BERTH_AGENT_HELPERS_MAX 4

typedef struct
{
  int base_fd; /* a folder in cgroup2 that the agent may write; -1: none */
  unsigned last;
  unsigned starved; /* number of the group that was ended for want of memory; 0: none was */
  /* without cgroups: interpreters that belong to no exec now; 0: a free place */
  pid_t apart[BERTH_AGENT_APART_MAX];
  pid_t helpers[BERTH_AGENT_HELPERS_MAX]; /* the agent's own, see agent-transfer.h; 0: none */
  pid_t holder;                           /* likewise, see agent-holder.h */
  pid_t leaders[BERTH_COMMANDS_MAX]; /* without cgroups: first processes of commands; 0: none */
} BerthAgentGroups;

typedef struct
{
  unsigned number; /* 0: no group */
  int fd;          /* its folder; -1 without cgroups */
  pid_t leader;    /* of a command without cgroups: its first process, else 0 */
  uint64_t cpu_base_us;
} BerthAgentGroup;

typedef struct
{
  uint64_t cpu_us;
  uint64_t peak_bytes;
  bool is_oom; /* something of it was ended because memory ran out */
} BerthAgentUsage;

void berth_agent_groups_init (BerthAgentGroups *self);
bool berth_agent_groups_open (BerthAgentGroups *self, const char *path);
void berth_agent_groups_clear (BerthAgentGroups *self);

void berth_agent_groups_set_apart (BerthAgentGroups *self, pid_t pid, bool apart);
void berth_agent_groups_kill_all (BerthAgentGroups *self);
void berth_agent_groups_end_starving (BerthAgentGroups *self);
bool berth_agent_groups_take (BerthAgentGroups *self, uint64_t bytes);
void berth_agent_groups_give_back (BerthAgentGroups *self, uint64_t bytes);

bool berth_agent_group_create (BerthAgentGroups *self, BerthAgentGroup *out_group);
bool berth_agent_group_enter (const BerthAgentGroup *group);
void berth_agent_group_lead (BerthAgentGroups *self, BerthAgentGroup *group, pid_t leader);
bool berth_agent_group_move (const BerthAgentGroup *group, pid_t pid);
void berth_agent_group_start_usage (BerthAgentGroup *group);
void berth_agent_group_usage (const BerthAgentGroups *self, const BerthAgentGroup *group,
                              BerthAgentUsage *usage);
uint64_t berth_agent_group_memory (const BerthAgentGroup *group);
bool berth_agent_group_is_empty (BerthAgentGroups *self, const BerthAgentGroup *group);
void berth_agent_group_signal (BerthAgentGroups *self, const BerthAgentGroup *group, int number);
bool berth_agent_group_remove (BerthAgentGroups *self, BerthAgentGroup *group);
void berth_agent_group_forget (BerthAgentGroups *self, BerthAgentGroup *group);
