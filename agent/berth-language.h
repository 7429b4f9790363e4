/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The languages, each described once, for the agent and the host: a new one is a row here, a layer
 * of the image and a template. libc only. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Their numbers on the wire, for ever. */
typedef enum
{
  BERTH_LANGUAGE_NONE = 0,
  BERTH_LANGUAGE_PYTHON = 1,
  BERTH_LANGUAGE_JAVASCRIPT = 2,
  BERTH_LANGUAGE_SHELL = 3,
  BERTH_LANGUAGE_RUBY = 4,
  BERTH_LANGUAGE_SH = 5,
  BERTH_LANGUAGE_TYPESCRIPT = 6,
} BerthLanguage;

#define BERTH_LANGUAGE_LAST BERTH_LANGUAGE_TYPESCRIPT
#define BERTH_LANGUAGE_WORDS                                                                       \
  "python, javascript, typescript, shell, ruby or sh" /* for messages                              \
                                                       */
#define BERTH_LANGUAGE_PATTERN                                                                     \
  "python|javascript|typescript|shell|ruby|sh" /* for regular expressions */

/* How a language is run. A hook (agent/runners) lets its interpreter stand by loaded, and run a
 * session's code in itself; a language that keeps no state runs each exec as a script of its own.
 */
typedef struct
{
  BerthLanguage language;
  const char *name;
  const char *alias;    /* another name for it; NULL: none */
  const char *suffixes; /* of its files, a space behind each */
  const char *program;  /* where Debian has it; see agent-language.c for images that others made */
  const char *prompt;   /* the program that takes it line by line, from who types */
  const char *script;   /* its name in the home: hidden from ls and globs, with the suffix that the
                         * interpreter expects */
  const char *print;    /* code that prints something, to be rehearsed */
  bool has_hook;
  bool keeps_state;
} BerthLanguageRow;

static const BerthLanguageRow berth_language_rows[] = {
  { BERTH_LANGUAGE_PYTHON, "python", NULL, ".py ", "/usr/bin/python3", "python3", ".main.py",
    "print(1)", true, true },
  { BERTH_LANGUAGE_JAVASCRIPT, "javascript", NULL, ".js .mjs .cjs ", "/usr/bin/node", "node",
    ".main.js", "console.log(1)", true, true },
  { BERTH_LANGUAGE_SHELL, "shell", "raw", ".sh .bash ", "/bin/bash", "bash", ".main.sh", "echo 1",
    false, true },
  { BERTH_LANGUAGE_RUBY, "ruby", NULL, ".rb ", "/usr/bin/ruby", "irb", ".main.rb", "puts 1", false,
    false },
  /* of images without bash: scripts, and no state */
  { BERTH_LANGUAGE_SH, "sh", NULL, "", "/bin/sh", "sh", ".main.sh", "echo 1", false, false },
  /* Node.js's own: from 22.18 on it makes blanks of types */
  { BERTH_LANGUAGE_TYPESCRIPT, "typescript", NULL, ".ts .mts .cts ", "/usr/bin/node", "node",
    ".main.ts", "console.log(1)", true, true },
};

#define BERTH_LANGUAGE_COUNT (sizeof berth_language_rows / sizeof berth_language_rows[0])

/* Whether it is Node.js that runs it. */
static inline bool
berth_language_is_of_node (BerthLanguage language)
{
  return language == BERTH_LANGUAGE_JAVASCRIPT || language == BERTH_LANGUAGE_TYPESCRIPT;
}

/* NULL for a number that is none's. */
static inline const BerthLanguageRow *
berth_language_get (BerthLanguage language)
{
  for (size_t i = 0; i < BERTH_LANGUAGE_COUNT; i++)
    if (berth_language_rows[i].language == language)
      return &berth_language_rows[i];
  return NULL;
}

/* By its name or alias; NULL: none. */
static inline const BerthLanguageRow *
berth_language_find (const char *name)
{
  for (size_t i = 0; name != NULL && i < BERTH_LANGUAGE_COUNT; i++)
    if (strcmp (berth_language_rows[i].name, name) == 0
        || (berth_language_rows[i].alias != NULL
            && strcmp (berth_language_rows[i].alias, name) == 0))
      return &berth_language_rows[i];
  return NULL;
}
