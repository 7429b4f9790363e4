/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One upload after the other, none begun before the one ahead of it is in the sandbox: a stream has
 * no more of berthd's memory than a record's head, and what is behind it waits at the caller. */
#include "plugin/manager/berth-run-uploads.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <unistd.h>

#include "plugin/base/berth-caller-fd.h"
#include "plugin/base/berth-source.h"
#include "plugin/model/berth-file-record.h"
#include "plugin/model/berth-limits.h"
#include "pool/berth-error.h"

typedef struct
{
  BerthHost *host;
  int fd;
  guint64 size_max;
  guint count;
  guint64 bytes;
  BerthFileRecordReader reader;
  GArray *holes;     /* (nullable) (element-type BerthHole): of the file whose record comes next */
  gsize holes_left;  /* bytes of them that are still to come */
  GSource *readable; /* these four hold the task, while the caller's next record is waited for */
  GSource *cancelled;
  GSource *closed; /* the sandbox */
  guint stall_id;
} Uploads;

static void uploads_await_record (GTask *task);

static void
uploads_stop_waiting (Uploads *self)
{
  berth_source_clear (&self->readable);
  berth_source_clear (&self->cancelled);
  berth_source_clear (&self->closed);
  g_clear_handle_id (&self->stall_id, g_source_remove);
}

static void
uploads_free (gpointer data)
{
  Uploads *self = data;

  uploads_stop_waiting (self);
  g_clear_pointer (&self->holes, g_array_unref);
  berth_caller_fd_close (self->fd);
  g_object_unref (self->host);
  g_free (self);
}

static void
carried_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  Uploads *self = g_task_get_task_data (task);
  GError *error = NULL;
  g_autoptr (BerthFileResult) there
      = berth_sandbox_file_finish (BERTH_SANDBOX (source), result, &error);

  if (there == NULL)
    {
      if (error->domain == BERTH_ERROR)
        g_prefix_error (&error, "upload %u: ", self->reader.record.item + 1);
      g_task_return_error (task, error);
      return;
    }
  self->bytes += there->size;
  uploads_await_record (task);
}

/* (transfer full) (nullable) */
static BerthFileRequest *
uploads_make_request (Uploads *self, GError **error)
{
  const BerthFileRecord *record = &self->reader.record;
  gboolean is_file = record->kind == BERTH_FILE_RECORD_FILE;
  g_autoptr (BerthFileRequest) request = berth_file_request_new (
      is_file ? BERTH_FILE_PUT : BERTH_FILE_MAKE_DIRECTORY, self->reader.text);

  request->mode = record->mode;
  request->size = is_file ? record->size : 0;
  request->size_max = self->size_max;
  request->holes = is_file ? g_steal_pointer (&self->holes) : NULL;
  if (!berth_file_request_check (request, error))
    {
      g_prefix_error (error, "upload %u: ", record->item + 1);
      return NULL;
    }
  request->fd = is_file ? fcntl (self->fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1) : -1;
  if (!is_file || request->fd >= 0)
    return g_steal_pointer (&request);
  g_set_error (error, BERTH_ERROR, BERTH_ERROR_UNAVAILABLE, "upload %u: %s: try again later",
               record->item + 1, g_strerror (errno));
  return NULL;
}

/* Their list is read into @holes, which is made for all of it. */
static gboolean
uploads_begin_holes (Uploads *self, GError **error)
{
  guint64 size = self->reader.record.size;

  if (self->holes != NULL || (self->holes = berth_file_holes_new (size)) == NULL)
    {
      g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID,
                   "upload %u: holes of %" G_GUINT64_FORMAT
                   " bytes: it is no list of them, or the file's second",
                   self->reader.record.item + 1, size);
      return FALSE;
    }
  self->holes_left = size;
  return TRUE;
}

static gboolean
uploads_check_record (Uploads *self, GError **error)
{
  BerthFileRecordKind kind = self->reader.record.kind;

  if (kind != BERTH_FILE_RECORD_FILE && kind != BERTH_FILE_RECORD_FOLDER)
    g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID,
                 "the uploads: a record of kind %u: only files and folders are uploaded",
                 (guint)kind);
  else if (++self->count > BERTH_LIMIT_RUN_ENTRIES)
    g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID,
                 "the uploads: more than %u files and folders: carry them packed",
                 BERTH_LIMIT_RUN_ENTRIES);
  else if (kind == BERTH_FILE_RECORD_FOLDER && self->holes != NULL)
    g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID, "upload %u: a folder has no holes",
                 self->reader.record.item + 1);
  else
    return TRUE;
  return FALSE;
}

static void
uploads_take_record (GTask *task)
{
  Uploads *self = g_task_get_task_data (task);
  BerthFileRecordKind kind = self->reader.record.kind;
  BerthFileRequest *request = NULL;
  GError *error = NULL;

  if (kind == BERTH_FILE_RECORD_END)
    g_task_return_boolean (task, TRUE);
  else if (kind == BERTH_FILE_RECORD_HOLES && uploads_begin_holes (self, &error))
    uploads_await_record (task);
  else if (error == NULL && uploads_check_record (self, &error)
           && (request = uploads_make_request (self, &error)) != NULL)
    berth_sandbox_file_async (g_task_get_source_object (task), request,
                              g_task_get_cancellable (task), carried_cb, g_object_ref (task));
  else
    g_task_return_error (task, error);
}

static void
uploads_fail (GTask *task, BerthError code, const char *text)
{
  uploads_stop_waiting (g_task_get_task_data (task));
  g_task_return_new_error (task, BERTH_ERROR, (int)code, "the uploads: %s", text);
}

/* How many bytes are read next, and where they go */
static gsize
uploads_get_room (Uploads *self, guint8 **out_room)
{
  if (self->holes_left == 0)
    return berth_file_record_reader_get_room (&self->reader, out_room);
  *out_room = (guint8 *)self->holes->data
              + self->holes->len * g_array_get_element_size (self->holes) - self->holes_left;
  return self->holes_left;
}

static gboolean
readable_cb (int fd, GIOCondition condition, gpointer user_data)
{
  g_autoptr (GTask) task = g_object_ref (user_data);
  Uploads *self = g_task_get_task_data (task);
  GError *error = NULL;
  gboolean is_whole;
  guint8 *room;
  gsize size = uploads_get_room (self, &room);
  gssize got = berth_caller_fd_read (fd, room, size);

  if (got < 0 && (errno == EAGAIN || errno == EINTR))
    return G_SOURCE_CONTINUE;
  if (got <= 0)
    {
      uploads_fail (task, BERTH_ERROR_INVALID, "they broke off, and nothing was run");
      return G_SOURCE_REMOVE;
    }
  if (self->holes_left > 0)
    {
      self->holes_left -= (gsize)got;
      return G_SOURCE_CONTINUE;
    }
  if (!berth_file_record_reader_take (&self->reader, (gsize)got, &is_whole, &error))
    {
      uploads_stop_waiting (self);
      g_task_return_error (task, error);
      return G_SOURCE_REMOVE;
    }
  if (!is_whole)
    return G_SOURCE_CONTINUE;
  uploads_stop_waiting (self);
  uploads_take_record (task);
  return G_SOURCE_REMOVE;
}

static gboolean
cancelled_cb (GCancellable *cancellable, gpointer user_data)
{
  g_autoptr (GTask) task = g_object_ref (user_data);

  uploads_stop_waiting (g_task_get_task_data (task));
  g_task_return_new_error (task, G_IO_ERROR, G_IO_ERROR_CANCELLED,
                           "the run was withdrawn by its caller");
  return G_SOURCE_REMOVE;
}

static gboolean
closed_cb (GCancellable *closed, gpointer user_data)
{
  g_autoptr (GTask) task = g_object_ref (user_data);

  uploads_stop_waiting (g_task_get_task_data (task));
  g_task_return_error (task, berth_sandbox_new_gone_error (g_task_get_source_object (task)));
  return G_SOURCE_REMOVE;
}

static GSource *
attach_cancellable (GTask *task, GCancellable *cancellable, GCancellableSourceFunc func)
{
  GSource *source = g_cancellable_source_new (cancellable);

  g_source_set_callback (source, G_SOURCE_FUNC (func), g_object_ref (task), g_object_unref);
  g_source_attach (source, g_main_context_get_thread_default ());
  return source;
}

static gboolean
stall_cb (gpointer user_data)
{
  g_autoptr (GTask) task = g_object_ref (user_data);
  Uploads *self = g_task_get_task_data (task);

  self->stall_id = 0;
  uploads_fail (task, BERTH_ERROR_GONE, "nothing came for the sandbox's idle time");
  return G_SOURCE_REMOVE;
}

/* The time limit is one record's, however slowly its bytes come. */
static void
uploads_await_record (GTask *task)
{
  Uploads *self = g_task_get_task_data (task);
  BerthSandbox *sandbox = g_task_get_source_object (task);
  GCancellable *cancellable = g_task_get_cancellable (task);
  gint64 idle_us = berth_sandbox_get_idle_us (sandbox);

  self->readable = g_unix_fd_source_new (self->fd, G_IO_IN | G_IO_HUP);
  g_source_set_callback (self->readable, G_SOURCE_FUNC (readable_cb), g_object_ref (task),
                         g_object_unref);
  g_source_attach (self->readable, g_main_context_get_thread_default ());
  self->closed = attach_cancellable (task, berth_sandbox_get_closed (sandbox), closed_cb);
  if (cancellable != NULL)
    self->cancelled = attach_cancellable (task, cancellable, cancelled_cb);
  if (idle_us > 0)
    self->stall_id = berth_host_add_timer (self->host, idle_us, stall_cb, task);
}

void
berth_run_uploads_async (BerthSandbox *sandbox, BerthHost *host, int fd, guint64 size_max,
                         GCancellable *cancellable, GAsyncReadyCallback callback,
                         gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (sandbox, cancellable, callback, user_data);
  Uploads *self = g_new0 (Uploads, 1);

  g_task_set_source_tag (task, berth_run_uploads_async);
  g_task_set_check_cancellable (task, FALSE);
  self->host = g_object_ref (host);
  self->fd = fd;
  self->size_max = size_max;
  g_task_set_task_data (task, self, uploads_free);
  uploads_await_record (task);
}

gboolean
berth_run_uploads_finish (BerthSandbox *sandbox, GAsyncResult *result, guint *out_count,
                          guint64 *out_bytes, GError **error)
{
  Uploads *self;

  g_return_val_if_fail (g_task_is_valid (result, sandbox), FALSE);
  self = g_task_get_task_data (G_TASK (result));
  *out_count = self->count;
  *out_bytes = self->bytes;
  return g_task_propagate_boolean (G_TASK (result), error);
}
