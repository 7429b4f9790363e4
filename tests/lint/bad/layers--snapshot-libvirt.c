/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* as if it were plugin/snapshot/berth-snapshot-keeper.c */
#include "plugin/libvirt/berth-libvirt.h"
