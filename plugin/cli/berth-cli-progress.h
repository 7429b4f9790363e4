/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A line on the terminal that tells what a call waits for, and leaves no trace. */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

typedef struct _BerthProgress BerthProgress;

BerthProgress *berth_progress_new (gboolean is_unwanted);
BerthProgress *berth_progress_ref (BerthProgress *self);
void berth_progress_unref (BerthProgress *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BerthProgress, berth_progress_unref)

void berth_progress_watch (BerthProgress *self, GDBusConnection *connection);
void berth_progress_unwatch (BerthProgress *self);
void berth_progress_end (BerthProgress *self);

G_END_DECLS
