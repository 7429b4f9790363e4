/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The last size counts: who is told late is told that one alone. */
#include "plugin/model/berth-tty.h"

struct _BerthTty
{
  gatomicrefcount ref_count;
  GRecMutex lock; /* for what follows; held while @func is called, so that it ends with its watch */
  guint rows;
  guint columns;
  BerthTtyFunc func; /* nullable */
  gpointer user_data;
  GDestroyNotify destroy;
};

BerthTty *
berth_tty_new (guint rows, guint columns)
{
  BerthTty *self = g_new0 (BerthTty, 1);

  g_atomic_ref_count_init (&self->ref_count);
  g_rec_mutex_init (&self->lock);
  self->rows = rows;
  self->columns = columns;
  return self;
}

BerthTty *
berth_tty_ref (BerthTty *self)
{
  g_atomic_ref_count_inc (&self->ref_count);
  return self;
}

void
berth_tty_unref (BerthTty *self)
{
  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;
  if (self->destroy != NULL)
    self->destroy (self->user_data);
  g_rec_mutex_clear (&self->lock);
  g_free (self);
}

gboolean
berth_tty_size_is_valid (guint rows, guint columns)
{
  return rows >= 1 && rows <= BERTH_TTY_SIDE_MAX && columns >= 1 && columns <= BERTH_TTY_SIDE_MAX;
}

void
berth_tty_get_size (BerthTty *self, guint *out_rows, guint *out_columns)
{
  g_rec_mutex_lock (&self->lock);
  *out_rows = self->rows;
  *out_columns = self->columns;
  g_rec_mutex_unlock (&self->lock);
}

void
berth_tty_resize (BerthTty *self, guint rows, guint columns)
{
  g_rec_mutex_lock (&self->lock);
  if (rows != self->rows || columns != self->columns)
    {
      self->rows = rows;
      self->columns = columns;
      if (self->func != NULL)
        self->func (rows, columns, self->user_data);
    }
  g_rec_mutex_unlock (&self->lock);
}

void
berth_tty_watch (BerthTty *self, BerthTtyFunc func, gpointer user_data, GDestroyNotify destroy)
{
  GDestroyNotify old_destroy;
  gpointer old_data;

  g_rec_mutex_lock (&self->lock);
  old_destroy = self->destroy;
  old_data = self->user_data;
  self->func = func;
  self->user_data = user_data;
  self->destroy = destroy;
  if (func != NULL)
    func (self->rows, self->columns, user_data);
  g_rec_mutex_unlock (&self->lock);
  if (old_destroy != NULL)
    old_destroy (old_data);
}
