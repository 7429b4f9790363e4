/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How an interpreter of a session is told of an exec, and how it tells of its end. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "agent-file.h"
#include "agent-room.h"
#include "agent-runner-private.h"

/* in place of a status */
#define STREAMS_ARE_OPEN (-1)
#define HIDE_CLOCK (-2)
#define SHOW_CLOCK (-3)

/* All of the guest sees the clock that is hidden. One that is slow has it hidden again. */
#define CLOCK_HIDDEN_US (50u * 1000u)
#define CLOCK_HIDES_MAX 100u

/* Of a BerthAgentRunner; also at a timer's end */
void
berth_agent_runner_show_clock (void *data)
{
  BerthAgentRunner *self = data;

  berth_agent_timer_disarm (self->loop, &self->show);
  berth_agent_identity_show_clock (&self->clock);
}

static void
runner_hide_clock (BerthAgentRunner *self)
{
  if (self->hides_left == 0)
    return;
  self->hides_left--;
  berth_agent_identity_hide_clock_for (&self->clock);
  berth_agent_timer_arm (self->loop, &self->show, CLOCK_HIDDEN_US);
}

static void
runner_hear (BerthAgentRunner *self, int status, uint32_t token)
{
  if (token != self->token || self->state != BERTH_AGENT_RUNNER_RUNNING)
    return;
  berth_agent_runner_show_clock (self);
  if (status == HIDE_CLOCK)
    runner_hide_clock (self);
  if (status == HIDE_CLOCK || status == SHOW_CLOCK)
    return;
  berth_agent_pipes_settle (&self->pipes);
  self->hides_left = 0;
  if (status == STREAMS_ARE_OPEN)
    return;
  self->status = status;
  /* it is nobody's until the next exec; what it leaves behind stays in this one's group */
  if (self->pid > 0 && !self->is_once)
    {
      berth_agent_group_move (&self->home, self->pid);
      berth_agent_groups_set_apart (self->groups, self->pid, true);
    }
  berth_agent_runner_set_state (self, BERTH_AGENT_RUNNER_IDLE);
}

static int
read_status (char kind, uint8_t status)
{
  if (kind == BERTH_AGENT_CONTROL_OPENED)
    return STREAMS_ARE_OPEN;
  if (kind == BERTH_AGENT_CONTROL_CLOCK)
    return status != 0 ? HIDE_CLOCK : SHOW_CLOCK;
  return status;
}

static void
runner_drop_report (BerthAgentRunner *self, size_t size)
{
  self->report_fill -= size;
  memmove (self->report, self->report + size, self->report_fill);
}

/* The next report, out of the buffer before anyone hears of it: who hears the last one may release
 * the runner. What is none is passed over. False when none is complete. */
static bool
runner_take_report (BerthAgentRunner *self, int *out_status, uint32_t *out_token)
{
  const uint8_t *bytes = (const uint8_t *)self->report;

  /* it may have been loaded at the same time as it was told to run */
  while (self->report_fill > 0 && bytes[0] != BERTH_AGENT_CONTROL_OPENED
         && bytes[0] != BERTH_AGENT_CONTROL_DONE && bytes[0] != BERTH_AGENT_CONTROL_CLOCK)
    runner_drop_report (self, 1);
  if (self->report_fill < BERTH_AGENT_CONTROL_REPORT_SIZE)
    return false;
  *out_status = read_status ((char)bytes[0], bytes[5]);
  *out_token = berth_le32_read (bytes + 1);
  runner_drop_report (self, BERTH_AGENT_CONTROL_REPORT_SIZE);
  return true;
}

void
berth_agent_runner_read_report (BerthAgentRunner *self)
{
  size_t room = sizeof self->report - self->report_fill;
  ssize_t count = read (self->control.fd, self->report + self->report_fill, room);
  uint32_t token;
  int status;

  if (count < 0 && errno == EAGAIN)
    return;
  if (count <= 0)
    {
      /* its program closed it; the end is then told by that of the process */
      berth_agent_runner_close_control (self);
      return;
    }
  self->report_fill += (size_t)count;
  while (runner_take_report (self, &status, &token))
    runner_hear (self, status, token);
}

/* Reads what its process told before it ended. */
void
berth_agent_runner_hear_last (BerthAgentRunner *self)
{
  if (self->is_session && self->control.fd >= 0)
    berth_agent_runner_read_report (self);
}

/* Its program has closed the descriptor of its channel, and so it brings another one: that of no
 * other process, and only while it has an end to tell. */
bool
berth_agent_runner_come_back (BerthAgentRunner *self, int fd, pid_t pid)
{
  if (pid != self->pid || !self->is_session)
    return false;
  berth_agent_runner_hear_last (self);
  if (pid != self->pid || self->state != BERTH_AGENT_RUNNER_RUNNING || self->message != NULL)
    return false;
  berth_agent_runner_close_control (self);
  self->report_fill = 0;
  return berth_agent_watch_add (self->loop, &self->control, fd, EPOLLIN);
}

/* Makes what its next exec has for its own, a group and streams, if that is not done yet: in time,
 * the program need not wait for it. On failure errno says why. */
bool
berth_agent_runner_prepare (BerthAgentRunner *self, const BerthAgentConfig *config)
{
  if (self->next_group.number != 0 && berth_agent_pipes_are_good (&self->next_pipes))
    return true;
  berth_agent_pipes_clear (&self->next_pipes);
  if (!berth_agent_pipes_make (&self->next_pipes, config))
    return false;
  if (self->next_group.number != 0 || berth_agent_group_create (self->groups, &self->next_group))
    return true;
  self->next_group = (BerthAgentGroup){ .fd = -1 };
  berth_agent_pipes_clear (&self->next_pipes);
  return false;
}

/* Gives it a group and streams of their own for its next exec. On failure errno says why. */
bool
berth_agent_runner_enter_session (BerthAgentRunner *self, const BerthAgentConfig *config)
{
  if (self->home.number == 0)
    {
      self->home = self->group;
      self->group = (BerthAgentGroup){ .fd = -1 };
    }
  if (!berth_agent_runner_prepare (self, config)
      || !berth_agent_group_move (&self->next_group, self->pid))
    return false;
  self->group = self->next_group;
  self->pipes = self->next_pipes;
  self->next_group = (BerthAgentGroup){ .fd = -1 };
  berth_agent_pipes_init (&self->next_pipes);
  for (int i = 0; i < 3; i++)
    {
      berth_agent_file_close (&self->fds[i]);
      self->fds[i] = self->pipes.fds[i];
      self->pipes.fds[i] = -1;
    }
  self->is_session = true;
  self->state = BERTH_AGENT_RUNNER_RUNNING;
  return true;
}

/* A capital letter: another identity has come since, so that its generators are seeded again. 'H':
 * it was seeded in the time of another one, and what keeps a seed for a time only, and can't be
 * told, is to find that its time is over (see agent-identity.c): it asks for that when it is at
 * it. */
static char
runner_choose_kind (BerthAgentRunner *self, const BerthAgentProgram *program)
{
  bool is_reseed = self->identities != program->identities;
  bool hides = is_reseed && self->identities != 0 && program->is_init
               && berth_language_is_of_node (self->language);

  self->hides_left = hides ? CLOCK_HIDES_MAX : 0;
  self->identities = program->identities;
  if (program->is_rehearsal)
    return 'P';
  if (hides)
    return 'H';
  if (program->is_once)
    return is_reseed ? 'O' : 'o';
  return is_reseed ? 'S' : 's';
}

/* Behind the head: the token, the paths of the streams and of the script, the folder to start in
 * (empty: where the interpreter is), the name to come back to, the size of the exec's own
 * environment, it, the code. */
static bool
runner_write_session (BerthAgentRunner *self, const BerthAgentProgram *program)
{
  const char *workdir = program->workdir != NULL ? program->workdir : "";
  const char *paths[] = { self->pipes.names[0],
                          self->pipes.names[1],
                          self->pipes.names[2],
                          program->script,
                          workdir,
                          program->comeback != NULL ? program->comeback : "" };
  size_t fill = BERTH_AGENT_RUNNER_HEAD_SIZE + 4, size;

  self->message
      = malloc (fill + 4 * BERTH_AGENT_PATH_MAX + strlen (workdir) + 1
                + BERTH_AGENT_COMEBACK_NAME_MAX + 4 + program->env_size + program->code_size);
  if (self->message == NULL)
    return false;
  berth_le32_write (self->message + BERTH_AGENT_RUNNER_HEAD_SIZE, self->token);
  for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++)
    {
      size = strlen (paths[i]) + 1;
      memcpy (self->message + fill, paths[i], size);
      fill += size;
    }
  berth_le32_write (self->message + fill, (uint32_t)program->env_size);
  if (program->env_size > 0)
    memcpy (self->message + fill + 4, program->env, program->env_size);
  fill += 4 + program->env_size;
  if (program->code_size > 0)
    memcpy (self->message + fill, program->code, program->code_size);
  return berth_agent_runner_write_head (self, fill + program->code_size,
                                        runner_choose_kind (self, program));
}

/* Makes it run this in its session. False where its process is doomed. */
bool
berth_agent_runner_start_session (BerthAgentRunner *self, const BerthAgentProgram *program)
{
  if (getrandom (&self->token, sizeof self->token, 0) != sizeof self->token
      || !runner_write_session (self, program))
    return false;
  if (!program->is_once)
    berth_agent_room_make (self->pid);
  self->is_once = program->is_once;
  /* a rehearsal leaves no trace: the first exec of its owner is the first */
  if (!program->is_rehearsal)
    self->execs++;
  berth_agent_runner_send (self);
  return true;
}
