/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Answers are taken from GDBus as soon as it has them: there they are trees, here they are bytes
 * that the client's user pays for. */
#include "plugin/daemon/berth-relay-private.h"

#include <errno.h>
#include <sys/socket.h>

#include "plugin/base/berth-source.h"

#define PIECE_BYTES 65536u
/* pieces before others get their turn */
#define PIECES_PER_TURN 16u

void
berth_relay_out_clear (BerthRelay *self)
{
  RelayOut *out = &self->out;
  GBytes *chunk;

  while ((chunk = g_queue_pop_head (&out->chunks)) != NULL)
    {
      berth_tab_give_bytes (self->tab, g_bytes_get_size (chunk));
      g_bytes_unref (chunk);
    }
  berth_source_clear (&out->read_source);
  berth_source_clear (&out->write_source);
  g_clear_pointer (&out->head, g_byte_array_unref);
}

/* ---- to the client ---- */

static void
out_maybe_over (BerthRelay *self)
{
  if (self->out.is_over && g_queue_is_empty (&self->out.chunks))
    berth_relay_end (self, NULL);
}

/* How much the client took; less than nothing when it is gone */
static gssize
out_send (BerthRelay *self, const guint8 *bytes, gsize size)
{
  gssize put = send (self->client, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL);

  return put < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : put;
}

static gboolean
writable_cb (int fd, GIOCondition condition, gpointer user_data)
{
  BerthRelay *self = user_data;
  RelayOut *out = &self->out;
  GBytes *chunk = g_queue_peek_head (&out->chunks);
  gsize size;
  const guint8 *bytes = g_bytes_get_data (chunk, &size);
  gssize put = out_send (self, bytes + out->written, size - out->written);

  if (put < 0)
    {
      berth_relay_end (self, NULL);
      return G_SOURCE_REMOVE;
    }
  out->written += (gsize)put;
  if (out->written < size)
    return G_SOURCE_CONTINUE;
  berth_tab_give_bytes (self->tab, size);
  g_bytes_unref (g_queue_pop_head (&out->chunks));
  out->written = 0;
  if (!g_queue_is_empty (&out->chunks))
    return G_SOURCE_CONTINUE;
  berth_source_clear (&out->write_source);
  out_maybe_over (self);
  return G_SOURCE_REMOVE;
}

void
berth_relay_out_push (BerthRelay *self, const guint8 *bytes, gsize size)
{
  RelayOut *out = &self->out;
  gssize put = g_queue_is_empty (&out->chunks) ? out_send (self, bytes, size) : 0;
  gsize rest = size - (gsize)MAX (put, 0);

  if (put < 0)
    berth_relay_end (self, NULL);
  else if (rest > 0 && !berth_tab_take_bytes (self->tab, rest))
    berth_relay_end (self, "it does not read its answers");
  else if (rest > 0)
    {
      g_queue_push_tail (&out->chunks, g_bytes_new (bytes + put, rest));
      if (out->write_source == NULL)
        berth_relay_watch (self, &out->write_source, self->client, G_IO_OUT, writable_cb);
    }
}

/* ---- from GDBus ---- */

/* Up to @want bytes of the head are there; FALSE: @bytes did not suffice. */
static gboolean
out_collect (RelayOut *out, gsize want, const guint8 **bytes, gsize *size)
{
  gsize part = MIN (*size, want - MIN (out->head->len, want));

  g_byte_array_append (out->head, *bytes, (guint)part);
  *bytes += part;
  *size -= part;
  return out->head->len >= want;
}

/* The heads in @bytes: whose answers these are. GDBus wrote them, so they are right. */
static void
out_scan (BerthRelay *self, const guint8 *bytes, gsize size)
{
  RelayOut *out = &self->out;

  while (size > 0)
    {
      gsize part = MIN (size, out->body_left);
      BerthMessage message;
      const char *problem;

      out->body_left -= part;
      bytes += part;
      size -= part;
      if (!out_collect (out, BERTH_MESSAGE_HEAD_BYTES, &bytes, &size))
        return;
      problem = berth_message_parse_head (&message, out->head->data);
      g_assert (problem == NULL);
      if (!out_collect (out, message.head_bytes, &bytes, &size))
        return;
      problem = berth_message_parse_fields (&message, out->head->data);
      g_assert (problem == NULL);
      berth_tab_call_is_answered (self->tab, message.reply_serial);
      out->body_left = message.body_bytes;
      g_byte_array_set_size (out->head, 0);
    }
}

static gboolean
readable_cb (int fd, GIOCondition condition, gpointer user_data)
{
  BerthRelay *self = user_data;
  RelayOut *out = &self->out;
  guint8 bytes[PIECE_BYTES];

  for (guint i = 0; i < PIECES_PER_TURN && !self->is_ended; i++)
    {
      gssize got = recv (fd, bytes, sizeof bytes, MSG_DONTWAIT);

      if (got < 0 && (errno == EAGAIN || errno == EINTR))
        break;
      if (got <= 0)
        {
          out->is_over = TRUE;
          berth_source_clear (&out->read_source);
          berth_relay_in_clear (self);
          out_maybe_over (self);
          return G_SOURCE_REMOVE;
        }
      out_scan (self, bytes, (gsize)got);
      berth_relay_out_push (self, bytes, (gsize)got);
    }
  return G_SOURCE_CONTINUE;
}

void
berth_relay_out_start (BerthRelay *self)
{
  self->out.head = g_byte_array_new ();
  berth_relay_watch (self, &self->out.read_source, self->inner, G_IO_IN, readable_cb);
}
