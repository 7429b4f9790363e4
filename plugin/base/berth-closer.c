/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A user's descriptors stand in a line, and the line has a thread while there is one in it. */
#include "plugin/base/berth-closer.h"

#include <fcntl.h>
#include <unistd.h>

#include "pool/berth-sync.h"

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

static void
closer_lock (Closer *self)
{
  g_mutex_lock (&self->lock);
  BERTH_SYNC_ACQUIRE (self);
}

static void
closer_unlock (Closer *self)
{
  BERTH_SYNC_RELEASE (self);
  g_mutex_unlock (&self->lock);
}

/* Closes the line's first; FALSE, and the line is gone: there was none. */
static gboolean
line_step (Closer *self, Line *line)
{
  int fd;

  closer_lock (self);
  if (line->fds.length == 0)
    {
      g_hash_table_remove (self->lines, GUINT_TO_POINTER (line->uid));
      closer_unlock (self);
      return FALSE;
    }
  fd = GPOINTER_TO_INT (g_queue_pop_head (&line->fds));
  closer_unlock (self);
  close (fd);
  closer_lock (self);
  line->count--;
  closer_unlock (self);
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

  closer_lock (self);
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
  closer_unlock (self);
  if (is_new)
    g_thread_pool_push (self->threads, line, NULL);
}

static void
closer_forget (Closer *self, int fd)
{
  closer_lock (self);
  g_hash_table_remove (self->owners, GINT_TO_POINTER (fd));
  closer_unlock (self);
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

  closer_lock (self);
  line = g_hash_table_lookup (self->lines, GUINT_TO_POINTER (uid));
  count = line != NULL ? line->count : 0;
  closer_unlock (self);
  return count;
}

void
berth_closer_note (int fd, guint32 uid)
{
  Closer *self = closer_get ();

  closer_lock (self);
  g_hash_table_insert (self->owners, GINT_TO_POINTER (fd), GUINT_TO_POINTER (uid));
  closer_unlock (self);
}

gboolean
berth_closer_find (int fd, guint32 *out_uid)
{
  Closer *self = closer_get ();
  gpointer uid = NULL;
  gboolean is_noted;

  closer_lock (self);
  is_noted = g_hash_table_lookup_extended (self->owners, GINT_TO_POINTER (fd), NULL, &uid);
  closer_unlock (self);
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
