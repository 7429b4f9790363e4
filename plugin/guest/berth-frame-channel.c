/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A guest's channel as frames: a socket, the decoder, a queue of what is still to be written. */
#include "berth-frame-channel.h"

#include "plugin/base/berth-source.h"

/* written bytes that are kept in front of the others, at most */
#define QUEUE_DONE_MAX (256u * 1024u)
/* frames taken from one guest before others get their turn (invariant 10) */
#define FRAMES_PER_TURN 16

struct _BerthFrameChannel
{
  gatomicrefcount ref_count; /* the owner's, and one for each dispatch under way */
  GSocket *socket;
  BerthFrameDecoder *decoder;
  GByteArray *queue;
  gsize queue_done; /* bytes of the queue that are written */
  GByteArray *held; /* (nullable): frames for after the queue, while it holds */
  GSource *read_source;
  GSource *write_source;
  GSource *continue_source; /* a turn ended with frames left in the buffer */
  GSource *give_up_source;  /* the guest reads nothing */
  gboolean is_awaited;      /* somebody found it full */
  BerthFrameRoomFunc room_func;
  BerthFrameFunc frame_func; /* NULL once closed */
  BerthFrameClosedFunc closed_func;
  gpointer user_data;
};

static BerthFrameChannel *
channel_ref (BerthFrameChannel *self)
{
  g_atomic_ref_count_inc (&self->ref_count);
  return self;
}

static void
channel_unref (BerthFrameChannel *self)
{
  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;
  g_byte_array_unref (self->queue);
  g_clear_pointer (&self->held, g_byte_array_unref);
  berth_frame_decoder_free (self->decoder);
  g_object_unref (self->socket);
  g_free (self);
}
typedef BerthFrameChannel ChannelHold;
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ChannelHold, channel_unref)

static void
channel_close (BerthFrameChannel *self)
{
  self->frame_func = NULL;
  self->closed_func = NULL;
  berth_source_clear (&self->read_source);
  berth_source_clear (&self->write_source);
  berth_source_clear (&self->continue_source);
  berth_source_clear (&self->give_up_source);
  g_socket_close (self->socket, NULL);
}

static void
channel_fail (BerthFrameChannel *self, const GError *error)
{
  BerthFrameClosedFunc func = self->closed_func;

  if (func == NULL)
    return;
  channel_close (self);
  func (error, self->user_data);
}

/* A QEMU that ends, and a libvirtd that can't reach it, leave the socket in one of these ways. */
static gboolean
is_end (gssize got, const GError *error)
{
  return got == 0 || g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CONNECTION_CLOSED);
}

/* FALSE: nothing more to read for now, or the channel is closed. */
static gboolean
channel_fill (BerthFrameChannel *self)
{
  g_autoptr (GError) error = NULL;
  gsize size = 0;
  guint8 *room = berth_frame_decoder_reserve (self->decoder, &size);
  gssize got
      = g_socket_receive_with_blocking (self->socket, (char *)room, size, FALSE, NULL, &error);

  if (got > 0)
    {
      berth_frame_decoder_commit (self->decoder, (gsize)got);
      return TRUE;
    }
  if (is_end (got, error))
    {
      g_clear_error (&error);
      g_set_error_literal (&error, G_IO_ERROR, G_IO_ERROR_CLOSED,
                           "the channel to its agent was closed");
    }
  if (!g_error_matches (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK))
    channel_fail (self, error);
  return FALSE;
}

/* Takes a turn's worth of frames; TRUE when there may be more in the buffer. */
static gboolean
channel_take_turn (BerthFrameChannel *self)
{
  for (guint i = 0; i < FRAMES_PER_TURN && self->frame_func != NULL; i++)
    {
      g_autoptr (GError) error = NULL;
      BerthFrame frame;

      if (berth_frame_decoder_next (self->decoder, &frame, &error))
        self->frame_func (&frame, self->user_data);
      else if (error != NULL)
        channel_fail (self, error);
      else if (!channel_fill (self))
        return FALSE;
    }
  return self->frame_func != NULL;
}

static gboolean
continue_cb (gpointer user_data)
{
  g_autoptr (ChannelHold) self = channel_ref (user_data);

  if (channel_take_turn (self))
    return G_SOURCE_CONTINUE;
  berth_source_clear (&self->continue_source);
  return G_SOURCE_REMOVE;
}

static gboolean
readable_cb (GSocket *socket, GIOCondition condition, gpointer user_data)
{
  g_autoptr (ChannelHold) self = channel_ref (user_data);

  if (!channel_take_turn (self) || self->continue_source != NULL)
    return G_SOURCE_CONTINUE;
  /* whole frames in the buffer make no event of their own */
  self->continue_source = g_idle_source_new ();
  g_source_set_priority (self->continue_source, G_PRIORITY_DEFAULT);
  g_source_set_callback (self->continue_source, continue_cb, self, NULL);
  g_source_attach (self->continue_source, g_main_context_get_thread_default ());
  return G_SOURCE_CONTINUE;
}

static gboolean writable_cb (GSocket *socket, GIOCondition condition, gpointer user_data);

static void
channel_watch (BerthFrameChannel *self, GSource **source, GIOCondition condition,
               GSocketSourceFunc func)
{
  if (*source != NULL)
    return;
  *source = g_socket_create_source (self->socket, condition, NULL);
  g_source_set_callback (*source, G_SOURCE_FUNC (func), self, NULL);
  g_source_attach (*source, g_main_context_get_thread_default ());
}

static void
channel_flush (BerthFrameChannel *self)
{
  while (self->queue_done < self->queue->len)
    {
      g_autoptr (GError) error = NULL;
      gssize put = g_socket_send_with_blocking (
          self->socket, (const char *)self->queue->data + self->queue_done,
          self->queue->len - self->queue_done, FALSE, NULL, &error);

      if (put > 0)
        self->queue_done += (gsize)put;
      else if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK))
        {
          channel_watch (self, &self->write_source, G_IO_OUT, writable_cb);
          return;
        }
      else
        /* the reading side sees the same end, and tells it outside of the caller's call */
        break;
    }
  g_byte_array_set_size (self->queue, 0);
  self->queue_done = 0;
  berth_source_clear (&self->write_source);
}

static gsize
channel_pending (BerthFrameChannel *self)
{
  return self->queue->len - self->queue_done;
}

static void
channel_tell_room (BerthFrameChannel *self)
{
  if (!self->is_awaited || self->held != NULL || self->frame_func == NULL || self->room_func == NULL
      || channel_pending (self) > BERTH_FRAME_QUEUE_BYTES / 2)
    return;
  self->is_awaited = FALSE;
  self->room_func (self->user_data);
}

static gboolean
writable_cb (GSocket *socket, GIOCondition condition, gpointer user_data)
{
  g_autoptr (ChannelHold) self = channel_ref (user_data);

  channel_flush (self);
  channel_tell_room (self);
  return G_SOURCE_CONTINUE;
}

static gboolean
give_up_cb (gpointer user_data)
{
  g_autoptr (ChannelHold) self = channel_ref (user_data);
  g_autoptr (GError) error = g_error_new_literal (
      BERTH_PROTOCOL_ERROR, BERTH_PROTOCOL_ERROR_TOO_LARGE, "its agent reads nothing");

  channel_fail (self, error);
  return G_SOURCE_REMOVE;
}

/* Outside of the caller's call, as every end is told */
static void
channel_give_up (BerthFrameChannel *self)
{
  if (self->give_up_source != NULL)
    return;
  self->give_up_source = g_idle_source_new ();
  g_source_set_priority (self->give_up_source, G_PRIORITY_DEFAULT);
  g_source_set_callback (self->give_up_source, give_up_cb, self, NULL);
  g_source_attach (self->give_up_source, g_main_context_get_thread_default ());
}

void
berth_frame_channel_set_room_func (BerthFrameChannel *self, BerthFrameRoomFunc func)
{
  self->room_func = func;
}

gboolean
berth_frame_channel_is_full (BerthFrameChannel *self)
{
  if (self->held == NULL && channel_pending (self) < BERTH_FRAME_QUEUE_BYTES)
    return FALSE;
  self->is_awaited = TRUE;
  return TRUE;
}

void
berth_frame_channel_hold (BerthFrameChannel *self, gboolean holds)
{
  g_autoptr (ChannelHold) owned = channel_ref (self);

  if (holds == (self->held != NULL))
    return;
  if (holds)
    {
      self->held = g_byte_array_new ();
      return;
    }
  g_byte_array_append (self->queue, self->held->data, self->held->len);
  g_clear_pointer (&self->held, g_byte_array_unref);
  if (self->frame_func != NULL && self->write_source == NULL)
    channel_flush (self);
  channel_tell_room (self);
}

static gboolean
is_held_back (guint32 type)
{
  return type == BERTH_FRAME_DATA || type == BERTH_FRAME_CREDIT || type == BERTH_FRAME_LINK_OPEN
         || type == BERTH_FRAME_LINK_OPENED || type == BERTH_FRAME_LINK_END;
}

void
berth_frame_channel_send (BerthFrameChannel *self, guint32 type, guint32 request,
                          gconstpointer part, gsize part_size, gconstpointer rest, gsize rest_size)
{
  guint8 head[BERTH_FRAME_HEAD_SIZE];
  gboolean waits = self->held != NULL && is_held_back (type);
  GByteArray *queue = waits ? self->held : self->queue;

  g_assert (part_size + rest_size <= BERTH_FRAME_MAX_PAYLOAD);
  if (self->frame_func == NULL)
    return;
  if (channel_pending (self) + (waits ? queue->len : 0) > BERTH_FRAME_QUEUE_BYTES_MAX)
    {
      channel_give_up (self);
      return;
    }
  berth_frame_head_write (head, type, request, (guint32)(part_size + rest_size));
  /* a stream of files may never let the queue run empty */
  if (self->queue_done > QUEUE_DONE_MAX)
    {
      g_byte_array_remove_range (self->queue, 0, (guint)self->queue_done);
      self->queue_done = 0;
    }
  g_byte_array_append (queue, head, sizeof head);
  if (part_size > 0)
    g_byte_array_append (queue, part, (guint)part_size);
  if (rest_size > 0)
    g_byte_array_append (queue, rest, (guint)rest_size);
  if (!waits && self->write_source == NULL)
    channel_flush (self);
}

void
berth_frame_channel_expect_hello (BerthFrameChannel *self,
                                  const guint8 nonce[BERTH_PROTOCOL_NONCE_SIZE])
{
  berth_frame_decoder_expect_hello (self->decoder, nonce);
}

BerthFrameChannel *
berth_frame_channel_new (GSocket *socket, BerthFrameFunc frame_func,
                         BerthFrameClosedFunc closed_func, gpointer user_data)
{
  BerthFrameChannel *self = g_new0 (BerthFrameChannel, 1);

  g_atomic_ref_count_init (&self->ref_count);
  self->socket = g_object_ref (socket);
  self->decoder = berth_frame_decoder_new ();
  self->queue = g_byte_array_new ();
  self->frame_func = frame_func;
  self->closed_func = closed_func;
  self->user_data = user_data;
  g_socket_set_blocking (socket, FALSE);
  channel_watch (self, &self->read_source, G_IO_IN, readable_cb);
  return self;
}

void
berth_frame_channel_free (BerthFrameChannel *self)
{
  channel_close (self);
  channel_unref (self);
}
