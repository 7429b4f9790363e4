/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* (transfer full): of @status, as the manager tells it, what @uid may see who is no administrator.
 * What is not named here is not told: a key that is added to a status stays the administrators'
 * until somebody decides about it. */
GVariant *berth_view_new_status (GVariant *status, guint uid);

G_END_DECLS
