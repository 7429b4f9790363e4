/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* as if it were plugin/mcp/bad.c */
#include "plugin/manager/berth-manager.h"
