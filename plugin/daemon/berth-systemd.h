/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The service manager that started berthd, where it is one that speaks sd_notify(3)'s protocol:
 * what it is told, and the socket that it listens on for us. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef struct _BerthSystemd BerthSystemd;

BerthSystemd *berth_systemd_new (GError **error);
void berth_systemd_free (BerthSystemd *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BerthSystemd, berth_systemd_free)

const char *berth_systemd_get_socket_path (BerthSystemd *self);
int berth_systemd_steal_socket (BerthSystemd *self);
guint64 berth_systemd_get_watchdog_us (BerthSystemd *self);

/* Has @fd (borrowed) kept under @name until berth_systemd_forget(), whatever becomes of us: the
 * next berthd gets it. Nothing where nobody keeps any. */
void berth_systemd_keep (BerthSystemd *self, const char *name, int fd);
void berth_systemd_forget (BerthSystemd *self, const char *name);
/* (transfer full) (nullable): the name of one that an earlier berthd had kept, which is then gone
 * from the list; NULL: no more. *@out_fd: (transfer full) */
char *berth_systemd_steal_kept (BerthSystemd *self, int *out_fd);

void berth_systemd_notify (BerthSystemd *self, const char *state);
void berth_systemd_notify_reloading (BerthSystemd *self);

G_END_DECLS
