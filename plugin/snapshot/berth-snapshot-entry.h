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

/* nothing is under way for it */
gboolean berth_snapshot_entry_is_idle (BerthSnapshotEntry *entry);
/* Finds it or makes it, when its turn comes. */
void berth_snapshot_entry_look (BerthSnapshotEntry *entry);
/* Only whether it is there, at once. */
void berth_snapshot_entry_look_first (BerthSnapshotEntry *entry);
/* It can't be used, and is tried again later. */
void berth_snapshot_entry_has_failed (BerthSnapshotEntry *entry, const GError *error);
/* What there is of it goes, with its warm VMs; a new one is made when it is asked for again. */
void berth_snapshot_entry_remove_snapshot (BerthSnapshotEntry *entry);
/* The same of one that nothing is under way for. */
void berth_snapshot_entry_end (BerthSnapshotEntry *entry);
/* The number of warm VMs that are wanted of it, and that those of before are outdated. */
void berth_snapshot_entry_tell_target (BerthSnapshotEntry *entry);
void berth_snapshot_entry_tell_pool (BerthSnapshotEntry *entry);
void berth_snapshot_entry_answer_callers (BerthSnapshotEntry *entry, const GError *error);

gboolean berth_snapshot_keeper_is_off (BerthSnapshotKeeper *self);
/* It is known now which snapshots hold. */
void berth_snapshot_keeper_is_ready (BerthSnapshotKeeper *self);

G_END_DECLS
