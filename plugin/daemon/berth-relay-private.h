/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The two ways of a relay, and what they share. */
#pragma once

#include "plugin/model/berth-limits.h"
#include "plugin/daemon/berth-message.h"
#include "plugin/daemon/berth-relay.h"
#include "plugin/daemon/berth-sasl.h"

G_BEGIN_DECLS

/**
 * InStage:
 * @IN_HEAD: up to where the sizes are known
 * @IN_FIELDS: the rest of the head
 * @IN_BODY: the rest of the message
 * @IN_SKIP: the body of a message that goes nowhere
 * @IN_TURN: whole; waits until the user's other messages are begun
 * @IN_PASS: on its way to GDBus
 */
typedef enum
{
  IN_HEAD,
  IN_FIELDS,
  IN_BODY,
  IN_SKIP,
  IN_TURN,
  IN_PASS,
} InStage;

/* From the client to GDBus */
typedef struct
{
  InStage stage;
  guint8 *bytes; /* the message; NULL between two */
  gsize have;    /* bytes of it, or of the part that is skipped */
  gsize want;    /* where the stage ends */
  gsize taken;   /* from the tab for it, and no call's yet */
  BerthMessage message;
  GError *refusal; /* (nullable): why it goes nowhere */
  int fds[BERTH_LIMIT_MESSAGE_FDS];
  guint n_fds;
  GSource *source; /* the client's bytes, or room towards GDBus */
  GSource *deadline;
  GSource *resume; /* it has a turn */
} RelayIn;

/* From GDBus to the client */
typedef struct
{
  GByteArray *head; /* of the answer that begins there */
  gsize body_left;  /* of the answer behind it */
  GQueue chunks;    /* GBytes (owned): the client has not read them; all on the tab */
  gsize written;    /* of the first */
  gboolean is_over; /* GDBus has said all */
  GSource *read_source;
  GSource *write_source;
} RelayOut;

struct _BerthRelay
{
  GSocketConnection *stream;
  BerthTab *tab;
  const BerthRelayFuncs *funcs;
  gpointer user_data;
  int client; /* borrowed from the stream */
  int inner;  /* our end of the pair; -1 before */
  int outer;  /* GDBus's, until it is taken */
  gboolean is_ended;
  GSource *ended;
  BerthSasl sasl;
  GSource *authenticating;
  RelayIn in;
  RelayOut out;
};

typedef gboolean (*BerthRelayFdFunc) (int fd, GIOCondition condition, gpointer user_data);

/* Replaces *@source. */
void berth_relay_watch (BerthRelay *self, GSource **source, int fd, GIOCondition condition,
                        BerthRelayFdFunc func);
/* Ends it, from a later iteration of the main context; why is logged unless it is NULL. */
void berth_relay_end (BerthRelay *self, const char *reason);

void berth_relay_in_start (BerthRelay *self);
void berth_relay_in_clear (BerthRelay *self);
void berth_relay_out_start (BerthRelay *self);
void berth_relay_out_clear (BerthRelay *self);
/* Writes to the client, keeps what it does not take. */
void berth_relay_out_push (BerthRelay *self, const guint8 *bytes, gsize size);

G_END_DECLS
