/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where a machine stands between pool's calls and libvirt's answers, in one table. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/**
 * BerthPhase:
 * @BERTH_PHASE_STARTING: its start is under way
 * @BERTH_PHASE_UNWANTED: the same, and it is ended when that has ended
 * @BERTH_PHASE_UP: told as started
 * @BERTH_PHASE_DOWN: its start failed, or it is of no use any more: waits for its end
 * @BERTH_PHASE_ENDING: its end is under way
 */
typedef enum
{
  BERTH_PHASE_STARTING,
  BERTH_PHASE_UNWANTED,
  BERTH_PHASE_UP,
  BERTH_PHASE_DOWN,
  BERTH_PHASE_ENDING,
} BerthPhase;

#define BERTH_PHASE_COUNT ((guint)BERTH_PHASE_ENDING + 1)

/**
 * BerthPhaseEvent:
 * @BERTH_PHASE_STARTED: its start succeeded
 * @BERTH_PHASE_FAILED: its start, its use or its end did not
 * @BERTH_PHASE_END: it is to end
 */
typedef enum
{
  BERTH_PHASE_STARTED,
  BERTH_PHASE_FAILED,
  BERTH_PHASE_END,
} BerthPhaseEvent;

#define BERTH_PHASE_EVENT_COUNT ((guint)BERTH_PHASE_END + 1)

/* FALSE, and nothing is changed: @event means nothing in @phase */
gboolean berth_phase_next (BerthPhase phase, BerthPhaseEvent event, BerthPhase *out_next);

G_END_DECLS
