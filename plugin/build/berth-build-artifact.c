/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Decides what of a registry's words can be a template. Nothing is fetched for one that can't. */
#include "plugin/build/berth-build-artifact.h"

#include <string.h>

#include "plugin/build/berth-build-json.h"
#include "plugin/build/berth-build-refuse.h"

#define FORMAT 1
#define TEMPLATE_KEY "org.berth.template"
#define PIECE_TYPE "application/vnd.berth.layer.v1"
#define DIGEST "sha256:"
#define DIGEST_PATTERN "^[0-9a-f]{64}\\z"
#define NAME_PATTERN "^[a-z][a-z0-9-]{0,31}\\z"
#define LAYER_PATTERN "^[a-z0-9][a-z0-9._-]{0,63}\\z"
#define PARTS_MAX 8u
#define TEXT_MAX (256u * 1024)
#define BLOCK 4096

static void
piece_free (BerthBuildPiece *piece)
{
  g_free (piece->sha256);
  g_free (piece);
}

static void
part_free (BerthBuildPart *part)
{
  g_free (part->name);
  g_free (part->sha256);
  g_free (part->about);
  g_free (part);
}

BerthBuildArtifact *
berth_build_artifact_new (void)
{
  BerthBuildArtifact *self = g_new0 (BerthBuildArtifact, 1);

  self->parts = g_ptr_array_new_with_free_func ((GDestroyNotify)part_free);
  self->pieces = g_ptr_array_new_with_free_func ((GDestroyNotify)piece_free);
  return self;
}

void
berth_build_artifact_free (BerthBuildArtifact *self)
{
  g_free (self->name);
  g_free (self->element);
  g_free (self->berthfile);
  g_ptr_array_unref (self->parts);
  g_ptr_array_unref (self->pieces);
  g_free (self);
}

void
berth_build_artifact_add_part (BerthBuildArtifact *self, const char *name, const char *sha256,
                               gint64 size, const char *about)
{
  const BerthBuildPart *last
      = self->parts->len > 0 ? self->parts->pdata[self->parts->len - 1] : NULL;
  BerthBuildPart *part = g_new0 (BerthBuildPart, 1);

  part->name = g_strdup (name);
  part->sha256 = g_strdup (sha256);
  part->size = size;
  part->about = g_strdup (about);
  part->first = last != NULL ? last->first + last->count : 0;
  part->count = (guint)((size + BERTH_BUILD_PIECE_BYTES - 1) / BERTH_BUILD_PIECE_BYTES);
  g_ptr_array_add (self->parts, part);
}

void
berth_build_artifact_add_piece (BerthBuildArtifact *self, const char *sha256, gint64 size)
{
  BerthBuildPiece *piece = g_new0 (BerthBuildPiece, 1);

  piece->sha256 = g_strdup (sha256);
  piece->size = size;
  g_ptr_array_add (self->pieces, piece);
}

/* ---- to a registry ---- */

static void
add_about (JsonBuilder *json, const char *about)
{
  JsonObject *object = about != NULL ? berth_build_json_parse (about, strlen (about), NULL) : NULL;
  JsonNode *node;

  if (object == NULL)
    return;
  node = json_node_new (JSON_NODE_OBJECT);
  json_node_take_object (node, object);
  json_builder_set_member_name (json, "about");
  json_builder_add_value (json, node);
}

/* (transfer full) */
static char *
finish (JsonBuilder *json)
{
  g_autoptr (JsonNode) root = NULL;

  json_builder_end_object (json);
  root = json_builder_get_root (json);
  return json_to_string (root, FALSE);
}

/* (transfer full): what of it is berth's own */
static char *
dup_own (BerthBuildArtifact *self)
{
  g_autoptr (JsonBuilder) json = json_builder_new ();

  json_builder_begin_object (json);
  berth_build_json_add_number (json, "format", FORMAT);
  berth_build_json_add_text (json, "name", self->name);
  berth_build_json_add_text (json, "template", self->element);
  berth_build_json_add_text (json, "berthfile", self->berthfile);
  json_builder_set_member_name (json, "layers");
  json_builder_begin_array (json);
  for (guint i = 0; i < self->parts->len; i++)
    {
      const BerthBuildPart *part = self->parts->pdata[i];

      json_builder_begin_object (json);
      berth_build_json_add_text (json, "name", part->name);
      berth_build_json_add_text (json, "sha256", part->sha256);
      berth_build_json_add_number (json, "size", part->size);
      add_about (json, part->about);
      json_builder_end_object (json);
    }
  json_builder_end_array (json);
  return finish (json);
}

static void
add_blob (JsonBuilder *json, const char *type, const char *sha256, gint64 size)
{
  g_autofree char *digest = g_strconcat (DIGEST, sha256, NULL);

  json_builder_begin_object (json);
  berth_build_json_add_text (json, "mediaType", type);
  berth_build_json_add_text (json, "digest", digest);
  berth_build_json_add_number (json, "size", size);
  json_builder_end_object (json);
}

char *
berth_build_artifact_dup_manifest (BerthBuildArtifact *self)
{
  g_autoptr (JsonBuilder) json = json_builder_new ();
  g_autofree char *own = dup_own (self);
  g_autofree char *empty = g_compute_checksum_for_string (G_CHECKSUM_SHA256, BERTH_BUILD_EMPTY, -1);

  json_builder_begin_object (json);
  berth_build_json_add_number (json, "schemaVersion", 2);
  berth_build_json_add_text (json, "mediaType", BERTH_BUILD_MANIFEST_TYPE);
  json_builder_set_member_name (json, "config");
  add_blob (json, BERTH_BUILD_EMPTY_TYPE, empty, strlen (BERTH_BUILD_EMPTY));
  json_builder_set_member_name (json, "layers");
  json_builder_begin_array (json);
  for (guint i = 0; i < self->pieces->len; i++)
    {
      const BerthBuildPiece *piece = self->pieces->pdata[i];

      add_blob (json, PIECE_TYPE, piece->sha256, piece->size);
    }
  json_builder_end_array (json);
  json_builder_set_member_name (json, "annotations");
  json_builder_begin_object (json);
  berth_build_json_add_text (json, TEMPLATE_KEY, own);
  json_builder_end_object (json);
  return finish (json);
}

/* ---- of a registry ---- */

static gboolean
matches (const char *text, const char *pattern)
{
  return text != NULL && g_regex_match_simple (pattern, text, G_REGEX_RAW, 0);
}

static gboolean
take_part (BerthBuildArtifact *self, JsonObject *layer, gint64 max_bytes, GError **error)
{
  const char *name = layer != NULL ? berth_build_json_get_text (layer, "name") : NULL;
  const char *sha256 = layer != NULL ? berth_build_json_get_text (layer, "sha256") : NULL;
  gint64 size = layer != NULL ? berth_build_json_get_number (layer, "size") : -1;
  JsonObject *about = layer != NULL ? berth_build_json_get_object (layer, "about") : NULL;
  g_autofree char *text = about != NULL ? berth_build_json_dup_object (about) : NULL;

  if (!matches (name, LAYER_PATTERN) || !matches (sha256, DIGEST_PATTERN))
    return berth_build_refuse (error, "a layer of it has no name, or no digest");
  if (size < BLOCK || size % BLOCK != 0)
    return berth_build_refuse (error, "layer %s has no size that a layer can have", name);
  if (size > max_bytes)
    return berth_build_refuse (
        error, "layer %s has %" G_GINT64_FORMAT " MiB: --max-size allows more", name, size >> 20);
  berth_build_artifact_add_part (self, name, sha256, size, text);
  return TRUE;
}

/* The pieces of @part are the next ones of @blobs, each as large as it must be. */
static gboolean
take_pieces (BerthBuildArtifact *self, const BerthBuildPart *part, JsonArray *blobs, GError **error)
{
  gint64 left = part->size;

  for (guint i = 0; i < part->count; i++, left -= BERTH_BUILD_PIECE_BYTES)
    {
      JsonObject *blob = berth_build_json_get_element (blobs, self->pieces->len);
      const char *digest = blob != NULL ? berth_build_json_get_text (blob, "digest") : NULL;
      gint64 size = blob != NULL ? berth_build_json_get_number (blob, "size") : -1;

      if (digest == NULL || !g_str_has_prefix (digest, DIGEST)
          || !matches (digest + strlen (DIGEST), DIGEST_PATTERN)
          || size != MIN (left, BERTH_BUILD_PIECE_BYTES))
        return berth_build_refuse (error, "its pieces are not those of layer %s", part->name);
      berth_build_artifact_add_piece (self, digest + strlen (DIGEST), size);
    }
  return TRUE;
}

static gboolean
take_parts (BerthBuildArtifact *self, JsonArray *layers, JsonArray *blobs, gint64 max_bytes,
            GError **error)
{
  guint count = layers != NULL ? json_array_get_length (layers) : 0;

  if (count == 0 || count > PARTS_MAX || blobs == NULL)
    return berth_build_refuse (error, "it has not 1 to %u layers", PARTS_MAX);
  for (guint i = 0; i < count; i++)
    if (!take_part (self, berth_build_json_get_element (layers, i), max_bytes, error)
        || !take_pieces (self, self->parts->pdata[i], blobs, error))
      return FALSE;
  return json_array_get_length (blobs) == self->pieces->len
         || berth_build_refuse (error, "it has pieces of no layer");
}

static gboolean
take_own (BerthBuildArtifact *self, JsonObject *own, JsonArray *blobs, gint64 max_bytes,
          GError **error)
{
  gint64 format = berth_build_json_get_number (own, "format");
  const char *name = berth_build_json_get_text (own, "name");
  const char *element = berth_build_json_get_text (own, "template");
  const char *berthfile = berth_build_json_get_text (own, "berthfile");

  if (format != FORMAT)
    return berth_build_refuse (
        error, "it is of format %" G_GINT64_FORMAT ", and this berth reads %d", format, FORMAT);
  if (!matches (name, NAME_PATTERN) || element == NULL || strlen (element) > TEXT_MAX)
    return berth_build_refuse (error, "it has no name, or no <berth:template>");
  if (berthfile == NULL || strlen (berthfile) > TEXT_MAX)
    return berth_build_refuse (error, "its Berthfile is missing, or too large");
  self->name = g_strdup (name);
  self->element = g_strdup (element);
  self->berthfile = g_strdup (berthfile);
  return take_parts (self, berth_build_json_get_array (own, "layers"), blobs, max_bytes, error);
}

static gboolean
take_manifest (BerthBuildArtifact *self, JsonObject *manifest, gint64 max_bytes, GError **error)
{
  JsonObject *config = berth_build_json_get_object (manifest, "config");
  JsonObject *annotations = berth_build_json_get_object (manifest, "annotations");
  const char *type = config != NULL ? berth_build_json_get_text (config, "mediaType") : NULL;
  const char *text
      = annotations != NULL ? berth_build_json_get_text (annotations, TEMPLATE_KEY) : NULL;
  JsonObject *own;
  gboolean ok;

  if (g_strcmp0 (type, BERTH_BUILD_EMPTY_TYPE) != 0 || text == NULL)
    return berth_build_refuse (
        error, "it is no template; 'berth template build' makes one of a container image");
  own = berth_build_json_parse (text, strlen (text), error);
  if (own == NULL)
    return FALSE;
  ok = take_own (self, own, berth_build_json_get_array (manifest, "layers"), max_bytes, error);
  json_object_unref (own);
  return ok;
}

BerthBuildArtifact *
berth_build_artifact_parse (const char *text, gsize size, gint64 max_bytes, GError **error)
{
  g_autoptr (BerthBuildArtifact) self = berth_build_artifact_new ();
  g_autoptr (JsonObject) manifest = NULL;

  if (size > BERTH_BUILD_MANIFEST_MAX_BYTES)
    {
      berth_build_refuse (error, "its manifest has more than %d bytes",
                          BERTH_BUILD_MANIFEST_MAX_BYTES);
      return NULL;
    }
  manifest = berth_build_json_parse (text, size, error);
  return manifest != NULL && take_manifest (self, manifest, max_bytes, error)
             ? g_steal_pointer (&self)
             : NULL;
}
