/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which addresses a sandbox may be connected to: those of the public internet, and what the
 * administrator names. */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* (nullable): static: what it is for; NULL: a public one */
const char *berth_reach_address_get_use (GInetAddress *address);

/* (transfer full): GInetAddressMask, of "10.1.2.0/24", "fd00::/8", "192.0.2.1". Fails with
 * BERTH_ERROR_INVALID. */
GPtrArray *berth_reach_networks_parse (const char *const *texts, GError **error);
/* (transfer full): NULL-terminated, as of berth_reach_networks_parse() */
char **berth_reach_networks_to_texts (const GPtrArray *networks);
/* (transfer full): what is in both */
GPtrArray *berth_reach_networks_intersect (const GPtrArray *networks, const GPtrArray *others);
/* An IPv4 address that is written as one of IPv6 is of its own network. */
gboolean berth_reach_networks_have (const GPtrArray *networks, GInetAddress *address);

/* (transfer full) (nullable): why a sandbox may not be connected to it. @denied, @private, @own:
 * networks: never, although it is not public, and this host's own */
char *berth_reach_address_dup_problem (GInetAddress *address, const GPtrArray *denied,
                                       const GPtrArray *private, const GPtrArray *own);

G_END_DECLS
