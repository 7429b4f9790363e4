/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the manager's files share. */
#pragma once

#include "plugin/checkpoint/berth-checkpoint-store.h"
#include "plugin/snapshot/berth-snapshot-keeper.h"
#include "plugin/manager/berth-manager.h"
#include "plugin/manager/berth-metrics.h"
#include "plugin/manager/berth-ports.h"
#include "plugin/manager/berth-pressure.h"
#include "plugin/manager/berth-sandbox.h"
#include "plugin/manager/berth-tombstones.h"
#include "plugin/template/berth-template.h"
#include "pool/berth-pool.h"

G_BEGIN_DECLS

struct _BerthManager
{
  GObject parent;
  BerthConfig *config;
  GHashTable *templates;      /* name -> BerthTemplate */
  GHashTable *gone;           /* names of those whose files are: VMs of them may be here */
  GPtrArray *template_errors; /* GError: files that were left out */
  BerthHost *host;
  BerthPool *pool;
  BerthSnapshotKeeper *keeper;
  BerthPressure pressure;
  guint pressure_id;
  guint max_vms;
  gboolean is_drained;   /* an administrator drains this host */
  gboolean is_started;   /* before, the host's state is what start looks at itself */
  GHashTable *sandboxes; /* id (borrowed from value) -> BerthSandbox (owned) */
  GHashTable *captures;  /* uid -> how many of its commands have their output kept */
  BerthTombstones *tombstones;
  BerthMetrics *metrics;
  BerthDiskAccount *copies; /* of sessions, which forks begin with */
  BerthPorts *ports;
  BerthCheckpointStore *checkpoints;
  GHashTable *hibernations; /* BerthSandbox (borrowed) -> what is under way of it (borrowed) */
  guint room_id;            /* the next look at whether somebody waits for a place */
  GCancellable *room;       /* (nullable): of what is hibernated for him */
  BerthSandbox *room_for;   /* (nullable): that is (borrowed) */
  BerthReachWorld reach;
};

/* (nullable): the template of which new VMs are made by that name */
BerthTemplate *berth_manager_find_template (BerthManager *self, const char *name);
/* (transfer container) (element-type utf8): the names of such, sorted */
GList *berth_manager_list_templates (BerthManager *self);
/* BERTH_ERROR_INVALID: which templates there are */
void berth_manager_set_no_template_error (BerthManager *self, const char *name, GError **error);
/* There can be as many VMs of a template as all, so as many of its places are kept, for as long as
 * there is the template; none while the host is drained. */
void berth_manager_tell_places (BerthManager *self);
/* Tells what sandbox @id is a copy of, if it is one, or what was gone back to. @parent,
 * @checkpoint: (nullable) */
void berth_manager_describe_origin (const char *id, const char *parent, const char *checkpoint,
                                    GVariantDict *dict);
/* A claimed VM becomes a sandbox of @uid. */
BerthSandbox *berth_manager_add_sandbox (BerthManager *self, BerthVm *vm, BerthRequest *request);
/* Takes a sandbox out of use; what still wants it hears @reason. */
void berth_manager_bury (BerthManager *self, BerthSandbox *sandbox, const char *reason);
/* Publishes each of @listeners ((nullable): of BerthListener), which it takes out of there. */
gboolean berth_manager_publish (BerthManager *self, BerthSandbox *sandbox, GArray *listeners,
                                GError **error);
/* When a new sandbox is paused, and how long it waits to be woken. */
void
berth_manager_set_pauses (BerthManager *self, BerthSandbox *sandbox, const BerthRequest *request);
/* (nullable): the sandbox, if @uid may use it */
BerthSandbox *berth_manager_find (BerthManager *self, const char *id, guint32 uid, GError **error);

/* berth-manager-request.c */
/* How long nobody may use the sandbox of @request; 0: for ever */
gint64 berth_manager_get_idle_us (BerthManager *self, const BerthRequest *request);
const char *berth_manager_get_template_name (const BerthSandboxOptions *options);
/* What of an exec its template decides: its entry point, and whether there is a language at all */
gboolean berth_manager_settle_exec (BerthManager *self, const char *template_name, BerthExec *exec,
                                    GError **error);
/* (transfer full): NULL and BERTH_ERROR_INVALID: no sandbox may be so */
BerthRequest *berth_manager_make_request (BerthManager *self, const BerthSandboxOptions *options,
                                          gboolean is_session, GError **error);

/* berth-manager-reach.c */
/* From its settings, before the first VM. Fails with BERTH_ERROR_INVALID. */
gboolean berth_manager_make_reach (BerthManager *self, GError **error);
/* The settings have changed. */
void berth_manager_reload_reach (BerthManager *self);
void berth_manager_clear_reach (BerthManager *self);
/* (transfer full): the rules of a request for this template, NULL-terminated; NULL and @error: it
 * asks for too much */
char **berth_manager_narrow_reach (BerthManager *self, const BerthSandboxOptions *options,
                                   const char *template_name, GError **error);
/* @sandbox reaches what its @request asked for, if anything: it is to be started then. */
void berth_manager_add_reach (BerthManager *self, BerthSandbox *sandbox, BerthRequest *request);
/* Of a sandbox of an earlier berthd, whose VM is up */
void berth_manager_start_reach (BerthManager *self, BerthSandbox *sandbox);

/* Waits for a place and makes a sandbox there; takes over @request. @ports: (nullable): to publish
 * then: BerthListener */
void berth_manager_serve_async (BerthManager *self, BerthRequest *request, GArray *ports,
                                GCancellable *cancellable, GAsyncReadyCallback callback,
                                gpointer user_data);
/* (transfer full): its id */
char *berth_manager_serve_finish (BerthManager *self, GAsyncResult *result, GError **error);
/* berth-manager-destroy.c */
/* Destroys a sandbox behind everybody's back. */
void berth_manager_end_sandbox (BerthManager *self, const char *id, const char *reason);

/* A sandbox's VM is gone, as far as anybody waits for that. */
void berth_manager_note_vm_gone (BerthManager *self, BerthVm *vm);
/* Destroys a VM that is nobody's any more, and tells its end. */
void berth_manager_end_vm (BerthManager *self, BerthVm *vm);
/* The same, when the next berthd would find the session in @next, which has its place. */
void berth_manager_end_vm_after (BerthManager *self, BerthVm *vm, BerthVm *next);

/* berth-manager-pause.c: as in #BerthRequest */
gint64 berth_manager_get_wait_us (BerthManager *self);

/* berth-manager-hibernate.c */
/* When a sandbox is hibernated, and what comes of it then. */
void berth_manager_set_hibernation (BerthManager *self, BerthSandbox *sandbox,
                                    const BerthRequest *request);
/* Those of an earlier berthd are there again. When the sessions with VMs are known. */
void berth_manager_find_sleepers (BerthManager *self);
/* Its VM has ended, and it was buried. TRUE: it was on its way when an earlier berthd died, and
 * what is kept of it is it now. */
gboolean berth_manager_fall_asleep (BerthManager *self, const char *id);
/* (nullable) (transfer none): what is kept of one that is hibernated, or was until just now */
BerthCheckpoint *berth_manager_find_sleeper (BerthManager *self, BerthSandbox *sandbox);
/* What one that ends was is not kept any more. */
void berth_manager_forget_sleeper (BerthManager *self, BerthSandbox *sandbox);
guint berth_manager_count_sleepers (BerthManager *self);
/* Those of @uid (0: all) that have none of @vms, as a VM is described */
void berth_manager_list_sleepers (BerthManager *self, guint32 uid, GPtrArray *vms,
                                  GVariantBuilder *list);

/* What one was that goes on, or is closed. */
void berth_manager_forget_asleep (BerthManager *self, BerthCheckpoint *checkpoint);

/* berth-manager-rise.c */
/* It goes on, or can't: berth_sandbox_rise(). */
void berth_manager_rise (BerthSandbox *sandbox, GCancellable *cancellable, gpointer manager);
/* A VM may have gone on with it. */
void berth_manager_doubt (BerthCheckpoint *checkpoint);

/* berth-manager-room.c */
/* As the pool tells it. */
void berth_manager_note_full (BerthManager *self, gboolean is_full);

/* berth-manager-checkpoint.c */
/* What they differ from stays as long as they do. */
void berth_manager_tell_bases (BerthManager *self);
/* (transfer full): all but what the host says of the copy */
BerthCheckpointManifest *
berth_manager_make_manifest (BerthSandbox *sandbox, BerthCheckpointKind kind, const char *name);
/* and that; taken out of @copy */
void berth_manager_take_copy (BerthManager *self, BerthCheckpointManifest *manifest,
                              BerthHostCopy *copy);
BerthCheckpointLimits berth_manager_get_checkpoint_limits (BerthManager *self);
/* Finds what was kept, and lets the host know what it needs of that. A failure is told in the log:
 * none can be kept then. */
void berth_manager_open_checkpoints_async (BerthManager *self, GAsyncReadyCallback callback,
                                           gpointer user_data);
gboolean berth_manager_open_checkpoints_finish (BerthManager *self, GAsyncResult *result);
/* FALSE: the VM of @request takes the place of a session that has ended meanwhile. */
gboolean berth_manager_may_go_on (BerthManager *self, BerthRequest *request, GError **error);
/* (nullable) (transfer full): what becomes of the sandbox whose place that of @request takes */
char *berth_manager_dup_replaced_reason (const BerthRequest *request);
/* Reads @checkpoint, which is not removed meanwhile, for one more load. */
void berth_manager_load_checkpoint_async (BerthManager *self, BerthCheckpoint *checkpoint,
                                          GAsyncReadyCallback callback, gpointer user_data);
/* (transfer full) */
BerthFork *
berth_manager_load_checkpoint_finish (BerthManager *self, GAsyncResult *result, GError **error);
/* (transfer full): a session that begins with @fork, of @checkpoint; @sandbox: (nullable): which
 * goes on so */
BerthRequest *
berth_manager_make_kept_request (BerthCheckpoint *checkpoint, BerthFork *fork,
                                 BerthSandbox *sandbox, gint64 wait_us, GError **error);

/* berth-manager-fork.c */
/* FALSE: a copy of it would have connections of its own */
gboolean berth_manager_check_copy (BerthSandbox *sandbox, GError **error);
/* of the host's watch */
gboolean berth_manager_copy_begins (BerthVm *vm, gpointer manager, GError **error);
void berth_manager_copy_ended (BerthVm *vm, gint64 took_us, guint64 bytes, gpointer manager);
BerthDiskPart *berth_manager_take_disk (BerthVm *vm, gpointer manager, GError **error);

G_END_DECLS
