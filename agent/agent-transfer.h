/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* PUT, GET and LS under way: a process each (agent-transfer-work.h), and their bytes between it and
 * the wire. */
#pragma once

#include "agent-group.h"
#include "agent-sink.h"
#include "agent-stream.h"
#include "agent-transfer-work.h"

typedef struct _BerthAgentTransfers BerthAgentTransfers;

typedef struct
{
  BerthAgentTransfers *all;
  uint32_t request; /* 0: a free place */
  uint32_t type;
  pid_t pid;      /* 0: it has ended */
  bool is_heard;  /* the conversation that asked for it goes on */
  bool is_killed; /* by the host's wish */
  int data_fd;    /* of a PUT: a socket that its file comes by */
  int control_fd;
  BerthAgentSink sink;     /* of a PUT */
  BerthAgentOutput output; /* of the others */
  BerthFileDone done;      /* valid when it has ended and output is still to be sent */
} BerthAgentTransfer;

struct _BerthAgentTransfers
{
  BerthAgentLoop *loop;
  BerthAgentChannel *channel;
  BerthAgentGroups *groups;
  const BerthAgentConfig *config;
  uint32_t version;   /* that the host speaks with us */
  int cgroup_fd;      /* of all of them; -1: none yet */
  uint64_t oom_kills; /* of them that were told as such */
  BerthAgentTransfer places[BERTH_FILES_MAX];
};

void berth_agent_transfers_init (BerthAgentTransfers *self, BerthAgentLoop *loop,
                                 BerthAgentChannel *channel, BerthAgentGroups *groups,
                                 const BerthAgentConfig *config);
bool berth_agent_transfers_begin (BerthAgentTransfers *self, const BerthFrameHead *head,
                                  const uint8_t *payload);
bool berth_agent_transfers_have (BerthAgentTransfers *self, uint32_t request);
bool berth_agent_transfers_take (BerthAgentTransfers *self, const BerthFrameHead *head,
                                 const uint8_t *payload);
void berth_agent_transfers_pump (BerthAgentTransfers *self);
bool berth_agent_transfers_reaped (BerthAgentTransfers *self, pid_t pid, int status);
void berth_agent_transfers_end (BerthAgentTransfers *self);
bool berth_agent_transfers_is_empty (const BerthAgentTransfers *self);
void berth_agent_transfers_clear (BerthAgentTransfers *self);
