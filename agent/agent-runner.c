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

#include "agent-file.h"
#include "agent-runner-private.h"
#include "agent-shell.h"

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
                              .show = { .fire = berth_agent_runner_show_clock, .data = self },
                              .next_group = { .fd = -1 } };
  berth_agent_pipes_init (&self->pipes);
  berth_agent_pipes_init (&self->next_pipes);
}

void
berth_agent_runner_close_control (BerthAgentRunner *self)
{
  int fd = self->control.fd;

  berth_agent_watch_remove (self->loop, &self->control);
  berth_agent_file_close (&fd);
  free (self->message);
  self->message = NULL;
}

void
berth_agent_runner_set_state (BerthAgentRunner *self, BerthAgentRunnerState state)
{
  self->state = state;
  self->changed (self->data, self);
}

/* Sends on what is left of the message; the descriptor is closed behind it, but in a session. */
void
berth_agent_runner_send (BerthAgentRunner *self)
{
  BerthAgentWatch *watch = &self->control;
  /* SIGPIPE is ignored by the agent */
  ssize_t count = write (watch->fd, self->message + self->message_sent,
                         self->message_size - self->message_sent);

  if (count > 0)
    self->message_sent += (size_t)count;
  else if (errno != EAGAIN)
    self->message_sent = self->message_size; /* it died, waitpid tells */
  if (self->message_sent < self->message_size)
    berth_agent_watch_set (self->loop, watch, EPOLLOUT);
  else if (!self->is_session)
    berth_agent_runner_close_control (self);
  else
    {
      berth_agent_watch_set (self->loop, watch, EPOLLIN);
      free (self->message);
      self->message = NULL;
    }
}

static void
control_cb (void *data, uint32_t events)
{
  BerthAgentRunner *self = data;
  uint8_t bytes[2] = { 0, 0 };
  ssize_t count;

  if (self->message != NULL)
    {
      berth_agent_runner_send (self);
      return;
    }
  if (self->is_session)
    {
      berth_agent_runner_read_report (self);
      return;
    }
  count = recv (self->control.fd, bytes, 1, MSG_DONTWAIT);
  if (count < 0 && errno == EAGAIN)
    return;
  if (count == 1 && bytes[0] == BERTH_AGENT_CONTROL_FAILED)
    {
      count = recv (self->control.fd, bytes + 1, 1, MSG_DONTWAIT);
      self->spawn_errno = count == 1 ? bytes[1] : EIO;
      berth_agent_runner_close_control (self);
      self->changed (self->data, self);
    }
  else if (count == 1 && bytes[0] == BERTH_AGENT_CONTROL_ACCEPTS)
    berth_agent_runner_set_state (self, BERTH_AGENT_RUNNER_ACCEPTING);
  else if (count == 1 && bytes[0] == BERTH_AGENT_CONTROL_LOADED)
    berth_agent_runner_set_state (self, BERTH_AGENT_RUNNER_LOADED);
  else if (count <= 0)
    {
      berth_agent_runner_close_control (self);
      /* closed by a successful exec; where a hook keeps it open, its process has died */
      if (!self->has_hook)
        berth_agent_runner_set_state (self, BERTH_AGENT_RUNNER_LOADED);
    }
}

static bool
make_pipes (const BerthAgentConfig *config, int ours[3], int theirs[3])
{
  int pair[2];

  for (int i = 0; i < 3; i++)
    {
      if (pipe2 (pair, O_CLOEXEC) != 0)
        return false;
      ours[i] = pair[i == 0 ? 1 : 0];
      theirs[i] = pair[i == 0 ? 0 : 1];
      /* their own, or a program could not open /dev/stdout */
      if (fcntl (ours[i], F_SETFL, O_NONBLOCK) != 0
          || (config->is_init && fchown (ours[i], config->uid, config->gid) != 0))
        return false;
    }
  return true;
}

static bool
make_terminal (const BerthAgentConfig *config, const struct winsize *size, int ours[3],
               int theirs[3])
{
  if (!berth_agent_terminal_open (config, size, &ours[1], &ours[2]))
    return false;
  ours[0] = fcntl (ours[1], F_DUPFD_CLOEXEC, 0);
  for (int i = 0; i < 3; i++)
    theirs[i] = fcntl (ours[2], F_DUPFD_CLOEXEC, 0);
  return ours[0] >= 0 && theirs[0] >= 0 && theirs[1] >= 0 && theirs[2] >= 0;
}

/* The ends of four channels: pipes or a terminal for the streams, a socket pair for control. */
static bool
make_channels (const BerthAgentConfig *config, const struct winsize *terminal, int ours[4],
               int theirs[4])
{
  int pair[2];
  bool ok;

  for (int i = 0; i < 4; i++)
    ours[i] = theirs[i] = -1;
  ok = terminal != NULL ? make_terminal (config, terminal, ours, theirs)
                        : make_pipes (config, ours, theirs);
  if (ok && (ok = socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0))
    {
      ours[3] = pair[0];
      theirs[3] = pair[1];
      ok = fcntl (ours[3], F_SETFL, O_NONBLOCK) == 0;
    }
  if (!ok)
    for (int i = 0; i < 4; i++)
      {
        berth_agent_file_close (&ours[i]);
        berth_agent_file_close (&theirs[i]);
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
    berth_agent_file_close (&child->fds[i]);
  if (self->pid < 0 || !berth_agent_watch_add (self->loop, &self->control, ours[3], EPOLLIN))
    {
      for (int i = 0; i < 4; i++)
        berth_agent_file_close (&ours[i]);
      return false;
    }
  for (int i = 0; i < 3; i++)
    self->fds[i] = ours[i];
  return true;
}

bool
berth_agent_runner_write_head (BerthAgentRunner *self, size_t size, char kind)
{
  berth_le32_write (self->message, (uint32_t)(size - 4));
  self->message[4] = (uint8_t)kind;
  self->message_size = size;
  self->message_sent = 0;
  return getrandom (self->message + 5, BERTH_AGENT_SEED_SIZE, 0) == BERTH_AGENT_SEED_SIZE;
}

static bool
runner_spawn (BerthAgentRunner *self, const BerthAgentConfig *config,
              const BerthAgentCommand *command)
{
  BerthAgentChild child = { .config = config,
                            .command = command,
                            .group = &self->group,
                            .workdir = self->workdir != NULL ? self->workdir : config->home,
                            .keeps_control = self->has_hook,
                            .has_terminal = self->terminal != NULL };
  int ours[4], saved_errno;

  self->spawn_errno = 0;
  self->identities = config->identities;
  self->control = (BerthAgentWatch){ .fd = -1, .ready = control_cb, .data = self };
  if (!berth_agent_group_create (self->groups, &self->group))
    return false;
  if (make_channels (config, self->terminal, ours, child.fds) && runner_fork (self, &child, ours))
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

/* Starts an interpreter with this environment of an exec (NULL for a standby). On failure errno
 * says why. */
bool
berth_agent_runner_spawn (BerthAgentRunner *self, const BerthAgentConfig *config,
                          BerthLanguage language, bool is_program, const char *env, size_t size)
{
  BerthAgentCommand command;

  self->language = language;
  self->has_hook = berth_agent_language_has_hook (language);
  berth_agent_command_make (&command, config, language, is_program, env, size);
  return runner_spawn (self, config, &command);
}

/* Starts a shell that is to keep a session's state. On failure errno says why. */
bool
berth_agent_runner_spawn_shell (BerthAgentRunner *self, const BerthAgentConfig *config)
{
  BerthAgentCommand command;
  char env[256];

  self->language = BERTH_LANGUAGE_SHELL;
  self->has_hook = true;
  if (!berth_agent_shell_install (config))
    return false;
  berth_agent_command_make (&command, config, self->language, false, env,
                            berth_agent_shell_write_env (config, env, sizeof env));
  /* its script is read only where the builtin can't be loaded, and then it ends */
  snprintf (command.script, sizeof command.script, "/dev/null");
  return runner_spawn (self, config, &command);
}

/* Starts a command. On failure errno says why; that its program can't be run is none. */
bool
berth_agent_runner_spawn_command (BerthAgentRunner *self, const BerthAgentConfig *config,
                                  char **argv, const char *env, size_t size)
{
  BerthAgentCommand command;

  self->language = BERTH_LANGUAGE_NONE;
  self->has_hook = false;
  berth_agent_command_make_as_is (&command, config, argv, env, size);
  if (!runner_spawn (self, config, &command))
    return false;
  berth_agent_group_lead (self->groups, &self->group, self->pid);
  return true;
}

/* Makes it run the script that is in its place now: sends fresh random bytes and the whole
 * environment. */
bool
berth_agent_runner_start (BerthAgentRunner *self, const BerthAgentConfig *config, const char *env,
                          size_t size)
{
  size_t head = BERTH_AGENT_RUNNER_HEAD_SIZE, fill;

  berth_agent_group_start_usage (&self->group);
  self->state = BERTH_AGENT_RUNNER_RUNNING;
  if (!self->has_hook)
    return true;
  self->message = malloc (head + berth_agent_env_bound (config, size));
  if (self->message == NULL)
    return false;
  fill = berth_agent_env_write (config, env, size, (char *)self->message + head);
  if (!berth_agent_runner_write_head (self, head + fill, 'r'))
    return false;
  berth_agent_runner_send (self);
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
  berth_agent_pipes_clear (&self->next_pipes);
  berth_agent_group_forget (self->groups, &self->next_group);
  for (int i = 0; i < 3; i++)
    berth_agent_file_close (&self->fds[i]);
  berth_agent_group_forget (self->groups, &self->group);
}

/* Forgets all; what belongs to it was ended, reaped or given away before. */
void
berth_agent_runner_release (BerthAgentRunner *self)
{
  berth_agent_runner_close_control (self);
  berth_agent_runner_rest (self);
  berth_agent_group_forget (self->groups, &self->home);
  self->is_session = false;
  self->execs = self->identities = 0;
  berth_agent_runner_show_clock (self);
  self->report_fill = 0;
  self->pid = 0;
  self->state = BERTH_AGENT_RUNNER_NONE;
}
