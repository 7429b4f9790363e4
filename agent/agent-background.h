/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Background execs: what is known of each, while it runs and for a while after its end, and the
 * host's requests about them. See berth-protocol.h. */
#pragma once

#include "agent-channel.h"
#include "agent-log.h"
#include "berth-replay.h"

typedef struct _BerthAgentExec BerthAgentExec;

typedef struct _BerthAgentRecord
{
  bool is_used;
  uint32_t number;     /* 0: it has not begun */
  uint32_t flags;      /* of its request */
  uint32_t timeout_ms; /* likewise */
  bool has_failed;
  BerthAgentExec *exec; /* NULL: it has ended */
  uint64_t begun_us;    /* CLOCK_REALTIME */
  uint64_t ended;       /* which one that was, counted */
  BerthExit exit;
  BerthAgentLog log;
  uint64_t shown; /* up to where in that somebody who types at its terminal has seen it */
  uint32_t words_size;
  char words[BERTH_WORDS_MAX]; /* what it runs */
} BerthAgentRecord;

/* A request about background execs that has not ended */
typedef struct
{
  uint32_t request;         /* 0: a free place */
  BerthAgentRecord *record; /* NULL: the list is wanted */
  uint32_t flags;
  uint32_t credit[2];
  uint64_t lost;
  BerthAgentLogCursor cursor;
  BerthReplay replay;
} BerthAgentAttachment;

typedef struct _BerthAgentBackground
{
  BerthAgentChannel *channel;
  BerthAgentGroups *groups;
  uint32_t last;    /* number that was given */
  uint64_t ended;   /* so far */
  unsigned turn;    /* whose data goes first */
  uint32_t version; /* of the protocol, that is spoken now */
  BerthAgentRecord records[BERTH_BACKGROUND_MAX];
  BerthAgentAttachment attachments[BERTH_ATTACH_MAX];
} BerthAgentBackground;

void berth_agent_background_init (BerthAgentBackground *self, BerthAgentChannel *channel,
                                  BerthAgentGroups *groups);
void berth_agent_background_clear (BerthAgentBackground *self);
/* Gives back what is kept, also of what was ended and has not come to its end. */
void berth_agent_background_free (BerthAgentBackground *self);

/* For an exec that is about to begin, or has begun for a caller. */
BerthAgentRecord *
berth_agent_background_add (BerthAgentBackground *self, BerthAgentExec *exec,
                            const BerthExecHead *head, const char *words, uint32_t words_size);
/* It runs: its number. */
uint32_t berth_agent_background_begin (BerthAgentBackground *self, BerthAgentRecord *record);
void berth_agent_background_keep (BerthAgentBackground *self, BerthAgentRecord *record,
                                  uint32_t stream, const uint8_t *bytes, uint32_t size);
void berth_agent_background_end (BerthAgentBackground *self, BerthAgentRecord *record,
                                 const BerthExit *exit);
/* There is no end to be known. */
void berth_agent_background_fail (BerthAgentBackground *self, BerthAgentRecord *record);

/* EXECS, ATTACH, SIGNAL; false when it breaks a rule. */
bool berth_agent_background_ask (BerthAgentBackground *self, const BerthFrameHead *head,
                                 const uint8_t *payload);
bool berth_agent_background_has (BerthAgentBackground *self, uint32_t request);
/* What else comes for a request that it has; false when it breaks a rule. */
bool berth_agent_background_take (BerthAgentBackground *self, const BerthFrameHead *head,
                                  const uint8_t *payload);
/* Sends what may be sent. */
void berth_agent_background_pump (BerthAgentBackground *self);
/* The conversation is over: its requests are. */
void berth_agent_background_let_go (BerthAgentBackground *self);
