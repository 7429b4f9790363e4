/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* berthd is asked beside the call, on the same connection, for as long as the call does not run:
 * nothing waits for these answers. */
#include "plugin/bus/berth-progress-watch.h"

#include "plugin/base/berth-source.h"
#include "plugin/bus/berth-bus-names.h"

/* A shorter wait is none to a person. */
#define FIRST_MS 300
#define NEXT_MS 500

struct _BerthProgressWatch
{
  GDBusConnection *connection;
  guint32 serial;
  BerthProgressWatchFunc func;
  gpointer user_data;
  GMainContext *context;
  GSource *timer;            /* of the next question, nullable */
  GCancellable *cancellable; /* of the question that is on its way */
};

static void ask_after (BerthProgressWatch *self, guint delay_ms);

/* FALSE where @progress says nothing */
static gboolean
read_stage (GVariant *progress, BerthStage *stage)
{
  g_variant_lookup (progress, "position", "u", &stage->position);
  g_variant_lookup (progress, "domain", "&s", &stage->domain);
  return g_variant_lookup (progress, "state", "&s", &stage->state);
}

static void
asked_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply
      = g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, &error);
  g_autoptr (GVariant) progress = reply != NULL ? g_variant_get_child_value (reply, 0) : NULL;
  BerthStage stage = { 0 };
  BerthProgressWatch *self = user_data;

  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    return; /* @self is gone */
  if (progress == NULL || !read_stage (progress, &stage))
    {
      self->func (NULL, self->user_data);
      return;
    }
  if (!g_str_equal (stage.state, "running"))
    ask_after (self, NEXT_MS);
  self->func (&stage, self->user_data);
}

static gboolean
ask_cb (gpointer user_data)
{
  BerthProgressWatch *self = user_data;

  berth_source_clear (&self->timer);
  g_dbus_connection_call (self->connection, NULL, BERTH_BUS_PATH, BERTH_BUS_INTERFACE, "Progress",
                          g_variant_new ("(u)", self->serial), G_VARIANT_TYPE ("(a{sv})"),
                          G_DBUS_CALL_FLAGS_NONE, G_MAXINT, self->cancellable, asked_cb, self);
  return G_SOURCE_REMOVE;
}

static void
ask_after (BerthProgressWatch *self, guint delay_ms)
{
  self->timer = g_timeout_source_new (delay_ms);
  g_source_set_callback (self->timer, ask_cb, self, NULL);
  g_source_attach (self->timer, self->context);
}

BerthProgressWatch *
berth_progress_watch_new (GDBusConnection *connection, guint32 serial, BerthProgressWatchFunc func,
                          gpointer user_data)
{
  BerthProgressWatch *self = g_new0 (BerthProgressWatch, 1);

  self->connection = g_object_ref (connection);
  self->serial = serial;
  self->func = func;
  self->user_data = user_data;
  self->context = g_main_context_ref_thread_default ();
  self->cancellable = g_cancellable_new ();
  ask_after (self, FIRST_MS);
  return self;
}

void
berth_progress_watch_free (BerthProgressWatch *self)
{
  berth_source_clear (&self->timer);
  g_cancellable_cancel (self->cancellable);
  g_object_unref (self->cancellable);
  g_main_context_unref (self->context);
  g_object_unref (self->connection);
  g_free (self);
}
