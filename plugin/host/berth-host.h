/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the manager needs of whoever has the VMs, beyond what pool needs of it: programs and files
 * in them, snapshots of them, those of before, and the time. libvirt implements it, tests have a
 * fake. */
#pragma once

#include "plugin/config/berth-config.h"
#include "plugin/host/berth-disk-account.h"
#include "plugin/host/berth-purpose.h"
#include "plugin/model/berth-background.h"
#include "plugin/model/berth-exec.h"
#include "plugin/model/berth-file-request.h"
#include "plugin/model/berth-link.h"
#include "plugin/model/berth-result-private.h"
#include "pool/berth-hypervisor.h"
#include "pool/berth-request.h"
#include "pool/berth-vm.h"

G_BEGIN_DECLS

#define BERTH_TYPE_HOST (berth_host_get_type ())
G_DECLARE_INTERFACE (BerthHost, berth_host, BERTH, HOST, BerthHypervisor)

/**
 * BerthHostWatch:
 * @state_changed: VMs can be had (again), or not
 * @snapshot_spoilt: clones are made of the snapshot of this name no more: its files were changed,
 *   its clones do not start, or it is outdated
 * @session_returns: a session whose VM was gone is there again, because an administrator has
 * restored its domain: @vm and @request are for pool, as those of #BerthHostFoundFunc
 * @session_returned: the same: it has proved that it is nobody else, and answers. Where it does
 * not, GONE is told of it instead
 *
 * @copy_begins: nothing may be asked of the guest of this VM until @copy_ended: its programs are to
 *   stand still, and are copied. FALSE, with an error: just now that can't be
 * @copy_ended: its programs go on, or never stood still: after @took_us; -1: there is no copy.
 *   @bytes: of the copy
 * @take_disk: for a fork of this VM: what the copy may have of the disk, (transfer full), freed
 * when its file is gone. NULL, with an error: nothing just now
 *
 * What a host tells unasked; each may be NULL. Called in the default main context.
 */
typedef struct
{
  void (*state_changed) (gboolean is_up, gpointer user_data);
  void (*snapshot_spoilt) (const char *name, const char *reason, gpointer user_data);
  void (*session_returns) (BerthVm *vm, BerthRequest *request, gboolean is_paused,
                           gpointer user_data);
  void (*session_returned) (BerthVm *vm, BerthRequest *request, gboolean is_paused,
                            gpointer user_data);
  gboolean (*copy_begins) (BerthVm *vm, gpointer user_data, GError **error);
  void (*copy_ended) (BerthVm *vm, gint64 took_us, guint64 bytes, gpointer user_data);
  BerthDiskPart *(*take_disk) (BerthVm *vm, gpointer user_data, GError **error);
} BerthHostWatch;

/* A connection that a program in a VM asks for: to be answered once, with berth_host_accept_async()
 * or berth_host_refuse(), and good until then. */
typedef struct _BerthHostLink BerthHostLink;

/**
 * BerthHostReach:
 * @asked: a program wants to be connected to @name, which is printable ASCII, and @port
 * @refused: a program asked for a name that it may not reach, @port 0, or wanted to connect to it
 * at a port that it may not; told of some of them, and what it may be is nobody's promise
 *
 * What is told of a VM whose programs may reach names. In the default main context.
 */
typedef struct
{
  void (*asked) (BerthHostLink *link, const char *name, guint16 port, gpointer user_data);
  void (*refused) (const char *name, guint16 port, gpointer user_data);
} BerthHostReach;

/* Called for each VM of an earlier life before it is adopted: @vm and @request are for pool.
 * @request: (nullable): NULL of a warm one, of which STARTED or FAILED is told later. @is_paused:
 * of a session that stands still, and whose guest nobody has spoken with before it is woken. */
typedef void (*BerthHostFoundFunc) (BerthVm *vm, BerthRequest *request, gboolean is_paused,
                                    gpointer user_data);

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

/**
 * BerthSnapshotFinding:
 * @BERTH_SNAPSHOT_FAILED: none, and the error says why; BERTH_ERROR_GONE where there is none to be
 *   had
 * @BERTH_SNAPSHOT_SAME: the one that clones are made of already
 * @BERTH_SNAPSHOT_FOUND: one of before; clones are made of it from now on
 * @BERTH_SNAPSHOT_PLACE: the place for a new one: the VM whose request has the snapshot's name is
 *   booted to be recorded there
 *
 * What came of a look for a snapshot.
 */
typedef enum
{
  BERTH_SNAPSHOT_FAILED,
  BERTH_SNAPSHOT_SAME,
  BERTH_SNAPSHOT_FOUND,
  BERTH_SNAPSHOT_PLACE,
} BerthSnapshotFinding;

/**
 * BerthHostCopy:
 * @base: what it can be loaded with
 * @pages: of the VM's memory that are in it
 *
 * What was written of a VM, to be loaded later.
 */
typedef struct
{
  BerthForkBase *base;
  guint64 pages;
} BerthHostCopy;

void berth_host_copy_free (BerthHostCopy *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BerthHostCopy, berth_host_copy_free)

/**
 * BerthHostInterface:
 * @open: connects and ends what an earlier life left and nobody can use; takes a reference of
 *   @templates (name -> BerthTemplate). TRUE
 * @close: when the pool has shut down; may block for calls under way
 * @set_watch: whom to tell; NULL: nobody (any more)
 * @set_tenant_snapshots: whether each tenant's VMs are cloned from a snapshot of its own; before
 *   the first VM
 * @set_places: domains for @max VMs of each template of @template_names stay defined between the
 * lives of these; what is defined beyond that goes when its VM does, or now; 0: none stays
 * @adopt_sessions: after @open: @func is called at once for each session that is left; TRUE when
 *   every one answers or is on its way out (GONE is told of it then)
 * @adopt_warm: when it is known which snapshots hold: @func for each warm VM of them that is left;
 *   ends the others
 * @prepare_snapshot: looks below @dir; see #BerthSnapshotFinding
 * @record: pauses @vm, which was booted to be recorded, and writes its state; it is only good for
 *   being destroyed then. TRUE
 * @commit_snapshot: when the recorded VM is gone: clones are made of it from now on. TRUE
 * @drop_recording: gives up what @prepare_snapshot began
 * @drop_snapshot: no more clones of it; its files go with the last one
 * @get_snapshot_bytes: FALSE: clones are made of no snapshot of this name
 * @exec: runs a program in a VM that is up; takes over @exec. A #BerthResult
 * @background: asks about execs in the background of a VM that is up; takes over @request. A
 *   #BerthBackgroundResult
 * @file: carries a file; takes over @file. A #BerthFileResult
 * @link: connects @end with a port of the guest's loopback until the connection has ended. A
 *   #BerthLinkResult, whatever its end
 * @allow: programs of a VM that is up may reach @names: in lower case, "*.NAME", "*", IPv4
 * addresses;
 *   @reach is told from now on, until the VM has ended, then @user_data is let go by @destroy. TRUE
 * @accept: @end is connected to what @link asked for. A #BerthLinkResult when it has
 *   ended; cancelling ends it
 * @refuse: ends @link
 * @copy: writes what a VM that is up is at this moment, which is told by @copy_begins and
 *   @copy_ended, to @fd, which is borrowed: @max_bytes at most; whatever comes of it, the VM goes
 *   on, unless there is a copy and it @stays: then it stands still until @go_on or its end, and
 *   @copy_ended is told by the former alone. What it is a difference of is kept until the next
 *   @keep_bases. A #BerthHostCopy
 * @go_on: lets a VM go on that stands still since it was copied
 * @settle: completes when the next berthd would find the session of a VM that is up. TRUE
 * @keep_bases: only the snapshots in @dir whose sums are in @sums are kept beside those that clones
 *   are made of
 * @get_domain_name: (nullable): what the VM's domain is called, also while it starts or ends
 * @get_start_name: (nullable): "warm", "clone" or "cold": how a VM that is up came to be; static
 * @get_start_times: of such a VM: how long it took to have it running, and from there to have an
 *   answer of its guest; 0 and 0 of a warm one; microseconds
 * @get_memory: of the VM on this host; bytes; FALSE where nobody knows
 * @dup_domain_xml: (transfer full) (nullable): what a VM of this template would get, its name and
 *   id apart
 * @dup_status: (transfer full): a{sv}: uri, connected, version, virt_type, kvm_problem
 * @dup_confinement: (transfer full) (nullable): what confines VMs here and has to let them have the
 *   snapshots in @dir, as "AppArmor"; *@out_problem (transfer full): why it does not; with a remedy
 * @check_image: whether the guest's image can be used; the error says why not
 * @check_layers: whether the layers of this template are in it
 * @get_time: now; monotonic microseconds
 * @add_timer: a source of the default main context that calls @func every @delay_us until it
 *   returns G_SOURCE_REMOVE; g_source_remove() ends it
 *
 * All calls are made in the default main context. Those with @task complete it there with what is
 * said above, or with an error; its source object is the host.
 */
struct _BerthHostInterface
{
  GTypeInterface parent_iface;

  void (*open) (BerthHost *self, GHashTable *templates, GTask *task);
  void (*close) (BerthHost *self);
  void (*set_watch) (BerthHost *self, const BerthHostWatch *watch, gpointer user_data);
  void (*set_tenant_snapshots) (BerthHost *self, gboolean has_tenant_snapshots);
  void (*set_places) (BerthHost *self, guint max, const char *const *template_names);
  void (*adopt_sessions) (BerthHost *self, BerthHostFoundFunc func, gpointer func_data,
                          GTask *task);
  void (*adopt_warm) (BerthHost *self, BerthHostFoundFunc func, gpointer func_data);

  void (*prepare_snapshot) (BerthHost *self, const char *name, const char *dir,
                            BerthSnapshotWish wish, GTask *task);
  void (*record) (BerthHost *self, BerthVm *vm, GTask *task);
  void (*commit_snapshot) (BerthHost *self, const char *name, GTask *task);
  void (*drop_recording) (BerthHost *self, const char *name);
  void (*drop_snapshot) (BerthHost *self, const char *name);
  gboolean (*get_snapshot_bytes) (BerthHost *self, const char *name, guint64 *out_bytes);

  void (*exec) (BerthHost *self, BerthVm *vm, BerthExec *exec, GTask *task);
  void (*background) (BerthHost *self, BerthVm *vm, BerthBackgroundRequest *request, GTask *task);
  void (*file) (BerthHost *self, BerthVm *vm, BerthFileRequest *file, GTask *task);
  void (*link) (BerthHost *self, BerthVm *vm, guint port, const BerthLinkEnd *end, GTask *task);
  void (*allow) (BerthHost *self, BerthVm *vm, const char *const *names,
                 const BerthHostReach *reach, gpointer user_data, GDestroyNotify destroy,
                 GTask *task);
  void (*accept) (BerthHost *self, BerthHostLink *link, const BerthLinkEnd *end, GTask *task);
  void (*refuse) (BerthHost *self, BerthHostLink *link, BerthLinkReason reason);

  void (*copy) (BerthHost *self, BerthVm *vm, int fd, guint64 max_bytes, gboolean stays,
                GTask *task);
  void (*go_on) (BerthHost *self, BerthVm *vm);
  void (*settle) (BerthHost *self, BerthVm *vm, GTask *task);
  void (*keep_bases) (BerthHost *self, const char *dir, GHashTable *sums);

  const char *(*get_domain_name) (BerthHost *self, BerthVm *vm);
  const char *(*get_start_name) (BerthHost *self, BerthVm *vm);
  void (*get_start_times) (BerthHost *self, BerthVm *vm, gint64 *out_spawn_us,
                           gint64 *out_connect_us);
  gboolean (*get_memory) (BerthHost *self, BerthVm *vm, guint64 *out_private, guint64 *out_shared);
  char *(*dup_domain_xml) (BerthHost *self, const char *template_name, GError **error);
  GVariant *(*dup_status) (BerthHost *self);
  char *(*dup_confinement) (BerthHost *self, const char *dir, char **out_problem,
                            char **out_remedy);
  gboolean (*check_image) (BerthHost *self, GError **error);
  gboolean (*check_layers) (BerthHost *self, const char *template_name, GError **error);

  gint64 (*get_time) (BerthHost *self);
  guint (*add_timer) (BerthHost *self, gint64 delay_us, GSourceFunc func, gpointer user_data);
};

/* The one that this program is linked with: libvirt, or a test's fake. */
BerthHost *berth_host_new (const BerthConfig *config);

void berth_host_open_async (BerthHost *self, GHashTable *templates, GCancellable *cancellable,
                            GAsyncReadyCallback callback, gpointer user_data);
void berth_host_close (BerthHost *self);
void berth_host_set_watch (BerthHost *self, const BerthHostWatch *watch, gpointer user_data);
void berth_host_set_tenant_snapshots (BerthHost *self, gboolean has_tenant_snapshots);
void berth_host_set_places (BerthHost *self, guint max, const char *const *template_names);
void berth_host_adopt_sessions_async (BerthHost *self, BerthHostFoundFunc func, gpointer func_data,
                                      GAsyncReadyCallback callback, gpointer user_data);
void berth_host_adopt_warm (BerthHost *self, BerthHostFoundFunc func, gpointer func_data);

void berth_host_prepare_snapshot_async (BerthHost *self, const char *name, const char *dir,
                                        BerthSnapshotWish wish, GAsyncReadyCallback callback,
                                        gpointer user_data);
BerthSnapshotFinding
berth_host_prepare_snapshot_finish (BerthHost *self, GAsyncResult *result, GError **error);
void berth_host_record_async (BerthHost *self, BerthVm *vm, GAsyncReadyCallback callback,
                              gpointer user_data);
void berth_host_commit_snapshot_async (BerthHost *self, const char *name,
                                       GAsyncReadyCallback callback, gpointer user_data);
void berth_host_drop_recording (BerthHost *self, const char *name);
void berth_host_drop_snapshot (BerthHost *self, const char *name);
gboolean berth_host_get_snapshot_bytes (BerthHost *self, const char *name, guint64 *out_bytes);

void
berth_host_exec_async (BerthHost *self, BerthVm *vm, BerthExec *exec, GCancellable *cancellable,
                       GAsyncReadyCallback callback, gpointer user_data);
BerthResult *berth_host_exec_finish (BerthHost *self, GAsyncResult *result, GError **error);
void berth_host_background_async (BerthHost *self, BerthVm *vm, BerthBackgroundRequest *request,
                                  GCancellable *cancellable, GAsyncReadyCallback callback,
                                  gpointer user_data);
BerthBackgroundResult *
berth_host_background_finish (BerthHost *self, GAsyncResult *result, GError **error);
void
berth_host_file_async (BerthHost *self, BerthVm *vm, BerthFileRequest *file,
                       GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
BerthFileResult *berth_host_file_finish (BerthHost *self, GAsyncResult *result, GError **error);

void
berth_host_link_async (BerthHost *self, BerthVm *vm, guint port, const BerthLinkEnd *end,
                       GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
/* (transfer full): to be freed with g_free() */
BerthLinkResult *berth_host_link_finish (BerthHost *self, GAsyncResult *result, GError **error);
void
berth_host_allow_async (BerthHost *self, BerthVm *vm, const char *const *names,
                        const BerthHostReach *reach, gpointer user_data, GDestroyNotify destroy,
                        GAsyncReadyCallback callback, gpointer callback_data);
void berth_host_accept_async (BerthHost *self, BerthHostLink *link, const BerthLinkEnd *end,
                              GCancellable *cancellable, GAsyncReadyCallback callback,
                              gpointer user_data);
/* (transfer full): to be freed with g_free() */
BerthLinkResult *berth_host_accept_finish (BerthHost *self, GAsyncResult *result, GError **error);
void berth_host_refuse (BerthHost *self, BerthHostLink *link, BerthLinkReason reason);

void berth_host_copy_async (BerthHost *self, BerthVm *vm, int fd, guint64 max_bytes, gboolean stays,
                            GAsyncReadyCallback callback, gpointer user_data);
void berth_host_go_on (BerthHost *self, BerthVm *vm);
void berth_host_settle_async (BerthHost *self, BerthVm *vm, GAsyncReadyCallback callback,
                              gpointer user_data);
/* (transfer full) */
BerthHostCopy *berth_host_copy_finish (BerthHost *self, GAsyncResult *result, GError **error);
void berth_host_keep_bases (BerthHost *self, const char *dir, GHashTable *sums);

/* Of all that completes with TRUE. */
gboolean berth_host_finish (BerthHost *self, GAsyncResult *result, GError **error);

const char *berth_host_get_domain_name (BerthHost *self, BerthVm *vm);
const char *berth_host_get_start_name (BerthHost *self, BerthVm *vm);
void berth_host_get_start_times (BerthHost *self, BerthVm *vm, gint64 *out_spawn_us,
                                 gint64 *out_connect_us);
gboolean
berth_host_get_memory (BerthHost *self, BerthVm *vm, guint64 *out_private, guint64 *out_shared);
char *berth_host_dup_domain_xml (BerthHost *self, const char *template_name, GError **error);
GVariant *berth_host_dup_status (BerthHost *self);
/* @out_problem: NULL before; @out_remedy: likewise, set where there is a problem */
char *berth_host_dup_confinement (BerthHost *self, const char *dir, char **out_problem,
                                  char **out_remedy);
gboolean berth_host_check_image (BerthHost *self, GError **error);
gboolean berth_host_check_layers (BerthHost *self, const char *template_name, GError **error);
gint64 berth_host_get_time (BerthHost *self);
guint berth_host_add_timer (BerthHost *self, gint64 delay_us, GSourceFunc func, gpointer user_data);

G_END_DECLS
