/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The interpreters that live on between the execs of a session: one for each language. */
#pragma once

#include "agent-standby.h"

typedef struct
{
  BerthAgentGroups *groups;
  BerthAgentRunner *runners[BERTH_LANGUAGE_LAST + 1]; /* idle ones of standby's; NULL: none */
} BerthAgentSessions;

void berth_agent_sessions_init (BerthAgentSessions *self, BerthAgentGroups *groups);
BerthAgentRunner *berth_agent_sessions_take (BerthAgentSessions *self, BerthLanguage language);
void berth_agent_sessions_keep (BerthAgentSessions *self, BerthAgentRunner *runner);
bool berth_agent_sessions_has (const BerthAgentSessions *self, BerthLanguage language);
unsigned berth_agent_sessions_count (const BerthAgentSessions *self, BerthLanguage language);
bool berth_agent_sessions_reaped (BerthAgentSessions *self, pid_t pid);
bool berth_agent_sessions_is_empty (const BerthAgentSessions *self);
void berth_agent_sessions_kill (BerthAgentSessions *self);
void berth_agent_sessions_clear (BerthAgentSessions *self);
