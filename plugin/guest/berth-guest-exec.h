/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One program under way in a guest: its streams, its credits, its end. Private to the agent. */
#pragma once

#include "berth-frame-channel.h"
#include "plugin/model/berth-background.h"
#include "plugin/model/berth-exec.h"
#include "plugin/model/berth-result-private.h"

G_BEGIN_DECLS

typedef struct _BerthGuestExec BerthGuestExec;

/* Called once, when the program's end is known and its output delivered, or when it failed. Takes
 * over @result or @error, both NULL where a request about one in the background has ended and that
 * has not; frees the exec. */
typedef void (*BerthGuestExecDoneFunc) (BerthGuestExec *self, BerthResult *result, GError *error,
                                        gpointer user_data);

/* Of its request */
guint32 berth_guest_exec_get_flags (const BerthExec *exec, BerthLanguage language);
/* Of the protocol, which an agent has to speak to understand @exec, or @request */
guint32 berth_guest_exec_get_version (const BerthExec *exec, BerthLanguage language);
guint32 berth_guest_exec_get_background_version (const BerthBackgroundRequest *request);
/* Sends the request. Takes over @exec; @channel must outlive it. */
BerthGuestExec *
berth_guest_exec_new (BerthFrameChannel *channel, guint32 request, BerthExec *exec,
                      BerthLanguage language, BerthGuestExecDoneFunc func, gpointer user_data);
/* The same of a request about background execs; takes over @background. */
BerthGuestExec *berth_guest_exec_new_background (BerthFrameChannel *channel, guint32 request,
                                                 BerthBackgroundRequest *background,
                                                 BerthGuestExecDoneFunc func, gpointer user_data);
BerthBackgroundResult *
berth_guest_exec_new_background_result (BerthGuestExec *self, guint32 version, BerthResult *end,
                                        GError **error);
void berth_guest_exec_free (BerthGuestExec *self);

/* A frame with this exec's id. FALSE: it breaks a rule. */
gboolean berth_guest_exec_take (BerthGuestExec *self, const BerthFrame *frame, GError **error);
/* The channel has room again: what waited for that goes on. */
void berth_guest_exec_go_on (BerthGuestExec *self);
/* No time passes for it on this side while its guest stands still. */
void berth_guest_exec_hold (BerthGuestExec *self, gboolean is_held);
/* Ends the program; it completes as cancelled when the guest tells its end. */
gboolean berth_guest_exec_is_overdue (const BerthGuestExec *self);
void berth_guest_exec_kill (BerthGuestExec *self);
/* The channel is gone: completes at once. */
void berth_guest_exec_fail (BerthGuestExec *self, const GError *error);

G_END_DECLS
