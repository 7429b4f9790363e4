/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The agent's end of the wire: bytes in, frames out, in bounded memory and without blocking. */
#pragma once

#include "agent-decoder.h"
#include "agent-loop.h"

/* One write to a virtio port takes 32 KiB at most; a frame that fits needs one. */
#define BERTH_AGENT_CHANNEL_CHUNK (32u * 1024u - BERTH_FRAME_HEAD_SIZE - 4u)
/* What one read from a virtio port gives at most: a buffer of the kernel's driver */
#define BERTH_AGENT_CHANNEL_PIECE 4096u
#define BERTH_AGENT_CHANNEL_CONTROL (16u * 1024u)

typedef struct
{
  void (*frame) (void *data, const BerthFrameHead *head, const uint8_t *payload);
  void (*broken) (void *data); /* a rule was broken, the decoder hunts already */
  void (*lost) (void *data);   /* no host is connected any more */
  void (*idle) (void *data);   /* all is written: a data frame may be sent now */
  void *data;
} BerthAgentChannelCalls;

typedef struct
{
  BerthAgentLoop *loop;
  BerthAgentChannelCalls calls;
  BerthAgentWatch watch;  /* the port, or the connection */
  BerthAgentWatch listen; /* a host-mode agent's door, else not added */
  BerthAgentTimer retry;  /* the kernel had no memory for a write */
  bool is_port;           /* a virtio port: end-of-file means that nobody is connected now */
  bool connected;         /* a port: somebody is at the other end */
  bool readable;
  bool dead;       /* the connection is gone, what it sent before may still be read */
  bool paused;     /* frames wait until berth_agent_channel_resume () */
  bool holds_data; /* no data frame is begun */
  BerthAgentDecoder decoder;
  const uint8_t *unread; /* what is left in input */
  size_t unread_size;
  size_t control_start, control_fill;
  size_t frame_size, frame_sent;
  uint8_t input[BERTH_AGENT_CHANNEL_PIECE];     /* of small frames, and the beginning of each */
  uint8_t control[BERTH_AGENT_CHANNEL_CONTROL]; /* whole frames that overtake data */
  uint8_t frame[BERTH_FRAME_HEAD_SIZE + 4 + BERTH_AGENT_CHANNEL_CHUNK];
} BerthAgentChannel;

void berth_agent_channel_init (BerthAgentChannel *self, BerthAgentLoop *loop,
                               const BerthAgentChannelCalls *calls);
bool berth_agent_channel_open_port (BerthAgentChannel *self, int fd);
bool berth_agent_channel_listen (BerthAgentChannel *self, const char *path);
void berth_agent_channel_clear (BerthAgentChannel *self);

void berth_agent_channel_send_credit (BerthAgentChannel *self, uint32_t request, uint32_t stream,
                                      uint32_t bytes);
void berth_agent_channel_send (BerthAgentChannel *self, uint32_t type, uint32_t request,
                               const void *payload, uint32_t size);
uint8_t *berth_agent_channel_data_room (BerthAgentChannel *self);
void berth_agent_channel_send_data (BerthAgentChannel *self, uint32_t request, uint32_t stream,
                                    uint32_t size);
void berth_agent_channel_drop_output (BerthAgentChannel *self);
void berth_agent_channel_pause (BerthAgentChannel *self);
void berth_agent_channel_resume (BerthAgentChannel *self);
void berth_agent_channel_hold_data (BerthAgentChannel *self, bool holds);
