/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The files of a run, beside its call: a thread writes what goes there, another one keeps what
 * comes back. Both end with their streams, which berthd closes at the latest when it answers. */
#include "plugin/libberth/berth-run-carrier.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "plugin/base/berth-errno.h"
#include "plugin/base/berth-pipe.h"
#include "plugin/model/berth-file-record.h"
#include "plugin/model/berth-file-request.h"
#include "plugin/model/berth-limits.h"
#include "plugin/model/berth-program-private.h"
#include "pool/berth-error.h"

#define DATA_KEY "berth-run-carrier"
#define ENTRY_SIZE 128 /* of a file that is held, beside its name and its bytes */

/* What goes there: a thread's own */
typedef struct
{
  GPtrArray *uploads; /* BerthUpload */
  int fd;
} Sender;

/* What comes back, and the file that is on its way: a thread's own until its task returns */
typedef struct
{
  int fd;
  char **paths;
  BerthFileRecordReader reader;
  GPtrArray *folders;   /* char: names of those that are open, the asked path's own first */
  char *path;           /* (nullable): of the file */
  GByteArray *bytes;    /* (nullable): of the file, NULL where they go nowhere */
  guint64 left;         /* that may be kept */
  GHashTable *contents; /* path → GBytes */
  GError *failures[BERTH_LIMIT_RUN_DOWNLOADS]; /* (nullable), by path */
} Keeper;

struct _BerthRunCarrier
{
  Sender *sender;   /* (nullable): until its thread has it */
  Keeper *keeper;   /* (nullable): likewise, and again then */
  GVariant *answer; /* (nullable) */
  GError *error;    /* (nullable) */
  guint n_pending;  /* the call and the keeper's thread */
};

/* ---- before ---- */

static gboolean
send_one (int fd, BerthFileRecord record, const char *text, GBytes *content)
{
  g_autoptr (GByteArray) packed = berth_file_record_pack (record, text);
  gsize size = 0;
  const void *bytes = content != NULL ? g_bytes_get_data (content, &size) : NULL;

  return berth_file_record_send (fd, packed->data, packed->len)
         && berth_file_record_send (fd, bytes, size);
}

static void
sender_free (Sender *self)
{
  close (self->fd);
  g_ptr_array_unref (self->uploads);
  g_free (self);
}

static gpointer
send_thread (gpointer user_data)
{
  Sender *self = user_data;
  gboolean ok = TRUE;

  for (guint i = 0; i < self->uploads->len && ok; i++)
    {
      const BerthUpload *upload = g_ptr_array_index (self->uploads, i);
      BerthFileRecord record
          = { BERTH_FILE_RECORD_FILE, i, upload->mode, 0, g_bytes_get_size (upload->content) };

      ok = send_one (self->fd, record, upload->path, upload->content);
    }
  if (ok)
    send_one (self->fd, (BerthFileRecord){ .kind = BERTH_FILE_RECORD_END }, NULL, NULL);
  sender_free (self);
  return NULL;
}

/* ---- after ---- */

static void
keeper_free (Keeper *self)
{
  close (self->fd);
  for (guint i = 0; i < G_N_ELEMENTS (self->failures); i++)
    g_clear_error (&self->failures[i]);
  g_hash_table_unref (self->contents);
  g_strfreev (self->paths);
  g_ptr_array_unref (self->folders);
  g_free (self->path);
  g_clear_pointer (&self->bytes, g_byte_array_unref);
  g_free (self);
}

static char *
keeper_dup_path (Keeper *self, const char *name)
{
  GString *path = g_string_new (self->paths[self->reader.record.item]);

  for (guint i = 1; i < self->folders->len; i++)
    g_string_append_printf (path, "/%s", (const char *)g_ptr_array_index (self->folders, i));
  if (name[0] != '\0')
    g_string_append_printf (path, "/%s", name);
  return g_string_free (path, FALSE);
}

/* Of what is held at most, names and files without a byte are a part, too. */
static gboolean
keeper_take_room (Keeper *self, guint64 size)
{
  if (size > self->left)
    return FALSE;
  self->left -= size;
  return TRUE;
}

static gboolean
keeper_take_bytes (Keeper *self, guint64 size)
{
  guint8 chunk[65536];

  if (self->bytes != NULL && !keeper_take_room (self, size))
    {
      self->left += self->bytes->len; /* for files behind it */
      g_clear_pointer (&self->bytes, g_byte_array_unref);
    }
  while (size > 0)
    {
      gssize got = recv (self->fd, chunk, MIN (sizeof chunk, size), 0);

      if (got < 0 && errno == EINTR)
        continue;
      if (got <= 0)
        return FALSE;
      if (self->bytes != NULL)
        g_byte_array_append (self->bytes, chunk, (guint)got);
      size -= (guint64)got;
    }
  return TRUE;
}

static void
keeper_fail (Keeper *self, BerthError code, const char *text)
{
  GError **failure = &self->failures[self->reader.record.item];
  g_autofree char *shown = berth_file_dup_shown (self->path);

  if (*failure != NULL)
    return;
  g_set_error (failure, BERTH_ERROR, (int)code, "file '%s': %s", shown, text);
  berth_file_record_settle (*failure);
}

/* berthd compared what it sent with the guest's; this is the rest of the way. */
static void
keeper_file_done (Keeper *self)
{
  g_autoptr (GBytes) content
      = self->bytes != NULL ? g_byte_array_free_to_bytes (g_steal_pointer (&self->bytes)) : NULL;
  g_autofree char *sum = NULL;

  if (self->path == NULL)
    return;
  if (content == NULL || !keeper_take_room (self, strlen (self->path) + ENTRY_SIZE))
    {
      keeper_fail (self, BERTH_ERROR_INVALID,
                   "all files together are more than is held here: get some from a sandbox");
      return;
    }
  sum = g_compute_checksum_for_bytes (G_CHECKSUM_SHA256, content);
  if (self->reader.record.size == g_bytes_get_size (content)
      && g_strcmp0 (sum, self->reader.text) == 0)
    g_hash_table_insert (self->contents, g_steal_pointer (&self->path), g_steal_pointer (&content));
  else
    keeper_fail (self, BERTH_ERROR_UNAVAILABLE,
                 "what arrived is not what was sent" BERTH_FILE_TRY_AGAIN);
}

static void
keeper_file_end (Keeper *self)
{
  g_clear_pointer (&self->path, g_free);
  g_clear_pointer (&self->bytes, g_byte_array_unref);
}

/* Whether there is more */
static gboolean
keeper_take_record (Keeper *self)
{
  const BerthFileRecord *record = &self->reader.record;

  switch (record->kind)
    {
    case BERTH_FILE_RECORD_FILE:
      keeper_file_end (self);
      self->path = keeper_dup_path (self, self->reader.text);
      self->bytes = g_byte_array_new ();
      return TRUE;
    case BERTH_FILE_RECORD_FOLDER:
      g_ptr_array_add (self->folders, g_strdup (self->reader.text));
      return TRUE;
    case BERTH_FILE_RECORD_LEAVE:
      if (self->folders->len > 0)
        g_ptr_array_remove_index (self->folders, self->folders->len - 1);
      return TRUE;
    case BERTH_FILE_RECORD_DATA:
      return keeper_take_bytes (self, record->size);
    case BERTH_FILE_RECORD_DONE:
      keeper_file_done (self);
      keeper_file_end (self);
      return TRUE;
    case BERTH_FILE_RECORD_FAILED:
      keeper_file_end (self);
      return TRUE;
    case BERTH_FILE_RECORD_ITEM_DONE:
    case BERTH_FILE_RECORD_ITEM_FAILED:
      g_ptr_array_set_size (self->folders, 0);
      return TRUE;
    default:
      return record->kind == BERTH_FILE_RECORD_OTHER;
    }
}

static gpointer
keep_thread (gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  Keeper *self = g_task_get_task_data (task);

  while (berth_file_record_receive (&self->reader, self->fd, NULL)
         && self->reader.record.item < g_strv_length (self->paths) && keeper_take_record (self))
    ;
  g_task_return_boolean (task, TRUE);
  return NULL;
}

/* ---- the call ---- */

void
berth_run_carrier_free (BerthRunCarrier *self)
{
  if (self == NULL)
    return;
  g_clear_pointer (&self->sender, sender_free);
  g_clear_pointer (&self->keeper, keeper_free);
  g_clear_pointer (&self->answer, g_variant_unref);
  g_clear_error (&self->error);
  g_free (self);
}

/* Our end of what goes along as option @key; -1 with @error */
static int
open_stream (const char *key, GVariantDict *options, GUnixFDList *fds, GError **error)
{
  int ends[2];

  if (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
    {
      berth_errno_set (error, errno, "this process");
      return -1;
    }
  if (berth_pipe_hand_over (&ends[1], key, options, fds, error))
    return ends[0];
  berth_pipe_close (&ends[0]);
  berth_pipe_close (&ends[1]);
  return -1;
}

static gboolean
add_uploads (BerthRunCarrier *self, GPtrArray *uploads, GVariantDict *options, GUnixFDList *fds,
             GError **error)
{
  int fd = uploads->len > 0 ? open_stream ("uploads", options, fds, error) : -1;

  if (fd < 0)
    return uploads->len == 0;
  self->sender = g_new0 (Sender, 1);
  self->sender->fd = fd;
  self->sender->uploads = g_ptr_array_new_with_free_func ((GDestroyNotify)berth_upload_free);
  for (guint i = 0; i < uploads->len; i++)
    g_ptr_array_add (self->sender->uploads, berth_upload_copy (g_ptr_array_index (uploads, i)));
  return TRUE;
}

static gboolean
add_downloads (BerthRunCarrier *self, BerthProgram *program, GVariantDict *options,
               GUnixFDList *fds, GError **error)
{
  GVariantBuilder builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("aay"));
  GPtrArray *paths = berth_program_get_downloads (program);
  int fd = paths->len > 0 ? open_stream ("downloads_to", options, fds, error) : -1;
  Keeper *keeper;

  if (fd < 0)
    {
      g_variant_builder_clear (&builder);
      return paths->len == 0;
    }
  self->keeper = keeper = g_new0 (Keeper, 1);
  keeper->fd = fd;
  keeper->paths = g_new0 (char *, paths->len + 1);
  for (guint i = 0; i < paths->len; i++)
    {
      keeper->paths[i] = g_strdup (g_ptr_array_index (paths, i));
      g_variant_builder_add (&builder, "^ay", keeper->paths[i]);
    }
  g_variant_dict_insert_value (options, "downloads", g_variant_builder_end (&builder));
  keeper->folders = g_ptr_array_new_with_free_func (g_free);
  keeper->left = berth_program_get_download_max (program);
  keeper->contents
      = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify)g_bytes_unref);
  return TRUE;
}

BerthRunCarrier *
berth_run_carrier_new (BerthProgram *program, GVariantDict *options, GUnixFDList *fds,
                       GError **error)
{
  BerthRunCarrier *self = g_new0 (BerthRunCarrier, 1);

  if (add_uploads (self, berth_program_get_uploads (program), options, fds, error)
      && add_downloads (self, program, options, fds, error))
    return self;
  berth_run_carrier_free (self);
  return NULL;
}

static void
part_done (GTask *task)
{
  BerthRunCarrier *self = g_object_get_data (G_OBJECT (task), DATA_KEY);

  if (--self->n_pending > 0)
    return;
  if (self->error != NULL)
    g_task_return_error (task, g_steal_pointer (&self->error));
  else
    g_task_return_pointer (task, g_steal_pointer (&self->answer), (GDestroyNotify)g_variant_unref);
}

static void
answered_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  BerthRunCarrier *self = g_object_get_data (G_OBJECT (task), DATA_KEY);

  self->answer = g_task_propagate_pointer (G_TASK (result), &self->error);
  part_done (task);
}

static void
kept_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  BerthRunCarrier *self = g_object_get_data (G_OBJECT (task), DATA_KEY);

  self->keeper = g_task_get_task_data (G_TASK (result));
  part_done (task);
}

void
berth_run_carrier_start (BerthRunCarrier *self, GTask *task, const BerthClientCall *call)
{
  g_autoptr (GTask) owned = task;
  GObject *source = g_task_get_source_object (task);
  Keeper *keeper = g_steal_pointer (&self->keeper);

  g_task_set_check_cancellable (task, FALSE);
  g_object_set_data_full (G_OBJECT (task), DATA_KEY, self, (GDestroyNotify)berth_run_carrier_free);
  self->n_pending = keeper != NULL ? 2 : 1;
  if (self->sender != NULL)
    g_thread_unref (g_thread_new ("uploads", send_thread, g_steal_pointer (&self->sender)));
  if (keeper != NULL)
    {
      GTask *keeping = g_task_new (source, NULL, kept_cb, g_object_ref (task));

      g_task_set_task_data (keeping, keeper, NULL); /* ours again in kept_cb() */
      g_thread_unref (g_thread_new ("downloads", keep_thread, keeping));
    }
  berth_client_call_start (
      g_task_new (source, g_task_get_cancellable (task), answered_cb, g_object_ref (task)), call);
}

void
berth_run_carrier_complete (GAsyncResult *async_result, BerthResult *result)
{
  BerthRunCarrier *self = g_object_get_data (G_OBJECT (async_result), DATA_KEY);
  Keeper *keeper = self != NULL ? self->keeper : NULL;

  if (keeper == NULL || result == NULL)
    return;
  result->contents = g_hash_table_ref (keeper->contents);
  for (guint i = 0; result->downloads != NULL && i < result->downloads->len; i++)
    {
      BerthDownload *download = g_ptr_array_index (result->downloads, i);

      if (download->error == NULL && i < BERTH_LIMIT_RUN_DOWNLOADS)
        download->error = g_steal_pointer (&keeper->failures[i]);
    }
}
