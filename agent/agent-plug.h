/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A network card that is plugged in while the guest runs: it gets an address of its network, by
 * DHCP, and keeps it. */
#pragma once

#include "agent-dhcp.h"
#include "agent-loop.h"

/* @address: in the order of this machine; 0: it has none, and @problem says why */
typedef void (*BerthAgentPlugFunc) (void *data, uint32_t request, uint32_t address,
                                    const char *problem);

typedef enum
{
  BERTH_AGENT_PLUG_OUT,
  BERTH_AGENT_PLUG_DEVICE, /* it is not there yet */
  BERTH_AGENT_PLUG_ASKING,
  BERTH_AGENT_PLUG_TAKING, /* what was offered */
  BERTH_AGENT_PLUG_BOUND,
} BerthAgentPlugState;

/* All zero but for what berth_agent_plug_init() sets. */
typedef struct
{
  BerthAgentLoop *loop;
  int root_fd; /* of a guest: resolv.conf is below it */
  BerthAgentPlugFunc done;
  void *data;
  BerthAgentPlugState state;
  bool is_asked; /* who asked has no answer yet */
  uint32_t request;
  uint8_t mac[6];
  uint64_t deadline_us;
  uint64_t expires_us; /* of the lease, by the clock of the wall */
  uint32_t number;     /* of what is asked */
  unsigned tries;
  BerthAgentLease lease;
  BerthAgentTimer timer;
  BerthAgentWatch watch;
} BerthAgentPlug;

void berth_agent_plug_init (BerthAgentPlug *self, BerthAgentLoop *loop, int root_fd,
                            BerthAgentPlugFunc done, void *data);
void berth_agent_plug_clear (BerthAgentPlug *self);
/* The guest may have stood still, for longer than its network lets it have the address. */
void berth_agent_plug_clock_was_set (BerthAgentPlug *self);
/* One with the address @mac comes; once. False: there is one already, or @mac is none. */
bool berth_agent_plug_begin (BerthAgentPlug *self, uint32_t request, const uint8_t mac[6]);
