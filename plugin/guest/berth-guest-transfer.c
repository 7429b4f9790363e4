/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One file under way between a guest and a descriptor of the host, in constant memory; nothing that
 * the guest says of it is believed without a look. */
#include "berth-guest-transfer.h"

#include <errno.h>
#include <glib-unix.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

#include "berth-file-listing.h"
#include "berth-guest-error.h"
#include "berth-output.h"
#include "plugin/base/berth-caller-fd.h"
#include "plugin/base/berth-sha256.h"
#include "berth-backstop.h"
#include "plugin/base/berth-source.h"
#include "pool/berth-error.h"

/* As of an exec's stream: enough to keep a slow guest busy over the round trip. */
#define FILE_CREDIT (256u * 1024u)
/* Whole pages, so that no page of the file is written in two pieces; the most of them in a frame.
 */
#define PIECE_BYTES (BERTH_DATA_MAX / 4096u * 4096u)
/* A guest that has said nothing for so long, while it was its turn, is not going to. */
#define STALL_MS (60u * 1000u)
/* The same, after it was told to stop. */
#define WITHDRAW_MS (10u * 1000u)

struct _BerthGuestTransfer
{
  BerthFrameChannel *channel;
  const guint32 *version; /* that the agent speaks; known when it answers */
  guint32 request;
  BerthFileRequest *file;
  BerthGuestTransferDoneFunc func;
  gpointer user_data;
  XXH64_state_t *sum;       /* what the guest and we compare */
  struct sha256_ctx sha256; /* what the caller is told, of a file */
  guint64 moved;            /* bytes of DATA, in either direction */
  guint64 data_size;        /* PUT: of all DATA */
  guint next_hole;     /* PUT, where holes are sent as zeros: behind or around what was moved */
  gsize credit;        /* what its sender may still send */
  gsize owed;          /* drained, not yet given back */
  GSource *source;     /* PUT: waits for the caller's bytes */
  BerthOutput *output; /* GET */
  GByteArray *listing; /* LIST */
  BerthBackstop stall;
  guint stall_ms;     /* between two looks at it */
  gint64 quiet_ms;    /* nothing has happened for so long, as far as was looked */
  gboolean is_moving; /* something happened since the stall was last looked at */
  gboolean is_cancelled;
  gboolean has_end;
  gboolean
      is_taking; /* within berth_guest_transfer_take(): nothing completes before it is through */
  BerthFileDone end;
  GError *failure;
};

static void file_maybe_done (BerthGuestTransfer *self);
static void file_give_up (BerthGuestTransfer *self, GError *error);
static void file_arm_stall (BerthGuestTransfer *self, guint ms);

void
berth_guest_transfer_free (BerthGuestTransfer *self)
{
  berth_source_clear (&self->source);
  berth_backstop_clear (&self->stall);
  g_clear_pointer (&self->output, berth_output_free);
  g_clear_pointer (&self->listing, g_byte_array_unref);
  XXH64_freeState (self->sum);
  berth_file_request_free (self->file);
  g_clear_error (&self->failure);
  g_free (self);
}

guint32
berth_guest_transfer_get_request (BerthGuestTransfer *self)
{
  return self->request;
}

G_GNUC_PRINTF (3, 4)
static GError *
file_error (BerthGuestTransfer *self, BerthError code, const char *format, ...)
{
  g_autofree char *path = berth_file_dup_shown (self->file->path);
  g_autofree char *text = NULL;
  va_list arguments;

  va_start (arguments, format);
  text = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  return g_error_new (BERTH_ERROR, (int)code, "file '%s': %s", path, text);
}

static gboolean
is_file (BerthGuestTransfer *self)
{
  return self->file->kind == BERTH_FILE_PUT || self->file->kind == BERTH_FILE_GET;
}

/* ---- the end ---- */

static gboolean
end_is_true (BerthGuestTransfer *self)
{
  if (self->file->kind == BERTH_FILE_MAKE_DIRECTORY)
    return TRUE;
  return self->end.size == self->moved
         && (self->file->kind != BERTH_FILE_PUT || self->moved == self->data_size)
         && self->end.sum == XXH64_digest (self->sum);
}

static BerthFileResult *
file_make_result (BerthGuestTransfer *self, GError **error)
{
  g_autoptr (BerthFileResult) result = g_new0 (BerthFileResult, 1);

  if (!end_is_true (self))
    {
      g_propagate_error (error,
                         file_error (self, BERTH_ERROR_UNAVAILABLE,
                                     "what arrived is not what was sent" BERTH_FILE_TRY_AGAIN));
      return NULL;
    }
  result->size = self->file->kind == BERTH_FILE_PUT ? self->file->size : self->end.size;
  result->mode = self->end.mode;
  if (self->file->kind == BERTH_FILE_LIST)
    {
      result->entries
          = berth_file_listing_parse (self->listing->data, self->listing->len, *self->version,
                                      self->file->count_max, self->file->after);
      result->is_more = (self->end.flags & BERTH_DONE_MORE) != 0;
      if (result->entries == NULL)
        {
          g_propagate_error (
              error, file_error (self, BERTH_ERROR_INVALID, "what the guest lists is no folder"));
          return NULL;
        }
    }
  if (is_file (self) && self->file->holes == NULL)
    result->sha256 = berth_sha256_finish (&self->sha256);
  return g_steal_pointer (&result);
}

/* Last: it frees the file. */
static void
file_complete (BerthGuestTransfer *self)
{
  g_autoptr (GError) error = g_steal_pointer (&self->failure);
  BerthFileResult *result = error == NULL ? file_make_result (self, &error) : NULL;

  /* whoever hears of the end finds all of it, and the end-of-file behind it */
  g_clear_pointer (&self->output, berth_output_free);
  self->func (self, result, g_steal_pointer (&error), self->user_data);
}

static void
file_maybe_done (BerthGuestTransfer *self)
{
  if (!self->has_end
      || (self->failure == NULL && self->output != NULL && !berth_output_is_drained (self->output)))
    return;
  file_complete (self);
}

void
berth_guest_transfer_fail (BerthGuestTransfer *self, const GError *error)
{
  if (self->failure == NULL)
    self->failure
        = file_error (self, BERTH_ERROR_GONE, "the VM ended meanwhile (%s)", error->message);
  file_complete (self);
}

static gboolean
is_callers_turn (BerthGuestTransfer *self)
{
  return self->failure == NULL
         && (self->source != NULL
             || (self->output != NULL && !berth_output_is_drained (self->output)));
}

/* Whose turn it is has been quiet for too long; NULL: not yet */
static GError *
file_check_quiet (BerthGuestTransfer *self)
{
  gint64 idle_us = self->file->caller_idle_us;

  if (!is_callers_turn (self))
    return self->quiet_ms < STALL_MS
               ? NULL
               : file_error (self, BERTH_ERROR_UNAVAILABLE,
                             "the guest did not go on with it for %u s", STALL_MS / 1000);
  if (idle_us <= 0 || self->quiet_ms * 1000 < idle_us)
    return NULL;
  return file_error (self, BERTH_ERROR_INVALID,
                     "its %s nothing for the sandbox's idle time (%g s): it was given up",
                     self->source != NULL ? "sender sent" : "reader took", (double)idle_us / 1e6);
}

static gboolean
stall_cb (gpointer user_data)
{
  BerthGuestTransfer *self = user_data;
  GError *error;

  self->quiet_ms = self->is_moving ? 0 : self->quiet_ms + self->stall_ms;
  self->is_moving = FALSE;
  if (self->quiet_ms == 0)
    return G_SOURCE_CONTINUE;
  if (self->failure != NULL)
    {
      file_complete (self);
      return G_SOURCE_REMOVE;
    }
  error = file_check_quiet (self);
  if (error == NULL)
    return G_SOURCE_CONTINUE;
  file_give_up (self, error); /* last: it may free us */
  return G_SOURCE_REMOVE;
}

static void
file_arm_stall (BerthGuestTransfer *self, guint ms)
{
  self->stall_ms = ms;
  self->quiet_ms = 0;
  berth_backstop_arm (&self->stall, ms, stall_cb, self);
}

void
berth_guest_transfer_hold (BerthGuestTransfer *self, gboolean is_held)
{
  berth_backstop_hold (&self->stall, is_held);
}

/* Takes over @error; tells the guest to stop, and completes with it when it has. */
static void
file_abort (BerthGuestTransfer *self, GError *error)
{
  guint8 grace[4] = { 0 };

  if (self->failure != NULL)
    {
      g_error_free (error);
      return;
    }
  self->failure = error;
  if (self->has_end)
    return;
  self->is_moving = FALSE;
  berth_source_clear (&self->source);
  berth_frame_channel_send (self->channel, BERTH_FRAME_KILL, self->request, grace, sizeof grace,
                            NULL, 0);
  file_arm_stall (self, WITHDRAW_MS);
}

/* Takes over @error; the same where the guest has told its end, and nothing more comes of it. */
static void
file_give_up (BerthGuestTransfer *self, GError *error)
{
  file_abort (self, error);
  if (self->has_end)
    file_maybe_done (self); /* last: it frees us */
}

void
berth_guest_transfer_cancel (BerthGuestTransfer *self)
{
  self->is_cancelled = TRUE;
  file_give_up (self, g_error_new_literal (G_IO_ERROR, G_IO_ERROR_CANCELLED,
                                           "the transfer was withdrawn by its caller"));
}

/* ---- to the guest ---- */

static void
file_count (BerthGuestTransfer *self, const guint8 *bytes, gsize size)
{
  self->moved += size;
  XXH64_update (self->sum, bytes, size);
  if (is_file (self) && self->file->holes == NULL)
    sha256_update (&self->sha256, size, bytes);
}

static void
file_send_done (BerthGuestTransfer *self)
{
  BerthFileDone done = { .size = self->moved, .sum = XXH64_digest (self->sum) };

  berth_frame_channel_send (self->channel, BERTH_FRAME_DONE, self->request, &done, sizeof done,
                            NULL, 0);
}

static void
file_send_data (BerthGuestTransfer *self, const guint8 *bytes, gsize size)
{
  guint8 number[4];

  berth_le32_write (number, BERTH_STREAM_FILE);
  file_count (self, bytes, size);
  berth_frame_channel_send (self->channel, BERTH_FRAME_DATA, self->request, number, sizeof number,
                            bytes, size);
  self->credit -= size;
  self->is_moving = TRUE;
  if (self->moved == self->data_size)
    file_send_done (self);
}

/* By the guest's credit, and by the room that the host has for what the guest does not read. */
static gboolean
file_may_read (BerthGuestTransfer *self)
{
  return self->credit > 0 && self->moved < self->data_size && self->failure == NULL
         && !berth_frame_channel_is_full (self->channel);
}

/* Bytes of this file are zeros from here on, for so many; 0: none are. To an agent that knows of no
 * holes; any other is never sent them. */
static guint64
file_count_zeros (BerthGuestTransfer *self, guint64 *out_until)
{
  const BerthHole *hole;

  *out_until = self->data_size - self->moved;
  if (self->file->holes == NULL || self->data_size < self->file->size)
    return 0;
  for (;; self->next_hole++)
    {
      if (self->next_hole == self->file->holes->len)
        return 0;
      hole = &g_array_index (self->file->holes, BerthHole, self->next_hole);
      if (self->moved < hole->begin + hole->size)
        break;
    }
  if (self->moved < hole->begin)
    {
      *out_until = hole->begin - self->moved;
      return 0;
    }
  return hole->begin + hole->size - self->moved;
}

static void
file_send_zeros (BerthGuestTransfer *self)
{
  static const guint8 zeros[PIECE_BYTES];
  guint64 until, count;

  while (file_may_read (self) && (count = file_count_zeros (self, &until)) > 0)
    file_send_data (self, zeros, MIN (MIN (sizeof zeros, self->credit), count));
}

static gboolean
readable_cb (int fd, GIOCondition condition, gpointer user_data)
{
  BerthGuestTransfer *self = user_data;
  guint8 bytes[PIECE_BYTES];
  guint64 until;
  gssize got;

  file_count_zeros (self, &until);
  got = berth_caller_fd_read (fd, bytes, MIN (MIN (sizeof bytes, self->credit), until));

  if (got < 0 && (errno == EAGAIN || errno == EINTR))
    return G_SOURCE_CONTINUE;
  if (got <= 0)
    {
      file_abort (self, file_error (self, BERTH_ERROR_INVALID,
                                    "its bytes ended after %" G_GUINT64_FORMAT
                                    " of %" G_GUINT64_FORMAT ": nothing was changed",
                                    self->moved, self->data_size));
      return G_SOURCE_REMOVE;
    }
  file_send_data (self, bytes, (gsize)got);
  file_send_zeros (self);
  if (file_may_read (self))
    return G_SOURCE_CONTINUE;
  berth_source_clear (&self->source);
  return G_SOURCE_REMOVE;
}

static void
file_maybe_watch (BerthGuestTransfer *self)
{
  if (self->source != NULL || self->file->kind != BERTH_FILE_PUT)
    return;
  file_send_zeros (self);
  if (!file_may_read (self))
    return;
  self->source = g_unix_fd_source_new (self->file->fd, G_IO_IN | G_IO_HUP);
  g_source_set_callback (self->source, G_SOURCE_FUNC (readable_cb), self, NULL);
  g_source_attach (self->source, g_main_context_get_thread_default ());
}

static gboolean
file_take_credit (BerthGuestTransfer *self, const BerthFrame *frame, GError **error)
{
  guint32 stream = berth_le32_read (frame->payload);
  guint32 size = berth_le32_read (frame->payload + 4);

  if (self->file->kind != BERTH_FILE_PUT || stream != BERTH_STREAM_FILE || size == 0
      || size > BERTH_CREDIT_MAX - MIN (self->credit, BERTH_CREDIT_MAX))
    {
      g_set_error (error, BERTH_PROTOCOL_ERROR, BERTH_PROTOCOL_ERROR_TOO_LARGE,
                   "credit of %u bytes for stream %u of a file", size, stream);
      return FALSE;
    }
  self->credit += size;
  file_maybe_watch (self);
  return TRUE;
}

/* ---- from the guest ---- */

static void
file_maybe_send_credit (BerthGuestTransfer *self)
{
  guint8 payload[8];

  if (self->owed < FILE_CREDIT / 2 || self->has_end || berth_frame_channel_is_full (self->channel))
    return;
  berth_le32_write (payload, BERTH_STREAM_FILE);
  berth_le32_write (payload + 4, (guint32)self->owed);
  berth_frame_channel_send (self->channel, BERTH_FRAME_CREDIT, self->request, payload,
                            sizeof payload, NULL, 0);
  self->credit += self->owed;
  self->owed = 0;
}

static void
file_return_credit (BerthGuestTransfer *self, gsize size)
{
  self->owed += size;
  file_maybe_send_credit (self);
}

void
berth_guest_transfer_go_on (BerthGuestTransfer *self)
{
  file_maybe_watch (self);
  file_maybe_send_credit (self);
}

static void
drained_cb (gsize size, gpointer user_data)
{
  BerthGuestTransfer *self = user_data;

  self->is_moving = TRUE;
  file_return_credit (self, size);
  if (berth_output_is_broken (self->output))
    file_abort (self, g_error_new_literal (G_IO_ERROR, G_IO_ERROR_CANCELLED,
                                           "the transfer's reader went away"));
  if (!self->is_taking)
    file_maybe_done (self); /* last: it may free us */
}

static gboolean
file_check_data (BerthGuestTransfer *self, guint32 stream, gsize size, GError **error)
{
  guint64 max = self->file->kind == BERTH_FILE_GET ? self->file->size_max
                                                   : berth_file_listing_max (self->file->count_max);

  if (stream != BERTH_STREAM_FILE || self->file->kind < BERTH_FILE_GET)
    g_set_error (error, BERTH_PROTOCOL_ERROR, BERTH_PROTOCOL_ERROR_UNEXPECTED,
                 "data on stream %u for a file", stream);
  else if (size == 0 || size > self->credit || size > max - self->moved)
    g_set_error (error, BERTH_PROTOCOL_ERROR, BERTH_PROTOCOL_ERROR_TOO_LARGE,
                 "%" G_GSIZE_FORMAT " bytes of a file beyond what it may have", size);
  else
    return TRUE;
  return FALSE;
}

static gboolean
file_take_data (BerthGuestTransfer *self, const BerthFrame *frame, GError **error)
{
  const guint8 *bytes = frame->payload + 4;
  gsize size = frame->length - 4;

  if (!file_check_data (self, berth_le32_read (frame->payload), size, error))
    return FALSE;
  self->credit -= size;
  file_count (self, bytes, size);
  if (self->failure != NULL)
    return TRUE;
  if (self->output != NULL)
    berth_output_write (self->output, bytes, size);
  else
    {
      g_byte_array_append (self->listing, bytes, (guint)size);
      file_return_credit (self, size);
    }
  return TRUE;
}

static void
file_take_error (BerthGuestTransfer *self, const BerthFrame *frame)
{
  g_autofree char *text = berth_guest_error_dup_text (frame);

  self->has_end = TRUE;
  if (self->failure == NULL)
    self->failure = file_error (self, berth_guest_error_get_code (frame), "%s", text);
}

static void
file_take_done (BerthGuestTransfer *self, const BerthFrame *frame)
{
  memcpy (&self->end, frame->payload, sizeof self->end);
  self->has_end = TRUE;
  /* it has its name: that it was withdrawn came too late */
  if (self->is_cancelled && self->file->kind == BERTH_FILE_PUT && self->moved == self->data_size)
    g_clear_error (&self->failure);
}

gboolean
berth_guest_transfer_take (BerthGuestTransfer *self, const BerthFrame *frame, GError **error)
{
  gboolean ok = TRUE;

  if (self->has_end)
    {
      g_set_error_literal (error, BERTH_PROTOCOL_ERROR, BERTH_PROTOCOL_ERROR_UNEXPECTED,
                           "a frame after a file's end");
      return FALSE;
    }
  self->is_taking = TRUE;
  self->is_moving = self->failure == NULL;
  switch (frame->type)
    {
    case BERTH_FRAME_DATA:
      ok = file_take_data (self, frame, error);
      break;
    case BERTH_FRAME_CREDIT:
      ok = file_take_credit (self, frame, error);
      break;
    case BERTH_FRAME_DONE:
      file_take_done (self, frame);
      break;
    case BERTH_FRAME_ERROR:
      file_take_error (self, frame);
      break;
    default:
      g_set_error (error, BERTH_PROTOCOL_ERROR, BERTH_PROTOCOL_ERROR_UNEXPECTED,
                   "a frame of type %u for a file", frame->type);
      ok = FALSE;
    }
  self->is_taking = FALSE;
  if (ok)
    file_maybe_done (self); /* last: it may free us */
  return ok;
}

/* ---- the request ---- */

static void
file_send_put (BerthGuestTransfer *self)
{
  GArray *holes = *self->version >= BERTH_PUT_HOLES_VERSION ? self->file->holes : NULL;
  gboolean is_directory = self->file->kind == BERTH_FILE_MAKE_DIRECTORY;
  BerthPutHead head = { .size = self->file->size,
                        .mode = self->file->mode,
                        .flags = is_directory ? BERTH_PUT_DIRECTORY : 0 };
  g_autoptr (GByteArray) rest = g_byte_array_new ();
  guint8 count[4];

  self->data_size
      = holes != NULL ? berth_file_request_get_data_size (self->file) : self->file->size;
  if (holes != NULL)
    {
      head.flags |= BERTH_PUT_HOLES;
      berth_le32_write (count, holes->len);
      g_byte_array_append (rest, count, sizeof count);
      g_byte_array_append (rest, (const guint8 *)holes->data,
                           (guint)(holes->len * sizeof (BerthHole)));
    }
  g_byte_array_append (rest, (const guint8 *)self->file->path, (guint)strlen (self->file->path));
  berth_frame_channel_send (self->channel, BERTH_FRAME_PUT, self->request, &head, sizeof head,
                            rest->data, rest->len);
  if (!is_directory && self->data_size == 0)
    file_send_done (self);
}

static void
file_send_get (BerthGuestTransfer *self)
{
  BerthGetHead head = { .size_max = self->file->size_max, .credit = FILE_CREDIT };

  self->credit = FILE_CREDIT;
  self->output = berth_output_new_for_fd (self->file->fd, drained_cb, self);
  self->file->fd = -1; /* the output's */
  berth_frame_channel_send (self->channel, BERTH_FRAME_GET, self->request, &head, sizeof head,
                            self->file->path, strlen (self->file->path));
}

static void
file_send_list (BerthGuestTransfer *self)
{
  BerthLsHead head = { .path_size = (guint32)strlen (self->file->path),
                       .count_max = self->file->count_max,
                       .credit = FILE_CREDIT };
  g_autofree char *names
      = g_strconcat (self->file->path, self->file->after != NULL ? self->file->after : "", NULL);

  self->credit = FILE_CREDIT;
  self->listing = g_byte_array_new ();
  berth_frame_channel_send (self->channel, BERTH_FRAME_LS, self->request, &head, sizeof head, names,
                            strlen (names));
}

/* The shorter of the times that guest and caller may be quiet for */
static guint
file_get_look_ms (const BerthFileRequest *file)
{
  gint64 idle_ms = file->caller_idle_us / 1000;

  return idle_ms > 0 && idle_ms < STALL_MS ? (guint)idle_ms : STALL_MS;
}

BerthGuestTransfer *
berth_guest_transfer_new (BerthFrameChannel *channel, const guint32 *version, guint32 request,
                          BerthFileRequest *file, BerthGuestTransferDoneFunc func,
                          gpointer user_data)
{
  BerthGuestTransfer *self = g_new0 (BerthGuestTransfer, 1);

  self->channel = channel;
  self->version = version;
  self->request = request;
  self->file = file;
  self->func = func;
  self->user_data = user_data;
  self->sum = XXH64_createState ();
  g_assert (self->sum != NULL); /* as GLib does without memory */
  XXH64_reset (self->sum, 0);
  sha256_init (&self->sha256);
  if (file->kind == BERTH_FILE_GET)
    file_send_get (self);
  else if (file->kind == BERTH_FILE_LIST)
    file_send_list (self);
  else
    file_send_put (self);
  file_arm_stall (self, file_get_look_ms (file));
  return self;
}
