/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a sandbox is made by. */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/**
 * BerthSandboxOptions:
 * @template_name: (nullable): NULL for "python"
 * @memory_mb: 0 for the template's default; MiB
 * @tenant: (nullable): who
 * @task: (nullable): for what
 * @uid: the Unix user that the sandbox will belong to
 * @wait_us: as in #BerthRequest
 * @is_cold: its VM boots: it is no warm one and no clone
 * @boot_log: (nullable): a #GUnixOutputStream that gets the console of a cold boot, and is closed
 * @ends_with_caller: of a create: the VM does not outlive berthd, as that of a run
 * @is_builder: of a create: its VM is one that layers of templates are built in, see #BerthPurpose
 * @idle_timeout_ms: of a create: how long nobody may use it; 0: the administrator's setting
 * @ports: (nullable): of #BerthListener: listening sockets, and the ports of the sandbox that are
 *   reached by them
 * @idle_hibernate_ms: of a create: how long nobody uses it until it is hibernated; 0: the
 *   administrator's
 * @idle_pause_ms: of a create: how long nobody uses it until it is paused; 0: the administrator's
 *   setting
 * @allow: (nullable) (array zero-terminated=1): rules of what its programs may reach
 * @allow_all: they may reach all that the administrator allows
 * @waits_gone: of a run: it is answered after its VM is gone
 *
 * What a sandbox is made by. Borrowed for the call.
 */
typedef struct
{
  const char *template_name;
  guint memory_mb;
  const char *tenant;
  const char *task;
  guint32 uid;
  gint64 wait_us;
  gboolean is_cold;
  GOutputStream *boot_log;
  gboolean ends_with_caller;
  gboolean is_builder;
  guint idle_timeout_ms;
  GArray *ports;
  guint idle_pause_ms;
  guint idle_hibernate_ms;
  char **allow;
  gboolean allow_all;
  gboolean waits_gone;
} BerthSandboxOptions;

G_END_DECLS
