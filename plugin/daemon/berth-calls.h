/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The calls of a connection that were not answered yet, each to be cancelled. */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

typedef struct _BerthCalls BerthCalls;

BerthCalls *berth_calls_new (void);
void berth_calls_unref (BerthCalls *self);

/* (transfer none): lives as long as @invocation */
GCancellable *berth_calls_add (BerthCalls *self, GDBusMethodInvocation *invocation);
/* (transfer none) (nullable): that of the call that message @serial made, if it has no answer
 * yet */
GCancellable *berth_calls_find (BerthCalls *self, guint32 serial);
/* The call that message @serial made, if it has no answer yet. */
void berth_calls_cancel (BerthCalls *self, guint32 serial);
/* Every call, also those to come. */
void berth_calls_cancel_all (BerthCalls *self);

G_END_DECLS
