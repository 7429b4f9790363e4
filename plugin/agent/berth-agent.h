/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The host's end of one guest's agent: greeting, identity, liveness, and the programs it runs. */
#pragma once

#include "plugin/model/berth-exec.h"
#include "plugin/model/berth-result-private.h"
#include "plugin/model/berth-file-request.h"
#include "berth-frame-decoder.h"

G_BEGIN_DECLS

/* "python", "javascript", "shell" or its alias "raw"; BERTH_LANGUAGE_NONE for any other */
BerthLanguage berth_language_from_name (const char *name);

#define BERTH_TYPE_AGENT (berth_agent_get_type ())
G_DECLARE_FINAL_TYPE (BerthAgent, berth_agent, BERTH, AGENT, GObject)

/**
 * BerthAgentClosedFunc:
 * The conversation is over and not by berth_agent_close(): the guest died, or it broke a rule.
 * Every call under way has been failed already. In the main context.
 */
typedef void (*BerthAgentClosedFunc) (BerthAgent *self, const GError *error, gpointer user_data);

/* Lives on the caller's thread-default main context, as do all calls. @socket is a connected Unix
 * socket. */
BerthAgent *berth_agent_new (GSocket *socket);
void berth_agent_set_closed_func (BerthAgent *self, BerthAgentClosedFunc func, gpointer user_data);
/* Ends the conversation; calls under way fail. Idempotent. */
void berth_agent_close (BerthAgent *self);

/* The first call. Waits up to @timeout_ms for the guest's answer (it may still boot). @is_reset:
 * end whatever an earlier host left running. */
void berth_agent_hello_async (BerthAgent *self, gboolean is_reset, guint timeout_ms,
                              GCancellable *cancellable, GAsyncReadyCallback callback,
                              gpointer user_data);
gboolean berth_agent_hello_finish (BerthAgent *self, GAsyncResult *result, GError **error);

/* Waits until the guest's interpreter is loaded. */
void berth_agent_ready_async (BerthAgent *self, guint timeout_ms, GCancellable *cancellable,
                              GAsyncReadyCallback callback, gpointer user_data);
gboolean berth_agent_ready_finish (BerthAgent *self, GAsyncResult *result, GError **error);

/* Gives the guest its own random numbers, clock, machine id and hostname, and checks its proof: the
 * random bytes that it returns (32, into @out_random if not NULL) are new, its clock is right.
 * @is_rehearsal: everything but the time, which stays hidden: under TCG the first time through new
 * code takes ten times as long as the second, so a warm VM goes through it before it is paused. */
void berth_agent_identify_async (BerthAgent *self, const char *hostname, gboolean is_rehearsal,
                                 guint timeout_ms, GCancellable *cancellable,
                                 GAsyncReadyCallback callback, gpointer user_data);
gboolean berth_agent_identify_finish (BerthAgent *self, GAsyncResult *result, guint8 *out_random,
                                      GError **error);

void berth_agent_ping_async (BerthAgent *self, guint timeout_ms, GCancellable *cancellable,
                             GAsyncReadyCallback callback, gpointer user_data);
gboolean berth_agent_ping_finish (BerthAgent *self, GAsyncResult *result, GError **error);

/* Runs one program; takes over @exec, which has passed berth_exec_check(). One at a time.
 * Cancelling ends the program (SIGTERM, SIGKILL 2 s later) and completes with G_IO_ERROR_CANCELLED
 * when it has ended. The result's exec part is filled in; what the guest does not know is left to
 * the caller. */
void berth_agent_exec_async (BerthAgent *self, BerthExec *exec, BerthLanguage language,
                             GCancellable *cancellable, GAsyncReadyCallback callback,
                             gpointer user_data);
BerthResult *berth_agent_exec_finish (BerthAgent *self, GAsyncResult *result, GError **error);

/* Carries one file, or lists a folder; takes over @file, which has passed
 * berth_file_request_check(). May run beside an exec; BERTH_FILES_MAX at a time, more wait for
 * their turn. Cancelling withdraws it and completes with G_IO_ERROR_CANCELLED; a PUT that was done
 * before is a success. */
void berth_agent_file_async (BerthAgent *self, BerthFileRequest *file, GCancellable *cancellable,
                             GAsyncReadyCallback callback, gpointer user_data);
BerthFileResult *berth_agent_file_finish (BerthAgent *self, GAsyncResult *result, GError **error);

/* Of the guest's own clock since its kernel began, 0 where not known yet; microseconds. */
guint64 berth_agent_get_boot_us (BerthAgent *self);
guint64 berth_agent_get_ready_us (BerthAgent *self);
/* It had an identity before the hello: a tenant's code may have run. */
gboolean berth_agent_was_identified (BerthAgent *self);
gboolean berth_agent_has_language (BerthAgent *self, BerthLanguage language);

G_END_DECLS
