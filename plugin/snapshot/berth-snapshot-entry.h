/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One snapshot that is kept, and the turns that all of them take: one is made at a time. */
#pragma once

#include "plugin/config/berth-config.h"
#include "plugin/host/berth-host.h"
#include "plugin/snapshot/berth-snapshot.h"
#include "plugin/template/berth-template.h"
#include "pool/berth-pool.h"

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

/**
 * BerthSnapshotTurns:
 * @owner: (unowned): of all that follows; kept alive while something is under way
 * @config: (unowned)
 * @host: (unowned)
 * @pool: (unowned)
 * @waiting: (element-type BerthSnapshotEntry) (unowned): who makes one next
 * @maker: (nullable) (unowned): whose snapshot is being made
 * @is_off: none is made at all
 * @is_stopped: none is begun any more
 * @n_looking: first looks whose answer is awaited
 * @known_func: called once, when the last of them is there
 *
 * What a keeper's entries have in common.
 */
typedef struct
{
  GObject *owner;
  const BerthConfig *config;
  BerthHost *host;
  BerthPool *pool;
  GQueue waiting;
  BerthSnapshotEntry *maker;
  gboolean is_off;
  gboolean is_stopped;
  guint n_looking;
  void (*known_func) (GObject *owner);
} BerthSnapshotTurns;

struct _BerthSnapshotEntry
{
  BerthSnapshotTurns *turns; /* unowned */
  char *name;                /* of the snapshot */
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

/* It is one of @template from now on, which has the name of the one before. */
void berth_snapshot_entry_set_template (BerthSnapshotEntry *entry, BerthTemplate *template);
/* @target: (unowned): how many warm VMs its template is to have */
BerthSnapshotEntry *berth_snapshot_entry_new (BerthSnapshotTurns *turns, BerthTemplate *template,
                                              const char *tenant_key, BerthWarmTarget *target);
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

G_END_DECLS
