/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the life-cycle tests stand on: a pool of two slots on a backend's hypervisor, and waits that
 * end by events. */
#pragma once

#include "lifecycle-tests.h"

G_BEGIN_DECLS

#define LIFECYCLE_SLOTS 2u

typedef struct
{
  const LifecycleBackend *backend;
  BerthHypervisor *hypervisor;
  BerthPool *pool;
} LifecycleWorld;

/**
 * LifecycleCall:
 * @is_done: it ended
 * @vm: (nullable): what it got
 * @error: (nullable): how it failed
 * @watched: (nullable): a VM whose end must come first
 * @watched_held: whether @watched still held its slot when this ended
 *
 * One asynchronous call of the pool; on the test's stack.
 */
typedef struct
{
  gboolean is_done;
  BerthVm *vm;
  GError *error;
  BerthVm *watched;
  gboolean watched_held;
} LifecycleCall;

void lifecycle_world_set_up (LifecycleWorld *self, gconstpointer backend);
/* shuts the pool down; everything must be gone after it */
void lifecycle_world_tear_down (LifecycleWorld *self, gconstpointer backend);

/* runs the main context until *flag; a test that waits longer than the backend's timeout aborts */
void lifecycle_world_wait (LifecycleWorld *self, const gboolean *flag, const char *what);

void lifecycle_call_clear (LifecycleCall *call);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (LifecycleCall, lifecycle_call_clear)

void lifecycle_world_acquire (LifecycleWorld *self, LifecycleCall *call, gint64 wait_us,
                              GCancellable *cancellable);
void lifecycle_world_destroy (LifecycleWorld *self, LifecycleCall *call, BerthVm *vm);
/* the same, and waits for the end; no failure is expected */
void lifecycle_world_create_now (LifecycleWorld *self, LifecycleCall *call);
void lifecycle_world_destroy_now (LifecycleWorld *self, BerthVm *vm);

/* of the pool's status; every message sent before has been handled then */
guint lifecycle_world_get_slots (LifecycleWorld *self, const char *key);
guint lifecycle_world_count_waiters (LifecycleWorld *self);
/* waits until all slots are free */
void lifecycle_world_wait_free (LifecycleWorld *self, guint free);

G_END_DECLS
