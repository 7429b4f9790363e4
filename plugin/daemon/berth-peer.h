/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One client's connection: the interface as that client sees it, and the calls it has running. */
#pragma once

#include "plugin/bus/berth-dbus-manager.h"
#include "plugin/daemon/berth-relay.h"
#include "plugin/manager/berth-manager.h"

G_BEGIN_DECLS

#define BERTH_TYPE_PEER (berth_peer_get_type ())
G_DECLARE_FINAL_TYPE (BerthPeer, berth_peer, BERTH, PEER, BerthDBusManagerSkeleton)

/**
 * BerthPeer::closed:
 * The client is gone; its calls were cancelled.
 */

BerthPeer *berth_peer_new (GDBusConnection *connection, BerthRelay *relay, BerthManager *manager,
                           gint64 default_wait_us);
gboolean berth_peer_serve (BerthPeer *self, GError **error);
void berth_peer_close (BerthPeer *self);

G_END_DECLS
