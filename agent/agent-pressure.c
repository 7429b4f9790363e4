/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Has the kernel tell when programs do nothing but wait for memory, and ends the greediest exec. */
#include "agent-pressure.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* All programs stand still for half a second of 3. One that works near the limit hardly ever does
 * (measured under TCG: one that reads all of /usr again and again through 110 MB, 3 ms of 5 s; one
 * that is kept alive as above, a fifth of its time). */
#define TRIGGER "full 500000 3000000"

static void
pressure_cb (void *data, uint32_t events)
{
  BerthAgentPressure *self = data;

  if (events & EPOLLPRI)
    berth_agent_groups_end_starving (self->groups);
}

/* Where there are no cgroups, or none that tell of pressure, the kernel's own limit must do. */
void
berth_agent_pressure_watch (BerthAgentPressure *self, BerthAgentLoop *loop,
                            BerthAgentGroups *groups)
{
  int fd = groups->base_fd < 0
               ? -1
               : openat (groups->base_fd, "memory.pressure", O_RDWR | O_NONBLOCK | O_CLOEXEC);

  *self = (BerthAgentPressure){ .watch = { .fd = -1, .ready = pressure_cb, .data = self },
                                .groups = groups };
  if (fd < 0)
    return;
  /* the trigger lives as long as the descriptor, which is as long as the guest */
  if (write (fd, TRIGGER, strlen (TRIGGER) + 1) < 0
      || !berth_agent_watch_add (loop, &self->watch, fd, EPOLLPRI))
    close (fd);
}
