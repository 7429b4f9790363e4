/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* As in a guest, bytes go between the streams of the exec and the terminal, and nobody looks at
 * them. */
#include "tests/host/fake-tty.h"

#include <gio/gunixinputstream.h>
#include <gio/gunixoutputstream.h>
#include <glib-unix.h>
#include <pty.h>
#include <sys/ioctl.h>
#include <unistd.h>

struct _FakeTty
{
  BerthTty *size; /* nullable: of who sits there */
  int fd;
  GCancellable *over; /* of the typing, which ends with the program */
  GFunc shown;
  gpointer user_data;
  int kept_fd; /* of one in the background; else -1 */
};

static void
resized_cb (guint rows, guint columns, gpointer user_data)
{
  const struct winsize size = { .ws_row = (gushort)rows, .ws_col = (gushort)columns };

  ioctl (*(int *)user_data, TIOCSWINSZ, &size);
}

/* The end of a stream is typed, too. */
static void
typed_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  if (g_output_stream_splice_finish (G_OUTPUT_STREAM (source), result, NULL) >= 0)
    g_output_stream_write_all (G_OUTPUT_STREAM (source), "\x04", 1, NULL, NULL, NULL);
}

static void
shown_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  FakeTty *self = user_data;

  g_output_stream_splice_finish (G_OUTPUT_STREAM (source), result, NULL);
  self->shown (self, self->user_data);
}

static FakeTty *
tty_new (int *out_program_fd)
{
  FakeTty *self = g_new0 (FakeTty, 1);

  if (openpty (&self->fd, out_program_fd, NULL, NULL, NULL) != 0)
    g_error ("openpty: %s", g_strerror (errno));
  fcntl (self->fd, F_SETFD, FD_CLOEXEC);
  fcntl (*out_program_fd, F_SETFD, FD_CLOEXEC);
  self->over = g_cancellable_new ();
  self->kept_fd = -1;
  return self;
}

FakeTty *
fake_tty_new_background (BerthTty *size, int kept_fd, int *out_program_fd)
{
  FakeTty *self = tty_new (out_program_fd);
  guint rows;
  guint columns;

  self->kept_fd = kept_fd;
  g_unix_set_fd_nonblocking (self->fd, TRUE, NULL);
  berth_tty_get_size (size, &rows, &columns);
  resized_cb (rows, columns, &self->fd);
  return self;
}

int
fake_tty_dup_typing (FakeTty *self)
{
  return fcntl (self->fd, F_DUPFD_CLOEXEC, 3);
}

void
fake_tty_set_size (FakeTty *self, BerthTty *size)
{
  if (self->size != NULL)
    berth_tty_watch (self->size, NULL, NULL, NULL);
  g_clear_pointer (&self->size, berth_tty_unref);
  if (size == NULL)
    return;
  self->size = berth_tty_ref (size);
  berth_tty_watch (size, resized_cb, &self->fd, NULL);
}

void
fake_tty_look (FakeTty *self)
{
  guint8 bytes[4096];
  gssize got;

  while ((got = read (self->fd, bytes, sizeof bytes)) > 0)
    if (write (self->kept_fd, bytes, (gsize)got) != got)
      g_error ("what a terminal showed can't be kept");
}

FakeTty *
fake_tty_new (BerthExec *exec, GFunc shown, gpointer user_data, int *out_program_fd,
              int *out_captured_fd)
{
  FakeTty *self = tty_new (out_program_fd);
  g_autoptr (GInputStream) input = NULL;
  g_autoptr (GOutputStream) typed = NULL;
  g_autoptr (GInputStream) screen = NULL;
  g_autoptr (GOutputStream) output = NULL;

  self->shown = shown;
  self->user_data = user_data;
  self->size = berth_tty_ref (exec->tty);
  berth_tty_watch (self->size, resized_cb, &self->fd, NULL);
  typed = g_unix_output_stream_new (fcntl (self->fd, F_DUPFD_CLOEXEC, 3), TRUE);
  if (exec->stdin_fd >= 0)
    {
      input = g_unix_input_stream_new (g_steal_fd (&exec->stdin_fd), TRUE);
      g_output_stream_splice_async (typed, input, G_OUTPUT_STREAM_SPLICE_CLOSE_SOURCE,
                                    G_PRIORITY_DEFAULT, self->over, typed_cb, NULL);
    }
  else
    g_output_stream_write_all (typed, "\x04", 1, NULL, NULL, NULL);
  *out_captured_fd = fcntl (self->fd, F_DUPFD_CLOEXEC, 3);
  if (exec->stdout_fd < 0)
    return self;
  screen = g_unix_input_stream_new (*out_captured_fd, TRUE);
  *out_captured_fd = -1;
  output = g_unix_output_stream_new (g_steal_fd (&exec->stdout_fd), TRUE);
  g_output_stream_splice_async (
      output, screen, G_OUTPUT_STREAM_SPLICE_CLOSE_SOURCE | G_OUTPUT_STREAM_SPLICE_CLOSE_TARGET,
      G_PRIORITY_DEFAULT, NULL, shown_cb, self);
  return self;
}

void
fake_tty_control (void)
{
  setsid ();
  ioctl (STDIN_FILENO, TIOCSCTTY, 0);
}

void
fake_tty_free (FakeTty *self)
{
  if (self == NULL)
    return;
  fake_tty_set_size (self, NULL);
  g_cancellable_cancel (self->over);
  g_object_unref (self->over);
  close (self->fd);
  g_free (self);
}
