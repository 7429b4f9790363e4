/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Decides whose snapshot goes for another tenant's, so that one user's names never take every
 * place.
 */
#include "plugin/snapshot/berth-snapshot-places.h"

static guint
count_of (const BerthSnapshotPlace *places, guint n, guint32 uid)
{
  guint count = 0;

  for (guint i = 0; i < n; i++)
    count += places[i].uid == uid ? 1 : 0;
  return count;
}

/* whether @a goes rather than @b */
static gboolean
goes_before (const BerthSnapshotPlace *places, guint n, const BerthSnapshotPlace *a,
             const BerthSnapshotPlace *b)
{
  guint count_a = count_of (places, n, a->uid);
  guint count_b = count_of (places, n, b->uid);

  return count_a != count_b ? count_a > count_b : a->wanted_us < b->wanted_us;
}

gint
berth_snapshot_places_pick (const BerthSnapshotPlace *places, guint n, guint32 uid,
                            gint64 before_us)
{
  guint own = count_of (places, n, uid);
  gint unused = -1;
  gint surplus = -1;

  for (guint i = 0; i < n; i++)
    {
      const BerthSnapshotPlace *place = &places[i];

      if (!place->is_idle)
        continue;
      if (place->wanted_us < before_us
          && (unused < 0 || goes_before (places, n, place, &places[unused])))
        unused = (gint)i;
      if (count_of (places, n, place->uid) >= own + 2
          && (surplus < 0 || goes_before (places, n, place, &places[surplus])))
        surplus = (gint)i;
    }
  return unused >= 0 ? unused : surplus;
}
