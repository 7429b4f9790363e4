/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The bounds on a connection's messages, applied before anything is dispatched. */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

void berth_gate_install (GDBusConnection *connection);

G_END_DECLS
