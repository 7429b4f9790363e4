/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Decides what makes two builds equal: the layers below, the steps, the files that they take, and
 * how each step is done. The packages that an index has by now are not part of it. */
#include "plugin/build/berth-build-inputs.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "plugin/base/berth-errno.h"
#include "plugin/base/berth-sha256.h"
#include "plugin/build/berth-build-fetch.h"
#include "plugin/build/berth-build-pack.h"
#include "plugin/build/berth-build-store.h"

#define NAME_DIGITS 16

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
  input_clear (&self->image);
  g_free (self->reference);
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

static gboolean
pack_files (const BerthBuildStep *step, int fd, GError **error)
{
  g_autoptr (GPtrArray) files = g_ptr_array_new_with_free_func (g_free);

  for (guint i = 0; i < step->files->len; i++)
    add_file (files, step->files->pdata[i], step->kind == BERTH_BUILD_COPY);
  return berth_build_pack (files, step->files->pdata[0], fd, error);
}

static gboolean
input_fill (BerthBuildInput *input, const BerthBuildStep *step, GError **error)
{
  if (step->files->len == 0)
    return TRUE;
  input->fd = berth_build_store_open (BERTH_BUILD_SCRATCH, error);
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

/* Which of the images of a layout is meant is part of it, and where it was found is not. */
static gboolean
add_image (struct sha256_ctx *sum, BerthBuildInputs *self, const BerthBuildSpec *spec,
           const char *script, GError **error)
{
  g_autofree char *reference = NULL;

  self->image.fd = berth_build_fetch (spec, &reference, error);
  self->image.sha256 = self->image.fd >= 0 ? berth_build_store_hash (self->image.fd, error) : NULL;
  if (self->image.sha256 == NULL)
    return FALSE;
  add_text (sum, "oci");
  add_text (sum, script);
  add_text (sum, reference);
  add_text (sum, self->image.sha256);
  self->reference = g_steal_pointer (&reference);
  return TRUE;
}

BerthBuildInputs *
berth_build_inputs_new (const BerthBuildSpec *spec, const BerthBuildBase *base, const char *script,
                        const char *image_script, GError **error)
{
  g_autoptr (BerthBuildInputs) self = g_new0 (BerthBuildInputs, 1);
  struct sha256_ctx sum;

  self->image.fd = -1;
  self->each = g_array_new (FALSE, TRUE, sizeof (BerthBuildInput));
  g_array_set_clear_func (self->each, (GDestroyNotify)input_clear);
  sha256_init (&sum);
  add_text (&sum, script);
  add_text (&sum, base->builder);
  for (guint i = 0; base->layers[i] != NULL; i++)
    add_text (&sum, base->layers[i]);
  if (spec->oci != NULL && !add_image (&sum, self, spec, image_script, error))
    return NULL;
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
