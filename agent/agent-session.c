/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Keeps a session's interpreters while they have nothing to do, and notices when one ends then. */
#include "agent-session.h"

void
berth_agent_sessions_init (BerthAgentSessions *self, BerthAgentGroups *groups)
{
  *self = (BerthAgentSessions){ .groups = groups };
}

/* The one of this language for the next exec, NULL if a fresh one has to begin. */
BerthAgentRunner *
berth_agent_sessions_take (BerthAgentSessions *self, BerthLanguage language)
{
  BerthAgentRunner *runner = self->runners[language];

  self->runners[language] = NULL;
  if (runner != NULL)
    berth_agent_groups_set_apart (self->groups, runner->pid, false);
  return runner;
}

/* Takes one back whose exec has ended while it lives on. */
void
berth_agent_sessions_keep (BerthAgentSessions *self, BerthAgentRunner *runner)
{
  berth_agent_runner_rest (runner);
  self->runners[runner->language] = runner;
}

bool
berth_agent_sessions_has (const BerthAgentSessions *self, BerthLanguage language)
{
  return self->runners[language] != NULL;
}

/* How many execs it has run. */
unsigned
berth_agent_sessions_count (const BerthAgentSessions *self, BerthLanguage language)
{
  return self->runners[language] != NULL ? self->runners[language]->execs : 0;
}

static void
sessions_end (BerthAgentSessions *self, BerthLanguage language)
{
  BerthAgentRunner *runner = self->runners[language];

  self->runners[language] = NULL;
  berth_agent_groups_set_apart (self->groups, runner->pid, false);
  berth_agent_runner_release (runner);
}

/* Whether it was an idle one that ended, of a signal or by a thread of its own. */
bool
berth_agent_sessions_reaped (BerthAgentSessions *self, pid_t pid)
{
  for (BerthLanguage i = BERTH_LANGUAGE_NONE; i <= BERTH_LANGUAGE_LAST; i++)
    if (self->runners[i] != NULL && self->runners[i]->pid == pid)
      {
        sessions_end (self, i);
        return true;
      }
  return false;
}

bool
berth_agent_sessions_is_empty (const BerthAgentSessions *self)
{
  for (BerthLanguage i = BERTH_LANGUAGE_NONE; i <= BERTH_LANGUAGE_LAST; i++)
    if (self->runners[i] != NULL)
      return false;
  return true;
}

void
berth_agent_sessions_kill (BerthAgentSessions *self)
{
  for (BerthLanguage i = BERTH_LANGUAGE_NONE; i <= BERTH_LANGUAGE_LAST; i++)
    if (self->runners[i] != NULL)
      berth_agent_runner_kill (self->runners[i]);
}

/* Forgets all; they have been killed. */
void
berth_agent_sessions_clear (BerthAgentSessions *self)
{
  for (BerthLanguage i = BERTH_LANGUAGE_NONE; i <= BERTH_LANGUAGE_LAST; i++)
    if (self->runners[i] != NULL)
      sessions_end (self, i);
}
