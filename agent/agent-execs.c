/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Decides whether an exec may begin, and whose turn it is to send. */
#include "agent-execs.h"

#include "agent-background.h"

/* A place that no exec has had yet is not touched: in a guest that is memory of every clone's. */
void
berth_agent_execs_init (BerthAgentExecs *self, const BerthAgentExecWorld *world)
{
  self->world = *world;
  self->used = 1;
  self->turn = 0;
  berth_agent_exec_init (&self->all[0], world);
}

static BerthAgentExec *
execs_find_place (BerthAgentExecs *self)
{
  for (unsigned i = 1; i < self->used; i++)
    if (self->all[i].phase == BERTH_AGENT_EXEC_NONE)
      return &self->all[i];
  if (self->used == BERTH_AGENT_EXECS_MAX)
    return NULL;
  berth_agent_exec_init (&self->all[self->used], &self->world);
  return &self->all[self->used++];
}

/* False: there is no place for it; nothing is said then. */
bool
berth_agent_execs_begin (BerthAgentExecs *self, uint32_t request, const BerthExecHead *head,
                         const char *workdir, uint32_t workdir_size)
{
  BerthAgentExec *place
      = head->flags & BERTH_EXEC_COMMAND ? execs_find_place (self) : &self->all[0];

  return place != NULL && berth_agent_exec_begin (place, request, head, workdir, workdir_size);
}

/* The one that this connection asked for by this id; NULL: it has ended. */
BerthAgentExec *
berth_agent_execs_find (BerthAgentExecs *self, uint32_t request)
{
  for (unsigned i = 0; i < self->used; i++)
    if (self->all[i].phase != BERTH_AGENT_EXEC_NONE && self->all[i].is_heard
        && self->all[i].request == request)
      return &self->all[i];
  return NULL;
}

bool
berth_agent_execs_has_code (const BerthAgentExecs *self)
{
  return self->all[0].phase != BERTH_AGENT_EXEC_NONE;
}

bool
berth_agent_execs_is_empty (const BerthAgentExecs *self)
{
  for (unsigned i = 0; i < self->used; i++)
    if (self->all[i].phase != BERTH_AGENT_EXEC_NONE)
      return false;
  return true;
}

/* Of one of standby's; a command hears from its own itself. */
void
berth_agent_execs_runner_changed (BerthAgentExecs *self, BerthAgentRunner *runner)
{
  berth_agent_exec_runner_changed (&self->all[0], runner);
}

/* Whether the process was the first of one of them. */
bool
berth_agent_execs_reaped (BerthAgentExecs *self, pid_t pid, int status, const struct rusage *usage)
{
  for (unsigned i = 0; i < self->used; i++)
    if (berth_agent_exec_reaped (&self->all[i], pid, status, usage))
      return true;
  return false;
}

/* Gives the session's interpreter another channel, if the process is that and code runs in it. */
bool
berth_agent_execs_came_back (BerthAgentExecs *self, int fd, pid_t pid)
{
  BerthAgentRunner *runner = self->all[0].runner;

  return runner != NULL && berth_agent_runner_come_back (runner, fd, pid);
}

/* Each time another one comes first: there may be room for one frame only. */
void
berth_agent_execs_pump (BerthAgentExecs *self)
{
  self->turn = (self->turn + 1) % self->used;
  for (unsigned i = 0; i < self->used; i++)
    {
      BerthAgentExec *exec = &self->all[(self->turn + i) % self->used];

      berth_agent_exec_pump (exec);
      berth_agent_exec_check (exec);
    }
}

void
berth_agent_execs_hold (BerthAgentExecs *self)
{
  for (unsigned i = 0; i < self->used; i++)
    berth_agent_exec_hold (&self->all[i]);
}

/* Of a host that is not there any more. Code goes on, for the state that it makes, and so does what
 * has begun in the background; another command's end is all that it has to tell, and its place is
 * the next one's. What was to begin in the background has no number that a list could show. */
void
berth_agent_execs_mute (BerthAgentExecs *self)
{
  for (unsigned i = 0; i < self->used; i++)
    {
      const BerthAgentRecord *record = self->all[i].record;

      if (record != NULL ? record->number != 0 : i == 0)
        berth_agent_exec_mute (&self->all[i]);
      else
        berth_agent_exec_end (&self->all[i]);
    }
}

/* Of the guest that this one is a copy of: all goes on. */
void
berth_agent_execs_outlive (BerthAgentExecs *self)
{
  for (unsigned i = 0; i < self->used; i++)
    berth_agent_exec_outlive (&self->all[i]);
}

void
berth_agent_execs_end (BerthAgentExecs *self)
{
  for (unsigned i = 0; i < self->used; i++)
    berth_agent_exec_end (&self->all[i]);
}
