/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* PUT, GET and LS under way: a process at each place (agent-transfer-work.h), which is kept for the
 * next one, and their bytes between it and the wire. */
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
  bool is_heard;   /* the conversation that asked for it goes on */
  bool is_refused; /* its bytes were wrong: told when its process has let go of it */
  bool is_working; /* its process has told no result */
  bool is_killed;  /* by the host's wish: its process serves no other */
  int data_fd;     /* of a PUT: a socket that its file comes by */
  pid_t pid;       /* of the place, also between requests; 0: none */
  int control_fd;
  BerthAgentWatch control_watch;
  BerthAgentSink sink;     /* of a PUT */
  BerthAgentOutput output; /* of the others */
  BerthFileDone done;      /* valid when its process has told it and output is still to be sent */
} BerthAgentTransfer;

struct _BerthAgentTransfers
{
  BerthAgentLoop *loop;
  BerthAgentChannel *channel;
  BerthAgentGroups *groups;
  const BerthAgentConfig *config;
  uint32_t version;     /* that the host speaks with us */
  int cgroup_fd;        /* of all of them; -1: none yet */
  uint64_t oom_kills;   /* of them that were told as such */
  BerthAgentTimer idle; /* ends the processes when none has had work for a while */
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
/* Whether none is under way */
bool berth_agent_transfers_is_empty (const BerthAgentTransfers *self);
void berth_agent_transfers_clear (BerthAgentTransfers *self);
