/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Out of memory, where the kernel does not say so: a program that takes it piece by piece lives for
 * minutes on pages of code that are given back and read again, and nothing else gets on. */
#pragma once

#include "agent-group.h"
#include "agent-loop.h"

typedef struct
{
  BerthAgentWatch watch;
  BerthAgentGroups *groups;
} BerthAgentPressure;

void berth_agent_pressure_watch (BerthAgentPressure *self, BerthAgentLoop *loop,
                                 BerthAgentGroups *groups);
