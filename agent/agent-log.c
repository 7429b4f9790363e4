/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Decides what of a background exec's output is kept. A ring has pieces, each with a head: its
 * size, its stream and when it began. */
#include "agent-log.h"

#include <stdlib.h>

#define ROOM_FIRST (16u * 1024u)
/* A program that writes a byte at a time would be kept as heads. */
#define JOIN_US (100u * 1000u)

typedef struct
{
  uint32_t size;
  uint32_t stream;
  uint64_t time_us;
} Head;

_Static_assert(sizeof (Head) == BERTH_AGENT_LOG_HEAD, "a head has no holes");
_Static_assert(BERTH_AGENT_LOG_PIECE + BERTH_AGENT_LOG_HEAD <= 2 * ROOM_FIRST, "a piece fits");

void
berth_agent_log_init (BerthAgentLog *self, BerthAgentGroups *groups, uint32_t max)
{
  *self = (BerthAgentLog){ .groups = groups, .max = max };
}

void
berth_agent_log_clear (BerthAgentLog *self)
{
  if (self->bytes == NULL)
    return;
  free (self->bytes);
  berth_agent_groups_give_back (self->groups, self->room);
  self->bytes = NULL;
  self->room = 0;
}

static void
ring_put (uint8_t *ring, uint32_t room, uint64_t position, const void *bytes, uint32_t size)
{
  uint32_t at = (uint32_t)(position % room);
  uint32_t part = size < room - at ? size : room - at;

  memcpy (ring + at, bytes, part);
  memcpy (ring, (const uint8_t *)bytes + part, size - part);
}

static void
ring_get (const uint8_t *ring, uint32_t room, uint64_t position, void *out, uint32_t size)
{
  uint32_t at = (uint32_t)(position % room);
  uint32_t part = size < room - at ? size : room - at;

  memcpy (out, ring + at, part);
  memcpy ((uint8_t *)out + part, ring, size - part);
}

static Head
log_head (const BerthAgentLog *self, uint64_t position)
{
  Head head;

  ring_get (self->bytes, self->room, position, &head, sizeof head);
  return head;
}

/* Where memory is short the ring stays as it is, and what is old falls out of it. */
static bool
log_grow (BerthAgentLog *self)
{
  uint32_t room = self->bytes == NULL ? ROOM_FIRST : 2 * self->room;
  uint8_t *bytes;

  if (room > self->max)
    room = self->max;
  if (room == self->room || !berth_agent_groups_take (self->groups, room - self->room))
    return false;
  bytes = malloc (room);
  if (bytes == NULL)
    {
      berth_agent_groups_give_back (self->groups, room - self->room);
      return false;
    }
  for (uint64_t at = self->begin; at < self->end;)
    {
      uint32_t offset = (uint32_t)(at % self->room);
      uint32_t part = self->room - offset;

      if (part > self->end - at)
        part = (uint32_t)(self->end - at);
      ring_put (bytes, room, at, self->bytes + offset, part);
      at += part;
    }
  free (self->bytes);
  self->bytes = bytes;
  self->room = room;
  return true;
}

static bool
log_make_room (BerthAgentLog *self, uint32_t size)
{
  while (self->end - self->begin + size > self->room && log_grow (self))
    ;
  if (size > self->room)
    return false;
  while (self->end - self->begin + size > self->room)
    {
      uint32_t oldest = log_head (self, self->begin).size;

      self->dropped += oldest;
      self->begin += sizeof (Head) + oldest;
    }
  return true;
}

/* Makes the newest piece longer, if that is what these bytes go on with. */
static bool
log_join (BerthAgentLog *self, uint32_t stream, uint64_t time_us, const uint8_t *bytes,
          uint32_t size)
{
  Head head;

  if (self->end == self->begin)
    return false;
  head = log_head (self, self->last);
  if (head.stream != stream || time_us < head.time_us || time_us - head.time_us > JOIN_US
      || size > BERTH_AGENT_LOG_PIECE - head.size || !log_make_room (self, size)
      || self->last < self->begin)
    return false;
  ring_put (self->bytes, self->room, self->end, bytes, size);
  self->end += size;
  head.size += size;
  ring_put (self->bytes, self->room, self->last, &head, sizeof head);
  return true;
}

static void
log_append_piece (BerthAgentLog *self, uint32_t stream, uint64_t time_us, const uint8_t *bytes,
                  uint32_t size)
{
  const Head head = { size, stream, time_us };

  if (log_join (self, stream, time_us, bytes, size))
    return;
  if (!log_make_room (self, (uint32_t)sizeof head + size))
    {
      self->dropped += size;
      return;
    }
  self->last = self->end;
  ring_put (self->bytes, self->room, self->end, &head, sizeof head);
  ring_put (self->bytes, self->room, self->end + sizeof head, bytes, size);
  self->end += sizeof head + size;
}

/* time_us: CLOCK_REALTIME now. */
void
berth_agent_log_append (BerthAgentLog *self, uint32_t stream, uint64_t time_us,
                        const uint8_t *bytes, uint32_t size)
{
  while (size > 0)
    {
      uint32_t part = size < BERTH_AGENT_LOG_PIECE / 2 ? size : BERTH_AGENT_LOG_PIECE / 2;

      log_append_piece (self, stream, time_us, bytes, part);
      bytes += part;
      size -= part;
    }
}

void
berth_agent_log_seek (const BerthAgentLog *self, BerthAgentLogCursor *cursor, uint64_t since_us)
{
  *cursor = (BerthAgentLogCursor){ .position = self->begin, .passed = self->dropped };
  while (cursor->position < self->end)
    {
      Head head = log_head (self, cursor->position);

      if (head.time_us >= since_us)
        break;
      if (cursor->position == self->last) /* what makes it longer comes behind its bytes */
        {
          cursor->taken = head.size;
          break;
        }
      cursor->position += sizeof head + head.size;
      cursor->passed += head.size;
    }
  /* none of what is kept is older: what fell out may have been wanted, too */
  if (cursor->position == self->begin && cursor->taken == 0)
    *cursor = (BerthAgentLogCursor){ 0 };
}

uint32_t
berth_agent_log_peek (const BerthAgentLog *self, BerthAgentLogCursor *cursor, uint32_t *out_stream,
                      uint64_t *lost)
{
  if (self->dropped > cursor->passed + cursor->taken)
    *lost += self->dropped - cursor->passed - cursor->taken;
  if (cursor->position < self->begin || self->dropped > cursor->passed)
    *cursor = (BerthAgentLogCursor){ .position = self->begin, .passed = self->dropped };
  while (cursor->position < self->end)
    {
      Head head = log_head (self, cursor->position);

      if (cursor->taken < head.size)
        {
          *out_stream = head.stream;
          return head.size - cursor->taken;
        }
      if (cursor->position == self->last) /* it may become longer */
        return 0;
      cursor->position += sizeof head + head.size;
      cursor->passed += head.size;
      cursor->taken = 0;
    }
  return 0;
}

void
berth_agent_log_read (const BerthAgentLog *self, BerthAgentLogCursor *cursor, uint8_t *out,
                      uint32_t size)
{
  ring_get (self->bytes, self->room, cursor->position + sizeof (Head) + cursor->taken, out, size);
  cursor->taken += size;
}
