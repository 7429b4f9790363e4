/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* as if it were plugin/bus/berth-dial.c */
#include "plugin/daemon/berth-gate.h"
