/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* as if it were plugin/server/berth-server.c */
#include "plugin/libvirt/berth-libvirt.h"
