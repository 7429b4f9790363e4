/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Decides when the host may send how much of a file, and whether all of it came. */
#include "agent-sink.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent-file.h"
#include "agent-pass.h"
#include "berth-holes.h"

/* What the host may have under way: at 100 MiB/s, what comes in 5 ms, two round trips of an
 * emulated guest. Credit is given back in quarters of it. */
#define WINDOW (512u * 1024u)

static void
sink_fail (BerthAgentSink *self, BerthAgentError error, const char *problem)
{
  self->error = error;
  self->problem = problem;
}

static void
sink_give_credit (BerthAgentSink *self, uint32_t size)
{
  self->credit += size;
  berth_agent_channel_send_credit (self->channel, self->request, BERTH_STREAM_FILE, size);
}

/* The process of the transfer has given the file its size. */
static bool
sink_write_around_holes (BerthAgentSink *self, const uint8_t *bytes, uint32_t size)
{
  while (size > 0)
    {
      const BerthHole *next = &self->holes[self->next_hole];
      bool has_next = self->next_hole < self->hole_count;
      uint32_t piece = size;

      if (has_next && next->begin == self->position)
        {
          self->position += next->size;
          self->next_hole++;
          if (lseek (self->fd, (off_t)self->position, SEEK_SET) < 0)
            return false;
          continue;
        }
      if (has_next && next->begin - self->position < piece)
        piece = (uint32_t)(next->begin - self->position);
      if (!berth_agent_file_write_all (self->fd, bytes, piece))
        return false;
      self->position += piece;
      bytes += piece;
      size -= piece;
    }
  return true;
}

static void
sink_write (BerthAgentSink *self, const uint8_t *bytes, uint32_t size)
{
  if (size > self->announced - self->size)
    {
      sink_fail (self, BERTH_AGENT_ERROR_DAMAGED, "more arrived than was announced");
      return;
    }
  if (!sink_write_around_holes (self, bytes, size))
    {
      if (errno == ENOSPC)
        sink_fail (self, BERTH_AGENT_ERROR_FULL, "no space is left in the guest");
      else
        sink_fail (self, BERTH_AGENT_ERROR_RESOURCE, "the file can't be written");
      return;
    }
  XXH64_update (&self->sum, bytes, size);
  self->size += size;
  self->owed += size;
  if (self->owed < WINDOW / 4 || self->has_end)
    return;
  sink_give_credit (self, self->owed);
  self->owed = 0;
}

static void
sink_check (BerthAgentSink *self)
{
  if (self->problem != NULL)
    return;
  if (self->size != self->announced || self->end.size != self->size)
    sink_fail (self, BERTH_AGENT_ERROR_DAMAGED, "not all of it arrived");
  else if (self->end.sum != XXH64_digest (&self->sum))
    sink_fail (self, BERTH_AGENT_ERROR_DAMAGED, "what arrived is not what was sent");
}

/* The file is here: what waited goes into it, and the host may send more at a time. */
static void
sink_begin (BerthAgentSink *self)
{
  sink_write (self, self->buffer, self->fill);
  if (self->has_end)
    sink_check (self);
  else if (self->problem == NULL)
    sink_give_credit (self, WINDOW - BERTH_AGENT_SINK_BUFFER);
}

/* The file, or none: then its process has ended and says why. */
static void
file_cb (void *data, uint32_t events)
{
  BerthAgentSink *self = data;
  struct stat info;
  char byte;

  berth_agent_pass_receive (self->watch.fd, &byte, sizeof byte, &self->fd,
                            MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
  berth_agent_watch_remove (self->loop, &self->watch);
  if (self->fd < 0)
    return;
  /* whoever else might wait at a pipe, the agent does not */
  if (fstat (self->fd, &info) != 0 || !S_ISREG (info.st_mode))
    sink_fail (self, BERTH_AGENT_ERROR_INTERNAL, "what the transfer's process opened is no file");
  else
    sink_begin (self);
  self->ready (self->data);
}

/* The socket stays with its owner; -1: nothing is going to come. */
void
berth_agent_sink_open (BerthAgentSink *self, BerthAgentLoop *loop, BerthAgentChannel *channel,
                       uint32_t request, uint64_t announced, int socket_fd)
{
  self->loop = loop;
  self->channel = channel;
  self->watch = (BerthAgentWatch){ .fd = -1, .ready = file_cb, .data = self };
  self->request = request;
  self->fd = -1;
  self->announced = announced;
  self->size = self->position = 0;
  self->hole_count = self->next_hole = 0;
  self->credit = self->owed = self->fill = 0;
  self->has_end = socket_fd < 0;
  self->problem = NULL;
  XXH64_reset (&self->sum, 0);
  if (socket_fd < 0)
    return;
  if (berth_agent_watch_add (loop, &self->watch, socket_fd, EPOLLIN))
    sink_give_credit (self, BERTH_AGENT_SINK_BUFFER);
  else
    sink_fail (self, BERTH_AGENT_ERROR_RESOURCE, "the guest can't wait for the file");
}

void
berth_agent_sink_set_holes (BerthAgentSink *self, const BerthHole *holes, uint32_t count)
{
  memcpy (self->holes, holes, count * sizeof *holes);
  self->hole_count = count;
  self->announced = berth_holes_rest (holes, count, self->announced);
}

void
berth_agent_sink_close (BerthAgentSink *self)
{
  berth_agent_watch_remove (self->loop, &self->watch);
  berth_agent_file_close (&self->fd);
}

/* False: the host had no credit for them. */
bool
berth_agent_sink_take (BerthAgentSink *self, const uint8_t *bytes, uint32_t size)
{
  if (self->has_end || size > self->credit)
    return false;
  self->credit -= size;
  if (self->fd >= 0)
    sink_write (self, bytes, size);
  else
    {
      /* no more credit than this has room for is out before there is a file */
      memcpy (self->buffer + self->fill, bytes, size);
      self->fill += size;
    }
  return true;
}

/* The host has said that this is all. */
void
berth_agent_sink_end (BerthAgentSink *self, const BerthFileDone *end)
{
  self->has_end = true;
  self->end = *end;
  if (self->fd >= 0)
    sink_check (self);
}

/* Whether the file has all that the host sent, unharmed. */
bool
berth_agent_sink_is_complete (const BerthAgentSink *self)
{
  return self->fd >= 0 && self->has_end && self->problem == NULL;
}
