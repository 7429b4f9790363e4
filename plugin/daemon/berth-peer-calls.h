/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The calls of a connection that were not answered yet, each to be cancelled. */
#pragma once

#include "plugin/daemon/berth-account.h"
#include "plugin/manager/berth-manager-call.h"
#include "plugin/model/berth-tty.h"

G_BEGIN_DECLS

typedef struct _BerthPeerCalls BerthPeerCalls;

BerthPeerCalls *berth_peer_calls_new (BerthTab *tab);
BerthPeerCalls *berth_peer_calls_ref (BerthPeerCalls *self);
void berth_peer_calls_unref (BerthPeerCalls *self);

/* (transfer none): a #BerthManagerCall, which lives as long as @invocation */
GCancellable *berth_peer_calls_add (BerthPeerCalls *self, GDBusMethodInvocation *invocation);
/* (transfer none) (nullable): the descriptors that came with the call, until it is answered */
const BerthCallerFds *
berth_peer_calls_find_fds (BerthPeerCalls *self, GDBusMethodInvocation *invocation);
/* @tty: (nullable): of the program that a call runs, which was added */
void berth_peer_calls_set_tty (GDBusMethodInvocation *invocation, BerthTty *tty);
/* (transfer none) (nullable): that of the call that message @serial made, if it has no answer
 * yet */
BerthTty *berth_peer_calls_find_tty (BerthPeerCalls *self, guint32 serial);
/* (transfer none) (nullable): the call that message @serial made, if it has no answer yet */
BerthManagerCall *berth_peer_calls_find (BerthPeerCalls *self, guint32 serial);
/* The call that message @serial made, if it has no answer yet. */
void berth_peer_calls_cancel (BerthPeerCalls *self, guint32 serial);
/* Every call, also those to come. */
void berth_peer_calls_cancel_all (BerthPeerCalls *self);

G_END_DECLS
