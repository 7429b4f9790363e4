/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Processes that an exec left behind: they live on, nobody hears them, and they are counted. */
#pragma once

#include "agent-group.h"
#include "agent-stream.h"

#define BERTH_AGENT_LEFTOVERS_MAX 16

typedef struct _BerthAgentLeftovers BerthAgentLeftovers;

typedef struct
{
  BerthAgentLeftovers *all;
  BerthAgentGroup group; /* number 0: this place is free */
  int fds[2];
  BerthAgentOutput outputs[2];
} BerthAgentLeftover;

struct _BerthAgentLeftovers
{
  BerthAgentLoop *loop;
  BerthAgentGroups *groups;
  BerthAgentLeftover places[BERTH_AGENT_LEFTOVERS_MAX];
};

void berth_agent_leftovers_init (BerthAgentLeftovers *self, BerthAgentLoop *loop,
                                 BerthAgentGroups *groups);
void berth_agent_leftovers_take (BerthAgentLeftovers *self, BerthAgentGroup *group, int fds[2]);
void berth_agent_leftovers_check (BerthAgentLeftovers *self);
bool berth_agent_leftovers_is_empty (const BerthAgentLeftovers *self);
void berth_agent_leftovers_kill (BerthAgentLeftovers *self);
void berth_agent_leftovers_clear (BerthAgentLeftovers *self);
