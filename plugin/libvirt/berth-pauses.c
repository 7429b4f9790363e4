/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* When a guest's clock is to be set because it was paused, or may have been. */
#include "berth-pauses.h"

/* A claim resumes the VM itself, and its proof of the time is of a moment after every event that
 * was heard of before it: a pause in between makes the time stale, and it is given again. */
static gboolean
pauses_run_again (BerthPauses *self)
{
  gboolean is_behind = self->may_be_behind && !self->is_claimed_now;

  self->may_be_behind = FALSE;
  return is_behind;
}

gboolean
berth_pauses_note (BerthPauses *self, BerthPausesNote note)
{
  switch (note)
    {
    case BERTH_PAUSES_SUSPENDED:
    case BERTH_PAUSES_UNSEEN:
    case BERTH_PAUSES_FOUND_PAUSED:
      self->may_be_behind = TRUE;
      return FALSE;
    case BERTH_PAUSES_RESUMED:
      return pauses_run_again (self);
    case BERTH_PAUSES_CLAIM:
      self->is_claimed_now = TRUE;
      return FALSE;
    case BERTH_PAUSES_CLAIMED:
      self->is_claimed_now = FALSE;
      return FALSE;
    case BERTH_PAUSES_FOUND_RUNNING:
      /* stays in doubt: it may have been paused since it was looked at, and then its resume is told
       */
      return self->may_be_behind && !self->is_claimed_now;
    }
  g_return_val_if_reached (FALSE);
}
