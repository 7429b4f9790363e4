/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Decides from what a first boot shows whether this host's KVM runs kernels. */
#include "berth-kvm.h"

#include <string.h>

/* A busy host's KVM takes a second to the kernel's first line; setup gives it as long. */
#define SILENT_US (20 * G_TIME_SPAN_SECOND)

BerthKvmVerdict
berth_kvm_judge (const char *console, const char *status, gint64 waited_us, char **out_problem)
{
  if (console != NULL && *console != '\0')
    return BERTH_KVM_RUNS;
  if (g_strcmp0 (status, "internal-error") == 0)
    *out_problem = g_strdup ("no kernel runs with it: QEMU stopped the first guest with an "
                             "internal error of KVM's (the host's dmesg has more)");
  else if (console != NULL && waited_us >= SILENT_US)
    *out_problem = g_strdup_printf ("no kernel runs with it: the first guest's console stayed "
                                    "silent for %d s (the host's dmesg may have more)",
                                    (int)(SILENT_US / G_TIME_SPAN_SECOND));
  else
    return BERTH_KVM_UNKNOWN;
  return BERTH_KVM_STANDS;
}
