/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Keeps what is left of a timer's time while the guest that it watches stands still. */
#include "berth-backstop.h"

#include "plugin/base/berth-source.h"

#define NEVER (-1)

static void
backstop_stop_time (BerthBackstop *self)
{
  self->left_us = MAX (g_source_get_ready_time (self->source) - g_get_monotonic_time (), 0);
  g_source_set_ready_time (self->source, NEVER);
}

void
berth_backstop_arm (BerthBackstop *self, guint ms, GSourceFunc func, gpointer user_data)
{
  berth_backstop_clear (self);
  self->source = g_timeout_source_new (ms);
  g_source_set_callback (self->source, func, user_data, NULL);
  if (self->is_held)
    backstop_stop_time (self);
  g_source_attach (self->source, g_main_context_get_thread_default ());
}

void
berth_backstop_clear (BerthBackstop *self)
{
  berth_source_clear (&self->source);
}

void
berth_backstop_hold (BerthBackstop *self, gboolean is_held)
{
  if (self->is_held == is_held)
    return;
  self->is_held = is_held;
  if (self->source == NULL)
    return;
  if (is_held)
    backstop_stop_time (self);
  else
    g_source_set_ready_time (self->source, g_get_monotonic_time () + self->left_us);
}
