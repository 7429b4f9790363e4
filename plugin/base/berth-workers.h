/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A few threads of our own for calls that block: GIO's shared pool would starve behind a libvirt
 * call that hangs. */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

typedef struct _BerthWorkers BerthWorkers;

BerthWorkers *berth_workers_new (guint threads);
/* Waits for the jobs that were given to it. */
void berth_workers_free (BerthWorkers *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BerthWorkers, berth_workers_free)

/* Like g_task_run_in_thread(), on these threads, in the order given. */
void berth_workers_run (BerthWorkers *self, GTask *task, GTaskThreadFunc func);

G_END_DECLS
