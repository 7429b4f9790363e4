/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The connection to libvirtd: a few long-lived connections, kept alive, opened again when they are
 * lost, and the domain events that come over them. */
#pragma once

#include <gio/gio.h>
#include <libvirt/libvirt.h>

G_BEGIN_DECLS

/**
 * BerthConnectionRole:
 * @BERTH_CONNECTION_CONTROL: events, lists, look-ups
 * @BERTH_CONNECTION_START: define and start
 * @BERTH_CONNECTION_DESTROY: destroy and undefine
 *
 * A connection each, so that a start that hangs never stands in front of a destroy; with their own
 * few threads each stays below libvirtd's max_client_requests of 5 (libvirtd.conf).
 */
typedef enum
{
  BERTH_CONNECTION_CONTROL,
  BERTH_CONNECTION_START,
  BERTH_CONNECTION_DESTROY,
  BERTH_CONNECTION_ROLES,
} BerthConnectionRole;

#define BERTH_CONNECTION_THREADS 4u /* calls in flight on one connection: libvirtd's cap is 5 */

#define BERTH_TYPE_CONNECTION (berth_connection_get_type ())
G_DECLARE_FINAL_TYPE (BerthConnection, berth_connection, BERTH, CONNECTION, GObject)

/* A domain began, whoever started it. In the main context. */
typedef void (*BerthConnectionStartedFunc) (const char *uuid, gpointer user_data);
/* A domain stopped, whoever stopped it. @life: libvirt's number of the life that is over, 0: nobody
 * knows. In the main context. */
typedef void (*BerthConnectionStoppedFunc) (const char *uuid, guint life, const char *reason,
                                            gpointer user_data);
/* A domain was paused, or resumed, whoever did it, in its life @life. In the main context. */
typedef void (*BerthConnectionPausedFunc) (const char *uuid, guint life, gboolean is_paused,
                                           gpointer user_data);
/* The connection is up (again), or was lost. In the main context. */
typedef void (*BerthConnectionStateFunc) (gboolean is_up, gpointer user_data);

/* @uri: (nullable): NULL for qemu:///system if it answers, else qemu:///session
 * @virt_type: (nullable): "kvm" or "qemu"; NULL for kvm where QEMU can use it */
BerthConnection *berth_connection_new (const char *uri, const char *virt_type);
void
berth_connection_set_funcs (BerthConnection *self, BerthConnectionStartedFunc started,
                            BerthConnectionStoppedFunc stopped, BerthConnectionPausedFunc paused,
                            BerthConnectionStateFunc state, gpointer user_data);

/* Connects for the first time; afterwards the connection looks after itself. */
void berth_connection_open_async (BerthConnection *self, GCancellable *cancellable,
                                  GAsyncReadyCallback callback, gpointer user_data);
gboolean berth_connection_open_finish (BerthConnection *self, GAsyncResult *result, GError **error);
/* Ends it for good: no function is called any more. Blocks for calls under way. */
void berth_connection_close (BerthConnection *self);

/* (transfer full): fails with BERTH_ERROR_UNAVAILABLE while the connection is down. Any thread. */
virConnectPtr
berth_connection_ref_connection (BerthConnection *self, BerthConnectionRole role, GError **error);
/* Runs @func on the threads that may use the connection of @role. */
void berth_connection_run (BerthConnection *self, BerthConnectionRole role, GTask *task,
                           GTaskThreadFunc func);

gboolean berth_connection_is_up (BerthConnection *self);
/* (transfer full) (nullable): the one in use; NULL before the first open. Any thread. */
char *berth_connection_dup_uri (BerthConnection *self);
/* As libvirt counts: 1,000,000 * major + 1,000 * minor + release; 0 before the first open. */
unsigned long berth_connection_get_libvirt_version (BerthConnection *self);
/* Whether QEMU opens the RAM of a snapshot for reading alone. Any thread. */
gboolean berth_connection_has_read_only_ram (BerthConnection *self);

/* "kvm" or "qemu"; a static string. Any thread. */
const char *berth_connection_get_domain_type (BerthConnection *self);
/* Guests are to run under KVM because libvirt offers it and a QEMU starts with it, and nobody has
 * seen one's kernel run. Any thread. */
gboolean berth_connection_doubts_kvm (BerthConnection *self);
/* A guest's kernel has run under it. */
void berth_connection_note_kvm_runs (BerthConnection *self);
/* Guests are emulated from now on, until the process ends, unless a guest's kernel has run under
 * KVM. @problem: why, one line; the journal gets it, once. @callback: when it is so. */
void berth_connection_give_up_kvm_async (BerthConnection *self, const char *problem,
                                         GAsyncReadyCallback callback, gpointer user_data);
/* Returns: whether it is given up */
gboolean berth_connection_give_up_kvm_finish (BerthConnection *self, GAsyncResult *result);
/* (transfer full) (nullable): why a KVM that libvirt offers is not used. Any thread. */
char *berth_connection_dup_kvm_problem (BerthConnection *self);
/* (transfer full) (nullable): BerthDomainParams.dac_label. Any thread. */
char *berth_connection_dup_dac_label (BerthConnection *self);
/* (transfer full) (nullable): BerthDomainParams.unwanted_features. Any thread. */
char **berth_connection_dup_unwanted_features (BerthConnection *self);

/**
 * BerthConnectionLimits:
 * @BERTH_CONNECTION_LIMITS_NONE: libvirt can't set any here, or no domain has run yet
 * @BERTH_CONNECTION_LIMITS_KNOWN: a domain has run since the connection was opened
 * @BERTH_CONNECTION_LIMITS_CPU: every domain gets BerthDomainParams.limit_cpu
 * @BERTH_CONNECTION_LIMITS_MEMORY: every domain gets one when it has started
 *
 * Flags: which limits libvirt can set on this host.
 */
typedef enum
{
  BERTH_CONNECTION_LIMITS_NONE = 0,
  BERTH_CONNECTION_LIMITS_KNOWN = 1,
  BERTH_CONNECTION_LIMITS_CPU = 2,
  BERTH_CONNECTION_LIMITS_MEMORY = 4,
} BerthConnectionLimits;

/* Any thread. */
BerthConnectionLimits berth_connection_get_limits (BerthConnection *self);
void berth_connection_learn_limits (BerthConnection *self, BerthConnectionLimits limits);

/* Has this libvirt validated a domain of this @shape (template and way of starting) before? Any
 * thread. */
gboolean berth_connection_knows_shape (BerthConnection *self, const char *shape);
void berth_connection_learn_shape (BerthConnection *self, const char *shape);

G_END_DECLS
