/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a caller asks admission for: who, for what, how large, and how long it would wait. */
#pragma once

#include <gio/gio.h>

#include "berth-shape.h"

G_BEGIN_DECLS

#define BERTH_REQUEST_NAME_MAX 128u /* characters of a tenant or task (contract.md, Input) */
#define BERTH_REQUEST_WAIT_FOREVER (-1)
#define BERTH_REQUEST_NO_WAIT 0

/**
 * BerthRequest:
 * @shape: of the VM that serves it; its sizes are never 0 here (the caller has resolved the
 *   default)
 * @tenant: (nullable): who asks, within the namespace of @uid
 * @task: (nullable): for what
 * @uid: the Unix user who asks
 * @tenant_key: of both: "1000:acme", or "1000:" without a name
 * @wait_us: how long to wait for admission in microseconds, %BERTH_REQUEST_WAIT_FOREVER or
 *   %BERTH_REQUEST_NO_WAIT
 * @vm_id: (nullable): what its VM's id is, of one that is there already or was; NULL: a new one
 * @payload: (nullable) (owned): what its maker tells whoever makes its VM; pool does not look at it
 *
 * Immutable: nobody writes a field, and its maker gives the payload away with it. Atomically
 * reference counted; any thread may read it.
 */
struct _BerthRequest
{
  /*< private >*/
  gatomicrefcount ref_count;
  const GDestroyNotify payload_free;
  /*< public >*/
  const BerthShape shape;
  char *const tenant;
  char *const task;
  const guint32 uid;
  char *const tenant_key;
  const gint64 wait_us;
  char *const vm_id;
  gconstpointer const payload;
};

/* the one rule for names that callers give: of tenants, tasks, templates, and ids */
BERTH_AVAILABLE gboolean berth_request_name_is_valid (const char *name);
/* @tenant_key: as of a #BerthRequest */
BERTH_AVAILABLE guint32 berth_request_uid_of_tenant_key (const char *tenant_key);
/* fails with BERTH_ERROR_INVALID where a name breaks the rule of contract.md */
BERTH_AVAILABLE BerthRequest *
berth_request_new (const BerthShape *shape, const char *tenant, const char *task, guint32 uid,
                   gint64 wait_us, gpointer payload, GDestroyNotify payload_free, GError **error);
/* by its maker, before anybody else has it; @vm_id: as berth_vm_get_id() of the other */
BERTH_AVAILABLE void berth_request_set_vm_id (BerthRequest *self, const char *vm_id);
/* for the vCPUs of @owner's VM, which is paused and has the rest; as @owner, or with a wait of its
 * own. Its shape has no memory, so that it is like no request for a VM */
BERTH_AVAILABLE BerthRequest *berth_request_new_wake (const BerthRequest *owner, gint64 wait_us);
BERTH_AVAILABLE gboolean berth_request_is_wake (const BerthRequest *self);
BERTH_AVAILABLE BerthRequest *berth_request_ref (BerthRequest *self);
BERTH_AVAILABLE void berth_request_unref (BerthRequest *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BerthRequest, berth_request_unref)

G_END_DECLS
