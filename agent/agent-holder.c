/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The holder is a process of its own, because /proc shows a process's descriptors to its own user
 * alone. It executes the agent's program again, so that nothing of the agent's memory is in it; it
 * holds what the program is about to get and can do nothing else. Its user may stop or end it: then
 * another one is started, and nothing but a name is lost. */
#include "agent-holder.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent-child.h"
#include "agent-file.h"
#include "agent-pass.h"

#define SOCKET_FD 0
#define ANSWER_MS 2000
/* Its user may have stopped or ended it at any time, and then the next one does. */
#define TRIES 2

void
berth_agent_holder_init (BerthAgentHolder *self, BerthAgentGroups *groups)
{
  *self = (BerthAgentHolder){ .groups = groups, .fd = -1 };
}

static void __attribute__ ((noreturn)) holder_execute (const BerthAgentConfig *config, int fd)
{
  char *argv[] = { "berth-holder", "--hold", NULL }, *envp[] = { NULL };

  if (berth_agent_child_confine (config) && dup2 (fd, SOCKET_FD) == SOCKET_FD
      && close_range (SOCKET_FD + 1, ~0u, 0) == 0)
    execve ("/proc/self/exe", argv, envp);
  _exit (127);
}

static bool
holder_start (BerthAgentHolder *self, const BerthAgentConfig *config)
{
  int pair[2];

  if (self->pid > 0 || socketpair (AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
    return false;
  self->pid = fork ();
  if (self->pid == 0)
    holder_execute (config, pair[1]);
  close (pair[1]);
  if (self->pid < 0)
    {
      self->pid = 0;
      close (pair[0]);
      return false;
    }
  self->groups->holder = self->pid;
  self->fd = pair[0];
  return true;
}

/* Ends one that does not answer; it is reaped later, and the next need not wait for that. */
static void
holder_end (BerthAgentHolder *self)
{
  berth_agent_file_close (&self->fd);
  if (self->pid > 0)
    kill (self->pid, SIGKILL);
  self->pid = self->groups->holder = 0;
}

static bool
holder_ask (BerthAgentHolder *self, int fd, uint32_t *out_number)
{
  uint32_t nothing = 0;
  struct pollfd answer = { .fd = self->fd, .events = POLLIN };

  return berth_agent_pass_send (self->fd, &nothing, sizeof nothing, fd, MSG_DONTWAIT)
         && poll (&answer, 1, ANSWER_MS) == 1
         && recv (self->fd, out_number, sizeof *out_number, MSG_DONTWAIT) == sizeof *out_number;
}

/* Lets `fd` be opened by a name until its number is dropped. False when there can't be one. */
bool
berth_agent_holder_hold (BerthAgentHolder *self, const BerthAgentConfig *config, int fd,
                         char out_name[BERTH_AGENT_PIPE_NAME_MAX], uint32_t *out_number)
{
  for (int i = 0; i < TRIES; i++)
    {
      if (self->fd < 0 && !holder_start (self, config))
        return false;
      if (holder_ask (self, fd, out_number))
        {
          snprintf (out_name, BERTH_AGENT_PIPE_NAME_MAX, "/proc/%d/fd/%u", self->pid, *out_number);
          return true;
        }
      holder_end (self);
    }
  return false;
}

/* Closes what the holder with this process id holds by this number. */
void
berth_agent_holder_drop (BerthAgentHolder *self, pid_t pid, uint32_t number)
{
  if (self->fd >= 0 && self->pid == pid
      && send (self->fd, &number, sizeof number, MSG_NOSIGNAL | MSG_DONTWAIT) != sizeof number)
    holder_end (self);
}

/* Whether the names that a holder with this process id gave are still good. */
bool
berth_agent_holder_has (const BerthAgentHolder *self, pid_t pid)
{
  siginfo_t info = { 0 };

  /* it may have ended without having been reaped */
  return self->fd >= 0 && self->pid == pid
         && waitid (P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == 0;
}

/* Whether it was the holder that ended; the next pipe starts another one. */
bool
berth_agent_holder_reaped (BerthAgentHolder *self, pid_t pid)
{
  if (self->pid == 0 || self->pid != pid)
    return false;
  self->pid = self->groups->holder = 0;
  berth_agent_file_close (&self->fd);
  return true;
}

/* It ends by itself then, and is reaped with the rest. */
void
berth_agent_holder_clear (BerthAgentHolder *self)
{
  berth_agent_file_close (&self->fd);
}

/* A descriptor that came with a message is held, and its number told; a number that came without
 * one is closed. */
static bool
holder_serve (void)
{
  uint32_t number;
  int fd;

  if (berth_agent_pass_receive (SOCKET_FD, &number, sizeof number, &fd, 0) != sizeof number)
    return false;
  if (fd < 0)
    return number == SOCKET_FD || close ((int)number) == 0;
  number = (uint32_t)fd;
  return send (SOCKET_FD, &number, sizeof number, MSG_NOSIGNAL) == sizeof number;
}

/* The whole program of a holder. */
int
berth_agent_holder_main (void)
{
  while (holder_serve ())
    ;
  return 0;
}
