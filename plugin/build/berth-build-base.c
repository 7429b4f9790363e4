/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Decides what a new template takes of the one that it stands on: all but name, memory and layers.
 */
#include "plugin/build/berth-build-base.h"

#include <string.h>

#include "plugin/build/berth-build-element.h"
#include "plugin/build/berth-build-store.h"
#include "plugin/template/berth-images.h"
#include "plugin/template/berth-template.h"
#include "plugin/template/berth-xml.h"
#include "pool/berth-error.h"

void
berth_build_base_free (BerthBuildBase *self)
{
  g_free (self->path);
  g_free (self->language);
  g_strfreev (self->layers);
  g_free (self->builder);
  g_free (self);
}

/* What names a layer whatever images.json says: its file, without the suffix */
static GStrv
dup_contents (BerthImages *images, const char *const *names, GError **error)
{
  GStrv paths = berth_images_dup_layers (images, names, error);

  for (guint i = 0; paths != NULL && paths[i] != NULL; i++)
    {
      g_autofree char *name = g_path_get_basename (paths[i]);

      g_free (paths[i]);
      paths[i] = berth_build_store_dup_stem (name);
    }
  return paths;
}

/* Whether its lowest layer is a container image */
static gboolean
is_image (const BerthConfig *config, BerthTemplate *template)
{
  g_autoptr (GVariant) manifest
      = berth_build_store_find (config->image_dir, berth_template_get_layers (template)[0]);
  const char *image;

  return manifest != NULL && g_variant_lookup (manifest, "image", "&s", &image);
}

BerthBuildBase *
berth_build_base_load (const BerthConfig *config, const BerthBuildSpec *spec, GError **error)
{
  static const char *const builder_names[] = { BERTH_IMAGES_BUILDER, NULL };
  g_autoptr (BerthBuildBase) self = g_new0 (BerthBuildBase, 1);
  g_autoptr (GHashTable) templates
      = berth_template_load_all ((const char *const *)config->template_dirs, config->schema, NULL);
  BerthTemplate *template = g_hash_table_lookup (templates, spec->from);
  g_autoptr (BerthImages) images = NULL;
  g_auto (GStrv) builder = NULL;

  if (template == NULL)
    {
      g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID,
                   "there is no template %s to stand on: 'berth template list' shows them",
                   spec->from);
      return NULL;
    }
  if (is_image (config, template))
    {
      g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID,
                   "template %s is a container image's, and its VM can't build: give its image by "
                   "--oci again, and the steps behind it",
                   spec->from);
      return NULL;
    }
  images = berth_images_load (config->image_dir, error);
  if (images == NULL)
    return NULL;
  self->path = g_strdup (berth_template_get_path (template));
  self->language = g_strdup (berth_template_get_language (template));
  self->layers = spec->oci != NULL
                     ? g_new0 (char *, 1)
                     : dup_contents (images, berth_template_get_layers (template), error);
  builder = self->layers != NULL ? dup_contents (images, builder_names, error) : NULL;
  if (builder == NULL)
    return NULL;
  self->builder = g_strdup (builder[0]);
  return g_steal_pointer (&self);
}

/* Whether @variable, NAME=VALUE or just the name, has another value now */
static gboolean
has_value (const BerthBuildSpec *spec, const BerthBuildImage *image, const char *variable)
{
  g_autofree char *head = g_strdup_printf ("%.*s=", (int)strcspn (variable, "="), variable);

  for (guint i = 0; i < spec->env->len; i++)
    if (g_str_has_prefix (spec->env->pdata[i], head))
      return TRUE;
  for (guint i = 0; image != NULL && image->env[i] != NULL; i++)
    if (g_str_has_prefix (image->env[i], head))
      return TRUE;
  return FALSE;
}

static gboolean
is_replaced (const BerthBuildSpec *spec, const BerthBuildImage *image, const xmlNode *child)
{
  g_autofree char *name = NULL;

  if (!berth_xml_is (child, BERTH_MARK_URI, "env"))
    return berth_xml_is_blank (child) || berth_xml_is (child, BERTH_MARK_URI, "layer");
  name = berth_xml_dup_attribute (child, "name");
  return has_value (spec, image, name);
}

/* What it may reach stays, its entry point, and its variables that have no other value now. */
static void
remove_children (xmlNode *element, const BerthBuildSpec *spec, const BerthBuildImage *image)
{
  for (xmlNode *child = element->children; child != NULL;)
    {
      xmlNode *next = child->next;

      if (is_replaced (spec, image, child))
        {
          xmlUnlinkNode (child);
          xmlFreeNode (child);
        }
      child = next;
    }
}

static xmlNode *
add_element (xmlNode *parent, const char *name, const char *key, const char *value,
             const char *second_key, const char *second_value)
{
  xmlNode *node = NULL;

  xmlAddChild (parent, xmlNewText ((const xmlChar *)"\n      "));
  node = xmlAddChild (parent, xmlNewDocNode (parent->doc, parent->ns, (const xmlChar *)name, NULL));
  berth_xml_set (node, key, value);
  if (second_key != NULL)
    berth_xml_set (node, second_key, second_value);
  return node;
}

static void
add_env (xmlNode *element, const char *variable)
{
  g_auto (GStrv) parts = g_strsplit (variable, "=", 2);

  add_element (element, "env", "name", parts[0], "value", parts[1] != NULL ? parts[1] : "");
}

static void
add_image (xmlNode *element, const BerthBuildImage *image, const BerthBuildSpec *spec)
{
  xmlNode *entry = NULL;

  berth_xml_set (element, "language", image->language);
  if (image->user != NULL)
    berth_xml_set (element, "user", image->user);
  if (image->entry[0] != NULL)
    entry = add_element (element, "entry", "workdir", image->workdir, NULL, NULL);
  for (guint i = 0; image->entry[i] != NULL; i++)
    add_element (entry, "arg", "value", image->entry[i], NULL, NULL);
  for (guint i = 0; image->env[i] != NULL; i++)
    if (!has_value (spec, NULL, image->env[i]))
      add_env (element, image->env[i]);
}

static void
fill_element (xmlNode *element, BerthBuildBase *self, const BerthBuildSpec *spec,
              const BerthBuildImage *image, const char *layer)
{
  g_autofree char *memory = g_strdup_printf ("%u", spec->memory_mb);

  berth_xml_set (element, "name", spec->name);
  if (spec->memory_mb != 0)
    berth_xml_set (element, "memory", memory);
  remove_children (element, spec, image);
  for (guint i = 0; self->layers[i] != NULL; i++)
    add_element (element, "layer", "name", self->layers[i], NULL, NULL);
  if (layer != NULL)
    add_element (element, "layer", "name", layer, NULL, NULL);
  if (image != NULL)
    add_image (element, image, spec);
  if (spec->language != NULL)
    berth_xml_set (element, "language", spec->language);
  for (guint i = 0; i < spec->env->len; i++)
    add_env (element, spec->env->pdata[i]);
  xmlAddChild (element, xmlNewText ((const xmlChar *)"\n    "));
}

char *
berth_build_base_dup_template (BerthBuildBase *self, const BerthBuildSpec *spec,
                               const BerthBuildImage *image, const char *layer, const char *path,
                               const char *schema, GError **error)
{
  gsize size = 0;
  g_autofree char *data = berth_xml_read_file (self->path, &size, error);
  g_autoptr (xmlDoc) doc = data != NULL ? berth_xml_parse (data, size, self->path, error) : NULL;
  g_autofree char *remark = g_strdup_printf (
      " Made by 'berth template build', of %s.berthfile beside it. ", spec->name);
  xmlNode *metadata;

  if (doc == NULL)
    return NULL;
  metadata = berth_xml_child (xmlDocGetRootElement (doc), NULL, "metadata");
  if (metadata == NULL || berth_xml_child (metadata, BERTH_MARK_URI, "template") == NULL)
    {
      g_set_error (error, BERTH_ERROR, BERTH_ERROR_CONFIG,
                   "%s: its <berth:template> comes by xi:include, and no new one is made of that: "
                   "put it into the file",
                   self->path);
      return NULL;
    }
  berth_build_element_set_remark (doc, remark);
  fill_element (berth_xml_child (metadata, BERTH_MARK_URI, "template"), self, spec, image, layer);
  return berth_build_element_dup_checked (doc, path, schema, error);
}
