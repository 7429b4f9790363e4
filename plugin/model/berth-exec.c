/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which programs may be run at all (contract.md, Input). */
#include "plugin/base/berth-caller-fd.h"
#include "plugin/model/berth-exec.h"

#include <string.h>
#include <unistd.h>

#include "agent/berth-path.h"
#include "plugin/model/berth-file-request.h"
#include "plugin/model/berth-limits.h"
#include "pool/berth-error.h"

G_STATIC_ASSERT (BERTH_LIMIT_COMMANDS == BERTH_COMMANDS_MAX);
G_STATIC_ASSERT (BERTH_LIMIT_ASKS + BERTH_COMMANDS_MAX + 2 <= BERTH_ATTACH_MAX);
G_STATIC_ASSERT (BERTH_TTY_SIDE_MAX == BERTH_TERMINAL_SIDE_MAX);

#define SUFFIX_MAX 16u
#define WHITE_SPACE " \t\n\v\f\r"

/**
 * berth_exec_new:
 * @code: the program
 *
 * Returns: (transfer full): an exec with contract.md's defaults and no descriptors
 */
BerthExec *
berth_exec_new (GBytes *code)
{
  BerthExec *self = g_new0 (BerthExec, 1);

  self->code = g_bytes_ref (code);
  self->timeout_ms = BERTH_EXEC_TIMEOUT_DEFAULT_MS;
  self->stdin_fd = -1;
  self->stdout_fd = -1;
  self->stderr_fd = -1;
  self->stdout_max = BERTH_EXEC_STDOUT_MAX;
  self->stderr_max = BERTH_EXEC_STDERR_MAX;
  self->uploads_fd = -1;
  self->downloads_fd = -1;
  self->file_size_max = BERTH_FILE_SIZE_MAX_DEFAULT;
  return self;
}

/**
 * berth_exec_pack_command:
 * @argv: (array zero-terminated=1): a program and its arguments
 *
 * Returns: (transfer full): what #BerthExec has as its code where it is a command
 */
GBytes *
berth_exec_pack_command (const char *const *argv)
{
  GByteArray *block = g_byte_array_new ();

  for (guint i = 0; argv[i] != NULL; i++)
    g_byte_array_append (block, (const guint8 *)argv[i], (guint)strlen (argv[i]) + 1);
  return g_byte_array_free_to_bytes (block);
}

static void
close_fd (int fd)
{
  if (fd >= 0)
    berth_caller_fd_close (fd);
}

/**
 * berth_exec_free:
 * @self: (transfer full) (nullable): closes its descriptors, too
 */
void
berth_exec_free (BerthExec *self)
{
  if (self == NULL)
    return;
  g_bytes_unref (self->code);
  g_clear_pointer (&self->tty, berth_tty_unref);
  g_free (self->language);
  g_strfreev (self->env);
  g_free (self->workdir);
  g_free (self->suffix);
  close_fd (self->stdin_fd);
  close_fd (self->stdout_fd);
  close_fd (self->stderr_fd);
  close_fd (self->uploads_fd);
  g_strfreev (self->downloads);
  close_fd (self->downloads_fd);
  g_free (self);
}

static void
drop_byte_order_mark (BerthExec *self)
{
  gsize size;
  const char *data = g_bytes_get_data (self->code, &size);
  GBytes *rest;

  if (size < 3 || memcmp (data, "\xEF\xBB\xBF", 3) != 0)
    return;
  rest = g_bytes_new_from_bytes (self->code, 3, size - 3);
  g_bytes_unref (self->code);
  self->code = rest;
}

static gboolean
is_blank (const char *data, gsize size)
{
  for (gsize i = 0; i < size; i++)
    if (data[i] == '\0' || strchr (WHITE_SPACE, data[i]) == NULL)
      return FALSE;
  return TRUE;
}

static gboolean
check_code (GBytes *code, GError **error)
{
  gsize size;
  const char *data = g_bytes_get_data (code, &size);
  const char *zero = size > 0 ? memchr (data, '\0', size) : NULL;

  if (size > BERTH_CODE_MAX)
    {
      g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID,
                   "code: %" G_GSIZE_FORMAT " bytes, at most %u are allowed", size, BERTH_CODE_MAX);
      return FALSE;
    }
  if (zero != NULL)
    {
      g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID,
                   "code: a NUL byte at offset %" G_GSIZE_FORMAT ": code is text",
                   (gsize)(zero - data));
      return FALSE;
    }
  if (is_blank (data, size))
    {
      g_set_error_literal (error, BERTH_ERROR, BERTH_ERROR_INVALID,
                           "code: empty or only white space: there is nothing to run");
      return FALSE;
    }
  return TRUE;
}

static gboolean
check_command (const BerthExec *self, GError **error)
{
  gsize size;
  gsize count = 0;
  const char *block = g_bytes_get_data (self->code, &size);

  for (gsize i = 0; i < size; i++)
    count += block[i] == '\0';
  if (size == 0 || block[0] == '\0')
    g_set_error_literal (error, BERTH_ERROR, BERTH_ERROR_INVALID,
                         "command: it names no program: there is nothing to run");
  else if (block[size - 1] != '\0')
    g_set_error_literal (error, BERTH_ERROR, BERTH_ERROR_INVALID,
                         "command: its last argument has no NUL behind it");
  else if (size > BERTH_ARGS_BYTES_MAX || count > BERTH_ARGS_MAX)
    g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID,
                 "command: %" G_GSIZE_FORMAT " arguments of %" G_GSIZE_FORMAT
                 " bytes, at most %u of %u bytes are allowed: give it a file or standard input",
                 count, size, BERTH_ARGS_MAX, BERTH_ARGS_BYTES_MAX);
  else if (self->language != NULL || self->suffix != NULL || self->is_script)
    g_set_error_literal (error, BERTH_ERROR, BERTH_ERROR_INVALID,
                         "command: it is no code: leave out its language, suffix and script");
  else
    return TRUE;
  return FALSE;
}

static gboolean
check_entry (const BerthExec *self, GError **error)
{
  if (g_bytes_get_size (self->code) == 0 && self->language == NULL && self->suffix == NULL
      && !self->is_script && !self->is_command)
    return TRUE;
  g_set_error_literal (error, BERTH_ERROR, BERTH_ERROR_INVALID,
                       "entry: the template says what is run: leave out code, command, language, "
                       "suffix and script");
  return FALSE;
}

/* What is run */
static gboolean
check_what (const BerthExec *self, GError **error)
{
  if (self->is_entry)
    return check_entry (self, error);
  return self->is_command ? check_command (self, error) : check_code (self->code, error);
}

void
berth_exec_set_entry (BerthExec *self, const char *const *argv, const char *workdir)
{
  g_bytes_unref (self->code);
  self->code = berth_exec_pack_command (argv);
  self->is_command = TRUE;
  self->is_entry = FALSE;
  if (self->workdir == NULL)
    self->workdir = g_strdup (workdir);
}

static gboolean
env_name_is_valid (const char *name, gsize length)
{
  if (length == 0 || length > BERTH_ENV_NAME_MAX || g_ascii_isdigit (name[0]))
    return FALSE;
  for (gsize i = 0; i < length; i++)
    if (!g_ascii_isalnum (name[i]) && name[i] != '_')
      return FALSE;
  return TRUE;
}

static gboolean
check_env_value (const char *name, gsize name_length, const char *value, GError **error)
{
  gsize size = strlen (value);

  if (size > BERTH_ENV_VALUE_MAX)
    {
      g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID,
                   "environment: the value of %.*s has %" G_GSIZE_FORMAT
                   " bytes, at most %u are allowed",
                   (int)name_length, name, size, BERTH_ENV_VALUE_MAX);
      return FALSE;
    }
  for (gsize i = 0; i < size; i++)
    {
      guchar byte = (guchar)value[i];

      if ((byte >= 0x20 && byte != 0x7f) || byte == '\t')
        continue;
      g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID,
                   "environment: the value of %.*s has the control character 0x%02x, only TAB is "
                   "allowed",
                   (int)name_length, name, byte);
      return FALSE;
    }
  if (!g_utf8_validate (value, -1, NULL))
    {
      g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID,
                   "environment: the value of %.*s is not UTF-8", (int)name_length, name);
      return FALSE;
    }
  return TRUE;
}

static gboolean
check_env (char **env, GError **error)
{
  guint count = env != NULL ? g_strv_length (env) : 0;

  if (count > BERTH_ENV_MAX)
    {
      g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID,
                   "environment: %u variables, at most %u are allowed", count, BERTH_ENV_MAX);
      return FALSE;
    }
  for (guint i = 0; i < count; i++)
    {
      const char *equals = strchr (env[i], '=');
      gsize length = equals != NULL ? (gsize)(equals - env[i]) : 0;

      if (equals == NULL || !env_name_is_valid (env[i], length))
        {
          g_autofree char *shown = g_strndup (env[i], 40);
          g_autofree char *printable = g_strescape (shown, NULL);

          g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID,
                       "environment: '%s' is not NAME=VALUE with a name of letters, digits and _ "
                       "(at most %u, no digit first)",
                       printable, BERTH_ENV_NAME_MAX);
          return FALSE;
        }
      if (!check_env_value (env[i], length, equals + 1, error))
        return FALSE;
    }
  return TRUE;
}

static gboolean
check_language (const char *language, GError **error)
{
  if (language == NULL || berth_language_find (language) != NULL)
    return TRUE;
  g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID,
               "language: '%.40s' is unknown: give " BERTH_LANGUAGE_WORDS, language);
  return FALSE;
}

static gboolean
check_workdir (const char *workdir, GError **error)
{
  const char *problem = workdir != NULL ? berth_path_problem (workdir, strlen (workdir)) : NULL;

  if (problem == NULL)
    return TRUE;
  g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID, "folder to start in: %s", problem);
  return FALSE;
}

static gboolean
check_suffix (const char *suffix, GError **error)
{
  gsize size = suffix != NULL ? strlen (suffix) : 0;

  if (suffix == NULL
      || (size >= 2 && size <= SUFFIX_MAX && suffix[0] == '.'
          && strspn (suffix + 1, G_CSET_a_2_z G_CSET_A_2_Z G_CSET_DIGITS) == size - 1))
    return TRUE;
  g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID,
               "suffix: '%.40s': give a dot and 1 to %u letters or digits", suffix, SUFFIX_MAX - 1);
  return FALSE;
}

static gboolean
check_tty (const BerthExec *self, GError **error)
{
  if (self->tty == NULL || self->is_command || self->is_entry)
    return TRUE;
  g_set_error_literal (error, BERTH_ERROR, BERTH_ERROR_INVALID,
                       "tty: a terminal is a command's: give a program and its arguments");
  return FALSE;
}

static gboolean
check_downloads (const BerthExec *self, GError **error)
{
  guint count = self->downloads != NULL ? g_strv_length (self->downloads) : 0;

  if (count > BERTH_LIMIT_RUN_DOWNLOADS)
    g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID,
                 "downloads: %u paths, at most %u are allowed: name a folder that has them", count,
                 BERTH_LIMIT_RUN_DOWNLOADS);
  else if ((count > 0) != (self->downloads_fd >= 0))
    g_set_error_literal (error, BERTH_ERROR, BERTH_ERROR_INVALID,
                         "downloads: paths need a stream to go to, and the stream needs paths");
  else
    return TRUE;
  return FALSE;
}

static gboolean
check_detached (const BerthExec *self, GError **error)
{
  if (!self->is_detached
      || (self->stdin_fd < 0 && self->stdout_fd < 0 && self->stderr_fd < 0 && !self->is_script))
    return TRUE;
  g_set_error_literal (
      error, BERTH_ERROR, BERTH_ERROR_INVALID,
      "background: it has no streams of its caller's, and is a session's code or a "
      "command: its output is kept in the sandbox");
  return FALSE;
}

static gboolean
has_variable (char **env, const char *variable)
{
  gsize name = strcspn (variable, "=") + 1;

  for (guint i = 0; env != NULL && env[i] != NULL; i++)
    if (strncmp (env[i], variable, name) == 0)
      return TRUE;
  return FALSE;
}

gboolean
berth_exec_add_env (BerthExec *self, const char *const *env, GError **error)
{
  g_autoptr (GStrvBuilder) all = g_strv_builder_new ();
  GStrv both;

  if (env == NULL || env[0] == NULL)
    return TRUE;
  for (guint i = 0; env[i] != NULL; i++)
    if (!has_variable (self->env, env[i]))
      g_strv_builder_add (all, env[i]);
  if (self->env != NULL)
    g_strv_builder_addv (all, (const char **)self->env);
  both = g_strv_builder_end (all);
  g_strfreev (self->env);
  self->env = both;
  return check_env (self->env, error);
}

/**
 * berth_exec_check:
 * @self: an exec; loses a leading U+FEFF of its code, where that is none of a command
 *
 * Finds a caller's mistake before any VM is touched.
 *
 * Returns: whether @self may be run
 */
gboolean
berth_exec_check (BerthExec *self, GError **error)
{
  if (!self->is_command && !self->is_entry)
    drop_byte_order_mark (self);
  if (self->timeout_ms < BERTH_TIMEOUT_MIN_MS || self->timeout_ms > BERTH_TIMEOUT_MAX_MS)
    {
      g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID, "timeout: %g s, 1 to %u s are allowed",
                   self->timeout_ms / 1000.0, BERTH_TIMEOUT_MAX_MS / 1000);
      return FALSE;
    }
  return check_what (self, error) && check_language (self->language, error)
         && check_env (self->env, error) && check_workdir (self->workdir, error)
         && check_suffix (self->suffix, error) && check_tty (self, error)
         && check_downloads (self, error) && check_detached (self, error);
}
