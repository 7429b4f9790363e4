/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Gives up what the connector needs no more. */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* @user: (nullable): whom to become, where this process is root. Before any thread. FALSE: @error
 * says what could not be given up. */
gboolean berth_connector_confine (const char *user, GError **error);

G_END_DECLS
