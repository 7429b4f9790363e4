/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "berth-link.h"

const char *
berth_link_reason_get_name (BerthLinkReason reason)
{
  static const char *const names[] = {
    [BERTH_LINK_DONE] = "done",
    [BERTH_LINK_REFUSED] = "refused",
    [BERTH_LINK_UNREACHABLE] = "unreachable",
    [BERTH_LINK_DENIED] = "denied",
    [BERTH_LINK_RESET] = "reset",
    [BERTH_LINK_TIMED_OUT] = "timed-out",
    [BERTH_LINK_LIMIT] = "limit",
    [BERTH_LINK_FAILED] = "failed",
  };

  return (guint)reason < G_N_ELEMENTS (names) ? names[reason] : names[BERTH_LINK_FAILED];
}
