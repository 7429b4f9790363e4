/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the first boots under a KVM show of it. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/**
 * BerthKvmVerdict:
 * @BERTH_KVM_UNKNOWN: not yet, or it can't be seen here
 * @BERTH_KVM_RUNS: a guest's kernel runs
 * @BERTH_KVM_STANDS: the guest stands still, and any other would
 */
typedef enum
{
  BERTH_KVM_UNKNOWN,
  BERTH_KVM_RUNS,
  BERTH_KVM_STANDS,
} BerthKvmVerdict;

/**
 * berth_kvm_judge:
 * @console: (nullable): what the guest has written to its console, the first of it; NULL: nobody
 *   may read it
 * @status: (nullable): QEMU's, of a domain that nobody has paused and that does not run
 * @waited_us: for how long the domain runs
 * @out_problem: (out) (transfer full): of %BERTH_KVM_STANDS
 *
 * A nested host's KVM may start a QEMU and run no kernel: the guest stands still behind the
 * firmware, its vCPU busy, and its console stays silent. Its kernel's first line comes within a
 * second where it runs, and the kernel is told to write it.
 */
BerthKvmVerdict
berth_kvm_judge (const char *console, const char *status, gint64 waited_us, char **out_problem);

G_END_DECLS
