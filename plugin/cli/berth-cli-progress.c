/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The line is written to stderr if that is a terminal, once the wait has lasted a moment. */
#include "plugin/cli/berth-cli-progress.h"

#include <string.h>
#include <unistd.h>

#include "plugin/cli/berth-cli-terminal.h"
#include "plugin/bus/berth-progress-watch.h"

struct _BerthProgress
{
  gatomicrefcount ref_count;
  BerthProgressWatch *watch; /* nullable */
  gint64 begun_us;
  GMutex lock;       /* for what follows: the streams' threads end the line */
  gboolean is_shown; /* there is a line to erase */
  gboolean is_over;  /* the line is the program's, now */
};

/**
 * berth_progress_new:
 * @is_unwanted: the caller asked for silence
 *
 * Returns: (transfer full) (nullable): %NULL where no line is to be shown, which the other
 * functions take
 */
BerthProgress *
berth_progress_new (gboolean is_unwanted)
{
  BerthProgress *self;

  if (is_unwanted || !berth_terminal_can_erase (STDERR_FILENO))
    return NULL;
  self = g_new0 (BerthProgress, 1);
  g_atomic_ref_count_init (&self->ref_count);
  g_mutex_init (&self->lock);
  return self;
}

/* With the lock held */
static void
erase (BerthProgress *self)
{
  if (self->is_shown)
    berth_terminal_erase_line (STDERR_FILENO);
  self->is_shown = FALSE;
}

static void
show (BerthProgress *self, const char *text)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&self->lock);

  if (self->is_over)
    return;
  berth_terminal_show_line (STDERR_FILENO, text);
  self->is_shown = TRUE;
}

static char *
dup_text (BerthProgress *self, const BerthStage *stage)
{
  guint seconds = (guint)((g_get_monotonic_time () - self->begun_us) / G_USEC_PER_SEC);

  if (strcmp (stage->state, "waiting") == 0)
    return g_strdup_printf ("berth: waiting for a place, number %u in the queue (%u s)",
                            stage->position, seconds);
  if (strcmp (stage->state, "starting") == 0)
    return g_strdup_printf ("berth: starting %s (%u s)",
                            stage->domain != NULL ? stage->domain : "a VM", seconds);
  return NULL;
}

static void
watched_cb (const BerthStage *stage, gpointer user_data)
{
  BerthProgress *self = user_data;
  g_autofree char *text = stage != NULL ? dup_text (self, stage) : NULL;

  if (text != NULL)
    show (self, text);
  else /* it runs, or this berthd can't tell */
    berth_progress_unwatch (self);
}

/**
 * berth_progress_watch:
 * @self: (nullable): a line that is not shown
 * @connection: on which this thread has just made the call that is to be watched
 */
void
berth_progress_watch (BerthProgress *self, GDBusConnection *connection)
{
  if (self == NULL)
    return;
  self->begun_us = g_get_monotonic_time ();
  self->watch = berth_progress_watch_new (
      connection, g_dbus_connection_get_last_serial (connection), watched_cb, self);
}

/**
 * berth_progress_end:
 * @self: (nullable): a line
 *
 * Erases it; nothing is shown any more. Any thread.
 */
void
berth_progress_end (BerthProgress *self)
{
  if (self == NULL)
    return;
  g_mutex_lock (&self->lock);
  erase (self);
  self->is_over = TRUE;
  g_mutex_unlock (&self->lock);
}

/**
 * berth_progress_unwatch:
 * @self: (nullable): a line, whether its call is watched or not
 *
 * Ends it, on the thread that watches: berthd is not asked any more.
 */
void
berth_progress_unwatch (BerthProgress *self)
{
  if (self == NULL)
    return;
  berth_progress_end (self);
  g_clear_pointer (&self->watch, berth_progress_watch_free);
}

BerthProgress *
berth_progress_ref (BerthProgress *self)
{
  g_atomic_ref_count_inc (&self->ref_count);
  return self;
}

/**
 * berth_progress_unref:
 * @self: (transfer full) (nullable): a line whose call is not watched any more. Any thread
 */
void
berth_progress_unref (BerthProgress *self)
{
  if (self == NULL || !g_atomic_ref_count_dec (&self->ref_count))
    return;
  g_mutex_clear (&self->lock);
  g_free (self);
}
