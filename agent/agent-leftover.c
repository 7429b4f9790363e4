/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Keeps the background processes of earlier execs from blocking on, or dying of, a closed pipe. */
#include "agent-leftover.h"

#include <signal.h>
#include <unistd.h>

static void
leftover_close (BerthAgentLeftover *place)
{
  for (int i = 0; i < 2; i++)
    {
      berth_agent_output_close (&place->outputs[i]);
      if (place->fds[i] >= 0)
        close (place->fds[i]);
      place->fds[i] = -1;
    }
}

/* Without cgroups nothing tells who is left but the pipes that they hold. */
static bool
leftover_is_over (const BerthAgentLeftovers *self, BerthAgentLeftover *place)
{
  if (place->group.fd < 0)
    return place->outputs[0].fd < 0 && place->outputs[1].fd < 0;
  return berth_agent_group_is_empty (self->groups, &place->group);
}

/* The pipes are read on while somebody has their other ends: a session's interpreter may have kept
 * one that it got in an exec, and be in none. */
static void
leftover_check (BerthAgentLeftovers *self, BerthAgentLeftover *place)
{
  if (place->outputs[0].fd < 0 && place->outputs[1].fd < 0)
    leftover_close (place);
  if (place->group.number != 0 && leftover_is_over (self, place))
    berth_agent_group_remove (self->groups, &place->group);
}

static bool
leftover_is_free (const BerthAgentLeftover *place)
{
  return place->group.number == 0 && place->fds[0] < 0 && place->fds[1] < 0;
}

static void
output_ready_cb (void *data)
{
  BerthAgentLeftover *place = data;

  /* one piece a turn: a flood that nobody reads must not take the agent's time */
  for (int i = 0; i < 2; i++)
    if (berth_agent_output_discard (&place->outputs[i]))
      berth_agent_watch_again (place->all->loop, &place->outputs[i].watch);
  leftover_check (place->all, place);
}

void
berth_agent_leftovers_init (BerthAgentLeftovers *self, BerthAgentLoop *loop,
                            BerthAgentGroups *groups)
{
  self->loop = loop;
  self->groups = groups;
  self->taken = 0;
  for (int i = 0; i < BERTH_AGENT_LEFTOVERS_MAX; i++)
    self->places[i] = (BerthAgentLeftover){ .all = self,
                                            .group = { .fd = -1 },
                                            .fds = { -1, -1 },
                                            .outputs = { { .fd = -1 }, { .fd = -1 } } };
}

/* Whether this one is to be given up before the other: pipes before processes, then by age. */
static bool
leftover_is_before (const BerthAgentLeftover *place, const BerthAgentLeftover *other)
{
  if ((place->group.number == 0) != (other->group.number == 0))
    return place->group.number == 0;
  return place->age < other->age;
}

static BerthAgentLeftover *
leftovers_find_place (BerthAgentLeftovers *self)
{
  BerthAgentLeftover *oldest = &self->places[0];

  for (int i = 0; i < BERTH_AGENT_LEFTOVERS_MAX; i++)
    {
      if (leftover_is_free (&self->places[i]))
        return &self->places[i];
      if (leftover_is_before (&self->places[i], oldest))
        oldest = &self->places[i];
    }
  /* bounded: who starts that many is heard no more, and the oldest ends */
  berth_agent_group_signal (self->groups, &oldest->group, SIGKILL);
  leftover_close (oldest);
  berth_agent_group_forget (self->groups, &oldest->group);
  return oldest;
}

/* Takes what is left of an exec, its group and its pipes. */
void
berth_agent_leftovers_take (BerthAgentLeftovers *self, BerthAgentGroup *group, int fds[2])
{
  BerthAgentLeftover *place = leftovers_find_place (self);

  place->age = ++self->taken;
  place->group = *group;
  *group = (BerthAgentGroup){ .fd = -1 };
  for (int i = 0; i < 2; i++)
    {
      place->fds[i] = fds[i];
      fds[i] = -1;
      berth_agent_output_open (&place->outputs[i], self->loop, place->fds[i],
                               BERTH_STREAM_STDOUT + (uint32_t)i, output_ready_cb, place);
    }
  output_ready_cb (place);
}

/* Lets those go that have ended; called when processes were reaped. */
void
berth_agent_leftovers_check (BerthAgentLeftovers *self)
{
  for (int i = 0; i < BERTH_AGENT_LEFTOVERS_MAX; i++)
    leftover_check (self, &self->places[i]);
}

bool
berth_agent_leftovers_is_empty (const BerthAgentLeftovers *self)
{
  for (int i = 0; i < BERTH_AGENT_LEFTOVERS_MAX; i++)
    if (self->places[i].group.number != 0)
      return false;
  return true;
}

void
berth_agent_leftovers_kill (BerthAgentLeftovers *self)
{
  for (int i = 0; i < BERTH_AGENT_LEFTOVERS_MAX; i++)
    berth_agent_group_signal (self->groups, &self->places[i].group, SIGKILL);
}

void
berth_agent_leftovers_clear (BerthAgentLeftovers *self)
{
  berth_agent_leftovers_kill (self);
  for (int i = 0; i < BERTH_AGENT_LEFTOVERS_MAX; i++)
    {
      leftover_close (&self->places[i]);
      berth_agent_group_forget (self->groups, &self->places[i].group);
    }
}
