/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What pool needs of whoever makes VMs. pool defines it; plugin implements it with libvirt, the
 * tests with a fake. */
#pragma once

#include "berth-types.h"

G_BEGIN_DECLS

/**
 * BerthStartMode:
 * @BERTH_START_RUN: the VM is for a waiter: running, its agent healthy, ready for code
 * @BERTH_START_WARM: the VM is for the warm pool: a clone, made ready, then paused
 */
typedef enum
{
  BERTH_START_RUN,
  BERTH_START_WARM,
} BerthStartMode;

/**
 * BerthHypervisorEventType:
 * @BERTH_HYPERVISOR_STARTED: start() succeeded
 * @BERTH_HYPERVISOR_CLAIMED: claim() succeeded: resumed, reseeded, ready for code
 * @BERTH_HYPERVISOR_SUSPENDED: an owner's VM stands still: pause() succeeded, somebody else did it,
 *   or wake() failed and `error` says why
 * @BERTH_HYPERVISOR_RESUMED: an owner's VM runs: wake() succeeded, its clock right, somebody else
 *   resumed it, or pause() failed and `error` says why
 * @BERTH_HYPERVISOR_FAILED: start() or claim() failed, or a warm VM turned out unhealthy; `error`
 *   says why. Something may be left of it: destroy() clears that away and ends in GONE
 * @BERTH_HYPERVISOR_GONE: nothing is left of it. The last event of every VM; may come at any time,
 *   unasked (virsh destroy), late, or twice. `error` is NULL after destroy(), else why it ended
 * @BERTH_HYPERVISOR_STUCK: destroy() failed and the VM still exists; `error` says why. pool calls
 *   destroy() again later
 */
typedef enum
{
  BERTH_HYPERVISOR_STARTED,
  BERTH_HYPERVISOR_CLAIMED,
  BERTH_HYPERVISOR_SUSPENDED,
  BERTH_HYPERVISOR_RESUMED,
  BERTH_HYPERVISOR_FAILED,
  BERTH_HYPERVISOR_GONE,
  BERTH_HYPERVISOR_STUCK,
} BerthHypervisorEventType;

/* May be called from any thread and never blocks. `error` is borrowed. */
typedef void (*BerthHypervisorEventFunc) (BerthHypervisorEventType type, BerthVm *vm,
                                          const GError *error, gpointer user_data);

#define BERTH_TYPE_HYPERVISOR (berth_hypervisor_get_type ())
BERTH_AVAILABLE
G_DECLARE_INTERFACE (BerthHypervisor, berth_hypervisor, BERTH, HYPERVISOR, GObject)

/**
 * BerthHypervisorInterface:
 * @set_event_func: where events go. Called once, before any other; NULL at the end, after which
 *   the function is never called again
 * @start: makes the domain of a VM in state STARTING. Ends in exactly one of STARTED or FAILED,
 *   also when destroy() comes meanwhile (then FAILED, or GONE alone)
 * @claim: wakes a warm VM for its request. Ends in CLAIMED or FAILED
 * @pause: lets an owner's VM stand still. Ends in SUSPENDED or, with an error, in RESUMED
 * @wake: lets one that stands still run again, with the right time. Ends in RESUMED or, with an
 *   error, in SUSPENDED
 * @destroy: ends a VM in whatever state it is, also one still starting, also one that never came to
 *   be. Idempotent. Ends in GONE or STUCK
 *
 * Every call returns at once, is made on the admission thread, and answers by events only.
 */
struct _BerthHypervisorInterface
{
  GTypeInterface parent_iface;

  void (*set_event_func) (BerthHypervisor *self, BerthHypervisorEventFunc func, gpointer user_data);
  void (*start) (BerthHypervisor *self, BerthVm *vm, BerthStartMode mode);
  void (*claim) (BerthHypervisor *self, BerthVm *vm);
  void (*pause) (BerthHypervisor *self, BerthVm *vm);
  void (*wake) (BerthHypervisor *self, BerthVm *vm);
  void (*destroy) (BerthHypervisor *self, BerthVm *vm);
};

BERTH_AVAILABLE void
berth_hypervisor_set_event_func (BerthHypervisor *self, BerthHypervisorEventFunc func,
                                 gpointer user_data);
BERTH_AVAILABLE void
berth_hypervisor_start (BerthHypervisor *self, BerthVm *vm, BerthStartMode mode);
BERTH_AVAILABLE void berth_hypervisor_claim (BerthHypervisor *self, BerthVm *vm);
BERTH_AVAILABLE void berth_hypervisor_pause (BerthHypervisor *self, BerthVm *vm);
BERTH_AVAILABLE void berth_hypervisor_wake (BerthHypervisor *self, BerthVm *vm);
BERTH_AVAILABLE void berth_hypervisor_destroy (BerthHypervisor *self, BerthVm *vm);

G_END_DECLS
