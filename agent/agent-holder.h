/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Gives a pipe without a name one that an interpreter can open: a named pipe whose writer has gone
 * would block whoever opens /dev/stdin anew, a pipe says that it has ended. */
#pragma once

#include "agent-config.h"
#include "agent-group.h"

struct _BerthAgentHolder
{
  BerthAgentGroups *groups;
  pid_t pid; /* a process of the programs' user that holds the pipes; 0: none, or reaped */
  int fd;    /* -1: it has to be started */
};

void berth_agent_holder_init (BerthAgentHolder *self, BerthAgentGroups *groups);
bool berth_agent_holder_hold (BerthAgentHolder *self, const BerthAgentConfig *config, int fd,
                              char out_name[BERTH_AGENT_PIPE_NAME_MAX], uint32_t *out_number);
void berth_agent_holder_drop (BerthAgentHolder *self, pid_t pid, uint32_t number);
bool berth_agent_holder_has (const BerthAgentHolder *self, pid_t pid);
bool berth_agent_holder_reaped (BerthAgentHolder *self, pid_t pid);
void berth_agent_holder_clear (BerthAgentHolder *self);
int berth_agent_holder_main (void);
