/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A call to the manager that may wait for a VM: what withdraws it, and how far it is. */
#pragma once

#include <gio/gio.h>

#include "pool/berth-macros.h"
#include "pool/berth-request.h"

G_BEGIN_DECLS

#define BERTH_TYPE_MANAGER_CALL (berth_manager_call_get_type ())
BERTH_AVAILABLE
G_DECLARE_FINAL_TYPE (BerthManagerCall, berth_manager_call, BERTH, MANAGER_CALL, GCancellable)

/* (transfer full): given to a verb of the manager as its cancellable, it knows how far that is.
 * Main context. */
BERTH_AVAILABLE BerthManagerCall *berth_manager_call_new (void);

/* (nullable): what it asks pool for, until there is a VM for it or none to come */
void berth_manager_call_set_request (BerthManagerCall *self, BerthRequest *request);
/* (transfer none) (nullable) */
BerthRequest *berth_manager_call_get_request (BerthManagerCall *self);

G_END_DECLS
