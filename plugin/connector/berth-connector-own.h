/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which addresses are this host's own. */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* (transfer full) (nullable): GInetAddressMask of one address each, of this host's interfaces,
 * whatever their networks are; NULL: nobody knows */
GPtrArray *berth_connector_own_list (void);

G_END_DECLS
