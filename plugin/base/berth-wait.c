/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A synchronous call runs a main context of its own, so that none of the caller's other code runs
 * inside it, and any thread may make it. */
#include "plugin/base/berth-wait.h"

void
berth_wait_begin (BerthWait *self, gboolean serves_here)
{
  GMainContext *context = g_main_context_default ();

  *self = (BerthWait){ .is_default = serves_here && g_main_context_acquire (context) };
  self->context = self->is_default ? g_main_context_ref (context) : g_main_context_new ();
  g_main_context_push_thread_default (self->context);
}

void
berth_wait_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  BerthWait *self = user_data;

  self->result = g_object_ref (result);
}

GAsyncResult *
berth_wait_end (BerthWait *self)
{
  while (self->result == NULL)
    g_main_context_iteration (self->context, TRUE);
  g_main_context_pop_thread_default (self->context);
  if (self->is_default)
    g_main_context_release (self->context);
  g_main_context_unref (self->context);
  return self->result;
}
