/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Decides what is executed for a language: the interpreter itself on a script file in the home,
 * where it can be, with a hook that makes it wait before it looks at the script. */
#include "agent-language.h"

#include <stdio.h>
#include <unistd.h>

static const char *const base_env[] = {
  "PATH=/usr/local/bin:/usr/bin:/bin",
  "USER=" BERTH_AGENT_USER,
  "LOGNAME=" BERTH_AGENT_USER,
  "SHELL=/bin/bash",
  "LANG=C.UTF-8",
};

/* What images tell of themselves by names that begin likewise */
static const char *const idle_names[] = {
  "PYTHON_VERSION=",
  "PYTHON_SHA256=",
  "PYTHON_PIP_VERSION=",
  "NODE_VERSION=",
};

/* What an interpreter or its libraries read when they start, too late for one that stands by. */
static const char *const fresh_prefixes[] = {
  "PYTHON", "NODE_", "HOME=", "LANG=",    "LC_",     "LANGUAGE=", "LD_",
  "TZ",     "UV_",   "SSL_",  "OPENSSL_", "MALLOC_", "GLIBC_",
};

BerthLanguage
berth_agent_language_parse (const char *name)
{
  const BerthLanguageRow *found = berth_language_find (name);

  return found != NULL ? found->language : BERTH_LANGUAGE_NONE;
}

/* An image's own interpreter is where its makers' build has put it, before the one that its
 * distribution has, as in a PATH. */
static bool
find_program (const BerthLanguageRow *row, char out_path[64])
{
  snprintf (out_path, 64, "/usr/local/bin%s", strrchr (row->program, '/'));
  if (access (out_path, X_OK) == 0)
    return true;
  snprintf (out_path, 64, "%s", row->program);
  return access (out_path, X_OK) == 0;
}

bool
berth_agent_language_is_here (BerthLanguage language)
{
  const BerthLanguageRow *row = berth_language_get (language);
  char path[64];

  return row != NULL && find_program (row, path);
}

/* Whether its interpreter can stand by: it says when it is loaded and waits for a message. */
bool
berth_agent_language_has_hook (BerthLanguage language)
{
  const BerthLanguageRow *found = berth_language_get (language);

  return found != NULL && found->has_hook;
}

/* Whether a session's execs are run by one interpreter, with the state that those before left. */
bool
berth_agent_language_keeps_state (BerthLanguage language)
{
  const BerthLanguageRow *found = berth_language_get (language);

  return found != NULL && found->keeps_state;
}

/* Whether its interpreter reads a run's code from the file; where it does not, only who opens the
 * file misses it. */
bool
berth_agent_language_reads_file (BerthLanguage language)
{
  return language != BERTH_LANGUAGE_PYTHON;
}

/* The name of the code's file in the home. A session's later ones are told apart where a traceback
 * names the file of each line. */
void
berth_agent_language_name_script (BerthLanguage language, unsigned execs, char out_name[32])
{
  const BerthLanguageRow *found = berth_language_get (language);
  const char *suffix = strrchr (found->script, '.');

  if (execs == 0 || !found->has_hook)
    snprintf (out_name, 32, "%s", found->script);
  else
    snprintf (out_name, 32, "%.*s-%u%s", (int)(suffix - found->script), found->script, execs + 1,
              suffix);
}

static bool
is_name_start (char c)
{
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_';
}

static bool
env_entry_is_good (const char *entry, size_t length)
{
  const char *equals = memchr (entry, '=', length);
  size_t name = equals != NULL ? (size_t)(equals - entry) : 0;

  if (name == 0 || name > BERTH_ENV_NAME_MAX || length - name - 1 > BERTH_ENV_VALUE_MAX
      || !is_name_start (entry[0]))
    return false;
  for (size_t i = 1; i < name; i++)
    if (!is_name_start (entry[i]) && (entry[i] < '0' || entry[i] > '9'))
      return false;
  for (size_t i = name + 1; i < length; i++)
    if (((unsigned char)entry[i] < 0x20 && entry[i] != '\t') || entry[i] == 0x7f)
      return false;
  return true;
}

/* Whether a block from the wire is `count` times NAME=VALUE NUL within the contract's limits. */
bool
berth_agent_env_is_good (const char *env, size_t size, uint32_t count)
{
  while (size > 0 && count > 0)
    {
      const char *end = memchr (env, '\0', size);

      if (end == NULL || !env_entry_is_good (env, (size_t)(end - env)))
        return false;
      size -= (size_t)(end + 1 - env);
      env = end + 1;
      count--;
    }
  return size == 0 && count == 0;
}

static bool
begins_with (const char *entry, const char *const *prefixes, size_t count)
{
  for (size_t i = 0; i < count; i++)
    if (strncmp (entry, prefixes[i], strlen (prefixes[i])) == 0)
      return true;
  return false;
}

/* What changes nothing: no interpreter reads it, or it is what each has anyway. */
static bool
is_idle (const char *entry)
{
  return strcmp (entry, "LANG=C.UTF-8") == 0
         || begins_with (entry, idle_names, sizeof idle_names / sizeof idle_names[0]);
}

/* Whether an interpreter that stands by already would miss something of these variables. */
bool
berth_agent_env_needs_fresh (const char *env, size_t size)
{
  for (const char *entry = env; entry < env + size; entry += strlen (entry) + 1)
    if (begins_with (entry, fresh_prefixes, sizeof fresh_prefixes / sizeof fresh_prefixes[0])
        && !is_idle (entry))
      return true;
  return false;
}

/* The value of a variable in a block, NULL if it is not there. */
static const char *
env_get (const char *env, size_t size, const char *name, size_t length)
{
  const char *value = NULL;

  /* of two the last counts, as in a shell */
  for (const char *entry = env; entry < env + size; entry += strlen (entry) + 1)
    if (strncmp (entry, name, length) == 0 && entry[length] == '=')
      value = entry + length + 1;
  return value;
}

static size_t
env_put (char *out_block, size_t fill, const char *text)
{
  size_t size = strlen (text) + 1;

  memcpy (out_block + fill, text, size);
  return fill + size;
}

/* How much berth_agent_env_write () writes at most. */
size_t
berth_agent_env_bound (const BerthAgentConfig *config, size_t size)
{
  size_t bound = size + sizeof "HOME=" + strlen (config->home);

  for (size_t i = 0; i < sizeof base_env / sizeof base_env[0]; i++)
    bound += strlen (base_env[i]) + 1;
  return bound;
}

/* Writes the whole environment of an exec: the base, less what the exec sets itself. */
size_t
berth_agent_env_write (const BerthAgentConfig *config, const char *env, size_t size,
                       char *out_block)
{
  size_t fill = 0;

  for (size_t i = 0; i < sizeof base_env / sizeof base_env[0]; i++)
    if (env_get (env, size, base_env[i], (size_t)(strchr (base_env[i], '=') - base_env[i])) == NULL)
      fill = env_put (out_block, fill, base_env[i]);
  if (env_get (env, size, "HOME", 4) == NULL)
    {
      fill = env_put (out_block, fill, "HOME=") - 1;
      fill = env_put (out_block, fill, config->home);
    }
  if (size > 0)
    memcpy (out_block + fill, env, size);
  return fill + size;
}

static void
command_set_env (BerthAgentCommand *self, const BerthAgentConfig *config, bool has_python_path,
                 const char *env, size_t size)
{
  const char *user_path = env_get (env, size, "PYTHONPATH", 10);
  size_t count = 0;

  for (size_t i = 0; i < sizeof base_env / sizeof base_env[0]; i++)
    if (env_get (env, size, base_env[i], (size_t)(strchr (base_env[i], '=') - base_env[i])) == NULL)
      self->envp[count++] = (char *)base_env[i];
  if (env_get (env, size, "HOME", 4) == NULL)
    {
      snprintf (self->home, sizeof self->home, "HOME=%s", config->home);
      self->envp[count++] = self->home;
    }
  for (const char *entry = env; entry < env + size && count < BERTH_AGENT_ENV_MAX - 2;
       entry += strlen (entry) + 1)
    if (!has_python_path || strncmp (entry, "PYTHONPATH=", 11) != 0)
      self->envp[count++] = (char *)entry;
  if (has_python_path)
    {
      snprintf (self->python_path, sizeof self->python_path, "PYTHONPATH=%s/python%s%s",
                config->runners, user_path != NULL ? ":" : "", user_path != NULL ? user_path : "");
      self->envp[count++] = self->python_path;
    }
  self->envp[count] = NULL;
}

/* What to execute for code of this language, or for a script that begins with #! (is_program). The
 * environment is borrowed from `env`. */
void
berth_agent_command_make (BerthAgentCommand *self, const BerthAgentConfig *config,
                          BerthLanguage language, bool is_program, const char *env, size_t size)
{
  const BerthLanguageRow *found = berth_language_get (language);
  size_t count = 0;

  find_program (found, self->found); /* else the one that is not there says so */
  self->program = self->found;
  self->argv = self->args;
  snprintf (self->script, sizeof self->script, "%s/%s", config->home, found->script);
  snprintf (self->hook, sizeof self->hook, "%s/javascript.js", config->runners);
  self->args[count++] = strrchr (found->program, '/') + 1;
  if (berth_language_is_of_node (language))
    {
      self->args[count++] = "-r";
      self->args[count++] = self->hook;
    }
  if (is_program)
    {
      /* bash says what is wrong with the #! line, and ends with 126 or 127 as a shell does */
      self->args[count++] = "-c";
      self->args[count++] = "exec \"$0\"";
    }
  self->args[count++] = self->script;
  self->args[count] = NULL;
  command_set_env (self, config, language == BERTH_LANGUAGE_PYTHON, env, size);
}

/* For a program and its arguments as they stand. Both are borrowed. */
void
berth_agent_command_make_as_is (BerthAgentCommand *self, const BerthAgentConfig *config,
                                char **argv, const char *env, size_t size)
{
  self->program = NULL;
  self->argv = argv;
  command_set_env (self, config, false, env, size);
}
