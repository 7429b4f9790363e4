/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The host's end of one guest's agent: greeting, identity, liveness, and the programs it runs. */
#pragma once

#include "plugin/model/berth-background.h"
#include "plugin/model/berth-exec.h"
#include "plugin/model/berth-result-private.h"
#include "plugin/model/berth-file-request.h"
#include "plugin/model/berth-link.h"
#include "berth-frame-decoder.h"

G_BEGIN_DECLS

/* Of a name or an alias; BERTH_LANGUAGE_NONE for any other */
BerthLanguage berth_language_from_name (const char *name);

#define BERTH_TYPE_GUEST (berth_guest_get_type ())
G_DECLARE_FINAL_TYPE (BerthGuest, berth_guest, BERTH, GUEST, GObject)

/**
 * BerthGuestClosedFunc:
 * The conversation is over and not by berth_guest_close(): the guest died, or it broke a rule.
 * Every call under way has been failed already. In the main context.
 */
typedef void (*BerthGuestClosedFunc) (BerthGuest *self, const GError *error, gpointer user_data);

/* Lives on the caller's thread-default main context, as do all calls. @socket is a connected Unix
 * socket. */
BerthGuest *berth_guest_new (GSocket *socket);
/* What its machine id is to be: of its VM, so that it stays the same for whoever finds that again;
 * else one of its own for as long as this object lives. Before berth_guest_identify_async(). */
void berth_guest_set_uuid (BerthGuest *self, const char *uuid);
void berth_guest_set_closed_func (BerthGuest *self, BerthGuestClosedFunc func, gpointer user_data);
/* It stands still, or runs again: while it does, none of what it does is late. */
void berth_guest_set_paused (BerthGuest *self, gboolean is_paused);
/* Ends the conversation; calls under way fail. Idempotent. */
void berth_guest_close (BerthGuest *self);
/* The same for one that can't be used any more: who waits for its end hears of @error. */
void berth_guest_give_up (BerthGuest *self, const GError *error);

/* The first call. Waits up to @timeout_ms for the guest's answer (it may still boot). @flags:
 * BERTH_HELLO_* */
void berth_guest_hello_async (BerthGuest *self, guint32 flags, guint timeout_ms,
                              GCancellable *cancellable, GAsyncReadyCallback callback,
                              gpointer user_data);
gboolean berth_guest_hello_finish (BerthGuest *self, GAsyncResult *result, GError **error);

/* Waits until the guest's interpreter is loaded. */
void berth_guest_ready_async (BerthGuest *self, guint timeout_ms, GCancellable *cancellable,
                              GAsyncReadyCallback callback, gpointer user_data);
gboolean berth_guest_ready_finish (BerthGuest *self, GAsyncResult *result, GError **error);

/**
 * BerthIdentifyFlags:
 * @BERTH_IDENTIFY_REHEARSAL: everything but the time, which stays hidden: under TCG the first time
 *   through new code takes ten times as long as the second, so a warm VM goes through it before it
 *   is paused
 * @BERTH_IDENTIFY_MAY_BE_LATE: a busy host that can't tell whether the clock is right is no
 *   failure; a clock that is certainly wrong is one all the same
 */
typedef enum
{
  BERTH_IDENTIFY_REHEARSAL = 1 << 0,
  BERTH_IDENTIFY_MAY_BE_LATE = 1 << 1,
} BerthIdentifyFlags;

/* Gives the guest its own random numbers, clock, machine id and hostname, and checks its proof: the
 * random bytes that it returns (32, into @out_random if not NULL) are new, its clock is right.
 * @hostname: "" for a guest that has an identity and is no copy: it gets random numbers for its
 * kernel and the time, and its programs are left alone. @flags: of #BerthIdentifyFlags */
void berth_guest_identify_async (BerthGuest *self, const char *hostname, guint flags,
                                 guint timeout_ms, GCancellable *cancellable,
                                 GAsyncReadyCallback callback, gpointer user_data);
gboolean berth_guest_identify_finish (BerthGuest *self, GAsyncResult *result, guint8 *out_random,
                                      GError **error);

/* Stops all programs of the guest (@is_frozen), or lets them go on, with the time. From the call to
 * stop them on nothing may be asked of the guest until its end, and from that on nothing but its
 * identity. */
void berth_guest_freeze_async (BerthGuest *self, gboolean is_frozen, guint timeout_ms,
                               GCancellable *cancellable, GAsyncReadyCallback callback,
                               gpointer user_data);
gboolean berth_guest_freeze_finish (BerthGuest *self, GAsyncResult *result, GError **error);

/* Runs one program; takes over @exec, which has passed berth_exec_check(). Code: one at a time;
 * commands: beside it, BERTH_COMMANDS_MAX at a time. Cancelling ends the program (SIGTERM, SIGKILL
 * 2 s later) and completes with G_IO_ERROR_CANCELLED when it has ended. The result's exec part is
 * filled in; what the guest does not know is left to the caller. */
void berth_guest_exec_async (BerthGuest *self, BerthExec *exec, BerthLanguage language,
                             GCancellable *cancellable, GAsyncReadyCallback callback,
                             gpointer user_data);
BerthResult *berth_guest_exec_finish (BerthGuest *self, GAsyncResult *result, GError **error);

/* Asks about execs in the background; takes over @request. As many at a time as the guest takes.
 * Cancelling ends the request, and completes with G_IO_ERROR_CANCELLED. */
void berth_guest_background_async (BerthGuest *self, BerthBackgroundRequest *request,
                                   GCancellable *cancellable, GAsyncReadyCallback callback,
                                   gpointer user_data);
BerthBackgroundResult *
berth_guest_background_finish (BerthGuest *self, GAsyncResult *result, GError **error);

/* Carries one file, or lists a folder; takes over @file, which has passed
 * berth_file_request_check(). May run beside an exec; BERTH_FILES_MAX at a time, more wait for
 * their turn. Cancelling withdraws it and completes with G_IO_ERROR_CANCELLED; a PUT that was done
 * before is a success. */
void berth_guest_file_async (BerthGuest *self, BerthFileRequest *file, GCancellable *cancellable,
                             GAsyncReadyCallback callback, gpointer user_data);
BerthFileResult *berth_guest_file_finish (BerthGuest *self, GAsyncResult *result, GError **error);

/* Opens a TCP connection to @port of the guest's loopback and carries its bytes to and from @end.
 * Completes when it has ended, however it
 * did; with an error only where there was never a link (an older agent, a VM that is gone, more
 * than BERTH_LINKS_MAX of them). Nothing is read from @end before the guest has connected.
 * Cancelling resets it and completes with G_IO_ERROR_CANCELLED. */
void berth_guest_link_async (BerthGuest *self, guint port, const BerthLinkEnd *end,
                             GCancellable *cancellable, GAsyncReadyCallback callback,
                             gpointer user_data);
/* (transfer full): to be freed with g_free() */
BerthLinkResult *berth_guest_link_finish (BerthGuest *self, GAsyncResult *result, GError **error);

/* A link that a program of the guest asks for */
typedef struct _BerthGuestLink BerthGuestLink;

/* A program of the guest wants to be connected to @name (1 to 255 printable ASCII characters, none
 * of them a space; borrowed) and @port (1 to 65535). @link is to be answered once, then or later,
 * with one of the two functions below, and is good until then, whatever becomes of the guest. */
typedef void (*BerthGuestLinkFunc) (BerthGuest *self, BerthGuestLink *link, const char *name,
                                    guint port, gpointer user_data);
/* Who decides about links of the guest's programs; NULL, as at first: each is denied. */
void berth_guest_set_link_func (BerthGuest *self, BerthGuestLinkFunc func, gpointer user_data);
/* @end is connected to what was asked for: as berth_guest_link_async() from here on, with the same
 * finish. Where the program has given up in the meantime it completes at once, with
 * BERTH_LINK_RESET. */
void berth_guest_link_accept_async (BerthGuestLink *link, const BerthLinkEnd *end,
                                    GCancellable *cancellable, GAsyncReadyCallback callback,
                                    gpointer user_data);
/* The program's connection is reset. @reason: any but BERTH_LINK_DONE */
void berth_guest_link_refuse (BerthGuestLink *link, BerthLinkReason reason);

/* Programs may reach these, and whatever they were told before no more: names in lower case,
 * "*.NAME", "*", addresses; behind a space ports with commas between, without which all are meant,
 * as they are for an older agent. Each of their connections is asked about then. Where the image
 * can't do it: BERTH_ERROR_CONFIG. */
void berth_guest_allow_async (BerthGuest *self, const char *const *names, GCancellable *cancellable,
                              GAsyncReadyCallback callback, gpointer user_data);
/* A program asked for a name that it may not reach, @port 0, or wanted to connect to it: printable
 * ASCII. The guest tells what it likes. */
typedef void (*BerthGuestRefusedFunc) (BerthGuest *self, const char *name, guint16 port,
                                       gpointer user_data);
void
berth_guest_set_refused_func (BerthGuest *self, BerthGuestRefusedFunc func, gpointer user_data);
gboolean berth_guest_allow_finish (BerthGuest *self, GAsyncResult *result, GError **error);

/* A network card with the address @mac, 6 bytes, is plugged in: done when programs can use it.
 * Fails with BERTH_ERROR_CONFIG where the image is too old for it. */
void berth_guest_plug_async (BerthGuest *self, const guint8 *mac, GCancellable *cancellable,
                             GAsyncReadyCallback callback, gpointer user_data);
gboolean berth_guest_plug_finish (BerthGuest *self, GAsyncResult *result, GError **error);

/* Of the guest's own clock since its kernel began, 0 where not known yet; microseconds. */
guint64 berth_guest_get_boot_us (BerthGuest *self);
guint64 berth_guest_get_ready_us (BerthGuest *self);
/* Its agent is young enough for an identity of its clock alone. */
gboolean berth_guest_takes_clock (BerthGuest *self);
/* It said in its greeting that its programs stand still, and that is still so. */
gboolean berth_guest_is_frozen (BerthGuest *self);
/* It had an identity before the hello: a tenant's code may have run. */
gboolean berth_guest_was_identified (BerthGuest *self);

G_END_DECLS
