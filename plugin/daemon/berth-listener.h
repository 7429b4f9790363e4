/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* berthd's Unix socket: one berthd for each path, a stale file replaced, a live one respected. */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

#define BERTH_TYPE_LISTENER (berth_listener_get_type ())
G_DECLARE_FINAL_TYPE (BerthListener, berth_listener, BERTH, LISTENER, GObject)

BerthListener *berth_listener_new (const char *path, const char *group);
void berth_listener_adopt (BerthListener *self, int fd);
gboolean berth_listener_claim (BerthListener *self, GError **error);
GSocket *berth_listener_listen (BerthListener *self, GError **error);
void berth_listener_close (BerthListener *self);

G_END_DECLS
