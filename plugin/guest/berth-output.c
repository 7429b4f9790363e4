/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where the bytes of a program's stream go: to a descriptor at its reader's pace, or into memory up
 * to a bound. */
#include "berth-output.h"

#include <errno.h>
#include <glib-unix.h>
#include <unistd.h>

#include "plugin/base/berth-caller-fd.h"
#include "plugin/base/berth-printable.h"
#include "plugin/base/berth-source.h"

struct _BerthOutput
{
  BerthOutputDrainedFunc func;
  gpointer user_data;
  int fd;           /* -1: capture */
  GByteArray *held; /* fd: not yet written; capture: all that was kept */
  gsize written;    /* bytes of `held` that the descriptor took */
  gsize max;
  gboolean is_truncated;
  gboolean is_broken; /* nobody reads the descriptor any more */
  GSource *source;
};

static BerthOutput *
output_new (int fd, gsize max, BerthOutputDrainedFunc func, gpointer user_data)
{
  BerthOutput *self = g_new0 (BerthOutput, 1);

  self->func = func;
  self->user_data = user_data;
  self->fd = fd;
  self->max = max;
  self->held = g_byte_array_new ();
  return self;
}

BerthOutput *
berth_output_new_for_fd (int fd, BerthOutputDrainedFunc func, gpointer user_data)
{
  return output_new (fd, 0, func, user_data);
}

BerthOutput *
berth_output_new_for_capture (gsize max, BerthOutputDrainedFunc func, gpointer user_data)
{
  return output_new (-1, max, func, user_data);
}

void
berth_output_free (BerthOutput *self)
{
  berth_source_clear (&self->source);
  if (self->fd >= 0)
    berth_caller_fd_close (self->fd);
  g_byte_array_unref (self->held);
  g_free (self);
}

/* Writes what the descriptor takes; returns how much of what was held is done with. */
static gsize
output_flush (BerthOutput *self)
{
  gsize before = self->written;
  gsize done;

  while (self->written < self->held->len && !self->is_broken)
    {
      gssize put = berth_caller_fd_write (self->fd, self->held->data + self->written,
                                          self->held->len - self->written);

      if (put >= 0)
        self->written += (gsize)put;
      else if (errno == EAGAIN)
        break;
      else if (errno != EINTR)
        self->is_broken = TRUE;
    }
  if (self->is_broken)
    self->written = self->held->len;
  done = self->written - before;
  /* not only when all is written: a reader that is always behind never lets that come */
  if (self->written > self->held->len / 2)
    {
      g_byte_array_remove_range (self->held, 0, (guint)self->written);
      self->written = 0;
    }
  return done;
}

static gboolean
writable_cb (int fd, GIOCondition condition, gpointer user_data)
{
  BerthOutput *self = user_data;
  gsize done = output_flush (self);

  if (berth_output_is_drained (self))
    berth_source_clear (&self->source);
  if (done > 0)
    self->func (done, self->user_data); /* last: it may free us */
  return G_SOURCE_CONTINUE;
}

static void
output_write_fd (BerthOutput *self, const guint8 *bytes, gsize size)
{
  gsize done;

  g_byte_array_append (self->held, bytes, (guint)size);
  if (self->source != NULL)
    return;
  done = output_flush (self);
  if (!berth_output_is_drained (self))
    {
      self->source = g_unix_fd_source_new (self->fd, G_IO_OUT);
      g_source_set_callback (self->source, G_SOURCE_FUNC (writable_cb), self, NULL);
      g_source_attach (self->source, g_main_context_get_thread_default ());
    }
  if (done > 0)
    self->func (done, self->user_data);
}

void
berth_output_write (BerthOutput *self, const guint8 *bytes, gsize size)
{
  gsize room;

  if (self->fd >= 0)
    {
      output_write_fd (self, bytes, size);
      return;
    }
  room = self->max - self->held->len;
  if (size > room)
    self->is_truncated = TRUE;
  g_byte_array_append (self->held, bytes, (guint)MIN (size, room));
  self->func (size, self->user_data);
}

gboolean
berth_output_is_drained (BerthOutput *self)
{
  return self->fd < 0 || self->held->len == 0;
}

gboolean
berth_output_is_broken (BerthOutput *self)
{
  return self->is_broken;
}

GBytes *
berth_output_dup_bytes (BerthOutput *self, gboolean *out_truncated)
{
  gsize size = self->held->len;

  if (self->fd >= 0)
    return NULL;
  /* its half would not be the program's mistake */
  if (self->is_truncated)
    size = berth_printable_count_whole (self->held->data, size);
  *out_truncated = self->is_truncated;
  return g_bytes_new (self->held->data, size);
}
