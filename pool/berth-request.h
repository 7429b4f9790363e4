/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a caller asks admission for: who, for what, how large, and how long it would wait. */
#pragma once

#include <gio/gio.h>

#include "berth-types.h"

G_BEGIN_DECLS

#define BERTH_REQUEST_NAME_MAX 128u /* characters of a tenant or task (contract.md, Input) */
#define BERTH_REQUEST_WAIT_FOREVER (-1)
#define BERTH_REQUEST_NO_WAIT 0

/**
 * BerthRequest:
 * @template_name: of the template
 * @memory_mb: the guest's memory in MiB, never 0 here (the caller has resolved the default)
 * @vcpus: never 0
 * @tenant: (nullable): who asks, within the namespace of @uid
 * @task: (nullable): for what
 * @uid: the Unix user who asks
 * @tenant_key: of both: "1000:acme", or "1000:" without a name
 * @wait_us: how long to wait for admission in microseconds, %BERTH_REQUEST_WAIT_FOREVER or
 *   %BERTH_REQUEST_NO_WAIT
 * @snapshot_name: (nullable) (owned): of the snapshot that is to be made of its VM, which no warm
 *   VM can be. NULL after berth_request_new(); its maker may set it before anybody else has the
 *   request
 * @is_cold: no warm VM serves it, and its VM boots, likewise
 * @is_session: its VM outlives berthd, likewise; the VM of a run does not
 * @idle_timeout_ms: after which a session ends that nobody uses, likewise; 0: the usual one
 * @boot_log: (nullable) (owned): where the console of its VM goes while that boots, likewise
 *
 * Immutable after berth_request_new(); atomically reference counted; any thread may read it.
 */
struct _BerthRequest
{
  /*< private >*/
  gatomicrefcount ref_count;
  /*< public >*/
  char *template_name;
  guint memory_mb;
  guint vcpus;
  char *tenant;
  char *task;
  guint32 uid;
  char *tenant_key;
  gint64 wait_us;
  char *snapshot_name;
  gboolean is_cold;
  gboolean is_session;
  guint idle_timeout_ms;
  GOutputStream *boot_log;
};

#define BERTH_TYPE_REQUEST (berth_request_get_type ())
BERTH_AVAILABLE GType berth_request_get_type (void);

/* the one rule for names that callers give: of tenants, tasks, templates, and ids */
BERTH_AVAILABLE gboolean berth_request_name_is_valid (const char *name);
/* @tenant_key: as of a #BerthRequest */
BERTH_AVAILABLE guint32 berth_request_uid_of_tenant_key (const char *tenant_key);
/* fails with BERTH_ERROR_INVALID where a name breaks the rule of contract.md */
BERTH_AVAILABLE BerthRequest *
berth_request_new (const char *template_name, guint memory_mb, guint vcpus, const char *tenant,
                   const char *task, guint32 uid, gint64 wait_us, GError **error);
/* whether a warm VM can serve it */
BERTH_AVAILABLE gboolean berth_request_takes_warm (const BerthRequest *self);
BERTH_AVAILABLE BerthRequest *berth_request_ref (BerthRequest *self);
BERTH_AVAILABLE void berth_request_unref (BerthRequest *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BerthRequest, berth_request_unref)

G_END_DECLS
