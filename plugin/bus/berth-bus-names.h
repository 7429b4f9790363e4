/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What berthd and its clients agree on beyond the interface's XML: where it is, and how errors
 * travel. */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

#define BERTH_BUS_PATH "/org/berth/Berth1"
#define BERTH_BUS_INTERFACE "org.berth.Berth1.Manager"
#define BERTH_BUS_ADMIN_INTERFACE "org.berth.Berth1.Admin"

void berth_bus_register_errors (void);

G_END_DECLS
