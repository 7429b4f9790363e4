/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What programs ask of a network: names by DNS, connections by TCP. There is neither until the host
 * says which names may be reached. */
#pragma once

#include "agent-config.h"
#include "agent-loop.h"
#include "agent-names.h"

#define BERTH_AGENT_REACH_SELF (BERTH_AGENT_NAMES_NETWORK + 1u) /* who answers DNS */
#define BERTH_AGENT_REACH_QUESTIONS 8u /* connections that ask for names at a time */

typedef struct _BerthAgentReach BerthAgentReach;

/* A connection that asks for names: a message is a length of two bytes and so many of them. */
typedef struct
{
  BerthAgentReach *all;
  BerthAgentWatch watch; /* fd -1: a free place */
  uint64_t since;
  size_t fill;
  uint8_t query[2 + 1024];
} BerthAgentQuestion;

/* Takes over @fd, a socket that a program has connected, non-blocking. */
typedef void (*BerthAgentReachFunc) (void *data, int fd, const char *name, uint16_t port);

/* A program asked for a name that it may not reach, @port 0, or wanted to connect to it at a port
 * that it may not; told of some of them. */
typedef void (*BerthAgentRefusedFunc) (void *data, const char *name, uint16_t port);

/* What the kernel has noted of connections that the gate refused. All zero: not looked at. */
typedef struct
{
  unsigned long *taken; /* NULL: not looked at */
  const unsigned long *noted;
  const uint8_t *records;
  size_t size;
} BerthAgentRefusals;

typedef struct
{
  BerthAgentReachFunc connected;
  BerthAgentRefusedFunc refused;
  void *data;
} BerthAgentReachCalls;

struct _BerthAgentReach
{
  BerthAgentLoop *loop;
  int root_fd;
  BerthAgentReachCalls calls;
  BerthAgentNames names;
  BerthAgentWatch connections;
  BerthAgentWatch datagrams;
  BerthAgentWatch notes;
  BerthAgentRefusals refusals;
  BerthAgentTimer pause;  /* where there is no descriptor for one more */
  BerthAgentEndpoint own; /* who answers DNS */
  int gate;
  int refusals_fd;
  unsigned literals; /* addresses that the loopback has for them */
  uint64_t asked;
  uint64_t told_since_us; /* a second, in which so many were told */
  unsigned told;
  BerthAgentQuestion questions[BERTH_AGENT_REACH_QUESTIONS];
};

/* The sockets, and the kernel's part, which can't be made once programs' calls are filtered.
 * Without privileges, or with a kernel that can't: none, and errno says why. */
BerthAgentReachSockets berth_agent_reach_prepare (void);

/* Takes over @sockets. */
void
berth_agent_reach_init (BerthAgentReach *self, BerthAgentLoop *loop, int root_fd,
                        const BerthAgentReachSockets *sockets, const BerthAgentReachCalls *calls);
void berth_agent_reach_clear (BerthAgentReach *self);
/* Rules as of berth_agent_names_set_rules(); false: errno says why not. */
bool berth_agent_reach_allow (BerthAgentReach *self, const char *rules, size_t size);

/* Of the kernel's part. Whether an endpoint may be connected to: */
bool berth_agent_reach_set_gate (int gate, const BerthAgentEndpoint *endpoint,
                                 BerthAgentGateState state);
bool berth_agent_refusals_map (BerthAgentRefusals *self, int fd);
void berth_agent_refusals_unmap (BerthAgentRefusals *self);
/* False: there is none. */
bool berth_agent_refusals_take (BerthAgentRefusals *self, BerthAgentEndpoint *out);
