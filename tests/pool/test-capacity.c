/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Proves how the capacity follows from the host, on folders that look like its /proc and /sys. */
#include "berth-capacity.h"

#include <gio/gio.h>
#include <glib/gstdio.h>

#include "berth-error.h"

static const BerthHostPolicy policy = {
  .memory_overcommit = 1.0,
  .cpu_overcommit = 2.0,
  .reserve_mb = 1024,
  .vm_overhead_mb = 64,
  .vm_memory_mb = 192,
};

typedef struct
{
  char *root;
} Host;

static void
host_write (Host *host, const char *path, const char *text)
{
  g_autofree char *name = g_build_filename (host->root, path, NULL);
  g_autofree char *folder = g_path_get_dirname (name);

  g_assert_cmpint (g_mkdir_with_parents (folder, 0700), ==, 0);
  g_assert_true (g_file_set_contents (name, text, -1, NULL));
}

/* 8 GiB and 4 CPUs, in the root of a v2 hierarchy */
static void
host_set_up (Host *host, gconstpointer data)
{
  host->root = g_dir_make_tmp ("berth-capacity-XXXXXX", NULL);
  g_assert_nonnull (host->root);
  host_write (host, "proc/meminfo", "MemTotal:        8388608 kB\nMemFree: 100 kB\n");
  host_write (host, "proc/self/status",
              "Name:\tberthd\nCpus_allowed:\tf\nCpus_allowed_list:\t0-3\n");
  host_write (host, "proc/self/cgroup", "0::/\n");
}

static void
remove_tree (GFile *file)
{
  g_autoptr (GFileEnumerator) children = g_file_enumerate_children (
      file, G_FILE_ATTRIBUTE_STANDARD_NAME, G_FILE_QUERY_INFO_NOFOLLOW_SYMLINKS, NULL, NULL);
  GFile *child = NULL;

  while (children != NULL && g_file_enumerator_iterate (children, NULL, &child, NULL, NULL)
         && child != NULL)
    remove_tree (child);
  g_file_delete (file, NULL, NULL);
}

static void
host_tear_down (Host *host, gconstpointer data)
{
  g_autoptr (GFile) root = g_file_new_for_path (host->root);

  remove_tree (root);
  g_free (host->root);
}

static BerthCapacity
derive (Host *host)
{
  BerthCapacity capacity = { 0 };
  g_autoptr (GError) error = NULL;

  g_assert_true (berth_capacity_derive (&capacity, &policy, host->root, &error));
  g_assert_no_error (error);
  return capacity;
}

static void
test_plain_host (Host *host, gconstpointer data)
{
  BerthCapacity capacity = derive (host);

  g_assert_cmpuint (capacity.max_vms, ==, (8192 - 1024) / 256);
  g_assert_cmpuint (capacity.memory_mb, ==, 7168 - 28 * 64);
  g_assert_cmpuint (capacity.vcpus, ==, 8);
  g_assert_cmpuint (capacity.max_starts, ==, 4);
  g_assert_cmpuint (capacity.max_waiters, ==, 0);
  g_assert_cmpint (capacity.big_request_age_us, >, 0);
}

static void
test_explicit_values_stay (Host *host, gconstpointer data)
{
  BerthCapacity capacity = {
    .max_vms = 3,
    .memory_mb = 900,
    .vcpus = 5,
    .max_starts = 6,
    .max_waiters = 7,
    .big_request_age_us = 8,
  };

  g_assert_true (berth_capacity_derive (&capacity, &policy, host->root, NULL));
  g_assert_cmpuint (capacity.max_vms, ==, 3);
  g_assert_cmpuint (capacity.memory_mb, ==, 900);
  g_assert_cmpuint (capacity.vcpus, ==, 5);
  g_assert_cmpuint (capacity.max_starts, ==, 6);
  g_assert_cmpuint (capacity.max_waiters, ==, 7);
  g_assert_cmpint (capacity.big_request_age_us, ==, 8);
}

static void
test_explicit_memory_bounds_slots (Host *host, gconstpointer data)
{
  BerthCapacity capacity = { .memory_mb = 800 };

  g_assert_true (berth_capacity_derive (&capacity, &policy, host->root, NULL));
  g_assert_cmpuint (capacity.max_vms, ==, 4);
  g_assert_cmpuint (capacity.memory_mb, ==, 800);
}

static void
test_explicit_slots_leave_memory (Host *host, gconstpointer data)
{
  BerthCapacity capacity = { .max_vms = 2 };

  g_assert_true (berth_capacity_derive (&capacity, &policy, host->root, NULL));
  g_assert_cmpuint (capacity.max_vms, ==, 2);
  g_assert_cmpuint (capacity.memory_mb, ==, 7168 - 2 * 64);
}

static void
test_affinity (Host *host, gconstpointer data)
{
  host_write (host, "proc/self/status", "Cpus_allowed_list:\t1,4-5,1000\n");
  g_assert_cmpuint (derive (host).vcpus, ==, 8);
  host_write (host, "proc/self/status", "Cpus_allowed_list:\t7\n");
  g_assert_cmpuint (derive (host).vcpus, ==, 2);
  host_write (host, "proc/self/status", "no such line\n");
  g_assert_cmpuint (derive (host).vcpus, ==, 2);
}

static void
test_cgroup_v2 (Host *host, gconstpointer data)
{
  BerthCapacity capacity = { 0 };

  host_write (host, "proc/self/cgroup", "0::/system.slice/berthd.service\n");
  host_write (host, "sys/fs/cgroup/system.slice/berthd.service/memory.max", "max\n");
  host_write (host, "sys/fs/cgroup/system.slice/berthd.service/cpu.max", "150000 100000\n");
  host_write (host, "sys/fs/cgroup/system.slice/memory.max", "2147483648\n");
  host_write (host, "sys/fs/cgroup/system.slice/cpu.max", "max 100000\n");
  capacity = derive (host);
  g_assert_cmpuint (capacity.max_vms, ==, (2048 - 1024) / 256);
  g_assert_cmpuint (capacity.vcpus, ==, 3);
  g_assert_cmpuint (capacity.max_starts, ==, 1);
}

static void
test_cgroup_v1 (Host *host, gconstpointer data)
{
  BerthCapacity capacity = { 0 };

  host_write (host, "proc/self/cgroup",
              "12:cpu,cpuacct:/docker/abc\n9:memory:/docker/abc\n1:name=systemd:/x\n0::/x\n");
  host_write (host, "sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
  host_write (host, "sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes", "3221225472\n");
  host_write (host, "sys/fs/cgroup/cpu,cpuacct/docker/abc/cpu.cfs_quota_us", "-1\n");
  host_write (host, "sys/fs/cgroup/cpu,cpuacct/docker/abc/cpu.cfs_period_us", "100000\n");
  host_write (host, "sys/fs/cgroup/cpu,cpuacct/docker/cpu.cfs_quota_us", "200000\n");
  host_write (host, "sys/fs/cgroup/cpu,cpuacct/docker/cpu.cfs_period_us", "100000\n");
  capacity = derive (host);
  g_assert_cmpuint (capacity.max_vms, ==, (3072 - 1024) / 256);
  g_assert_cmpuint (capacity.vcpus, ==, 4);
  g_assert_cmpuint (capacity.max_starts, ==, 2);
}

/* in a container the path is the host's, and only the mount's root is there */
static void
test_cgroup_path_not_visible (Host *host, gconstpointer data)
{
  host_write (host, "proc/self/cgroup", "0::/../../elsewhere\nrubbish\n:::\n");
  host_write (host, "sys/fs/cgroup/memory.max", "2147483648\n");
  g_assert_cmpuint (derive (host).max_vms, ==, 4);
}

static void
test_nothing_fits (Host *host, gconstpointer data)
{
  BerthCapacity capacity = { .max_vms = 5 };
  const BerthCapacity before = capacity;
  g_autoptr (GError) error = NULL;

  host_write (host, "proc/meminfo", "MemTotal: 1100000 kB\n");
  g_assert_false (berth_capacity_derive (&capacity, &policy, host->root, &error));
  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_CONFIG);
  g_assert_nonnull (strstr (error->message, "192 MiB"));
  g_assert_cmpmem (&capacity, sizeof capacity, &before, sizeof before);
}

static void
test_this_host (void)
{
  BerthCapacity capacity = { .max_vms = 1, .memory_mb = 192 };

  g_assert_true (berth_capacity_derive (&capacity, &policy, "/", NULL));
  g_assert_cmpuint (capacity.vcpus, >=, 1);
  g_assert_cmpuint (capacity.max_starts, >=, 1);
}

#define ADD(name, func) g_test_add (name, Host, NULL, host_set_up, func, host_tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("/capacity/plain-host", test_plain_host);
  ADD ("/capacity/explicit-values-stay", test_explicit_values_stay);
  ADD ("/capacity/explicit-memory-bounds-slots", test_explicit_memory_bounds_slots);
  ADD ("/capacity/explicit-slots-leave-memory", test_explicit_slots_leave_memory);
  ADD ("/capacity/affinity", test_affinity);
  ADD ("/capacity/cgroup-v2", test_cgroup_v2);
  ADD ("/capacity/cgroup-v1", test_cgroup_v1);
  ADD ("/capacity/cgroup-path-not-visible", test_cgroup_path_not_visible);
  ADD ("/capacity/nothing-fits", test_nothing_fits);
  g_test_add_func ("/capacity/this-host", test_this_host);
  return g_test_run ();
}
