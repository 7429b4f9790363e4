/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Sandboxes that are no more, and what is still to be said of them. */
#pragma once

#include "pool/berth-types.h"
#include "pool/berth-vm.h"

G_BEGIN_DECLS

/**
 * BerthTombstone:
 * @id: of the sandbox
 * @uid: whose it was
 * @reason: why it is gone
 * @vm: (nullable): its VM, until that has ended
 * @ended_us: when the sandbox ended; monotonic
 */
typedef struct
{
  char *id;
  guint32 uid;
  char *reason;
  BerthVm *vm;
  gint64 ended_us;
} BerthTombstone;

typedef struct _BerthTombstones BerthTombstones;

BerthTombstones *berth_tombstones_new (guint max);
void berth_tombstones_free (BerthTombstones *self);
void berth_tombstones_add (BerthTombstones *self, BerthVm *vm, guint32 uid, const char *reason);
void berth_tombstones_remove (BerthTombstones *self, const char *id);
const BerthTombstone *berth_tombstones_find (BerthTombstones *self, const char *id, guint32 uid);
gint64 berth_tombstones_vm_gone (BerthTombstones *self, BerthVm *vm);

G_END_DECLS
