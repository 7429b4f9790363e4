/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The whole of berth in one object: host, templates, pool and guests behind a few verbs. */
#pragma once

#include <gio/gio.h>

#include "plugin/host/berth-host.h"
#include "plugin/manager/berth-manager-call.h"
#include "plugin/manager/berth-ports.h"
#include "plugin/model/berth-sandbox-options.h"

G_BEGIN_DECLS

#define BERTH_TYPE_MANAGER (berth_manager_get_type ())
BERTH_AVAILABLE
G_DECLARE_FINAL_TYPE (BerthManager, berth_manager, BERTH, MANAGER, GObject)

/* Takes over @config, holds @host, which nobody has opened yet. Lives on the default main context,
 * which must run: libvirt's events and the agents' streams are served there. Asynchronous calls are
 * made on that thread. */
BERTH_AVAILABLE BerthManager *berth_manager_new (BerthConfig *config, BerthHost *host);

/* Connects to libvirt, loads templates and images, clears away what an earlier life of the same
 * instance left behind. Fails with BERTH_ERROR_CONFIG or BERTH_ERROR_UNAVAILABLE. */
BERTH_AVAILABLE void berth_manager_start_async (BerthManager *self, GCancellable *cancellable,
                                                GAsyncReadyCallback callback, gpointer user_data);
BERTH_AVAILABLE gboolean berth_manager_start_finish (BerthManager *self, GAsyncResult *result,
                                                     GError **error);

/* Takes from settings that were read again what can change while VMs run: none of them is lost.
 * Where less capacity is left, VMs that are there end in their own time, warm ones first. On
 * failure nothing changes. Logs what changed, and what only a start can. */
BERTH_AVAILABLE gboolean berth_manager_reload (BerthManager *self, const BerthConfig *from,
                                               GError **error);

/* A sandbox: waits at capacity. Returns its id, (transfer full). */
BERTH_AVAILABLE void
berth_manager_create_sandbox_async (BerthManager *self, const BerthSandboxOptions *options,
                                    GCancellable *cancellable, GAsyncReadyCallback callback,
                                    gpointer user_data);
BERTH_AVAILABLE char *
berth_manager_create_sandbox_finish (BerthManager *self, GAsyncResult *result, GError **error);

/* Runs code or a command in a sandbox; takes over @exec. Code of one sandbox runs one at a time in
 * the order asked; commands run beside it. @uid must own it (0 may do all). Cancelling ends the
 * program. */
BERTH_AVAILABLE void berth_manager_exec_async (BerthManager *self, const char *id, guint32 uid,
                                               BerthExec *exec, GCancellable *cancellable,
                                               GAsyncReadyCallback callback, gpointer user_data);
BERTH_AVAILABLE BerthResult *
berth_manager_exec_finish (BerthManager *self, GAsyncResult *result, GError **error);

/* Asks about the execs that a sandbox has in the background: which there are, what one wrote and
 * how it ended, a signal for one; takes over @request. @uid must own it (0 may do all). Cancelling
 * ends the request alone. */
BERTH_AVAILABLE void
berth_manager_background_async (BerthManager *self, const char *id, guint32 uid,
                                BerthBackgroundRequest *request, GCancellable *cancellable,
                                GAsyncReadyCallback callback, gpointer user_data);
BERTH_AVAILABLE BerthBackgroundResult *
berth_manager_background_finish (BerthManager *self, GAsyncResult *result, GError **error);

/**
 * BerthForkOptions:
 * @count: how many
 * @wait_us: how long each waits for its place, as in #BerthRequest
 * @checkpoint: (nullable): of what the sandbox was when this was made, also when it is gone
 * @tell: (nullable): hears the id of each as it comes; FALSE: nobody is there to use it, nor any
 *   other. Where it is NULL they are made all or not at all.
 * @tell_data: for it
 */
typedef struct
{
  guint count;
  gint64 wait_us;
  const char *checkpoint;
  gboolean (*tell) (const char *id, gpointer tell_data);
  gpointer tell_data;
} BerthForkOptions;

/* Makes sandboxes that go on from where this one is, each with random numbers and a clock of its
 * own: with its variables, processes and files. Each waits for its place as a create does; the
 * moment is that at which the first has its place. One that is told stays, whatever becomes of the
 * others.
 * @uid must own the sandbox (0 may do all); they are of the same owner, tenant and task. Fails with
 * BERTH_ERROR_UNAVAILABLE while something runs in it; whatever fails, it goes on. */
BERTH_AVAILABLE void
berth_manager_fork_async (BerthManager *self, const char *id, guint32 uid,
                          const BerthForkOptions *options, GCancellable *cancellable,
                          GAsyncReadyCallback callback, gpointer user_data);
/* (transfer full) (array zero-terminated=1): their ids */
BERTH_AVAILABLE char **
berth_manager_fork_finish (BerthManager *self, GAsyncResult *result, GError **error);

/* What a sandbox is goes to the disk and its VM away; whatever is asked of it later has it go on in
 * another, which waits for its place as a create does. @uid must own it (0 may do all). Fails as a
 * fork does; it goes on then. Answers when its VM is gone. */
BERTH_AVAILABLE void
berth_manager_hibernate_async (BerthManager *self, const char *id, guint32 uid,
                               GCancellable *cancellable, GAsyncReadyCallback callback,
                               gpointer user_data);
BERTH_AVAILABLE gboolean berth_manager_hibernate_finish (BerthManager *self, GAsyncResult *result,
                                                         GError **error);

/* Keeps what a sandbox is at this moment as its checkpoint @name, while it goes on. @uid must own
 * it (0 may do all), as of the next. (transfer full): a{sv}, an entry of
 * berth_manager_dup_checkpoints() */
BERTH_AVAILABLE void
berth_manager_checkpoint_async (BerthManager *self, const char *id, guint32 uid, const char *name,
                                GCancellable *cancellable, GAsyncReadyCallback callback,
                                gpointer user_data);
BERTH_AVAILABLE GVariant *
berth_manager_checkpoint_finish (BerthManager *self, GAsyncResult *result, GError **error);
/* (transfer full): aa{sv}: name, sandbox_id, template, tenant, task, uid, parent, exec_count,
 * created (x: seconds since 1970), bytes (t), memory_mb, snapshot, made_with (as); of @uid (0: of
 * all), of the sandbox @id ((nullable): of all, also those that are gone) */
BERTH_AVAILABLE GVariant *
berth_manager_dup_checkpoints (BerthManager *self, const char *id, guint32 uid);
BERTH_AVAILABLE void
berth_manager_remove_checkpoint_async (BerthManager *self, const char *id, guint32 uid,
                                       const char *name, GCancellable *cancellable,
                                       GAsyncReadyCallback callback, gpointer user_data);
/* The sandbox goes on from its checkpoint @name in another VM, for which it waits as a create does;
 * then what is in it ends, and its published ports with it. Until then, and if that fails, it is as
 * it was. */
BERTH_AVAILABLE void
berth_manager_rollback_async (BerthManager *self, const char *id, guint32 uid, const char *name,
                              gint64 wait_us, GCancellable *cancellable,
                              GAsyncReadyCallback callback, gpointer user_data);
/* Of both */
BERTH_AVAILABLE gboolean berth_manager_rollback_finish (BerthManager *self, GAsyncResult *result,
                                                        GError **error);

/* Carries a file into a sandbox or makes a folder (@file's kind says which), gets one out of it,
 * lists a folder; takes over @file. Beside an exec, several at a time. @uid must own the sandbox (0
 * may do all). Cancelling withdraws it: a file that was not whole yet is not there. */
BERTH_AVAILABLE void berth_manager_file_async (BerthManager *self, const char *id, guint32 uid,
                                               BerthFileRequest *file, GCancellable *cancellable,
                                               GAsyncReadyCallback callback, gpointer user_data);
BERTH_AVAILABLE BerthFileResult *
berth_manager_file_finish (BerthManager *self, GAsyncResult *result, GError **error);

/* Takes over @fd, a listening socket (see berth_caller_fd_take_listener()): who connects to it
 * reaches @port of the sandbox's loopback, from now on until the port is removed or the sandbox
 * ends. (transfer full): a{sv}, an entry of berth_manager_dup_ports(); NULL with an error. @uid
 * must own the sandbox (0 may do all), as of the next two. */
BERTH_AVAILABLE GVariant *berth_manager_add_port (BerthManager *self, const char *id, guint32 uid,
                                                  int fd, guint port, GError **error);
/* (transfer full): aa{sv}, see berth_ports_dup_list(); NULL with an error */
BERTH_AVAILABLE GVariant *
berth_manager_dup_ports (BerthManager *self, const char *id, guint32 uid, GError **error);
BERTH_AVAILABLE gboolean berth_manager_remove_port (BerthManager *self, const char *id, guint32 uid,
                                                    guint number, GError **error);
/* Who keeps the listening sockets for the next berthd; before the start. */
BERTH_AVAILABLE void
berth_manager_set_port_keeper (BerthManager *self, const BerthPortKeeper *keeper,
                               gpointer user_data);
/* After the start: a listening socket that an earlier berthd left with its keeper; taken over. */
BERTH_AVAILABLE void berth_manager_restore_port (BerthManager *self, const char *name, int fd);

/* Lets a sandbox stand still, whatever runs in it, or run again; TRUE also where it did already. A
 * resume waits for vCPUs at capacity. @uid must own it (0 may do all). */
BERTH_AVAILABLE void
berth_manager_set_paused_async (BerthManager *self, const char *id, guint32 uid, gboolean is_paused,
                                GCancellable *cancellable, GAsyncReadyCallback callback,
                                gpointer user_data);
BERTH_AVAILABLE gboolean berth_manager_set_paused_finish (BerthManager *self, GAsyncResult *result,
                                                          GError **error);

/* Ends a sandbox, whatever runs in it; completes when its domain is gone. One that is gone already,
 * or on its way, is no error as long as it is remembered: @out_was_gone then says why it ended
 * ((transfer full) (nullable) (optional)). */
BERTH_AVAILABLE void
berth_manager_destroy_sandbox_async (BerthManager *self, const char *id, guint32 uid,
                                     GCancellable *cancellable, GAsyncReadyCallback callback,
                                     gpointer user_data);
BERTH_AVAILABLE gboolean berth_manager_destroy_sandbox_finish (BerthManager *self,
                                                               GAsyncResult *result,
                                                               char **out_was_gone, GError **error);

/* create, exec, destroy in one; takes over @exec. Answers when the program's end is known; its VM
 * ends behind that, holding its slot until it is gone, unless @options->waits_gone. */
BERTH_AVAILABLE void
berth_manager_run_async (BerthManager *self, const BerthSandboxOptions *options, BerthExec *exec,
                         GCancellable *cancellable, GAsyncReadyCallback callback,
                         gpointer user_data);
BERTH_AVAILABLE BerthResult *
berth_manager_run_finish (BerthManager *self, GAsyncResult *result, GError **error);

/* Ends every wait and every VM of this manager; completes when all is gone. */
BERTH_AVAILABLE void
berth_manager_shutdown_async (BerthManager *self, GCancellable *cancellable,
                              GAsyncReadyCallback callback, gpointer user_data);
BERTH_AVAILABLE gboolean berth_manager_shutdown_finish (BerthManager *self, GAsyncResult *result,
                                                        GError **error);

/* (transfer full): a{sv} in the shape of `berth status --json` (design.md, Interfaces) */
BERTH_AVAILABLE GVariant *berth_manager_dup_status (BerthManager *self);
/* (transfer full): @status, as much of it as may be told, and what was counted since berthd began,
 * in the text format of Prometheus */
BERTH_AVAILABLE char *berth_manager_dup_metrics (BerthManager *self, GVariant *status);
/* (transfer full): a{sv}, how far a call is that has not ended:
 * "state" ("waiting", "starting", "running"), "position" (u, from 1), "domain" (s) where known */
BERTH_AVAILABLE GVariant *berth_manager_dup_progress (BerthManager *self, BerthManagerCall *call);
/* (transfer full): aa{sv}, a VM each: id, domain, template, state, tenant, task, holds_slot, age_s,
 * uid. Only those of @uid, and warm ones; 0 sees all. */
BERTH_AVAILABLE GVariant *berth_manager_dup_list (BerthManager *self, guint32 uid);
/* (transfer full) (nullable): aa{sv}, what a sandbox reached or wanted to reach, as
 * berth_sandbox_reach_dup_list() has it; numbers above @after. @uid must own it (0 may do all).
 * Fails with BERTH_ERROR_GONE. */
BERTH_AVAILABLE GVariant *berth_manager_dup_net (BerthManager *self, const char *id, guint32 uid,
                                                 guint64 after, GError **error);
/* (transfer full): aa{sv}, a finding each: check, ok (b), text, remedy */
BERTH_AVAILABLE void berth_manager_doctor_async (BerthManager *self, GCancellable *cancellable,
                                                 GAsyncReadyCallback callback, gpointer user_data);
BERTH_AVAILABLE GVariant *
berth_manager_doctor_finish (BerthManager *self, GAsyncResult *result, GError **error);

G_END_DECLS
