/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The guest's images, as images.json names them: kernel, initramfs, layers. */
#include "berth-images.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <json-glib/json-glib.h>
#include <string.h>
#include <unistd.h>

#include "pool/berth-error.h"

#define FORMAT 1

typedef struct
{
  char *path;
  char *sha256;
} Image;

struct _BerthImages
{
  gatomicrefcount ref_count;
  char *dir;
  char *manifest;
  GStatBuf seen; /* the manifest as it was read */
  Image *kernel;
  Image *initramfs;
  GHashTable *layers; /* name (owned) -> Image (owned) */
};

static void
image_free (Image *image)
{
  g_free (image->path);
  g_free (image->sha256);
  g_free (image);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Image, image_free)

BerthImages *
berth_images_ref (BerthImages *self)
{
  g_atomic_ref_count_inc (&self->ref_count);
  return self;
}

void
berth_images_unref (BerthImages *self)
{
  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;
  g_free (self->dir);
  g_free (self->manifest);
  g_clear_pointer (&self->kernel, image_free);
  g_clear_pointer (&self->initramfs, image_free);
  g_hash_table_unref (self->layers);
  g_free (self);
}

/* (nullable): where it is none json-glib calls it a bug */
static const char *
get_text (JsonObject *object, const char *name)
{
  JsonNode *node = json_object_get_member (object, name);

  return node != NULL && JSON_NODE_HOLDS_VALUE (node) ? json_node_get_string (node) : NULL;
}

static gboolean
has_number (JsonObject *object, const char *name, gint64 number)
{
  JsonNode *node = json_object_get_member (object, name);

  return node != NULL && JSON_NODE_HOLDS_VALUE (node) && json_node_get_int (node) == number;
}

/* One {"path", "sha256"} of the manifest; NULL when it isn't one. */
static Image *
image_read (BerthImages *self, JsonNode *node)
{
  JsonObject *object
      = node != NULL && JSON_NODE_HOLDS_OBJECT (node) ? json_node_get_object (node) : NULL;
  const char *path = object != NULL ? get_text (object, "path") : NULL;
  const char *sha256 = object != NULL ? get_text (object, "sha256") : NULL;
  Image *image;

  if (path == NULL)
    return NULL;
  image = g_new0 (Image, 1);
  image->path = g_canonicalize_filename (path, self->dir);
  image->sha256 = g_strdup (sha256 != NULL ? sha256 : "");
  return image;
}

static gboolean
images_read (BerthImages *self, JsonNode *root, GError **error)
{
  JsonObject *object
      = root != NULL && JSON_NODE_HOLDS_OBJECT (root) ? json_node_get_object (root) : NULL;
  JsonNode *layers = object != NULL ? json_object_get_member (object, "layers") : NULL;
  JsonObjectIter iter;
  const char *name;
  JsonNode *node;

  if (object == NULL || !has_number (object, "format", FORMAT))
    {
      g_set_error (
          error, BERTH_ERROR, BERTH_ERROR_CONFIG,
          "%s: not a manifest of format %d: build the image again with 'berth image build'",
          self->manifest, FORMAT);
      return FALSE;
    }
  self->kernel = image_read (self, json_object_get_member (object, "kernel"));
  self->initramfs = image_read (self, json_object_get_member (object, "initramfs"));
  if (self->kernel == NULL || self->initramfs == NULL || layers == NULL
      || !JSON_NODE_HOLDS_OBJECT (layers))
    {
      g_set_error (error, BERTH_ERROR, BERTH_ERROR_CONFIG,
                   "%s: names no kernel, initramfs or layers: build the image again with "
                   "'berth image build'",
                   self->manifest);
      return FALSE;
    }
  json_object_iter_init (&iter, json_node_get_object (layers));
  while (json_object_iter_next (&iter, &name, &node))
    {
      Image *image = image_read (self, node);

      if (image != NULL)
        g_hash_table_insert (self->layers, g_strdup (name), image);
    }
  return TRUE;
}

BerthImages *
berth_images_parse (const char *dir, const char *text, gsize length, GError **error)
{
  g_autoptr (BerthImages) self = g_new0 (BerthImages, 1);
  g_autoptr (JsonParser) parser = json_parser_new_immutable ();
  g_autoptr (GError) reason = NULL;

  g_atomic_ref_count_init (&self->ref_count);
  self->dir = g_canonicalize_filename (dir, NULL);
  self->manifest = g_build_filename (self->dir, "images.json", NULL);
  self->layers
      = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify)image_free);
  if (!json_parser_load_from_data (parser, text, (gssize)length, &reason))
    {
      g_set_error (error, BERTH_ERROR, BERTH_ERROR_CONFIG,
                   "%s: %s: build the image again with 'berth image build'", self->manifest,
                   reason->message);
      return NULL;
    }
  return images_read (self, json_parser_get_root (parser), error) ? g_steal_pointer (&self) : NULL;
}

BerthImages *
berth_images_load (const char *dir, GError **error)
{
  g_autofree char *folder = g_canonicalize_filename (dir, NULL);
  g_autofree char *path = g_build_filename (folder, "images.json", NULL);
  g_autofree char *text = NULL;
  g_autoptr (GError) reason = NULL;
  BerthImages *self;
  GStatBuf seen;
  gsize length;

  if (g_stat (path, &seen) != 0)
    {
      g_set_error (error, BERTH_ERROR, BERTH_ERROR_CONFIG,
                   "%s: %s: build it with 'berth image build --dir %s'", path, g_strerror (errno),
                   folder);
      return NULL;
    }
  if (!g_file_get_contents (path, &text, &length, &reason))
    {
      g_set_error (error, BERTH_ERROR, BERTH_ERROR_CONFIG,
                   "%s: %s: build the image again with 'berth image build'", path, reason->message);
      return NULL;
    }
  self = berth_images_parse (folder, text, length, error);
  if (self != NULL)
    self->seen = seen;
  return self;
}

gboolean
berth_images_is_current (BerthImages *self)
{
  GStatBuf now;

  return g_stat (self->manifest, &now) == 0 && now.st_ino == self->seen.st_ino
         && now.st_size == self->seen.st_size && now.st_mtim.tv_sec == self->seen.st_mtim.tv_sec
         && now.st_mtim.tv_nsec == self->seen.st_mtim.tv_nsec;
}

const char *
berth_images_get_kernel (BerthImages *self)
{
  return self->kernel->path;
}

const char *
berth_images_get_initramfs (BerthImages *self)
{
  return self->initramfs->path;
}

/* (transfer full) (nullable): what NAME.json in @dir says of a layer, beside its file */
static Image *
images_read_layer (BerthImages *self, const char *dir, const char *name)
{
  g_autoptr (JsonParser) parser = json_parser_new_immutable ();
  g_autofree char *file = g_strconcat (name, ".json", NULL);
  g_autofree char *path = g_build_filename (self->dir, dir, file, NULL);

  return json_parser_load_from_file (parser, path, NULL)
             ? image_read (self, json_parser_get_root (parser))
             : NULL;
}

/* (transfer full) (nullable): a template that was built names each layer by its contents, so that
 * what it stands on stays when images.json names others. */
static Image *
images_dup_layer (BerthImages *self, const char *name)
{
  const Image *named = g_hash_table_lookup (self->layers, name);
  Image *image;

  if (named != NULL)
    {
      image = g_new0 (Image, 1);
      image->path = g_strdup (named->path);
      image->sha256 = g_strdup (named->sha256);
      return image;
    }
  image = images_read_layer (self, BERTH_IMAGES_BUILT, name);
  return image != NULL ? image : images_read_layer (self, ".", name);
}

char **
berth_images_dup_layers (BerthImages *self, const char *const *names, GError **error)
{
  g_autoptr (GStrvBuilder) paths = g_strv_builder_new ();

  for (guint i = 0; names[i] != NULL; i++)
    {
      g_autoptr (Image) image = images_dup_layer (self, names[i]);

      if (image == NULL || access (image->path, R_OK) != 0)
        {
          g_set_error (error, BERTH_ERROR, BERTH_ERROR_CONFIG,
                       "layer %s: %s: build the image again with 'berth image build --dir %s', or "
                       "with 'berth template build' the template that it is of",
                       names[i], image != NULL ? g_strerror (errno) : "not in images.json",
                       self->dir);
          return NULL;
        }
      g_strv_builder_add (paths, image->path);
    }
  return g_strv_builder_end (paths);
}

char *
berth_images_dup_digest (BerthImages *self, const char *const *names)
{
  g_autoptr (GChecksum) sum = g_checksum_new (G_CHECKSUM_SHA256);

  g_checksum_update (sum, (const guchar *)self->kernel->sha256, -1);
  g_checksum_update (sum, (const guchar *)self->initramfs->sha256, -1);
  for (guint i = 0; names[i] != NULL; i++)
    {
      g_autoptr (Image) image = images_dup_layer (self, names[i]);

      g_checksum_update (sum, (const guchar *)(image != NULL ? image->sha256 : "-"), -1);
    }
  return g_strdup (g_checksum_get_string (sum));
}
