/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is known of a checkpoint beside its state: whose it is, what of, and what it can be loaded
 * with. As text, one file beside the state. */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

#define BERTH_CHECKPOINT_PARTS_MAX 16u /* of what it can be loaded with */

/**
 * BerthCheckpointKind:
 * @BERTH_CHECKPOINT_NAMED: a session's owner has asked for it, and may load it as often as they
 * like
 * @BERTH_CHECKPOINT_ASLEEP: it is the session, whose VM is gone: to be loaded once
 *
 * What becomes of it.
 */
typedef enum
{
  BERTH_CHECKPOINT_NAMED,
  BERTH_CHECKPOINT_ASLEEP,
} BerthCheckpointKind;

/**
 * BerthCheckpointManifest:
 * @name: its own; empty of one asleep
 * @sandbox: id of the session
 * @uid: whose it is
 * @tenant: (nullable)
 * @task: (nullable)
 * @template_name: of the session
 * @language: (nullable)
 * @memory_mb: of its VM
 * @vcpus: of its VM
 * @idle_timeout_ms: of the session; 0 for the usual
 * @idle_pause_ms: likewise
 * @idle_hibernate_ms: likewise
 * @is_attached: 1: it ends with the connection that made it, and with its berthd
 * @parent: (nullable): id of the sandbox that the session began as a copy of
 * @checkpoint: (nullable): name of the checkpoint of @parent that it began with
 * @exec_count: of the session
 * @created_us: when its programs stood still; microseconds since 1970
 * @base: name of the snapshot that the state is a difference of
 * @base_key: of that
 * @base_sum: SHA-256 of that one's RAM
 * @parts: (array zero-terminated=1): what it depends on, as "QEMU 7.2.0", the host's words; and
 *   its layers, as "layers base,python"
 * @pages: of its RAM that are not the base's
 * @bytes: of the state; set by the store
 * @sum: (nullable): SHA-256 of the state; set by the store
 */
typedef struct
{
  BerthCheckpointKind kind;
  char *name;
  char *sandbox;
  guint32 uid;
  char *tenant;
  char *task;
  char *template_name;
  char *language;
  guint memory_mb;
  guint vcpus;
  guint idle_timeout_ms;
  guint idle_pause_ms;
  guint idle_hibernate_ms;
  guint is_attached;
  char *parent;
  char *checkpoint;
  guint exec_count;
  gint64 created_us;
  char *base;
  char *base_key;
  char *base_sum;
  char **parts;
  guint64 pages;
  guint64 bytes;
  char *sum;
} BerthCheckpointManifest;

BerthCheckpointManifest *berth_checkpoint_manifest_copy (const BerthCheckpointManifest *self);
void berth_checkpoint_manifest_free (BerthCheckpointManifest *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BerthCheckpointManifest, berth_checkpoint_manifest_free)

/* Whether @name may be a checkpoint's: 1 to 128 of A-Z a-z 0-9 _ -. Fails with
 * BERTH_ERROR_INVALID. */
gboolean berth_checkpoint_name_check (const char *name, GError **error);

/* (transfer full): as it lies on disk */
char *berth_checkpoint_manifest_to_text (const BerthCheckpointManifest *self, gsize *out_length);
/* (transfer full) (nullable): NULL and *@error where it is none, or not all of it is there, or
 * something in it is not what a manifest has: it trusts no byte. */
BerthCheckpointManifest *
berth_checkpoint_manifest_parse (const char *text, gsize length, GError **error);

G_END_DECLS
