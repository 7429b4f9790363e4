/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A moment of a session with which others begin. Of one that runs it is made when the first of them
 * has its place, and kept as long as one of them is to start; or it was kept before. */
#pragma once

#include "pool/berth-vm.h"

G_BEGIN_DECLS

/**
 * BerthForkBase:
 * @snapshot: name of the snapshot that a kept moment is a difference of
 * @key: of that
 * @sum: SHA-256 of its RAM
 * @dir: where snapshots are
 * @parts: (array zero-terminated=1): what a VM has to have in common with the one that it is of, as
 *   "QEMU 7.2.0": the host's words
 *
 * What a kept moment can be loaded with.
 */
typedef struct
{
  char *snapshot;
  char *key;
  char *sum;
  char *dir;
  char **parts;
} BerthForkBase;

BerthForkBase *berth_fork_base_copy (const BerthForkBase *self);
void berth_fork_base_free (BerthForkBase *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BerthForkBase, berth_fork_base_free)

#define BERTH_TYPE_FORK (berth_fork_get_type ())
G_DECLARE_FINAL_TYPE (BerthFork, berth_fork, BERTH, FORK, GObject)

/* Of the session of @source. */
BerthFork *berth_fork_new (BerthVm *source);
/* Of the session @id, kept as @name ((nullable)) in @fd, which it takes over. */
BerthFork *
berth_fork_new_kept (const char *id, const char *name, const BerthForkBase *base, int fd);

/* (nullable): NULL of one that was kept */
BerthVm *berth_fork_get_source (BerthFork *self);
/* of the session that it is of */
const char *berth_fork_get_source_id (BerthFork *self);
/* (nullable): of a checkpoint */
const char *berth_fork_get_name (BerthFork *self);
/* (nullable): of one that was kept */
const BerthForkBase *berth_fork_get_base (BerthFork *self);
/* Of one that was kept, for reading; borrowed, until it ends */
int berth_fork_get_fd (BerthFork *self);

/* Of one that was kept, and of which no VM has begun, nor will another: it is no copy, and who
 * begins with it is who it was. */
void berth_fork_set_sole (BerthFork *self);
gboolean berth_fork_is_sole (BerthFork *self);
/* Whether the VM that begins now is that one; only the first is. */
gboolean berth_fork_take_sole (BerthFork *self);

typedef void (*BerthForkFunc) (const GError *error, gpointer user_data);

/* A VM that begins with it stands still until it is let go; @error: (nullable): it does not begin
 * then. */
void berth_fork_hold (BerthFork *self);
void berth_fork_let_go (BerthFork *self, const GError *error);
/* At once, where it is not held. @error: (nullable): of berth_fork_let_go() */
void berth_fork_when_let_go (BerthFork *self, BerthForkFunc func, gpointer user_data);

/* What the host keeps of it, and how that is let go; the host's business alone, in the main
 * context, but for its end. @end_func: at berth_fork_end() */
void berth_fork_set_state (BerthFork *self, gpointer state, GDestroyNotify end_func,
                           GDestroyNotify free_func);
gpointer berth_fork_get_state (BerthFork *self);
/* Each of its sessions has begun, or never will: those that there are hold it for long. */
void berth_fork_end (BerthFork *self);

G_END_DECLS
