/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A snapshot on disk: the RAM and the device state of a template that has booted, immutable, with a
 * manifest that tells what it is valid for and whether it was touched. */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

typedef struct _BerthSnapshot BerthSnapshot; /* atomically reference counted; any thread */

/* The name of the snapshot of a template: its own, or (@tenant_key not NULL) that of the one that a
 * tenant has of it for itself, "python@1000:acme". */
char *berth_snapshot_make_name (const char *template_name, const char *tenant_key);
/* (transfer full): of the template again; @out_tenant_key (optional): (transfer full) (nullable).
 */
char *berth_snapshot_split_name (const char *name, char **out_tenant_key);

/**
 * berth_snapshot_open:
 * @dir: that holds all snapshots
 * @name: of the snapshot
 * @key: all that the snapshot depends on, as a checksum
 *
 * Finds the snapshot for this key and checks every byte of it. Blocking.
 *
 * Returns: (transfer full) (nullable): NULL with *@error unset where there is none, or one that was
 *   retired and whose clones still run; NULL with
 *   *@error set where there is one that can't be trusted (it has been removed); %BERTH_ERROR_GONE:
 *   its files are not what was recorded, so that what runs on them reads what somebody wrote
 */
BerthSnapshot *
berth_snapshot_open (const char *dir, const char *name, const char *key, GError **error);

/* A place for a new one; nothing is valid before berth_snapshot_commit(). @owner: the Unix user and
 * group that QEMU runs as. */
BerthSnapshot *
berth_snapshot_begin (const char *dir, const char *name, const char *key, guint memory_mb,
                      uid_t owner_uid, gid_t owner_gid, GError **error);
/* Makes it valid: synced, manifest written, renamed into place. @is_sealed: its RAM can't be
 * written any more, not by QEMU's user either; right where QEMU opens it for reading. Blocking. */
gboolean berth_snapshot_commit (BerthSnapshot *self, gboolean is_sealed, GError **error);

BerthSnapshot *berth_snapshot_ref (BerthSnapshot *self);
/* The last one removes the files of a snapshot that was never committed, or has been retired. */
void berth_snapshot_unref (BerthSnapshot *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BerthSnapshot, berth_snapshot_unref)

/* It will not be used for new clones, nor be found again; its files go with its last user. Any
 * thread. */
void berth_snapshot_retire (BerthSnapshot *self);
gboolean berth_snapshot_is_retired (BerthSnapshot *self);

/* Has somebody written to the RAM file? QEMU before 8.2 opens it for writing, so a QEMU that a
 * guest has broken out into could (design.md). Cheap: a stat of each file. */
gboolean berth_snapshot_is_intact (BerthSnapshot *self, GError **error);
/* The same for those that run already: TRUE, with @error, where they may read what somebody wrote.
 * FALSE where the files are gone, which is berth's own doing when a new one takes their place, and
 * before the commit. */
gboolean berth_snapshot_was_changed (BerthSnapshot *self, GError **error);
/* On tmpfs a store through a mapping changes no time, so neither of the two above sees it. */
gboolean berth_snapshot_hides_writes (BerthSnapshot *self);

gboolean berth_snapshot_is_committed (BerthSnapshot *self);
const char *berth_snapshot_get_key (BerthSnapshot *self);
/* berth_template_dup_hardware() of the domain that it was recorded from: kept with it, and no other
 * may load it. Set by whoever records it, before the commit. */
void berth_snapshot_set_hardware (BerthSnapshot *self, const char *hardware);
/* Fails where @hardware is not what it was recorded on. */
gboolean berth_snapshot_check_hardware (BerthSnapshot *self, const char *hardware, GError **error);
const char *berth_snapshot_get_ram_path (BerthSnapshot *self);
/* A new descriptor of the device state, for writing before the commit, for reading after. */
int berth_snapshot_open_state (BerthSnapshot *self, GError **error);
/* A new file without a name in the folder of all snapshots, which nobody else sees; -1 on failure
 */
int berth_snapshot_open_scratch (BerthSnapshot *self, GError **error);
/* Of both files, as allocated on disk; bytes. */
guint64 berth_snapshot_get_disk_bytes (BerthSnapshot *self);

/* ---- for checkpoints, which are differences of one ---- */

/* Its RAM stays on disk, also when the snapshot is retired or made anew: put aside where a new one
 * takes its place, until berth_snapshot_release_bases() of the berthd @who. Blocking. */
gboolean berth_snapshot_keep (BerthSnapshot *self, const char *who, GError **error);
/* (nullable): SHA-256 of its RAM: what a checkpoint knows it by; NULL before the commit */
const char *berth_snapshot_get_ram_sum (BerthSnapshot *self);
/* FALSE: another is where its paths lead. */
gboolean berth_snapshot_is_in_place (BerthSnapshot *self);
/* For reading, wherever it lies now; -1 on failure */
int berth_snapshot_open_ram (BerthSnapshot *self, GError **error);
/* The one with this RAM, in its place or put aside, every byte of it checked. Blocking. */
BerthSnapshot *berth_snapshot_open_base (const char *dir, const char *name, const char *key,
                                         const char *sum, GError **error);
/* Only those of @sums (element-type utf8) are kept for @who from now on: what was put aside of
 * others goes. Blocking. */
void berth_snapshot_release_bases (const char *dir, const char *who, GHashTable *sums);

/* Removes what a crash left half-made in @dir, and snapshots of this name with other keys. @key:
 * (nullable): that one stays. */
void berth_snapshot_clean (const char *dir, const char *name, const char *key);
/* (transfer full) (element-type utf8): the names of what lies in @dir, each once */
GPtrArray *berth_snapshot_list_names (const char *dir);

G_END_DECLS
