/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The links of one guest: TCP connections of its loopback and descriptors of the host, and their
 * bytes between; see "Links" in berth-protocol.h. What is for callers is in berth-guest.h, the rest
 * is private to the room. */
#pragma once

#include "berth-frame-channel.h"
#include "berth-guest.h"

G_BEGIN_DECLS

typedef struct _BerthGuestLinks BerthGuestLinks;

/* All must outlive it; ids are counted in *@last_request. */
BerthGuestLinks *
berth_guest_links_new (BerthGuest *guest, BerthFrameChannel *channel, guint32 *last_request);
/* None may be under way: after berth_guest_links_fail(). */
void berth_guest_links_free (BerthGuestLinks *self);

/* Whom programs of the guest are told to; NULL: each of their links is refused. */
void
berth_guest_links_set_func (BerthGuestLinks *self, BerthGuestLinkFunc func, gpointer user_data);
/* Opens one to a port of the guest's; takes over @end. @task returns its #BerthLinkResult. */
void
berth_guest_links_open (BerthGuestLinks *self, GTask *task, guint port, const BerthLinkEnd *end);

/* TRUE: the frame was one of theirs; *@out_ok is FALSE, with @error, if it broke a rule. */
gboolean berth_guest_links_take (BerthGuestLinks *self, const BerthFrame *frame, gboolean *out_ok,
                                 GError **error);
/* The channel has room again: what waited for that goes on. */
void berth_guest_links_go_on (BerthGuestLinks *self);
/* The channel is gone: each ends at once, as reset. */
void berth_guest_links_fail (BerthGuestLinks *self);

G_END_DECLS
