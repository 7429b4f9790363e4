/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What an exec with a terminal has beyond the others: a size. */
#include "agent-exec.h"

/* The size of its terminal; false when it breaks a rule. */
bool
berth_agent_exec_resize (BerthAgentExec *self, uint32_t rows, uint32_t columns)
{
  if (!self->has_terminal || !berth_agent_terminal_size_is_good (rows, columns, &self->size))
    return false;
  /* one that is over has nobody to tell */
  if (self->runner != NULL && self->runner->fds[1] >= 0)
    berth_agent_terminal_resize (self->runner->fds[1], &self->size);
  return true;
}
