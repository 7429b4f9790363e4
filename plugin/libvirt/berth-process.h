/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The QEMU process of a domain, held by a pidfd: what it takes of the host. */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

typedef struct _BerthProcess BerthProcess;

/* (transfer full) (nullable): the process that libvirt's pid file of @domain_name names, while the
 * domain is known to run. NULL where the file can't be read: then nothing is known of it. Any
 * thread. */
BerthProcess *berth_process_open (const char *uri, const char *domain_name);
void berth_process_free (BerthProcess *self);
/* (nullable): what tells it from every other process that this host has had, in 1 to 128 of
 * A-Z a-z 0-9 _ -; NULL: nobody can tell */
const char *berth_process_get_id (BerthProcess *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BerthProcess, berth_process_free)

/* What it holds of the host's memory: pages of its own, among them those of the guest that are not
 * the snapshot's any more; and pages of files, which other clones may hold as well. Bytes, as the
 * kernel counts (proc(5), statm); FALSE when it has ended. */
gboolean berth_process_get_memory (BerthProcess *self, guint64 *out_private, guint64 *out_shared);

G_END_DECLS
