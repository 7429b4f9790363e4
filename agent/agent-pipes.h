/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* New standard streams for an interpreter that runs already. They have names, because a path is
 * what every language can open: no descriptor has to be sent, and none is replaced from outside. */
#pragma once

#include "agent-config.h"

typedef struct
{
  char names[3][BERTH_AGENT_PIPE_NAME_MAX]; /* empty: removed */
  int fds[3];  /* the agent's ends of stdin, stdout and stderr; -1 once taken */
  int held[3]; /* both ends at once, until the interpreter has opened its own; of stdin the other */
  BerthAgentHolder *holder; /* of stdin, NULL: it is a named pipe */
  pid_t holder_pid;
  uint32_t number; /* that the holder has it by */
} BerthAgentPipes;

void berth_agent_pipes_init (BerthAgentPipes *self);
bool berth_agent_pipes_make (BerthAgentPipes *self, const BerthAgentConfig *config);
bool berth_agent_pipes_are_new (const BerthAgentPipes *self);
bool berth_agent_pipes_are_good (const BerthAgentPipes *self);
void berth_agent_pipes_settle (BerthAgentPipes *self);
void berth_agent_pipes_clear (BerthAgentPipes *self);

int
berth_agent_pipe_make (const BerthAgentConfig *config, char out_name[BERTH_AGENT_PIPE_NAME_MAX]);
