/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the argument of run means. An existing file is read, "-" is standard input, anything else is
 * the code itself. */
#include "plugin/cli/berth-cli-source.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/berth-language.h"
#include "plugin/model/berth-exec.h"
#include "pool/berth-error.h"

#define DEFAULT_LANGUAGE "python"
/* a little above what may be run at all (contract.md, Input): berth_exec_check() says how much */
#define READ_MAX_BYTES (4u * 1024 * 1024)
#define CHUNK_BYTES 65536u
#define NAME_MAX_CHARS 128

static const char *
suffix_of_file (const char *path)
{
  const char *name = strrchr (path, '/');

  return strrchr (name != NULL ? name : path, '.');
}

static const char *
language_of_file (const char *path)
{
  const char *suffix = suffix_of_file (path);
  g_autofree char *wanted = suffix != NULL ? g_strconcat (suffix, " ", NULL) : NULL;

  for (guint i = 0; wanted != NULL && i < BERTH_LANGUAGE_COUNT; i++)
    if (strstr (berth_language_rows[i].suffixes, wanted) != NULL)
      return berth_language_rows[i].name;
  return NULL;
}

/**
 * berth_cli_source_dup_template:
 * @language: (nullable): -l; a template of the administrator's has its own name
 *
 * Returns: (transfer full) (nullable): the template that runs @language
 */
char *
berth_cli_source_dup_template (const char *language, GError **error)
{
  gsize length = language != NULL ? strlen (language) : 0;

  if (language == NULL)
    return g_strdup (DEFAULT_LANGUAGE);
  if (berth_language_find (language) != NULL)
    return g_strdup (berth_language_find (language)->name);
  if (length >= 1 && length <= NAME_MAX_CHARS
      && strspn (language, G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS "_-") == length)
    return g_strdup (language);
  g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID,
               "-l '%.40s' is no name of a language: give " BERTH_LANGUAGE_WORDS, language);
  return NULL;
}

static GBytes *
read_fd (int fd, const char *name, GError **error)
{
  g_autoptr (GByteArray) data = g_byte_array_new ();
  guint8 chunk[CHUNK_BYTES];
  gssize length = 1;

  while (length != 0 && data->len <= READ_MAX_BYTES)
    {
      length = read (fd, chunk, sizeof chunk);
      if (length > 0)
        g_byte_array_append (data, chunk, (guint)length);
      else if (length < 0 && errno != EINTR)
        {
          g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID, "%s: %s", name, g_strerror (errno));
          return NULL;
        }
    }
  return g_byte_array_free_to_bytes (g_steal_pointer (&data));
}

static GBytes *
read_file (const char *path, GError **error)
{
  int fd = open (path, O_RDONLY | O_CLOEXEC);
  GBytes *code;

  if (fd < 0)
    {
      g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID, "%s: %s", path, g_strerror (errno));
      return NULL;
    }
  code = read_fd (fd, path, error);
  close (fd);
  return code;
}

static gboolean
read_stdin (BerthCliSource *self, GError **error)
{
  self->took_stdin = TRUE;
  self->code = read_fd (STDIN_FILENO, "standard input", error);
  return self->code != NULL;
}

/* Something that can be read to its end: also <(...) of a shell */
static gboolean
is_file (const char *argument)
{
  struct stat status;

  return stat (argument, &status) == 0 && (S_ISREG (status.st_mode) || S_ISFIFO (status.st_mode));
}

/* "scrpit.py" is a slip of the hand and no program. */
static gboolean
looks_like_a_file (const char *argument)
{
  gsize length = strlen (argument);

  return language_of_file (argument) != NULL
         && strspn (argument, G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS "_-./+~") == length;
}

static gboolean
load_file (BerthCliSource *self, const char *path, const char *language, GError **error)
{
  if (language == NULL)
    language = language_of_file (path);
  if (language == NULL)
    {
      g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID,
                   "%s: its name does not tell its language: give it with -l", path);
      return FALSE;
    }
  self->template_name = berth_cli_source_dup_template (language, error);
  if (self->template_name == NULL)
    return FALSE;
  /* another one says nothing to any language */
  if (language_of_file (path) != NULL)
    self->suffix = g_strdup (suffix_of_file (path));
  self->code = read_file (path, error);
  return self->code != NULL;
}

/**
 * berth_cli_source_load_run:
 * @self: an empty source
 * @argument: (nullable): code, a file's path, or "-"
 * @language: (nullable): -l
 *
 * Returns: whether there is a program and a language
 */
gboolean
berth_cli_source_load_run (BerthCliSource *self, const char *argument, const char *language,
                           GError **error)
{
  gboolean from_stdin = argument == NULL || strcmp (argument, "-") == 0;

  if (argument == NULL && isatty (STDIN_FILENO))
    {
      g_set_error_literal (error, BERTH_ERROR, BERTH_ERROR_INVALID,
                           "there is no code: give it as an argument, as a file, or '-' for "
                           "standard input ('berth run --help')");
      return FALSE;
    }
  if (!from_stdin && is_file (argument))
    return load_file (self, argument, language, error);
  if (!from_stdin && language == NULL && looks_like_a_file (argument))
    {
      g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID,
                   "%s: there is no such file (if it is code, name its language with -l)",
                   argument);
      return FALSE;
    }
  self->template_name = berth_cli_source_dup_template (language, error);
  if (self->template_name == NULL)
    return FALSE;
  if (from_stdin)
    return read_stdin (self, error);
  self->code = g_bytes_new (argument, strlen (argument));
  return TRUE;
}

/**
 * berth_cli_source_load_exec:
 * @self: an empty source
 * @argument: (nullable): code, or "-"
 *
 * Returns: whether there is a program
 */
gboolean
berth_cli_source_load_exec (BerthCliSource *self, const char *argument, GError **error)
{
  if (argument != NULL && strcmp (argument, "-") != 0)
    {
      self->code = g_bytes_new (argument, strlen (argument));
      return TRUE;
    }
  if (argument != NULL || !isatty (STDIN_FILENO))
    return read_stdin (self, error);
  g_set_error_literal (error, BERTH_ERROR, BERTH_ERROR_INVALID,
                       "there is no code: give it as an argument, or '-' for standard input "
                       "('berth exec --help')");
  return FALSE;
}

/**
 * berth_cli_source_load_command:
 * @self: an empty source
 * @argv: (array zero-terminated=1): a program of the guest and its arguments
 * @language: (nullable): -l
 *
 * Returns: whether there is a program
 */
gboolean
berth_cli_source_load_command (BerthCliSource *self, char **argv, const char *language,
                               GError **error)
{
  if (argv[0] == NULL)
    {
      g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID,
                   "-x: which program? '%s' takes it and its arguments last ('%s --help')",
                   g_get_prgname (), g_get_prgname ());
      return FALSE;
    }
  self->template_name = berth_cli_source_dup_template (language, error);
  self->code = berth_exec_pack_command ((const char *const *)argv);
  return self->template_name != NULL;
}

/**
 * berth_cli_source_load_entry:
 * @self: an empty source
 * @template_name: of a template that has an entry point
 */
void
berth_cli_source_load_entry (BerthCliSource *self, const char *template_name)
{
  self->template_name = g_strdup (template_name);
  self->code = g_bytes_new (NULL, 0);
}

/**
 * berth_cli_source_clear:
 * @self: a source
 */
void
berth_cli_source_clear (BerthCliSource *self)
{
  g_clear_pointer (&self->code, g_bytes_unref);
  g_clear_pointer (&self->template_name, g_free);
  g_clear_pointer (&self->suffix, g_free);
}
