/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reads on while messages are answered, but not while the client leaves its answers unread. */
#include "plugin/mcp/berth-mcp-channel.h"

#include <limits.h>
#include <string.h>

#define CHUNK_BYTES 65536u

struct _BerthMcpChannel
{
  GInputStream *input;
  GOutputStream *output;
  BerthMcpChannelFuncs funcs;
  gpointer user_data;
  GCancellable *cancellable; /* of what is read and written */
  guint8 *chunk;             /* CHUNK_BYTES */
  GByteArray *line;          /* what came of it */
  gboolean is_skipping;      /* to the end of a line that is too long */
  gboolean is_reading;
  gboolean is_closed;
  gboolean is_freed;
  gboolean is_deaf; /* nobody reads */
  GQueue unread;    /* GBytes, the first on its way */
  gsize written;    /* of the first */
  gsize unread_bytes;
  guint refs; /* the owner's, and one for each operation under way */
};

static void channel_read (BerthMcpChannel *self);
static void channel_write (BerthMcpChannel *self);

static void
channel_unref (BerthMcpChannel *self)
{
  if (--self->refs > 0)
    return;
  g_object_unref (self->input);
  g_object_unref (self->output);
  g_object_unref (self->cancellable);
  g_queue_clear_full (&self->unread, (GDestroyNotify)g_bytes_unref);
  g_byte_array_unref (self->line);
  g_free (self->chunk);
  g_free (self);
}

static void
channel_close (BerthMcpChannel *self)
{
  if (self->is_closed)
    return;
  self->is_closed = TRUE;
  self->funcs.closed (self->user_data);
}

/* Who reads nothing gets nothing. */
static void
channel_drop (BerthMcpChannel *self)
{
  g_queue_clear_full (&self->unread, (GDestroyNotify)g_bytes_unref);
  self->unread_bytes = 0;
  self->is_deaf = TRUE;
  channel_close (self);
}

/* What ends a line is no part of it; CR before LF neither. */
static void
end_line (BerthMcpChannel *self)
{
  g_autoptr (GByteArray) line = self->line;
  gsize size = line->len;

  self->line = g_byte_array_new ();
  if (self->is_skipping)
    self->is_skipping = FALSE;
  else
    {
      if (size > 0 && line->data[size - 1] == '\r')
        size--;
      if (size > 0)
        self->funcs.line ((const char *)line->data, size, self->user_data);
    }
}

static void
take_bytes (BerthMcpChannel *self, const guint8 *bytes, gsize size)
{
  if (self->is_skipping)
    return;
  if (self->line->len + size <= BERTH_MCP_LINE_BYTES)
    {
      g_byte_array_append (self->line, bytes, (guint)size);
      return;
    }
  self->is_skipping = TRUE;
  g_byte_array_set_size (self->line, 0);
  self->funcs.too_long (self->user_data);
}

static void
take_chunk (BerthMcpChannel *self, gsize size)
{
  const guint8 *at = self->chunk;
  const guint8 *end = at + size;

  while (at < end && !self->is_closed)
    {
      const guint8 *newline = memchr (at, '\n', (gsize)(end - at));

      take_bytes (self, at, (gsize)((newline != NULL ? newline : end) - at));
      if (newline == NULL)
        return;
      end_line (self);
      at = newline + 1;
    }
}

static void
read_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  BerthMcpChannel *self = user_data;
  gssize size = g_input_stream_read_finish (G_INPUT_STREAM (source), result, NULL);

  self->is_reading = FALSE;
  if (!self->is_closed && size > 0)
    take_chunk (self, (gsize)size);
  if (size > 0)
    channel_read (self);
  else if (!self->is_freed)
    {
      /* the last line may lack its end */
      if (!self->is_closed)
        end_line (self);
      channel_close (self);
    }
  channel_unref (self);
}

static void
channel_read (BerthMcpChannel *self)
{
  if (self->is_reading || self->is_closed || self->unread_bytes > BERTH_MCP_UNREAD_BYTES)
    return;
  self->is_reading = TRUE;
  self->refs++;
  g_input_stream_read_async (self->input, self->chunk, CHUNK_BYTES, G_PRIORITY_DEFAULT,
                             self->cancellable, read_cb, self);
}

static void
written_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  BerthMcpChannel *self = user_data;
  gssize size = g_output_stream_write_finish (G_OUTPUT_STREAM (source), result, NULL);
  GBytes *first = g_queue_peek_head (&self->unread);

  if (self->is_freed)
    ;
  else if (size <= 0)
    channel_drop (self);
  else
    {
      self->written += (gsize)size;
      self->unread_bytes -= (gsize)size;
      if (self->written == g_bytes_get_size (first))
        {
          g_bytes_unref (g_queue_pop_head (&self->unread));
          self->written = 0;
        }
      channel_write (self);
      channel_read (self);
    }
  if (self->is_closed && !self->is_freed && self->unread_bytes == 0)
    self->funcs.drained (self->user_data);
  channel_unref (self);
}

/* A pipe that poll() calls writable takes PIPE_BUF bytes at once; more could block this thread, for
 * the descriptor is not this process' own to make it non-blocking. */
static void
channel_write (BerthMcpChannel *self)
{
  GBytes *first = g_queue_peek_head (&self->unread);
  gsize size;
  const guint8 *data;

  if (first == NULL)
    return;
  data = g_bytes_get_data (first, &size);
  self->refs++;
  g_output_stream_write_async (self->output, data + self->written,
                               MIN (size - self->written, PIPE_BUF), G_PRIORITY_DEFAULT,
                               self->cancellable, written_cb, self);
}

void
berth_mcp_channel_send (BerthMcpChannel *self, char *text)
{
  gboolean is_idle = g_queue_is_empty (&self->unread);
  gsize size = strlen (text);

  if (self->is_deaf)
    {
      g_free (text);
      return;
    }
  text[size] = '\n'; /* in place of its NUL */
  g_queue_push_tail (&self->unread, g_bytes_new_take (text, size + 1));
  self->unread_bytes += size + 1;
  if (is_idle)
    channel_write (self);
}

gsize
berth_mcp_channel_get_unread (BerthMcpChannel *self)
{
  return self->unread_bytes;
}

BerthMcpChannel *
berth_mcp_channel_new (GInputStream *input, GOutputStream *output,
                       const BerthMcpChannelFuncs *funcs, gpointer user_data)
{
  BerthMcpChannel *self = g_new0 (BerthMcpChannel, 1);

  self->input = g_object_ref (input);
  self->output = g_object_ref (output);
  self->funcs = *funcs;
  self->user_data = user_data;
  self->cancellable = g_cancellable_new ();
  self->chunk = g_malloc (CHUNK_BYTES);
  self->line = g_byte_array_new ();
  self->refs = 1;
  channel_read (self);
  return self;
}

void
berth_mcp_channel_free (BerthMcpChannel *self)
{
  self->is_closed = TRUE;
  self->is_freed = TRUE;
  g_cancellable_cancel (self->cancellable);
  channel_unref (self);
}
