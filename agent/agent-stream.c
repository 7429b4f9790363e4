/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Decides how many bytes of a stream move, and when. */
#include "agent-stream.h"

#include <errno.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* Credit is given back in pieces: a frame for each byte would cost more than the bytes. */
#define CREDIT_PIECE (BERTH_AGENT_STDIN_WINDOW / 4)
#define END_OF_TYPING 4 /* Ctrl-D, as terminals begin */
/* What a pseudo-terminal of Linux holds at most: 64 KiB and what its line discipline has read. */
#define TERMINAL_HELD_MAX (128u * 1024u)

static void
output_cb (void *data, uint32_t events)
{
  BerthAgentOutput *self = data;

  self->readable = true;
  self->ready (self->data);
}

/* Looks at the agent's end of a pipe; the credit of the request was set before. */
void
berth_agent_output_open (BerthAgentOutput *self, BerthAgentLoop *loop, int fd, uint32_t stream,
                         void (*ready) (void *data), void *data)
{
  *self = (BerthAgentOutput){ .loop = loop,
                              .ready = ready,
                              .data = data,
                              .watch = { .fd = -1, .ready = output_cb, .data = self },
                              .fd = fd,
                              .stream = stream,
                              .readable = true };
  berth_agent_watch_add (loop, &self->watch, fd, EPOLLIN | EPOLLET);
}

/* Looks at it no more; the descriptor stays with its owner. */
void
berth_agent_output_close (BerthAgentOutput *self)
{
  if (self->fd < 0)
    return;
  berth_agent_watch_remove (self->loop, &self->watch);
  self->fd = -1;
}

bool
berth_agent_output_is_done (const BerthAgentOutput *self)
{
  return self->fd < 0 || (self->limited && self->left == 0);
}

/* From now on, only what is in the pipe already counts. */
void
berth_agent_output_limit (BerthAgentOutput *self)
{
  int bytes = 0;

  if (self->fd < 0 || self->limited)
    return;
  self->limited = true;
  if (ioctl (self->fd, FIONREAD, &bytes) == 0 && bytes > 0)
    self->left = (uint32_t)bytes;
}

/* The same of a terminal, which tells of no more than 4,095 of the bytes that it holds. */
void
berth_agent_output_limit_terminal (BerthAgentOutput *self)
{
  if (self->fd < 0 || self->limited)
    return;
  self->limited = self->ends_when_empty = self->readable = true;
  self->left = TERMINAL_HELD_MAX;
}

/* Reads once; the count, or 0 when there is nothing now or ever. */
static uint32_t
output_read (BerthAgentOutput *self, uint8_t *room, uint32_t size)
{
  ssize_t count = read (self->fd, room, size);

  if (count > 0)
    return (uint32_t)count;
  if (count < 0 && errno == EAGAIN && !self->ends_when_empty)
    self->readable = false;
  else if (count == 0 || errno != EINTR)
    berth_agent_output_close (self);
  return 0;
}

/* Sends one frame of it; false when there is none to send or no credit. */
bool
berth_agent_output_send (BerthAgentOutput *self, BerthAgentChannel *channel, uint32_t request)
{
  uint8_t *room = berth_agent_channel_data_room (channel);
  uint32_t size = self->credit;

  if (room == NULL || !self->readable || berth_agent_output_is_done (self))
    return false;
  if (size > BERTH_AGENT_CHANNEL_CHUNK)
    size = BERTH_AGENT_CHANNEL_CHUNK;
  if (self->limited && size > self->left)
    size = self->left;
  if (size == 0)
    return false;
  size = output_read (self, room, size);
  if (size == 0)
    return false;
  self->credit -= size;
  if (self->limited)
    self->left -= size;
  berth_agent_channel_send_data (channel, request, self->stream, size);
  return true;
}

/* Takes a piece of it out of the pipe; its size. */
static uint32_t
output_take (BerthAgentOutput *self, uint8_t *room, uint32_t size)
{
  if (!self->readable || berth_agent_output_is_done (self))
    return 0;
  if (self->limited && size > self->left)
    size = self->left;
  size = output_read (self, room, size);
  if (self->limited)
    self->left -= size;
  return size;
}

/* Throws a piece of it away; false when there is nothing. */
bool
berth_agent_output_discard (BerthAgentOutput *self)
{
  uint8_t scratch[16 * 1024];

  return output_take (self, scratch, sizeof scratch) > 0;
}

/* Keeps a piece of it; false when there is nothing. */
bool
berth_agent_output_keep (BerthAgentOutput *self, BerthAgentBackground *background,
                         BerthAgentRecord *record)
{
  uint8_t scratch[16 * 1024];
  uint32_t size = output_take (self, scratch, sizeof scratch);

  if (size > 0)
    berth_agent_background_keep (background, record, self->stream - BERTH_STREAM_STDOUT, scratch,
                                 size);
  return size > 0;
}

void
berth_agent_input_close (BerthAgentInput *self)
{
  berth_agent_watch_remove (self->loop, &self->watch);
  if (self->fd != NULL && *self->fd >= 0)
    {
      close (*self->fd);
      *self->fd = -1;
    }
}

static void
input_give_back (BerthAgentInput *self, uint32_t size)
{
  if (self->request == 0)
    return;
  self->owed += size;
  if (self->owed < CREDIT_PIECE || self->is_ending)
    return;
  self->credit += self->owed;
  berth_agent_channel_send_credit (self->channel, self->request, BERTH_STREAM_STDIN, self->owed);
  self->owed = 0;
}

/* Moves what waits into the pipe. A program that closed its end loses no more than that. */
static void
input_move (BerthAgentInput *self)
{
  while (self->fill > 0 && *self->fd >= 0)
    {
      ssize_t count = write (*self->fd, self->buffer + self->start, self->fill);

      if (count < 0 && errno == EAGAIN)
        {
          berth_agent_watch_set (self->loop, &self->watch, EPOLLOUT);
          return;
        }
      if (count < 0)
        berth_agent_input_close (self);
      else
        {
          self->start += (uint32_t)count;
          self->fill -= (uint32_t)count;
          input_give_back (self, (uint32_t)count);
        }
    }
  if (self->fill > 0)
    input_give_back (self, self->fill);
  self->start = self->fill = 0;
  berth_agent_watch_set (self->loop, &self->watch, 0);
  if (self->is_ending)
    berth_agent_input_close (self);
}

static void
input_cb (void *data, uint32_t events)
{
  BerthAgentInput *self = data;

  /* closed at the other end, which a pipe and a terminal tell in different words: with nothing to
   * write there would be no other way to be quiet */
  if ((events & (EPOLLERR | EPOLLHUP)) && self->fill == 0)
    berth_agent_input_close (self);
  else
    input_move (self);
}

/* No more come. There is always room: of what the host sends, all of the buffer but two bytes is
 * used. Within a line the first end of typing hands over what was typed of it. */
static void
input_end (BerthAgentInput *self)
{
  self->is_ending = true;
  if (!self->is_typed)
    return;
  memmove (self->buffer, self->buffer + self->start, self->fill);
  self->start = 0;
  if (self->is_within_line)
    self->buffer[self->fill++] = END_OF_TYPING;
  self->buffer[self->fill++] = END_OF_TYPING;
}

/* Takes over the runner's stdin; where it is not wanted, the program finds its end at once. */
void
berth_agent_input_open (BerthAgentInput *self, BerthAgentLoop *loop, BerthAgentChannel *channel,
                        int *fd, uint32_t request, bool is_wanted, bool is_typed)
{
  self->loop = loop;
  self->channel = channel;
  self->fd = fd;
  self->request = request;
  self->start = self->fill = self->owed = self->credit = 0;
  self->is_ending = self->is_within_line = false;
  self->is_typed = is_typed;
  self->watch = (BerthAgentWatch){ .fd = -1, .ready = input_cb, .data = self };
  if (!is_wanted)
    input_end (self);
  if ((!is_wanted && !is_typed) || !berth_agent_watch_add (loop, &self->watch, *fd, 0))
    berth_agent_input_close (self);
  else if (is_wanted)
    input_give_back (self, BERTH_AGENT_STDIN_WINDOW);
  else
    input_move (self);
}

/* Takes bytes for the program, none: no more come. False: the host had no credit for them. */
bool
berth_agent_input_take (BerthAgentInput *self, const uint8_t *bytes, uint32_t size)
{
  if (size > self->credit)
    return false;
  if (self->is_ending)
    return size == 0;
  self->credit -= size;
  if (self->start + self->fill + size > sizeof self->buffer)
    {
      memmove (self->buffer, self->buffer + self->start, self->fill);
      self->start = 0;
    }
  memcpy (self->buffer + self->start + self->fill, bytes, size);
  self->fill += size;
  if (size == 0)
    input_end (self);
  else
    self->is_within_line = bytes[size - 1] != '\n' && bytes[size - 1] != '\r';
  input_move (self);
  return true;
}

/* What comes is this request's from now on; 0: nobody's. False: it is closed, or somebody else's.
 */
bool
berth_agent_input_bind (BerthAgentInput *self, uint32_t request)
{
  if (request != 0 && (self->request != 0 || self->is_ending || self->fd == NULL || *self->fd < 0))
    return false;
  self->request = request;
  self->credit = self->owed = 0;
  input_give_back (self, BERTH_AGENT_STDIN_WINDOW - self->fill);
  return true;
}
