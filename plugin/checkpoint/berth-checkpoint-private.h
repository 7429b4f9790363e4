/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the store's files share. */
#pragma once

#include "plugin/base/berth-workers.h"
#include "plugin/checkpoint/berth-checkpoint-disk.h"
#include "plugin/checkpoint/berth-checkpoint-store.h"

G_BEGIN_DECLS

struct _BerthCheckpoint
{
  GObject parent;
  BerthCheckpointManifest *manifest;
  char *folder; /* its own, as it is called now */
  gboolean is_waking;
  guint uses;
  guint loads; /* of these: it is being read */
};

struct _BerthCheckpointStore
{
  GObject parent;
  BerthCheckpointLimits limits;
  BerthCheckpointDisk *disk; /* NULL before it is opened */
  BerthWorkers *workers;     /* NULL after it is closed */
  GPtrArray *all;            /* BerthCheckpoint (owned), oldest first */
  GPtrArray *leaving;        /* BerthCheckpoint (owned): that are being removed */
  GPtrArray *drafts;         /* BerthCheckpointDraft (owned) */
};

/* What a thread gets of it, and may be freed there */
typedef struct
{
  BerthCheckpointDisk *disk;
  char *from;                        /* (nullable) */
  char *to;                          /* (nullable) */
  BerthCheckpointManifest *manifest; /* (nullable) */
} BerthCheckpointJob;

/* Runs @func on a thread; @manifest: (nullable): copied. Takes @done_data over. */
void berth_checkpoint_store_run (BerthCheckpointStore *self, const char *from, const char *to,
                                 const BerthCheckpointManifest *manifest, GTaskThreadFunc func,
                                 GAsyncReadyCallback done, gpointer done_data);
/* Of a thread that is through with its job */
void berth_checkpoint_job_end (GTask *task, gboolean ok, GError *error);
void berth_checkpoint_job_end_with_fd (GTask *task, int fd, GError *error);
/* of BerthCheckpoint *, oldest first */
int berth_checkpoint_compare_times (gconstpointer a, gconstpointer b);

G_END_DECLS
