/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a VM is made for: what its request tells whoever makes the VM, past admission. */
#pragma once

#include "plugin/host/berth-fork.h"
#include "pool/berth-request.h"

G_BEGIN_DECLS

/**
 * BerthPurpose:
 * @snapshot_name: (nullable): of the snapshot that is to be made of the VM
 * @is_cold: the VM boots, though there is a snapshot
 * @is_builder: the VM boots, with the image's layer "builder" above those of its template, and its
 *   programs keep root's rights
 * @is_session: the VM outlives berthd; that of a run does not
 * @idle_timeout_ms: after which a session ends that nobody uses; 0: the usual one
 * @idle_pause_ms: after which a session that nobody uses is paused; 0: the usual one
 * @idle_hibernate_ms: after which one is hibernated; 0: the usual one
 * @allow: (nullable) (array zero-terminated=1): rules of what its programs may reach, see
 *   #BerthReachRule
 * @fork: (nullable): of the session that this one begins as a copy of
 * @parent: (nullable): id of that session; NULL: of @fork, if there is one
 * @checkpoint: (nullable): name of the moment of it that this one began as; NULL: likewise
 * @sandbox: (nullable): id of the session that goes on in this VM; NULL: a new one
 * @generation: of that session's VMs; of two, the one with the higher is the session's
 * @domain_uuid: (nullable): there is no VM to be made: it is an administrator's domain that is
 *   counted
 * @domain_name: (nullable): of that
 * @boot_log: (nullable): where the VM's console goes while that boots
 *
 * A run has all of them 0.
 */
typedef struct
{
  const char *snapshot_name;
  gboolean is_cold;
  gboolean is_builder;
  gboolean is_session;
  guint idle_timeout_ms;
  guint idle_pause_ms;
  guint idle_hibernate_ms;
  const char *const *allow;
  BerthFork *fork;
  const char *parent;
  const char *checkpoint;
  const char *sandbox;
  guint generation;
  const char *domain_uuid;
  const char *domain_name;
  GOutputStream *boot_log;
} BerthPurpose;

/* As berth_request_new(), with a copy of @self; no VM that stood by serves one that boots
 * or is a copy. */
BerthRequest *
berth_purpose_make_request (const BerthPurpose *self, const BerthShape *shape, const char *tenant,
                            const char *task, guint32 uid, gint64 wait_us, GError **error);
/* (transfer full): of an administrator's domain, which is root's, of tenant "domains"; as above */
BerthRequest *berth_purpose_make_counted (const char *domain_uuid, const char *domain_name,
                                          const BerthShape *shape, gint64 wait_us, GError **error);
/* @request: (nullable): made by the above, or without a payload; NULL: of a warm VM, nobody's yet.
 * Returns: (transfer none): never NULL. Any thread. */
const BerthPurpose *berth_purpose_of (const BerthRequest *request);

G_END_DECLS
