/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The bounds on a connection's messages, applied before anything is dispatched. */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* Whether there are descriptors for clients beside those that berthd needs itself. Any thread. */
gboolean berth_gate_has_descriptors (void);

void berth_gate_install (GDBusConnection *connection);

G_END_DECLS
