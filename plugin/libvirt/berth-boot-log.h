/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The console of a VM, live, for who waits for its boot. */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

typedef struct _BerthBootLog BerthBootLog;

/* Follows the file at @path, which virtlogd writes. @out: a #GUnixOutputStream, whose
 * descriptor is one of berth_caller_fd_take() and is duplicated. (nullable): NULL where it can't be
 * done. Main context. */
BerthBootLog *berth_boot_log_new (const char *path, GOutputStream *out);
/* (transfer full): the boot is over. What is in the file by then is still written, unless its
 * reader takes too long; then the descriptor is closed. */
void berth_boot_log_end (BerthBootLog *self);

G_END_DECLS
