/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Makes a clone somebody of its own: random numbers, clock, name. */
#pragma once

#include "agent-config.h"

/* What the clock is to show again; 0: it is not hidden. */
typedef struct
{
  int64_t ahead_ns; /* of the time since boot */
} BerthAgentClock;

/* What this guest is called now. */
typedef struct
{
  char hostname[64];
  uint8_t machine_id[16];
} BerthAgentName;

void berth_agent_identity_hide_clock (void);
void berth_agent_identity_hide_clock_for (BerthAgentClock *clock);
void berth_agent_identity_show_clock (BerthAgentClock *clock);
void berth_agent_identity_assume_entropy (void);
bool berth_agent_identity_set_clock (uint64_t realtime_ns);
bool berth_agent_identity_is_for_clock (const BerthIdentity *identity);
bool berth_agent_identity_set (const BerthAgentConfig *config, const BerthIdentity *identity,
                               BerthAgentName *current, BerthIdentityDone *out_done);
