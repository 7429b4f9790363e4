/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Looks names up, so many of one sandbox and of one user at a time: a name whose servers say
 * nothing keeps a thread for half a minute, and nothing can end that. */
#pragma once

#include "plugin/connector/berth-connector-wire.h"

G_BEGIN_DECLS

#define BERTH_CONNECTOR_NAMES_MAX 96u
#define BERTH_CONNECTOR_NAMES_OF_USER 24u
#define BERTH_CONNECTOR_NAMES_OF_SANDBOX 4u

typedef struct _BerthConnectorNames BerthConnectorNames;

BerthConnectorNames *berth_connector_names_new (void);

/* @cancellable ends the wait, not what is under way: that is counted until it is over. Main
 * context. */
void
berth_connector_names_look_up_async (BerthConnectorNames *self, const char *name,
                                     const BerthConnectorAsker *asker, GCancellable *cancellable,
                                     GAsyncReadyCallback callback, gpointer user_data);
/* (transfer full) (element-type GInetAddress): best first; NULL: @error */
GList *berth_connector_names_look_up_finish (GAsyncResult *result, GError **error);

G_END_DECLS
