/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is known of the pauses of one VM that somebody uses. A guest's clock stands still while it
 * is paused, so it is set when it runs again. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/**
 * BerthPausesNote:
 * @BERTH_PAUSES_SUSPENDED: libvirt tells that it was paused, whoever did it
 * @BERTH_PAUSES_RESUMED: libvirt tells that it runs again
 * @BERTH_PAUSES_CLAIM: its first owner's claim begins: it is resumed and given the time
 * @BERTH_PAUSES_CLAIMED: the guest has proved that it has the time
 * @BERTH_PAUSES_UNSEEN: from now on nobody tells what happens to it, or nobody did until now
 * @BERTH_PAUSES_FOUND_PAUSED: somebody tells again: it is paused
 * @BERTH_PAUSES_FOUND_RUNNING: the same: it runs
 *
 * What happens to a VM, in the order in which berthd hears of it.
 */
typedef enum
{
  BERTH_PAUSES_SUSPENDED,
  BERTH_PAUSES_RESUMED,
  BERTH_PAUSES_CLAIM,
  BERTH_PAUSES_CLAIMED,
  BERTH_PAUSES_UNSEEN,
  BERTH_PAUSES_FOUND_PAUSED,
  BERTH_PAUSES_FOUND_RUNNING,
} BerthPausesNote;

/* All zero: it runs, and its clock is right. */
typedef struct
{
  gboolean may_be_behind;
  gboolean is_claimed_now; /* the claim is under way */
} BerthPauses;

/* TRUE: it runs and its clock may be behind, so it is to be set now. */
gboolean berth_pauses_note (BerthPauses *self, BerthPausesNote note);

G_END_DECLS
