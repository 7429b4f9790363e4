/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How bash is made to keep a session's state: it loads a builtin, runners/shell/session.c. */
#pragma once

#include "agent-config.h"

/* The builtin's shared object */
extern const unsigned char berth_agent_shell_object[];
extern const size_t berth_agent_shell_object_size;

bool berth_agent_shell_install (const BerthAgentConfig *config);
size_t berth_agent_shell_write_env (const BerthAgentConfig *config, char *out_env, size_t size);
