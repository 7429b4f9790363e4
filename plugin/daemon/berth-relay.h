/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What stands between a client's socket and GDBus, which takes what it is sent. */
#pragma once

#include <gio/gio.h>

#include "plugin/daemon/berth-account.h"

G_BEGIN_DECLS

/**
 * BerthRelay:
 *
 * One client's connection: authenticates it, passes its messages on to GDBus when they are whole
 * and in bounds, and its answers back as bytes. Lives on the thread-default main context of the
 * caller; nothing in it blocks.
 */
typedef struct _BerthRelay BerthRelay;

/**
 * BerthRelayFuncs:
 * @opened: the client is who it is, and may be served behind berth_relay_take_inner()
 * @closed: the client is gone, or was cut off; the relay is to be freed
 *
 * Both called from the main context, each at most once.
 */
typedef struct
{
  void (*opened) (BerthRelay *relay, gpointer user_data);
  void (*closed) (BerthRelay *relay, gpointer user_data);
} BerthRelayFuncs;

/* Takes over @tab. @funcs, @user_data and @guid outlive the relay. */
BerthRelay *berth_relay_new (GSocketConnection *client, BerthTab *tab, const char *guid,
                             const BerthRelayFuncs *funcs, gpointer user_data);
void berth_relay_free (BerthRelay *self);

GSocket *berth_relay_get_client (BerthRelay *self);
BerthTab *berth_relay_get_tab (BerthRelay *self);
gboolean berth_relay_is_open (BerthRelay *self);
/* The end of a socket pair at which whole messages come out; for the caller, once, from @opened. */
GSocket *berth_relay_take_inner (BerthRelay *self, GError **error);

G_END_DECLS
