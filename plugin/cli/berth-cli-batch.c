/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Each file has a pipe that the main context feeds or drains, and a call that says how it went. It
 * is over when both are. */
#include "plugin/cli/berth-cli-batch.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <unistd.h>

#include "plugin/base/berth-errno.h"
#include "plugin/base/berth-pipe.h"
#include "plugin/base/berth-sha256.h"
#include "plugin/base/berth-source.h"
#include "plugin/cli/berth-cli-atomic-file.h"
#include "plugin/model/berth-file-request.h"
#include "pool/berth-error.h"

/* Those that a guest carries at once, and as many that wait in berthd for a place */
#define FLIGHTS_MAX 8u
/* Larger ones keep their way busy alone, and have a progress to show. */
#define SMALL_BYTES (G_GUINT64_CONSTANT (256) * 1024)
#define CHUNK_BYTES 65536u

struct _BerthBatch
{
  BerthTransfer *transfer;
  BerthBatchFunc func;
  gpointer user_data;
  guint flights;
  guint64 left; /* bytes that may still come */
};

typedef struct
{
  BerthBatch *batch;
  char *guest;
  int fd; /* our end of the pipe; -1: it is closed */
  GSource *source;
  GVariant *reply; /* (nullable) */
  GError *error;   /* (nullable): why there is no reply, or what failed here */
  gboolean is_answered;
  guint64 moved;
  /* of a put */
  guint8 *bytes;
  gsize size;
  /* of a get */
  BerthAtomicFile landing;
  char *name;
  char *local;
  struct sha256_ctx sum;
  int write_failure; /* errno */
  gboolean is_too_much;
} Flight;

BerthBatch *
berth_batch_new (BerthTransfer *transfer, guint64 max_total, BerthBatchFunc func,
                 gpointer user_data)
{
  BerthBatch *self = g_new0 (BerthBatch, 1);

  self->transfer = transfer;
  self->left = max_total;
  self->func = func;
  self->user_data = user_data;
  return self;
}

static void
batch_wait_below (BerthBatch *self, guint count)
{
  while (self->flights >= count)
    g_main_context_iteration (NULL, TRUE);
}

void
berth_batch_wait (BerthBatch *self)
{
  batch_wait_below (self, 1);
}

void
berth_batch_free (BerthBatch *self)
{
  if (self == NULL)
    return;
  berth_batch_wait (self);
  g_free (self);
}

gboolean
berth_batch_takes (guint64 size)
{
  return size <= SMALL_BYTES;
}

/* ---- one of them ---- */

static Flight *
flight_new (BerthBatch *batch, const char *guest)
{
  Flight *self = g_new0 (Flight, 1);

  batch_wait_below (batch, FLIGHTS_MAX);
  batch->flights++;
  self->batch = batch;
  self->guest = g_strdup (guest);
  self->fd = -1;
  self->landing = (BerthAtomicFile)BERTH_ATOMIC_FILE_INIT;
  return self;
}

static void
flight_close_pipe (Flight *self)
{
  berth_source_clear (&self->source);
  if (self->fd >= 0)
    close (self->fd);
  self->fd = -1;
}

static void
flight_free (Flight *self)
{
  int folder_fd = self->landing.folder_fd;

  flight_close_pipe (self);
  berth_atomic_file_clear (&self->landing);
  if (folder_fd >= 0)
    close (folder_fd);
  g_clear_pointer (&self->reply, g_variant_unref);
  g_free (self->bytes);
  g_free (self->name);
  g_free (self->local);
  g_free (self->guest);
  g_free (self);
}

/* What arrived is what berthd has seen of the guest, and has its name. */
static gboolean
flight_land (Flight *self, GError **error)
{
  g_autoptr (GVariant) info = g_variant_get_child_value (self->reply, 0);
  guint32 mode = 0644;

  g_variant_lookup (info, "mode", "u", &mode);
  return berth_transfer_check_arrived (self->guest, self->moved, &self->sum, info, error)
         && berth_atomic_file_finish (&self->landing, self->name, mode, self->local, error);
}

/* Why we took no more of it, which berthd can't know */
static void
flight_explain (Flight *self, GError **error)
{
  if (self->write_failure == 0 && !self->is_too_much)
    return;
  g_clear_error (error);
  if (self->is_too_much)
    g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID,
                 "file '%s': the folder has more than may be carried at once: carry it in parts, "
                 "or raise --max-size",
                 self->guest);
  else
    berth_errno_set (error, self->write_failure, self->local);
}

/* Last: it frees it. */
static void
flight_check (Flight *self)
{
  BerthBatch *batch = self->batch;
  GError *error = NULL;
  guint64 size;

  if (!self->is_answered || self->fd >= 0)
    return;
  error = g_steal_pointer (&self->error);
  flight_explain (self, &error);
  if (error == NULL && self->landing.fd >= 0)
    flight_land (self, &error);
  size = self->bytes != NULL ? self->size : self->moved;
  flight_free (self);
  batch->flights--;
  batch->func (size, error, batch->user_data);
}

/* Nothing was asked for. */
static void
flight_fail (Flight *self)
{
  flight_close_pipe (self);
  self->is_answered = TRUE;
  flight_check (self);
}

static void
answered_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Flight *self = user_data;

  self->reply
      = berth_client_call_finish (self->batch->transfer->client, source, result, &self->error);
  self->is_answered = TRUE;
  /* who has failed sends and takes nothing any more */
  if (self->reply == NULL || self->bytes != NULL)
    flight_close_pipe (self);
  flight_check (self);
}

/* @far: its other end's, given away */
static void
flight_call (Flight *self, const char *method, int far, GVariantDict *options)
{
  BerthTransfer *transfer = self->batch->transfer;
  g_autoptr (GUnixFDList) fds = g_unix_fd_list_new ();

  if (!berth_pipe_hand_over (&far, "data", options, fds, &self->error))
    {
      close (far);
      g_variant_dict_clear (options);
      flight_fail (self);
      return;
    }
  berth_client_call_async (
      transfer->client, method,
      g_variant_new ("(s^ay@a{sv})", transfer->id, self->guest, g_variant_dict_end (options)),
      "(a{sv})", g_steal_pointer (&fds), answered_cb, self);
}

static gboolean
flight_open_pipe (Flight *self, gboolean is_put, int *out_far)
{
  *out_far = -1;
  self->fd = berth_pipe_open (out_far, is_put, &self->error);
  return self->fd >= 0 && g_unix_set_fd_nonblocking (self->fd, TRUE, &self->error);
}

static void
flight_watch (Flight *self, GIOCondition condition, GUnixFDSourceFunc func)
{
  self->source = g_unix_fd_source_new (self->fd, condition);
  g_source_set_callback (self->source, G_SOURCE_FUNC (func), self, NULL);
  g_source_attach (self->source, NULL);
}

/* ---- to the sandbox ---- */

static gboolean
writable_cb (int fd, GIOCondition condition, gpointer user_data)
{
  Flight *self = user_data;
  gssize put = write (fd, self->bytes + self->moved, self->size - self->moved);

  if (put < 0 && (errno == EAGAIN || errno == EINTR))
    return G_SOURCE_CONTINUE;
  if (put > 0)
    self->moved += (guint64)put;
  if (put > 0 && self->moved < self->size)
    return G_SOURCE_CONTINUE;
  flight_close_pipe (self); /* all of it is there, or berthd says why it takes no more */
  flight_check (self);
  return G_SOURCE_REMOVE;
}

/* What a file lacks of its size, berthd finds out by its end. */
static gboolean
flight_read_file (Flight *self, int fd, guint64 size)
{
  self->bytes = g_malloc (MAX (size, 1));
  while (self->size < size)
    {
      gssize got = read (fd, self->bytes + self->size, size - self->size);

      if (got < 0 && errno == EINTR)
        continue;
      if (got < 0)
        {
          berth_transfer_fail_to_read (self->guest, errno, &self->error);
          return FALSE;
        }
      if (got == 0)
        break;
      self->size += (gsize)got;
    }
  return TRUE;
}

void
berth_batch_put (BerthBatch *self, int fd, guint64 size, guint32 mode, const char *guest)
{
  Flight *flight = flight_new (self, guest);
  GVariantDict options = G_VARIANT_DICT_INIT (NULL);
  int far;

  if (!flight_read_file (flight, fd, size) || !flight_open_pipe (flight, TRUE, &far))
    {
      flight_fail (flight);
      return;
    }
  if (flight->size > 0)
    flight_watch (flight, G_IO_OUT | G_IO_ERR, writable_cb);
  else
    flight_close_pipe (flight);
  g_variant_dict_insert (&options, "size", "t", size);
  g_variant_dict_insert (&options, "mode", "u", mode & 0777);
  g_variant_dict_insert (&options, "max_bytes", "t", self->transfer->max_bytes);
  flight_call (flight, "Put", far, &options);
}

/* ---- from the sandbox ---- */

static void
flight_write (Flight *self, const guint8 *bytes, gsize size)
{
  while (size > 0 && self->write_failure == 0)
    {
      gssize put = write (self->landing.fd, bytes, size);

      if (put < 0 && errno == EINTR)
        continue;
      if (put < 0)
        {
          self->write_failure = errno;
          return;
        }
      bytes += put;
      size -= (gsize)put;
    }
}

/* What a folder may bring at most counts for those that are on their way together. */
static gboolean
flight_take (Flight *self, const guint8 *bytes, gsize size)
{
  BerthBatch *batch = self->batch;

  if (size > batch->left)
    {
      self->is_too_much = TRUE;
      return FALSE;
    }
  batch->left -= size;
  self->moved += (guint64)size;
  sha256_update (&self->sum, size, bytes);
  flight_write (self, bytes, size);
  return self->write_failure == 0;
}

static gboolean
readable_cb (int fd, GIOCondition condition, gpointer user_data)
{
  Flight *self = user_data;
  guint8 chunk[CHUNK_BYTES];
  gssize got = read (fd, chunk, sizeof chunk);

  if (got < 0 && (errno == EAGAIN || errno == EINTR))
    return G_SOURCE_CONTINUE;
  if (got > 0 && flight_take (self, chunk, (gsize)got))
    return G_SOURCE_CONTINUE;
  flight_close_pipe (self); /* with a reader that is gone, berthd gives it up */
  flight_check (self);
  return G_SOURCE_REMOVE;
}

void
berth_batch_get (BerthBatch *self, const char *guest, guint64 max_bytes, int folder_fd,
                 const char *name, const char *local)
{
  Flight *flight = flight_new (self, guest);
  GVariantDict options = G_VARIANT_DICT_INIT (NULL);
  int own = fcntl (folder_fd, F_DUPFD_CLOEXEC, 3);
  int far;

  flight->name = g_strdup (name);
  flight->local = g_strdup (local);
  sha256_init (&flight->sum);
  if (own < 0)
    berth_errno_set (&flight->error, errno, local);
  flight->landing.folder_fd = own;
  if (own < 0 || !berth_atomic_file_open (&flight->landing, own, local, &flight->error)
      || !flight_open_pipe (flight, FALSE, &far))
    {
      flight_fail (flight);
      return;
    }
  flight_watch (flight, G_IO_IN | G_IO_HUP, readable_cb);
  g_variant_dict_insert (&options, "max_bytes", "t", max_bytes);
  flight_call (flight, "Get", far, &options);
}
