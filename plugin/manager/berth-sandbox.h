/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A sandbox: a claimed VM with an owner, and the execs that wait for their turn in it. */
#pragma once

#include "plugin/manager/berth-sandbox-reach.h"
#include "pool/berth-pool.h"

G_BEGIN_DECLS

#define BERTH_TYPE_SANDBOX (berth_sandbox_get_type ())
G_DECLARE_FINAL_TYPE (BerthSandbox, berth_sandbox, BERTH, SANDBOX, GObject)

/* Nobody used the sandbox for its idle time. */
typedef void (*BerthSandboxIdleFunc) (BerthSandbox *self, gpointer user_data);

/* @vm is claimed and up; @idle_us: how long nobody may use it, 0 for ever. Main context, as are all
 * calls. */
BerthSandbox *berth_sandbox_new (BerthVm *vm, BerthHost *host, guint32 uid, gint64 idle_us,
                                 BerthSandboxIdleFunc idle_func, gpointer user_data);
/* It may be paused: by itself when nobody used it for @pause_us (0: never). Whatever is asked of it
 * then wakes it, and waits for its vCPUs no longer than @wait_us (as in #BerthRequest). */
void
berth_sandbox_set_pauses (BerthSandbox *self, BerthPool *pool, gint64 pause_us, gint64 wait_us);
/* Somebody wants a hibernated one: berth_sandbox_rise() ends it, as it does when @cancellable is
 * cancelled. */
typedef void (*BerthSandboxRiseFunc) (BerthSandbox *self, GCancellable *cancellable,
                                      gpointer user_data);

/**
 * BerthSandboxHibernation:
 * @after_us: until @hibernate is called, when nobody uses it; 0: never
 * @kept_us: how long nobody may use one that is hibernated; 0: for ever
 * @rise: somebody wants one that is
 * @hibernate: nobody used it for @after_us
 * @user_data: of both
 *
 * What is done with one that nobody uses, and when it is used then.
 */
typedef struct
{
  gint64 after_us;
  gint64 kept_us;
  BerthSandboxRiseFunc rise;
  BerthSandboxIdleFunc hibernate;
  gpointer user_data;
} BerthSandboxHibernation;

void berth_sandbox_set_hibernation (BerthSandbox *self, const BerthSandboxHibernation *hibernation);
/* Who comes from now on waits, until berth_sandbox_end_leave() or for its next VM. Fails as
 * berth_sandbox_begin_copy() does. */
gboolean berth_sandbox_begin_leave (BerthSandbox *self, GError **error);
/* It could not be hibernated, and goes on; or (@pauses) stands still again. */
void berth_sandbox_end_leave (BerthSandbox *self, gboolean pauses);
/* What it was is kept, since @since_us (since 1970), and its VM goes. It has no other before
 * berth_sandbox_may_rise(). */
void berth_sandbox_note_hibernated (BerthSandbox *self, gint64 since_us);
/* Its VM is gone. */
void berth_sandbox_may_rise (BerthSandbox *self);
/* Another VM is there for it, and goes on with what was kept; or (@vm: NULL) not, for @error. */
void berth_sandbox_rise (BerthSandbox *self, BerthVm *vm, const GError *error);
/* Of one that rises: how far that is, for who waits for it. */
void berth_sandbox_note_rise_request (BerthSandbox *self, BerthRequest *request);
gboolean berth_sandbox_is_hibernated (BerthSandbox *self);
/* It is being hibernated by itself: not again before it is used, if it can't be. */
void berth_sandbox_note_tried (BerthSandbox *self);
/* For how long nobody has used one that may be hibernated by itself; -1: it may not */
gint64 berth_sandbox_get_unused_us (BerthSandbox *self);
/* Its terminals that nobody sits at for so long are hung up; 0: never */
void berth_sandbox_set_hangup (BerthSandbox *self, gint64 hangup_us);
/* By hand, whatever runs in it. The waiting ends with @cancellable, the pause does not. */
void berth_sandbox_pause_async (BerthSandbox *self, GCancellable *cancellable,
                                GAsyncReadyCallback callback, gpointer user_data);
void berth_sandbox_resume_async (BerthSandbox *self, GCancellable *cancellable,
                                 GAsyncReadyCallback callback, gpointer user_data);
/* FALSE: whatever is asked of it has to wait */
gboolean berth_sandbox_is_awake (BerthSandbox *self);
/* It stands still, or was found so. One that was just adopted is not awake, and not paused. */
gboolean berth_sandbox_is_paused (BerthSandbox *self);
/* of both */
gboolean berth_sandbox_pause_finish (BerthSandbox *self, GAsyncResult *result, GError **error);
/* How it was made, which its first exec's result tells. */
void berth_sandbox_set_origin (BerthSandbox *self, const BerthOrigin *origin);
/* What its programs reach, which ends with it. */
void berth_sandbox_set_reach (BerthSandbox *self, BerthSandboxReach *reach);
/* (nullable) (transfer none): NULL: nothing */
BerthSandboxReach *berth_sandbox_get_reach (BerthSandbox *self);
/* No exec is taken any more; those that wait or run fail with BERTH_ERROR_GONE and @reason. */
void berth_sandbox_close (BerthSandbox *self, const char *reason);

const char *berth_sandbox_get_id (BerthSandbox *self);
BerthVm *berth_sandbox_get_vm (BerthSandbox *self);
guint32 berth_sandbox_get_uid (BerthSandbox *self);
gint64 berth_sandbox_get_idle_us (BerthSandbox *self);
guint berth_sandbox_get_exec_count (BerthSandbox *self); /* finished ones */
/* of one that goes on in another VM */
void berth_sandbox_set_exec_count (BerthSandbox *self, guint exec_count);
gboolean berth_sandbox_is_closed (BerthSandbox *self);
/* (transfer none): cancelled when it is closed */
GCancellable *berth_sandbox_get_closed (BerthSandbox *self);
/* NAME=VALUE: of each program that has no other value for it */
void berth_sandbox_set_env (BerthSandbox *self, const char *const *env);
/* (transfer full): what a caller is told of a closed one */
GError *berth_sandbox_new_gone_error (BerthSandbox *self);

/* Takes over @exec. Code: one at a time, in the order asked. A command runs at once, beside what
 * runs; with BERTH_LIMIT_COMMANDS of them it fails with BERTH_ERROR_NO_CAPACITY. */
void berth_sandbox_exec_async (BerthSandbox *self, BerthExec *exec, GCancellable *cancellable,
                               GAsyncReadyCallback callback, gpointer user_data);
BerthResult *berth_sandbox_exec_finish (BerthSandbox *self, GAsyncResult *result, GError **error);

/* For a copy of it, nothing is asked of its guest from here until berth_sandbox_end_copy(): code
 * waits, all else is refused. Fails with BERTH_ERROR_UNAVAILABLE where something is carried in or
 * out of it. */
gboolean berth_sandbox_begin_copy (BerthSandbox *self, GError **error);
void berth_sandbox_end_copy (BerthSandbox *self);
gboolean berth_sandbox_is_copied (BerthSandbox *self);
/* Whether a copy could begin now; else why not. */
gboolean berth_sandbox_check_copy (BerthSandbox *self, GError **error);
/* Whether one that its VM's end follows could. */
gboolean berth_sandbox_check_quiet (BerthSandbox *self, GError **error);

/* Of an earlier berthd: in use until berth_sandbox_adopt(). */
void berth_sandbox_await_adoption (BerthSandbox *self);
/* Of an earlier berthd, and paused: it is looked at when it is woken. */
void berth_sandbox_note_asleep (BerthSandbox *self);
/* Looks at a sandbox of an earlier berthd, whose VM is up, before anything else is asked of it. */
void berth_sandbox_adopt (BerthSandbox *self);

/* Asks about its execs in the background; takes over @request. */
void berth_sandbox_background_async (BerthSandbox *self, BerthBackgroundRequest *request,
                                     GCancellable *cancellable, GAsyncReadyCallback callback,
                                     gpointer user_data);
BerthBackgroundResult *
berth_sandbox_background_finish (BerthSandbox *self, GAsyncResult *result, GError **error);

/* Somebody is connected to it, until as many calls of berth_sandbox_let_go(): it is not paused for
 * want of use. That is no use of it, and does not keep it from its end: what they send is, which
 * berth_sandbox_touch() tells. */
void berth_sandbox_hold (BerthSandbox *self);
void berth_sandbox_let_go (BerthSandbox *self);
/* It is in use at this moment. */
void berth_sandbox_touch (BerthSandbox *self);

/* Takes over @file, which has passed berth_file_request_check(). Beside an exec and each other. */
void
berth_sandbox_file_async (BerthSandbox *self, BerthFileRequest *file, GCancellable *cancellable,
                          GAsyncReadyCallback callback, gpointer user_data);
BerthFileResult *
berth_sandbox_file_finish (BerthSandbox *self, GAsyncResult *result, GError **error);

G_END_DECLS
