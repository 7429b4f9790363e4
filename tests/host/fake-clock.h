/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Time that goes on when a test says so, and its timers in the default main context. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef struct _FakeClock FakeClock;

FakeClock *fake_clock_new (void);
void fake_clock_free (FakeClock *self);
gint64 fake_clock_get_time (FakeClock *self);
/* As g_timeout_add(); g_source_remove() ends it. */
guint fake_clock_add (FakeClock *self, gint64 delay_us, GSourceFunc func, gpointer user_data);
/* Timers that are due on the way go off, each at its time. */
void fake_clock_advance (FakeClock *self, gint64 us);
/* Timers that nobody has ended */
guint fake_clock_count (FakeClock *self);

G_END_DECLS
