/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* berthd's end of the connector: the process that connects sandboxes to names. It is started when
 * it is first needed, and again when it is gone. */
#pragma once

#include "plugin/config/berth-config.h"
#include "plugin/connector/berth-connector-wire.h"

G_BEGIN_DECLS

#define BERTH_TYPE_CONNECTOR (berth_connector_get_type ())
G_DECLARE_FINAL_TYPE (BerthConnector, berth_connector, BERTH, CONNECTOR, GObject)

/* Takes a copy of what it needs of @config. Main context, as are all calls. */
BerthConnector *berth_connector_new (const BerthConfig *config);
/* (transfer full): who connects, as far as it is known; @out_problem: (transfer full) (nullable):
 * what is wrong with that */
char *berth_connector_dup_user (const BerthConnector *self, char **out_problem);
/* Calls under way fail; the process ends. Idempotent. */
void berth_connector_close (BerthConnector *self);

/**
 * BerthConnectorTarget:
 * @asker: for whom
 * @name: of whom to connect to
 * @port: of it
 * @denied: GInetAddressMask: networks that it is never connected to
 * @private: likewise: those that it may be connected to although they are not public
 * @proxy: (nullable): the URI of who connects to it in our stead
 *
 * What is wanted of the connector.
 */
typedef struct
{
  BerthConnectorAsker asker;
  const char *name;
  guint16 port;
  GPtrArray *denied;
  GPtrArray *private;
  const char *proxy;
} BerthConnectorTarget;

/* Connects to a name, whatever it is: who may reach it has been decided. It has an
 * end soon, and is told where nobody waits for it any more, too. */
void berth_connector_connect_async (BerthConnector *self, const BerthConnectorTarget *target,
                                    GAsyncReadyCallback callback, gpointer user_data);
/* What came of it; BERTH_CONNECTOR_CONNECTED: *@out_fd is a connected socket of TCP, the caller's.
 * @out_address: (transfer full): that it is connected to, or was tried last; "" for none.
 * @out_text: (transfer full): in words. FALSE: it could not be tried. */
gboolean berth_connector_connect_finish (BerthConnector *self, GAsyncResult *result,
                                         BerthConnectorVerdict *out_verdict, int *out_fd,
                                         char **out_address, char **out_text, GError **error);

G_END_DECLS
