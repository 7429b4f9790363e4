/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A moment of a session with which other sessions begin: its children. Made when the first of them
 * has its place, and kept as long as one of them is to start. */
#pragma once

#include "pool/berth-vm.h"

G_BEGIN_DECLS

#define BERTH_TYPE_FORK (berth_fork_get_type ())
G_DECLARE_FINAL_TYPE (BerthFork, berth_fork, BERTH, FORK, GObject)

/* Of the session of @source. */
BerthFork *berth_fork_new (BerthVm *source);
BerthVm *berth_fork_get_source (BerthFork *self);

/* What the host keeps of it, and how that is let go; the host's business alone, in the main
 * context, but for its end. @end_func: at berth_fork_end() */
void berth_fork_set_state (BerthFork *self, gpointer state, GDestroyNotify end_func,
                           GDestroyNotify free_func);
gpointer berth_fork_get_state (BerthFork *self);
/* Each of its sessions has begun, or never will: those that there are hold it for long. */
void berth_fork_end (BerthFork *self);

G_END_DECLS
