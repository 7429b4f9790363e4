/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Starts interpreters and tells them what to run; their hooks are in runners/. */
#include "agent-runner.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent-shell.h"

/* Of a message: its size, without this field; its kind; fresh random bytes. */
#define HEAD_SIZE (4 + 1 + BERTH_AGENT_SEED_SIZE)

void
berth_agent_runner_init (BerthAgentRunner *self, BerthAgentLoop *loop, BerthAgentGroups *groups,
                         void (*changed) (void *data, BerthAgentRunner *runner), void *data)
{
  *self = (BerthAgentRunner){ .loop = loop,
                              .groups = groups,
                              .changed = changed,
                              .data = data,
                              .group = { .fd = -1 },
                              .fds = { -1, -1, -1 },
                              .control = { .fd = -1 },
                              .home = { .fd = -1 },
                              .feed = { .fd = -1 },
                              .report_fd = -1 };
  berth_agent_pipes_init (&self->pipes);
}

static void
close_fd (int *fd)
{
  if (*fd >= 0)
    close (*fd);
  *fd = -1;
}

static void
runner_close_control (BerthAgentRunner *self)
{
  int fd = self->control.fd;

  berth_agent_watch_remove (self->loop, &self->control);
  close_fd (&fd);
  free (self->message);
  self->message = NULL;
}

static void
runner_set_state (BerthAgentRunner *self, BerthAgentRunnerState state)
{
  self->state = state;
  self->changed (self->data, self);
}

/* Sends on what is left of the message; but in a session the descriptor is closed behind it. */
static void
runner_send (BerthAgentRunner *self)
{
  bool is_feed = self->feed.fd >= 0;
  BerthAgentWatch *watch = is_feed ? &self->feed : &self->control;
  /* SIGPIPE is ignored by the agent */
  ssize_t count = write (watch->fd, self->message + self->message_sent,
                         self->message_size - self->message_sent);

  if (count > 0)
    self->message_sent += (size_t) count;
  else if (errno != EAGAIN)
    self->message_sent = self->message_size; /* it died, waitpid tells */
  if (self->message_sent < self->message_size)
    berth_agent_watch_set (self->loop, watch, EPOLLOUT);
  else if (!self->is_session)
    runner_close_control (self);
  else
    {
      berth_agent_watch_set (self->loop, watch, is_feed ? 0 : EPOLLIN);
      free (self->message);
      self->message = NULL;
    }
}

static void
runner_hear (BerthAgentRunner *self, int status, uint32_t token)
{
  if (status == BERTH_AGENT_SHELL_NOTHING || token != self->token
      || self->state != BERTH_AGENT_RUNNER_RUNNING || self->pid <= 0)
    return;
  berth_agent_pipes_settle (&self->pipes);
  if (self->feed_name[0] != '\0')
    unlink (self->feed_name);
  self->feed_name[0] = '\0';
  if (status == BERTH_AGENT_SHELL_OPENED)
    return;
  self->status = status;
  /* it is nobody's until the next exec; what it leaves behind stays in this one's group */
  berth_agent_group_move (&self->home, self->pid);
  berth_agent_groups_set_apart (self->groups, self->pid, true);
  runner_set_state (self, BERTH_AGENT_RUNNER_IDLE);
}

/* Takes one report from the beginning of what was told, 0: none is complete. */
static size_t
runner_take_report (BerthAgentRunner *self)
{
  const uint8_t *bytes = (const uint8_t *) self->report;
  char *end = memchr (self->report, '\n', self->report_fill);
  uint32_t token = 0;
  int status = BERTH_AGENT_SHELL_NOTHING;

  if (berth_agent_language_has_hook (self->language))
    {
      /* it may have been loaded at the same time as it was told to run */
      if (bytes[0] != BERTH_AGENT_CONTROL_OPENED && bytes[0] != BERTH_AGENT_CONTROL_DONE)
        return 1;
      if (self->report_fill < BERTH_AGENT_CONTROL_REPORT_SIZE)
        return 0;
      status = bytes[0] == BERTH_AGENT_CONTROL_DONE ? bytes[5] : BERTH_AGENT_SHELL_OPENED;
      runner_hear (self, status, berth_le32_read (bytes + 1));
      return BERTH_AGENT_CONTROL_REPORT_SIZE;
    }
  if (end == NULL)
    return 0;
  *end = '\0';
  status = berth_agent_shell_parse (self->report, &token);
  runner_hear (self, status, token);
  return (size_t) (end - self->report) + 1;
}

static void
runner_read_report (BerthAgentRunner *self)
{
  size_t room = sizeof self->report - self->report_fill, used;
  ssize_t count = read (self->control.fd, self->report + self->report_fill, room);

  if (count < 0 && errno == EAGAIN)
    return;
  if (count <= 0)
    {
      /* its program closed it; the end is then told by that of the process */
      berth_agent_watch_set (self->loop, &self->control, 0);
      return;
    }
  self->report_fill += (size_t) count;
  while (self->report_fill > 0 && (used = runner_take_report (self)) > 0)
    {
      self->report_fill -= used;
      memmove (self->report, self->report + used, self->report_fill);
    }
  /* a line's end is what counts */
  if (self->report_fill == sizeof self->report)
    {
      self->report_fill /= 2;
      memmove (self->report, self->report + self->report_fill, self->report_fill);
    }
}

static void
control_cb (void *data, uint32_t events)
{
  BerthAgentRunner *self = data;
  uint8_t bytes[2] = { 0, 0 };
  ssize_t count;

  if (self->message != NULL && self->feed.fd < 0)
    {
      runner_send (self);
      return;
    }
  if (self->is_session)
    {
      runner_read_report (self);
      return;
    }
  count = recv (self->control.fd, bytes, 1, MSG_DONTWAIT);
  if (count < 0 && errno == EAGAIN)
    return;
  if (count == 1 && bytes[0] == BERTH_AGENT_CONTROL_FAILED)
    {
      count = recv (self->control.fd, bytes + 1, 1, MSG_DONTWAIT);
      self->spawn_errno = count == 1 ? bytes[1] : EIO;
      runner_close_control (self);
      self->changed (self->data, self);
    }
  else if (count == 1 && bytes[0] == BERTH_AGENT_CONTROL_ACCEPTS)
    runner_set_state (self, BERTH_AGENT_RUNNER_ACCEPTING);
  else if (count == 1 && bytes[0] == BERTH_AGENT_CONTROL_LOADED)
    runner_set_state (self, BERTH_AGENT_RUNNER_LOADED);
  else if (count <= 0)
    {
      runner_close_control (self);
      /* closed by a successful exec; where a hook keeps it open, its process has died */
      if (!berth_agent_language_has_hook (self->language))
        runner_set_state (self, BERTH_AGENT_RUNNER_LOADED);
    }
}

static void
feed_cb (void *data, uint32_t events)
{
  BerthAgentRunner *self = data;

  if (self->message != NULL)
    runner_send (self);
}

/* The ends of four channels: pipes for the streams, a socket pair for control. */
static bool
make_channels (int ours[4], int theirs[4])
{
  int pair[2];
  bool ok = true;

  for (int i = 0; i < 4; i++)
    ours[i] = theirs[i] = -1;
  for (int i = 0; i < 3 && ok; i++)
    {
      ok = pipe2 (pair, O_CLOEXEC) == 0;
      if (!ok)
        break;
      ours[i] = pair[i == 0 ? 1 : 0];
      theirs[i] = pair[i == 0 ? 0 : 1];
      ok = fcntl (ours[i], F_SETFL, O_NONBLOCK) == 0;
    }
  if (ok && (ok = socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0))
    {
      ours[3] = pair[0];
      theirs[3] = pair[1];
    }
  if (!ok)
    for (int i = 0; i < 4; i++)
      {
        close_fd (&ours[i]);
        close_fd (&theirs[i]);
      }
  return ok;
}

static bool
runner_fork (BerthAgentRunner *self, BerthAgentChild *child, int ours[4])
{
  self->pid = fork ();
  if (self->pid == 0)
    berth_agent_child_run (child);
  for (int i = 0; i < 4; i++)
    close_fd (&child->fds[i]);
  if (self->pid < 0 || !berth_agent_watch_add (self->loop, &self->control, ours[3], EPOLLIN))
    {
      for (int i = 0; i < 4; i++)
        close_fd (&ours[i]);
      return false;
    }
  for (int i = 0; i < 3; i++)
    self->fds[i] = ours[i];
  return true;
}

static bool
runner_write_head (BerthAgentRunner *self, size_t size, char kind)
{
  berth_le32_write (self->message, (uint32_t) (size - 4));
  self->message[4] = (uint8_t) kind;
  self->message_size = size;
  self->message_sent = 0;
  return getrandom (self->message + 5, BERTH_AGENT_SEED_SIZE, 0) == BERTH_AGENT_SEED_SIZE;
}

/* Starts an interpreter with this environment of an exec (NULL for a standby). On failure errno
 * says why. */
bool
berth_agent_runner_spawn (BerthAgentRunner *self, const BerthAgentConfig *config,
                          BerthLanguage language, bool is_program, const char *env, size_t size)
{
  BerthAgentCommand command;
  BerthAgentChild child = { .config = config, .command = &command, .group = &self->group };
  int ours[4], saved_errno;

  self->language = language;
  self->spawn_errno = 0;
  self->control = (BerthAgentWatch){ .fd = -1, .ready = control_cb, .data = self };
  child.keeps_control = berth_agent_language_has_hook (language);
  berth_agent_command_make (&command, config, language, is_program, env, size);
  if (self->feed.fd >= 0)
    snprintf (command.script, sizeof command.script, "%s", self->feed_name);
  if (!berth_agent_group_create (self->groups, &self->group))
    return false;
  if (make_channels (ours, child.fds) && runner_fork (self, &child, ours))
    {
      self->state = BERTH_AGENT_RUNNER_LOADING;
      return true;
    }
  saved_errno = errno;
  self->pid = 0;
  berth_agent_group_remove (self->groups, &self->group);
  errno = saved_errno;
  return false;
}

static void
runner_close_feed (BerthAgentRunner *self)
{
  int fd = self->feed.fd;

  berth_agent_watch_remove (self->loop, &self->feed);
  close_fd (&fd);
  close_fd (&self->report_fd);
  if (self->feed_name[0] != '\0')
    unlink (self->feed_name);
  if (self->report_name[0] != '\0')
    unlink (self->report_name);
  self->feed_name[0] = self->report_name[0] = '\0';
}

/* Starts a shell that reads what to do from a pipe. On failure errno says why. */
bool
berth_agent_runner_spawn_shell (BerthAgentRunner *self, const BerthAgentConfig *config)
{
  int fd = berth_agent_pipe_make (config, self->feed_name);

  self->feed = (BerthAgentWatch){ .fd = -1, .ready = feed_cb, .data = self };
  if (fd < 0 || !berth_agent_watch_add (self->loop, &self->feed, fd, 0))
    {
      self->feed_name[0] = '\0';
      close_fd (&fd);
      return false;
    }
  self->report_fd = berth_agent_pipe_make (config, self->report_name);
  if (self->report_fd < 0)
    self->report_name[0] = '\0';
  if (self->report_fd >= 0
      && berth_agent_runner_spawn (self, config, BERTH_LANGUAGE_SHELL, false, NULL, 0))
    return true;
  runner_close_feed (self);
  return false;
}

/* Makes it run the script that is in its place now: sends fresh random bytes and the whole
 * environment. */
bool
berth_agent_runner_start (BerthAgentRunner *self, const BerthAgentConfig *config, const char *env,
                          size_t size)
{
  size_t head = HEAD_SIZE, fill;

  berth_agent_group_start_usage (&self->group);
  self->state = BERTH_AGENT_RUNNER_RUNNING;
  if (!berth_agent_language_has_hook (self->language))
    return true;
  self->message = malloc (head + berth_agent_env_bound (config, size));
  if (self->message == NULL)
    return false;
  fill = berth_agent_env_write (config, env, size, (char *) self->message + head);
  if (!runner_write_head (self, head + fill, 'r'))
    return false;
  runner_send (self);
  return true;
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
  if (!berth_agent_pipes_make (&self->pipes, config))
    return false;
  if (!berth_agent_group_create (self->groups, &self->group)
      || !berth_agent_group_move (&self->group, self->pid))
    {
      berth_agent_pipes_clear (&self->pipes);
      return false;
    }
  for (int i = 0; i < 3; i++)
    {
      close_fd (&self->fds[i]);
      self->fds[i] = self->pipes.fds[i];
      self->pipes.fds[i] = -1;
    }
  if (self->report_fd >= 0)
    {
      self->control = (BerthAgentWatch){ .fd = -1, .ready = control_cb, .data = self };
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
                               .is_first = self->execs == 0,
                               .is_careful = self->is_careful };

  self->message = malloc (berth_agent_shell_bound (&exec));
  if (self->message == NULL)
    return false;
  self->message_size = berth_agent_shell_write (&exec, (char *) self->message);
  self->is_careful |= berth_agent_shell_is_suspect (program->code, program->code_size);
  self->message_sent = 0;
  return true;
}

/* Behind the head: the token, the paths of the streams and of the script, the size of the exec's own
 * environment, it, the code. */
static bool
runner_write_session (BerthAgentRunner *self, const BerthAgentProgram *program)
{
  const char *paths[] = { self->pipes.names[0], self->pipes.names[1], self->pipes.names[2],
                          program->script };
  size_t fill = HEAD_SIZE + 4, size;

  self->message
      = malloc (fill + 4 * BERTH_AGENT_PATH_MAX + 4 + program->env_size + program->code_size);
  if (self->message == NULL)
    return false;
  berth_le32_write (self->message + HEAD_SIZE, self->token);
  for (int i = 0; i < 4; i++)
    {
      size = strlen (paths[i]) + 1;
      memcpy (self->message + fill, paths[i], size);
      fill += size;
    }
  berth_le32_write (self->message + fill, (uint32_t) program->env_size);
  memcpy (self->message + fill + 4, program->env, program->env_size);
  fill += 4 + program->env_size;
  memcpy (self->message + fill, program->code, program->code_size);
  return runner_write_head (self, fill + program->code_size, 's');
}

/* Makes it run this in its session. False where its process is doomed. */
bool
berth_agent_runner_start_session (BerthAgentRunner *self, const BerthAgentProgram *program)
{
  if (getrandom (&self->token, sizeof self->token, 0) != sizeof self->token
      || !(self->feed.fd >= 0 ? runner_write_shell (self, program)
                              : runner_write_session (self, program)))
    return false;
  self->execs++;
  runner_send (self);
  return true;
}

/* Asked when it has died while it was loading: whether it got so far that it was the program. */
bool
berth_agent_runner_was_executed (BerthAgentRunner *self)
{
  if (self->control.fd >= 0)
    control_cb (self, EPOLLIN);
  return self->state > BERTH_AGENT_RUNNER_LOADING;
}

/* Ends its process, if it lives: 0 would be the agent's own process group. */
void
berth_agent_runner_kill (BerthAgentRunner *self)
{
  if (self->pid > 0)
    kill (self->pid, SIGKILL);
}

/* Lets go of what belonged to its last exec. */
void
berth_agent_runner_rest (BerthAgentRunner *self)
{
  berth_agent_pipes_clear (&self->pipes);
  for (int i = 0; i < 3; i++)
    close_fd (&self->fds[i]);
  berth_agent_group_forget (self->groups, &self->group);
}

/* Forgets all; what belongs to it was ended, reaped or given away before. */
void
berth_agent_runner_release (BerthAgentRunner *self)
{
  runner_close_control (self);
  runner_close_feed (self);
  berth_agent_runner_rest (self);
  berth_agent_group_forget (self->groups, &self->home);
  self->is_session = self->is_careful = false;
  self->execs = 0;
  self->report_fill = 0;
  self->pid = 0;
  self->state = BERTH_AGENT_RUNNER_NONE;
}
