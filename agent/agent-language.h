/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How each language's interpreter is started, and with which environment. */
#pragma once

#include "agent-config.h"

#define BERTH_AGENT_ARGS_MAX 8u
#define BERTH_AGENT_PATH_MAX 512u
/* the program's own variables, our base ones, and what the hook needs */
#define BERTH_AGENT_ENV_MAX (BERTH_ENV_MAX + 16u)

/* A command line and an environment, with the strings that they point into. */
typedef struct
{
  const char *program; /* NULL: argv[0] is looked for, as by a shell */
  char **argv;         /* args, or a command's own, borrowed */
  char *args[BERTH_AGENT_ARGS_MAX];
  char *envp[BERTH_AGENT_ENV_MAX];
  char found[64];
  char script[BERTH_AGENT_PATH_MAX];
  char hook[BERTH_AGENT_PATH_MAX];
  char home[BERTH_AGENT_PATH_MAX];
  char python_path[BERTH_AGENT_PATH_MAX + BERTH_ENV_VALUE_MAX];
} BerthAgentCommand;

BerthLanguage berth_agent_language_parse (const char *name);
bool berth_agent_language_is_here (BerthLanguage language);
bool berth_agent_language_has_hook (BerthLanguage language);
bool berth_agent_language_keeps_state (BerthLanguage language);
bool berth_agent_language_reads_file (BerthLanguage language);
void berth_agent_language_name_script (BerthLanguage language, unsigned execs, char out_name[32]);

bool berth_agent_env_is_good (const char *env, size_t size, uint32_t count);
bool berth_agent_env_needs_fresh (const char *env, size_t size);
size_t berth_agent_env_write (const BerthAgentConfig *config, const char *env, size_t size,
                              char *out_block);
size_t berth_agent_env_bound (const BerthAgentConfig *config, size_t size);

void
berth_agent_command_make (BerthAgentCommand *self, const BerthAgentConfig *config,
                          BerthLanguage language, bool is_program, const char *env, size_t size);
void berth_agent_command_make_as_is (BerthAgentCommand *self, const BerthAgentConfig *config,
                                     char **argv, const char *env, size_t size);
