/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Processes that an exec left behind: they live on, nobody hears them, and they are counted. And
 * pipes of an exec that a session's interpreter has kept: who writes to one is not told that it is
 * closed. */
#pragma once

#include "agent-group.h"
#include "agent-stream.h"

#define BERTH_AGENT_LEFTOVERS_MAX 16

typedef struct _BerthAgentLeftovers BerthAgentLeftovers;

typedef struct
{
  BerthAgentLeftovers *all;
  uint64_t age;          /* the higher the younger */
  BerthAgentGroup group; /* number 0: its processes have ended */
  int fds[2];
  BerthAgentOutput outputs[2];
} BerthAgentLeftover;

struct _BerthAgentLeftovers
{
  BerthAgentLoop *loop;
  BerthAgentGroups *groups;
  uint64_t taken;
  BerthAgentLeftover places[BERTH_AGENT_LEFTOVERS_MAX];
};

void berth_agent_leftovers_init (BerthAgentLeftovers *self, BerthAgentLoop *loop,
                                 BerthAgentGroups *groups);
void berth_agent_leftovers_take (BerthAgentLeftovers *self, BerthAgentGroup *group, int fds[2]);
void berth_agent_leftovers_check (BerthAgentLeftovers *self);
bool berth_agent_leftovers_is_empty (const BerthAgentLeftovers *self);
void berth_agent_leftovers_kill (BerthAgentLeftovers *self);
void berth_agent_leftovers_clear (BerthAgentLeftovers *self);
