/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reads the manifests of layers back. They are this host's, and what a guest said in them is shown
 * as fits a terminal. */
#include "plugin/build/berth-build-history.h"

#include <json-glib/json-glib.h>
#include <stdio.h>

#include "plugin/base/berth-printable.h"
#include "plugin/build/berth-build-store.h"
#include "plugin/template/berth-images.h"
#include "plugin/template/berth-template.h"
#include "pool/berth-error.h"

#define COLUMNS 60
#define STEPS_MAX 200u

/* "pip numpy", of one step */
static void
add_step (GString *text, GVariant *step)
{
  g_autoptr (GVariantIter) values = NULL;
  const char *kind = "";
  g_autoptr (GVariant) value = NULL;

  g_variant_lookup (step, "kind", "&s", &kind);
  g_string_append_printf (text, "%s%s", text->len > 0 ? "; " : "", kind);
  if (!g_variant_lookup (step, "values", "av", &values))
    return;
  while ((value = g_variant_iter_next_value (values)) != NULL)
    {
      g_autoptr (GVariant) inner = g_variant_get_variant (value);

      if (g_variant_is_of_type (inner, G_VARIANT_TYPE_STRING))
        g_string_append_printf (text, " %s", g_variant_get_string (inner, NULL));
      g_clear_pointer (&value, g_variant_unref);
    }
}

/* (transfer full): of all steps, on one line */
static char *
dup_steps (GVariant *manifest)
{
  g_autoptr (GString) text = g_string_new (NULL);
  g_autoptr (GVariantIter) steps = NULL;
  g_autoptr (GVariant) step = NULL;
  const char *image = NULL;
  g_autofree char *printable = NULL;

  if (g_variant_lookup (manifest, "image_sha256", "&s", &image))
    g_string_append_printf (text, "oci %.12s", image);
  if (g_variant_lookup (manifest, "steps", "av", &steps))
    for (guint i = 0; i < STEPS_MAX && (step = g_variant_iter_next_value (steps)) != NULL; i++)
      {
        g_autoptr (GVariant) inner = g_variant_get_variant (step);

        if (g_variant_is_of_type (inner, G_VARIANT_TYPE_VARDICT))
          add_step (text, inner);
        g_clear_pointer (&step, g_variant_unref);
      }
  printable = berth_printable_dup (text->str, FALSE);
  return g_utf8_substring (printable, 0, MIN (g_utf8_strlen (printable, -1), COLUMNS));
}

static void
tell_layer (const char *layer, GVariant *manifest)
{
  g_autofree char *steps = manifest != NULL ? dup_steps (manifest) : g_strdup ("of the image");
  g_autoptr (GDateTime) time = NULL;
  g_autofree char *since = NULL;
  gint64 created = 0;
  gint64 size = 0;

  if (manifest != NULL && g_variant_lookup (manifest, "created", "x", &created))
    time = g_date_time_new_from_unix_utc (created);
  if (manifest != NULL)
    g_variant_lookup (manifest, "size", "x", &size);
  since = time != NULL ? g_date_time_format (time, "%Y-%m-%d %H:%M") : g_strdup ("-");
  if (size > 0)
    printf ("%-28s %-16s %8.1f  %s\n", layer, since, (double)size / 1048576, steps);
  else
    printf ("%-28s %-16s %8s  %s\n", layer, since, "-", steps);
}

/* Each layer's manifest with its name; of one without, the name alone */
static void
tell_json (const char *const *layers, const char *image_dir)
{
  GVariantBuilder list;
  g_autoptr (GVariant) all = NULL;
  g_autofree char *text = NULL;

  g_variant_builder_init (&list, G_VARIANT_TYPE ("aa{sv}"));
  for (guint i = 0; layers[i] != NULL; i++)
    {
      g_autoptr (GVariant) manifest = berth_build_store_find (image_dir, layers[i]);
      GVariantDict dict;

      g_variant_dict_init (&dict, manifest);
      g_variant_dict_insert (&dict, "layer", "s", layers[i]);
      g_variant_builder_add_value (&list, g_variant_dict_end (&dict));
    }
  all = g_variant_ref_sink (g_variant_builder_end (&list));
  text = json_gvariant_serialize_data (all, NULL);
  printf ("%s\n", text);
}

gboolean
berth_build_history (const BerthBuildSpec *spec, const BerthConfig *config, GError **error)
{
  g_autoptr (GHashTable) templates
      = berth_template_load_all ((const char *const *)config->template_dirs, config->schema, NULL);
  BerthTemplate *template = g_hash_table_lookup (templates, spec->name);
  const char *const *layers = template != NULL ? berth_template_get_layers (template) : NULL;

  if (template == NULL)
    {
      g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID,
                   "there is no template %s: 'berth template list' shows them", spec->name);
      return FALSE;
    }
  if (spec->json)
    {
      tell_json (layers, config->image_dir);
      return TRUE;
    }
  printf ("%-28s %-16s %8s  %s\n", "LAYER", "BUILT (UTC)", "MB", "MADE OF");
  for (guint i = 0; layers[i] != NULL; i++)
    {
      g_autoptr (GVariant) manifest = berth_build_store_find (config->image_dir, layers[i]);

      tell_layer (layers[i], manifest);
    }
  return TRUE;
}
