/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The file in the home that an exec's code is run from. */
#pragma once

#include "agent-config.h"

typedef struct
{
  char name[32]; /* empty: none */
  dev_t device;
  ino_t inode;
} BerthAgentScript;

bool
berth_agent_script_write (BerthAgentScript *self, const BerthAgentConfig *config, const char *name,
                          const uint8_t *code, size_t size, bool *out_is_program);
size_t berth_agent_script_mark (const uint8_t *code, size_t size);
void berth_agent_script_remove (BerthAgentScript *self, const BerthAgentConfig *config);
