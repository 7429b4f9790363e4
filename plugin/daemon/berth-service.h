/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* berthd's door: takes connections in, knows whose they are, and keeps them in bounds. */
#pragma once

#include "plugin/manager/berth-manager.h"

G_BEGIN_DECLS

#define BERTH_TYPE_SERVICE (berth_service_get_type ())
G_DECLARE_FINAL_TYPE (BerthService, berth_service, BERTH, SERVICE, GObject)

BerthService *berth_service_new (BerthManager *manager, gint64 wait_timeout_s);
void berth_service_set_wait_timeout (BerthService *self, gint64 wait_timeout_s);
gboolean berth_service_open (BerthService *self, GSocket *socket, GError **error);
void berth_service_close (BerthService *self);
void berth_service_drain (BerthService *self);
guint berth_service_get_n_peers (BerthService *self);

G_END_DECLS
