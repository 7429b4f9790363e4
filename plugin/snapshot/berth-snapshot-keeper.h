/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Keeps the snapshot of every template in use: finds it, makes it, makes it anew when it does not
 * hold any more, and tells pool how many warm VMs are wanted of it. */
#pragma once

#include "plugin/config/berth-config.h"
#include "plugin/host/berth-host.h"
#include "plugin/template/berth-template.h"
#include "pool/berth-pool.h"

G_BEGIN_DECLS

#define BERTH_TYPE_SNAPSHOT_KEEPER (berth_snapshot_keeper_get_type ())
G_DECLARE_FINAL_TYPE (BerthSnapshotKeeper, berth_snapshot_keeper, BERTH, SNAPSHOT_KEEPER, GObject)

/**
 * berth_snapshot_keeper_new:
 * @config: borrowed; outlives the keeper
 * @templates: (element-type utf8 BerthTemplate): by name
 * @max_vms: slots of @pool
 *
 * Main context, as are all calls.
 */
BerthSnapshotKeeper *berth_snapshot_keeper_new (const BerthConfig *config, GHashTable *templates,
                                                BerthHost *host, BerthPool *pool, guint max_vms);
/* Looks for the snapshots that are there; @ready is called once, when it is known which hold. Then
 * makes those whose warm VMs the configuration wants. */
typedef void (*BerthSnapshotKeeperReadyFunc) (gpointer user_data);
void berth_snapshot_keeper_start (BerthSnapshotKeeper *self, BerthSnapshotKeeperReadyFunc ready,
                                  gpointer user_data);
/* Nothing is begun any more. */
void berth_snapshot_keeper_stop (BerthSnapshotKeeper *self);

/* A request came: from now on its template, or its tenant of that, has a snapshot. */
void berth_snapshot_keeper_want (BerthSnapshotKeeper *self, BerthRequest *request);
/* What failed is tried again now. */
void berth_snapshot_keeper_retry (BerthSnapshotKeeper *self, const char *template_name);
/* A VM of @template_name has booted, or has failed to: what failed before a success is tried again
 * at once, and if it then fails again not a second time before a boot has failed, too. */
void berth_snapshot_keeper_note_boot (BerthSnapshotKeeper *self, const char *template_name,
                                      gboolean is_success);
/* libvirt is back, and may be another version; or the images were built again. */
void berth_snapshot_keeper_check_again (BerthSnapshotKeeper *self);
/* Clones are made no more of the snapshot of this name. */
void
berth_snapshot_keeper_note_spoilt (BerthSnapshotKeeper *self, const char *name, const char *reason);

/* Makes a new snapshot, whatever there is, and completes when clones are made of it. Fails with
 * what went wrong, with BERTH_ERROR_CONFIG where snapshots are turned off or each tenant's own. */
void berth_snapshot_keeper_make_async (BerthSnapshotKeeper *self, const char *template_name,
                                       GAsyncReadyCallback callback, gpointer user_data);
gboolean
berth_snapshot_keeper_make_finish (BerthSnapshotKeeper *self, GAsyncResult *result, GError **error);
/* Removes it with its warm VMs; a new one is made when it is asked for again. */
void berth_snapshot_keeper_remove (BerthSnapshotKeeper *self, const char *template_name);

/* The settings were read again: what they say of warm VMs is wanted from now on. */
void berth_snapshot_keeper_reload (BerthSnapshotKeeper *self, guint max_vms);

/* @template is a new one, or takes the place of that of its name; a snapshot of that holds no more.
 */
void berth_snapshot_keeper_note_template (BerthSnapshotKeeper *self, BerthTemplate *template);

/* There is no template of this name any more: its snapshots and warm VMs go, and none are made
 * until it is noted again. */
void berth_snapshot_keeper_forget (BerthSnapshotKeeper *self, const char *template_name);

/* How many warm VMs are wanted from now on. */
void berth_snapshot_keeper_set_target (BerthSnapshotKeeper *self, const char *template_name,
                                       guint min, guint max);

/* Adds to the status of @template_name: "snapshot" ("valid", "making", "checking", "failed",
 * "none"), "snapshots" (how many there are), "snapshot_mb" (allocated on disk), "snapshot_error".
 */
void berth_snapshot_keeper_describe (BerthSnapshotKeeper *self, const char *template_name,
                                     GVariantDict *dict);

G_END_DECLS
