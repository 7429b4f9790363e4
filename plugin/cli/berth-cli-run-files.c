/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A run with files: which go where, and the two threads that write and read them beside the call.
 */
#include "plugin/cli/berth-cli-run-files.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "plugin/base/berth-errno.h"
#include "plugin/base/berth-pipe.h"
#include "plugin/cli/berth-cli-copy-tree.h"
#include "plugin/cli/berth-cli-copy-walk.h"
#include "plugin/cli/berth-cli-receive.h"
#include "plugin/cli/berth-cli-report.h"
#include "plugin/model/berth-file-record.h"
#include "pool/berth-error.h"

/* How long a thread that is of no use any more is waited for */
#define LAST_BYTES_MS 3000u

typedef struct
{
  char *option; /* as given */
  char *local;
  char *guest;
  GError *error; /* (nullable): of a download; read after its thread is done */
} Item;

typedef struct
{
  int fd; /* our end, -1 for none */
  gboolean is_started;
  atomic_bool done;
  GError *error; /* (nullable): read after done is set */
} Worker;

struct _BerthRunFiles
{
  GPtrArray *uploads;   /* Item */
  GPtrArray *downloads; /* Item */
  BerthTransfer transfer;
  Worker up;
  Worker down;
  gboolean is_left; /* a thread still has it */
};

static void
item_free (gpointer data)
{
  Item *item = data;

  g_free (item->option);
  g_free (item->local);
  g_free (item->guest);
  g_clear_error (&item->error);
  g_free (item);
}

static gboolean
refuse (const char *option, const char *value, const char *what, GError **error)
{
  g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID, "%s '%.200s': %s", option, value, what);
  return FALSE;
}

/* LOCAL:GUEST. The rule of both options: GUEST has no colon, so LOCAL may have some. */
static gboolean
add_upload (BerthRunFiles *self, const char *value, GError **error)
{
  const char *colon = strrchr (value, ':');
  Item *item;

  if (colon == NULL || colon == value || colon[1] == '\0')
    return refuse ("--upload", value, "give LOCAL:GUEST", error);
  item = g_new0 (Item, 1);
  g_ptr_array_add (self->uploads, item);
  item->option = g_strconcat ("--upload ", value, NULL);
  item->local = g_strndup (value, (gsize)(colon - value));
  item->guest = g_strdup (colon + 1);
  if (strcmp (item->local, "-") == 0)
    return refuse ("--upload", value, "standard input is the program's", error);
  if (access (item->local, R_OK) != 0)
    return refuse ("--upload", value, g_strerror (errno), error);
  return TRUE;
}

/* GUEST[:LOCAL], by the same rule */
static gboolean
add_download (BerthRunFiles *self, const char *value, GError **error)
{
  const char *colon = strchr (value, ':');
  Item *item;

  if (value[0] == '\0' || colon == value || (colon != NULL && colon[1] == '\0'))
    return refuse ("--download", value, "give GUEST or GUEST:LOCAL", error);
  item = g_new0 (Item, 1);
  g_ptr_array_add (self->downloads, item);
  item->option = g_strconcat ("--download ", value, NULL);
  item->guest = colon != NULL ? g_strndup (value, (gsize)(colon - value)) : g_strdup (value);
  item->local = colon != NULL ? g_strdup (colon + 1) : berth_copy_walk_dup_name (item->guest);
  if (item->local == NULL)
    return refuse ("--download", value, "it has no name of its own: give GUEST:LOCAL", error);
  if (strcmp (item->local, "-") == 0)
    return refuse ("--download", value, "standard output is the program's", error);
  return TRUE;
}

gboolean
berth_run_files_new (const BerthOptionValues *values, BerthRunFiles **out_files, GError **error)
{
  BerthRunFiles *self;
  guint64 max_bytes;

  *out_files = NULL;
  if (!berth_option_values_get_max_bytes (values, &max_bytes, error))
    return FALSE;
  if (values->uploads == NULL && values->downloads == NULL)
    return TRUE;
  self = *out_files = g_new0 (BerthRunFiles, 1);
  self->uploads = g_ptr_array_new_with_free_func (item_free);
  self->downloads = g_ptr_array_new_with_free_func (item_free);
  self->up.fd = self->down.fd = -1;
  self->transfer.max_bytes = max_bytes;
  self->transfer.is_quiet = values->quiet || values->json;
  for (char **value = values->uploads; value != NULL && *value != NULL; value++)
    if (!add_upload (self, *value, error))
      return FALSE;
  for (char **value = values->downloads; value != NULL && *value != NULL; value++)
    if (!add_download (self, *value, error))
      return FALSE;
  return TRUE;
}

static void
worker_clear (Worker *self)
{
  if (self->fd >= 0)
    close (self->fd);
  g_clear_error (&self->error);
}

void
berth_run_files_free (BerthRunFiles *self)
{
  if (self == NULL || self->is_left)
    return;
  worker_clear (&self->up);
  worker_clear (&self->down);
  g_ptr_array_unref (self->uploads);
  g_ptr_array_unref (self->downloads);
  g_free (self);
}

/* A thread that carries, and what it has to tell once it is done. One that still waits for a file
 * of ours when the command gives up is left to the process's end. */
static void
worker_end (Worker *self)
{
  if (self->fd >= 0)
    close (self->fd);
  self->fd = -1;
  atomic_store (&self->done, true);
  g_main_context_wakeup (NULL);
}

static gboolean
worker_open (Worker *self, const char *key, GVariantDict *options, GUnixFDList *fds, GError **error)
{
  int ends[2];
  int far;

  if (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
    {
      berth_errno_set (error, errno, "a pair of sockets for files");
      return FALSE;
    }
  self->fd = ends[0];
  far = ends[1];
  return berth_pipe_hand_over (&far, key, options, fds, error);
}

static gboolean
limit_cb (gpointer user_data)
{
  *(gboolean *)user_data = TRUE;
  return G_SOURCE_CONTINUE;
}

/* FALSE: it did not end soon, after there was no more use in it. */
static gboolean
worker_wait (Worker *self, BerthClient *client, gboolean is_in_vain)
{
  gboolean limit_reached = FALSE;
  guint limit_id = 0;

  if (!self->is_started)
    return TRUE;
  while (!atomic_load (&self->done) && !limit_reached)
    {
      if (limit_id == 0 && (is_in_vain || berth_client_get_signal (client) != 0))
        limit_id = g_timeout_add (LAST_BYTES_MS, limit_cb, &limit_reached);
      g_main_context_iteration (NULL, TRUE);
    }
  g_clear_handle_id (&limit_id, g_source_remove);
  return atomic_load (&self->done);
}

/* ---- before ---- */

static gboolean
send_end (int fd)
{
  g_autoptr (GByteArray) packed
      = berth_file_record_pack ((BerthFileRecord){ .kind = BERTH_FILE_RECORD_END }, NULL);

  return berth_file_record_send (fd, packed->data, packed->len);
}

static gpointer
upload_thread (gpointer user_data)
{
  BerthRunFiles *self = user_data;
  BerthTransfer transfer = self->transfer;
  GError **error = &self->up.error;

  transfer.records = self->up.fd;
  for (guint i = 0; i < self->uploads->len && *error == NULL; i++)
    {
      Item *item = g_ptr_array_index (self->uploads, i);

      transfer.item = i;
      if (!berth_copy_tree_put (&transfer, item->local, item->guest, error)
          && !g_error_matches (*error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
        g_prefix_error (error, "%s: ", item->option);
    }
  if (*error == NULL)
    send_end (self->up.fd);
  worker_end (&self->up);
  return NULL;
}

/* (transfer full): @told, with the option where berthd, which counts from 1, says which upload it
 * is
 */
static GError *
name_upload (BerthRunFiles *self, GError *told)
{
  guint number = 0;
  int length = 0;
  GError *named;

  if (sscanf (told->message, "upload %u: %n", &number, &length) != 1 || length == 0 || number < 1
      || number > self->uploads->len)
    return told;
  named = g_error_new (told->domain, told->code, "%s: %s",
                       ((Item *)g_ptr_array_index (self->uploads, number - 1))->option,
                       told->message + length);
  g_error_free (told);
  return named;
}

/* What went wrong with our own files is why berthd found no end of them. */
static void
explain_upload (BerthRunFiles *self, GError **error)
{
  gboolean is_ours = self->up.error != NULL
                     && !g_error_matches (self->up.error, G_IO_ERROR, G_IO_ERROR_CANCELLED);

  if (!g_error_matches (*error, BERTH_ERROR, BERTH_ERROR_INVALID))
    return;
  if (!is_ours)
    {
      *error = name_upload (self, g_steal_pointer (error));
      return;
    }
  g_clear_error (error);
  *error = g_steal_pointer (&self->up.error);
}

/* ---- after ---- */

static gpointer
download_thread (gpointer user_data)
{
  BerthRunFiles *self = user_data;
  BerthTransfer transfer = self->transfer;
  BerthReceiver receiver = { .fd = self->down.fd };

  for (guint i = 0; i < self->downloads->len && !receiver.is_lost; i++)
    {
      Item *item = g_ptr_array_index (self->downloads, i);

      if (!berth_receiver_take_item (&receiver, &transfer, item->guest, item->local, &item->error))
        g_prefix_error (&item->error, "%s: ", item->option);
    }
  worker_end (&self->down);
  return NULL;
}

static void
report_downloads (BerthRunFiles *self, GError **out_failure)
{
  for (guint i = 0; i < self->downloads->len; i++)
    {
      Item *item = g_ptr_array_index (self->downloads, i);

      if (item->error == NULL)
        continue;
      berth_report_error (item->error);
      if (*out_failure == NULL)
        *out_failure = g_steal_pointer (&item->error);
    }
}

/* ---- both ---- */

gboolean
berth_run_files_add (BerthRunFiles *self, GVariantDict *options, GUnixFDList *fds, GError **error)
{
  GVariantBuilder paths = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("aay"));

  for (guint i = 0; i < self->downloads->len; i++)
    g_variant_builder_add (&paths, "^ay", ((Item *)g_ptr_array_index (self->downloads, i))->guest);
  if (self->downloads->len > 0)
    g_variant_dict_insert_value (options, "downloads", g_variant_builder_end (&paths));
  else
    g_variant_builder_clear (&paths);
  g_variant_dict_insert (options, "max_bytes", "t", self->transfer.max_bytes);
  return (self->uploads->len == 0 || worker_open (&self->up, "uploads", options, fds, error))
         && (self->downloads->len == 0
             || worker_open (&self->down, "downloads_to", options, fds, error));
}

static void
worker_start (Worker *self, GThreadFunc func, BerthRunFiles *files)
{
  self->is_started = TRUE;
  g_thread_unref (g_thread_new ("files", func, files));
}

void
berth_run_files_start (BerthRunFiles *self)
{
  if (self->uploads->len > 0)
    worker_start (&self->up, upload_thread, self);
  if (self->downloads->len > 0)
    worker_start (&self->down, download_thread, self);
}

void
berth_run_files_finish (BerthRunFiles *self, BerthClient *client, gboolean has_result,
                        GError **error, GError **out_failure)
{
  gboolean is_up_done = worker_wait (&self->up, client, !has_result);
  gboolean is_down_done = worker_wait (&self->down, client, !has_result);

  self->is_left = !is_up_done || !is_down_done;
  if (!has_result && is_up_done)
    explain_upload (self, error);
  if (has_result && is_down_done && berth_client_get_signal (client) == 0)
    report_downloads (self, out_failure);
}
