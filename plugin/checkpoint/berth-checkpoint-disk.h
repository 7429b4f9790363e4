/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The folder of all checkpoints: what a step leaves there if it is the last one that is done.
 * Blocking calls, any thread. */
#pragma once

#include "plugin/checkpoint/berth-checkpoint-manifest.h"

G_BEGIN_DECLS

typedef struct _BerthCheckpointDisk BerthCheckpointDisk; /* atomically reference counted */

/**
 * BerthCheckpointFound:
 * @folder: its own
 * @manifest: (nullable) (owned)
 * @is_waking: of one asleep: it was being loaded
 * @problem: (nullable): why it can't be used
 *
 * One that lies there.
 */
typedef struct
{
  char *folder;
  BerthCheckpointManifest *manifest;
  gboolean is_waking;
  char *problem;
} BerthCheckpointFound;

void berth_checkpoint_found_free (BerthCheckpointFound *self);

/* @dir: made when the first is */
BerthCheckpointDisk *berth_checkpoint_disk_new (const char *dir);
BerthCheckpointDisk *berth_checkpoint_disk_ref (BerthCheckpointDisk *self);
void berth_checkpoint_disk_unref (BerthCheckpointDisk *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BerthCheckpointDisk, berth_checkpoint_disk_unref)

/* (transfer full): what the folder of such a one is called */
char *berth_checkpoint_disk_make_name (const BerthCheckpointManifest *manifest, gboolean is_waking);

/* (transfer full) (element-type BerthCheckpointFound) (nullable): all, after what was begun or was
 * being removed has been cleared away. NULL: the folder can't be trusted. */
GPtrArray *berth_checkpoint_disk_scan (BerthCheckpointDisk *self, GError **error);

/* An empty file in a folder of its own, *@out_part (transfer full); -1 on failure */
int berth_checkpoint_disk_begin (BerthCheckpointDisk *self, const char *folder, char **out_part,
                                 GError **error);
/* The folder @part becomes @folder, all of it on the disk. Sets @manifest's size and sum. */
gboolean
berth_checkpoint_disk_commit (BerthCheckpointDisk *self, const char *part, const char *folder,
                              BerthCheckpointManifest *manifest, GError **error);
void berth_checkpoint_disk_discard (BerthCheckpointDisk *self, const char *part);

/* The state, read through and compared with what is known of it; -1 on failure */
int berth_checkpoint_disk_open (BerthCheckpointDisk *self, const char *folder,
                                const BerthCheckpointManifest *manifest, GError **error);
gboolean berth_checkpoint_disk_rename (BerthCheckpointDisk *self, const char *from, const char *to,
                                       GError **error);
gboolean
berth_checkpoint_disk_remove (BerthCheckpointDisk *self, const char *folder, GError **error);

G_END_DECLS
