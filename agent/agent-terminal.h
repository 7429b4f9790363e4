/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The terminal of a command: the agent has the one end, the program the other. */
#pragma once

#include <sys/ioctl.h>

#include "agent-config.h"

#define BERTH_AGENT_TERMINAL_ROWS 24u
#define BERTH_AGENT_TERMINAL_COLUMNS 80u

bool berth_agent_terminal_size_is_good (uint32_t rows, uint32_t columns, struct winsize *out_size);
bool berth_agent_terminal_open (const BerthAgentConfig *config, const struct winsize *size,
                                int *out_fd, int *out_program_fd);
bool berth_agent_terminal_resize (int fd, const struct winsize *size);
bool berth_agent_terminal_control (int program_fd);
