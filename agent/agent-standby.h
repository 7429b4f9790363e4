/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Keeps an interpreter of the guest's own language loaded ahead of the next exec. */
#pragma once

#include "agent-runner.h"

#define BERTH_AGENT_RUNNERS (2 + BERTH_LANGUAGE_LAST)

typedef struct
{
  void (*loaded) (void *data); /* the standby has loaded all that it wants to */
  void (*exec_changed) (void *data, BerthAgentRunner *runner); /* the one that was taken */
  void *data;
} BerthAgentStandbyCalls;

typedef struct
{
  BerthAgentLoop *loop;
  BerthAgentGroups *groups;
  const BerthAgentConfig *config;
  BerthAgentStandbyCalls calls;
  BerthAgentTimer again;
  unsigned failures;         /* in a row */
  BerthAgentRunner *standby; /* one of runners, or NULL */
  /* the standby, the exec's, and those of sessions that are idle; they change places */
  BerthAgentRunner runners[BERTH_AGENT_RUNNERS];
} BerthAgentStandby;

void
berth_agent_standby_init (BerthAgentStandby *self, BerthAgentLoop *loop, BerthAgentGroups *groups,
                          const BerthAgentConfig *config, const BerthAgentStandbyCalls *calls);
void berth_agent_standby_begin (BerthAgentStandby *self, uint64_t after_us);
BerthAgentRunner *
berth_agent_standby_take (BerthAgentStandby *self, BerthLanguage language, bool is_fresh);
void berth_agent_standby_renew (BerthAgentStandby *self);
bool berth_agent_standby_reaped (BerthAgentStandby *self, pid_t pid, int status);
bool berth_agent_standby_is_loaded (const BerthAgentStandby *self);
void berth_agent_standby_clear (BerthAgentStandby *self);
