/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Decides what makes two builds equal: the layers below, the steps, the files that they take, and
 * how each step is done. The packages that an index has by now are not part of it. */
#include "plugin/build/berth-build-inputs.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "plugin/base/berth-errno.h"
#include "plugin/base/berth-sha256.h"
#include "plugin/build/berth-build-store.h"

#define NAME_DIGITS 16
#define FILES_MAX_BYTES (G_GINT64_CONSTANT (4) << 30)
#define SCRATCH "/var/tmp"

static void
input_clear (BerthBuildInput *input)
{
  if (input->fd >= 0)
    close (input->fd);
  g_free (input->sha256);
}

void
berth_build_inputs_free (BerthBuildInputs *self)
{
  g_array_unref (self->each);
  g_free (self->sha256);
  g_free (self->layer);
  g_free (self);
}

static void
add_file (GPtrArray *command, const char *path, gboolean is_contents)
{
  gboolean opens = is_contents && g_file_test (path, G_FILE_TEST_IS_DIR);

  g_ptr_array_add (command, g_strdup ("-C"));
  g_ptr_array_add (command, opens ? g_strdup (path) : g_path_get_dirname (path));
  g_ptr_array_add (command, opens ? g_strdup (".") : g_path_get_basename (path));
}

/* Whose files they are on this host, and since when, is nothing to the guest. */
static GPtrArray *
make_command (const BerthBuildStep *step)
{
  static const char *const words[]
      = { "tar",       "--create",  "--format=gnu",    "--sort=name",    "--mtime=@1735689600",
          "--owner=0", "--group=0", "--numeric-owner", "--no-wildcards", "--verbatim-files-from" };
  GPtrArray *command = g_ptr_array_new_with_free_func (g_free);

  for (guint i = 0; i < G_N_ELEMENTS (words); i++)
    g_ptr_array_add (command, g_strdup (words[i]));
  for (guint i = 0; i < step->files->len; i++)
    add_file (command, step->files->pdata[i], step->kind == BERTH_BUILD_COPY);
  g_ptr_array_add (command, NULL);
  return command;
}

static gboolean
pack_files (const BerthBuildStep *step, int fd, GError **error)
{
  g_autoptr (GPtrArray) command = make_command (step);
  g_autoptr (GSubprocessLauncher) launcher
      = g_subprocess_launcher_new (G_SUBPROCESS_FLAGS_STDERR_PIPE);
  g_autoptr (GSubprocess) tar = NULL;
  g_autofree char *words = NULL;
  struct stat status;

  g_subprocess_launcher_take_stdout_fd (launcher, dup (fd));
  tar = g_subprocess_launcher_spawnv (launcher, (const char *const *)command->pdata, error);
  if (tar == NULL || !g_subprocess_communicate_utf8 (tar, NULL, NULL, NULL, &words, error))
    return FALSE;
  if (!g_subprocess_get_successful (tar))
    {
      g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID, "%s: %s", (char *)step->files->pdata[0],
                   words != NULL ? g_strstrip (words) : "can't be read");
      return FALSE;
    }
  if (fstat (fd, &status) == 0 && status.st_size <= FILES_MAX_BYTES)
    return TRUE;
  g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID, "%s: has more than %d GiB",
               (char *)step->files->pdata[0], (int)(FILES_MAX_BYTES >> 30));
  return FALSE;
}

static gboolean
input_fill (BerthBuildInput *input, const BerthBuildStep *step, GError **error)
{
  if (step->files->len == 0)
    return TRUE;
  input->fd = berth_build_store_open (SCRATCH, error);
  if (input->fd < 0 || !pack_files (step, input->fd, error))
    return FALSE;
  input->sha256 = berth_build_store_hash (input->fd, error);
  return input->sha256 != NULL;
}

/* With its end, so that two texts are never one */
static void
add_text (struct sha256_ctx *sum, const char *text)
{
  sha256_update (sum, strlen (text) + 1, (const guint8 *)text);
}

static void
add_step (struct sha256_ctx *sum, const BerthBuildStep *step, const BerthBuildInput *input)
{
  add_text (sum, berth_build_kind_get_word (step->kind));
  add_text (sum, step->user);
  for (guint i = 0; i < step->values->len; i++)
    add_text (sum, step->values->pdata[i]);
  add_text (sum, "");
  for (guint i = 0; step->env[i] != NULL; i++)
    add_text (sum, step->env[i]);
  add_text (sum, input->sha256 != NULL ? input->sha256 : "");
}

BerthBuildInputs *
berth_build_inputs_new (const BerthBuildSpec *spec, const BerthBuildBase *base, const char *script,
                        GError **error)
{
  g_autoptr (BerthBuildInputs) self = g_new0 (BerthBuildInputs, 1);
  struct sha256_ctx sum;

  self->each = g_array_new (FALSE, TRUE, sizeof (BerthBuildInput));
  g_array_set_clear_func (self->each, (GDestroyNotify)input_clear);
  sha256_init (&sum);
  add_text (&sum, script);
  add_text (&sum, base->builder);
  for (guint i = 0; base->layers[i] != NULL; i++)
    add_text (&sum, base->layers[i]);
  for (guint i = 0; i < spec->steps->len; i++)
    {
      BerthBuildInput *input;

      g_array_append_val (self->each, ((BerthBuildInput){ .fd = -1 }));
      input = &g_array_index (self->each, BerthBuildInput, i);
      if (!input_fill (input, spec->steps->pdata[i], error))
        return NULL;
      add_step (&sum, spec->steps->pdata[i], input);
    }
  self->sha256 = berth_sha256_finish (&sum);
  self->layer = g_strdup_printf ("built-%.*s", NAME_DIGITS, self->sha256);
  return g_steal_pointer (&self);
}
