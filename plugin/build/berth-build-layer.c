/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Decides in which order a layer is built, and what its manifest says. */
#include "plugin/build/berth-build-layer.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "build-guest-script.h"
#include "build-image-script.h"
#include "plugin/base/berth-printable.h"
#include "plugin/build/berth-build-guest.h"
#include "plugin/build/berth-build-json.h"
#include "plugin/build/berth-build-store.h"
#include "plugin/template/berth-images.h"
#include "pool/berth-error.h"

#define PACKAGES_MAX 5000u
#define PACKAGE_COLUMNS 300u

typedef struct
{
  const BerthBuildSpec *spec;
  const BerthConfig *config;
  const BerthBuildBase *base;
  const BerthBuildInputs *inputs;
  BerthBuildGuest *guest;
  gint64 begun_us;
  gint64 *step_us; /* each: what it took */
  char *image;     /* what the guest says of that, or NULL */
  char *packed;    /* and of what it packed */
  guint64 size;
  char *sha256;
} Work;

static void
work_clear (Work *self)
{
  g_clear_pointer (&self->guest, berth_build_guest_free);
  g_free (self->step_us);
  g_free (self->image);
  g_free (self->packed);
  g_free (self->sha256);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Work, work_clear)

const char *
berth_build_layer_get_script (void)
{
  return berth_build_guest_script;
}

const char *
berth_build_layer_get_image_script (void)
{
  return berth_build_image_script;
}

/* (transfer full): as a person reads it */
static char *
dup_step_name (const BerthBuildStep *step)
{
  const char *what = step->values->len > 0 ? step->values->pdata[0] : step->files->pdata[0];
  guint others = step->values->len + step->files->len - 1;
  g_autofree char *whole = berth_printable_dup (what, FALSE);
  g_autofree char *name = g_utf8_substring (whole, 0, MIN (g_utf8_strlen (whole, -1), 60));

  if (others == 0 || step->kind == BERTH_BUILD_COPY)
    return g_strdup_printf ("%s %s", berth_build_kind_get_word (step->kind), name);
  return g_strdup_printf ("%s %s and %u more", berth_build_kind_get_word (step->kind), name,
                          others);
}

static void
tell (const Work *self, const char *what, gint64 since_us)
{
  if (!self->spec->quiet)
    fprintf (stderr, "berth template build: %s: %.1f s\n", what,
             (double)(g_get_monotonic_time () - since_us) / G_USEC_PER_SEC);
}

/* What a step is called in guest.sh, and what it is told first */
static void
add_words (const Work *self, const BerthBuildStep *step, GStrvBuilder *words)
{
  const BerthConfig *config = self->config;
  g_autofree char *name = step->files->len > 0 ? g_path_get_basename (step->files->pdata[0]) : NULL;

  switch (step->kind)
    {
    case BERTH_BUILD_APT:
      {
        g_auto (GStrv) archives
            = g_strsplit (config->build_apt != NULL ? config->build_apt : "", ";", -1);
        g_autoptr (GString) text = g_string_new (NULL);

        for (guint i = 0; archives[i] != NULL; i++)
          if (*g_strstrip (archives[i]) != '\0')
            g_string_append_printf (text, "deb %s\n", archives[i]);
        g_strv_builder_add_many (words, "apt", text->str, NULL);
        break;
      }
    case BERTH_BUILD_PIP:
      g_strv_builder_add_many (words, "pip", config->build_pip != NULL ? config->build_pip : "",
                               NULL);
      break;
    case BERTH_BUILD_NPM:
      g_strv_builder_add_many (words, "npm", config->build_npm != NULL ? config->build_npm : "",
                               NULL);
      break;
    case BERTH_BUILD_COPY:
      if (g_file_test (step->files->pdata[0], G_FILE_TEST_IS_DIR))
        g_strv_builder_add (words, "copy_folder");
      else
        g_strv_builder_add_many (words, "copy_file", name, NULL);
      break;
    case BERTH_BUILD_RUN:
      g_strv_builder_add (words, "run");
      break;
    }
}

/* Packages that are given by hand, where the step finds them */
static gboolean
send_packages (Work *self, const BerthBuildStep *step, const BerthBuildInput *input,
               GStrvBuilder *words, GError **error)
{
  static const char *const receive[] = { "receive", NULL };
  /* apt looks for the file itself, the others do so from inside of what is built */
  const char *folder
      = step->kind == BERTH_BUILD_APT ? "/tmp/berth-build/root/run/berth/in" : "/run/berth/in";

  if (input->fd < 0 || step->kind == BERTH_BUILD_COPY)
    return TRUE;
  if (!berth_build_guest_do (self->guest, NULL, receive, input->fd, NULL, error))
    return FALSE;
  for (guint i = 0; i < step->files->len; i++)
    {
      g_autofree char *name = g_path_get_basename (step->files->pdata[i]);
      g_autofree char *path = g_build_filename (folder, name, NULL);

      g_strv_builder_add (words, path);
    }
  return TRUE;
}

static gboolean
do_step (Work *self, guint index, GError **error)
{
  const BerthBuildStep *step = self->spec->steps->pdata[index];
  const BerthBuildInput *input = &g_array_index (self->inputs->each, BerthBuildInput, index);
  gint64 begun_us = g_get_monotonic_time ();
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();
  g_autofree char *name = dup_step_name (step);
  g_auto (GStrv) words = NULL;
  gboolean ok;

  add_words (self, step, builder);
  ok = send_packages (self, step, input, builder, error);
  for (guint i = 0; i < step->values->len; i++)
    g_strv_builder_add (builder, step->values->pdata[i]);
  words = g_strv_builder_end (builder);
  ok = ok
       && berth_build_guest_do (self->guest, step, (const char *const *)words,
                                step->kind == BERTH_BUILD_COPY ? input->fd : -1, NULL, error);
  if (!ok)
    {
      g_prefix_error (error, "step %u, %s: ", index + 1, name);
      return FALSE;
    }
  self->step_us[index] = g_get_monotonic_time () - begun_us;
  tell (self, name, begun_us);
  return TRUE;
}

/* Whether a template can keep what the image is, before anything is made for it. */
static gboolean
check_image (const Work *self, GError **error)
{
  const BerthBuildSpec *spec = self->spec;
  g_autoptr (BerthBuildImage) image = berth_build_image_parse (self->image, error);
  g_autofree char *file = g_strconcat (spec->name, ".xml", NULL);
  g_autofree char *path = g_build_filename (spec->template_dir, file, NULL);
  g_autofree char *xml = NULL;

  if (image == NULL
      || (spec->language != NULL
          && !berth_build_image_check_language (image, spec->language, error)))
    return FALSE;
  xml = berth_build_base_dup_template ((BerthBuildBase *)self->base, spec, image,
                                       self->inputs->layer, path, self->config->schema, error);
  if (xml == NULL)
    g_prefix_error (error, "the image has what no template can have: ");
  return xml != NULL;
}

static gboolean
do_image (Work *self, GError **error)
{
  const BerthBuildInputs *inputs = self->inputs;
  const char *const words[] = { "unpack", berth_build_image_script,
                                inputs->reference != NULL ? inputs->reference : "", NULL };
  gint64 begun_us = g_get_monotonic_time ();

  if (!berth_build_guest_do (self->guest, NULL, words, inputs->image.fd, &self->image, error))
    {
      g_prefix_error (error, "oci %s: ", self->spec->oci);
      return FALSE;
    }
  tell (self, "unpacked", begun_us);
  return check_image (self, error);
}

static gboolean
do_steps (Work *self, GError **error)
{
  g_autofree char *count = g_strdup_printf ("%u", g_strv_length (self->base->layers));
  const char *const prepare[] = { "prepare", count, NULL };

  if (!berth_build_guest_do (self->guest, NULL, prepare, -1, NULL, error))
    {
      g_prefix_error (error, "the VM of %s can't build: ", self->spec->from);
      return FALSE;
    }
  tell (self, "its VM", self->begun_us);
  if (self->spec->oci != NULL && !do_image (self, error))
    return FALSE;
  for (guint i = 0; i < self->spec->steps->len; i++)
    if (!do_step (self, i, error))
      return FALSE;
  return TRUE;
}

static gboolean
fetch (Work *self, int fd, GError **error)
{
  static const char *const pack[] = { "pack", NULL };
  guint64 max_bytes = (guint64)self->spec->max_mb << 20;
  gint64 begun_us = g_get_monotonic_time ();

  if (!berth_build_guest_do (self->guest, NULL, pack, -1, &self->packed, error)
      || !berth_build_guest_fetch (self->guest, fd, max_bytes, error))
    {
      g_prefix_error (error, "packing what the steps made: ");
      return FALSE;
    }
  if (!berth_build_store_check (fd, max_bytes, &self->size, &self->sha256, error))
    return FALSE;
  tell (self, "packed", begun_us);
  return TRUE;
}

static void
add_steps (const Work *self, JsonBuilder *json)
{
  json_builder_set_member_name (json, "steps");
  json_builder_begin_array (json);
  for (guint i = 0; i < self->spec->steps->len; i++)
    {
      const BerthBuildStep *step = self->spec->steps->pdata[i];
      const BerthBuildInput *input = &g_array_index (self->inputs->each, BerthBuildInput, i);

      json_builder_begin_object (json);
      berth_build_json_add_text (json, "kind", berth_build_kind_get_word (step->kind));
      berth_build_json_add_text (json, "user", step->user);
      json_builder_set_member_name (json, "values");
      json_builder_begin_array (json);
      for (guint j = 0; j < step->values->len; j++)
        json_builder_add_string_value (json, step->values->pdata[j]);
      json_builder_end_array (json);
      if (input->sha256 != NULL)
        berth_build_json_add_text (json, "files_sha256", input->sha256);
      berth_build_json_add_number (json, "milliseconds", self->step_us[i] / 1000);
      json_builder_end_object (json);
    }
  json_builder_end_array (json);
}

/* The guest's words: its first line is a number, the others are packages; none of them decides
 * anything. */
static void
add_packed (const Work *self, JsonBuilder *json)
{
  g_autofree char *printable = berth_printable_dup (self->packed, TRUE);
  g_auto (GStrv) lines = g_strsplit (printable, "\n", PACKAGES_MAX);

  berth_build_json_add_number (json, "unpacked_size",
                               lines[0] != NULL ? g_ascii_strtoll (lines[0], NULL, 10) : 0);
  json_builder_set_member_name (json, "packages");
  json_builder_begin_array (json);
  for (guint i = 1; lines[0] != NULL && lines[i] != NULL && i + 1 < PACKAGES_MAX; i++)
    if (lines[i][0] != '\0' && strlen (lines[i]) < PACKAGE_COLUMNS)
      json_builder_add_string_value (json, lines[i]);
  json_builder_end_array (json);
}

/* (transfer full): what BerthImages reads, path and sha256, and what people want to know */
static char *
dup_manifest (const Work *self)
{
  g_autoptr (JsonBuilder) json = json_builder_new ();
  g_autoptr (JsonNode) root = NULL;
  g_autofree char *path = g_strdup_printf (BERTH_IMAGES_BUILT "/%s.erofs", self->inputs->layer);

  json_builder_begin_object (json);
  berth_build_json_add_number (json, "format", 1);
  berth_build_json_add_text (json, "path", path);
  berth_build_json_add_text (json, "sha256", self->sha256);
  berth_build_json_add_number (json, "size", (gint64)self->size);
  berth_build_json_add_text (json, "inputs_sha256", self->inputs->sha256);
  berth_build_json_add_text (json, "from", self->spec->from);
  json_builder_set_member_name (json, "below");
  json_builder_begin_array (json);
  for (guint i = 0; self->base->layers[i] != NULL; i++)
    json_builder_add_string_value (json, self->base->layers[i]);
  json_builder_end_array (json);
  berth_build_json_add_text (json, "builder", self->base->builder);
  if (self->image != NULL)
    {
      berth_build_json_add_text (json, "image", self->image);
      berth_build_json_add_text (json, "image_sha256", self->inputs->image.sha256);
    }
  add_steps (self, json);
  add_packed (self, json);
  berth_build_json_add_number (json, "created", g_get_real_time () / G_USEC_PER_SEC);
  berth_build_json_add_number (json, "milliseconds",
                               (g_get_monotonic_time () - self->begun_us) / 1000);
  json_builder_end_object (json);
  root = json_builder_get_root (json);
  return json_to_string (root, TRUE);
}

/* The layer first: a manifest is never without one. */
static gboolean
publish (const Work *self, const char *dir, int fd, GError **error)
{
  g_autofree char *file = g_strconcat (self->inputs->layer, ".erofs", NULL);
  g_autofree char *json = g_strconcat (self->inputs->layer, ".json", NULL);
  g_autofree char *manifest = dup_manifest (self);

  return berth_build_store_name (dir, fd, file, error)
         && berth_build_store_write (dir, json, manifest, error);
}

gboolean
berth_build_layer_make (const BerthBuildSpec *spec, const BerthConfig *config,
                        const BerthBuildBase *base, const BerthBuildInputs *inputs,
                        BerthClient *client, BerthBuildOutcome *out_outcome, GError **error)
{
  g_auto (Work) self = { spec, config, base, inputs, .begun_us = g_get_monotonic_time () };
  g_autofree char *dir = g_build_filename (config->image_dir, BERTH_IMAGES_BUILT, NULL);
  int fd = berth_build_store_open (dir, error);
  gboolean ok;

  if (fd < 0)
    return FALSE;
  self.step_us = g_new0 (gint64, spec->steps->len);
  self.guest = berth_build_guest_new (client, spec, config, berth_build_guest_script, error);
  ok = self.guest != NULL && do_steps (&self, error) && fetch (&self, fd, error)
       && publish (&self, dir, fd, error);
  close (fd);
  out_outcome->size = self.size;
  out_outcome->seconds = (double)(g_get_monotonic_time () - self.begun_us) / G_USEC_PER_SEC;
  return ok;
}
