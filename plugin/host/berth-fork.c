/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A moment of a session with which other sessions begin. */
#include "plugin/host/berth-fork.h"

struct _BerthFork
{
  GObject parent;
  BerthVm *source;
  gpointer state;
  GDestroyNotify end_func;
  GDestroyNotify free_func;
};

G_DEFINE_FINAL_TYPE (BerthFork, berth_fork, G_TYPE_OBJECT)

static void
berth_fork_finalize (GObject *object)
{
  BerthFork *self = BERTH_FORK (object);

  berth_fork_set_state (self, NULL, NULL, NULL);
  g_object_unref (self->source);
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
}

BerthFork *
berth_fork_new (BerthVm *source)
{
  BerthFork *self = g_object_new (BERTH_TYPE_FORK, NULL);

  self->source = g_object_ref (source);
  return self;
}

BerthVm *
berth_fork_get_source (BerthFork *self)
{
  return self->source;
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
}

gpointer
berth_fork_get_state (BerthFork *self)
{
  return self->state;
}
