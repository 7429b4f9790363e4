/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Decides when an interpreter is started ahead, and who gets it. */
#include "agent-standby.h"

#include <stdio.h>
#include <sys/wait.h>

/* A broken interpreter is not started for ever; the next exec tells what is wrong with it. */
#define FAILURES_MAX 3u
#define RETRY_US (500u * 1000u)

static void
standby_end (BerthAgentStandby *self)
{
  BerthAgentRunner *runner = self->standby;

  self->standby = NULL;
  berth_agent_groups_set_apart (self->groups, runner->pid, false);
  berth_agent_runner_release (runner);
}

static BerthAgentRunner *
standby_find_free (BerthAgentStandby *self)
{
  for (unsigned i = 0; i < BERTH_AGENT_RUNNERS; i++)
    if (self->runners[i].state == BERTH_AGENT_RUNNER_NONE)
      return &self->runners[i];
  return NULL;
}

static void
standby_spawn_cb (void *data)
{
  BerthAgentStandby *self = data;
  BerthAgentRunner *runner = standby_find_free (self);

  if (self->standby != NULL || self->failures >= FAILURES_MAX || runner == NULL)
    return;
  if (!berth_agent_runner_spawn (runner, self->config, self->config->language, false, "", 0))
    {
      self->failures++;
      berth_agent_timer_arm (self->loop, &self->again, RETRY_US);
      return;
    }
  self->standby = runner;
  berth_agent_groups_set_apart (self->groups, runner->pid, true);
}

static void
runner_changed_cb (void *data, BerthAgentRunner *runner)
{
  BerthAgentStandby *self = data;

  if (runner != self->standby)
    self->calls.exec_changed (self->calls.data, runner);
  else if (runner->state == BERTH_AGENT_RUNNER_LOADED)
    {
      self->failures = 0;
      self->calls.loaded (self->calls.data);
    }
}

void
berth_agent_standby_init (BerthAgentStandby *self, BerthAgentLoop *loop, BerthAgentGroups *groups,
                          const BerthAgentConfig *config, const BerthAgentStandbyCalls *calls)
{
  *self = (BerthAgentStandby){ .loop = loop,
                               .groups = groups,
                               .config = config,
                               .calls = *calls,
                               .again = { .fire = standby_spawn_cb, .data = self } };
  for (unsigned i = 0; i < BERTH_AGENT_RUNNERS; i++)
    berth_agent_runner_init (&self->runners[i], loop, groups, runner_changed_cb, self);
}

/* Starts one after this time, unless there is one or the language has no use for it. */
void
berth_agent_standby_begin (BerthAgentStandby *self, uint64_t after_us)
{
  if (self->standby != NULL || !berth_agent_language_has_hook (self->config->language)
      || !berth_agent_language_is_here (self->config->language))
    return;
  if (after_us == 0)
    standby_spawn_cb (self);
  else
    berth_agent_timer_arm (self->loop, &self->again, after_us);
}

/* The standby if it serves, else a free runner that is to be spawned. */
BerthAgentRunner *
berth_agent_standby_take (BerthAgentStandby *self, BerthLanguage language, bool is_fresh)
{
  BerthAgentRunner *runner = self->standby;

  berth_agent_timer_disarm (self->loop, &self->again);
  if (runner != NULL && !is_fresh && runner->language == language && runner->spawn_errno == 0)
    {
      self->standby = NULL;
      berth_agent_groups_set_apart (self->groups, runner->pid, false);
      return runner;
    }
  /* there is one: the standby, the exec's and one for each language */
  return standby_find_free (self);
}

/* One that began under another identity may stand by in two VMs: its generators have the same seeds
 * there. What was loaded before the first identity is seeded by that. */
void
berth_agent_standby_renew (BerthAgentStandby *self)
{
  if (self->standby == NULL || self->standby->identities == 0
      || self->standby->identities == self->config->identities)
    return;
  berth_agent_runner_kill (self->standby);
  standby_end (self);
  berth_agent_timer_arm (self->loop, &self->again, RETRY_US);
}

/* Whether it was the standby that ended; another one is tried. */
bool
berth_agent_standby_reaped (BerthAgentStandby *self, pid_t pid, int status)
{
  if (self->standby == NULL || self->standby->pid != pid)
    return false;
  standby_end (self);
  self->failures++;
  /* on the console: a host that waits for READY finds the reason there */
  fprintf (stderr, "berth-agent: the interpreter that stands by ended: %s %d\n",
           WIFSIGNALED (status) ? "signal" : "status",
           WIFSIGNALED (status) ? WTERMSIG (status) : WEXITSTATUS (status));
  berth_agent_timer_arm (self->loop, &self->again, RETRY_US);
  return true;
}

bool
berth_agent_standby_is_loaded (const BerthAgentStandby *self)
{
  if (!berth_agent_language_has_hook (self->config->language))
    return true;
  return self->standby != NULL && self->standby->state == BERTH_AGENT_RUNNER_LOADED;
}

/* Forgets the standby, which has been killed. */
void
berth_agent_standby_clear (BerthAgentStandby *self)
{
  berth_agent_timer_disarm (self->loop, &self->again);
  if (self->standby == NULL)
    return;
  standby_end (self);
}
