/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Every key is the program's, but for one way out of one that heeds none: as in ssh, "~." at the
 * beginning of a line; "~~" is a tilde there. A program that takes nothing stops the reading, and
 * nothing else of this process. */
#include "plugin/cli/berth-cli-keys.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <unistd.h>

#include "plugin/base/berth-errno.h"
#include "plugin/base/berth-pipe.h"

#define CHUNK_BYTES 4096

typedef enum
{
  AT_LINE_START,
  BEHIND_TILDE, /* which is kept back */
  WITHIN_LINE,
} Place;

struct _BerthKeys
{
  int fd; /* of the pipe to berthd; -1 once nothing more is to go there */
  BerthKeysFunc hung_up;
  gpointer user_data;
  Place place;
  guint8 bytes[CHUNK_BYTES + 1]; /* on their way, a tilde of before with them */
  gsize begin, end;
  guint source_id; /* that keys are there, or that there is room for them */
};

static void keys_wait (BerthKeys *self);

/**
 * berth_keys_new:
 * @fds: gets the far end
 * @options: gets its handle
 * @hung_up: for who types "~."
 * @user_data: for @hung_up
 * @error: set where it fails
 *
 * Returns: (transfer full) (nullable): keys that nobody reads yet
 */
BerthKeys *
berth_keys_new (GUnixFDList *fds, GVariantDict *options, BerthKeysFunc hung_up, gpointer user_data,
                GError **error)
{
  BerthKeys *self;
  int ends[2];

  if (pipe2 (ends, O_CLOEXEC) != 0)
    {
      berth_errno_set (error, errno, "this process");
      return NULL;
    }
  if (!g_unix_set_fd_nonblocking (ends[1], TRUE, error)
      || !berth_pipe_hand_over (&ends[0], "stdin", options, fds, error))
    {
      berth_pipe_close (&ends[0]);
      berth_pipe_close (&ends[1]);
      return NULL;
    }
  self = g_new0 (BerthKeys, 1);
  self->fd = ends[1];
  self->hung_up = hung_up;
  self->user_data = user_data;
  return self;
}

/* Whether the way out was typed; else the key goes on. */
static gboolean
keys_take (BerthKeys *self, guint8 key)
{
  Place place = self->place;

  self->place = key == '\r' || key == '\n' ? AT_LINE_START : WITHIN_LINE;
  if (place == AT_LINE_START && key == '~')
    {
      self->place = BEHIND_TILDE;
      return FALSE;
    }
  if (place == BEHIND_TILDE && key == '.')
    return TRUE;
  if (place == BEHIND_TILDE && key != '~')
    self->bytes[self->end++] = '~';
  self->bytes[self->end++] = key;
  return FALSE;
}

static void
keys_read (BerthKeys *self)
{
  guint8 chunk[CHUNK_BYTES];
  gssize count = read (STDIN_FILENO, chunk, sizeof chunk);

  if (count < 0 && (errno == EINTR || errno == EAGAIN))
    return;
  if (count <= 0) /* the terminal is gone */
    berth_pipe_close (&self->fd);
  for (gssize i = 0; i < count; i++)
    if (keys_take (self, chunk[i]))
      {
        berth_pipe_close (&self->fd);
        self->hung_up (self->user_data);
        return;
      }
}

static void
keys_write (BerthKeys *self)
{
  gssize count = write (self->fd, self->bytes + self->begin, self->end - self->begin);

  if (count > 0)
    self->begin += (gsize)count;
  else if (errno != EAGAIN && errno != EINTR)
    berth_pipe_close (&self->fd); /* the program has ended */
  if (self->begin == self->end)
    self->begin = self->end = 0;
}

static gboolean
keys_cb (int fd, GIOCondition condition, gpointer user_data)
{
  BerthKeys *self = user_data;

  self->source_id = 0;
  if (fd == STDIN_FILENO)
    keys_read (self);
  if (self->fd >= 0 && self->end > 0)
    keys_write (self);
  keys_wait (self);
  return G_SOURCE_REMOVE;
}

static void
keys_wait (BerthKeys *self)
{
  if (self->fd < 0)
    return;
  if (self->end > 0)
    self->source_id = g_unix_fd_add (self->fd, G_IO_OUT | G_IO_ERR, keys_cb, self);
  else
    self->source_id = g_unix_fd_add (STDIN_FILENO, G_IO_IN | G_IO_HUP, keys_cb, self);
}

/**
 * berth_keys_start:
 * @self: keys
 *
 * Lets them through, on the default main context.
 */
void
berth_keys_start (BerthKeys *self)
{
  keys_wait (self);
}

/**
 * berth_keys_free:
 * @self: (transfer full) (nullable): keys; what is typed from now on is somebody else's
 */
void
berth_keys_free (BerthKeys *self)
{
  if (self == NULL)
    return;
  g_clear_handle_id (&self->source_id, g_source_remove);
  berth_pipe_close (&self->fd);
  g_free (self);
}
