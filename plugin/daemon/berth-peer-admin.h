/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The D-Bus interface for administrators, one object for each connection. */
#pragma once

#include "plugin/daemon/berth-peer-calls.h"
#include "plugin/manager/berth-manager-admin.h"

G_BEGIN_DECLS

/* (transfer full): to be exported on a connection of user @uid */
GDBusInterfaceSkeleton *
berth_peer_admin_new (BerthManager *manager, guint32 uid, BerthPeerCalls *calls);

G_END_DECLS
