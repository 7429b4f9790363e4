/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Accepts on a listening socket that somebody else has, too. A thread of its own does, because they
 * can have accept(2) block at any time (see berth_caller_fd_take_listener()). */
#pragma once

#include "plugin/manager/berth-port-pace.h"

G_BEGIN_DECLS

typedef struct _BerthPortDoor BerthPortDoor;

/* Somebody has come, in the thread-default main context of berth_port_door_new()'s caller. Takes
 * over @fd, which is nobody else's; berth_port_door_leave() is due when they have gone. */
typedef void (*BerthPortDoorFunc) (int fd, gpointer user_data);

/* (nullable): takes over @fd. At most @places_max are in at a time, and come as @pace lets them;
 * the next ones wait in the kernel. NULL with BERTH_ERROR_UNAVAILABLE where the system has no
 * thread for it. */
BerthPortDoor *berth_port_door_new (int fd, guint places_max, BerthPortPace *pace,
                                    BerthPortDoorFunc func, gpointer user_data, GError **error);
void berth_port_door_leave (BerthPortDoor *self);
/* Nobody hears of it any more. @is_shut: nobody can connect any more, whoever else has the socket;
 * else it is left as it was. */
void berth_port_door_free (BerthPortDoor *self, gboolean is_shut);
/* (transfer none) */
int berth_port_door_get_fd (BerthPortDoor *self);

G_END_DECLS
