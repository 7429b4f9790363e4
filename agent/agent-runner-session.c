/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How an interpreter of a session is told of an exec, and how it tells of its end. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <unistd.h>

#include "agent-file.h"
#include "agent-room.h"
#include "agent-runner-private.h"
#include "agent-shell.h"

#define LOOK_EVERY_US (500u * 1000u)
#define EMPTY_LOOKS_MAX 4 /* a busy machine takes its time between the two */

static void
runner_hear (BerthAgentRunner *self, int status, uint32_t token)
{
  if (status == BERTH_AGENT_SHELL_NOTHING || token != self->token
      || self->state != BERTH_AGENT_RUNNER_RUNNING)
    return;
  berth_agent_pipes_settle (&self->pipes);
  berth_agent_identity_show_clock (&self->clock);
  if (self->feed_name[0] != '\0')
    unlink (self->feed_name);
  self->feed_name[0] = '\0';
  if (status == BERTH_AGENT_SHELL_OPENED)
    return;
  self->status = status;
  berth_agent_timer_disarm (self->loop, &self->look);
  /* it is nobody's until the next exec; what it leaves behind stays in this one's group */
  if (self->pid > 0 && !self->is_once)
    {
      berth_agent_group_move (&self->home, self->pid);
      berth_agent_groups_set_apart (self->groups, self->pid, true);
    }
  berth_agent_runner_set_state (self, BERTH_AGENT_RUNNER_IDLE);
}

static void
runner_drop_report (BerthAgentRunner *self, size_t size)
{
  self->report_fill -= size;
  memmove (self->report, self->report + size, self->report_fill);
}

/* The next report of a hook; what is none is passed over. False when none is complete. */
static bool
runner_take_hook_report (BerthAgentRunner *self, int *out_status, uint32_t *out_token)
{
  const uint8_t *bytes = (const uint8_t *)self->report;

  /* it may have been loaded at the same time as it was told to run */
  while (self->report_fill > 0 && bytes[0] != BERTH_AGENT_CONTROL_OPENED
         && bytes[0] != BERTH_AGENT_CONTROL_DONE)
    runner_drop_report (self, 1);
  if (self->report_fill < BERTH_AGENT_CONTROL_REPORT_SIZE)
    return false;
  *out_status = bytes[0] == BERTH_AGENT_CONTROL_DONE ? bytes[5] : BERTH_AGENT_SHELL_OPENED;
  *out_token = berth_le32_read (bytes + 1);
  runner_drop_report (self, BERTH_AGENT_CONTROL_REPORT_SIZE);
  return true;
}

/* Likewise of a shell: a line. */
static bool
runner_take_shell_report (BerthAgentRunner *self, int *out_status, uint32_t *out_token)
{
  char *end = memchr (self->report, '\n', self->report_fill);

  if (end == NULL)
    return false;
  *end = '\0';
  *out_status = berth_agent_shell_parse (self->report, out_token);
  runner_drop_report (self, (size_t)(end - self->report) + 1);
  return true;
}

/* Out of the buffer before anyone hears of it: who hears the last one may release the runner. */
static bool
runner_take_report (BerthAgentRunner *self, int *out_status, uint32_t *out_token)
{
  *out_token = 0;
  return berth_agent_language_has_hook (self->language)
             ? runner_take_hook_report (self, out_status, out_token)
             : runner_take_shell_report (self, out_status, out_token);
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
  /* a line's end is what counts */
  if (self->report_fill == sizeof self->report)
    runner_drop_report (self, sizeof self->report / 2);
}

/* Reads what its process told before it ended. */
void
berth_agent_runner_hear_last (BerthAgentRunner *self)
{
  if (self->is_session && self->control.fd >= 0)
    berth_agent_runner_read_report (self);
}

/* On the stderr of its exec, whose pipe is the agent's own */
static void
runner_say (BerthAgentRunner *self, const char *text)
{
  char path[64];
  int fd;

  snprintf (path, sizeof path, "/proc/self/fd/%d", self->fds[2]);
  fd = self->fds[2] >= 0 ? open (path, O_WRONLY | O_NONBLOCK | O_CLOEXEC) : -1;
  if (fd >= 0)
    berth_agent_file_write_all (fd, text, strlen (text));
  berth_agent_file_close (&fd);
}

/* Once in an exec: a shell that has no descriptors for its own streams (ulimit -n 2) gets some. */
static bool
runner_rescue_shell (BerthAgentRunner *self)
{
  const BerthAgentShellExec exec
      = { .script = "", .report = self->report_name, .token = self->token, .trap = "" };

  if (self->is_rescued || !berth_agent_room_has_no_streams (self->pid))
    return false;
  self->message = malloc (berth_agent_shell_bound (&exec));
  if (self->message == NULL)
    return false;
  runner_say (self,
              "berth: less than 3 descriptors (ulimit -n) are no shell's: it has more again, and "
              "1 stands for the status that it could not tell\n");
  berth_agent_room_make (self->pid);
  self->is_rescued = true;
  self->message_size = berth_agent_shell_write_rescue (&exec, (char *)self->message);
  self->message_sent = 0;
  berth_agent_runner_send (self);
  return true;
}

/* A shell reads its lines one by one: the empty one behind the code when that has ended and its end
 * is told. Where it has read that and told nothing, it does nothing any more (set -n), and comes to
 * its end as it would in a script: there is no more to read. */
static void
look_cb (void *data)
{
  BerthAgentRunner *self = data;
  int waiting = 1;

  if (self->state != BERTH_AGENT_RUNNER_RUNNING || self->feed.fd < 0)
    return;
  if (self->message != NULL || ioctl (self->feed.fd, FIONREAD, &waiting) != 0 || waiting > 0)
    self->empty_looks = 0;
  else if (++self->empty_looks == EMPTY_LOOKS_MAX)
    {
      self->empty_looks = 0;
      if (!runner_rescue_shell (self))
        {
          berth_agent_runner_close_feed (self);
          return;
        }
    }
  berth_agent_timer_arm (self->loop, &self->look, LOOK_EVERY_US);
}

static void
feed_cb (void *data, uint32_t events)
{
  BerthAgentRunner *self = data;

  if (self->message != NULL)
    berth_agent_runner_send (self);
}

void
berth_agent_runner_close_feed (BerthAgentRunner *self)
{
  int fd = self->feed.fd;

  berth_agent_timer_disarm (self->loop, &self->look);
  berth_agent_watch_remove (self->loop, &self->feed);
  berth_agent_file_close (&fd);
  berth_agent_file_close (&self->report_fd);
  if (self->feed_name[0] != '\0')
    unlink (self->feed_name);
  if (self->report_name[0] != '\0')
    unlink (self->report_name);
  self->feed_name[0] = self->report_name[0] = '\0';
}

/* An empty one: no shell has left a trap. On failure errno says why. */
static bool
runner_make_trap (BerthAgentRunner *self, const BerthAgentConfig *config)
{
  berth_agent_shell_name_trap (config, self->trap_name);
  return berth_agent_file_create (AT_FDCWD, self->trap_name, 0600, "", 0)
         && (!config->is_init || lchown (self->trap_name, BERTH_AGENT_UID, BERTH_AGENT_UID) == 0);
}

/* Starts a shell that reads what to do from a pipe. On failure errno says why. */
bool
berth_agent_runner_spawn_shell (BerthAgentRunner *self, const BerthAgentConfig *config)
{
  int fd = berth_agent_pipe_make (config, self->feed_name);

  self->feed = (BerthAgentWatch){ .fd = -1, .ready = feed_cb, .data = self };
  self->look = (BerthAgentTimer){ .fire = look_cb, .data = self };
  if (fd < 0 || !berth_agent_watch_add (self->loop, &self->feed, fd, 0))
    {
      self->feed_name[0] = '\0';
      berth_agent_file_close (&fd);
      return false;
    }
  self->report_fd = berth_agent_pipe_make (config, self->report_name);
  if (self->report_fd < 0)
    self->report_name[0] = '\0';
  if (self->report_fd >= 0 && runner_make_trap (self, config)
      && berth_agent_runner_spawn (self, config, BERTH_LANGUAGE_SHELL, false, NULL, 0))
    return true;
  berth_agent_runner_close_feed (self);
  return false;
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
  if (self->report_fd >= 0)
    {
      if (!berth_agent_watch_add (self->loop, &self->control, self->report_fd, EPOLLIN))
        return false;
      self->report_fd = -1;
    }
  self->is_session = true;
  self->state = BERTH_AGENT_RUNNER_RUNNING;
  return true;
}

static bool
runner_write_shell (BerthAgentRunner *self, const BerthAgentProgram *program)
{
  BerthAgentShellExec exec = { .script = program->script,
                               .report = self->report_name,
                               .token = self->token,
                               .pipes = &self->pipes,
                               .env = program->env,
                               .env_size = program->env_size,
                               .workdir = program->workdir,
                               .trap = self->trap_name,
                               .is_first = self->execs == 0,
                               .status = self->execs > 0 ? (unsigned)self->status : 0,
                               .care = self->care };

  self->message = malloc (berth_agent_shell_bound (&exec));
  if (self->message == NULL)
    return false;
  self->message_size = berth_agent_shell_write (&exec, (char *)self->message);
  self->care |= berth_agent_shell_suspect (program->code, program->code_size);
  self->empty_looks = 0;
  self->is_rescued = false;
  berth_agent_timer_arm (self->loop, &self->look, LOOK_EVERY_US);
  self->message_sent = 0;
  return true;
}

/* A capital letter: another identity has come since, so that its generators are seeded again. */
static char
runner_choose_kind (BerthAgentRunner *self, const BerthAgentProgram *program)
{
  bool is_reseed = self->identities != program->identities;

  /* it was seeded in the time of another identity: what keeps a seed for a time only, and can't be
   * told, is to find that its time is over (see agent-identity.c) */
  if (is_reseed && self->identities != 0 && program->is_init
      && self->language == BERTH_LANGUAGE_JAVASCRIPT)
    berth_agent_identity_hide_clock_for (&self->clock);
  self->identities = program->identities;
  if (program->is_rehearsal)
    return 'P';
  if (program->is_once)
    return is_reseed ? 'O' : 'o';
  return is_reseed ? 'S' : 's';
}

/* Behind the head: the token, the paths of the streams and of the script, the folder to start in
 * (empty: where the interpreter is), the size of the exec's own environment, it, the code. */
static bool
runner_write_session (BerthAgentRunner *self, const BerthAgentProgram *program)
{
  const char *workdir = program->workdir != NULL ? program->workdir : "";
  const char *paths[] = { self->pipes.names[0], self->pipes.names[1], self->pipes.names[2],
                          program->script, workdir };
  size_t fill = BERTH_AGENT_RUNNER_HEAD_SIZE + 4, size;

  self->message = malloc (fill + 4 * BERTH_AGENT_PATH_MAX + strlen (workdir) + 1 + 4
                          + program->env_size + program->code_size);
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
  memcpy (self->message + fill + 4, program->env, program->env_size);
  fill += 4 + program->env_size;
  memcpy (self->message + fill, program->code, program->code_size);
  return berth_agent_runner_write_head (self, fill + program->code_size,
                                        runner_choose_kind (self, program));
}

/* Makes it run this in its session. False where its process is doomed. */
bool
berth_agent_runner_start_session (BerthAgentRunner *self, const BerthAgentProgram *program)
{
  if (getrandom (&self->token, sizeof self->token, 0) != sizeof self->token
      || !(self->feed.fd >= 0 ? runner_write_shell (self, program)
                              : runner_write_session (self, program)))
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
