/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Files of a sandbox: from memory and into it, from streams and into them, and which there are. */
#include "plugin/libberth/berth-client-call.h"
#include "plugin/libberth/berth-client-private.h"
#include "plugin/libberth/berth-flow.h"
#include "plugin/base/berth-wait.h"
#include "plugin/model/berth-file-request.h"

static void
put (GTask *task, const char *id, const char *path, GInputStream *stream, guint64 size, guint mode,
     guint64 max_bytes)
{
  GVariantDict options = G_VARIANT_DICT_INIT (NULL);
  BerthFlow flow = { id, path, .from = stream, .size = size, .options = &options };

  if (mode != 0)
    g_variant_dict_insert (&options, "mode", "u", mode);
  g_variant_dict_insert (&options, "max_bytes", "t", max_bytes);
  berth_flow_start (task, &flow);
}

static void
get (GTask *task, const char *id, const char *path, GOutputStream *stream, guint64 max_bytes)
{
  GVariantDict options = G_VARIANT_DICT_INIT (NULL);
  BerthFlow flow = { id, path, .to = stream, .options = &options };

  if (max_bytes != 0)
    g_variant_dict_insert (&options, "max_bytes", "t", max_bytes);
  berth_flow_start (task, &flow);
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
  g_autoptr (GInputStream) memory = NULL;

  g_return_if_fail (BERTH_IS_CLIENT (self));
  g_return_if_fail (id != NULL && path != NULL && content != NULL);

  memory = g_memory_input_stream_new_from_bytes (content);
  put (berth_client_call_new_task (self, berth_client_put_file_async, cancellable, callback,
                                   user_data),
       id, path, memory, g_bytes_get_size (content), mode, BERTH_FILE_SIZE_MAX_DEFAULT);
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
  return berth_flow_finish (self, result, berth_client_put_file_async, error);
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
 * Carries a regular file out of a sandbox, into memory. Size and sums are compared on both parts of
 * the way: XXH64 between guest and berthd, SHA-256 from there to here.
 *
 * Fails with %BERTH_ERROR_INVALID where @path is refused or there is no such file.
 */
void
berth_client_get_file_async (BerthClient *self, const char *id, const char *path, guint64 max_bytes,
                             GCancellable *cancellable, GAsyncReadyCallback callback,
                             gpointer user_data)
{
  g_autoptr (GOutputStream) memory = NULL;

  g_return_if_fail (BERTH_IS_CLIENT (self));
  g_return_if_fail (id != NULL && path != NULL);

  memory = g_memory_output_stream_new_resizable ();
  get (berth_client_call_new_task (self, berth_client_get_file_async, cancellable, callback,
                                   user_data),
       id, path, memory, max_bytes);
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
  GOutputStream *memory;

  if (!berth_flow_finish (self, result, berth_client_get_file_async, error))
    return NULL;
  memory = berth_flow_get_target (result);
  g_output_stream_close (memory, NULL, NULL);
  return g_memory_output_stream_steal_as_bytes (G_MEMORY_OUTPUT_STREAM (memory));
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
 * berth_client_put_stream_async:
 * @self: a client
 * @id: of a sandbox
 * @path: in the sandbox: relative to its home, or absolute in it or in /tmp
 * @content: what the file will hold; it is neither read nor closed after the answer
 * @size: bytes that are read from @content; more may be in it
 * @mode: permission bits; 0 for 0644
 * @cancellable: (nullable): leaves everything in the sandbox as it was
 * @callback: (scope async): gets the answer
 * @user_data: for @callback
 *
 * As [method@Client.put_file_async], for a file that is not in memory: one of any size takes the
 * memory of a pipe. A descriptor is a stream, too: `GUnixInputStream`.
 *
 * Fails with %BERTH_ERROR_LOCAL where @content fails, and changes nothing then or where it
 * ends before @size.
 */
void
berth_client_put_stream_async (BerthClient *self, const char *id, const char *path,
                               GInputStream *content, guint64 size, guint mode,
                               GCancellable *cancellable, GAsyncReadyCallback callback,
                               gpointer user_data)
{
  g_return_if_fail (BERTH_IS_CLIENT (self));
  g_return_if_fail (id != NULL && path != NULL);
  g_return_if_fail (G_IS_INPUT_STREAM (content));

  put (berth_client_call_new_task (self, berth_client_put_stream_async, cancellable, callback,
                                   user_data),
       id, path, content, size, mode, size);
}

/**
 * berth_client_put_stream_finish:
 * @self: a client
 * @result: what the callback got
 *
 * Ends the call in its callback.
 *
 * Returns: %TRUE; %FALSE with @error
 */
gboolean
berth_client_put_stream_finish (BerthClient *self, GAsyncResult *result, GError **error)
{
  return berth_flow_finish (self, result, berth_client_put_stream_async, error);
}

/**
 * berth_client_put_stream:
 * @self: a client
 * @id: of a sandbox
 * @path: in the sandbox
 * @content: what the file will hold
 * @size: bytes that are read from @content
 * @mode: permission bits; 0 for 0644
 * @cancellable: (nullable): leaves everything in the sandbox as it was
 *
 * As [method@Client.put_stream_async], waiting.
 *
 * Returns: %TRUE; %FALSE with @error
 */
gboolean
berth_client_put_stream (BerthClient *self, const char *id, const char *path, GInputStream *content,
                         guint64 size, guint mode, GCancellable *cancellable, GError **error)
{
  g_autoptr (GAsyncResult) result = NULL;
  BerthWait wait;

  g_return_val_if_fail (BERTH_IS_CLIENT (self), FALSE);
  g_return_val_if_fail (id != NULL && path != NULL, FALSE);
  g_return_val_if_fail (G_IS_INPUT_STREAM (content), FALSE);

  berth_wait_begin (&wait, berth_client_serves_here (self));
  berth_client_put_stream_async (self, id, path, content, size, mode, cancellable, berth_wait_cb,
                                 &wait);
  result = berth_wait_end (&wait);
  return berth_client_put_stream_finish (self, result, error);
}

/**
 * berth_client_get_stream_async:
 * @self: a client
 * @id: of a sandbox
 * @path: in the sandbox: relative to its home, or absolute in it or in /tmp
 * @content: gets what the file holds; it is neither written nor closed after the answer
 * @max_bytes: a larger file is refused; 0 for 500 MiB
 * @cancellable: (nullable): gives up
 * @callback: (scope async): gets the answer
 * @user_data: for @callback
 *
 * As [method@Client.get_file_async], for a file that is not to be in memory: one of any size takes
 * the memory of a pipe.
 *
 * What was written to @content is the file only if the call succeeds. To let nobody see the part of
 * one, write to what [method@Gio.File.replace] returns: closed with a `GCancellable` that is
 * cancelled, it leaves the old file.
 *
 * Fails with %BERTH_ERROR_LOCAL where @content fails.
 */
void
berth_client_get_stream_async (BerthClient *self, const char *id, const char *path,
                               GOutputStream *content, guint64 max_bytes, GCancellable *cancellable,
                               GAsyncReadyCallback callback, gpointer user_data)
{
  g_return_if_fail (BERTH_IS_CLIENT (self));
  g_return_if_fail (id != NULL && path != NULL);
  g_return_if_fail (G_IS_OUTPUT_STREAM (content));

  get (berth_client_call_new_task (self, berth_client_get_stream_async, cancellable, callback,
                                   user_data),
       id, path, content, max_bytes);
}

/**
 * berth_client_get_stream_finish:
 * @self: a client
 * @result: what the callback got
 *
 * Ends the call in its callback.
 *
 * Returns: %TRUE when all of the file was written; %FALSE with @error
 */
gboolean
berth_client_get_stream_finish (BerthClient *self, GAsyncResult *result, GError **error)
{
  return berth_flow_finish (self, result, berth_client_get_stream_async, error);
}

/**
 * berth_client_get_stream:
 * @self: a client
 * @id: of a sandbox
 * @path: in the sandbox
 * @content: gets what the file holds
 * @max_bytes: a larger file is refused; 0 for 500 MiB
 * @cancellable: (nullable): gives up
 *
 * As [method@Client.get_stream_async], waiting.
 *
 * Returns: %TRUE when all of the file was written; %FALSE with @error
 */
gboolean
berth_client_get_stream (BerthClient *self, const char *id, const char *path,
                         GOutputStream *content, guint64 max_bytes, GCancellable *cancellable,
                         GError **error)
{
  g_autoptr (GAsyncResult) result = NULL;
  BerthWait wait;

  g_return_val_if_fail (BERTH_IS_CLIENT (self), FALSE);
  g_return_val_if_fail (id != NULL && path != NULL, FALSE);
  g_return_val_if_fail (G_IS_OUTPUT_STREAM (content), FALSE);

  berth_wait_begin (&wait, berth_client_serves_here (self));
  berth_client_get_stream_async (self, id, path, content, max_bytes, cancellable, berth_wait_cb,
                                 &wait);
  result = berth_wait_end (&wait);
  return berth_client_get_stream_finish (self, result, error);
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
  BerthClientCall call = { BERTH_CLIENT_CALL_CARRIES, "Ls", .answer_type = "(aa{sv}a{sv})" };
  GVariantDict options;
  GError *error = NULL;
  GTask *task;

  g_return_if_fail (BERTH_IS_CLIENT (self));
  g_return_if_fail (id != NULL && path != NULL);

  task = berth_client_call_new_task (self, berth_client_list_files_async, cancellable, callback,
                                     user_data);
  if (!berth_flow_check_where (id, path, &error)
      || !berth_flow_check_where (id, after != NULL ? after : "", &error))
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
  berth_client_call_start (task, &call);
}

/**
 * berth_client_list_files_finish:
 * @self: a client
 * @result: what the callback got
 *
 * Ends the call in its callback.
 *
 * Returns: (transfer full): aa{sv}, an entry each: "name" (ay), "type" (s: "file", "directory",
 *   "symlink", "fifo", "socket", "character-device", "block-device"), "size" (t), "allocated"
 *   (t: bytes that it takes there; absent where the guest's image is too old to tell), "mode" (u),
 *   "mtime" (d, seconds since 1970)
 */
GVariant *
berth_client_list_files_finish (BerthClient *self, GAsyncResult *result, GError **error)
{
  return berth_client_call_finish_child (self, result, berth_client_list_files_async, error);
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
