/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where the agent runs and as whom it runs programs; fixed before its loop begins, but for what the
 * host told it since. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "berth-protocol.h"

typedef struct _BerthAgentHolder BerthAgentHolder;

/* What programs' questions and connections come by, see agent-reach.h. */
typedef struct
{
  int connections; /* -1: this kernel can't, or nobody asked it to */
  int datagrams;
  int gate;     /* a map of the kernel's, of what may be connected to */
  int refusals; /* likewise, of what was refused */
} BerthAgentReachSockets;

#define BERTH_AGENT_REACH_NO_SOCKETS                                                               \
  {                                                                                                \
    .connections = -1, .datagrams = -1, .gate = -1, .refusals = -1                                 \
  }

#define BERTH_AGENT_USER "user"
#define BERTH_AGENT_UID 1000u /* unless the template says another */
#define BERTH_AGENT_HOME "/home/" BERTH_AGENT_USER
#define BERTH_AGENT_CGROUP "/sys/fs/cgroup/berth"
#define BERTH_AGENT_PIPE_NAME_MAX 96u
#define BERTH_AGENT_COMEBACK_NAME_MAX 16u

typedef struct
{
  bool is_init;        /* PID 1 of a guest; else a test's agent on a host, with no privileges */
  const char *home;    /* of the programs, absolute */
  const char *spare;   /* where code goes when the home is full; NULL: nowhere */
  const char *runners; /* folder of python/ and javascript.js, absolute */
  const char *streams; /* folder for the named pipes of sessions, absolute, not listable */
  BerthAgentHolder *holder; /* of the standard input of sessions */
  const char *comeback;     /* see agent-comeback.h */
  int root_fd;              /* of a guest: its root, writable, which no program sees so */
  BerthAgentReachSockets sockets;
  BerthLanguage language; /* of the standby; NONE: no standby */
  bool is_builder;        /* of a guest: programs keep root's rights */
  uid_t uid;              /* of a guest: who programs are, never root */
  gid_t gid;
  unsigned identities; /* that came; until the first one, only the host's own rehearsal runs */
} BerthAgentConfig;
