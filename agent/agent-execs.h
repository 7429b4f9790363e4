/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* All execs that are under way: the one of code, and the commands beside it. */
#pragma once

#include "agent-exec.h"

#define BERTH_AGENT_EXECS_MAX (1u + BERTH_COMMANDS_MAX)

typedef struct
{
  BerthAgentExecWorld world;
  BerthAgentExec all[BERTH_AGENT_EXECS_MAX]; /* the code's, then commands */
  unsigned used;                             /* of all: those behind were never begun */
  unsigned turn;                             /* whose output goes first */
} BerthAgentExecs;

void berth_agent_execs_init (BerthAgentExecs *self, const BerthAgentExecWorld *world);
bool berth_agent_execs_begin (BerthAgentExecs *self, uint32_t request, const BerthExecHead *head,
                              const char *workdir, uint32_t workdir_size);
BerthAgentExec *berth_agent_execs_find (BerthAgentExecs *self, uint32_t request);
bool berth_agent_execs_has_code (const BerthAgentExecs *self);
bool berth_agent_execs_is_empty (const BerthAgentExecs *self);
void berth_agent_execs_runner_changed (BerthAgentExecs *self, BerthAgentRunner *runner);
bool
berth_agent_execs_reaped (BerthAgentExecs *self, pid_t pid, int status, const struct rusage *usage);
bool berth_agent_execs_came_back (BerthAgentExecs *self, int fd, pid_t pid);
void berth_agent_execs_pump (BerthAgentExecs *self);
void berth_agent_execs_hold (BerthAgentExecs *self);
void berth_agent_execs_mute (BerthAgentExecs *self);
void berth_agent_execs_outlive (BerthAgentExecs *self);
void berth_agent_execs_end (BerthAgentExecs *self);
