/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The tests of a VM's life-cycle, the same for every hypervisor that can play in them. */
#pragma once

#include <gio/gio.h>

#include "berth-pool.h"

G_BEGIN_DECLS

/**
 * LifecycleFault:
 * @step: at which making a VM can fail; the last part of a test's name
 * @code: of BERTH_ERROR, with which the request must end
 * @message_part: (nullable): what the message must say
 */
typedef struct
{
  const char *step;
  gint code;
  const char *message_part;
} LifecycleFault;

typedef void (*LifecycleDoneFunc) (gboolean ok, gpointer user_data);

/**
 * LifecycleBackend:
 * @template_name: what the requests ask for, with @memory_mb and @vcpus
 * @n_load: how many run at once in the test of load
 * @n_cycles: how many follow each other in the test of cycles
 * @timeout_s: after which a wait is a failure: seconds, never reached when all is well
 * @faults: (array zero-terminated=1): ends with a %NULL step
 * @new_hypervisor: (transfer full): a new world without a domain; unreferenced at a test's end
 * @count_domains: that exist, by the hypervisor's own account and not by the pool's
 * @max_domains: that ever existed at once, likewise
 * @inject: makes every start fail at a step of @faults, until it is called with %NULL
 * @kill: ends a VM's domain behind the pool's back, as virsh destroy does
 * @hold_starts: (nullable): while %TRUE, no start answers, so that a test meets a VM in it
 * @run: (nullable): runs print('ok') in a claimed VM, then calls @done in the main context with
 *   whether it printed it
 * @check_nothing_left: (nullable): asserts that no domain, process or file is left
 */
typedef struct
{
  const char *template_name;
  guint memory_mb;
  guint vcpus;
  guint n_load;
  guint n_cycles;
  guint timeout_s;
  const LifecycleFault *faults;

  BerthHypervisor *(*new_hypervisor) (void);
  guint (*count_domains) (BerthHypervisor *hypervisor);
  guint (*max_domains) (BerthHypervisor *hypervisor);
  void (*inject) (BerthHypervisor *hypervisor, const char *step);
  void (*kill) (BerthHypervisor *hypervisor, BerthVm *vm);
  void (*hold_starts) (BerthHypervisor *hypervisor, gboolean hold);
  void (*run) (BerthHypervisor *hypervisor, BerthVm *vm, LifecycleDoneFunc done,
               gpointer user_data);
  void (*check_nothing_left) (BerthHypervisor *hypervisor);
} LifecycleBackend;

/* adds /lifecycle/...; @backend is static */
void lifecycle_tests_add (const LifecycleBackend *backend);

G_END_DECLS
