/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Checkpoints on disk: differences with their manifests, immutable, found again after a restart.
 * Main context; what blocks is done on threads. */
#pragma once

#include "plugin/checkpoint/berth-checkpoint-manifest.h"

G_BEGIN_DECLS

/* States that are read from disk at once, as many threads as there are for it */
#define BERTH_CHECKPOINT_LOADS_PER_UID 2u

/* One that is there, or was: whoever holds a reference can read what is known of it. */
#define BERTH_TYPE_CHECKPOINT (berth_checkpoint_get_type ())
G_DECLARE_FINAL_TYPE (BerthCheckpoint, berth_checkpoint, BERTH, CHECKPOINT, GObject)

const BerthCheckpointManifest *berth_checkpoint_get_manifest (BerthCheckpoint *self);
/* Of one asleep: whether somebody was waking it, when this berthd began or since. */
gboolean berth_checkpoint_is_waking (BerthCheckpoint *self);
/* Somebody loads it from now on, and until as many calls of the other: it is not removed. */
void berth_checkpoint_begin_use (BerthCheckpoint *self);
void berth_checkpoint_end_use (BerthCheckpoint *self);

/**
 * BerthCheckpointLimits:
 * @count: of all that there are
 * @user_count: of a user's
 * @bytes: of all states together
 * @user_bytes: of a user's
 *
 * How much there may be.
 */
typedef struct
{
  guint count;
  guint user_count;
  guint64 bytes;
  guint64 user_bytes;
} BerthCheckpointLimits;

/**
 * BerthCheckpointTotals:
 * @count: how many there are
 * @bytes: of their states
 *
 * What there is.
 */
typedef struct
{
  guint count;
  guint64 bytes;
} BerthCheckpointTotals;

#define BERTH_TYPE_CHECKPOINT_STORE (berth_checkpoint_store_get_type ())
G_DECLARE_FINAL_TYPE (BerthCheckpointStore, berth_checkpoint_store, BERTH, CHECKPOINT_STORE,
                      GObject)

BerthCheckpointStore *berth_checkpoint_store_new (const BerthCheckpointLimits *limits);
/* They hold for what comes. */
void
berth_checkpoint_store_set_limits (BerthCheckpointStore *self, const BerthCheckpointLimits *limits);

/* Finds what is in the folder @dir, and clears away what was begun and not ended there. A folder
 * that is not there is made when the first is kept. What can't be read is told in the log and left.
 * Before it has ended nothing can be kept, and there is none. */
void berth_checkpoint_store_open_async (BerthCheckpointStore *self, const char *dir,
                                        GAsyncReadyCallback callback, gpointer user_data);

/* (nullable): a session's of this name, if @uid may use it (0: whosever). BERTH_ERROR_INVALID:
 * which there are */
BerthCheckpoint *
berth_checkpoint_store_find (BerthCheckpointStore *self, guint32 uid, const char *sandbox,
                             const char *name, GError **error);
/* (nullable): the session of this id, asleep */
BerthCheckpoint *
berth_checkpoint_store_find_asleep (BerthCheckpointStore *self, const char *sandbox);
/* (transfer container) (element-type BerthCheckpoint): of @uid (0: all), of the session @sandbox
 * ((nullable): of all), oldest first; named and asleep */
GPtrArray *
berth_checkpoint_store_list (BerthCheckpointStore *self, guint32 uid, const char *sandbox);
BerthCheckpointTotals berth_checkpoint_store_get_totals (BerthCheckpointStore *self);
/* Sums of the RAM files that are needed, also by what is being committed.
 * (transfer full) (element-type utf8 utf8): a set */
GHashTable *berth_checkpoint_store_dup_bases (BerthCheckpointStore *self);

/* ---- one is kept ---- */

/* The place of a new one, with its name and its room in the limits. */
typedef struct _BerthCheckpointDraft BerthCheckpointDraft;

/**
 * berth_checkpoint_store_begin_async:
 * @manifest: its kind, name, sandbox and owner are taken from there; copied
 * @most_bytes: as large as its state can become
 *
 * Takes a place and makes a file for the state. Fails with BERTH_ERROR_INVALID where there is one
 * of this name, BERTH_ERROR_NO_CAPACITY where a limit is reached, BERTH_ERROR_CONFIG where the
 * file can't be made.
 */
void
berth_checkpoint_store_begin_async (BerthCheckpointStore *self,
                                    const BerthCheckpointManifest *manifest, guint64 most_bytes,
                                    GAsyncReadyCallback callback, gpointer user_data);
BerthCheckpointDraft *berth_checkpoint_store_begin_finish (BerthCheckpointStore *self,
                                                           GAsyncResult *result, GError **error);
/* Borrowed; for writing the state. */
int berth_checkpoint_draft_get_fd (BerthCheckpointDraft *self);
/* No more than this may be written: @most_bytes, or what is left of a limit. */
guint64 berth_checkpoint_draft_get_max_bytes (BerthCheckpointDraft *self);

/* Nothing comes of it: its place is given back, its file goes. Main context. */
void berth_checkpoint_store_abandon (BerthCheckpointStore *self, BerthCheckpointDraft *draft);

/* The state is written: sums it up, writes it through to the disk with its manifest, and gives it
 * its name. From then on it is there, whatever happens; before, there is nothing of it. @draft:
 * taken over, also by a failure. @manifest: all of it but the state's size and sum; copied */
void berth_checkpoint_store_commit_async (BerthCheckpointStore *self, BerthCheckpointDraft *draft,
                                          const BerthCheckpointManifest *manifest,
                                          GAsyncReadyCallback callback, gpointer user_data);
/* (transfer full) */
BerthCheckpoint *berth_checkpoint_store_commit_finish (BerthCheckpointStore *self,
                                                       GAsyncResult *result, GError **error);

/* ---- one is used ---- */

/* Opens the state and looks whether every byte of it is what was written. BERTH_ERROR_CONFIG: it is
 * not; it stays where it is, for who looks for the cause. BERTH_ERROR_QUEUE_FULL: as many of its
 * user's are being read as may be. */
void berth_checkpoint_store_load_async (BerthCheckpointStore *self, BerthCheckpoint *checkpoint,
                                        GAsyncReadyCallback callback, gpointer user_data);
/* A descriptor of the caller's own, to read; -1 */
int berth_checkpoint_store_load_finish (BerthCheckpointStore *self, GAsyncResult *result,
                                        GError **error);

/* Of one asleep: marks on disk that somebody wakes it, or does not any more, so that a berthd that
 * dies meanwhile leaves the next one to know. */
void berth_checkpoint_store_set_waking_async (BerthCheckpointStore *self,
                                              BerthCheckpoint *checkpoint, gboolean is_waking,
                                              GAsyncReadyCallback callback, gpointer user_data);
/* It is not there any more: at once for who looks, on disk when it completes, and its name is free
 * then. BERTH_ERROR_UNAVAILABLE: somebody loads it just now. */
void berth_checkpoint_store_remove_async (BerthCheckpointStore *self, BerthCheckpoint *checkpoint,
                                          GAsyncReadyCallback callback, gpointer user_data);
/* Of both, and of the store's opening */
gboolean
berth_checkpoint_store_finish (BerthCheckpointStore *self, GAsyncResult *result, GError **error);

/* Waits for what is under way. Nothing may be asked of it after that. Blocking; before the last
 * reference goes. */
void berth_checkpoint_store_close (BerthCheckpointStore *self);

G_END_DECLS
