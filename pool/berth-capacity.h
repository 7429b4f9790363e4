/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The budgets: how many VMs may exist, how much memory they hold, how many vCPUs run, how many
 * start at once. */
#pragma once

#include "berth-types.h"

G_BEGIN_DECLS

/**
 * BerthCapacity:
 * @max_vms: slots; every VM that exists holds one
 * @memory_mb: MiB of guest memory of all VMs that exist
 * @vcpus: of the VMs that are claimed or starting
 * @max_starts: VMs that are being started at once
 * @max_waiters: bound of the queue, 0 for none
 * @big_request_age_us: how long smaller requests may pass one that does not fit yet; microseconds
 */
struct _BerthCapacity
{
  guint max_vms;
  guint memory_mb;
  guint vcpus;
  guint max_starts;
  guint max_waiters;
  gint64 big_request_age_us;
};

/**
 * BerthHostPolicy:
 * @memory_overcommit: guest memory that may be promised per byte of host memory, 1.0 for as much
 * @cpu_overcommit: vCPUs that may run per host CPU
 * @reserve_mb: MiB left to the host
 * @vm_overhead_mb: MiB that a VM costs the host beyond its guest's memory
 * @vm_memory_mb: MiB of the VM that the number of slots is derived from
 */
typedef struct
{
  double memory_overcommit;
  double cpu_overcommit;
  guint reserve_mb;
  guint vm_overhead_mb;
  guint vm_memory_mb;
} BerthHostPolicy;

/**
 * BerthWarmTarget:
 * @min: warm VMs that are always wanted
 * @max: as many as requests come in while one is made are wanted, up to this; raised to @min, so 0
 *   for a fixed number
 * @is_named: somebody asked for @min, so it is filled before what is only a default
 * @memory_mb: of each, in MiB; a warm VM serves requests of exactly this size
 * @vcpus: likewise
 * @max_idle_us: after which an idle one is replaced, in microseconds; 0 for never
 *
 * What is wanted of one template in the warm pool. @min and @max both 0: nothing.
 */
struct _BerthWarmTarget
{
  guint min;
  guint max;
  gboolean is_named;
  guint memory_mb;
  guint vcpus;
  gint64 max_idle_us;
};

/* Fills every field of @capacity that is 0 from the host's memory, its CPUs (affinity mask) and the
 * limits of the cgroup (v1 and v2) that this process is in. @root is "/" (tests pass a folder that
 * holds proc/ and sys/). Fails with BERTH_ERROR_CONFIG where not even one VM fits. */
BERTH_AVAILABLE gboolean berth_capacity_derive (BerthCapacity *capacity,
                                                const BerthHostPolicy *policy, const char *root,
                                                GError **error);

G_END_DECLS
