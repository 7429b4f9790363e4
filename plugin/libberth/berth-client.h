/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Sandboxes, as programs ask for them. */
#pragma once

#include <gio/gio.h>

#include "berth-attachment.h"
#include "berth-macros.h"
#include "berth-program.h"
#include "berth-result.h"
#include "berth-spec.h"

G_BEGIN_DECLS

#define BERTH_TYPE_CLIENT (berth_client_get_type ())
BERTH_AVAILABLE
G_DECLARE_FINAL_TYPE (BerthClient, berth_client, BERTH, CLIENT, GObject)

BERTH_AVAILABLE BerthClient *berth_client_new (const char *socket_path);

BERTH_AVAILABLE char *
berth_client_create (BerthClient *self, BerthSpec *spec, GCancellable *cancellable, GError **error);
BERTH_AVAILABLE void
berth_client_create_async (BerthClient *self, BerthSpec *spec, GCancellable *cancellable,
                           GAsyncReadyCallback callback, gpointer user_data);
BERTH_AVAILABLE char *
berth_client_create_finish (BerthClient *self, GAsyncResult *result, GError **error);

BERTH_AVAILABLE BerthResult *
berth_client_exec (BerthClient *self, const char *id, BerthProgram *program,
                   GCancellable *cancellable, GError **error);
BERTH_AVAILABLE void berth_client_exec_async (BerthClient *self, const char *id,
                                              BerthProgram *program, GCancellable *cancellable,
                                              GAsyncReadyCallback callback, gpointer user_data);
BERTH_AVAILABLE BerthResult *
berth_client_exec_finish (BerthClient *self, GAsyncResult *result, GError **error);

BERTH_AVAILABLE BerthResult *
berth_client_run (BerthClient *self, BerthSpec *spec, BerthProgram *program,
                  GCancellable *cancellable, GError **error);
BERTH_AVAILABLE void berth_client_run_async (BerthClient *self, BerthSpec *spec,
                                             BerthProgram *program, GCancellable *cancellable,
                                             GAsyncReadyCallback callback, gpointer user_data);
BERTH_AVAILABLE BerthResult *
berth_client_run_finish (BerthClient *self, GAsyncResult *result, GError **error);

BERTH_AVAILABLE gboolean berth_client_put_file (BerthClient *self, const char *id, const char *path,
                                                GBytes *content, guint mode,
                                                GCancellable *cancellable, GError **error);
BERTH_AVAILABLE void
berth_client_put_file_async (BerthClient *self, const char *id, const char *path, GBytes *content,
                             guint mode, GCancellable *cancellable, GAsyncReadyCallback callback,
                             gpointer user_data);
BERTH_AVAILABLE gboolean berth_client_put_file_finish (BerthClient *self, GAsyncResult *result,
                                                       GError **error);

BERTH_AVAILABLE GBytes *
berth_client_get_file (BerthClient *self, const char *id, const char *path, guint64 max_bytes,
                       GCancellable *cancellable, GError **error);
BERTH_AVAILABLE void
berth_client_get_file_async (BerthClient *self, const char *id, const char *path, guint64 max_bytes,
                             GCancellable *cancellable, GAsyncReadyCallback callback,
                             gpointer user_data);
BERTH_AVAILABLE GBytes *
berth_client_get_file_finish (BerthClient *self, GAsyncResult *result, GError **error);

BERTH_AVAILABLE gboolean berth_client_put_stream (BerthClient *self, const char *id,
                                                  const char *path, GInputStream *content,
                                                  guint64 size, guint mode,
                                                  GCancellable *cancellable, GError **error);
BERTH_AVAILABLE void
berth_client_put_stream_async (BerthClient *self, const char *id, const char *path,
                               GInputStream *content, guint64 size, guint mode,
                               GCancellable *cancellable, GAsyncReadyCallback callback,
                               gpointer user_data);
BERTH_AVAILABLE gboolean berth_client_put_stream_finish (BerthClient *self, GAsyncResult *result,
                                                         GError **error);

BERTH_AVAILABLE gboolean berth_client_get_stream (BerthClient *self, const char *id,
                                                  const char *path, GOutputStream *content,
                                                  guint64 max_bytes, GCancellable *cancellable,
                                                  GError **error);
BERTH_AVAILABLE void
berth_client_get_stream_async (BerthClient *self, const char *id, const char *path,
                               GOutputStream *content, guint64 max_bytes, GCancellable *cancellable,
                               GAsyncReadyCallback callback, gpointer user_data);
BERTH_AVAILABLE gboolean berth_client_get_stream_finish (BerthClient *self, GAsyncResult *result,
                                                         GError **error);

BERTH_AVAILABLE GVariant *
berth_client_list_files (BerthClient *self, const char *id, const char *path, const char *after,
                         GCancellable *cancellable, GError **error);
BERTH_AVAILABLE void
berth_client_list_files_async (BerthClient *self, const char *id, const char *path,
                               const char *after, GCancellable *cancellable,
                               GAsyncReadyCallback callback, gpointer user_data);
BERTH_AVAILABLE GVariant *
berth_client_list_files_finish (BerthClient *self, GAsyncResult *result, GError **error);

BERTH_AVAILABLE gboolean berth_client_hibernate (BerthClient *self, const char *id,
                                                 GCancellable *cancellable, GError **error);
BERTH_AVAILABLE void
berth_client_hibernate_async (BerthClient *self, const char *id, GCancellable *cancellable,
                              GAsyncReadyCallback callback, gpointer user_data);
BERTH_AVAILABLE gboolean berth_client_hibernate_finish (BerthClient *self, GAsyncResult *result,
                                                        GError **error);

BERTH_AVAILABLE gboolean berth_client_pause (BerthClient *self, const char *id,
                                             GCancellable *cancellable, GError **error);
BERTH_AVAILABLE void
berth_client_pause_async (BerthClient *self, const char *id, GCancellable *cancellable,
                          GAsyncReadyCallback callback, gpointer user_data);
BERTH_AVAILABLE gboolean berth_client_pause_finish (BerthClient *self, GAsyncResult *result,
                                                    GError **error);

BERTH_AVAILABLE gboolean berth_client_resume (BerthClient *self, const char *id,
                                              GCancellable *cancellable, GError **error);
BERTH_AVAILABLE void
berth_client_resume_async (BerthClient *self, const char *id, GCancellable *cancellable,
                           GAsyncReadyCallback callback, gpointer user_data);
BERTH_AVAILABLE gboolean berth_client_resume_finish (BerthClient *self, GAsyncResult *result,
                                                     GError **error);

BERTH_AVAILABLE char **
berth_client_fork (BerthClient *self, const char *id, guint count, gint64 wait_ms,
                   GCancellable *cancellable, GError **error);
BERTH_AVAILABLE void berth_client_fork_async (BerthClient *self, const char *id, guint count,
                                              gint64 wait_ms, GCancellable *cancellable,
                                              GAsyncReadyCallback callback, gpointer user_data);
BERTH_AVAILABLE char **
berth_client_fork_finish (BerthClient *self, GAsyncResult *result, GError **error);

BERTH_AVAILABLE GVariant *
berth_client_checkpoint (BerthClient *self, const char *id, const char *name,
                         GCancellable *cancellable, GError **error);
BERTH_AVAILABLE void
berth_client_checkpoint_async (BerthClient *self, const char *id, const char *name,
                               GCancellable *cancellable, GAsyncReadyCallback callback,
                               gpointer user_data);
BERTH_AVAILABLE GVariant *
berth_client_checkpoint_finish (BerthClient *self, GAsyncResult *result, GError **error);

BERTH_AVAILABLE GVariant *berth_client_list_checkpoints (BerthClient *self, const char *id,
                                                         GCancellable *cancellable, GError **error);
BERTH_AVAILABLE void
berth_client_list_checkpoints_async (BerthClient *self, const char *id, GCancellable *cancellable,
                                     GAsyncReadyCallback callback, gpointer user_data);
BERTH_AVAILABLE GVariant *
berth_client_list_checkpoints_finish (BerthClient *self, GAsyncResult *result, GError **error);

BERTH_AVAILABLE gboolean berth_client_remove_checkpoint (BerthClient *self, const char *id,
                                                         const char *name,
                                                         GCancellable *cancellable, GError **error);
BERTH_AVAILABLE void
berth_client_remove_checkpoint_async (BerthClient *self, const char *id, const char *name,
                                      GCancellable *cancellable, GAsyncReadyCallback callback,
                                      gpointer user_data);
BERTH_AVAILABLE gboolean berth_client_remove_checkpoint_finish (BerthClient *self,
                                                                GAsyncResult *result,
                                                                GError **error);

BERTH_AVAILABLE gboolean berth_client_rollback (BerthClient *self, const char *id, const char *name,
                                                gint64 wait_ms, GCancellable *cancellable,
                                                GError **error);
BERTH_AVAILABLE void
berth_client_rollback_async (BerthClient *self, const char *id, const char *name, gint64 wait_ms,
                             GCancellable *cancellable, GAsyncReadyCallback callback,
                             gpointer user_data);
BERTH_AVAILABLE gboolean berth_client_rollback_finish (BerthClient *self, GAsyncResult *result,
                                                       GError **error);

BERTH_AVAILABLE char **
berth_client_fork_checkpoint (BerthClient *self, const char *id, const char *name, guint count,
                              gint64 wait_ms, GCancellable *cancellable, GError **error);
BERTH_AVAILABLE void
berth_client_fork_checkpoint_async (BerthClient *self, const char *id, const char *name,
                                    guint count, gint64 wait_ms, GCancellable *cancellable,
                                    GAsyncReadyCallback callback, gpointer user_data);
BERTH_AVAILABLE char **
berth_client_fork_checkpoint_finish (BerthClient *self, GAsyncResult *result, GError **error);

BERTH_AVAILABLE gboolean berth_client_destroy (BerthClient *self, const char *id,
                                               GCancellable *cancellable, GError **error);
BERTH_AVAILABLE void
berth_client_destroy_async (BerthClient *self, const char *id, GCancellable *cancellable,
                            GAsyncReadyCallback callback, gpointer user_data);
BERTH_AVAILABLE gboolean berth_client_destroy_finish (BerthClient *self, GAsyncResult *result,
                                                      GError **error);

BERTH_AVAILABLE GVariant *
berth_client_list (BerthClient *self, GCancellable *cancellable, GError **error);
BERTH_AVAILABLE void berth_client_list_async (BerthClient *self, GCancellable *cancellable,
                                              GAsyncReadyCallback callback, gpointer user_data);
BERTH_AVAILABLE GVariant *
berth_client_list_finish (BerthClient *self, GAsyncResult *result, GError **error);

BERTH_AVAILABLE GVariant *
berth_client_status (BerthClient *self, GCancellable *cancellable, GError **error);
BERTH_AVAILABLE void berth_client_status_async (BerthClient *self, GCancellable *cancellable,
                                                GAsyncReadyCallback callback, gpointer user_data);
BERTH_AVAILABLE GVariant *
berth_client_status_finish (BerthClient *self, GAsyncResult *result, GError **error);

/**
 * BerthStartFlags:
 * @BERTH_START_DEFAULT: nothing special
 * @BERTH_START_NO_TIMEOUT: without a time limit, where berthd's settings allow that
 * @BERTH_START_KEEP_STDIN: its standard input stays open for who attaches
 *
 * How a program is begun in the background.
 */
typedef enum
{
  BERTH_START_DEFAULT = 0,
  BERTH_START_NO_TIMEOUT = 1 << 0,
  BERTH_START_KEEP_STDIN = 1 << 1,
} BerthStartFlags;

BERTH_AVAILABLE guint berth_client_start (BerthClient *self, const char *id, BerthProgram *program,
                                          BerthStartFlags flags, GCancellable *cancellable,
                                          GError **error);
BERTH_AVAILABLE void
berth_client_start_async (BerthClient *self, const char *id, BerthProgram *program,
                          BerthStartFlags flags, GCancellable *cancellable,
                          GAsyncReadyCallback callback, gpointer user_data);
BERTH_AVAILABLE guint berth_client_start_finish (BerthClient *self, GAsyncResult *result,
                                                 GError **error);

BERTH_AVAILABLE GVariant *
berth_client_list_decisions (BerthClient *self, const char *id, guint64 after,
                             GCancellable *cancellable, GError **error);
BERTH_AVAILABLE void
berth_client_list_decisions_async (BerthClient *self, const char *id, guint64 after,
                                   GCancellable *cancellable, GAsyncReadyCallback callback,
                                   gpointer user_data);
BERTH_AVAILABLE GVariant *
berth_client_list_decisions_finish (BerthClient *self, GAsyncResult *result, GError **error);

BERTH_AVAILABLE GVariant *berth_client_list_execs (BerthClient *self, const char *id,
                                                   GCancellable *cancellable, GError **error);
BERTH_AVAILABLE void
berth_client_list_execs_async (BerthClient *self, const char *id, GCancellable *cancellable,
                               GAsyncReadyCallback callback, gpointer user_data);
BERTH_AVAILABLE GVariant *
berth_client_list_execs_finish (BerthClient *self, GAsyncResult *result, GError **error);

BERTH_AVAILABLE void
berth_client_attach_async (BerthClient *self, const char *id, guint exec, gboolean follows,
                           gint64 since_us, int stdin_fd, int stdout_fd, int stderr_fd,
                           GCancellable *cancellable, GAsyncReadyCallback callback,
                           gpointer user_data);
BERTH_AVAILABLE gboolean berth_client_attach_finish (BerthClient *self, GAsyncResult *result,
                                                     BerthResult **out_end, guint64 *out_lost_bytes,
                                                     GError **error);

BERTH_AVAILABLE void
berth_client_attach_streams_async (BerthClient *self, const char *id, BerthAttachment *attachment,
                                   GCancellable *cancellable, GAsyncReadyCallback callback,
                                   gpointer user_data);
BERTH_AVAILABLE gboolean berth_client_attach_streams_finish (BerthClient *self,
                                                             GAsyncResult *result,
                                                             BerthResult **out_end,
                                                             guint64 *out_lost_bytes,
                                                             GError **error);

BERTH_AVAILABLE BerthResult *berth_client_wait_exec (BerthClient *self, const char *id, guint exec,
                                                     GCancellable *cancellable, GError **error);
BERTH_AVAILABLE void
berth_client_wait_exec_async (BerthClient *self, const char *id, guint exec,
                              GCancellable *cancellable, GAsyncReadyCallback callback,
                              gpointer user_data);
BERTH_AVAILABLE BerthResult *
berth_client_wait_exec_finish (BerthClient *self, GAsyncResult *result, GError **error);

BERTH_AVAILABLE gboolean berth_client_signal_exec (BerthClient *self, const char *id, guint exec,
                                                   guint signal_number, GCancellable *cancellable,
                                                   GError **error);
BERTH_AVAILABLE void
berth_client_signal_exec_async (BerthClient *self, const char *id, guint exec, guint signal_number,
                                GCancellable *cancellable, GAsyncReadyCallback callback,
                                gpointer user_data);
BERTH_AVAILABLE gboolean berth_client_signal_exec_finish (BerthClient *self, GAsyncResult *result,
                                                          GError **error);

BERTH_AVAILABLE GVariant *
berth_client_publish_port (BerthClient *self, const char *id, const char *place,
                           GCancellable *cancellable, GError **error);
BERTH_AVAILABLE void
berth_client_publish_port_async (BerthClient *self, const char *id, const char *place,
                                 GCancellable *cancellable, GAsyncReadyCallback callback,
                                 gpointer user_data);
BERTH_AVAILABLE GVariant *
berth_client_publish_port_finish (BerthClient *self, GAsyncResult *result, GError **error);

BERTH_AVAILABLE GVariant *berth_client_list_ports (BerthClient *self, const char *id,
                                                   GCancellable *cancellable, GError **error);
BERTH_AVAILABLE void
berth_client_list_ports_async (BerthClient *self, const char *id, GCancellable *cancellable,
                               GAsyncReadyCallback callback, gpointer user_data);
BERTH_AVAILABLE GVariant *
berth_client_list_ports_finish (BerthClient *self, GAsyncResult *result, GError **error);

BERTH_AVAILABLE gboolean berth_client_unpublish_port (BerthClient *self, const char *id,
                                                      guint number, GCancellable *cancellable,
                                                      GError **error);
BERTH_AVAILABLE void
berth_client_unpublish_port_async (BerthClient *self, const char *id, guint number,
                                   GCancellable *cancellable, GAsyncReadyCallback callback,
                                   gpointer user_data);
BERTH_AVAILABLE gboolean berth_client_unpublish_port_finish (BerthClient *self,
                                                             GAsyncResult *result, GError **error);

G_END_DECLS
