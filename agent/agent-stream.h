/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A program's standard streams between its pipes and the wire, under credit. */
#pragma once

#include "agent-background.h"
#include "agent-channel.h"

#define BERTH_AGENT_STDIN_WINDOW (64u * 1024u)

/* stdout or stderr. Bytes stay in the pipe until there is credit, so a program that nobody reads
 * blocks. */
typedef struct
{
  BerthAgentLoop *loop;
  void (*ready) (void *data);
  void *data;
  BerthAgentWatch watch;
  int fd; /* borrowed; -1: at its end */
  uint32_t stream;
  uint32_t credit;
  bool readable;
  bool limited;         /* only `left` more bytes are wanted, the rest belongs to nobody */
  bool ends_when_empty; /* and the first time that there is none */
  uint32_t left;
} BerthAgentOutput;

/* stdin. Bytes wait here for the program; credit is given back as it takes them. */
typedef struct
{
  BerthAgentLoop *loop;
  BerthAgentChannel *channel;
  BerthAgentWatch watch;
  int *fd;          /* of the runner, closed here */
  uint32_t request; /* 0: nobody's now, what is there for the program goes on to it */
  uint32_t owed;    /* taken by the program, not told to the host yet */
  uint32_t start, fill;
  uint32_t credit; /* what the host may still send */
  bool is_ending;  /* the host sends no more */
  bool is_typed;   /* at a terminal, and so is its end */
  bool is_within_line;
  uint8_t buffer[BERTH_AGENT_STDIN_WINDOW + 2]; /* and the end of typing */
} BerthAgentInput;

void berth_agent_output_open (BerthAgentOutput *self, BerthAgentLoop *loop, int fd, uint32_t stream,
                              void (*ready) (void *data), void *data);
void berth_agent_output_close (BerthAgentOutput *self);
bool berth_agent_output_is_done (const BerthAgentOutput *self);
void berth_agent_output_limit (BerthAgentOutput *self);
void berth_agent_output_limit_terminal (BerthAgentOutput *self);
bool berth_agent_output_send (BerthAgentOutput *self, BerthAgentChannel *channel, uint32_t request);
bool berth_agent_output_discard (BerthAgentOutput *self);
bool berth_agent_output_keep (BerthAgentOutput *self, BerthAgentBackground *background,
                              BerthAgentRecord *record);

void
berth_agent_input_open (BerthAgentInput *self, BerthAgentLoop *loop, BerthAgentChannel *channel,
                        int *fd, uint32_t request, bool is_wanted, bool is_typed);
void berth_agent_input_close (BerthAgentInput *self);
bool berth_agent_input_take (BerthAgentInput *self, const uint8_t *bytes, uint32_t size);
bool berth_agent_input_bind (BerthAgentInput *self, uint32_t request);
