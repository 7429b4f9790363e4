/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The agent: answers the host's frames and reaps processes, in one loop. */
#pragma once

#include "agent-comeback.h"
#include "agent-execs.h"
#include "agent-freeze.h"
#include "agent-identity.h"
#include "agent-holder.h"
#include "agent-link.h"
#include "agent-pressure.h"
#include "agent-plug.h"
#include "agent-reach.h"
#include "agent-transfer.h"

typedef struct
{
  BerthAgentConfig config;
  BerthAgentName name;
  BerthAgentLoop loop;
  BerthAgentChannel channel;
  BerthAgentGroups groups;
  BerthAgentHolder holder;
  BerthAgentComeback comeback;
  BerthAgentFreeze freeze;
  BerthAgentPressure pressure;
  BerthAgentStandby standby;
  BerthAgentSessions sessions;
  BerthAgentLeftovers leftovers;
  BerthAgentExecs execs;
  BerthAgentBackground background;
  BerthAgentTransfers transfers;
  BerthAgentLinks links;
  BerthAgentReach reach;
  BerthAgentPlug plug;
  unsigned turn; /* whose data goes first when the channel is free */
  BerthAgentWatch signals;
  BerthAgentTimer reset_limit;
  bool is_talking;   /* a HELLO was answered and no rule broken since */
  bool is_resetting; /* hello waits until what it ends is gone */
  uint32_t hello_request;
  BerthHello hello;
  uint32_t languages;
  uint64_t boot_us, ready_us;
} BerthAgent;

bool berth_agent_init (BerthAgent *self, const BerthAgentConfig *config);
void berth_agent_run (BerthAgent *self);
void berth_agent_clear (BerthAgent *self);
