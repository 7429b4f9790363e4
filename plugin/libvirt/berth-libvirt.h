/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* pool's hypervisor, made of libvirt. */
#pragma once

#include "berth-machine.h"
#include "pool/berth-hypervisor.h"

G_BEGIN_DECLS

#define BERTH_TYPE_LIBVIRT (berth_libvirt_get_type ())
G_DECLARE_FINAL_TYPE (BerthLibvirt, berth_libvirt, BERTH, LIBVIRT, GObject)

/* libvirt can be used (again), or not. In the main context. */
typedef void (*BerthLibvirtStateFunc) (gboolean is_up, gpointer user_data);

/**
 * berth_libvirt_new:
 * @uri: (nullable): see berth_connection_new()
 * @virt_type: (nullable): see berth_connection_new()
 * @instance: whose domains these are
 * @name_prefix: of their names
 * @image_dir: where images.json is
 * @templates: (element-type utf8 BerthTemplate): by name
 *
 * State lives on the default main context; pool's calls may come from its own thread.
 */
BerthLibvirt *
berth_libvirt_new (const char *uri, const char *virt_type, const char *instance,
                   const char *name_prefix, const char *image_dir, GHashTable *templates);
void
berth_libvirt_set_state_func (BerthLibvirt *self, BerthLibvirtStateFunc func, gpointer user_data);

/* Connects, checks the images, ends the domains that an earlier life of this instance left. */
void berth_libvirt_open_async (BerthLibvirt *self, GCancellable *cancellable,
                               GAsyncReadyCallback callback, gpointer user_data);
gboolean berth_libvirt_open_finish (BerthLibvirt *self, GAsyncResult *result, GError **error);
/* After pool has shut down. Blocks for libvirt calls under way. */
void berth_libvirt_close (BerthLibvirt *self);

BerthTemplate *berth_libvirt_get_template (BerthLibvirt *self, const char *name);
/* (nullable): borrowed; while @vm is up. Main context. */
BerthMachine *berth_libvirt_get_machine (BerthLibvirt *self, BerthVm *vm);
/* (nullable): borrowed; also while it starts or ends. Main context. */
const char *berth_libvirt_get_domain_name (BerthLibvirt *self, BerthVm *vm);
/* (transfer full) (nullable): the domain XML that a VM of it would get, its name and id apart */
char *berth_libvirt_dup_domain_xml (BerthLibvirt *self, const char *template_name, GError **error);
/* (transfer floating): a{sv}: uri, connected, version, virt-type, kvm-problem */
GVariant *berth_libvirt_get_status (BerthLibvirt *self);

/* (transfer full) (nullable): the machine of @vm, up or ending. Main context. */
BerthMachine *berth_libvirt_ref_machine (BerthLibvirt *self, BerthVm *vm);
/* (nullable): "warm", "clone" or "cold": how a VM that is up came to be; a static string */
const char *berth_libvirt_get_start_name (BerthLibvirt *self, BerthVm *vm);

/* ---- adoption: what an earlier life of berthd left (main context) ---- */

/* Called for each session that was left, before it is adopted: @vm and @request are for pool. */
typedef void (*BerthLibvirtFoundFunc) (BerthVm *vm, BerthRequest *request, gpointer user_data);

/* After open: takes up the sessions that are left. @func is called for each at once, pool counts it
 * from then on; completes when every one answers or is on its way out (GONE is told of it then). */
void berth_libvirt_adopt_sessions_async (BerthLibvirt *self, BerthLibvirtFoundFunc func,
                                         gpointer func_data, GAsyncReadyCallback callback,
                                         gpointer user_data);
void berth_libvirt_adopt_sessions_finish (BerthLibvirt *self, GAsyncResult *result);
/* When it is known which snapshots hold: takes up the warm VMs that are left of them (@func with a
 * NULL request; STARTED or FAILED is told of each then), and ends the others. */
void berth_libvirt_adopt_warm (BerthLibvirt *self, BerthLibvirtFoundFunc func, gpointer user_data);

/* ---- snapshots: what clones are made of (main context) ---- */

/**
 * BerthSnapshotWish:
 * @BERTH_SNAPSHOT_EXISTING: only one that is there and holds
 * @BERTH_SNAPSHOT_ANY: the same, else the place for a new one
 * @BERTH_SNAPSHOT_NEW: the place for a new one
 */
typedef enum
{
  BERTH_SNAPSHOT_EXISTING,
  BERTH_SNAPSHOT_ANY,
  BERTH_SNAPSHOT_NEW,
} BerthSnapshotWish;

/* A template's snapshot is not used any more: its files were changed, its clones do not start, or
 * it is outdated. In the main context. */
typedef void (*BerthLibvirtSpoiltFunc) (const char *name, const char *reason, gpointer user_data);
void
berth_libvirt_set_spoilt_func (BerthLibvirt *self, BerthLibvirtSpoiltFunc func, gpointer user_data);

/* Whether each tenant's VMs are cloned from a snapshot of its own. Before the first VM. */
void berth_libvirt_set_tenant_snapshots (BerthLibvirt *self, gboolean has_tenant_snapshots);

/* Looks for the snapshot of this name (berth_snapshot_make_name()) below @dir and checks every byte
 * of it; clones are made of it from then on. Where there is none, and @wish allows it, returns one
 * that is not committed: then the VM whose request has its name is booted to be recorded into it.
 * Fails with BERTH_ERROR_GONE where there is none to be had. */
void berth_libvirt_prepare_snapshot_async (BerthLibvirt *self, const char *name, const char *dir,
                                           BerthSnapshotWish wish, GAsyncReadyCallback callback,
                                           gpointer user_data);
BerthSnapshot *
berth_libvirt_prepare_snapshot_finish (BerthLibvirt *self, GAsyncResult *result, GError **error);
/* Pauses @vm, which was booted to be recorded, and writes its state. It is only good for being
 * destroyed after that. */
void berth_libvirt_record_async (BerthLibvirt *self, BerthVm *vm, GAsyncReadyCallback callback,
                                 gpointer user_data);
gboolean berth_libvirt_record_finish (BerthLibvirt *self, GAsyncResult *result, GError **error);
/* When the recorded VM is gone: clones are made of the new snapshot from then on. */
void berth_libvirt_commit_snapshot_async (BerthLibvirt *self, const char *name,
                                          GAsyncReadyCallback callback, gpointer user_data);
gboolean
berth_libvirt_commit_snapshot_finish (BerthLibvirt *self, GAsyncResult *result, GError **error);
/* Gives up what prepare began; removes its files. */
void berth_libvirt_drop_recording (BerthLibvirt *self, const char *name);

/* (nullable): borrowed; what clones are made of now */
BerthSnapshot *berth_libvirt_get_snapshot (BerthLibvirt *self, const char *name);
/* No more clones of it; its files go with the last one. */
void berth_libvirt_drop_snapshot (BerthLibvirt *self, const char *name);

G_END_DECLS
