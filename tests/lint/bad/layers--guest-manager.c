/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* as if it were plugin/guest/berth-guest.c */
#include "plugin/manager/berth-manager.h"
