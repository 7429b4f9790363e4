/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Runs the life-cycle tests on the fake hypervisor, in real time and with its thread. */
#include "berth-fake-hypervisor.h"
#include "lifecycle-tests.h"

/* in the order of the fake's own steps; the messages name the step */
static const LifecycleFault faults[] = {
  { "template", BERTH_ERROR_CONFIG, "failed at template" },
  { "layer-missing", BERTH_ERROR_CONFIG, "failed at layer-missing" },
  { "define", BERTH_ERROR_INTERNAL, "failed at define" },
  { "start", BERTH_ERROR_UNAVAILABLE, "failed at start" },
  { "channel", BERTH_ERROR_UNAVAILABLE, "failed at channel" },
  { "agent-hello", BERTH_ERROR_UNAVAILABLE, "failed at agent-hello" },
  { "boot-timeout", BERTH_ERROR_START_TIMED_OUT, "failed at boot-timeout" },
  { NULL, 0, NULL },
};

static BerthHypervisor *
new_hypervisor (void)
{
  BerthFakeHypervisor *fake = berth_fake_hypervisor_new ();

  berth_fake_hypervisor_set_latency (fake, BERTH_FAKE_START, 3 * G_TIME_SPAN_MILLISECOND);
  berth_fake_hypervisor_set_latency (fake, BERTH_FAKE_DESTROY, G_TIME_SPAN_MILLISECOND);
  return BERTH_HYPERVISOR (fake);
}

static guint
count_domains (BerthHypervisor *hypervisor)
{
  return berth_fake_hypervisor_count_domains (BERTH_FAKE_HYPERVISOR (hypervisor));
}

static guint
max_domains (BerthHypervisor *hypervisor)
{
  return berth_fake_hypervisor_max_domains (BERTH_FAKE_HYPERVISOR (hypervisor));
}

static void
inject (BerthHypervisor *hypervisor, const char *step)
{
  berth_fake_hypervisor_fail_at (BERTH_FAKE_HYPERVISOR (hypervisor), step);
}

static void
kill_vm (BerthHypervisor *hypervisor, BerthVm *vm)
{
  g_assert_true (berth_fake_hypervisor_kill (BERTH_FAKE_HYPERVISOR (hypervisor), vm));
}

static void
hold_starts (BerthHypervisor *hypervisor, gboolean hold)
{
  berth_fake_hypervisor_hold_starts (BERTH_FAKE_HYPERVISOR (hypervisor), hold);
}

static const LifecycleBackend fake_backend = {
  .template_name = "python",
  .memory_mb = 192,
  .vcpus = 1,
  .n_load = 20,
  .n_cycles = 30,
  .timeout_s = 60,
  .faults = faults,
  .new_hypervisor = new_hypervisor,
  .count_domains = count_domains,
  .max_domains = max_domains,
  .inject = inject,
  .kill = kill_vm,
  .hold_starts = hold_starts,
};

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  lifecycle_tests_add (&fake_backend);
  return g_test_run ();
}
