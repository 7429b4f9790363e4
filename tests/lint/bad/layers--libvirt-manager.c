/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* as if it were plugin/libvirt/berth-machine.c */
#include "plugin/manager/berth-sandbox.h"
