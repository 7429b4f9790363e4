/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a background exec has written: the newest of it, in a ring of bounded size that grows only
 * as it is needed. */
#pragma once

#include "agent-group.h"

#define BERTH_AGENT_LOG_PIECE (16u * 1024u) /* what falls out at a time, at most */
/* Head of a piece in the ring */
#define BERTH_AGENT_LOG_HEAD 16u

typedef struct
{
  BerthAgentGroups *groups; /* whose memory the ring is taken from */
  uint8_t *bytes;           /* owned; NULL until something is kept */
  uint32_t room;            /* of bytes */
  uint32_t max;             /* that it may become */
  uint64_t begin, end;      /* of what is kept: the byte at a position stands at position % room */
  uint64_t last;            /* position of the newest piece */
  uint64_t dropped;         /* bytes of output that fell out */
} BerthAgentLog;

/* A place up to which somebody has read */
typedef struct
{
  uint64_t position; /* of a piece */
  uint32_t taken;    /* bytes of it */
  uint64_t passed;   /* bytes of output in front of it */
} BerthAgentLogCursor;

void berth_agent_log_init (BerthAgentLog *self, BerthAgentGroups *groups, uint32_t max);
void berth_agent_log_clear (BerthAgentLog *self);
void berth_agent_log_append (BerthAgentLog *self, uint32_t stream, uint64_t time_us,
                             const uint8_t *bytes, uint32_t size);

/* At the first piece that is no older than since_us; behind what is kept, if none is. */
void
berth_agent_log_seek (const BerthAgentLog *self, BerthAgentLogCursor *cursor, uint64_t since_us);
/* How much of which stream comes next; 0: nothing now. Adds what fell out in front of it to lost.
 */
uint32_t berth_agent_log_peek (const BerthAgentLog *self, BerthAgentLogCursor *cursor,
                               uint32_t *out_stream, uint64_t *lost);
/* Takes size bytes, no more than were told. */
void berth_agent_log_read (const BerthAgentLog *self, BerthAgentLogCursor *cursor, uint8_t *out,
                           uint32_t size);
