/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What came of a link: a TCP connection between a guest's loopback and a descriptor of the host. */
#pragma once

#include <glib.h>

#include "agent/berth-protocol.h"

G_BEGIN_DECLS

/**
 * BerthLinkResult:
 * @reason: why it ended; %BERTH_LINK_DONE: both directions, and everything was delivered
 * @was_connected: the other side had said yes
 * @sent_bytes: to the guest
 * @received_bytes: from the guest
 */
typedef struct
{
  BerthLinkReason reason;
  gboolean was_connected;
  guint64 sent_bytes;
  guint64 received_bytes;
} BerthLinkResult;

/* One word for people and programs: "done", "refused", ... */
const char *berth_link_reason_get_name (BerthLinkReason reason);

G_END_DECLS
