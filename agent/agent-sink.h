/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A file that the host sends. Its bytes wait here until the transfer's process has made room for
 * them and handed over the file, and go straight into it from then on: a second pass through that
 * process would cost more than the way from the host. */
#pragma once

#define XXH_STATIC_LINKING_ONLY /* the state has a size */
#include <xxhash.h>

#include "agent-channel.h"

/* What the host may send before there is a file */
#define BERTH_AGENT_SINK_BUFFER (64u * 1024u)

typedef struct
{
  BerthAgentLoop *loop;
  BerthAgentChannel *channel;
  BerthAgentWatch watch; /* the socket that the file comes by */
  void (*ready) (void *data);
  void *data;
  uint32_t request;
  int fd;             /* the file; -1: not here yet */
  uint64_t announced; /* bytes that the host will send */
  uint64_t size;      /* written of them */
  uint64_t position;  /* in the file: they are not where there are holes */
  BerthHole holes[BERTH_HOLES_MAX];
  uint32_t hole_count;
  uint32_t next_hole; /* at or behind the position */
  XXH64_state_t sum;  /* of what was written */
  uint32_t credit;    /* what the host may still send */
  uint32_t owed;      /* written, not told to the host yet */
  bool has_end;       /* the host sends no more */
  BerthFileDone end;  /* what it said then */
  BerthAgentError error;
  const char *problem; /* NULL: none */
  uint32_t fill;
  uint8_t buffer[BERTH_AGENT_SINK_BUFFER];
} BerthAgentSink;

void berth_agent_sink_open (BerthAgentSink *self, BerthAgentLoop *loop, BerthAgentChannel *channel,
                            uint32_t request, uint64_t announced, int socket_fd);
/* Before any bytes come: those of the size that was given which are in a hole are not sent. */
void berth_agent_sink_set_holes (BerthAgentSink *self, const BerthHole *holes, uint32_t count);
void berth_agent_sink_close (BerthAgentSink *self);
bool berth_agent_sink_take (BerthAgentSink *self, const uint8_t *bytes, uint32_t size);
void berth_agent_sink_end (BerthAgentSink *self, const BerthFileDone *end);
bool berth_agent_sink_is_complete (const BerthAgentSink *self);
