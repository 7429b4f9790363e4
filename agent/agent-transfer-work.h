/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The work of PUT, GET and LS, done by a process of its own: a fork of the agent that has become
 * the programs' user, so that whatever the file system makes it wait for, or do, hurts no other.
 * It serves one request after the other, for a fork costs more than a small file. */
#pragma once

#define XXH_STATIC_LINKING_ONLY /* the state has a size */
#include <sys/stat.h>
#include <xxhash.h>

#include "agent-config.h"

#define BERTH_AGENT_TRANSFER_CHUNK (64u * 1024u)

/* What the agent tells the process of a PUT when all of the file is written: a byte */
#define BERTH_AGENT_TRANSFER_NAME_IT 1

/* What it is asked for: a message of the control descriptor, which brings the end of the bytes'
 * way. */
typedef struct
{
  uint32_t type;    /* of the request's frame */
  uint32_t version; /* that the host speaks with us */
  union
  {
    BerthPutHead put;
    BerthGetHead get;
    BerthLsHead ls;
  };
  char path[BERTH_PATH_MAX + 1];
  uint32_t path_size;
  char after[BERTH_NAME_MAX + 1]; /* of LS, "": none */
  uint32_t hole_count;
  BerthHole holes[BERTH_HOLES_MAX]; /* of PUT; the message ends with the last that there is */
} BerthAgentTransferJob;

/* Comes once for each over the control descriptor, as one message; the text may be shorter. */
typedef struct
{
  uint32_t error; /* BerthAgentError; 0: done */
  union
  {
    BerthFileDone done;
    char text[BERTH_TEXT_MAX];
  };
} BerthAgentTransferResult;

/* The process that works. */
typedef struct
{
  const BerthAgentConfig *config;
  BerthAgentTransferJob job;
  int root_fd;                    /* O_PATH */
  char below[BERTH_PATH_MAX + 1]; /* the path below it */
  BerthAgentTransferResult result;
  uint64_t size;     /* moved so far */
  XXH64_state_t sum; /* of it */
} BerthAgentWork;

/* Descriptors of the process */
#define BERTH_AGENT_TRANSFER_DATA_FD 0
#define BERTH_AGENT_TRANSFER_CONTROL_FD 1

/* Until the other end of @control_fd is closed. @cgroup_fd: where it goes; -1: stays. */
void berth_agent_transfer_serve (const BerthAgentConfig *config, int cgroup_fd, int control_fd)
    __attribute__ ((noreturn));
/* Gives such a process its next job, and a copy of @data_fd. */
bool berth_agent_transfer_send (int control_fd, const BerthAgentTransferJob *job, int data_fd);

/* Of its parts. Each returns whether it went well; if not, the result says why. */
bool berth_agent_work_put (BerthAgentWork *self);
bool berth_agent_work_list (BerthAgentWork *self);
bool berth_agent_work_fail (BerthAgentWork *self, const char *what);
bool berth_agent_work_refuse (BerthAgentWork *self, BerthAgentError code, const char *text);
int berth_agent_work_open (BerthAgentWork *self, const char *below, int flags);
int berth_agent_work_reopen (int path_fd, int flags);
bool berth_agent_work_send (BerthAgentWork *self, const void *bytes, size_t size);
