/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The words of a proxy of HTTP. */
#pragma once

#include "plugin/reach/berth-reach-proxy.h"

G_BEGIN_DECLS

#define BERTH_CONNECTOR_HTTP_HEAD_MAX 8192u

/* (transfer full): what @self is asked by to connect to @name at @port */
char *
berth_connector_http_dup_request (const BerthReachProxy *self, const char *name, guint16 port);
/* What @head, a whole answer's up to its empty line, is: FALSE and @error where it is no leave. */
gboolean berth_connector_http_check (const char *head, gsize size, GError **error);

G_END_DECLS
