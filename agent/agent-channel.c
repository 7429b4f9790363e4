/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Moves bytes between the host and the frames; decides what waits when the host does not read. */
#include "agent-channel.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* With less room than this for answers no further request is read: what all that may be under way
 * can have to tell at once is less. */
#define CONTROL_RESERVE 8192u
#define RETRY_US 2000u
/* The beginning of a frame and what is missing of it: then programs and timers have their turn. */
#define READS_A_TURN 2u
/* Edges, not levels: a port without a host is readable (end-of-file) for ever. */
#define PORT_EVENTS (EPOLLIN | EPOLLOUT | EPOLLET)

static bool
channel_can_read (const BerthAgentChannel *self)
{
  return !self->paused && self->control_fill + CONTROL_RESERVE <= sizeof self->control;
}

static void
channel_lose (BerthAgentChannel *self)
{
  self->readable = self->dead = self->paused = false;
  self->unread_size = 0;
  berth_agent_channel_drop_output (self);
  berth_agent_decoder_hunt (&self->decoder);
  if (!self->is_port)
    {
      int fd = self->watch.fd;

      berth_agent_watch_remove (self->loop, &self->watch);
      close (fd);
      berth_agent_watch_set (self->loop, &self->listen, EPOLLIN);
    }
  self->calls.lost (self->calls.data);
}

static bool
channel_has_unread (const BerthAgentChannel *self)
{
  return self->unread_size > 0 || berth_agent_decoder_is_whole (&self->decoder);
}

/* Hands out what was read, as long as answers have room. */
static void
channel_decode (BerthAgentChannel *self)
{
  while (channel_has_unread (self) && channel_can_read (self))
    {
      BerthFrameHead head;
      const uint8_t *payload;
      BerthAgentDecoderResult result = berth_agent_decoder_next (
          &self->decoder, &self->unread, &self->unread_size, &head, &payload);

      if (result == BERTH_AGENT_DECODER_FRAME)
        self->calls.frame (self->calls.data, &head, payload);
      else if (result == BERTH_AGENT_DECODER_BROKEN)
        self->calls.broken (self->calls.data);
    }
}

/* Reads what is missing of a large frame to where it is handed out from: its copy was a tenth of
 * the time of a file that is put, under emulation. */
static ssize_t
channel_read_missing (BerthAgentChannel *self, uint8_t *to, size_t size)
{
  size_t fill = 0;
  ssize_t count;

  do
    {
      count = read (self->watch.fd, to + fill, size - fill);
      if (count > 0)
        fill += (size_t)count;
    }
  while (count == BERTH_AGENT_CHANNEL_PIECE && fill < size);
  berth_agent_decoder_add (&self->decoder, fill);
  return fill > 0 ? (ssize_t)fill : count;
}

static ssize_t
channel_read_some (BerthAgentChannel *self)
{
  size_t size;
  uint8_t *to = berth_agent_decoder_missing (&self->decoder, &size);
  ssize_t count;

  if (size >= BERTH_AGENT_CHANNEL_PIECE)
    return channel_read_missing (self, to, size);
  count = read (self->watch.fd, self->input, sizeof self->input);
  self->unread = self->input;
  self->unread_size = count > 0 ? (size_t)count : 0;
  return count;
}

/* False: not now, or no more. */
static bool
channel_read_on (BerthAgentChannel *self)
{
  ssize_t count;

  if (!self->readable || channel_has_unread (self) || !channel_can_read (self))
    return false;
  count = channel_read_some (self);
  if (count > 0)
    channel_decode (self);
  else if (self->is_port || (count < 0 && (errno == EAGAIN || errno == EINTR)))
    self->readable = false;
  else
    channel_lose (self);
  return count > 0;
}

static void
channel_read (BerthAgentChannel *self)
{
  unsigned reads = 0;

  channel_decode (self);
  if (self->dead && !channel_can_read (self))
    channel_lose (self);
  while (reads < READS_A_TURN && channel_read_on (self))
    reads++;
  if (reads == READS_A_TURN)
    berth_agent_watch_again (self->loop, &self->watch);
}

/* Writes some of it; false when the rest has to wait. */
static bool
channel_write (BerthAgentChannel *self, const uint8_t *bytes, size_t size, size_t *out_count)
{
  ssize_t count = write (self->watch.fd, bytes, size);

  if (count > 0)
    {
      *out_count = (size_t)count;
      return true;
    }
  /* the port copies into kernel memory and may find none; no edge would come for that */
  if (count < 0 && errno != EAGAIN && !self->dead)
    berth_agent_timer_arm (self->loop, &self->retry, RETRY_US);
  return false;
}

static bool
channel_write_frame (BerthAgentChannel *self)
{
  size_t count;

  while (self->frame_sent < self->frame_size)
    {
      if (!channel_write (self, self->frame + self->frame_sent, self->frame_size - self->frame_sent,
                          &count))
        return false;
      self->frame_sent += count;
    }
  self->frame_size = self->frame_sent = 0;
  return true;
}

/* Finishes the data frame that has begun, then the control frames. */
static bool
channel_write_out (BerthAgentChannel *self)
{
  size_t count;

  if (!channel_write_frame (self))
    return false;
  while (self->control_start < self->control_fill)
    {
      if (!channel_write (self, self->control + self->control_start,
                          self->control_fill - self->control_start, &count))
        return false;
      self->control_start += count;
    }
  self->control_start = self->control_fill = 0;
  return true;
}

static void
channel_flush (BerthAgentChannel *self)
{
  if (!channel_write_out (self))
    return;
  self->calls.idle (self->calls.data);
}

/* Writes, and then reads what there was no room to answer. */
static void
channel_turn (BerthAgentChannel *self)
{
  channel_flush (self);
  if (self->watch.fd >= 0)
    channel_read (self);
}

static void
channel_ready_cb (void *data, uint32_t events)
{
  BerthAgentChannel *self = data;

  if (events & (EPOLLIN | EPOLLHUP | EPOLLERR | EPOLLRDHUP))
    self->readable = true;
  /* Not the end-of-file: a new host's first bytes may be here before the news that there is one,
   * and behind them the port reads as ended. */
  if (self->is_port && events != 0)
    {
      if (self->connected && (events & EPOLLHUP))
        channel_lose (self);
      self->connected = !(events & EPOLLHUP);
      self->readable = true;
    }
  /* gone for good, also where frames are kept back and the end-of-file would not be read */
  if (!self->is_port && (events & (EPOLLHUP | EPOLLERR)))
    self->dead = true;
  channel_turn (self);
}

static void
channel_retry_cb (void *data)
{
  channel_turn (data);
}

/* Queues a frame that does not wait for data frames. Those who call it answer a request, and none
 * is read while there is little room, so this can't overflow but by a mistake in the agent. */
void
berth_agent_channel_send (BerthAgentChannel *self, uint32_t type, uint32_t request,
                          const void *payload, uint32_t size)
{
  size_t left = self->control_fill - self->control_start;
  uint8_t *at;

  if (self->watch.fd < 0)
    return;
  if (self->control_start > 0)
    {
      memmove (self->control, self->control + self->control_start, left);
      self->control_start = 0;
      self->control_fill = left;
    }
  if (left + BERTH_FRAME_HEAD_SIZE + size > sizeof self->control)
    return;
  at = self->control + left;
  berth_frame_head_write (at, type, request, size);
  if (size > 0)
    memcpy (at + BERTH_FRAME_HEAD_SIZE, payload, size);
  self->control_fill = left + BERTH_FRAME_HEAD_SIZE + size;
  if (self->frame_size == 0 && left == 0)
    channel_write_out (self);
}

/* The host may send so many bytes more on this stream. */
void
berth_agent_channel_send_credit (BerthAgentChannel *self, uint32_t request, uint32_t stream,
                                 uint32_t bytes)
{
  uint8_t payload[8];

  berth_le32_write (payload, stream);
  berth_le32_write (payload + 4, bytes);
  berth_agent_channel_send (self, BERTH_FRAME_CREDIT, request, payload, sizeof payload);
}

/* Where up to BERTH_AGENT_CHANNEL_CHUNK bytes of a data frame go; NULL: not now, idle is called. */
uint8_t *
berth_agent_channel_data_room (BerthAgentChannel *self)
{
  if (self->watch.fd < 0 || self->holds_data || self->frame_size > 0 || self->control_fill > 0)
    return NULL;
  return self->frame + BERTH_FRAME_HEAD_SIZE + 4;
}

/* Sends what was put into the room. */
void
berth_agent_channel_send_data (BerthAgentChannel *self, uint32_t request, uint32_t stream,
                               uint32_t size)
{
  berth_frame_head_write (self->frame, BERTH_FRAME_DATA, request, 4 + size);
  berth_le32_write (self->frame + BERTH_FRAME_HEAD_SIZE, stream);
  self->frame_size = BERTH_FRAME_HEAD_SIZE + 4 + size;
  self->frame_sent = 0;
  channel_write_frame (self);
}

/* Throws away what is not written yet: nobody who reads from here on wants it. */
void
berth_agent_channel_drop_output (BerthAgentChannel *self)
{
  berth_agent_timer_disarm (self->loop, &self->retry);
  self->control_start = self->control_fill = 0;
  self->frame_size = self->frame_sent = 0;
}

/* Keeps frames back, so that an answer can wait for something and still come first. */
void
berth_agent_channel_pause (BerthAgentChannel *self)
{
  self->paused = true;
}

void
berth_agent_channel_resume (BerthAgentChannel *self)
{
  self->paused = false;
  berth_agent_watch_again (self->loop, &self->watch);
}

/* Of data, only the frame that has begun is still sent. */
void
berth_agent_channel_hold_data (BerthAgentChannel *self, bool holds)
{
  self->holds_data = holds;
  if (!holds)
    berth_agent_watch_again (self->loop, &self->watch);
}

static void
channel_accept_cb (void *data, uint32_t events)
{
  BerthAgentChannel *self = data;
  int fd = accept4 (self->listen.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

  if (fd < 0)
    return;
  if (!berth_agent_watch_add (self->loop, &self->watch, fd, PORT_EVENTS | EPOLLRDHUP))
    {
      close (fd);
      return;
    }
  /* one host at a time, as with a port */
  berth_agent_watch_set (self->loop, &self->listen, 0);
  self->readable = true;
  berth_agent_watch_again (self->loop, &self->watch);
}

void
berth_agent_channel_init (BerthAgentChannel *self, BerthAgentLoop *loop,
                          const BerthAgentChannelCalls *calls)
{
  self->loop = loop;
  self->calls = *calls;
  self->watch = (BerthAgentWatch){ .fd = -1, .ready = channel_ready_cb, .data = self };
  self->listen = (BerthAgentWatch){ .fd = -1, .ready = channel_accept_cb, .data = self };
  self->retry = (BerthAgentTimer){ .fire = channel_retry_cb, .data = self };
  berth_agent_decoder_hunt (&self->decoder);
}

/* Talks over a virtio port; takes the descriptor. */
bool
berth_agent_channel_open_port (BerthAgentChannel *self, int fd)
{
  self->is_port = true;
  self->readable = true;
  if (fcntl (fd, F_SETFL, O_RDWR | O_NONBLOCK) != 0
      || !berth_agent_watch_add (self->loop, &self->watch, fd, PORT_EVENTS))
    return false;
  berth_agent_watch_again (self->loop, &self->watch);
  return true;
}

/* Talks with whoever connects to a socket at this path, one at a time. */
bool
berth_agent_channel_listen (BerthAgentChannel *self, const char *path)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  int fd;

  if (strlen (path) >= sizeof address.sun_path)
    {
      errno = ENAMETOOLONG;
      return false;
    }
  strcpy (address.sun_path, path);
  fd = socket (AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  unlink (path);
  if (fd < 0)
    return false;
  if (bind (fd, (struct sockaddr *)&address, sizeof address) != 0 || listen (fd, 8) != 0
      || !berth_agent_watch_add (self->loop, &self->listen, fd, EPOLLIN))
    {
      close (fd);
      return false;
    }
  return true;
}

void
berth_agent_channel_clear (BerthAgentChannel *self)
{
  int fds[] = { self->watch.fd, self->listen.fd };

  berth_agent_timer_disarm (self->loop, &self->retry);
  berth_agent_watch_remove (self->loop, &self->watch);
  berth_agent_watch_remove (self->loop, &self->listen);
  for (unsigned i = 0; i < 2; i++)
    if (fds[i] >= 0)
      close (fds[i]);
}
