/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A walk through a guest's files, one request at a time, whose finds are written to the caller as
 * fast as it reads. Nothing that a guest lists is believed: a name is one, and comes behind the
 * last; entries, depth and bytes have bounds. */
#include "plugin/manager/berth-run-downloads.h"

#include <errno.h>
#include <glib-unix.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "plugin/base/berth-caller-fd.h"
#include "plugin/base/berth-source.h"
#include "plugin/model/berth-file-record.h"
#include "plugin/model/berth-limits.h"
#include "plugin/model/berth-result-private.h"
#include "pool/berth-error.h"

#define PIECE_BYTES 65536u
/* Of a folder at a time: a page stays for each folder that is open, and a guest nests them: with
 * names of 255 bytes 128 pages of 64 are 2.7 MB. */
#define PAGE_ENTRIES 64u

/* A folder that is walked through, from its first page of entries on */
typedef struct
{
  char *path;
  GPtrArray *entries; /* BerthFileEntry */
  guint at;
  gboolean is_more; /* behind these */
} Folder;

typedef struct
{
  BerthHost *host;
  int fd;
  char **paths;
  guint64 size_max;
  GPtrArray *downloads; /* BerthDownload: those that have begun */
  guint n_done;         /* of them */
  guint entries;        /* of the last of them */
  GPtrArray *folders;   /* Folder: the innermost is the last */
  Folder *listed;       /* (nullable): becomes the innermost when its page is there */
  gboolean is_busy;     /* a request to the guest has no answer yet */
  gboolean is_ended;    /* all is told but for what @pending has */
  gboolean is_over;     /* the task has returned */
  /* the file that is carried */
  gboolean is_getting;
  int piped; /* where the guest's bytes come out; -1: that was all */
  GSource *readable;
  BerthFileResult *got; /* (nullable) */
  GError *failure;      /* (nullable) */
  /* to the caller */
  GByteArray *pending;
  gsize sent;
  GSource *writable; /* while the caller does not read */
  guint stall_id;
  GCancellable *stop; /* when the caller cancels, or is gone */
  GSource *stopped;
  gulong cancelled_id; /* of the task's cancellable */
} Downloads;

static void downloads_go_on (GTask *task);

static void
folder_free (gpointer data)
{
  Folder *folder = data;

  g_free (folder->path);
  g_clear_pointer (&folder->entries, g_ptr_array_unref);
  g_free (folder);
}

static void
downloads_stop_waiting (Downloads *self)
{
  berth_source_clear (&self->writable);
  g_clear_handle_id (&self->stall_id, g_source_remove);
}

static void
close_pipe (Downloads *self)
{
  berth_source_clear (&self->readable);
  if (self->piped >= 0)
    close (self->piped);
  self->piped = -1;
}

static void
downloads_free (gpointer data)
{
  Downloads *self = data;

  downloads_stop_waiting (self);
  close_pipe (self);
  berth_source_clear (&self->stopped);
  berth_caller_fd_close (self->fd);
  g_strfreev (self->paths);
  g_ptr_array_unref (self->downloads);
  g_ptr_array_unref (self->folders);
  g_clear_pointer (&self->listed, folder_free);
  g_clear_pointer (&self->got, berth_file_result_free);
  g_clear_error (&self->failure);
  g_byte_array_unref (self->pending);
  g_object_unref (self->stop);
  g_object_unref (self->host);
  g_free (self);
}

/* ---- to the caller ---- */

static void
tell (Downloads *self, BerthFileRecord record, const char *text)
{
  g_autoptr (GByteArray) packed = NULL;

  record.item = self->downloads->len - 1;
  packed = berth_file_record_pack (record, text);
  g_byte_array_append (self->pending, packed->data, packed->len);
}

static void
tell_failure (Downloads *self, BerthFileRecordKind kind, const GError *error)
{
  BerthFileRecord record = { .kind = kind, .mode = BERTH_ERROR_INTERNAL };

  if (error->domain == BERTH_ERROR)
    record.mode = (guint32)error->code;
  tell (self, record, error->message);
}

static gboolean
writable_cb (int fd, GIOCondition condition, gpointer user_data)
{
  g_autoptr (GTask) task = g_object_ref (user_data);

  downloads_stop_waiting (g_task_get_task_data (task));
  downloads_go_on (task);
  return G_SOURCE_REMOVE;
}

static gboolean
stall_cb (gpointer user_data)
{
  Downloads *self = g_task_get_task_data (user_data);

  self->stall_id = 0;
  g_cancellable_cancel (self->stop);
  return G_SOURCE_REMOVE;
}

static void
downloads_await_reader (GTask *task)
{
  Downloads *self = g_task_get_task_data (task);
  gint64 idle_us = berth_sandbox_get_idle_us (g_task_get_source_object (task));

  if (self->writable != NULL)
    return;
  self->writable = g_unix_fd_source_new (self->fd, G_IO_OUT | G_IO_ERR | G_IO_HUP);
  g_source_set_callback (self->writable, G_SOURCE_FUNC (writable_cb), g_object_ref (task),
                         g_object_unref);
  g_source_attach (self->writable, g_main_context_get_thread_default ());
  if (idle_us > 0)
    self->stall_id = berth_host_add_timer (self->host, idle_us, stall_cb, task);
}

/* Whether the caller has taken all that it was to be told */
static gboolean
downloads_flush (GTask *task)
{
  Downloads *self = g_task_get_task_data (task);

  while (self->sent < self->pending->len)
    {
      gssize put = berth_caller_fd_write (self->fd, self->pending->data + self->sent,
                                          self->pending->len - self->sent);

      if (put < 0 && errno == EINTR)
        continue;
      if (put < 0 && errno == EAGAIN)
        downloads_await_reader (task);
      else if (put < 0)
        g_cancellable_cancel (self->stop);
      if (put < 0)
        return FALSE;
      self->sent += (gsize)put;
    }
  g_byte_array_set_size (self->pending, 0);
  self->sent = 0;
  return TRUE;
}

/* ---- what comes of an item and of its entries ---- */

static BerthDownload *
get_download (Downloads *self)
{
  return g_ptr_array_index (self->downloads, self->downloads->len - 1);
}

/* Takes over @error. */
static void
item_fail (Downloads *self, GError *error)
{
  berth_file_record_settle (error);
  tell_failure (self, BERTH_FILE_RECORD_ITEM_FAILED, error);
  get_download (self)->error = error;
  self->n_done++;
  g_ptr_array_set_size (self->folders, 0);
}

static void
item_done (Downloads *self)
{
  BerthDownload *download = get_download (self);
  g_autofree char *shown = berth_file_dup_shown (download->path);

  tell (self, (BerthFileRecord){ .kind = BERTH_FILE_RECORD_ITEM_DONE }, NULL);
  self->n_done++;
  if (download->failed > 0)
    g_set_error (&download->error, BERTH_ERROR, BERTH_ERROR_INVALID,
                 "'%s': all but %u could be carried", shown, download->failed);
}

static void
leave_folder (Downloads *self)
{
  g_ptr_array_remove_index (self->folders, self->folders->len - 1);
  tell (self, (BerthFileRecord){ .kind = BERTH_FILE_RECORD_LEAVE }, NULL);
  if (self->folders->len == 0)
    item_done (self);
}

/* An entry of a folder could not be carried. Takes over @error. The rest of the folder is, unless
 * trying the next is no use, or might be wrong. */
static void
entry_fail (Downloads *self, GError *error)
{
  if (self->folders->len == 0 || !g_error_matches (error, BERTH_ERROR, BERTH_ERROR_INVALID))
    {
      item_fail (self, error);
      return;
    }
  get_download (self)->failed++;
  tell_failure (self, BERTH_FILE_RECORD_FAILED, error);
  g_error_free (error);
}

/* ---- a file ---- */

static void
got_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  Downloads *self = g_task_get_task_data (task);

  self->is_busy = FALSE;
  self->got = berth_sandbox_file_finish (BERTH_SANDBOX (source), result, &self->failure);
  downloads_go_on (task);
}

/* The guest's end is told, and its bytes are, too. */
static void
file_conclude (Downloads *self)
{
  g_autoptr (BerthFileResult) got = g_steal_pointer (&self->got);
  BerthDownload *download = get_download (self);

  self->is_getting = FALSE;
  if (got == NULL)
    {
      entry_fail (self, g_steal_pointer (&self->failure));
      return;
    }
  download->count++;
  download->bytes += got->size;
  tell (self,
        (BerthFileRecord){
            .kind = BERTH_FILE_RECORD_DONE, .mode = got->mode & 07777, .size = got->size },
        got->sha256);
  if (self->folders->len == 0)
    item_done (self);
}

static gboolean
piped_cb (int fd, GIOCondition condition, gpointer user_data)
{
  g_autoptr (GTask) task = g_object_ref (user_data);
  Downloads *self = g_task_get_task_data (task);
  guint8 bytes[PIECE_BYTES];
  gssize got = berth_caller_fd_read (fd, bytes, sizeof bytes);

  if (got < 0 && (errno == EAGAIN || errno == EINTR))
    return G_SOURCE_CONTINUE;
  berth_source_clear (&self->readable);
  if (got <= 0)
    close_pipe (self);
  else
    {
      tell (self, (BerthFileRecord){ .kind = BERTH_FILE_RECORD_DATA, .size = (guint64)got }, NULL);
      g_byte_array_append (self->pending, bytes, (guint)got);
    }
  downloads_go_on (task);
  return G_SOURCE_REMOVE;
}

static void
file_await_bytes (GTask *task)
{
  Downloads *self = g_task_get_task_data (task);

  if (self->readable != NULL)
    return;
  self->readable = g_unix_fd_source_new (self->piped, G_IO_IN | G_IO_HUP);
  g_source_set_callback (self->readable, G_SOURCE_FUNC (piped_cb), g_object_ref (task),
                         g_object_unref);
  g_source_attach (self->readable, g_main_context_get_thread_default ());
}

/* @name: in its folder; "" for what was asked for */
static void
file_begin (GTask *task, const char *path, const char *name)
{
  Downloads *self = g_task_get_task_data (task);
  guint64 all = G_MAXUINT64;
  g_autoptr (BerthFileRequest) request = berth_file_request_new (BERTH_FILE_GET, path);
  int ends[2];

  tell (self, (BerthFileRecord){ .kind = BERTH_FILE_RECORD_FILE }, name);
  if (!g_uint64_checked_mul (&all, self->size_max, BERTH_LIMIT_RUN_FILES_FACTOR))
    all = G_MAXUINT64;
  request->size_max = MIN (self->size_max, all - MIN (all, get_download (self)->bytes));
  self->is_getting = TRUE;
  if (!berth_file_request_check (request, &self->failure))
    return;
  if (socketpair (AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) != 0)
    {
      g_set_error (&self->failure, BERTH_ERROR, BERTH_ERROR_UNAVAILABLE,
                   "a pair of sockets for a file: %s" BERTH_FILE_TRY_AGAIN, g_strerror (errno));
      return;
    }
  self->piped = ends[0];
  request->fd = ends[1];
  self->is_busy = TRUE;
  berth_sandbox_file_async (g_task_get_source_object (task), g_steal_pointer (&request), self->stop,
                            got_cb, g_object_ref (task));
}

/* ---- a folder ---- */

/* What the guest says that is no folder's page ends the item: the rest is not believed either. */
static GError *
no_folder_error (const char *path)
{
  g_autofree char *shown = berth_file_dup_shown (path);

  return g_error_new (BERTH_ERROR, BERTH_ERROR_INVALID,
                      "folder '%s': what the guest lists is no folder", shown);
}

static void
take_page (Downloads *self, BerthFileResult *page)
{
  Folder *folder = g_steal_pointer (&self->listed);

  if (folder != NULL)
    g_ptr_array_add (self->folders, folder);
  else
    folder = g_ptr_array_index (self->folders, self->folders->len - 1);
  g_clear_pointer (&folder->entries, g_ptr_array_unref);
  folder->entries = g_ptr_array_ref (page->entries);
  folder->at = 0;
  folder->is_more = page->is_more && page->entries->len > 0;
}

/* A page could not be had. Takes over @error. @child: (transfer full) (nullable): the folder whose
 * first it would have been; the caller has been told that it is open. */
static void
list_failed (Downloads *self, Folder *child, GError *error)
{
  if (self->folders->len == 0 || (child == NULL && self->folders->len == 1))
    item_fail (self, error);
  else
    entry_fail (self, error);
  if (self->folders->len > 0 && child != NULL)
    tell (self, (BerthFileRecord){ .kind = BERTH_FILE_RECORD_LEAVE }, NULL);
  else if (self->folders->len > 0)
    leave_folder (self);
  g_clear_pointer (&child, folder_free);
}

/* Of what was asked for, it is known now whether it is a folder. */
static void
root_listed (GTask *task, BerthFileResult *page)
{
  Downloads *self = g_task_get_task_data (task);
  g_autofree char *path = NULL;

  if (S_ISDIR (page->mode))
    {
      tell (self, (BerthFileRecord){ .kind = BERTH_FILE_RECORD_FOLDER, .mode = page->mode & 07777 },
            NULL);
      take_page (self, page);
      return;
    }
  path = g_strdup (self->listed->path);
  g_clear_pointer (&self->listed, folder_free);
  file_begin (task, path, "");
}

static void
listed_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  Downloads *self = g_task_get_task_data (task);
  GError *error = NULL;
  g_autoptr (BerthFileResult) page
      = berth_sandbox_file_finish (BERTH_SANDBOX (source), result, &error);

  self->is_busy = FALSE;
  if (page == NULL)
    list_failed (self, g_steal_pointer (&self->listed), error);
  else if (self->folders->len == 0)
    root_listed (task, page);
  else
    take_page (self, page);
  downloads_go_on (task);
}

/* @after: (nullable): the last name of the page before */
static void
list (GTask *task, const char *path, const char *after)
{
  Downloads *self = g_task_get_task_data (task);
  g_autoptr (BerthFileRequest) request = berth_file_request_new (BERTH_FILE_LIST, path);

  request->after = g_strdup (after);
  request->count_max = PAGE_ENTRIES;
  self->is_busy = TRUE;
  berth_sandbox_file_async (g_task_get_source_object (task), g_steal_pointer (&request), self->stop,
                            listed_cb, g_object_ref (task));
}

static void
list_folder (GTask *task, const char *path)
{
  Downloads *self = g_task_get_task_data (task);

  self->listed = g_new0 (Folder, 1);
  self->listed->path = g_strdup (path);
  list (task, path, NULL);
}

static gboolean
check_entry (Downloads *self, const Folder *folder, const BerthFileEntry *entry, GError **error)
{
  const BerthFileEntry *last
      = folder->at > 0 ? g_ptr_array_index (folder->entries, folder->at - 1) : NULL;
  g_autofree char *shown = NULL;

  if (!berth_file_name_is_valid (entry->name, strlen (entry->name))
      || (last != NULL && strcmp (entry->name, last->name) <= 0))
    {
      g_propagate_error (error, no_folder_error (folder->path));
      return FALSE;
    }
  if (++self->entries <= BERTH_LIMIT_RUN_ENTRIES && self->folders->len <= BERTH_LIMIT_RUN_DEPTH)
    return TRUE;
  shown = berth_file_dup_shown (folder->path);
  g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID,
               "%s: more than %u entries, or folders more than %u deep: carry it in parts, or "
               "packed",
               shown, BERTH_LIMIT_RUN_ENTRIES, BERTH_LIMIT_RUN_DEPTH);
  return FALSE;
}

static void
visit_entry (GTask *task, Folder *folder)
{
  Downloads *self = g_task_get_task_data (task);
  const BerthFileEntry *entry = g_ptr_array_index (folder->entries, folder->at);
  g_autofree char *path = g_build_filename (folder->path, entry->name, NULL);
  g_autoptr (BerthFileRequest) asked = berth_file_request_new (BERTH_FILE_LIST, path);
  GError *error = NULL;

  if (!check_entry (self, folder, entry, &error))
    {
      item_fail (self, error); /* last: the folder is freed */
      return;
    }
  folder->at++;
  /* a folder that can't be asked for is not told either */
  if (!berth_file_request_check (asked, &error))
    entry_fail (self, error);
  else if (S_ISREG (entry->mode))
    file_begin (task, path, entry->name);
  else if (S_ISDIR (entry->mode))
    {
      tell (self,
            (BerthFileRecord){ .kind = BERTH_FILE_RECORD_FOLDER, .mode = entry->mode & 07777 },
            entry->name);
      list_folder (task, path);
    }
  else
    tell (self, (BerthFileRecord){ .kind = BERTH_FILE_RECORD_OTHER }, entry->name);
}

static void
folder_go_on (GTask *task)
{
  Downloads *self = g_task_get_task_data (task);
  Folder *folder = g_ptr_array_index (self->folders, self->folders->len - 1);
  const BerthFileEntry *last;

  if (folder->at < folder->entries->len)
    visit_entry (task, folder);
  else if (!folder->is_more)
    leave_folder (self);
  else
    {
      last = g_ptr_array_index (folder->entries, folder->entries->len - 1);
      list (task, folder->path, last->name);
    }
}

/* ---- the walk ---- */

static void
begin_item (GTask *task)
{
  Downloads *self = g_task_get_task_data (task);
  const char *path = self->paths[self->downloads->len];
  g_autoptr (BerthFileRequest) asked = berth_file_request_new (BERTH_FILE_LIST, path);
  GError *error = NULL;

  g_ptr_array_add (self->downloads, berth_download_new (path));
  self->entries = 0;
  if (berth_file_request_check (asked, &error))
    list_folder (task, path);
  else
    item_fail (self, error);
}

static void
downloads_end (GTask *task)
{
  Downloads *self = g_task_get_task_data (task);

  self->is_over = TRUE;
  downloads_stop_waiting (self);
  close_pipe (self);
  berth_source_clear (&self->stopped);
  if (self->cancelled_id != 0)
    g_cancellable_disconnect (g_task_get_cancellable (task), self->cancelled_id);
  g_task_return_boolean (task, TRUE);
}

/* The result says of each path that was not told in the stream why. */
static void
give_up (GTask *task)
{
  Downloads *self = g_task_get_task_data (task);

  for (guint i = 0; self->paths[i] != NULL; i++)
    {
      g_autofree char *shown = berth_file_dup_shown (self->paths[i]);
      BerthDownload *download;

      if (i == self->downloads->len)
        g_ptr_array_add (self->downloads, berth_download_new (self->paths[i]));
      download = g_ptr_array_index (self->downloads, i);
      if (i >= self->n_done)
        g_set_error (&download->error, BERTH_ERROR, BERTH_ERROR_LOCAL,
                     "'%s': whoever asked for it went away, or did not read it", shown);
    }
  downloads_end (task);
}

/* Whether there is more to do now, and not after an answer of the guest's or the caller's */
static gboolean
downloads_step (GTask *task)
{
  Downloads *self = g_task_get_task_data (task);

  if (g_cancellable_is_cancelled (self->stop))
    {
      close_pipe (self);
      if (!self->is_busy)
        give_up (task);
      return FALSE;
    }
  if (!downloads_flush (task))
    return g_cancellable_is_cancelled (self->stop);
  if (self->piped >= 0)
    file_await_bytes (task);
  if (self->piped >= 0 || self->is_busy)
    return FALSE;
  if (self->is_ended)
    {
      downloads_end (task);
      return FALSE;
    }
  if (self->is_getting)
    file_conclude (self);
  else if (self->folders->len > 0)
    folder_go_on (task);
  else if (self->paths[self->downloads->len] != NULL)
    begin_item (task);
  else
    {
      tell (self, (BerthFileRecord){ .kind = BERTH_FILE_RECORD_END }, NULL);
      self->is_ended = TRUE;
    }
  return TRUE;
}

/* Last in whatever calls it: it may end the task. */
static void
downloads_go_on (GTask *task)
{
  Downloads *self = g_task_get_task_data (task);

  while (!self->is_over && downloads_step (task))
    ;
}

static gboolean
stopped_cb (GCancellable *cancellable, gpointer user_data)
{
  g_autoptr (GTask) task = g_object_ref (user_data);
  Downloads *self = g_task_get_task_data (task);

  berth_source_clear (&self->stopped);
  downloads_go_on (task);
  return G_SOURCE_REMOVE;
}

static void
cancelled_cb (GCancellable *cancellable, gpointer user_data)
{
  g_cancellable_cancel (user_data);
}

static Downloads *
downloads_new (BerthHost *host, int fd, const char *const *paths, guint64 size_max)
{
  Downloads *self = g_new0 (Downloads, 1);

  self->host = g_object_ref (host);
  self->fd = fd;
  self->paths = g_strdupv ((char **)paths);
  self->size_max = size_max;
  self->piped = -1;
  self->downloads = g_ptr_array_new_with_free_func ((GDestroyNotify)berth_download_free);
  self->folders = g_ptr_array_new_with_free_func (folder_free);
  self->pending = g_byte_array_new ();
  self->stop = g_cancellable_new ();
  return self;
}

void
berth_run_downloads_async (BerthSandbox *sandbox, BerthHost *host, int fd, const char *const *paths,
                           guint64 size_max, GCancellable *cancellable,
                           GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (sandbox, cancellable, callback, user_data);
  Downloads *self = downloads_new (host, fd, paths, size_max);

  g_task_set_source_tag (task, berth_run_downloads_async);
  g_task_set_check_cancellable (task, FALSE);
  g_task_set_task_data (task, self, downloads_free);
  self->stopped = g_cancellable_source_new (self->stop);
  g_source_set_callback (self->stopped, G_SOURCE_FUNC (stopped_cb), g_object_ref (task),
                         g_object_unref);
  g_source_attach (self->stopped, g_main_context_get_thread_default ());
  if (cancellable != NULL)
    self->cancelled_id = g_cancellable_connect (cancellable, G_CALLBACK (cancelled_cb),
                                                g_object_ref (self->stop), g_object_unref);
  downloads_go_on (task);
}

GPtrArray *
berth_run_downloads_finish (BerthSandbox *sandbox, GAsyncResult *result)
{
  Downloads *self;

  g_return_val_if_fail (g_task_is_valid (result, sandbox), NULL);
  self = g_task_get_task_data (G_TASK (result));
  return g_ptr_array_ref (self->downloads);
}
