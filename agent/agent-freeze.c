/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Stops all programs by the cgroup that they are in, and lets them go on. */
#include "agent-freeze.h"

#include "agent-file.h"

#define LOOK_EVERY_US 1000u
/* What sleeps where no signal reaches it must not keep the host waiting. */
#define LIMIT_US (2u * 1000u * 1000u)

static void
look_cb (void *data)
{
  BerthAgentFreeze *self = data;
  uint64_t frozen = 0;

  berth_agent_file_number (self->groups->base_fd, "cgroup.events", "frozen ", &frozen);
  if (frozen == 0 && berth_agent_now_us () < self->until_us)
    {
      berth_agent_timer_arm (self->loop, &self->look, LOOK_EVERY_US);
      return;
    }
  self->is_asked = false;
  self->is_frozen = true;
  if (frozen == 0)
    berth_agent_freeze_end (self);
  self->settled (self->data, self->request, frozen != 0);
}

/* @settled: all stand still, or do not in time and go on. */
void
berth_agent_freeze_init (BerthAgentFreeze *self, BerthAgentLoop *loop, BerthAgentGroups *groups,
                         void (*settled) (void *data, uint32_t request, bool is_frozen), void *data)
{
  *self = (BerthAgentFreeze){ .loop = loop,
                              .groups = groups,
                              .settled = settled,
                              .data = data,
                              .look = { .fire = look_cb, .data = self } };
}

/* False where it can't be done, and nothing is. */
bool
berth_agent_freeze_begin (BerthAgentFreeze *self, uint32_t request)
{
  if (self->groups->base_fd < 0
      || !berth_agent_file_write (self->groups->base_fd, "cgroup.freeze", "1"))
    return false;
  self->request = request;
  self->is_asked = true;
  self->until_us = berth_agent_now_us () + LIMIT_US;
  berth_agent_timer_arm (self->loop, &self->look, LOOK_EVERY_US);
  return true;
}

bool
berth_agent_freeze_is_on (const BerthAgentFreeze *self)
{
  return self->is_asked || self->is_frozen;
}

/* Also of one that has only been asked for: nobody is told of it then. */
void
berth_agent_freeze_end (BerthAgentFreeze *self)
{
  if (!berth_agent_freeze_is_on (self))
    return;
  berth_agent_timer_disarm (self->loop, &self->look);
  berth_agent_file_write (self->groups->base_fd, "cgroup.freeze", "0");
  self->is_asked = self->is_frozen = false;
}
