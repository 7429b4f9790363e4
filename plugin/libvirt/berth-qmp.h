/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The few words that berth says to QEMU itself, past libvirt: device state out of a domain and into
 * one. Blocking calls. */
#pragma once

#include <gio/gio.h>
#include <libvirt/libvirt.h>

G_BEGIN_DECLS

/* Writes the device state of a suspended domain, without its (shared) RAM, to @fd. */
gboolean berth_qmp_save_state (virDomainPtr domain, int fd, GError **error);
/* Writes all of a suspended domain's state, its RAM too where that is its own, to @fd, which is at
 * its end when the last other descriptor of it is closed. It can go on behind it. */
gboolean berth_qmp_stream_state (virDomainPtr domain, int fd, GError **error);
/* Behind it, whatever came of it; FALSE: it can't go on yet. @has_failed: or may have. */
gboolean berth_qmp_stream_end (virDomainPtr domain, gboolean has_failed, GError **error);
/* Reads it into a domain that was started with -incoming defer; it is paused and whole then. */
gboolean berth_qmp_load_state (virDomainPtr domain, int fd, GError **error);
/* Behind it: without, what an administrator saves of it can't be restored. */
gboolean berth_qmp_forget_load (virDomainPtr domain, GError **error);

/* Stops its virtual CPUs. */
gboolean berth_qmp_stop (virDomainPtr domain, GError **error);
/* (transfer full) (nullable): its run state; NULL: it does not answer */
char *berth_qmp_dup_status (virDomainPtr domain);
/* (transfer full): "status" of what QEMU returned; "" where it says none. Any text. */
char *berth_qmp_read_status (const char *answer);
/* Asks QEMU to end itself. */
gboolean berth_qmp_quit (virDomainPtr domain, GError **error);

G_END_DECLS
