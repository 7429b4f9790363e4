/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a keeper is made of, for itself and its tests. */
#pragma once

#include "plugin/snapshot/berth-snapshot-entry.h"
#include "plugin/snapshot/berth-snapshot-keeper.h"

G_BEGIN_DECLS

struct _BerthSnapshotKeeper
{
  GObject parent;
  const BerthConfig *config;
  BerthHost *host;
  BerthPool *pool;
  guint max_vms;
  GHashTable *templates; /* name -> BerthTemplate */
  GHashTable *targets;   /* template's name (owned) -> BerthWarmTarget (owned) */
  GHashTable *forgotten; /* names of templates that are no more */
  GHashTable *entries;   /* snapshot's name (borrowed from its value) -> entry (owned) */
  BerthSnapshotTurns turns;
  GFileMonitor *images_monitor;
  guint check_again_id;
  BerthSnapshotKeeperReadyFunc ready_func;
  gpointer ready_data;
};

G_END_DECLS
