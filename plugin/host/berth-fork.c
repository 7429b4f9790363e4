/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A moment of a session with which other sessions begin. */
#include "plugin/host/berth-fork.h"

#include <unistd.h>

struct _BerthFork
{
  GObject parent;
  BerthVm *source;     /* (nullable) */
  char *source_id;     /* (nullable): where there is no source */
  char *name;          /* (nullable) */
  BerthForkBase *base; /* (nullable) */
  int fd;
  gboolean is_sole;
  gboolean is_held;
  GError *hold_error; /* (nullable) */
  GArray *held;       /* Held */
  gpointer state;
  GDestroyNotify end_func;
  GDestroyNotify free_func;
};

/* Who waits for its being let go */
typedef struct
{
  BerthForkFunc func;
  gpointer user_data;
} Held;

G_DEFINE_FINAL_TYPE (BerthFork, berth_fork, G_TYPE_OBJECT)

BerthForkBase *
berth_fork_base_copy (const BerthForkBase *self)
{
  BerthForkBase *copy = g_new0 (BerthForkBase, 1);

  copy->snapshot = g_strdup (self->snapshot);
  copy->key = g_strdup (self->key);
  copy->sum = g_strdup (self->sum);
  copy->dir = g_strdup (self->dir);
  copy->parts = g_strdupv (self->parts);
  return copy;
}

void
berth_fork_base_free (BerthForkBase *self)
{
  g_free (self->snapshot);
  g_free (self->key);
  g_free (self->sum);
  g_free (self->dir);
  g_strfreev (self->parts);
  g_free (self);
}

static void
berth_fork_finalize (GObject *object)
{
  BerthFork *self = BERTH_FORK (object);

  berth_fork_set_state (self, NULL, NULL, NULL);
  g_clear_object (&self->source);
  g_clear_pointer (&self->base, berth_fork_base_free);
  g_free (self->source_id);
  g_free (self->name);
  g_clear_error (&self->hold_error);
  g_array_unref (self->held);
  if (self->fd >= 0)
    close (self->fd);
  G_OBJECT_CLASS (berth_fork_parent_class)->finalize (object);
}

static void
berth_fork_class_init (BerthForkClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = berth_fork_finalize;
}

static void
berth_fork_init (BerthFork *self)
{
  self->fd = -1;
  self->held = g_array_new (FALSE, FALSE, sizeof (Held));
}

BerthFork *
berth_fork_new (BerthVm *source)
{
  BerthFork *self = g_object_new (BERTH_TYPE_FORK, NULL);

  self->source = g_object_ref (source);
  return self;
}

BerthFork *
berth_fork_new_kept (const char *id, const char *name, const BerthForkBase *base, int fd)
{
  BerthFork *self = g_object_new (BERTH_TYPE_FORK, NULL);

  self->source_id = g_strdup (id);
  self->name = g_strdup (name);
  self->base = berth_fork_base_copy (base);
  self->fd = fd;
  return self;
}

BerthVm *
berth_fork_get_source (BerthFork *self)
{
  return self->source;
}

const char *
berth_fork_get_source_id (BerthFork *self)
{
  return self->source != NULL ? berth_vm_get_id (self->source) : self->source_id;
}

const char *
berth_fork_get_name (BerthFork *self)
{
  return self->name;
}

const BerthForkBase *
berth_fork_get_base (BerthFork *self)
{
  return self->base;
}

int
berth_fork_get_fd (BerthFork *self)
{
  return self->fd;
}

void
berth_fork_set_sole (BerthFork *self)
{
  self->is_sole = TRUE;
}

gboolean
berth_fork_is_sole (BerthFork *self)
{
  return self->is_sole;
}

gboolean
berth_fork_take_sole (BerthFork *self)
{
  gboolean is_sole = self->is_sole;

  self->is_sole = FALSE;
  return is_sole;
}

void
berth_fork_hold (BerthFork *self)
{
  self->is_held = TRUE;
}

void
berth_fork_let_go (BerthFork *self, const GError *error)
{
  g_autoptr (BerthFork) owned = g_object_ref (self);
  g_autoptr (GArray) held = g_steal_pointer (&self->held);

  self->held = g_array_new (FALSE, FALSE, sizeof (Held));
  self->is_held = FALSE;
  self->hold_error = error != NULL ? g_error_copy (error) : NULL;
  for (guint i = 0; i < held->len; i++)
    g_array_index (held, Held, i).func (error, g_array_index (held, Held, i).user_data);
}

void
berth_fork_when_let_go (BerthFork *self, BerthForkFunc func, gpointer user_data)
{
  Held held = { func, user_data };

  if (self->is_held)
    g_array_append_val (self->held, held);
  else
    func (self->hold_error, user_data);
}

void
berth_fork_set_state (BerthFork *self, gpointer state, GDestroyNotify end_func,
                      GDestroyNotify free_func)
{
  if (self->state != NULL)
    self->free_func (self->state);
  self->state = state;
  self->end_func = end_func;
  self->free_func = free_func;
}

void
berth_fork_end (BerthFork *self)
{
  if (self->state != NULL)
    self->end_func (self->state);
  if (self->fd >= 0)
    close (self->fd);
  self->fd = -1;
}

gpointer
berth_fork_get_state (BerthFork *self)
{
  return self->state;
}
