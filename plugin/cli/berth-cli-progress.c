/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The line is written to stderr if that is a terminal, once the wait has lasted a moment. berthd is
 * asked beside the call, on the same connection: nothing waits for the line. */
#include "plugin/cli/berth-cli-progress.h"

#include <string.h>
#include <unistd.h>

#include "plugin/cli/berth-cli-terminal.h"
#include "plugin/daemon/berth-wire.h"

/* A shorter wait is none to a person. */
#define FIRST_MS 300
#define NEXT_MS 500

struct _BerthProgress
{
  gatomicrefcount ref_count;
  GDBusConnection *connection;
  GCancellable *cancellable; /* of the question that is on its way */
  guint32 serial;            /* of the call that is waited for */
  guint timer_id;
  gint64 begun_us;
  GMutex lock;       /* for what follows: the streams' threads end the line */
  gboolean is_shown; /* there is a line to erase */
  gboolean is_over;  /* the line is the program's, now */
};

static gboolean ask_cb (gpointer user_data);

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
dup_text (BerthProgress *self, GVariant *progress)
{
  guint seconds = (guint)((g_get_monotonic_time () - self->begun_us) / G_USEC_PER_SEC);
  const char *state = "";
  const char *domain = "a VM";
  guint32 position = 0;

  g_variant_lookup (progress, "state", "&s", &state);
  g_variant_lookup (progress, "position", "u", &position);
  g_variant_lookup (progress, "domain", "&s", &domain);
  if (strcmp (state, "waiting") == 0)
    return g_strdup_printf ("berth: waiting for a place, number %u in the queue (%u s)", position,
                            seconds);
  if (strcmp (state, "starting") == 0)
    return g_strdup_printf ("berth: starting %s (%u s)", domain, seconds);
  return NULL;
}

static void
asked_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply
      = g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, &error);
  g_autoptr (GVariant) progress = NULL;
  g_autofree char *text = NULL;
  BerthProgress *self = user_data;

  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    return; /* @self may be gone */
  if (reply != NULL)
    {
      progress = g_variant_get_child_value (reply, 0);
      text = dup_text (self, progress);
    }
  if (text == NULL) /* it runs, or this berthd can't tell */
    {
      berth_progress_unwatch (self);
      return;
    }
  show (self, text);
  self->timer_id = g_timeout_add (NEXT_MS, ask_cb, self);
}

static gboolean
ask_cb (gpointer user_data)
{
  BerthProgress *self = user_data;

  self->timer_id = 0;
  g_dbus_connection_call (self->connection, NULL, BERTH_WIRE_PATH, BERTH_WIRE_INTERFACE, "Progress",
                          g_variant_new ("(u)", self->serial), G_VARIANT_TYPE ("(a{sv})"),
                          G_DBUS_CALL_FLAGS_NONE, G_MAXINT, self->cancellable, asked_cb, self);
  return G_SOURCE_REMOVE;
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
  self->serial = g_dbus_connection_get_last_serial (connection);
  self->connection = g_object_ref (connection);
  self->cancellable = g_cancellable_new ();
  self->begun_us = g_get_monotonic_time ();
  self->timer_id = g_timeout_add (FIRST_MS, ask_cb, self);
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
  g_clear_handle_id (&self->timer_id, g_source_remove);
  g_cancellable_cancel (self->cancellable);
  g_clear_object (&self->cancellable);
  g_clear_object (&self->connection);
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
