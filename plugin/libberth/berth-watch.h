/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How far a Run or a Create is. */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/**
 * BerthStage:
 * @state: "waiting" for a place, "starting" its VM, or "running"
 * @position: of one that waits: 1 is next; else 0
 * @domain: (nullable): of one that starts, once it has a name
 */
typedef struct
{
  const char *state;
  guint32 position;
  const char *domain;
} BerthStage;

/* @stage is NULL when nothing more is to be known. May free the watch. */
typedef void (*BerthWatchFunc) (const BerthStage *stage, gpointer user_data);

typedef struct _BerthWatch BerthWatch;

/* @serial: of the call, made on @connection and not answered yet. @func runs in the main context
 * that is the thread's default now, where the watch is to be freed before the call's end is told.
 */
BerthWatch *berth_watch_new (GDBusConnection *connection, guint32 serial, BerthWatchFunc func,
                             gpointer user_data);
void berth_watch_free (BerthWatch *self);

G_END_DECLS
