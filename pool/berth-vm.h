/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One VM: its identity, its size, its state, and nothing about libvirt. */
#pragma once

#include "berth-shape.h"

G_BEGIN_DECLS

/**
 * BerthVmState:
 * @BERTH_VM_STATE_STARTING: holds its place; being instantiated, started, or waiting for its agent
 * @BERTH_VM_STATE_WARM: paused, healthy, owned by nobody
 * @BERTH_VM_STATE_CLAIMED: a tenant's; it never goes back to being warm
 * @BERTH_VM_STATE_PAUSING: a tenant's; being paused, so it still holds its vCPUs
 * @BERTH_VM_STATE_PAUSED: a tenant's; stands still and holds no vCPU
 * @BERTH_VM_STATE_WAKING: a tenant's; has its vCPUs again, and is let run
 * @BERTH_VM_STATE_STOPPING: being destroyed; still holds its place
 * @BERTH_VM_STATE_STUCK: its destroy failed; still holds its place; is tried again
 * @BERTH_VM_STATE_GONE: libvirt says that nothing is left of it; holds nothing
 *
 * A warm VM that is being claimed is already CLAIMED: nobody else can get it.
 */
typedef enum
{
  BERTH_VM_STATE_STARTING,
  BERTH_VM_STATE_WARM,
  BERTH_VM_STATE_CLAIMED,
  BERTH_VM_STATE_PAUSING,
  BERTH_VM_STATE_PAUSED,
  BERTH_VM_STATE_WAKING,
  BERTH_VM_STATE_STOPPING,
  BERTH_VM_STATE_STUCK,
  BERTH_VM_STATE_GONE,
} BerthVmState;

#define BERTH_TYPE_VM (berth_vm_get_type ())
BERTH_AVAILABLE
G_DECLARE_FINAL_TYPE (BerthVm, berth_vm, BERTH, VM, GObject)

BERTH_AVAILABLE BerthVm *berth_vm_new_adopted (const char *id, const BerthShape *shape,
                                               const char *tenant_key, gint64 created_us);

/* Any thread. Identity and shape never change; strings live as long as the VM. */
BERTH_AVAILABLE const char *berth_vm_get_id (BerthVm *self); /* 32 hex digits, random */
BERTH_AVAILABLE const BerthShape *berth_vm_get_shape (BerthVm *self);
BERTH_AVAILABLE const char *berth_vm_get_template (BerthVm *self);
/* (nullable): of the one tenant that it may serve, where it was made warm of that tenant's own
 * snapshot */
BERTH_AVAILABLE const char *berth_vm_get_tenant_key (BerthVm *self);
BERTH_AVAILABLE guint berth_vm_get_memory_mb (BerthVm *self);
BERTH_AVAILABLE guint berth_vm_get_vcpus (BerthVm *self);
BERTH_AVAILABLE gint64 berth_vm_get_created_us (BerthVm *self); /* monotonic */
/* of its request: when the wait for a place ended (monotonic; 0 while it is nobody's), and whether
 * a VM that stood by warm served it */
BERTH_AVAILABLE gint64 berth_vm_get_admitted_us (BerthVm *self);
BERTH_AVAILABLE gboolean berth_vm_was_warm (BerthVm *self);
BERTH_AVAILABLE BerthVmState berth_vm_get_state (BerthVm *self); /* as of now, atomic */
BERTH_AVAILABLE gboolean berth_vm_holds_slot (BerthVm *self);
/* (transfer full) (nullable): the request that it serves; NULL while it is nobody's */
BERTH_AVAILABLE BerthRequest *berth_vm_dup_request (BerthVm *self);
/* why it ended without being asked to, for the caller's message; (transfer full) (nullable) */
BERTH_AVAILABLE char *berth_vm_dup_end_reason (BerthVm *self);
BERTH_AVAILABLE const char *berth_vm_state_to_string (BerthVmState state); /* "starting" ... */

G_END_DECLS
