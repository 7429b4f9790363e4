/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How many warm VMs of one template are wanted: its target, what was measured, what went wrong. */
#pragma once

#include "berth-request.h"

G_BEGIN_DECLS

/**
 * BerthWarm:
 *
 * What the warm pool knows of one template, or of one tenant's own VMs of it. Pure: the caller
 * passes the time.
 */
typedef struct _BerthWarm BerthWarm;

/* @tenant_key: (nullable): of the tenant that its VMs are for; NULL: anybody */
BerthWarm *berth_warm_new (const char *template_name, const char *tenant_key);
void berth_warm_free (BerthWarm *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BerthWarm, berth_warm_free)

const char *berth_warm_get_template (BerthWarm *self);
const char *berth_warm_get_tenant_key (BerthWarm *self);
gboolean berth_warm_is_of (BerthWarm *self, const char *template_name, const char *tenant_key);
/* of the VMs that are made for it from now on; the name is borrowed */
BerthShape berth_warm_get_shape (BerthWarm *self);
/* whether its VMs may be those of the tenant of @request; what they are like is another question */
gboolean berth_warm_is_for (BerthWarm *self, const BerthRequest *request);
const BerthWarmTarget *berth_warm_get_target (BerthWarm *self);
void berth_warm_set_target (BerthWarm *self, const BerthWarmTarget *target);
/* nothing is wanted until it is filled again */
void berth_warm_set_drained (BerthWarm *self, gboolean drained);
gboolean berth_warm_is_drained (BerthWarm *self);
/* forgets what went wrong, so that a refill is tried at once */
void berth_warm_forgive (BerthWarm *self);
/* VMs that were made before are worth nothing from now on */
void berth_warm_next_generation (BerthWarm *self);
guint berth_warm_get_generation (BerthWarm *self);

/* what happened */
void berth_warm_note_arrival (BerthWarm *self, gint64 now_us);
void berth_warm_note_refill (BerthWarm *self, gint64 took_us);
void berth_warm_note_claim (BerthWarm *self);
/* one was given to a waiter, who has the host's CPUs for a moment before the next is made */
void berth_warm_note_given (BerthWarm *self, gint64 now_us);
gboolean berth_warm_is_holding_back (BerthWarm *self, gint64 now_us);
void berth_warm_note_failed_refill (BerthWarm *self, const char *message, gint64 now_us);
void berth_warm_note_failed_claim (BerthWarm *self, const char *message, gint64 now_us);

/* how many are wanted now; falls only after a while, so that the pool does not churn */
guint berth_warm_get_wanted (BerthWarm *self, gint64 now_us);
/* requests per second that one more would serve, beside @have others */
double berth_warm_get_worth (BerthWarm *self, guint have, gint64 now_us);
/* a refill may be tried */
gboolean berth_warm_may_refill (BerthWarm *self, gint64 now_us);
/* when one of the two above may change by time alone; G_MAXINT64 if never */
gint64 berth_warm_next_wakeup_us (BerthWarm *self, gint64 now_us);
guint berth_warm_get_failures (BerthWarm *self);
const char *berth_warm_get_last_error (BerthWarm *self); /* NULL while all is well */

G_END_DECLS
