/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* as if it were plugin/agent/berth-agent.c */
#include "plugin/manager/berth-manager.h"
