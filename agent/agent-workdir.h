/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The folder that an exec starts in. */
#pragma once

#include "agent-config.h"
#include "berth-path.h"

char *berth_agent_workdir_make (const BerthAgentConfig *config, const char *path, size_t size);
bool berth_agent_workdir_is_good (const BerthAgentConfig *config, const char *workdir);
