/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Bytes of a file flow through a pipe beside the call, a chunk at a time, so that a file of any
 * size takes the memory of one. Flow and call both have to end before the caller hears of it: its
 * stream is its own again then. The answer says how it ended, but for what only we see: a stream of
 * the caller's that fails, and bytes that are not those that berthd sent. */
#include "plugin/libberth/berth-flow.h"

#include <fcntl.h>
#include <gio/gunixinputstream.h>
#include <gio/gunixoutputstream.h>
#include <glib-unix.h>
#include <string.h>

#include "plugin/base/berth-sha256.h"
#include "plugin/libberth/berth-client-call.h"
#include "plugin/base/berth-pipe.h"
#include "plugin/model/berth-file-request.h"
#include "plugin/model/berth-spec-private.h"
#include "pool/berth-error.h"

/* Bytes of a path, as in the guest; a message may not be longer than berthd takes */
#define PATH_MAX_BYTES 4096u
#define CHUNK_BYTES 65536u
/* Four chunks, so that neither end waits for the other at each */
#define PIPE_BYTES (4 * (int)CHUNK_BYTES)

typedef struct
{
  char *path;
  gboolean is_put;
  GInputStream *from; /* the caller's, or our end of the pipe */
  GOutputStream *to;  /* our end of the pipe, or the caller's */
  guint64 left;       /* may still be read */
  guint64 moved;
  struct sha256_ctx sum; /* of a get */
  guint8 chunk[CHUNK_BYTES];
  GCancellable *stop; /* ends the flow */
  guint n_pending;    /* of the two: flow and call */
  GVariant *answer;
  GError *error;   /* of the call */
  GError *failure; /* of the caller's stream */
} Transfer;

static void read_next (GTask *task);

static void
transfer_free (gpointer data)
{
  Transfer *transfer = data;

  g_free (transfer->path);
  g_clear_object (&transfer->from);
  g_clear_object (&transfer->to);
  g_clear_object (&transfer->stop);
  g_clear_pointer (&transfer->answer, g_variant_unref);
  g_clear_error (&transfer->error);
  g_clear_error (&transfer->failure);
  g_free (transfer);
}

gboolean
berth_flow_check_path (const char *path, GError **error)
{
  if (strlen (path) <= PATH_MAX_BYTES)
    return TRUE;
  g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID, "path: at most %u bytes are allowed",
               PATH_MAX_BYTES);
  return FALSE;
}

gboolean
berth_flow_check_where (const char *id, const char *path, GError **error)
{
  return berth_spec_check_name ("sandbox id", id, error) && berth_flow_check_path (path, error);
}

/* berthd has compared what it sent with the guest's; this is the rest of the way. */
static gboolean
has_arrived (Transfer *transfer)
{
  g_autoptr (GVariant) info = g_variant_get_child_value (transfer->answer, 0);
  g_autofree char *arrived = NULL;
  const char *sum = "";
  guint64 size = 0;

  if (transfer->is_put)
    return TRUE;
  arrived = berth_sha256_finish (&transfer->sum);
  return g_variant_lookup (info, "size", "t", &size) && size == transfer->moved
         && g_variant_lookup (info, "sha256", "&s", &sum) && g_str_equal (sum, arrived);
}

static void
part_done (GTask *task)
{
  Transfer *transfer = g_task_get_task_data (task);

  if (--transfer->n_pending > 0)
    return;
  if (transfer->failure != NULL)
    g_task_return_new_error (task, BERTH_ERROR, BERTH_ERROR_LOCAL, "your own stream for '%s': %s",
                             transfer->path, transfer->failure->message);
  else if (transfer->error != NULL)
    g_task_return_error (task, g_steal_pointer (&transfer->error));
  else if (!has_arrived (transfer))
    g_task_return_new_error (task, BERTH_ERROR, BERTH_ERROR_UNAVAILABLE,
                             "file '%s': what arrived is not what was sent" BERTH_FILE_TRY_AGAIN,
                             transfer->path);
  else
    g_task_return_boolean (task, TRUE);
}

static void
answered_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  Transfer *transfer = g_task_get_task_data (task);

  transfer->answer = g_task_propagate_pointer (G_TASK (result), &transfer->error);
  /* what is still on its way goes nowhere, but for the last bytes of a get */
  if (transfer->is_put || transfer->error != NULL)
    g_cancellable_cancel (transfer->stop);
  part_done (task);
}

/* The pipe's end is closed, so that berthd sees that there is no more; the caller's stream is not.
 */
static void
flow_done (GTask *task)
{
  Transfer *transfer = g_task_get_task_data (task);

  if (transfer->is_put)
    g_output_stream_close (transfer->to, NULL, NULL);
  else
    g_input_stream_close (transfer->from, NULL, NULL);
  part_done (task);
}

/* Takes over @error: of the caller's stream, or of the pipe, which the answer explains. */
static void
flow_failed (GTask *task, gboolean is_callers, GError *error)
{
  Transfer *transfer = g_task_get_task_data (task);

  if (is_callers && !g_cancellable_is_cancelled (transfer->stop))
    transfer->failure = error;
  else
    g_error_free (error);
  flow_done (task);
}

static void
written_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  Transfer *transfer = g_task_get_task_data (task);
  GError *error = NULL;

  if (g_output_stream_write_all_finish (transfer->to, result, NULL, &error))
    read_next (task);
  else
    flow_failed (task, !transfer->is_put, error);
}

static void
read_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  Transfer *transfer = g_task_get_task_data (task);
  GError *error = NULL;
  gssize size = g_input_stream_read_finish (transfer->from, result, &error);

  if (size < 0)
    {
      flow_failed (task, transfer->is_put, error);
      return;
    }
  if (size == 0)
    {
      flow_done (task);
      return;
    }
  transfer->left -= (guint64)size;
  transfer->moved += (guint64)size;
  if (!transfer->is_put)
    sha256_update (&transfer->sum, (gsize)size, transfer->chunk);
  g_output_stream_write_all_async (transfer->to, transfer->chunk, (gsize)size, G_PRIORITY_DEFAULT,
                                   transfer->stop, written_cb, g_steal_pointer (&task));
}

static void
read_next (GTask *task)
{
  Transfer *transfer = g_task_get_task_data (task);

  if (transfer->left > 0)
    g_input_stream_read_async (transfer->from, transfer->chunk,
                               MIN (sizeof transfer->chunk, transfer->left), G_PRIORITY_DEFAULT,
                               transfer->stop, read_cb, g_object_ref (task));
  else
    flow_done (task);
}

/* Our end of the pipe, the other goes with the call; FALSE with @error */
static gboolean
open_pipe (Transfer *transfer, GVariantDict *options, GUnixFDList *fds, GError **error)
{
  int far = -1;
  int own = berth_pipe_open (&far, transfer->is_put, error);

  if (own < 0)
    return FALSE;
  fcntl (own, F_SETPIPE_SZ, PIPE_BYTES); /* where it may not grow, it is slower */
  g_unix_set_fd_nonblocking (own, TRUE, NULL);
  if (transfer->is_put)
    transfer->to = g_unix_output_stream_new (own, TRUE);
  else
    transfer->from = g_unix_input_stream_new (own, TRUE);
  if (berth_pipe_hand_over (&far, "data", options, fds, error))
    return TRUE;
  berth_pipe_close (&far);
  return FALSE;
}

static Transfer *
transfer_new (const BerthFlow *what)
{
  Transfer *transfer = g_new0 (Transfer, 1);

  transfer->path = g_utf8_make_valid (what->path, -1);
  transfer->is_put = what->from != NULL;
  g_set_object (&transfer->from, what->from);
  g_set_object (&transfer->to, what->to);
  transfer->left = transfer->is_put ? what->size : G_MAXUINT64;
  sha256_init (&transfer->sum);
  transfer->stop = g_cancellable_new ();
  transfer->n_pending = 2;
  return transfer;
}

void
berth_flow_start (GTask *task, const BerthFlow *what)
{
  g_autoptr (GTask) owned = task;
  g_autoptr (GUnixFDList) fds = g_unix_fd_list_new ();
  Transfer *transfer = transfer_new (what);
  BerthClientCall call
      = { BERTH_CLIENT_CALL_CARRIES, transfer->is_put ? "Put" : "Get", .answer_type = "(a{sv})" };
  GError *error = NULL;
  GTask *calling;

  g_task_set_check_cancellable (task, FALSE);
  g_task_set_task_data (task, transfer, transfer_free);
  if (!berth_flow_check_where (what->id, what->path, &error)
      || !open_pipe (transfer, what->options, fds, &error))
    {
      g_variant_dict_clear (what->options);
      g_task_return_error (task, error);
      return;
    }
  if (transfer->is_put)
    g_variant_dict_insert (what->options, "size", "t", what->size);
  call.fds = g_steal_pointer (&fds);
  call.arguments = g_variant_new ("(s@ay@a{sv})", what->id, g_variant_new_bytestring (what->path),
                                  g_variant_dict_end (what->options));
  calling = g_task_new (g_task_get_source_object (task), g_task_get_cancellable (task), answered_cb,
                        g_object_ref (task));
  read_next (task);
  berth_client_call_start (calling, &call);
}

gboolean
berth_flow_finish (BerthClient *client, GAsyncResult *result, gpointer tag, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, client), FALSE);
  g_return_val_if_fail (g_task_get_source_tag (G_TASK (result)) == tag, FALSE);

  return g_task_propagate_boolean (G_TASK (result), error);
}

GOutputStream *
berth_flow_get_target (GAsyncResult *result)
{
  Transfer *transfer = g_task_get_task_data (G_TASK (result));

  return transfer->to;
}
