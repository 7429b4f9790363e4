/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* as if it were plugin/daemon/berth-service.c */
#include "plugin/server/berth-server.h"
