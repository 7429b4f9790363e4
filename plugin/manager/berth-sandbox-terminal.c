/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Decides when a terminal that nobody sits at is hung up: it has a place among the sandbox's
 * commands, and keeps the sandbox from being idle. */
#include "plugin/manager/berth-sandbox-private.h"

typedef struct
{
  BerthSandbox *sandbox;
  guint32 exec;
  gboolean runs; /* as far as is known: what an earlier berthd had is not, until it is looked at */
  guint clients; /* who sit there */
  guint hangup_id;
} Terminal;

static void
terminal_free (gpointer data)
{
  Terminal *terminal = data;

  g_clear_handle_id (&terminal->hangup_id, g_source_remove);
  g_free (terminal);
}

void
berth_sandbox_terminals_init (BerthSandbox *self)
{
  self->terminals = g_hash_table_new_full (NULL, NULL, NULL, terminal_free);
}

void
berth_sandbox_set_hangup (BerthSandbox *self, gint64 hangup_us)
{
  self->hangup_us = hangup_us;
}

static void
hung_up_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (BerthSandbox) self = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (BerthBackgroundResult) told
      = berth_host_background_finish (BERTH_HOST (source), result, &error);

  if (told == NULL && self->close_reason == NULL)
    g_message ("a terminal of sandbox %s can't be hung up: %s", berth_sandbox_get_id (self),
               error->message);
}

/* Again and again, until it has ended. One that stands still waits for who wakes it. */
static gboolean
hangup_cb (gpointer user_data)
{
  const Terminal *terminal = user_data;
  BerthSandbox *self = terminal->sandbox;

  if (berth_sandbox_is_awake (self))
    berth_host_background_async (
        self->host, self->vm,
        berth_background_request_new (BERTH_BACKGROUND_SIGNAL, terminal->exec), self->closed,
        hung_up_cb, g_object_ref (self));
  return G_SOURCE_CONTINUE;
}

static Terminal *
sandbox_get_terminal (BerthSandbox *self, guint32 exec)
{
  Terminal *terminal = g_hash_table_lookup (self->terminals, GUINT_TO_POINTER (exec));

  if (terminal != NULL)
    return terminal;
  terminal = g_new0 (Terminal, 1);
  terminal->sandbox = self;
  terminal->exec = exec;
  g_hash_table_insert (self->terminals, GUINT_TO_POINTER (exec), terminal);
  return terminal;
}

static void
terminal_changed (Terminal *terminal)
{
  BerthSandbox *self = terminal->sandbox;

  g_clear_handle_id (&terminal->hangup_id, g_source_remove);
  if (!terminal->runs && terminal->clients == 0)
    g_hash_table_remove (self->terminals, GUINT_TO_POINTER (terminal->exec));
  else if (terminal->clients == 0 && self->hangup_us > 0 && self->close_reason == NULL)
    terminal->hangup_id = berth_host_add_timer (self->host, self->hangup_us, hangup_cb, terminal);
}

void
berth_sandbox_terminal_note (BerthSandbox *self, guint32 exec, gboolean runs)
{
  Terminal *terminal = sandbox_get_terminal (self, exec);

  terminal->runs = runs;
  terminal_changed (terminal);
}

void
berth_sandbox_terminal_attend (BerthSandbox *self, guint32 exec, int change)
{
  Terminal *terminal = sandbox_get_terminal (self, exec);

  terminal->clients += (guint)change;
  terminal_changed (terminal);
}
