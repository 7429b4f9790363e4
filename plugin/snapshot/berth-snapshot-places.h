/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The places for tenants' own snapshots: whose goes when there is none left. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/**
 * BerthSnapshotPlace:
 * @uid: of the tenant whose snapshot has the place
 * @wanted_us: when somebody asked for it last
 * @is_idle: nothing is under way for it
 *
 * One place that is taken.
 */
typedef struct
{
  guint32 uid;
  gint64 wanted_us;
  gboolean is_idle;
} BerthSnapshotPlace;

/* Which of @places a tenant of @uid gets: the one that was wanted last before @before_us, of the
 * user who has most; else, where another user has at least two more than @uid, one of that user's.
 * -1: none. */
gint berth_snapshot_places_pick (const BerthSnapshotPlace *places, guint n, guint32 uid,
                                 gint64 before_us);

G_END_DECLS
