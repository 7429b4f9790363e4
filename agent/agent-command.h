/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A program and its arguments as they stand: no interpreter, no shell between. */
#pragma once

#include <stddef.h>

char **berth_agent_command_parse (char *block, size_t size);
void berth_agent_command_execute (char *const *argv, char *const *envp) __attribute__ ((noreturn));
