/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the guest's files share. */
#pragma once

#include "berth-frame-channel.h"
#include "berth-guest-link.h"
#include "berth-guest-transfer.h"
#include "berth-guest.h"

G_BEGIN_DECLS

#define BERTH_GUEST_CLOCK_VERSION 3u /* of an agent that takes the time alone */

/* A call that is answered by one frame. */
typedef struct
{
  GTask *task; /* owned */
  guint32 reply_type;
  guint32 request;
  GSource *timeout;
  gulong cancelled_id;
  BerthIdentity identity; /* what was sent, to check the proof against */
  gboolean may_be_late;   /* the time that it tells */
  gboolean is_frozen;     /* what was asked for */
  GBytes *random;         /* (nullable): the proof, while its clock is asked for again */
} BerthGuestCall;

struct _BerthGuest
{
  GObject parent;
  BerthFrameChannel *channel; /* NULL once closed */
  GPtrArray *pending;         /* BerthGuestCall (owned) */
  GPtrArray *running;         /* Running (borrowed: each goes with its end) */
  BerthGuestTransfers *files; /* NULL once closed */
  BerthGuestLinks *links;     /* NULL once closed */
  guint32 last_request;
  guint unasked;
  gboolean is_greeted;
  gboolean is_paused; /* it stands still, and so do the times that it is given */
  guint32 version;    /* that the agent speaks with us */
  gboolean was_identified;
  gboolean is_frozen;
  gboolean is_copied; /* from FREEZE until its programs go on: they stand still, or may do */
  guint64 boot_us;
  guint64 ready_us;
  guint8 machine_id[16]; /* the guest's for as long as it is ours: it is set before it is claimed */
  BerthGuestClosedFunc closed_func;
  gpointer closed_data;
  BerthGuestRefusedFunc refused_func; /* NULL: nobody asked for it */
  gpointer refused_data;
};

/* berth-guest-call.c */
void berth_guest_call_free (BerthGuestCall *call);
/* Takes the call out of the list and hands its task over. */
GTask *berth_guest_call_steal (BerthGuest *self, BerthGuestCall *call);
BerthGuestCall *berth_guest_call_find (BerthGuest *self, guint32 reply_type, guint32 request);
/* Registers a call; NULL when the conversation is over, the task has failed then. */
BerthGuestCall *berth_guest_call_add (BerthGuest *self, GTask *task, guint32 reply_type,
                                      guint32 request, guint timeout_ms);
/* TRUE: the agent refused a call, which has failed. */
gboolean berth_guest_call_take_refusal (BerthGuest *self, const BerthFrame *frame);
/* An image that is older than berthd serves as far as its agent knows what it is asked. */
gboolean berth_guest_check_version (guint32 version, guint32 needed, GError **error);

/* berth-guest-allow.c */
void berth_guest_take_refused (BerthGuest *self, const BerthFrame *frame);
/* The guest could not do what the call asked for. */
void berth_guest_call_take_error (BerthGuest *self, BerthGuestCall *call, const BerthFrame *frame);

/* Code or a command runs that somebody waits for. */
gboolean berth_guest_has_callers (BerthGuest *self);
/* No time passes for what runs in it while it stands still, for whichever reason. */
gboolean berth_guest_stands_still (BerthGuest *self);
void berth_guest_hold_times (BerthGuest *self);

/* berth-guest-freeze.c */
/* The guest says so. The caller holds a reference. */
void berth_guest_note_frozen (BerthGuest *self, gboolean is_frozen);
/* Answers the call. */
void berth_guest_call_take_frozen (BerthGuest *self, BerthGuestCall *call, const BerthFrame *frame);

/* berth-guest-identity.c */
/* never short for up to 256 bytes once the host's generator is seeded: getrandom(2) */
void berth_guest_fill_random (guint8 *bytes, gsize size);
/* Answers the call, or asks for the clock again. */
void berth_guest_call_take_proof (BerthGuest *self, BerthGuestCall *call, const BerthFrame *frame);

G_END_DECLS
