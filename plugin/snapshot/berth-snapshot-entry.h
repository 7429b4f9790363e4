/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the keeper and the snapshots that it keeps know of each other. */
#pragma once

#include "plugin/snapshot/berth-snapshot-keeper.h"
#include "plugin/snapshot/berth-snapshot.h"

G_BEGIN_DECLS

/**
 * BerthSnapshotEntryState:
 * @BERTH_SNAPSHOT_ENTRY_NONE: nobody has asked for it yet, or it was removed
 * @BERTH_SNAPSHOT_ENTRY_FAILED: tried again later
 * @BERTH_SNAPSHOT_ENTRY_CHECKING: looking for one on disk
 * @BERTH_SNAPSHOT_ENTRY_MAKING: waiting for a VM, booting it, recording it
 * @BERTH_SNAPSHOT_ENTRY_VALID: clones are made of it
 *
 * In rising order: of several that a template has, the highest is told.
 */
typedef enum
{
  BERTH_SNAPSHOT_ENTRY_NONE,
  BERTH_SNAPSHOT_ENTRY_FAILED,
  BERTH_SNAPSHOT_ENTRY_CHECKING,
  BERTH_SNAPSHOT_ENTRY_MAKING,
  BERTH_SNAPSHOT_ENTRY_VALID,
} BerthSnapshotEntryState;

#define BERTH_SNAPSHOT_ENTRY_N_STATES ((guint)BERTH_SNAPSHOT_ENTRY_VALID + 1)

/**
 * BerthSnapshotEntryEvent:
 * @BERTH_SNAPSHOT_ENTRY_WANTED: a request came that it could serve
 * @BERTH_SNAPSHOT_ENTRY_WARM_WANTED: warm VMs are wanted of it that need not wait for a request
 * @BERTH_SNAPSHOT_ENTRY_WARM_CHANGED: the number of warm VMs is another one, or may be
 * @BERTH_SNAPSHOT_ENTRY_CHECK: what it was made of may have changed
 * @BERTH_SNAPSHOT_ENTRY_RETRY: somebody asks for what failed
 * @BERTH_SNAPSHOT_ENTRY_BOOTED: a VM of its template has booted
 * @BERTH_SNAPSHOT_ENTRY_MAKE: the administrator wants a new one
 * @BERTH_SNAPSHOT_ENTRY_REMOVE: the administrator wants none
 * @BERTH_SNAPSHOT_ENTRY_SPOILT: clones are made of it no more, with the reason
 *
 * What happens to it from without, at any time.
 */
typedef enum
{
  BERTH_SNAPSHOT_ENTRY_WANTED,
  BERTH_SNAPSHOT_ENTRY_WARM_WANTED,
  BERTH_SNAPSHOT_ENTRY_WARM_CHANGED,
  BERTH_SNAPSHOT_ENTRY_CHECK,
  BERTH_SNAPSHOT_ENTRY_RETRY,
  BERTH_SNAPSHOT_ENTRY_BOOTED,
  BERTH_SNAPSHOT_ENTRY_MAKE,
  BERTH_SNAPSHOT_ENTRY_REMOVE,
  BERTH_SNAPSHOT_ENTRY_SPOILT,
} BerthSnapshotEntryEvent;

#define BERTH_SNAPSHOT_ENTRY_N_EVENTS ((guint)BERTH_SNAPSHOT_ENTRY_SPOILT + 1)

/**
 * BerthSnapshotReaction:
 * @BERTH_SNAPSHOT_IGNORE: none
 * @BERTH_SNAPSHOT_LOOK: it is found or made, when its turn comes
 * @BERTH_SNAPSHOT_TELL: the pool hears how many warm VMs are wanted
 * @BERTH_SNAPSHOT_FAIL: it can't be used, and is tried again later
 * @BERTH_SNAPSHOT_OUTDATE: the pool hears that its warm VMs are of another; a new one is under way
 * @BERTH_SNAPSHOT_END: it goes, with its warm VMs
 * @BERTH_SNAPSHOT_CLEAR: what there may be of one goes: now, or when the look for it ends
 *
 * What follows from an event.
 */
typedef enum
{
  BERTH_SNAPSHOT_IGNORE,
  BERTH_SNAPSHOT_LOOK,
  BERTH_SNAPSHOT_TELL,
  BERTH_SNAPSHOT_FAIL,
  BERTH_SNAPSHOT_OUTDATE,
  BERTH_SNAPSHOT_END,
  BERTH_SNAPSHOT_CLEAR,
} BerthSnapshotReaction;

/* One snapshot that is kept: a template's, or a tenant's own of it. */
typedef struct _BerthSnapshotEntry BerthSnapshotEntry;

struct _BerthSnapshotEntry
{
  BerthSnapshotKeeper *keeper; /* unowned */
  char *name;                  /* of the snapshot */
  BerthTemplate *template;
  char *tenant_key;        /* (nullable): whose it is alone */
  BerthWarmTarget *target; /* (unowned): the template's, while the snapshot is valid */
  BerthSnapshotEntryState state;
  gboolean is_looking; /* an answer of the host is awaited */
  gboolean is_removed; /* meanwhile: what the look finds is not to stay */
  gint64 wanted_us;    /* when it was asked for last */
  guint failures;
  gboolean
      is_encouraged; /* tried again because its template booted; until it says more than that */
  char *last_error;
  guint retry_id;
  GPtrArray *callers; /* GTask (owned): who waits for a new one */
  GError *failure;    /* of the making under way, until its VM is gone */
};

struct _BerthSnapshotKeeper
{
  GObject parent;
  const BerthConfig *config;
  BerthHost *host;
  BerthPool *pool;
  GHashTable *templates;     /* name -> BerthTemplate */
  GHashTable *targets;       /* template's name (borrowed) -> BerthWarmTarget (owned) */
  GHashTable *entries;       /* snapshot's name (borrowed from its value) -> entry (owned) */
  GQueue turns;              /* entry (borrowed): who makes one next */
  BerthSnapshotEntry *maker; /* whose snapshot is being made */
  GFileMonitor *images_monitor;
  guint check_again_id;
  gboolean is_stopped;
  guint n_looking; /* of the first looks */
  BerthSnapshotKeeperReadyFunc ready_func;
  gpointer ready_data;
};

BerthSnapshotEntry *berth_snapshot_entry_new (BerthSnapshotKeeper *keeper, BerthTemplate *template,
                                              const char *tenant_key);
void berth_snapshot_entry_free (BerthSnapshotEntry *entry);

BerthSnapshotReaction
berth_snapshot_entry_get_reaction (BerthSnapshotEntryState state, BerthSnapshotEntryEvent event);
/* FALSE: ignored in its state. @error: (nullable): of an event that tells a reason */
gboolean berth_snapshot_entry_fire (BerthSnapshotEntry *entry, BerthSnapshotEntryEvent event,
                                    const GError *error);

/* nothing is under way for it */
gboolean berth_snapshot_entry_is_idle (BerthSnapshotEntry *entry);
/* Only whether it is there, at once. */
void berth_snapshot_entry_look_first (BerthSnapshotEntry *entry);
/* What there is of one that nothing is under way for goes, with its warm VMs. */
void berth_snapshot_entry_end (BerthSnapshotEntry *entry);
void berth_snapshot_entry_answer_callers (BerthSnapshotEntry *entry, const GError *error);

gboolean berth_snapshot_keeper_is_off (BerthSnapshotKeeper *self);
/* It is known now which snapshots hold. */
void berth_snapshot_keeper_is_ready (BerthSnapshotKeeper *self);

G_END_DECLS
