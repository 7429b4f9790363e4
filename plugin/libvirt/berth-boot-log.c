/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The file is looked at ten times a second: a boot takes seconds. It is the buffer, too: where the
 * reader is slow, the next look goes on from there, and nothing is held in memory but one piece.
 * virtlogd begins a new file after megabytes, which no boot writes. */
#include "berth-boot-log.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include <gio/gunixoutputstream.h>

#include "berth-console.h"
#include "plugin/base/berth-caller-fd.h"

#define LOOK_EVERY_MS 100
#define PIECE_BYTES 4096
/* How often is looked after the boot for a reader who has not taken all: 10 s */
#define LOOKS_AFTER 100u

struct _BerthBootLog
{
  int file;
  int out;
  guint timer_id;
  GString *piece; /* what was read and not written yet */
  gboolean is_over;
  guint looks_left; /* then */
};

static void
boot_log_free (BerthBootLog *self)
{
  g_clear_handle_id (&self->timer_id, g_source_remove);
  close (self->file);
  berth_caller_fd_close (self->out);
  g_string_free (self->piece, TRUE);
  g_free (self);
}

/* FALSE when nobody reads any more. */
static gboolean
write_piece (BerthBootLog *self)
{
  gssize written = berth_caller_fd_write (self->out, self->piece->str, self->piece->len);

  if (written < 0)
    return errno == EAGAIN || errno == EINTR;
  g_string_erase (self->piece, 0, written);
  return TRUE;
}

/* FALSE at the end of what is there. */
static gboolean
read_piece (BerthBootLog *self)
{
  char bytes[PIECE_BYTES];
  gssize length = read (self->file, bytes, sizeof bytes); /* lint: caller-fd: virtlogd's file */
  g_autofree char *text = length > 0 ? g_utf8_make_valid (bytes, length) : NULL;

  if (text == NULL)
    return FALSE;
  berth_console_make_printable (text);
  g_string_assign (self->piece, text);
  return TRUE;
}

static gboolean
look_cb (gpointer user_data)
{
  BerthBootLog *self = user_data;
  gboolean is_read = TRUE;

  do
    is_read = write_piece (self);
  while (is_read && self->piece->len == 0 && read_piece (self));
  if (is_read && (!self->is_over || (self->piece->len > 0 && --self->looks_left > 0)))
    return G_SOURCE_CONTINUE;
  self->timer_id = 0;
  if (self->is_over)
    boot_log_free (self);
  return G_SOURCE_REMOVE;
}

BerthBootLog *
berth_boot_log_new (const char *path, GOutputStream *out)
{
  int file = open (path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  int copy = berth_caller_fd_dup (g_unix_output_stream_get_fd (G_UNIX_OUTPUT_STREAM (out)));
  BerthBootLog *self;

  if (file < 0 || copy < 0)
    {
      g_message ("%s: can't be followed: %s", path, g_strerror (errno));
      if (file >= 0)
        close (file);
      if (copy >= 0)
        berth_caller_fd_close (copy);
      return NULL;
    }
  self = g_new0 (BerthBootLog, 1);
  self->file = file;
  self->out = copy;
  self->piece = g_string_new (NULL);
  self->timer_id = g_timeout_add (LOOK_EVERY_MS, look_cb, self);
  return self;
}

void
berth_boot_log_end (BerthBootLog *self)
{
  self->is_over = TRUE;
  self->looks_left = LOOKS_AFTER;
  if (self->timer_id == 0)
    boot_log_free (self);
}
