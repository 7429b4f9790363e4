/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What new VMs are made of: for each snapshot's name the one that holds now, and how its clones
 * fare. */
#pragma once

#include "plugin/snapshot/berth-snapshot.h"
#include "plugin/template/berth-images.h"

G_BEGIN_DECLS

typedef struct _BerthSnapshotStock BerthSnapshotStock; /* of one thread */

BerthSnapshotStock *berth_snapshot_stock_new (void);
void berth_snapshot_stock_free (BerthSnapshotStock *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BerthSnapshotStock, berth_snapshot_stock_free)

/* Clones of @name are made of @snapshot from now on, as long as @images are the current
 * ones. NULL: there is none. The one before is retired: its files go with its last clone. FALSE:
 * @snapshot itself was retired meanwhile; nothing changes. */
gboolean berth_snapshot_stock_set (BerthSnapshotStock *self, const char *name,
                                   BerthSnapshot *snapshot, BerthImages *images);
/* (nullable): borrowed; whatever its condition */
BerthSnapshot *berth_snapshot_stock_get (BerthSnapshotStock *self, const char *name);
/* (nullable): borrowed; the name of the snapshot with this key */
const char *berth_snapshot_stock_find_key (BerthSnapshotStock *self, const char *key);

/**
 * berth_snapshot_stock_pick:
 * @images: that hold now
 * @error: why the snapshot must not be used any more; it has been dropped
 *
 * Returns: (transfer none) (nullable): the snapshot, just looked at and found as it was made. NULL
 *   without an error where there is none.
 */
BerthSnapshot *berth_snapshot_stock_pick (BerthSnapshotStock *self, const char *name,
                                          BerthImages *images, GError **error);

/* FALSE once, when this is the failure after which @snapshot is given up; it has been dropped. */
gboolean berth_snapshot_stock_note_clone (BerthSnapshotStock *self, const char *name,
                                          BerthSnapshot *snapshot, gboolean has_started);
/* Whether the next VM for a request is better booted, since the last clone failed. Asked once. */
gboolean berth_snapshot_stock_take_doubt (BerthSnapshotStock *self, const char *name);

/* FALSE: these random bytes were seen before (invariant 7). Remembers a bounded number. */
gboolean
berth_snapshot_stock_check_proof (BerthSnapshotStock *self, const guint8 *proof, gsize size);

G_END_DECLS
