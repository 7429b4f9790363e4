/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the keeper and the snapshots that it keeps know of each other. */
#pragma once

#include "berth-keeper.h"

G_BEGIN_DECLS

/**
 * BerthKeepState:
 * @BERTH_KEEP_NONE: nobody has asked for it yet, or it was removed
 * @BERTH_KEEP_FAILED: tried again later
 * @BERTH_KEEP_CHECKING: looking for one on disk
 * @BERTH_KEEP_MAKING: waiting for a VM, booting it, recording it
 * @BERTH_KEEP_VALID: clones are made of it
 *
 * In rising order: of several that a template has, the highest is told.
 */
typedef enum
{
  BERTH_KEEP_NONE,
  BERTH_KEEP_FAILED,
  BERTH_KEEP_CHECKING,
  BERTH_KEEP_MAKING,
  BERTH_KEEP_VALID,
} BerthKeepState;

/* One snapshot that is kept: a template's, or a tenant's own of it. */
typedef struct _BerthKeep BerthKeep;

struct _BerthKeep
{
  BerthKeeper *keeper; /* unowned */
  char *name;          /* of the snapshot */
  BerthTemplate *template;
  char *tenant_key;        /* (nullable): whose it is alone */
  BerthWarmTarget *target; /* (unowned): the template's, while the snapshot is valid */
  BerthKeepState state;
  gint64 wanted_us; /* when it was asked for last */
  guint failures;
  char *last_error;
  guint retry_id;
  GPtrArray *callers; /* GTask (owned): who waits for a new one */
  GError *failure;    /* of the making under way, until its VM is gone */
};

struct _BerthKeeper
{
  GObject parent;
  const BerthConfig *config;
  BerthLibvirt *libvirt;
  BerthPool *pool;
  GHashTable *templates; /* name -> BerthTemplate */
  GHashTable *targets;   /* template's name (borrowed) -> BerthWarmTarget (owned) */
  GHashTable *keeps;     /* snapshot's name (borrowed from its value) -> Keep (owned) */
  GQueue turns;          /* Keep (borrowed): who makes one next */
  BerthKeep *maker;      /* whose snapshot is being made */
  GFileMonitor *images_monitor;
  guint check_again_id;
  gboolean is_stopped;
  guint n_looking; /* of the first looks */
  BerthKeeperReadyFunc ready_func;
  gpointer ready_data;
};

BerthKeep *berth_keep_new (BerthKeeper *keeper, BerthTemplate *template, const char *tenant_key);
void berth_keep_free (BerthKeep *keep);

/* nothing is under way for it */
gboolean berth_keep_is_idle (BerthKeep *keep);
/* Finds it or makes it, when its turn comes. */
void berth_keep_look (BerthKeep *keep);
/* Only whether it is there, at once. */
void berth_keep_look_first (BerthKeep *keep);
/* It can't be used, and is tried again later. */
void berth_keep_has_failed (BerthKeep *keep, const GError *error);
void berth_keep_remove_snapshot (BerthKeep *keep);
/* The number of warm VMs that are wanted of it, and that those of before are outdated. */
void berth_keep_tell_target (BerthKeep *keep);
void berth_keep_tell_pool (BerthKeep *keep);
void berth_keep_answer_callers (BerthKeep *keep, const GError *error);

gboolean berth_keeper_is_off (BerthKeeper *self);
/* It is known now which snapshots hold. */
void berth_keeper_is_ready (BerthKeeper *self);

G_END_DECLS
