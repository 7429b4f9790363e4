/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Decides when two VMs, or a VM and a request, are alike. */
#include "berth-shape.h"

/**
 * berth_shape_equal:
 * @a: a #BerthShape
 * @b: a #BerthShape
 *
 * Any thread.
 *
 * Returns: whether a VM of the one serves a request of the other, tenants apart
 */
gboolean
berth_shape_equal (gconstpointer a, gconstpointer b)
{
  const BerthShape *first = a;
  const BerthShape *second = b;

  return first->memory_mb == second->memory_mb && first->vcpus == second->vcpus
         && first->may_stand_by == second->may_stand_by
         && g_str_equal (first->template_name, second->template_name);
}

/**
 * berth_shape_hash:
 * @shape: a #BerthShape
 *
 * Any thread.
 *
 * Returns: a number that equal shapes share
 */
guint
berth_shape_hash (gconstpointer shape)
{
  const BerthShape *self = shape;

  return g_str_hash (self->template_name) ^ (self->memory_mb * 31 + self->vcpus * 7)
         ^ (guint)self->may_stand_by;
}

/**
 * berth_shape_copy:
 * @self: a #BerthShape
 *
 * Any thread.
 *
 * Returns: an equal one that owns its name, until berth_shape_clear()
 */
BerthShape
berth_shape_copy (const BerthShape *self)
{
  BerthShape copy = *self;

  copy.template_name = g_strdup (self->template_name);
  return copy;
}

/**
 * berth_shape_clear:
 * @self: a #BerthShape by berth_shape_copy()
 *
 * Frees its name.
 */
void
berth_shape_clear (BerthShape *self)
{
  g_free ((gpointer)self->template_name);
  self->template_name = NULL;
}
