/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What came of a link: a TCP connection between a guest's loopback and a descriptor of the host. */
#pragma once

#include <glib-object.h>

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

/* What a link has carried so far. Counted references; from any thread. */
typedef struct _BerthLinkMeter BerthLinkMeter;

BerthLinkMeter *berth_link_meter_new (void);
BerthLinkMeter *berth_link_meter_ref (BerthLinkMeter *self);
void berth_link_meter_unref (BerthLinkMeter *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BerthLinkMeter, berth_link_meter_unref)
/* @self: (nullable) */
void berth_link_meter_add (BerthLinkMeter *self, guint64 sent_bytes, guint64 received_bytes);
/* @out_sent_bytes: to the guest; @out_received_bytes: from the guest, as far as the host's end has
 * taken them */
void
berth_link_meter_get (BerthLinkMeter *self, guint64 *out_sent_bytes, guint64 *out_received_bytes);

/**
 * BerthLinkEnd:
 * @fd: a connected stream socket; whoever gets it takes it over, and closes it
 * @uid: whose words a guest's are to who is at the other end of a Unix socket
 * @meter: (nullable): counts what it carries
 *
 * The host's end of a link.
 */
typedef struct
{
  int fd;
  guint32 uid;
  BerthLinkMeter *meter;
} BerthLinkEnd;

/* One word for people and programs: "done", "refused", ... */
const char *berth_link_reason_get_name (BerthLinkReason reason);

G_END_DECLS
