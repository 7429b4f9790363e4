/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Time that goes on when a test says so. */
#include "tests/host/fake-clock.h"

struct _FakeClock
{
  gint64 now_us;
  GPtrArray *timers; /* Timer (owned) */
};

typedef struct
{
  GSource source;
  FakeClock *clock; /* borrowed */
  gint64 delay_us;
  gint64 due_us;
} Timer;

static void
timer_free (GSource *source)
{
  g_source_destroy (source);
  g_source_unref (source);
}

FakeClock *
fake_clock_new (void)
{
  FakeClock *self = g_new0 (FakeClock, 1);

  self->now_us = G_TIME_SPAN_DAY; /* long before now there was a time, too */
  self->timers = g_ptr_array_new_with_free_func ((GDestroyNotify)timer_free);
  return self;
}

void
fake_clock_free (FakeClock *self)
{
  g_ptr_array_unref (self->timers);
  g_free (self);
}

gint64
fake_clock_get_time (FakeClock *self)
{
  return self->now_us;
}

static gboolean
timer_is_due (GSource *source)
{
  Timer *timer = (Timer *)source;

  return timer->due_us <= timer->clock->now_us;
}

static gboolean
timer_prepare (GSource *source, gint *timeout_ms)
{
  *timeout_ms = -1;
  return timer_is_due (source);
}

static gboolean
timer_dispatch (GSource *source, GSourceFunc func, gpointer user_data)
{
  Timer *timer = (Timer *)source;

  timer->due_us += timer->delay_us;
  return func (user_data);
}

static GSourceFuncs timer_funcs
    = { .prepare = timer_prepare, .check = timer_is_due, .dispatch = timer_dispatch };

guint
fake_clock_add (FakeClock *self, gint64 delay_us, GSourceFunc func, gpointer user_data)
{
  Timer *timer = (Timer *)g_source_new (&timer_funcs, sizeof (Timer));

  timer->clock = self;
  timer->delay_us = delay_us;
  timer->due_us = self->now_us + delay_us;
  g_source_set_callback (&timer->source, func, user_data, NULL);
  g_ptr_array_add (self->timers, timer);
  return g_source_attach (&timer->source, NULL);
}

/* (nullable): borrowed; the first that is due until @until_us */
static Timer *
find_next_timer (FakeClock *self, gint64 until_us)
{
  Timer *first = NULL;

  for (guint i = 0; i < self->timers->len;)
    {
      Timer *timer = g_ptr_array_index (self->timers, i);

      if (g_source_is_destroyed (&timer->source))
        {
          g_ptr_array_remove_index_fast (self->timers, i);
          continue;
        }
      if (timer->due_us <= until_us && (first == NULL || timer->due_us < first->due_us))
        first = timer;
      i++;
    }
  return first;
}

void
fake_clock_advance (FakeClock *self, gint64 us)
{
  gint64 until_us = self->now_us + us;
  Timer *timer;

  while ((timer = find_next_timer (self, until_us)) != NULL)
    {
      self->now_us = MAX (self->now_us, timer->due_us);
      while (g_main_context_iteration (NULL, FALSE))
        ;
    }
  self->now_us = until_us;
}

guint
fake_clock_count (FakeClock *self)
{
  guint count = 0;

  for (guint i = 0; i < self->timers->len; i++)
    count += !g_source_is_destroyed (g_ptr_array_index (self->timers, i));
  return count;
}
