/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What an exec with a terminal has beyond the others: a size, and an end of its output. */
#include "agent-exec.h"

/* One that is over has nobody to tell. */
static void
exec_set_size (BerthAgentExec *self)
{
  if (self->runner != NULL && self->runner->fds[1] >= 0)
    berth_agent_terminal_resize (self->runner->fds[1], &self->size);
}

/* The size of its terminal; false when it breaks a rule. */
bool
berth_agent_exec_resize (BerthAgentExec *self, uint32_t rows, uint32_t columns)
{
  if (!self->has_terminal || !berth_agent_terminal_size_is_good (rows, columns, &self->size))
    return false;
  exec_set_size (self);
  return true;
}

/* Nobody sits at it: it is lower by a row, and so it changes when somebody does again, whose
 * screen is drawn then. */
void
berth_agent_exec_leave_terminal (BerthAgentExec *self)
{
  self->size.ws_row = self->size.ws_row > 1 ? (unsigned short)(self->size.ws_row - 1) : 2;
  exec_set_size (self);
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
