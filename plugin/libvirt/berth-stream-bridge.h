/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A guest's port through libvirtd, as a Unix socket: for users who may not open QEMU's own. */
#pragma once

#include <gio/gio.h>
#include <libvirt/libvirt.h>

G_BEGIN_DECLS

/* Opens the port with virDomainOpenChannel() and returns the near end of a socket pair that carries
 * its bytes, pumped by the default main context for as long as both ends live. Any thread. */
GSocket *berth_stream_bridge_open (virConnectPtr connection, virDomainPtr domain, const char *port,
                                   GError **error);

G_END_DECLS
