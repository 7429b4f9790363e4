/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What makes a VM that stands by serve a request: one value, compared in one way. */
#pragma once

#include "berth-types.h"

G_BEGIN_DECLS

/**
 * BerthShape:
 * @template_name: of the template
 * @memory_mb: the guest's memory in MiB
 * @vcpus: how many virtual CPUs it has
 * @may_stand_by: of a request: a VM that stood by warm can serve it; of a warm VM: always
 *
 * A warm VM serves a request whose shape is equal to its own, where both are of the same tenant or
 * the VM is of none. Requests of equal shape are alike to the queue. A value: who copies the struct
 * borrows the name.
 */
struct _BerthShape
{
  const char *template_name;
  guint memory_mb;
  guint vcpus;
  gboolean may_stand_by;
};

/* lives as long as the block it stands in */
#define BERTH_SHAPE(template_name, memory_mb, vcpus)                                               \
  (&(const BerthShape){ (template_name), (memory_mb), (vcpus), TRUE })

BERTH_AVAILABLE gboolean berth_shape_equal (gconstpointer a, gconstpointer b);
/* for #GHashTable, with berth_shape_equal() */
BERTH_AVAILABLE guint berth_shape_hash (gconstpointer shape);
/* one whose name is its own: berth_shape_clear() it */
BERTH_AVAILABLE BerthShape berth_shape_copy (const BerthShape *self);
BERTH_AVAILABLE void berth_shape_clear (BerthShape *self);

G_END_DECLS
