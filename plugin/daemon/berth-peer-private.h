/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a connection's methods share, wherever they stand. */
#pragma once

#include "plugin/base/berth-caller-fd.h"
#include "plugin/daemon/berth-peer.h"

G_BEGIN_DECLS

BerthManager *berth_peer_get_manager (BerthPeer *self);
/* of this call: cancelled by Cancel, or with the connection; lives as long as @invocation */
GCancellable *berth_peer_get_cancellable (BerthPeer *self, GDBusMethodInvocation *invocation);
/* (transfer none) (nullable): what came with the call, until it is answered. GDBus has none of it:
 * the list that it hands to methods is NULL. */
const BerthCallerFds *berth_peer_find_fds (BerthPeer *self, GDBusMethodInvocation *invocation);
guint32 berth_peer_get_uid (BerthPeer *self);
/* as the manager knows the caller: administrators are 0 */
guint32 berth_peer_get_acting_uid (BerthPeer *self);
/* of requests that do not say how long they would wait */
gint64 berth_peer_get_default_wait_us (BerthPeer *self);
/* As the kernel knows it this instant; GDBus tells a little later. */
gboolean berth_peer_is_gone (BerthPeer *self);
/* Nobody was told of the sandbox. */
void berth_peer_destroy_untold (BerthPeer *self, const char *id);
/* @id goes on from where @source is: it ends with the connection where that does. */
void berth_peer_attach_child (BerthPeer *self, const char *source, const char *id);
gboolean berth_peer_check_id (const char *id, GError **error);
/* Answers with @error, as callers may see it. Takes over @invocation. */
void berth_peer_answer_error (GDBusMethodInvocation *invocation, const GError *error);

/* in berth-peer-background.c */
void berth_peer_background_init (BerthDBusManagerIface *iface);
/* in berth-peer-pause.c */
void berth_peer_pause_init (BerthDBusManagerIface *iface);
/* in berth-peer-files.c */
void berth_peer_files_init (BerthDBusManagerIface *iface);
/* in berth-peer-ports.c */
void berth_peer_ports_init (BerthDBusManagerIface *iface);

/* in berth-peer-checkpoint.c */
void berth_peer_checkpoint_init (BerthDBusManagerIface *iface);

/* in berth-peer-fork.c */
/* "wait_ms" of a call's options */
gboolean berth_peer_read_wait (GVariant *value, gint64 *out_wait_us, GError **error);
void berth_peer_fork_init (BerthDBusManagerIface *iface);

G_END_DECLS
