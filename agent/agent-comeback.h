/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where an interpreter of a session finds the agent again whose program has closed the descriptor
 * of its channel. The kernel tells which process comes; nothing that it could say makes it another.
 */
#pragma once

#include <sys/types.h>

#include "agent-config.h"
#include "agent-loop.h"

typedef struct
{
  BerthAgentLoop *loop;
  BerthAgentWatch listen;
  char name[BERTH_AGENT_COMEBACK_NAME_MAX]; /* abstract, without its NUL; empty: there is none */
  /* takes a connected socket of this process; false: it wants none of it */
  bool (*came) (void *data, int fd, pid_t pid);
  void *data;
} BerthAgentComeback;

void berth_agent_comeback_init (BerthAgentComeback *self, BerthAgentLoop *loop,
                                bool (*came) (void *data, int fd, pid_t pid), void *data);
void berth_agent_comeback_clear (BerthAgentComeback *self);
