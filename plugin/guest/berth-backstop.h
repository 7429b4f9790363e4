/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A timer of the host for what a guest is to do in its own time: it stands still while the guest
 * does. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* All zero: it is not armed, and time passes. */
typedef struct
{
  /*< private >*/
  GSource *source;
  gboolean is_held;
  gint64 left_us; /* while it is held */
} BerthBackstop;

/* @func is called on the thread's default main context every @ms until it returns G_SOURCE_REMOVE;
 * what it was armed for before is over. */
void berth_backstop_arm (BerthBackstop *self, guint ms, GSourceFunc func, gpointer user_data);
void berth_backstop_clear (BerthBackstop *self);
/* While @is_held no time passes for it, also where it is armed meanwhile. */
void berth_backstop_hold (BerthBackstop *self, gboolean is_held);

G_END_DECLS
