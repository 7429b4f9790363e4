/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Decides every way of a machine through its phases. */
#include "berth-phase.h"

/* 0 is "ignored", so that an edge which nobody wrote down does not exist */
#define TO(phase) ((guint8)(BERTH_PHASE_##phase + 1))

static const guint8 next_phase[BERTH_PHASE_COUNT][BERTH_PHASE_EVENT_COUNT] = {
  [BERTH_PHASE_STARTING] = {
    [BERTH_PHASE_STARTED] = TO (UP),
    [BERTH_PHASE_FAILED] = TO (DOWN),
    [BERTH_PHASE_END] = TO (UNWANTED),
  },
  [BERTH_PHASE_UNWANTED] = {
    [BERTH_PHASE_STARTED] = TO (ENDING),
    [BERTH_PHASE_FAILED] = TO (ENDING),
  },
  [BERTH_PHASE_UP] = {
    [BERTH_PHASE_FAILED] = TO (DOWN),
    [BERTH_PHASE_END] = TO (ENDING),
  },
  [BERTH_PHASE_DOWN] = {
    [BERTH_PHASE_END] = TO (ENDING),
  },
  [BERTH_PHASE_ENDING] = {
    [BERTH_PHASE_FAILED] = TO (DOWN), /* it is asked for again */
  },
};

gboolean
berth_phase_next (BerthPhase phase, BerthPhaseEvent event, BerthPhase *out_next)
{
  guint8 cell;

  g_assert ((guint)phase < BERTH_PHASE_COUNT && (guint)event < BERTH_PHASE_EVENT_COUNT);
  cell = next_phase[phase][event];
  if (cell == 0)
    return FALSE;
  *out_next = (BerthPhase)(cell - 1);
  return TRUE;
}
