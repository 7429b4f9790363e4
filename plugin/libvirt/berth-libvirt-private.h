/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the hypervisor's files share. */
#pragma once

#include "berth-domain.h"
#include "berth-libvirt.h"
#include "berth-machine.h"
#include "berth-pauses.h"
#include "berth-phase.h"
#include "plugin/base/berth-event.h"
#include "plugin/host/berth-purpose.h"
#include "plugin/snapshot/berth-snapshot-stock.h"

G_BEGIN_DECLS

typedef struct
{
  BerthMachine *machine; /* NULL when there never was one */
  BerthPhase phase;
  BerthStartMode mode;
  guint ordinal;
  GCancellable *cancellable;
  BerthPauses pauses;  /* once it is in use */
  gboolean is_paused;  /* as libvirt told last, of one in use */
  guint pause_number;  /* grows with all that is heard of or done for its pauses: what was looked up
                          before is old */
  gboolean is_doubted; /* it is looked at when the wake is over */
  gboolean is_waking;  /* it is being let run again, by us; or it runs, and is greeted */
  gboolean resumes; /* we have resumed it, and libvirt has not told so yet: what it tells of pauses
                       is of before */
  GError *end_reason; /* why it ended unasked; NULL: pool asked */
  char
      *next_uuid; /* (nullable): of a domain that may go on as this session when this one is gone */
  char *snapshot_key;       /* (nullable): of what a session of an earlier life was cloned from */
  gboolean is_copied;       /* and libvirt's word of its pause is no administrator's */
  gboolean is_sole;         /* what it goes on from has begun in no VM yet */
  gboolean expects_resumed; /* of such a pause */
} BerthSlot;

/* Its machine is on its way out. */
gboolean berth_slot_is_ending (const BerthSlot *slot);
/* Behind its end it is looked whether the domain @uuid is a session. */
void berth_slot_set_next (BerthSlot *slot, const char *uuid);

/* A snapshot that is being made. */
typedef struct
{
  BerthSnapshot *snapshot;
  BerthImages *images;
  const char *domain_type; /* static: what the snapshot is for */
} BerthRecording;

struct _BerthLibvirt
{
  GObject parent;
  BerthConnection *connection;
  char *instance;
  char *name_prefix;
  BerthPlaces *places;
  char *image_dir;
  gboolean has_tenant_snapshots;
  BerthImages *images;
  GHashTable *templates; /* name -> BerthTemplate; NULL before it is opened */
  GHashTable *slots;     /* BerthVm (owned) -> BerthSlot (owned) */
  BerthSnapshotStock *stock;
  GPtrArray *adoptable;   /* (nullable): BerthOwnDomain (owned), until somebody decides */
  GPtrArray *early;       /* uuids (owned) of what came before anybody could take it back */
  GHashTable *bases;      /* sum of its RAM (owned) -> BerthSnapshot (owned), of checkpoints */
  GHashTable *recordings; /* snapshot's name (owned) -> BerthRecording (owned) */
  BerthHostWatch watch;   /* nobody: all NULL */
  gpointer watch_data;
  guint look_id; /* at the files of snapshots */
  gboolean
      counts_domains;  /* it is the berthd that libvirt's hook asks: no other counts what runs */
  GHashTable *counted; /* BerthVm (owned) -> uuid (owned): an administrator's domains */
  GPtrArray *found_counted; /* (nullable): BerthCounted (owned), until somebody counts them */
  guint counted_look_id;    /* at those */
  guint compare_id;         /* the next try to compare with libvirt */

  GMutex event_lock;
  BerthHypervisorEventFunc event_func;
  gpointer event_data;
};

/**
 * BerthKeyParts:
 * @template_digest: (unowned)
 * @hardware: what berth makes of the template here
 * @images: digest of the guest's image, its agent in it
 * @cpu: under KVM
 * @libvirt: as virConnectGetLibVersion() has it
 * @qemu: as virConnectGetVersion() has it
 *
 * What a snapshot, and each state that differs from it, depends on.
 */
typedef struct
{
  const char *template_digest;
  char *hardware;
  char *images;
  char *cpu;
  unsigned long libvirt;
  unsigned long qemu;
} BerthKeyParts;

/* @out_parts: all 0 before; to be cleared. Blocking. */
gboolean berth_key_parts_read (BerthConnection *self, virConnectPtr connection,
                               BerthTemplate *template, BerthImages *images,
                               const char *domain_type, BerthKeyParts *out_parts, GError **error);
void berth_key_parts_clear (BerthKeyParts *parts);
/* (transfer full): of a snapshot of this name that is made with them */
char *berth_key_parts_dup_key (const BerthKeyParts *self, const char *name);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (BerthKeyParts, berth_key_parts_clear)
/* (transfer full) (array zero-terminated=1): as a checkpoint keeps them */
char **berth_key_parts_to_texts (const BerthKeyParts *self);
/* Whether what was kept with @kept ((nullable)) can be loaded where there is @here. */
gboolean berth_key_parts_check (const char *const *kept, const BerthKeyParts *here, GError **error);

/* Looks at all domains that are ours, as after libvirt was away, and tells that it is there when
 * all of them have told: until then again and again. */
void berth_libvirt_compare (BerthLibvirt *self);
/* The image may have been built again under a running berthd. */
BerthImages *berth_libvirt_get_images (BerthLibvirt *self, GError **error);
/* A machine that is up ended by itself, or can't be used any more. */
void
berth_libvirt_end_unasked (BerthLibvirt *self, BerthVm *vm, BerthSlot *slot, const char *reason);
/* The snapshot of this name is not used any more. */
void berth_libvirt_tell_spoilt (BerthLibvirt *self, const char *name, const char *reason);
/* Two clones that share random numbers would have to return the same ones. */
gboolean berth_libvirt_check_proof (BerthLibvirt *self, BerthMachine *machine, GError **error);
BerthSlot *berth_libvirt_add_slot (BerthLibvirt *self, BerthVm *vm, BerthStartMode mode);
/* It stands still, or runs, as libvirt says: pool hears of it where it is somebody's. */
void
berth_libvirt_tell_paused (BerthLibvirt *self, BerthVm *vm, BerthSlot *slot, gboolean is_paused);
/* Asks libvirt whether it runs, and tells that as above. */
void berth_libvirt_look_at_pause (BerthLibvirt *self, BerthVm *vm, BerthSlot *slot);
void berth_libvirt_emit (BerthLibvirt *self, BerthHypervisorEventType type, BerthVm *vm,
                         const GError *error);
/* pool's calls, on the main context */
void berth_libvirt_pause (BerthLibvirt *self, BerthVm *vm);
void berth_libvirt_wake (BerthLibvirt *self, BerthVm *vm);
/* A machine that is up: what its agent's end is told to. */
void berth_libvirt_watch_agent (BerthLibvirt *self, BerthSlot *slot);
/* What happens to a VM that is up; its guest's clock is set where that is due. */
void berth_libvirt_note_pause (BerthVm *vm, BerthSlot *slot, BerthPausesNote note);
/* The end of a start, also of one that was adopted: tells pool. */
void berth_libvirt_start_ended (BerthLibvirt *self, BerthVm *vm, const GError *error);
/* As #BerthHostInterface.set_places says. */
void berth_libvirt_set_places (BerthHost *host, guint max, const char *const *template_names);
/* Undefines those that are not kept. */
void berth_libvirt_trim_places (BerthLibvirt *self);
/* Connects what libvirt tells with the machines. */
void berth_libvirt_listen (BerthLibvirt *self);
/* Logs an event of the kind @message_id (berth-event.h) about @vm and its owner, as far as there
 * are a domain and an owner. */
void berth_libvirt_log (BerthVm *vm, BerthMachine *machine, GLogLevelFlags level,
                        const char *message_id, const char *format, ...) G_GNUC_PRINTF (5, 6);
/* VMs can be had (again), or not. */
void berth_libvirt_tell_state (BerthLibvirt *self, gboolean is_up);
/* (nullable): borrowed; while @vm is up */
BerthMachine *berth_libvirt_get_machine (BerthLibvirt *self, BerthVm *vm);

/* (nullable): borrowed; the snapshot whose pages the VM reads */
BerthSnapshot *berth_libvirt_snapshot_of (BerthLibvirt *self, const BerthSlot *slot);
/* For the start of @vm, a child of @fork: TRUE when what it begins with is there. FALSE with
 * *@error unset: it is made, and the start is tried again then. */
gboolean
berth_libvirt_await_fork (BerthLibvirt *self, BerthVm *vm, BerthFork *fork, GError **error);
/* Whether libvirt's word of a pause, or of its end, is of a copy that is made: its guest is given
 * the time in another way. */
gboolean berth_libvirt_is_of_copy (BerthSlot *slot, gboolean is_paused);
/* Its programs go on, or it is gone. @took_us: -1: there is no copy */
void berth_libvirt_tell_copy_end (BerthLibvirt *self, BerthVm *vm, gint64 took_us, guint64 bytes);
/* Finds what @fork, which was kept, differs from, and whether it can be loaded here. */
void berth_libvirt_find_base_async (BerthLibvirt *self, BerthFork *fork,
                                    GAsyncReadyCallback callback, gpointer user_data);
/* (transfer full) */
BerthSnapshot *
berth_libvirt_find_base_finish (BerthLibvirt *self, GAsyncResult *result, GError **error);
/* (nullable): what the VM of a copy is a clone of; an error where it can't be copied just now */
BerthSnapshot *berth_libvirt_base_of (BerthLibvirt *self, BerthVm *vm, GError **error);
/* (nullable): borrowed; of one that is there. @out_fd: (transfer full) */
BerthSnapshot *berth_libvirt_get_fork (BerthFork *fork, int *out_fd, GError **error);
/* A child that has proved who it is: its programs go on, and its start ends. */
void berth_libvirt_thaw (BerthLibvirt *self, BerthMachine *machine);
/* Tries the start of @vm again, or (@error: not NULL) fails it. */
void berth_libvirt_start_again (BerthLibvirt *self, BerthVm *vm, const GError *error);

/* Ends the clones of each snapshot whose files somebody changed, and gives that up. */
void berth_libvirt_check_clones (BerthLibvirt *self);
/* Ends the sessions of an earlier berthd that run on the snapshot of @key, which this one has found
 * changed. */
void berth_libvirt_end_clones_of (BerthLibvirt *self, const char *key, const char *reason);
/* The same, every few seconds from now on. */
void berth_libvirt_watch_snapshots (BerthLibvirt *self);

/* A domain that no machine has runs, or is paused: an administrator may have restored a session. */
void berth_libvirt_look_for_session (BerthLibvirt *self, const char *uuid);
/* Goes on with a session that was gone and runs again; ends @domain (taken over) where it is none.
 */
void berth_libvirt_take_back (BerthLibvirt *self, BerthOwnDomain *domain);

/* Domains of an administrator's. Pool's calls: FALSE: @vm is none of them. */
gboolean berth_libvirt_start_counted (BerthLibvirt *self, BerthVm *vm);
gboolean berth_libvirt_end_counted (BerthLibvirt *self, BerthVm *vm);
/* The domain @uuid ((nullable): any) may have stopped. */
void berth_libvirt_look_at_counted (BerthLibvirt *self, const char *uuid);
/* Those that run already. */
void berth_libvirt_adopt_counted (BerthLibvirt *self, BerthHostFoundFunc func, gpointer func_data);

/* What the files add to the host's interface; #BerthHostInterface says what each does. */
void berth_libvirt_host_init (BerthHostInterface *iface);
void berth_libvirt_open (BerthHost *host, GHashTable *templates, GTask *task);
void berth_libvirt_adopt_sessions (BerthHost *host, BerthHostFoundFunc func, gpointer func_data,
                                   GTask *task);
void berth_libvirt_adopt_warm (BerthHost *host, BerthHostFoundFunc func, gpointer user_data);
void berth_libvirt_prepare_snapshot (BerthHost *host, const char *name, const char *dir,
                                     BerthSnapshotWish wish, GTask *task);
void berth_libvirt_record (BerthHost *host, BerthVm *vm, GTask *task);
void berth_libvirt_commit_snapshot (BerthHost *host, const char *name, GTask *task);
void berth_libvirt_copy (BerthHost *host, BerthVm *vm, int fd, guint64 max_bytes, gboolean stays,
                         GTask *task);
void berth_libvirt_go_on (BerthHost *host, BerthVm *vm);
void berth_libvirt_settle (BerthHost *host, BerthVm *vm, GTask *task);
void berth_libvirt_keep_bases (BerthHost *host, const char *dir, GHashTable *sums);

G_END_DECLS
