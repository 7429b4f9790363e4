/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* as if it were plugin/manager/berth-sandbox.c */
#include "plugin/libvirt/berth-machine.h"
