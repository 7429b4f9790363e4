/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The program behind 'berth template build' and its like. It asks a berthd for the VM as anybody
 * does, and writes the layer and the template itself: berthd reads both and makes neither. */
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "plugin/base/berth-printable.h"
#include "plugin/build/berth-build-history.h"
#include "plugin/build/berth-build-layer.h"
#include "plugin/build/berth-build-prune.h"
#include "plugin/build/berth-build-pull.h"
#include "plugin/build/berth-build-push.h"
#include "plugin/build/berth-build-remove.h"
#include "plugin/build/berth-build-store.h"
#include "plugin/libberth/berth-admin.h"
#include "plugin/template/berth-images.h"
#include "pool/berth-error.h"

#define EXIT_INVALID 2
#define EXIT_FAILED 125
#define EXIT_CAPACITY 126

static BerthConfig *
load_config (BerthBuildSpec *spec, GError **error)
{
  g_autoptr (BerthConfig) config = berth_config_new ();
  g_autofree char *dirs = NULL;
  g_autofree char *all = NULL;
  char *last;

  if (!(spec->config != NULL ? berth_config_load_file (config, spec->config, error)
                             : berth_config_load_default (config, error)))
    return NULL;
  if (spec->image_dir != NULL)
    {
      g_free (config->image_dir);
      config->image_dir = g_canonicalize_filename (spec->image_dir, NULL);
    }
  if (spec->template_dir == NULL)
    {
      last = config->template_dirs[g_strv_length (config->template_dirs) - 1];
      spec->template_dir = g_strdup (last);
      return g_steal_pointer (&config);
    }
  last = g_canonicalize_filename (spec->template_dir, NULL);
  g_free (spec->template_dir);
  spec->template_dir = last;
  dirs = g_strjoinv (":", config->template_dirs);
  all = g_strjoin (":", dirs, last, NULL);
  g_strfreev (config->template_dirs);
  config->template_dirs = g_strsplit (all, ":", -1);
  return g_steal_pointer (&config);
}

/* The Berthfile first: whoever sees the template has what it was made of. */
static gboolean
write_template (const BerthBuildSpec *spec, const BerthConfig *config, BerthBuildBase *base,
                const BerthBuildImage *image, const char *layer, GError **error)
{
  g_autofree char *file = g_strconcat (spec->name, ".xml", NULL);
  g_autofree char *berthfile = g_strconcat (spec->name, ".berthfile", NULL);
  g_autofree char *path = g_build_filename (spec->template_dir, file, NULL);
  g_autofree char *xml
      = berth_build_base_dup_template (base, spec, image, layer, path, config->schema, error);

  return xml != NULL
         && berth_build_store_write (spec->template_dir, berthfile, spec->text->str, error)
         && berth_build_store_write (spec->template_dir, file, xml, error);
}

/* (transfer full) (nullable): what is known of the image, whenever its layer was made; NULL with
 * *@error unset: there is none in it */
static BerthBuildImage *
load_image (const BerthBuildSpec *spec, const BerthConfig *config, const char *layer,
            GError **error)
{
  g_autoptr (GVariant) manifest = berth_build_store_find (config->image_dir, layer);
  g_autoptr (BerthBuildImage) image = NULL;
  const char *text = "";

  if (manifest != NULL)
    g_variant_lookup (manifest, "image", "&s", &text);
  image = berth_build_image_parse (text, error);
  if (image == NULL
      || (spec->language != NULL
          && !berth_build_image_check_language (image, spec->language, error)))
    return NULL;
  return g_steal_pointer (&image);
}

/* A template that nobody has told berthd of is there from its next start on. */
static void
tell_berthd (BerthClient *client, const BerthBuildSpec *spec)
{
  g_autoptr (BerthAdmin) admin = berth_admin_new (client);
  g_autoptr (GError) error = NULL;

  if (!berth_admin_act (admin, BERTH_ADMIN_ACTION_RELOAD, spec->name, NULL, &error))
    fprintf (stderr, "berth template %s: %s is there, and berthd has not taken it yet: %s\n",
             berth_build_act_get_word (spec->act), spec->name, error->message);
}

static gboolean
prune (BerthBuildSpec *spec, const BerthConfig *config, GError **error)
{
  g_autoptr (BerthClient) client = berth_client_new (spec->socket);
  guint64 bytes = 0;

  if (!berth_build_prune (config, client, spec->quiet, &bytes, error))
    return FALSE;
  if (!spec->quiet)
    fprintf (stderr, "berth template prune: %.1f MiB are free\n", (double)bytes / 1048576);
  return TRUE;
}

static gboolean
build (BerthBuildSpec *spec, const BerthConfig *config, GError **error)
{
  g_autoptr (BerthBuildBase) base = berth_build_base_load (config, spec, error);
  g_autoptr (BerthBuildInputs) inputs
      = base != NULL ? berth_build_inputs_new (spec, base, berth_build_layer_get_script (),
                                               berth_build_layer_get_image_script (), error)
                     : NULL;
  g_autoptr (BerthClient) client = berth_client_new (spec->socket);
  g_autoptr (GVariant) there = NULL;
  g_autoptr (BerthBuildImage) image = NULL;
  BerthBuildOutcome outcome = { 0 };
  g_autofree char *name = NULL;
  const char *layer;

  if (inputs == NULL)
    return FALSE;
  name = berth_build_store_dup_name (config->image_dir, inputs->layer, spec->refresh);
  g_free (inputs->layer);
  inputs->layer = g_steal_pointer (&name);
  layer = spec->steps->len > 0 || spec->oci != NULL ? inputs->layer : NULL;
  there
      = layer != NULL && !spec->refresh ? berth_build_store_find (config->image_dir, layer) : NULL;
  if (layer != NULL && there == NULL
      && !berth_build_layer_make (spec, config, base, inputs, client, &outcome, error))
    return FALSE;
  if (spec->oci != NULL && (image = load_image (spec, config, layer, error)) == NULL)
    return FALSE;
  if (!berth_build_store_note (config->image_dir, spec->name, base->layers, error)
      || !write_template (spec, config, base, image, layer, error))
    return FALSE;
  tell_berthd (client, spec);
  if (spec->quiet)
    return TRUE;
  if (layer == NULL || there != NULL)
    fprintf (stderr, "berth template build: %s: %s%s\n", spec->name, layer != NULL ? layer : "",
             layer != NULL ? ", which was there" : "no layer of its own");
  else
    fprintf (stderr, "berth template build: %s: %s, %.1f MiB, %.1f s\n", spec->name, layer,
             (double)outcome.size / 1048576, outcome.seconds);
  return TRUE;
}

static gboolean
pull (BerthBuildSpec *spec, const BerthConfig *config, GError **error)
{
  g_autoptr (BerthClient) client = berth_client_new (spec->socket);

  if (!berth_build_pull (spec, config, error))
    return FALSE;
  tell_berthd (client, spec);
  return TRUE;
}

static gboolean
remove_template (BerthBuildSpec *spec, const BerthConfig *config, GError **error)
{
  g_autoptr (BerthClient) client = berth_client_new (spec->socket);

  return berth_build_remove (spec, config, client, error);
}

/* Layers have names that no template has yet while one is built, and none goes then. */
static gboolean
act_held (BerthBuildSpec *spec, const BerthConfig *config, GError **error)
{
  g_autofree char *dir = g_build_filename (config->image_dir, BERTH_IMAGES_BUILT, NULL);
  gboolean is_alone = spec->act == BERTH_BUILD_PRUNE;
  int held = berth_build_store_hold (dir, is_alone, error);
  gboolean ok;

  if (held < 0)
    return FALSE;
  if (is_alone)
    ok = prune (spec, config, error);
  else if (spec->act == BERTH_BUILD_PUSH)
    ok = berth_build_push (spec, config, error);
  else if (spec->act == BERTH_BUILD_PULL)
    ok = pull (spec, config, error);
  else
    ok = build (spec, config, error);
  close (held);
  return ok;
}

static gboolean
work (BerthBuildSpec *spec, GError **error)
{
  g_autoptr (BerthConfig) config = load_config (spec, error);

  if (config == NULL)
    return FALSE;
  if (spec->act == BERTH_BUILD_HISTORY)
    return berth_build_history (spec, config, error);
  return spec->act == BERTH_BUILD_REMOVE ? remove_template (spec, config, error)
                                         : act_held (spec, config, error);
}

static int
status_of (const GError *error)
{
  switch (berth_error_get_advice (error))
    {
    case BERTH_ADVICE_FIX_REQUEST:
      return EXIT_INVALID;
    case BERTH_ADVICE_WAIT:
      return EXIT_CAPACITY;
    default:
      return EXIT_FAILED;
    }
}

int
main (int argc, char **argv)
{
  g_autoptr (BerthBuildSpec) spec = berth_build_spec_new ();
  g_autoptr (GError) error = NULL;
  g_autofree char *printable = NULL;

  g_set_prgname ("berth template");
  signal (SIGPIPE, SIG_IGN);
  umask (022); /* QEMU's user reads what is made */
  if (berth_build_spec_parse (spec, &argc, &argv, &error) && work (spec, &error))
    return 0;
  /* it may quote what a registry sent; of a build it has the last lines of a step */
  printable = berth_printable_dup (error->message, spec->act == BERTH_BUILD_MAKE);
  fprintf (stderr, "%s %s: %s\n", g_get_prgname (), berth_build_act_get_word (spec->act),
           printable);
  return status_of (error);
}
