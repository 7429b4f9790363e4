/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How far a Run or a Create is. */
#pragma once

#include <gio/gio.h>

#include "plugin/model/berth-stage.h"

G_BEGIN_DECLS

/* @stage is NULL when nothing more is to be known. May free the watch. */
typedef void (*BerthProgressWatchFunc) (const BerthStage *stage, gpointer user_data);

typedef struct _BerthProgressWatch BerthProgressWatch;

/* @serial: of the call, made on @connection and not answered yet. @func runs in the main context
 * that is the thread's default now, where the watch is to be freed before the call's end is told.
 */
BerthProgressWatch *berth_progress_watch_new (GDBusConnection *connection, guint32 serial,
                                              BerthProgressWatchFunc func, gpointer user_data);
void berth_progress_watch_free (BerthProgressWatch *self);

G_END_DECLS
