/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One VM as libvirt has it: its domain, its agent, the steps of its start and its end. */
#pragma once

#include "berth-guest.h"
#include "berth-images.h"
#include "berth-connection.h"
#include "berth-domain.h"
#include "berth-places.h"
#include "plugin/snapshot/berth-difference.h"
#include "plugin/snapshot/berth-snapshot.h"
#include "berth-template.h"
#include "pool/berth-vm.h"

G_BEGIN_DECLS

#define BERTH_MACHINE_PROOF_SIZE 32u /* BerthIdentityDone's random bytes */

#define BERTH_TYPE_MACHINE (berth_machine_get_type ())
G_DECLARE_FINAL_TYPE (BerthMachine, berth_machine, BERTH, MACHINE, GObject)

/* @name: of the domain, whose place it takes until it is finalized; @instance: for its mark. Main
 * context, as are all calls. */
BerthMachine *berth_machine_new (BerthVm *vm, BerthTemplate *template, BerthConnection *connection,
                                 BerthPlaces *places, const char *instance, const char *name);

/* Of a domain that exists already. @language: (nullable): NULL where it is only to be ended. */
BerthMachine *
berth_machine_new_adopted (BerthVm *vm, const char *language, BerthConnection *connection,
                           BerthPlaces *places, const char *instance, const BerthOwnDomain *domain);

/* Whose network card it gets when it is somebody's; NULL: none is known. Of a machine that was
 * adopted; others have that of their template. */
void berth_machine_set_card_template (BerthMachine *self, BerthTemplate *template);
/* Whether it has a network card, or gets one */
gboolean berth_machine_has_card (BerthMachine *self);

/**
 * BerthMachineStart:
 * @BERTH_MACHINE_COLD: boot it; its agent answers and it has its identity
 * @BERTH_MACHINE_CLONE: clone it from the snapshot; the same
 * @BERTH_MACHINE_WARM: clone it, let it run once, pause it; berth_machine_claim_async() wakes it
 * @BERTH_MACHINE_CHILD: clone it with a state that berth_machine_copy_async() has written; it has
 * its identity, its programs stand still until berth_machine_thaw()
 * @BERTH_MACHINE_RECORD: boot it with its RAM in the snapshot's file, its interpreter loaded;
 *   berth_machine_record_async() makes a snapshot of it
 */
typedef enum
{
  BERTH_MACHINE_COLD,
  BERTH_MACHINE_CLONE,
  BERTH_MACHINE_WARM,
  BERTH_MACHINE_RECORD,
  BERTH_MACHINE_CHILD,
} BerthMachineStart;

/* Starts the domain, defines its place before where there is none, and brings its guest where @how
 * says. @snapshot: (nullable): to clone or to record, held as long as the domain may use it. Fails
 * with G_IO_ERROR_EXISTS when a domain of this name is there already and nothing was done. Whatever
 * a failure leaves is cleared away by berth_machine_end_async(). */
void berth_machine_start_async (BerthMachine *self, BerthMachineStart how, BerthImages *images,
                                BerthSnapshot *snapshot, GCancellable *cancellable,
                                GAsyncReadyCallback callback, gpointer user_data);
gboolean berth_machine_start_finish (BerthMachine *self, GAsyncResult *result, GError **error);

/* Instead of a start, of a machine that was adopted: connects to its agent. BERTH_MACHINE_COLD: it
 * runs, what it does goes on, and it has its identity anew. BERTH_MACHINE_WARM: it is let run until
 * it has answered, and paused again; fails where it has had an identity, for then it is nobody's no
 * more. berth_machine_start_finish() tells the end. */
void berth_machine_adopt_async (BerthMachine *self, BerthMachineStart how, BerthSnapshot *snapshot,
                                GCancellable *cancellable, GAsyncReadyCallback callback,
                                gpointer user_data);

/* Before berth_machine_adopt_async(): its copy was begun and not ended, so it is let go on first.
 */
void berth_machine_abandon_copy (BerthMachine *self);

/* Wakes a warm machine for its VM's request: resume and identity go out together; its mark and
 * title follow by themselves. */
void berth_machine_claim_async (BerthMachine *self, GCancellable *cancellable,
                                GAsyncReadyCallback callback, gpointer user_data);
gboolean berth_machine_claim_finish (BerthMachine *self, GAsyncResult *result, GError **error);

/* It was started for somebody who has it now: the mark of a session says so from now on. */
void berth_machine_note_owned (BerthMachine *self);

/* Its domain was found paused: berth_machine_adopt_async() resumes it, and is called when it is
 * woken. */
void berth_machine_note_asleep (BerthMachine *self);
/* Until berth_machine_adopt_async() has succeeded. */
gboolean berth_machine_is_asleep (BerthMachine *self);
/* After berth_machine_adopt_async() has failed: it can be called again. */
void berth_machine_fall_asleep (BerthMachine *self);

/* Pauses a machine in use. */
void
berth_machine_pause_async (BerthMachine *self, GAsyncReadyCallback callback, gpointer user_data);
/* Lets one run again: resume and the time go out together. A guest that does not take the time is
 * told in the log; it runs all the same. */
void
berth_machine_wake_async (BerthMachine *self, GAsyncReadyCallback callback, gpointer user_data);
/* of both */
gboolean berth_machine_pause_finish (BerthMachine *self, GAsyncResult *result, GError **error);

/* Whether it runs just now; @number is of the caller. */
void berth_machine_look_async (BerthMachine *self, guint number, GAsyncReadyCallback callback,
                               gpointer user_data);
/* FALSE with *@error unset: it stands still, or is gone, which is told in another way */
gboolean berth_machine_look_finish (BerthMachine *self, GAsyncResult *result, guint *out_number,
                                    GError **error);

/* Completes when its domain says whose it is. */
void
berth_machine_settle_async (BerthMachine *self, GAsyncReadyCallback callback, gpointer user_data);
gboolean berth_machine_settle_finish (BerthMachine *self, GAsyncResult *result, GError **error);

/* Its guest is somebody of its own now: the mark of a session says on which process, if it does not
 * yet. */
void berth_machine_note_process (BerthMachine *self);

/* Of a machine in use whose guest was paused by somebody else, or may have been: its clock is set
 * again, behind whatever it does. A guest that does not take it is told in the log, one that can't
 * only where it was paused (@was_paused) for certain. */
void berth_machine_set_clock (BerthMachine *self, gboolean was_paused);

/* Pauses a machine that was started to be recorded and writes its device state. What is left to do
 * then is to end it and to commit the snapshot. */
void
berth_machine_record_async (BerthMachine *self, GAsyncReadyCallback callback, gpointer user_data);
gboolean berth_machine_record_finish (BerthMachine *self, GAsyncResult *result, GError **error);

/**
 * BerthMachineCopy:
 * @fd: where it is written; borrowed until the end
 * @max_bytes: that may be written there
 * @keeps_base: the snapshot is kept for one that reads it later
 * @stays: where it is written the machine stands still, until berth_machine_go_on_async() or its
 * end
 *
 * What a copy is made for.
 */
typedef struct
{
  int fd;
  guint64 max_bytes;
  gboolean keeps_base;
  gboolean stays;
} BerthMachineCopy;

/* Stops its guest's programs, writes what it has changed of @base, the snapshot that it was cloned
 * from, and lets them go on, whatever comes of it. */
void
berth_machine_copy_async (BerthMachine *self, BerthSnapshot *base, const BerthMachineCopy *copy,
                          GAsyncReadyCallback callback, gpointer user_data);
/* Lets one go on that stands still since it was copied; @callback: whatever came of it. */
void
berth_machine_go_on_async (BerthMachine *self, GAsyncReadyCallback callback, gpointer user_data);
gboolean berth_machine_copy_finish (BerthMachine *self, GAsyncResult *result,
                                    BerthDifferenceStats *out_stats, GError **error);
/* Before the start of a child: the state that it begins with; @fd is its own then. */
void berth_machine_set_state (BerthMachine *self, int fd);
/* Nobody has begun with that state before: its random numbers and its names stay. */
void berth_machine_set_sole (BerthMachine *self);
/* Lets the guest's programs go on that stand still, and hears that they do. */
void
berth_machine_thaw_async (BerthMachine *self, GAsyncReadyCallback callback, gpointer user_data);
gboolean berth_machine_thaw_finish (BerthMachine *self, GAsyncResult *result, GError **error);
/* The same; what is sent to it next comes behind that. Where they can't, its agent is given up. */
void berth_machine_thaw (BerthMachine *self);

/* Ends the domain, whatever state it is in. Not while a start is under way. @ends_next: also where
 * somebody has let it run again, after it was over for us */
void berth_machine_end_async (BerthMachine *self, gboolean ends_next, GAsyncReadyCallback callback,
                              gpointer user_data);
gboolean berth_machine_end_finish (BerthMachine *self, GAsyncResult *result, GError **error);

/* Of one that has ended */
BerthDomainEnding berth_machine_get_ending (BerthMachine *self);
/* Its place was left defined, and has been of no use since. */
gboolean berth_machine_is_stray (BerthMachine *self);

/* (transfer full): the XML of its domain as a cold boot has it */
char *berth_machine_dup_xml (BerthMachine *self, BerthImages *images, GError **error);

/* As berth_process_get_memory(); FALSE also where the process is not known. */
gboolean berth_machine_get_memory (BerthMachine *self, guint64 *out_private, guint64 *out_shared);

/* Of one whose start has succeeded: until its domain ran, and from there until its guest could be
 * used; microseconds. */
void
berth_machine_get_start_times (BerthMachine *self, gint64 *out_spawn_us, gint64 *out_connect_us);
BerthVm *berth_machine_get_vm (BerthMachine *self);
const char *berth_machine_get_language (BerthMachine *self);
const char *berth_machine_get_name (BerthMachine *self);
const char *berth_machine_get_uuid (BerthMachine *self);
/* libvirt's number of the life that its domain is in; 0: nobody knows */
guint berth_machine_get_life (BerthMachine *self);
/* (nullable) */
BerthSnapshot *berth_machine_get_snapshot (BerthMachine *self);
BerthMachineStart berth_machine_get_start (BerthMachine *self);
/* The random bytes that it returned with its identity: BERTH_MACHINE_PROOF_SIZE of them, never the
 * same as any other machine's. */
const guint8 *berth_machine_get_proof (BerthMachine *self);
/* (nullable): while it is up */
BerthGuest *berth_machine_get_agent (BerthMachine *self);
/* (transfer full) (nullable): the last @lines lines of its console, printable */
char *berth_machine_dup_console (BerthMachine *self, guint lines);

G_END_DECLS
