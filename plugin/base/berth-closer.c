/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A user's descriptors stand in a line, and the line has a thread while there is one in it. */
#include "plugin/base/berth-closer.h"

#include <fcntl.h>
#include <unistd.h>

typedef struct
{
  guint32 uid;
  GQueue fds;
  guint count; /* the one that is being closed, too */
} Line;

/* Descriptors are the process's, and so is this: it lives as long. */
typedef struct
{
  GMutex lock;
  GHashTable *lines;  /* uid → Line (owned), of those that have any */
  GHashTable *owners; /* descriptor → uid */
  GThreadPool *threads;
} Closer;

/* Closes the line's first; FALSE, and the line is gone: there was none. */
static gboolean
line_step (Closer *self, Line *line)
{
  int fd;

  g_mutex_lock (&self->lock);
  if (line->fds.length == 0)
    {
      g_hash_table_remove (self->lines, GUINT_TO_POINTER (line->uid));
      g_mutex_unlock (&self->lock);
      return FALSE;
    }
  fd = GPOINTER_TO_INT (g_queue_pop_head (&line->fds));
  g_mutex_unlock (&self->lock);
  close (fd);
  g_mutex_lock (&self->lock);
  line->count--;
  g_mutex_unlock (&self->lock);
  return TRUE;
}

static void
line_cb (gpointer data, gpointer user_data)
{
  while (line_step (user_data, data))
    ;
}

static Closer *
closer_new (void)
{
  Closer *self = g_new0 (Closer, 1);

  g_mutex_init (&self->lock);
  self->lines = g_hash_table_new_full (NULL, NULL, NULL, g_free);
  self->owners = g_hash_table_new (NULL, NULL);
  self->threads = g_thread_pool_new (line_cb, self, -1, FALSE, NULL);
  return self;
}

static Closer *
closer_get (void)
{
  static gsize closer = 0;

  if (g_once_init_enter (&closer))
    g_once_init_leave (&closer, (gsize)closer_new ());
  return (Closer *)closer; // NOLINT(performance-no-int-to-ptr): GOnce keeps numbers
}

void
berth_closer_close (int fd, guint32 uid)
{
  Closer *self = closer_get ();
  Line *line;
  gboolean is_new;

  g_mutex_lock (&self->lock);
  g_hash_table_remove (self->owners, GINT_TO_POINTER (fd));
  line = g_hash_table_lookup (self->lines, GUINT_TO_POINTER (uid));
  is_new = line == NULL;
  if (is_new)
    {
      line = g_new0 (Line, 1);
      line->uid = uid;
      g_queue_init (&line->fds);
      g_hash_table_insert (self->lines, GUINT_TO_POINTER (uid), line);
    }
  g_queue_push_tail (&line->fds, GINT_TO_POINTER (fd));
  line->count++;
  g_mutex_unlock (&self->lock);
  if (is_new)
    g_thread_pool_push (self->threads, line, NULL);
}

static void
closer_forget (Closer *self, int fd)
{
  g_mutex_lock (&self->lock);
  g_hash_table_remove (self->owners, GINT_TO_POINTER (fd));
  g_mutex_unlock (&self->lock);
}

void
berth_closer_close_socket (GSocket *socket, guint32 uid)
{
  int fd = g_socket_get_fd (socket);
  int last = fd >= 0 ? fcntl (fd, F_DUPFD_CLOEXEC, 0) : -1;

  closer_forget (closer_get (), fd);
  g_socket_close (socket, NULL);
  if (last >= 0)
    berth_closer_close (last, uid);
}

guint
berth_closer_count (guint32 uid)
{
  Closer *self = closer_get ();
  const Line *line;
  guint count;

  g_mutex_lock (&self->lock);
  line = g_hash_table_lookup (self->lines, GUINT_TO_POINTER (uid));
  count = line != NULL ? line->count : 0;
  g_mutex_unlock (&self->lock);
  return count;
}

void
berth_closer_note (int fd, guint32 uid)
{
  Closer *self = closer_get ();

  g_mutex_lock (&self->lock);
  g_hash_table_insert (self->owners, GINT_TO_POINTER (fd), GUINT_TO_POINTER (uid));
  g_mutex_unlock (&self->lock);
}

gboolean
berth_closer_find (int fd, guint32 *out_uid)
{
  Closer *self = closer_get ();
  gpointer uid = NULL;
  gboolean is_noted;

  g_mutex_lock (&self->lock);
  is_noted = g_hash_table_lookup_extended (self->owners, GINT_TO_POINTER (fd), NULL, &uid);
  g_mutex_unlock (&self->lock);
  *out_uid = GPOINTER_TO_UINT (uid);
  return is_noted;
}

void
berth_closer_close_noted (int fd)
{
  guint32 uid;

  if (berth_closer_find (fd, &uid))
    berth_closer_close (fd, uid);
  else
    close (fd);
}
