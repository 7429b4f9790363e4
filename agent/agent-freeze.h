/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* All programs of the guest stand still, so that its memory is of one moment and nothing is on its
 * way to the host or back, see berth-protocol.h, Freezing. */
#pragma once

#include "agent-group.h"
#include "agent-loop.h"

typedef struct
{
  BerthAgentLoop *loop;
  BerthAgentGroups *groups;
  void (*settled) (void *data, uint32_t request, bool is_frozen);
  void *data;
  BerthAgentTimer look;
  uint64_t until_us;
  uint32_t request;
  bool is_asked;  /* not all stand still yet */
  bool is_frozen; /* until berth_agent_freeze_end() */
} BerthAgentFreeze;

void
berth_agent_freeze_init (BerthAgentFreeze *self, BerthAgentLoop *loop, BerthAgentGroups *groups,
                         void (*settled) (void *data, uint32_t request, bool is_frozen),
                         void *data);
bool berth_agent_freeze_begin (BerthAgentFreeze *self, uint32_t request);
bool berth_agent_freeze_is_on (const BerthAgentFreeze *self);
void berth_agent_freeze_end (BerthAgentFreeze *self);
