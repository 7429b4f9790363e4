/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A proxy that connections are made through. */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

#define BERTH_REACH_PROXY_FORM                                                                     \
  "http://[USER:PASSWORD@]HOST:PORT or socks5://[USER:PASSWORD@]HOST:PORT"

/**
 * BerthReachProxy:
 * @is_http: it is asked by CONNECT; else by SOCKS 5
 * @host: its name or address
 * @port: of it
 * @user: (nullable): who asks
 * @password: (nullable): likewise
 *
 * What a URI says of a proxy.
 */
typedef struct
{
  gboolean is_http;
  char *host;
  guint16 port;
  char *user;
  char *password;
} BerthReachProxy;

/* Fails with BERTH_ERROR_INVALID, which tells nothing of what was given: a password may be in it.
 */
BerthReachProxy *berth_reach_proxy_parse (const char *uri, GError **error);
void berth_reach_proxy_free (BerthReachProxy *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BerthReachProxy, berth_reach_proxy_free)

G_END_DECLS
