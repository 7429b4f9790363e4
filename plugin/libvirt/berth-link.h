/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The link to libvirtd: a few long-lived connections, kept alive, opened again when they are lost,
 * and the domain events that come over them. */
#pragma once

#include <gio/gio.h>
#include <libvirt/libvirt.h>

G_BEGIN_DECLS

/**
 * BerthLinkRole:
 * @BERTH_LINK_CONTROL: events, lists, look-ups
 * @BERTH_LINK_START: define and start
 * @BERTH_LINK_DESTROY: destroy and undefine
 *
 * A connection each, so that a start that hangs never stands in front of a destroy; with their own
 * few threads each stays below libvirtd's max_client_requests of 5 (libvirtd.conf).
 */
typedef enum
{
  BERTH_LINK_CONTROL,
  BERTH_LINK_START,
  BERTH_LINK_DESTROY,
  BERTH_LINK_ROLES,
} BerthLinkRole;

#define BERTH_LINK_THREADS 4u /* calls in flight on one connection: libvirtd's cap is 5 */

#define BERTH_TYPE_LINK (berth_link_get_type ())
G_DECLARE_FINAL_TYPE (BerthLink, berth_link, BERTH, LINK, GObject)

/* A domain stopped, whoever stopped it. In the main context. */
typedef void (*BerthLinkStoppedFunc) (const char *uuid, const char *reason, gpointer user_data);
/* The link is up (again), or was lost. In the main context. */
typedef void (*BerthLinkStateFunc) (gboolean is_up, gpointer user_data);

/* @uri: (nullable): NULL for qemu:///system if it answers, else qemu:///session
 * @virt_type: (nullable): "kvm" or "qemu"; NULL for kvm where QEMU can use it */
BerthLink *berth_link_new (const char *uri, const char *virt_type);
void berth_link_set_funcs (BerthLink *self, BerthLinkStoppedFunc stopped, BerthLinkStateFunc state,
                           gpointer user_data);

/* Connects for the first time; afterwards the link looks after itself. */
void berth_link_open_async (BerthLink *self, GCancellable *cancellable,
                            GAsyncReadyCallback callback, gpointer user_data);
gboolean berth_link_open_finish (BerthLink *self, GAsyncResult *result, GError **error);
/* Ends it for good: no function is called any more. Blocks for calls under way. */
void berth_link_close (BerthLink *self);

/* (transfer full): fails with BERTH_ERROR_UNAVAILABLE while the link is down. Any thread. */
virConnectPtr berth_link_ref_connection (BerthLink *self, BerthLinkRole role, GError **error);
/* Runs @func on the threads that may use the connection of @role. */
void berth_link_run (BerthLink *self, BerthLinkRole role, GTask *task, GTaskThreadFunc func);

gboolean berth_link_is_up (BerthLink *self);
/* (transfer full) (nullable): the one in use; NULL before the first open. Any thread. */
char *berth_link_dup_uri (BerthLink *self);
/* As libvirt counts: 1,000,000 * major + 1,000 * minor + release; 0 before the first open. */
unsigned long berth_link_get_libvirt_version (BerthLink *self);
/* The hypervisor's, likewise. */
unsigned long berth_link_get_qemu_version (BerthLink *self);

/* "kvm" or "qemu"; a static string. Any thread. */
const char *berth_link_get_domain_type (BerthLink *self);
/* (transfer full) (nullable): why a KVM that libvirt offers is not used. Any thread. */
char *berth_link_dup_kvm_problem (BerthLink *self);
/* (transfer full) (nullable): BerthDomainParams.dac_label. Any thread. */
char *berth_link_dup_dac_label (BerthLink *self);

/**
 * BerthLinkCpuLimits:
 * @BERTH_LINK_CPU_LIMITS_UNKNOWN: no domain has run since the link was opened
 * @BERTH_LINK_CPU_LIMITS_NONE: libvirt can't set them here
 * @BERTH_LINK_CPU_LIMITS_SET: every domain gets BerthDomainParams.limit_cpu
 */
typedef enum
{
  BERTH_LINK_CPU_LIMITS_UNKNOWN,
  BERTH_LINK_CPU_LIMITS_NONE,
  BERTH_LINK_CPU_LIMITS_SET,
} BerthLinkCpuLimits;

/* Any thread. */
BerthLinkCpuLimits berth_link_get_cpu_limits (BerthLink *self);
void berth_link_learn_cpu_limits (BerthLink *self, gboolean has_limits);

/* Has this libvirt validated a domain of this @shape (template and way of starting) before? Any
 * thread. */
gboolean berth_link_knows_shape (BerthLink *self, const char *shape);
void berth_link_learn_shape (BerthLink *self, const char *shape);

G_END_DECLS
