/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Every key is the program's, but for the ways out: as in ssh, "~." at the beginning of a line ends
 * one that heeds no key, and "~d" leaves one that goes on; "~~" is a tilde there. Of what is typed
 * to a program that takes nothing, what there is no room for is lost, and that way stays open. */
#include "plugin/cli/berth-cli-keys.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <string.h>
#include <unistd.h>

#include "plugin/base/berth-errno.h"
#include "plugin/base/berth-pipe.h"
#include "plugin/cli/berth-cli-terminal.h"

#define CHUNK_BYTES 4096

typedef enum
{
  AT_LINE_START,
  BEHIND_TILDE, /* which is kept back */
  WITHIN_LINE,
} Place;

struct _BerthKeys
{
  int fd; /* of the pipe to berthd; -1 where nothing (more) is to go there */
  const char *ways;
  BerthKeysFunc func;
  gpointer user_data;
  Place place;
  guint8 bytes[CHUNK_BYTES + 1]; /* on their way, a tilde of before with them */
  gsize begin, end;
  guint typed_id; /* that keys are there */
  guint room_id;  /* that the program takes some */
};

/**
 * berth_keys_new:
 * @fds: gets the far end
 * @options: gets its handle
 * @ways: static: the keys behind a tilde that are a way out
 * @func: for who types one
 * @user_data: for @func
 * @error: set where it fails
 *
 * Returns: (transfer full) (nullable): keys that nobody reads yet
 */
BerthKeys *
berth_keys_new (GUnixFDList *fds, GVariantDict *options, const char *ways, BerthKeysFunc func,
                gpointer user_data, GError **error)
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
  self->ways = ways;
  self->func = func;
  self->user_data = user_data;
  return self;
}

/**
 * berth_keys_new_for_looking:
 * @func: for who types "~d", or Ctrl-C
 * @user_data: for @func
 *
 * Returns: (transfer full): keys that go nowhere
 */
BerthKeys *
berth_keys_new_for_looking (BerthKeysFunc func, gpointer user_data)
{
  BerthKeys *self = g_new0 (BerthKeys, 1);

  self->fd = -1;
  self->ways = "d";
  self->func = func;
  self->user_data = user_data;
  return self;
}

static void
keys_add (BerthKeys *self, guint8 key)
{
  if (self->fd < 0)
    return;
  if (self->end < sizeof self->bytes)
    self->bytes[self->end++] = key;
  else
    berth_terminal_write (STDOUT_FILENO, "\a");
}

/* The way out that was typed; 0: the key goes on. */
static char
keys_take (BerthKeys *self, guint8 key)
{
  Place place = self->place;

  self->place = key == '\r' || key == '\n' ? AT_LINE_START : WITHIN_LINE;
  if (place == AT_LINE_START && key == '~')
    {
      self->place = BEHIND_TILDE;
      return 0;
    }
  if (place == BEHIND_TILDE && key != '\0' && strchr (self->ways, key) != NULL)
    return (char)key;
  if (self->fd < 0 && key == BERTH_KEYS_INTERRUPT)
    return BERTH_KEYS_INTERRUPT;
  if (place == BEHIND_TILDE && key != '~')
    keys_add (self, '~');
  keys_add (self, key);
  return 0;
}

static void
keys_close (BerthKeys *self)
{
  g_clear_handle_id (&self->typed_id, g_source_remove);
  g_clear_handle_id (&self->room_id, g_source_remove);
  berth_pipe_close (&self->fd);
}

static gboolean
room_cb (int fd, GIOCondition condition, gpointer user_data)
{
  BerthKeys *self = user_data;
  gssize count = write (fd, self->bytes + self->begin, self->end - self->begin);

  if (count > 0)
    self->begin += (gsize)count;
  else if (errno != EAGAIN && errno != EINTR)
    {
      keys_close (self); /* the program has ended */
      return G_SOURCE_REMOVE;
    }
  if (self->begin < self->end)
    return G_SOURCE_CONTINUE;
  self->begin = self->end = 0;
  self->room_id = 0;
  return G_SOURCE_REMOVE;
}

static gboolean
typed_cb (int fd, GIOCondition condition, gpointer user_data)
{
  BerthKeys *self = user_data;
  guint8 chunk[CHUNK_BYTES];
  gssize count = read (fd, chunk, sizeof chunk);
  char way = 0;

  if (count < 0 && (errno == EINTR || errno == EAGAIN))
    return G_SOURCE_CONTINUE;
  memmove (self->bytes, self->bytes + self->begin, self->end - self->begin);
  self->end -= self->begin;
  self->begin = 0;
  for (gssize i = 0; i < count && way == 0; i++)
    way = keys_take (self, chunk[i]);
  if (way != 0)
    {
      keys_close (self);
      self->func (way, self->user_data);
      return G_SOURCE_REMOVE;
    }
  if (self->end > 0 && self->room_id == 0)
    self->room_id = g_unix_fd_add (self->fd, G_IO_OUT | G_IO_ERR, room_cb, self);
  if (count > 0)
    return G_SOURCE_CONTINUE;
  keys_close (self); /* the terminal is gone */
  return G_SOURCE_REMOVE;
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
  self->typed_id = g_unix_fd_add (STDIN_FILENO, G_IO_IN | G_IO_HUP, typed_cb, self);
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
  keys_close (self);
  g_free (self);
}
