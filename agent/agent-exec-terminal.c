/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What an exec with a terminal has beyond the others: a size, and an end of its output. */
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

/* Once its processes are over: what it has written is its output, what others write is not. */
void
berth_agent_exec_limit_output (BerthAgentExec *self)
{
  for (int i = 0; i < 2; i++)
    if (self->has_terminal)
      berth_agent_output_limit_terminal (&self->outputs[i]);
    else
      berth_agent_output_limit (&self->outputs[i]);
}
