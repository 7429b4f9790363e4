/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What happens between fork and exec: a process gives up all that the agent has. */
#pragma once

#include "agent-group.h"
#include "agent-language.h"

#define BERTH_AGENT_CONTROL_FD 3

/* Bytes that come over the control descriptor from the child. */
#define BERTH_AGENT_CONTROL_ACCEPTS 'r' /* a message may be sent */
#define BERTH_AGENT_CONTROL_LOADED 'R'  /* and all that it wants to load is loaded */
#define BERTH_AGENT_CONTROL_FAILED 'E'  /* then one byte, errno */
/* of a session, a kind, the exec's token (u32) and a byte: */
#define BERTH_AGENT_CONTROL_OPENED 'o' /* the streams are open; nothing */
#define BERTH_AGENT_CONTROL_DONE 'd'   /* the exec has ended; its status */
#define BERTH_AGENT_CONTROL_CLOCK                                                                  \
  'h' /* it seeds itself again: hide the clock (1), or show it (0) */
#define BERTH_AGENT_CONTROL_REPORT_SIZE 6

typedef struct
{
  const BerthAgentConfig *config;
  const BerthAgentCommand *command;
  const BerthAgentGroup *group;
  const char *workdir; /* where it starts */
  int fds[4];          /* become 0, 1, 2 and the control descriptor */
  bool keeps_control;
  bool has_terminal; /* the first three are that */
} BerthAgentChild;

void berth_agent_child_run (const BerthAgentChild *child) __attribute__ ((noreturn));
bool berth_agent_child_confine (const BerthAgentConfig *config);
