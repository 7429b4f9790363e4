/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One connection to a name: looked up, checked, connected to the very address that was checked. */
#pragma once

#include "plugin/connector/berth-connector-names.h"
#include "plugin/reach/berth-reach-proxy.h"

G_BEGIN_DECLS

/**
 * BerthConnectorLimits:
 * @denied: GInetAddressMask: never connected to
 * @private: likewise: connected to though not public
 * @proxy: (nullable) (transfer full): who connects in our stead, wherever it is
 * @connect_ms: for the look-up and the connection
 *
 * Of a connection.
 */
typedef struct
{
  GPtrArray *denied;
  GPtrArray *private;
  BerthReachProxy *proxy;
  guint connect_ms;
} BerthConnectorLimits;

/**
 * BerthConnectorEnd:
 * @verdict: what came of it
 * @socket: (nullable): where it is connected
 * @address: (nullable): that it is connected to, or was tried last
 * @text: (nullable): what came of it in words
 *
 * The end of a dial.
 */
typedef struct
{
  BerthConnectorVerdict verdict;
  GSocket *socket;
  char *address;
  char *text;
} BerthConnectorEnd;

void berth_connector_end_free (BerthConnectorEnd *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BerthConnectorEnd, berth_connector_end_free)

/* Takes a copy of @limits; @names outlives it. Main context. */
void berth_connector_dial_async (const BerthConnectorLimits *limits, BerthConnectorNames *names,
                                 const BerthConnectorAsker *asker, const char *name, guint16 port,
                                 GAsyncReadyCallback callback, gpointer user_data);
/* (transfer full): never NULL */
BerthConnectorEnd *berth_connector_dial_finish (GAsyncResult *result);

G_END_DECLS
