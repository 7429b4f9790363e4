/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Links: TCP connections on the guest's loopback, carried to and from the host as frames; see
 * "Links" in berth-protocol.h. They belong to a conversation and are reset with it. */
#pragma once

#include "agent-channel.h"

#define BERTH_AGENT_LINKS_MAX (2u * BERTH_LINKS_MAX) /* the host's, and the agent's own */

typedef struct _BerthAgentLinks BerthAgentLinks;

typedef enum
{
  BERTH_AGENT_LINK_CONNECTS, /* of the host's: to the port in the guest */
  BERTH_AGENT_LINK_ASKS,     /* of the agent's: the host has not said yes yet */
  BERTH_AGENT_LINK_FLOWS,
  BERTH_AGENT_LINK_OVER, /* its LINK_END is still to be sent */
} BerthAgentLinkState;

typedef struct
{
  BerthAgentLinks *all;
  BerthAgentLinkState state;
  BerthAgentWatch watch;
  BerthAgentTimer timer; /* of a connect */
  int fd;                /* while it is not over */
  uint16_t port;
  bool is_second_try;  /* by IPv6 */
  bool has_open_owed;  /* its LINK_OPEN, or LINK_OPENED, is still to be sent */
  bool readable;       /* the socket may have bytes for the host */
  bool host_has_ended; /* no more comes from the host */
  bool has_ended;      /* no more goes to the host */
  bool is_deaf;        /* the socket takes nothing any more */
  uint32_t reason;     /* BerthLinkReason, when it is over */
  uint32_t window;     /* of what comes from the host */
  uint32_t credit;     /* what the host may still send */
  uint32_t owed;       /* credit that is still to be given back */
  uint32_t out_credit; /* what the host takes */
  uint8_t *buffer;     /* of `window` bytes; NULL: the socket has taken everything */
  uint32_t start, fill;
  uint32_t name_size; /* of the agent's */
  char name[BERTH_LINK_NAME_MAX];
} BerthAgentLink;

/* Nothing in it is touched before the first link, and it begins as zeros. */
struct _BerthAgentLinks
{
  BerthAgentLoop *loop;
  BerthAgentChannel *channel;
  uint32_t version;                    /* that the host speaks with us; 0: nobody listens */
  uint32_t last_id;                    /* of the agent's, without BERTH_LINK_OF_AGENT */
  uint32_t reserved;                   /* the windows of all */
  uint32_t top;                        /* places from here on are free */
  uint32_t next;                       /* whose turn it is to send */
  uint32_t ids[BERTH_AGENT_LINKS_MAX]; /* 0: a free place */
  BerthAgentLink places[BERTH_AGENT_LINKS_MAX];
};

void
berth_agent_links_init (BerthAgentLinks *self, BerthAgentLoop *loop, BerthAgentChannel *channel);
/* A conversation begins; @version: that both speak. */
void berth_agent_links_greet (BerthAgentLinks *self, uint32_t version);
/* It has ended: every link's connection is reset, nothing more is sent. */
void berth_agent_links_end (BerthAgentLinks *self);
/* Sends what credit and the channel allow. */
void berth_agent_links_pump (BerthAgentLinks *self);

/* A LINK_OPEN of the host; false when it breaks a rule. */
bool
berth_agent_links_begin (BerthAgentLinks *self, const BerthFrameHead *head, const uint8_t *payload);
bool berth_agent_links_have (const BerthAgentLinks *self, uint32_t request);
/* A frame of one that lives; false when it breaks a rule. */
bool
berth_agent_links_take (BerthAgentLinks *self, const BerthFrameHead *head, const uint8_t *payload);

/* Opens a link for a program of the guest, to a name (1 to BERTH_LINK_NAME_MAX bytes) and port
 * outside. Takes over @fd, a connected stream socket, in any case: it is reset when the host says
 * no, and at once, with false returned, when no host that speaks of links is there or as many as
 * may be are open. Nothing is read from it before the host has said yes. */
bool berth_agent_links_open (BerthAgentLinks *self, int fd, const char *name, uint32_t name_size,
                             uint16_t port);
