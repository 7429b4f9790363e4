/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The dispatch of BerthHypervisor's calls; what each must do stands in the header. */
#include "berth-hypervisor.h"

#include "berth-vm.h"

G_DEFINE_INTERFACE (BerthHypervisor, berth_hypervisor, G_TYPE_OBJECT)

static void
berth_hypervisor_default_init (BerthHypervisorInterface *iface)
{
}

/**
 * berth_hypervisor_set_event_func:
 * @self: a #BerthHypervisor
 * @func: (scope forever) (nullable): where events go; %NULL ends them
 * @user_data: for @func; lives until @func was replaced by %NULL
 *
 * After a call with %NULL returned, the former function does not run any more and never will.
 */
void
berth_hypervisor_set_event_func (BerthHypervisor *self, BerthHypervisorEventFunc func,
                                 gpointer user_data)
{
  g_return_if_fail (BERTH_IS_HYPERVISOR (self));

  BERTH_HYPERVISOR_GET_IFACE (self)->set_event_func (self, func, user_data);
}

/**
 * berth_hypervisor_start:
 * @self: a #BerthHypervisor
 * @vm: in %BERTH_VM_STATE_STARTING; keep a reference while you need it
 * @mode: for a waiter or for the warm pool
 *
 * Begins to make @vm's domain; returns at once.
 */
void
berth_hypervisor_start (BerthHypervisor *self, BerthVm *vm, BerthStartMode mode)
{
  g_return_if_fail (BERTH_IS_HYPERVISOR (self));
  g_return_if_fail (BERTH_IS_VM (vm));

  BERTH_HYPERVISOR_GET_IFACE (self)->start (self, vm, mode);
}

/**
 * berth_hypervisor_claim:
 * @self: a #BerthHypervisor
 * @vm: was warm, is %BERTH_VM_STATE_CLAIMED, and has a request
 *
 * Begins to wake @vm; returns at once.
 */
void
berth_hypervisor_claim (BerthHypervisor *self, BerthVm *vm)
{
  g_return_if_fail (BERTH_IS_HYPERVISOR (self));
  g_return_if_fail (BERTH_IS_VM (vm));

  BERTH_HYPERVISOR_GET_IFACE (self)->claim (self, vm);
}

/**
 * berth_hypervisor_pause:
 * @self: a #BerthHypervisor
 * @vm: somebody's, in %BERTH_VM_STATE_PAUSING
 *
 * Begins to pause @vm; returns at once.
 */
void
berth_hypervisor_pause (BerthHypervisor *self, BerthVm *vm)
{
  g_return_if_fail (BERTH_IS_HYPERVISOR (self));
  g_return_if_fail (BERTH_IS_VM (vm));

  BERTH_HYPERVISOR_GET_IFACE (self)->pause (self, vm);
}

/**
 * berth_hypervisor_wake:
 * @self: a #BerthHypervisor
 * @vm: somebody's, in %BERTH_VM_STATE_WAKING
 *
 * Begins to let @vm run again; returns at once.
 */
void
berth_hypervisor_wake (BerthHypervisor *self, BerthVm *vm)
{
  g_return_if_fail (BERTH_IS_HYPERVISOR (self));
  g_return_if_fail (BERTH_IS_VM (vm));

  BERTH_HYPERVISOR_GET_IFACE (self)->wake (self, vm);
}

/**
 * berth_hypervisor_destroy:
 * @self: a #BerthHypervisor
 * @vm: in any state
 *
 * Begins to end @vm; returns at once. May come again for the same VM.
 */
void
berth_hypervisor_destroy (BerthHypervisor *self, BerthVm *vm)
{
  g_return_if_fail (BERTH_IS_HYPERVISOR (self));
  g_return_if_fail (BERTH_IS_VM (vm));

  BERTH_HYPERVISOR_GET_IFACE (self)->destroy (self, vm);
}
