/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Admission and the life of VMs: the one owner of all capacity state, behind a queue of messages.
 */
#pragma once

#include <gio/gio.h>

#include "berth-capacity.h"
#include "berth-hypervisor.h"
#include "berth-request.h"
#include "berth-tenant-policy.h"
#include "berth-vm.h"

G_BEGIN_DECLS

#define BERTH_TYPE_POOL (berth_pool_get_type ())
BERTH_AVAILABLE
G_DECLARE_FINAL_TYPE (BerthPool, berth_pool, BERTH, POOL, GObject)

/**
 * BerthPool::vm-gone:
 * A claimed VM is gone without having been asked to go. Emitted in the main context that was the
 * thread's default when the pool was made.
 */

BERTH_AVAILABLE BerthPool *
berth_pool_new (BerthHypervisor *hypervisor, const BerthCapacity *capacity);

/* Waits for a place, then for its VM to run. Cancelling takes the request out of the queue, or
 * gives the place and whatever was started back; it ends with G_IO_ERROR_CANCELLED at once.
 * From any thread; completes in the thread-default main context of the caller. */
BERTH_AVAILABLE void
berth_pool_acquire_async (BerthPool *self, BerthRequest *request, GCancellable *cancellable,
                          GAsyncReadyCallback callback, gpointer user_data);
BERTH_AVAILABLE BerthVm *
berth_pool_acquire_finish (BerthPool *self, GAsyncResult *result, GError **error);

/* Ends a VM; completes TRUE when it is gone (at once if it was already), or fails with
 * BERTH_ERROR_UNAVAILABLE when its first destroy failed: it is stuck then and tried again.
 * Cancelling stops the waiting, never the destroy. */
BERTH_AVAILABLE void
berth_pool_destroy_async (BerthPool *self, BerthVm *vm, GCancellable *cancellable,
                          GAsyncReadyCallback callback, gpointer user_data);
BERTH_AVAILABLE gboolean berth_pool_destroy_finish (BerthPool *self, GAsyncResult *result,
                                                    GError **error);

/* Lets an owner's VM stand still, without vCPUs; TRUE also where it did already. */
BERTH_AVAILABLE void
berth_pool_pause_async (BerthPool *self, BerthVm *vm, GCancellable *cancellable,
                        GAsyncReadyCallback callback, gpointer user_data);
BERTH_AVAILABLE gboolean berth_pool_pause_finish (BerthPool *self, GAsyncResult *result,
                                                  GError **error);

/* Waits for the vCPUs of an owner's VM by @request (berth_request_new_wake()), then for it to run;
 * at once where it does. Cancelling takes the request out of the queue. */
BERTH_AVAILABLE void
berth_pool_wake_async (BerthPool *self, BerthVm *vm, BerthRequest *request,
                       GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
BERTH_AVAILABLE gboolean berth_pool_wake_finish (BerthPool *self, GAsyncResult *result,
                                                 GError **error);

/* @vm, made by berth_vm_new_adopted(), exists already, from an earlier life of berthd. With
 * @request: it is that request's, as after an acquire, or (@is_paused) after a pause. NULL: it is a
 * warm VM that the hypervisor is looking at: it tells STARTED or FAILED of it. It counts from now
 * on, even beyond the capacity. */
BERTH_AVAILABLE void
berth_pool_adopt (BerthPool *self, BerthVm *vm, BerthRequest *request, gboolean is_paused);

/* New budgets; a smaller one takes effect as VMs end, warm ones first. */
BERTH_AVAILABLE void berth_pool_resize (BerthPool *self, const BerthCapacity *capacity);

/* Weights and caps of tenants from now on; a new pool's know no tenant by name. A lower cap takes
 * effect as the tenant's VMs end. */
BERTH_AVAILABLE void berth_pool_set_tenants (BerthPool *self, BerthTenantPolicy *policy);

/* Closes the gate while the hypervisor is away (requests wait, nothing starts), and opens it. A new
 * pool's gate is open. */
BERTH_AVAILABLE void berth_pool_set_open (BerthPool *self, gboolean open);

/* Drains the host while @admitting is FALSE: requests wait and warm VMs go. */
BERTH_AVAILABLE void berth_pool_set_admitting (BerthPool *self, gboolean admitting);

/* Every waiter ends with BERTH_ERROR_SHUTTING_DOWN, every VM is destroyed; completes when all are
 * gone or stuck. */
BERTH_AVAILABLE void berth_pool_shutdown_async (BerthPool *self, GCancellable *cancellable,
                                                GAsyncReadyCallback callback, gpointer user_data);
BERTH_AVAILABLE gboolean berth_pool_shutdown_finish (BerthPool *self, GAsyncResult *result,
                                                     GError **error);

/* The warm pool: what is wanted of @template_name from now on; a new pool's wants nothing.
 * @tenant_key: (nullable): whom they are for alone; NULL: anybody. */
BERTH_AVAILABLE void
berth_pool_set_warm_target (BerthPool *self, const char *template_name, const char *tenant_key,
                            const BerthWarmTarget *target);

/* Destroys the warm VMs of @template_name ((nullable): of all) and makes none until it is filled.
 */
BERTH_AVAILABLE void berth_pool_drain (BerthPool *self, const char *template_name);
BERTH_AVAILABLE void berth_pool_fill (BerthPool *self, const char *template_name);

/* Its snapshot or XML is another one: warm VMs of before are replaced, and given to nobody.
 * @tenant_key: (nullable): as above. */
BERTH_AVAILABLE void
berth_pool_template_changed (BerthPool *self, const char *template_name, const char *tenant_key);

/* While the host is short of memory, warm VMs go, least wanted first, and none are made. */
BERTH_AVAILABLE void berth_pool_set_pressure (BerthPool *self, gboolean pressure);

/* (transfer full): a{sv} with "slots" {total, free, bound ("slots", "memory_mb", "vcpus":
 * what free is not more for; "waiter": all is kept for an old one), claimed, paused, warm,
 * starting, stopping, stuck}, "memory_mb" {total, held}, "vcpus" {total, held}, "open", "pressure",
 * "evicted" (warm VMs that made room for others, so far), "n_waiting", "waiters" (the first 100 of
 * them) [{tenant, task, uid, template, position, since}]
 * ("since": seconds waited), "templates" {NAME: {warm, refilling, target, min, max, failures,
 * last_error}}. Waits for the admission thread to answer (never for a hypervisor): any thread. */
BERTH_AVAILABLE GVariant *berth_pool_dup_status (BerthPool *self);

/* where @request, which was given to acquire, waits, from 1; 0 once it does not; any thread */
BERTH_AVAILABLE guint berth_pool_get_position (BerthPool *self, BerthRequest *request);

/* (transfer full) (element-type BerthVm): every VM that is not gone, any thread */
BERTH_AVAILABLE GPtrArray *berth_pool_dup_vms (BerthPool *self);

G_END_DECLS
