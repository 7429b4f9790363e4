/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Decides how many VMs a host can carry, from its memory, its CPUs and this process's cgroup. */
#include "berth-capacity.h"

#include <gio/gio.h>
#include <string.h>

#include "berth-error.h"

#define BIG_REQUEST_AGE_DEFAULT_US (30 * G_TIME_SPAN_SECOND)
#define BYTES_PER_MB (1024.0 * 1024.0)

/* what the host has left after every limit on the way up was looked at */
typedef struct
{
  double memory_mb;
  double cpus;
} HostLimits;

static char *
read_file (const char *root, const char *path)
{
  g_autofree char *name = g_build_filename (root, path, NULL);
  g_autofree char *text = NULL;

  if (!g_file_get_contents (name, &text, NULL, NULL))
    return NULL;
  return g_steal_pointer (&text);
}

/* the value of "key: value", NULL where there is none */
static char *
find_value (const char *text, const char *key)
{
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);
  gsize length = strlen (key);

  for (guint i = 0; lines[i] != NULL; i++)
    if (strncmp (lines[i], key, length) == 0 && lines[i][length] == ':')
      return g_strstrip (g_strdup (lines[i] + length + 1));
  return NULL;
}

/* how many CPUs "0-3,8,10-11" names; 0 where it is not such a list */
static guint
count_cpu_list (const char *list)
{
  g_auto (GStrv) ranges = g_strsplit (list, ",", -1);
  guint count = 0;

  for (guint i = 0; ranges[i] != NULL; i++)
    {
      char *end = NULL;
      guint64 first = g_ascii_strtoull (ranges[i], &end, 10);
      guint64 last = *end == '-' ? g_ascii_strtoull (end + 1, &end, 10) : first;

      if (end == ranges[i] || last < first || last - first > G_MAXUINT16)
        return 0;
      count += (guint)(last - first) + 1;
    }
  return count;
}

/* the affinity mask as /proc shows it: unlike sched_getaffinity() it has no bound on the number of
 * CPUs, and a test can write one */
static double
read_cpus (const char *root)
{
  g_autofree char *status = read_file (root, "proc/self/status");
  g_autofree char *list = status != NULL ? find_value (status, "Cpus_allowed_list") : NULL;
  guint count = list != NULL ? count_cpu_list (list) : 0;

  return MAX (count, 1);
}

static double
read_total_memory_mb (const char *root)
{
  g_autofree char *meminfo = read_file (root, "proc/meminfo");
  g_autofree char *total = meminfo != NULL ? find_value (meminfo, "MemTotal") : NULL;

  return total != NULL ? g_ascii_strtod (total, NULL) / 1024.0 : 0;
}

/* cgroup v2: "max" or bytes; v1: bytes, and a number near 2^63 for none */
static void
limit_memory (HostLimits *limits, const char *text)
{
  double bytes = 0;

  if (text == NULL || !g_ascii_isdigit (text[0]))
    return;
  bytes = g_ascii_strtod (text, NULL);
  limits->memory_mb = MIN (limits->memory_mb, bytes / BYTES_PER_MB);
}

static void
limit_cpus (HostLimits *limits, double quota_us, double period_us)
{
  if (quota_us > 0 && period_us > 0)
    limits->cpus = MIN (limits->cpus, quota_us / period_us);
}

static void
read_group_v2 (HostLimits *limits, const char *folder)
{
  g_autofree char *memory = read_file (folder, "memory.max");
  g_autofree char *cpu = read_file (folder, "cpu.max");

  limit_memory (limits, memory);
  if (cpu != NULL && g_ascii_isdigit (cpu[0]))
    {
      char *end = NULL;
      double quota = g_ascii_strtod (cpu, &end);

      limit_cpus (limits, quota, g_ascii_strtod (end, NULL));
    }
}

static void
read_group_v1 (HostLimits *limits, const char *folder)
{
  g_autofree char *memory = read_file (folder, "memory.limit_in_bytes");
  g_autofree char *quota = read_file (folder, "cpu.cfs_quota_us");
  g_autofree char *period = read_file (folder, "cpu.cfs_period_us");

  limit_memory (limits, memory);
  if (quota != NULL && period != NULL)
    limit_cpus (limits, g_ascii_strtod (quota, NULL), g_ascii_strtod (period, NULL));
}

/* A limit of any group above holds as well. In a container the path may be one of the host's that
 * can't be seen here: what is not there limits nothing, and the walk still ends at the mount. */
static void
walk_up (HostLimits *limits, const char *mount, const char *path,
         void (*read_group) (HostLimits *limits, const char *folder))
{
  g_autofree char *current = g_strdup (path);

  while (TRUE)
    {
      g_autofree char *folder = g_build_filename (mount, current, NULL);
      char *slash = NULL;

      read_group (limits, folder);
      slash = strrchr (current, '/');
      if (slash == NULL || current[1] == '\0')
        return;
      slash[slash == current ? 1 : 0] = '\0';
    }
}

static void
apply_line_v2 (HostLimits *limits, const char *root, const char *path)
{
  g_autofree char *mount = g_build_filename (root, "sys/fs/cgroup", NULL);
  g_autofree char *hybrid = g_build_filename (root, "sys/fs/cgroup/unified", NULL);

  walk_up (limits, mount, path, read_group_v2);
  walk_up (limits, hybrid, path, read_group_v2);
}

/* @controllers is "memory" or "cpu,cpuacct"; each also is the name of a mount or of a link to it */
static void
apply_line_v1 (HostLimits *limits, const char *root, const char *controllers, const char *path)
{
  g_auto (GStrv) names = g_strsplit (controllers, ",", -1);

  for (guint i = 0; names[i] != NULL; i++)
    {
      g_autofree char *mount = g_build_filename (root, "sys/fs/cgroup", names[i], NULL);
      g_autofree char *joint = g_build_filename (root, "sys/fs/cgroup", controllers, NULL);

      if (g_strcmp0 (names[i], "memory") != 0 && g_strcmp0 (names[i], "cpu") != 0)
        continue;
      walk_up (limits, mount, path, read_group_v1);
      walk_up (limits, joint, path, read_group_v1);
    }
}

static void
apply_cgroups (HostLimits *limits, const char *root)
{
  g_autofree char *text = read_file (root, "proc/self/cgroup");
  g_auto (GStrv) lines = g_strsplit (text != NULL ? text : "", "\n", -1);

  for (guint i = 0; lines[i] != NULL; i++)
    {
      g_auto (GStrv) fields = g_strsplit (lines[i], ":", 3);

      if (g_strv_length (fields) != 3 || fields[2][0] != '/')
        continue;
      if (fields[1][0] == '\0')
        apply_line_v2 (limits, root, fields[2]);
      else
        apply_line_v1 (limits, root, fields[1], fields[2]);
    }
}

static gboolean
check_one_fits (double memory_mb, const BerthHostPolicy *policy, const HostLimits *limits,
                GError **error)
{
  if (memory_mb >= (double)policy->vm_memory_mb + policy->vm_overhead_mb)
    return TRUE;

  g_set_error (error, BERTH_ERROR, BERTH_ERROR_CONFIG,
               "not one VM of %u MiB (and %u MiB of overhead) fits into this host's %.0f MiB, of "
               "which %u are kept for the host: lower the reserve, or set max_vms and memory_mb",
               policy->vm_memory_mb, policy->vm_overhead_mb, limits->memory_mb, policy->reserve_mb);
  return FALSE;
}

static gboolean
derive_memory (BerthCapacity *capacity, const BerthHostPolicy *policy, const HostLimits *limits,
               GError **error)
{
  double vm_mb = (double)policy->vm_memory_mb + policy->vm_overhead_mb;
  double usable_mb = MAX (0.0, limits->memory_mb - policy->reserve_mb) * policy->memory_overcommit;
  guint fitting = 0;

  if (capacity->max_vms != 0 && capacity->memory_mb != 0)
    return TRUE;
  /* an administrator's own memory_mb is guest memory: it holds no overhead */
  if (capacity->memory_mb != 0)
    usable_mb = (double)capacity->memory_mb / MAX (policy->vm_memory_mb, 1) * vm_mb;
  if (!check_one_fits (usable_mb, policy, limits, error))
    return FALSE;

  fitting = (guint)MIN (usable_mb / MAX (vm_mb, 1), (double)G_MAXINT);
  if (capacity->max_vms == 0)
    capacity->max_vms = fitting;
  if (capacity->memory_mb == 0)
    {
      double overhead_mb = (double)MIN (capacity->max_vms, fitting) * policy->vm_overhead_mb;

      capacity->memory_mb = (guint)MIN (usable_mb - overhead_mb, (double)G_MAXINT);
    }
  return TRUE;
}

/**
 * berth_capacity_derive:
 * @capacity: (inout): every field of it that is 0 is filled, but for max_waiters, where 0 is none
 * @policy: how much of the host may be promised
 * @root: "/"; tests pass a folder that holds proc/ and sys/
 * @error: return location
 *
 * Derives the capacity from the host's memory (proc/meminfo), its CPUs (the affinity mask) and the
 * memory and CPU limits of the cgroup, v1 or v2, that this process is in, and of those above it. As
 * many VMs start at once as there are CPUs: booting is work for the CPU.
 *
 * Fails with %BERTH_ERROR_CONFIG, and @capacity as it was, where not even one VM fits.
 *
 * Returns: %TRUE if @capacity is complete
 */
gboolean
berth_capacity_derive (BerthCapacity *capacity, const BerthHostPolicy *policy, const char *root,
                       GError **error)
{
  HostLimits limits = { 0 };
  BerthCapacity derived;

  g_return_val_if_fail (capacity != NULL && policy != NULL && root != NULL, FALSE);

  limits.memory_mb = read_total_memory_mb (root);
  limits.cpus = read_cpus (root);
  apply_cgroups (&limits, root);

  derived = *capacity;
  if (!derive_memory (&derived, policy, &limits, error))
    return FALSE;
  if (derived.vcpus == 0)
    derived.vcpus = (guint)CLAMP (limits.cpus * policy->cpu_overcommit, 1.0, (double)G_MAXINT);
  if (derived.max_starts == 0)
    derived.max_starts = (guint)CLAMP (limits.cpus, 1.0, (double)G_MAXINT);
  if (derived.big_request_age_us == 0)
    derived.big_request_age_us = BIG_REQUEST_AGE_DEFAULT_US;
  *capacity = derived;
  return TRUE;
}
