/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Makes pipes that only one who was told their name can open, for the moment that it takes. */
#include "agent-pipes.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent-file.h"
#include "agent-holder.h"

void
berth_agent_pipes_init (BerthAgentPipes *self)
{
  *self = (BerthAgentPipes){ .fds = { -1, -1, -1 }, .held = { -1, -1, -1 } };
}

/* A new pipe of the programs' user, open at both ends; -1 and errno if there can't be one. */
int
berth_agent_pipe_make (const BerthAgentConfig *config, char out_name[BERTH_AGENT_PIPE_NAME_MAX])
{
  uint64_t number;
  int fd;

  /* its folder can't be listed, so a program of earlier finds no name there */
  if (getrandom (&number, sizeof number, 0) != sizeof number)
    return -1;
  snprintf (out_name, BERTH_AGENT_PIPE_NAME_MAX, "%s/%016llx", config->streams,
            (unsigned long long)number);
  if (mkfifo (out_name, 0600) != 0)
    return -1;
  if (!config->is_init || lchown (out_name, config->uid, config->gid) == 0)
    {
      fd = open (out_name, O_RDWR | O_NONBLOCK | O_CLOEXEC);
      if (fd >= 0)
        return fd;
    }
  unlink (out_name);
  return -1;
}

/* The pipe of stdin, which may be opened again by a program; false: it has to be a named one. */
static bool
pipes_make_input (BerthAgentPipes *self, const BerthAgentConfig *config)
{
  int pair[2];

  if (config->holder == NULL || pipe2 (pair, O_CLOEXEC) != 0)
    return false;
  if (fcntl (pair[1], F_SETFL, O_NONBLOCK) == 0
      && (!config->is_init || fchown (pair[0], config->uid, config->gid) == 0)
      && berth_agent_holder_hold (config->holder, config, pair[0], self->names[0], &self->number))
    {
      self->holder = config->holder;
      self->holder_pid = config->holder->pid;
      self->held[0] = pair[0];
      self->fds[0] = pair[1];
      return true;
    }
  self->names[0][0] = '\0';
  close (pair[0]);
  close (pair[1]);
  return false;
}

bool
berth_agent_pipes_make (BerthAgentPipes *self, const BerthAgentConfig *config)
{
  for (int i = pipes_make_input (self, config) ? 1 : 0; i < 3; i++)
    {
      self->held[i] = berth_agent_pipe_make (config, self->names[i]);
      if (self->held[i] >= 0)
        self->fds[i]
            = open (self->names[i], (i == 0 ? O_WRONLY : O_RDONLY) | O_NONBLOCK | O_CLOEXEC);
      else
        self->names[i][0] = '\0';
      if (self->fds[i] < 0)
        {
          berth_agent_pipes_clear (self);
          return false;
        }
    }
  return true;
}

/* Whether the interpreter has not opened them yet. */
bool
berth_agent_pipes_are_new (const BerthAgentPipes *self)
{
  return self->held[0] >= 0;
}

/* Whether they can still be opened by their names. */
bool
berth_agent_pipes_are_good (const BerthAgentPipes *self)
{
  return self->holder == NULL || berth_agent_holder_has (self->holder, self->holder_pid);
}

/* The interpreter has opened them, or never will: from now on an end is an end. */
void
berth_agent_pipes_settle (BerthAgentPipes *self)
{
  if (self->holder != NULL)
    berth_agent_holder_drop (self->holder, self->holder_pid, self->number);
  for (int i = 0; i < 3; i++)
    {
      berth_agent_file_close (&self->held[i]);
      if (self->names[i][0] != '\0' && (i > 0 || self->holder == NULL))
        unlink (self->names[i]);
      self->names[i][0] = '\0';
    }
  self->holder = NULL;
}

void
berth_agent_pipes_clear (BerthAgentPipes *self)
{
  berth_agent_pipes_settle (self);
  for (int i = 0; i < 3; i++)
    berth_agent_file_close (&self->fds[i]);
}
