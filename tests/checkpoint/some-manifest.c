/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/checkpoint/some-manifest.h"

BerthCheckpointManifest *
some_manifest (guint32 uid, const char *sandbox, const char *name)
{
  const char *parts[] = { "QEMU 7.2.0", "libvirt 9.0.0; of Debian", NULL };
  const BerthCheckpointManifest manifest = {
    .kind = *name == '\0' ? BERTH_CHECKPOINT_ASLEEP : BERTH_CHECKPOINT_NAMED,
    .name = (char *)name,
    .sandbox = (char *)sandbox,
    .uid = uid,
    .tenant = "acme",
    .task = "42",
    .template_name = "python",
    .language = "python",
    .memory_mb = 192,
    .vcpus = 1,
    .idle_timeout_ms = 300000,
    .idle_pause_ms = 1000,
    .idle_hibernate_ms = 60000,
    .parent = OTHER_SANDBOX,
    .checkpoint = "good",
    .exec_count = 3,
    .created_us = 1796026800000000,
    .base = "python@1000:acme",
    .base_key = SOME_SUM,
    .base_sum = SOME_SUM,
    .parts = (char **)parts,
    .pages = 443,
    .bytes = 2200000,
    .sum = SOME_SUM,
  };

  return berth_checkpoint_manifest_copy (&manifest);
}
