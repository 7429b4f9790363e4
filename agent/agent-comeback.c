/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "agent-comeback.h"

#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "agent-file.h"

#define BACKLOG 4

/* One a turn: whoever else connects holds up nothing. */
static void
listen_cb (void *data, uint32_t events)
{
  BerthAgentComeback *self = data;
  int fd = accept4 (self->listen.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
  struct ucred peer = { .pid = 0 };
  socklen_t size = sizeof peer;

  (void)events;
  if (fd < 0)
    return;
  if (getsockopt (fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0 || peer.pid <= 0
      || !self->came (self->data, fd, peer.pid))
    close (fd);
}

/* The kernel chooses a name that nobody has: in tests several agents share its list. */
static bool
comeback_bind (BerthAgentComeback *self, int fd)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  socklen_t size = sizeof address, head = offsetof (struct sockaddr_un, sun_path) + 1;

  if (bind (fd, (struct sockaddr *)&address, sizeof address.sun_family) != 0
      || listen (fd, BACKLOG) != 0 || getsockname (fd, (struct sockaddr *)&address, &size) != 0
      || size <= head || size - head >= sizeof self->name)
    return false;
  memcpy (self->name, address.sun_path + 1, size - head);
  return true;
}

/* Where it can't be had, a session goes without: such a program is its interpreter's last one. */
void
berth_agent_comeback_init (BerthAgentComeback *self, BerthAgentLoop *loop,
                           bool (*came) (void *data, int fd, pid_t pid), void *data)
{
  int fd = socket (AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

  *self = (BerthAgentComeback){
    .loop = loop,
    .listen = { .fd = -1, .ready = listen_cb, .data = self },
    .came = came,
    .data = data,
  };
  if (fd >= 0
      && (!comeback_bind (self, fd) || !berth_agent_watch_add (loop, &self->listen, fd, EPOLLIN)))
    {
      self->name[0] = '\0';
      close (fd);
    }
}

void
berth_agent_comeback_clear (BerthAgentComeback *self)
{
  int fd = self->listen.fd;

  berth_agent_watch_remove (self->loop, &self->listen);
  berth_agent_file_close (&fd);
}
