/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Files under way between a guest and descriptors of the host. Private to the agent. */
#pragma once

#include "berth-frame-channel.h"
#include "plugin/model/berth-file-request.h"

G_BEGIN_DECLS

/* ---- one of them ---- */

typedef struct _BerthGuestTransfer BerthGuestTransfer;

/* Called once, when its end is known and what came was delivered, or when it failed. Takes over
 * @result or @error; frees the file. */
typedef void (*BerthGuestTransferDoneFunc) (BerthGuestTransfer *self, BerthFileResult *result,
                                            GError *error, gpointer user_data);

/* Sends the request. Takes over @file, which has passed berth_file_request_check(); @channel and
 * @version, the one that the agent speaks, 0 before its greeting, must outlive it. */
BerthGuestTransfer *berth_guest_transfer_new (BerthFrameChannel *channel, const guint32 *version,
                                              guint32 request, BerthFileRequest *file,
                                              BerthGuestTransferDoneFunc func, gpointer user_data);
void berth_guest_transfer_free (BerthGuestTransfer *self);
guint32 berth_guest_transfer_get_request (BerthGuestTransfer *self);

/* A frame with this file's id. FALSE: it breaks a rule. */
gboolean
berth_guest_transfer_take (BerthGuestTransfer *self, const BerthFrame *frame, GError **error);
/* The channel has room again: what waited for that goes on. */
void berth_guest_transfer_go_on (BerthGuestTransfer *self);
/* No time passes for it while its guest stands still. */
void berth_guest_transfer_hold (BerthGuestTransfer *self, gboolean is_held);
/* Withdraws it; it completes when the guest tells its end. */
void berth_guest_transfer_cancel (BerthGuestTransfer *self);
/* The channel is gone: completes at once. */
void berth_guest_transfer_fail (BerthGuestTransfer *self, const GError *error);

/* ---- those of one agent ---- */

/* As berth_guest_transfers_cancel(), for an agent that may be closed by now; in berth-guest.c. */
void berth_guest_cancel_file (gpointer agent, GTask *task);

typedef struct _BerthGuestTransfers BerthGuestTransfers;

/* All must outlive it; ids of requests are counted in *@last_request, *@version is the one that the
 * agent speaks, 0 before its greeting. */
BerthGuestTransfers *berth_guest_transfers_new (BerthFrameChannel *channel, const guint32 *version,
                                                guint32 *last_request);
/* None may be under way. */
void berth_guest_transfers_free (BerthGuestTransfers *self);

/* Takes over @file; @task returns its #BerthFileResult. BERTH_FILES_MAX run at a time, the others
 * wait for their turn. */
void berth_guest_transfers_add (BerthGuestTransfers *self, GTask *task, BerthFileRequest *file);
/* TRUE: the frame was one of theirs, with *@out_ok and @error as of berth_guest_transfer_take() */
gboolean berth_guest_transfers_take (BerthGuestTransfers *self, const BerthFrame *frame,
                                     gboolean *out_ok, GError **error);
/* As berth_guest_transfer_go_on(), for each */
void berth_guest_transfers_go_on (BerthGuestTransfers *self);
/* As berth_guest_transfer_hold(), for each */
void berth_guest_transfers_hold (BerthGuestTransfers *self, gboolean is_held);
/* Withdraws the one whose task this is, if it is one of theirs still. */
void berth_guest_transfers_cancel (BerthGuestTransfers *self, GTask *task);
/* Ends all of them at once. */
void berth_guest_transfers_fail (BerthGuestTransfers *self, const GError *error);

G_END_DECLS
