/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* as if it were plugin/libberth/berth-client.c */
#include "plugin/server/berth-server.h"
