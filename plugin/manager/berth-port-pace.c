/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Counts in seconds that begin with who comes first. */
#include "plugin/manager/berth-port-pace.h"

#include "pool/berth-sync.h"

struct _BerthPortPace
{
  gatomicrefcount ref_count;
  GMutex mutex;
  gint64 second_us;
  guint count;
  guint most;
};

BerthPortPace *
berth_port_pace_new (guint most)
{
  BerthPortPace *self = g_new0 (BerthPortPace, 1);

  g_atomic_ref_count_init (&self->ref_count);
  g_mutex_init (&self->mutex);
  self->most = most;
  return self;
}

BerthPortPace *
berth_port_pace_ref (BerthPortPace *self)
{
  g_atomic_ref_count_inc (&self->ref_count);
  return self;
}

void
berth_port_pace_unref (BerthPortPace *self)
{
  BERTH_SYNC_RELEASE (self);
  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;
  BERTH_SYNC_ACQUIRE (self);
  g_mutex_clear (&self->mutex);
  g_free (self);
}

gboolean
berth_port_pace_take (BerthPortPace *self, gint64 now_us)
{
  gboolean ok;

  g_mutex_lock (&self->mutex);
  if (self->second_us == 0 || now_us - self->second_us >= G_USEC_PER_SEC)
    {
      self->second_us = now_us;
      self->count = 0;
    }
  ok = self->count < self->most;
  self->count += ok;
  g_mutex_unlock (&self->mutex);
  return ok;
}
