/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Gives up what the connector needs no more. */
#pragma once

#include "plugin/connector/berth-connector-wire.h"

G_BEGIN_DECLS

/* @user: (nullable): whom to become, where this process is root; "": somebody that nobody else is,
 * with a number above BERTH_CONNECTOR_OWN_UID. Before any thread. FALSE: @error says what could not
 * be given up. */
gboolean berth_connector_confine (const char *user, GError **error);

G_END_DECLS
