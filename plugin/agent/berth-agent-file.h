/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Files under way between a guest and descriptors of the host. Private to the agent. */
#pragma once

#include "berth-frame-channel.h"
#include "plugin/model/berth-file-request.h"

G_BEGIN_DECLS

/* ---- one of them ---- */

typedef struct _BerthAgentFile BerthAgentFile;

/* Called once, when its end is known and what came was delivered, or when it failed. Takes over
 * @result or @error; frees the file. */
typedef void (*BerthAgentFileDoneFunc) (BerthAgentFile *self, BerthFileResult *result,
                                        GError *error, gpointer user_data);

/* Sends the request. Takes over @file, which has passed berth_file_request_check(); @channel must
 * outlive it. */
BerthAgentFile *
berth_agent_file_new (BerthFrameChannel *channel, guint32 request, BerthFileRequest *file,
                      BerthAgentFileDoneFunc func, gpointer user_data);
void berth_agent_file_free (BerthAgentFile *self);
guint32 berth_agent_file_get_request (BerthAgentFile *self);

/* A frame with this file's id. FALSE: it breaks a rule. */
gboolean berth_agent_file_take (BerthAgentFile *self, const BerthFrame *frame, GError **error);
/* Withdraws it; it completes when the guest tells its end. */
void berth_agent_file_cancel (BerthAgentFile *self);
/* The channel is gone: completes at once. */
void berth_agent_file_fail (BerthAgentFile *self, const GError *error);

/* ---- those of one agent ---- */

/* As berth_agent_files_cancel(), for an agent that may be closed by now; in berth-agent.c. */
void berth_agent_cancel_file (gpointer agent, GTask *task);

typedef struct _BerthAgentFiles BerthAgentFiles;

/* Both must outlive it; ids of requests are counted in *@last_request. */
BerthAgentFiles *berth_agent_files_new (BerthFrameChannel *channel, guint32 *last_request);
/* None may be under way. */
void berth_agent_files_free (BerthAgentFiles *self);

/* Takes over @file; @task returns its #BerthFileResult. BERTH_FILES_MAX run at a time, the others
 * wait for their turn. */
void berth_agent_files_add (BerthAgentFiles *self, GTask *task, BerthFileRequest *file);
/* TRUE: the frame was one of theirs, with *@out_ok and @error as of berth_agent_file_take() */
gboolean berth_agent_files_take (BerthAgentFiles *self, const BerthFrame *frame, gboolean *out_ok,
                                 GError **error);
/* Withdraws the one whose task this is, if it is one of theirs still. */
void berth_agent_files_cancel (BerthAgentFiles *self, GTask *task);
/* Ends all of them at once. */
void berth_agent_files_fail (BerthAgentFiles *self, const GError *error);

G_END_DECLS
