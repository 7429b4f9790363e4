/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Files of a sandbox. What is in one flows through a pipe beside the call; both have to end before
 * the call is answered. */
#include <gio/gunixinputstream.h>
#include <gio/gunixoutputstream.h>
#include <glib-unix.h>
#include <string.h>

#include "plugin/libberth/berth-call.h"
#include "plugin/libberth/berth-client-private.h"
#include "plugin/libberth/berth-pipe.h"
#include "plugin/libberth/berth-spec-private.h"
#include "plugin/libberth/berth-wait.h"
#include "pool/berth-error.h"

/* Bytes of a path, as in the guest; a message may not be longer than berthd takes */
#define PATH_MAX_BYTES 4096u

/* A put or a get: the call, and the flow through our end of the pipe. */
typedef struct
{
  GOutputStream *stream; /* the pipe of a put; the memory of a get */
  GBytes *content;       /* of a put */
  GCancellable *flow;
  guint n_pending;
  GVariant *answer;
  GError *error;
} Transfer;

static void
transfer_free (gpointer data)
{
  Transfer *transfer = data;

  g_clear_object (&transfer->stream);
  g_clear_pointer (&transfer->content, g_bytes_unref);
  g_clear_object (&transfer->flow);
  g_clear_pointer (&transfer->answer, g_variant_unref);
  g_clear_error (&transfer->error);
  g_free (transfer);
}

static gboolean
check_where (const char *id, const char *path, GError **error)
{
  if (!berth_spec_check_name ("sandbox id", id, error))
    return FALSE;
  if (strlen (path) <= PATH_MAX_BYTES)
    return TRUE;
  g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID, "path: at most %u bytes are allowed",
               PATH_MAX_BYTES);
  return FALSE;
}

static void
part_done (GTask *task)
{
  Transfer *transfer = g_task_get_task_data (task);

  if (--transfer->n_pending > 0)
    return;
  if (transfer->error != NULL)
    g_task_return_error (task, g_steal_pointer (&transfer->error));
  else if (G_IS_MEMORY_OUTPUT_STREAM (transfer->stream))
    g_task_return_pointer (
        task, g_memory_output_stream_steal_as_bytes (G_MEMORY_OUTPUT_STREAM (transfer->stream)),
        (GDestroyNotify)g_bytes_unref);
  else
    g_task_return_pointer (task, g_bytes_ref (transfer->content), (GDestroyNotify)g_bytes_unref);
}

/* The call's answer says how it ended, whatever became of the pipe. */
static void
answered_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  Transfer *transfer = g_task_get_task_data (task);

  transfer->answer = g_task_propagate_pointer (G_TASK (result), &transfer->error);
  /* a put that ended early may have left us with bytes that nobody reads */
  if (transfer->content != NULL || transfer->error != NULL)
    g_cancellable_cancel (transfer->flow);
  part_done (task);
}

static void
written_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;

  g_output_stream_write_all_finish (G_OUTPUT_STREAM (source), result, NULL, NULL);
  g_output_stream_close (G_OUTPUT_STREAM (source), NULL, NULL);
  part_done (task);
}

static void
read_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  Transfer *transfer = g_task_get_task_data (task);

  g_output_stream_splice_finish (G_OUTPUT_STREAM (source), result,
                                 transfer->error == NULL ? &transfer->error : NULL);
  part_done (task);
}

static void
flow (GTask *task, int fd)
{
  Transfer *transfer = g_task_get_task_data (task);
  gsize size;
  const void *data;

  if (transfer->content != NULL)
    {
      data = g_bytes_get_data (transfer->content, &size);
      transfer->stream = g_unix_output_stream_new (fd, TRUE);
      g_output_stream_write_all_async (transfer->stream, data, size, G_PRIORITY_DEFAULT,
                                       transfer->flow, written_cb, g_object_ref (task));
      return;
    }
  g_autoptr (GInputStream) input = g_unix_input_stream_new (fd, TRUE);
  transfer->stream = g_memory_output_stream_new_resizable ();
  g_output_stream_splice_async (transfer->stream, input,
                                G_OUTPUT_STREAM_SPLICE_CLOSE_SOURCE
                                    | G_OUTPUT_STREAM_SPLICE_CLOSE_TARGET,
                                G_PRIORITY_DEFAULT, transfer->flow, read_cb, g_object_ref (task));
}

/* Our end of the pipe, the other is in @options and @out_fds; -1 with @error */
static int
open_pipe (GVariantDict *options, gboolean is_put, GUnixFDList **out_fds, GError **error)
{
  g_autoptr (GUnixFDList) fds = g_unix_fd_list_new ();
  int far = -1;
  int own = berth_pipe_open (&far, is_put, error);

  if (own < 0)
    return -1;
  if (!berth_pipe_hand_over (&far, "data", options, fds, error))
    {
      berth_pipe_close (&far);
      berth_pipe_close (&own);
      return -1;
    }
  *out_fds = g_steal_pointer (&fds);
  g_unix_set_fd_nonblocking (own, TRUE, NULL);
  return own;
}

/* Takes over @task, whose data is a Transfer. */
static void
transfer_start (GTask *task, const char *method, const char *id, const char *path,
                GVariantDict *options)
{
  g_autoptr (GTask) owned = task;
  Transfer *transfer = g_task_get_task_data (task);
  BerthCall call = { BERTH_CALL_CARRIES, method, NULL, NULL, "(a{sv})" };
  GError *error = NULL;
  GTask *calling;
  int fd = check_where (id, path, &error)
               ? open_pipe (options, transfer->content != NULL, &call.fds, &error)
               : -1;

  if (fd < 0)
    {
      g_variant_dict_clear (options);
      g_task_return_error (task, error);
      return;
    }
  call.arguments = g_variant_new ("(s@ay@a{sv})", id, g_variant_new_bytestring (path),
                                  g_variant_dict_end (options));
  calling = g_task_new (g_task_get_source_object (task), g_task_get_cancellable (task), answered_cb,
                        g_object_ref (task));
  transfer->flow = g_cancellable_new ();
  transfer->n_pending = 2;
  flow (task, fd);
  berth_call_start (calling, &call);
}

static GTask *
transfer_new (BerthClient *self, GBytes *content, GCancellable *cancellable,
              GAsyncReadyCallback callback, gpointer user_data, gpointer tag)
{
  GTask *task = berth_call_new_task (self, tag, cancellable, callback, user_data);
  Transfer *transfer = g_new0 (Transfer, 1);

  g_task_set_check_cancellable (task, FALSE);
  if (content != NULL)
    transfer->content = g_bytes_ref (content);
  g_task_set_task_data (task, transfer, transfer_free);
  return task;
}

/**
 * berth_client_put_file_async:
 * @self: a client
 * @id: of a sandbox
 * @path: in the sandbox: relative to its home, or absolute in it or in /tmp
 * @content: what the file will hold
 * @mode: permission bits; 0 for 0644
 * @cancellable: (nullable): leaves everything as it was
 * @callback: (scope async): gets the answer
 * @user_data: for @callback
 *
 * Carries a file into a sandbox, beside whatever runs there. It gets its name when all of it has
 * arrived, replacing what had the name before; else nothing is changed. Folders above it are made.
 *
 * Fails with %BERTH_ERROR_INVALID where @path is refused or the file is too large for the sandbox.
 */
void
berth_client_put_file_async (BerthClient *self, const char *id, const char *path, GBytes *content,
                             guint mode, GCancellable *cancellable, GAsyncReadyCallback callback,
                             gpointer user_data)
{
  GVariantDict options;

  g_return_if_fail (BERTH_IS_CLIENT (self));
  g_return_if_fail (id != NULL && path != NULL && content != NULL);

  g_variant_dict_init (&options, NULL);
  g_variant_dict_insert (&options, "size", "t", (guint64)g_bytes_get_size (content));
  if (mode != 0)
    g_variant_dict_insert (&options, "mode", "u", mode);
  transfer_start (
      transfer_new (self, content, cancellable, callback, user_data, berth_client_put_file_async),
      "Put", id, path, &options);
}

/**
 * berth_client_put_file_finish:
 * @self: a client
 * @result: what the callback got
 *
 * Ends the call in its callback.
 *
 * Returns: %TRUE; %FALSE with @error
 */
gboolean
berth_client_put_file_finish (BerthClient *self, GAsyncResult *result, GError **error)
{
  g_autoptr (GBytes) content = NULL;

  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);

  content = g_task_propagate_pointer (G_TASK (result), error);
  return content != NULL;
}

/**
 * berth_client_put_file:
 * @self: a client
 * @id: of a sandbox
 * @path: in the sandbox
 * @content: what the file will hold
 * @mode: permission bits; 0 for 0644
 * @cancellable: (nullable): leaves everything as it was
 *
 * As [method@Client.put_file_async], waiting.
 *
 * Returns: %TRUE; %FALSE with @error
 */
gboolean
berth_client_put_file (BerthClient *self, const char *id, const char *path, GBytes *content,
                       guint mode, GCancellable *cancellable, GError **error)
{
  g_autoptr (GAsyncResult) result = NULL;
  BerthWait wait;

  g_return_val_if_fail (BERTH_IS_CLIENT (self), FALSE);
  g_return_val_if_fail (id != NULL && path != NULL && content != NULL, FALSE);

  berth_wait_begin (&wait, berth_client_serves_here (self));
  berth_client_put_file_async (self, id, path, content, mode, cancellable, berth_wait_cb, &wait);
  result = berth_wait_end (&wait);
  return berth_client_put_file_finish (self, result, error);
}

/**
 * berth_client_get_file_async:
 * @self: a client
 * @id: of a sandbox
 * @path: in the sandbox: relative to its home, or absolute in it or in /tmp
 * @max_bytes: a larger file is refused; 0 for 500 MiB
 * @cancellable: (nullable): gives up
 * @callback: (scope async): gets the answer
 * @user_data: for @callback
 *
 * Carries a regular file out of a sandbox, into memory. Size and SHA-256 are compared with what the
 * guest read.
 *
 * Fails with %BERTH_ERROR_INVALID where @path is refused or there is no such file.
 */
void
berth_client_get_file_async (BerthClient *self, const char *id, const char *path, guint64 max_bytes,
                             GCancellable *cancellable, GAsyncReadyCallback callback,
                             gpointer user_data)
{
  GVariantDict options;

  g_return_if_fail (BERTH_IS_CLIENT (self));
  g_return_if_fail (id != NULL && path != NULL);

  g_variant_dict_init (&options, NULL);
  if (max_bytes != 0)
    g_variant_dict_insert (&options, "max_bytes", "t", max_bytes);
  transfer_start (
      transfer_new (self, NULL, cancellable, callback, user_data, berth_client_get_file_async),
      "Get", id, path, &options);
}

/**
 * berth_client_get_file_finish:
 * @self: a client
 * @result: what the callback got
 *
 * Ends the call in its callback.
 *
 * Returns: (transfer full): what the file holds
 */
GBytes *
berth_client_get_file_finish (BerthClient *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), NULL);

  return g_task_propagate_pointer (G_TASK (result), error);
}

/**
 * berth_client_get_file:
 * @self: a client
 * @id: of a sandbox
 * @path: in the sandbox
 * @max_bytes: a larger file is refused; 0 for 500 MiB
 * @cancellable: (nullable): gives up
 *
 * As [method@Client.get_file_async], waiting.
 *
 * Returns: (transfer full): what the file holds
 */
GBytes *
berth_client_get_file (BerthClient *self, const char *id, const char *path, guint64 max_bytes,
                       GCancellable *cancellable, GError **error)
{
  g_autoptr (GAsyncResult) result = NULL;
  BerthWait wait;

  g_return_val_if_fail (BERTH_IS_CLIENT (self), NULL);
  g_return_val_if_fail (id != NULL && path != NULL, NULL);

  berth_wait_begin (&wait, berth_client_serves_here (self));
  berth_client_get_file_async (self, id, path, max_bytes, cancellable, berth_wait_cb, &wait);
  result = berth_wait_end (&wait);
  return berth_client_get_file_finish (self, result, error);
}

/**
 * berth_client_list_files_async:
 * @self: a client
 * @id: of a sandbox
 * @path: in the sandbox: relative to its home ("." for that), or absolute in it or in /tmp
 * @after: (nullable): only names behind this one
 * @cancellable: (nullable): gives up
 * @callback: (scope async): gets the answer
 * @user_data: for @callback
 *
 * Lists a folder, sorted by the bytes of the names, at most 1,000 entries at a time: ask again with
 * the last name as @after until nothing comes. What is no folder is listed alone.
 */
void
berth_client_list_files_async (BerthClient *self, const char *id, const char *path,
                               const char *after, GCancellable *cancellable,
                               GAsyncReadyCallback callback, gpointer user_data)
{
  BerthCall call = { BERTH_CALL_CARRIES, "Ls", NULL, NULL, "(aa{sv}a{sv})" };
  GVariantDict options;
  GError *error = NULL;
  GTask *task;

  g_return_if_fail (BERTH_IS_CLIENT (self));
  g_return_if_fail (id != NULL && path != NULL);

  task
      = berth_call_new_task (self, berth_client_list_files_async, cancellable, callback, user_data);
  if (!check_where (id, path, &error) || !check_where (id, after != NULL ? after : "", &error))
    {
      g_task_return_error (task, error);
      g_object_unref (task);
      return;
    }
  g_variant_dict_init (&options, NULL);
  if (after != NULL)
    g_variant_dict_insert_value (&options, "after", g_variant_new_bytestring (after));
  call.arguments = g_variant_new ("(s@ay@a{sv})", id, g_variant_new_bytestring (path),
                                  g_variant_dict_end (&options));
  berth_call_start (task, &call);
}

/**
 * berth_client_list_files_finish:
 * @self: a client
 * @result: what the callback got
 *
 * Ends the call in its callback.
 *
 * Returns: (transfer full): aa{sv}, an entry each: "name" (ay), "type" (s: "file", "directory",
 *   "symlink", "fifo", "socket", "character-device", "block-device"), "size" (t), "mode" (u),
 *   "mtime" (d, seconds since 1970)
 */
GVariant *
berth_client_list_files_finish (BerthClient *self, GAsyncResult *result, GError **error)
{
  return berth_call_finish_child (self, result, berth_client_list_files_async, error);
}

/**
 * berth_client_list_files:
 * @self: a client
 * @id: of a sandbox
 * @path: in the sandbox
 * @after: (nullable): only names behind this one
 * @cancellable: (nullable): gives up
 *
 * As [method@Client.list_files_async], waiting.
 *
 * Returns: (transfer full): aa{sv}, as of [method@Client.list_files_finish]
 */
GVariant *
berth_client_list_files (BerthClient *self, const char *id, const char *path, const char *after,
                         GCancellable *cancellable, GError **error)
{
  g_autoptr (GAsyncResult) result = NULL;
  BerthWait wait;

  g_return_val_if_fail (BERTH_IS_CLIENT (self), NULL);
  g_return_val_if_fail (id != NULL && path != NULL, NULL);

  berth_wait_begin (&wait, berth_client_serves_here (self));
  berth_client_list_files_async (self, id, path, after, cancellable, berth_wait_cb, &wait);
  result = berth_wait_end (&wait);
  return berth_client_list_files_finish (self, result, error);
}
