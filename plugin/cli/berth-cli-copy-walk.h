/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a walk through a folder counts, leaves out and goes on after, in either direction; and where
 * on this host its files go. */
#pragma once

#include "plugin/cli/berth-cli-batch.h"

G_BEGIN_DECLS

/**
 * BerthCopyWalk:
 * @transfer: borrowed
 * @entries: so far
 * @bytes: of the files that were carried
 * @left_out: entries that are neither files nor folders
 * @first_left_out: (nullable): of these
 * @failed: entries that could not be carried
 * @failures: (nullable): what is told of the first ones
 * @is_over: a bound of all of it is reached: the failure is not one entry's
 * @batch: (nullable): what carries small files, of a folder that goes to or comes from a sandbox
 *   that is there
 * @batch_failure: (nullable): of one of these, which nothing goes on after
 *
 * Starts as zeros but for @transfer.
 */
typedef struct
{
  BerthTransfer *transfer;
  guint entries;
  guint64 bytes;
  guint left_out;
  char *first_left_out;
  guint failed;
  GString *failures;
  gboolean is_over;
  BerthBatch *batch;
  GError *batch_failure;
} BerthCopyWalk;

/* Bytes that its files may still have */
guint64 berth_copy_walk_get_left (const BerthCopyWalk *self);
/* From here on small files are carried by a batch. */
void berth_copy_walk_open_batch (BerthCopyWalk *self);
/* Waits for them. Whether the walk has gone well: @ok, and all that it had to wait for */
gboolean berth_copy_walk_close_batch (BerthCopyWalk *self, gboolean ok, GError **error);

/* (transfer full) (nullable): the last name in a path; NULL where there is none, as in "." */
char *berth_copy_walk_dup_name (const char *path);

/* Within what one verb carries at most, whatever the guest lists: BERTH_LIMIT_RUN_... */
gboolean berth_copy_walk_count (BerthCopyWalk *self, const char *what, guint depth, GError **error);
void berth_copy_walk_leave_out (BerthCopyWalk *self, const char *path);
/* Whether a folder goes on after an entry with this failure (transfer full) (nullable), which is
 * kept then: not when trying the next is no use, or might be wrong. */
gboolean berth_copy_walk_go_on (BerthCopyWalk *self, GError *failure, GError **error);
/* Whether all of it was carried but for what is never. */
gboolean berth_copy_walk_check (BerthCopyWalk *self, gboolean ok, const char *what, GError **error);
void berth_copy_walk_end (BerthCopyWalk *self);

/* FALSE with errno as @error */
gboolean berth_copy_walk_fail_local (const char *local, GError **error);
/* Neither file nor folder: it is written to, and not replaced */
gboolean berth_copy_walk_is_special (const char *local);
/* -1 with @error */
int berth_copy_walk_open_special (const char *local, GError **error);
/* A folder of ours for one of the guest's; never through a link. -1 with @error */
int berth_copy_walk_open_folder (int parent_fd, const char *name, const char *local,
                                 gboolean *out_is_new, GError **error);
/* (transfer full): where it goes: as named, or under its own name into a folder that is there;
 * through a link of the caller's own if there is one. */
char *berth_copy_walk_dup_local_target (const char *guest, const char *local);

G_END_DECLS
