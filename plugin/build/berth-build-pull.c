/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Decides whether what a registry has becomes a template here: all that can be said against it is
 * said before a layer is fetched. Layers get names of their contents, never those that the registry
 * says: it has no say in what a build takes for made already. */
#include "plugin/build/berth-build-pull.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "plugin/base/berth-printable.h"
#include "plugin/build/berth-build-element.h"
#include "plugin/build/berth-build-json.h"
#include "plugin/build/berth-build-registry.h"
#include "plugin/build/berth-build-sign.h"
#include "plugin/build/berth-build-stage.h"
#include "plugin/build/berth-build-store.h"
#include "plugin/template/berth-images.h"
#include "plugin/template/berth-template.h"
#include "pool/berth-error.h"

#define NAME_DIGITS 32
/* What skopeo tells of a registry that has none of the name */
#define UNKNOWN "manifest unknown"
/* Beside what a manifest says: itself, its index, files rounded up to blocks */
#define SLACK_BYTES (16 * 1024 * 1024)

typedef struct
{
  const BerthBuildSpec *spec;
  const BerthConfig *config;
  char *dir; /* of the layers */
  char *repository;
  char *sha256; /* of the manifest */
  BerthBuildFolder *folder;
  BerthBuildArtifact *artifact;
  GStrv names;         /* of the layers, here */
  gboolean *is_wanted; /* each: it is not here */
  char *xml;
} Work;

static void
work_clear (Work *self)
{
  g_free (self->dir);
  g_free (self->repository);
  g_free (self->sha256);
  g_clear_pointer (&self->folder, berth_build_folder_free);
  g_clear_pointer (&self->artifact, berth_build_artifact_free);
  g_strfreev (self->names);
  g_free (self->is_wanted);
  g_free (self->xml);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Work, work_clear)

static gboolean
load_manifest (Work *self, GError **error)
{
  const BerthBuildSpec *spec = self->spec;
  g_autofree char *wanted = NULL;
  g_autofree char *text = NULL;
  gsize size = 0;

  if (!berth_build_registry_split (spec->reference, &self->repository, &wanted, error))
    return FALSE;
  text = berth_build_registry_dup_manifest (self->folder, spec, spec->reference, &size,
                                            &self->sha256, error);
  if (text == NULL)
    return FALSE;
  if (wanted != NULL && !g_str_equal (wanted, self->sha256))
    {
      g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID, "%s: the registry has something else",
                   spec->reference);
      return FALSE;
    }
  self->artifact = berth_build_artifact_parse (text, size, (gint64)spec->max_mb << 20, error);
  if (self->artifact == NULL)
    g_prefix_error (error, "%s: ", spec->reference);
  return self->artifact != NULL;
}

/* Signed templates have the name that was signed. */
static gboolean
check_signature (Work *self, GError **error)
{
  const char *const *keys = (const char *const *)self->config->template_keys;
  g_autofree char *tag = berth_build_sign_dup_tag (self->sha256);
  g_autofree char *reference = g_strconcat (self->repository, ":", tag, NULL);
  g_autofree char *sha256 = NULL;
  g_autofree char *text = NULL;
  g_autoptr (GError) reason = NULL;
  gsize size = 0;

  if (keys == NULL || keys[0] == NULL)
    return TRUE;
  if (!g_str_equal (self->artifact->name, self->spec->name))
    {
      g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID,
                   "%s: is template %s, and is signed as that: give it this name",
                   self->spec->reference, self->artifact->name);
      return FALSE;
    }
  text = berth_build_registry_dup_manifest (self->folder, self->spec, reference, &size, &sha256,
                                            &reason);
  if (text == NULL)
    {
      const char *what = strstr (reason->message, UNKNOWN) != NULL ? "no signature"
                                                                   : "its signature can't be had";

      g_propagate_prefixed_error (
          error, g_steal_pointer (&reason),
          "template %s: %s, which berth.conf's template_keys asks for: ", self->spec->name, what);
    }
  return text != NULL
         && berth_build_sign_check (text, size, keys, self->spec->name, self->sha256, error);
}

/* ---- what is here ---- */

/* Layers of @folder, by digest */
static void
add_layers (GHashTable *there, const char *folder)
{
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  const char *file;

  while (dir != NULL && (file = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *stem = berth_build_store_dup_stem (file);
      g_autofree char *json = g_strconcat (stem, ".json", NULL);
      g_autofree char *path = g_build_filename (folder, json, NULL);
      g_autofree char *text = NULL;
      g_autoptr (JsonObject) manifest = NULL;
      const char *sha256 = NULL;
      gsize size = 0;

      if (g_str_has_suffix (file, ".erofs") && g_file_get_contents (path, &text, &size, NULL)
          && (manifest = berth_build_json_parse (text, size, NULL)) != NULL
          && (sha256 = berth_build_json_get_text (manifest, "sha256")) != NULL)
        g_hash_table_insert (there, g_strdup (sha256), g_steal_pointer (&stem));
    }
}

/* The image's own name of a layer before one that was pulled */
static void
look_around (Work *self)
{
  g_autoptr (GHashTable) there = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  g_autoptr (GStrvBuilder) names = g_strv_builder_new ();
  guint count = self->artifact->parts->len;

  add_layers (there, self->dir);
  add_layers (there, self->config->image_dir);
  self->is_wanted = g_new0 (gboolean, count);
  for (guint i = 0; i < count; i++)
    {
      const BerthBuildPart *part = self->artifact->parts->pdata[i];
      const char *name = g_hash_table_lookup (there, part->sha256);
      g_autofree char *own = g_strdup_printf ("pulled-%.*s", NAME_DIGITS, part->sha256);

      self->is_wanted[i] = name == NULL;
      g_strv_builder_add (names, name != NULL ? name : own);
    }
  self->names = g_strv_builder_end (names);
}

/* What was written by hand is nobody's to replace. */
static gboolean
check_place (Work *self, const char *path, GError **error)
{
  g_autofree char *stem = g_strndup (path, strlen (path) - strlen (".xml"));
  g_autofree char *berthfile = g_strconcat (stem, ".berthfile", NULL);

  if (!g_file_test (path, G_FILE_TEST_EXISTS) || g_file_test (berthfile, G_FILE_TEST_EXISTS))
    return TRUE;
  g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID,
               "%s: was neither built nor pulled, and is not replaced: remove it first, or pull by "
               "another name",
               path);
  return FALSE;
}

static gboolean
make_template (Work *self, GError **error)
{
  const BerthBuildSpec *spec = self->spec;
  g_autoptr (GHashTable) templates = berth_template_load_all (
      (const char *const *)self->config->template_dirs, self->config->schema, NULL);
  BerthTemplate *base = g_hash_table_lookup (templates, spec->from);
  g_autofree char *file = g_strconcat (spec->name, ".xml", NULL);
  g_autofree char *path = g_build_filename (spec->template_dir, file, NULL);
  g_autoptr (GError) reason = NULL;
  g_autofree char *remark = g_strdup_printf (
      " Made by 'berth template pull': %s.berthfile beside it says of what. ", spec->name);

  if (base == NULL)
    {
      g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID,
                   "there is no template %s, whose domain it could have: 'berth template list' "
                   "shows them",
                   spec->from);
      return FALSE;
    }
  if (!check_place (self, path, error))
    return FALSE;
  self->xml = berth_build_element_dup_template (
      self->artifact->element, berth_template_get_path (base), spec->name,
      (const char *const *)self->names, remark, path, self->config->schema, &reason);
  if (self->xml == NULL)
    g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID, "%s: can be no template here: %s",
                 spec->reference, reason->message);
  return self->xml != NULL;
}

/* ---- what comes ---- */

static gboolean
fetch (Work *self, BerthBuildStage *stage, GError **error)
{
  g_autofree char *layout = berth_build_stage_dup_layout (stage);
  g_autofree char *reference = g_strconcat (self->repository, "@sha256:", self->sha256, NULL);
  gint64 total = SLACK_BYTES;
  gint64 missing = 0;

  if (!berth_build_stage_prepare (stage, self->folder, self->artifact, self->is_wanted, &missing,
                                  error))
    return FALSE;
  for (guint i = 0; i < self->artifact->pieces->len; i++)
    total += ((const BerthBuildPiece *)self->artifact->pieces->pdata[i])->size;
  if (!self->spec->quiet)
    fprintf (stderr, "berth template pull: %s: %.1f MiB to fetch\n", self->spec->name,
             (double)missing / 1048576);
  return missing == 0
         || berth_build_registry_fetch (self->folder, self->spec, reference, layout, total, error);
}

/* (transfer full): what is known of it here, and what its maker told of it */
static char *
dup_manifest (Work *self, const BerthBuildPart *part, const char *name)
{
  g_autoptr (JsonObject) about
      = part->about != NULL ? berth_build_json_parse (part->about, strlen (part->about), NULL)
                            : NULL;
  g_autofree char *path = g_strdup_printf (BERTH_IMAGES_BUILT "/%s.erofs", name);

  if (about == NULL)
    about = json_object_new ();
  json_object_set_int_member (about, "format", 1);
  json_object_set_string_member (about, "path", path);
  json_object_set_string_member (about, "sha256", part->sha256);
  json_object_set_int_member (about, "size", part->size);
  json_object_set_string_member (about, "pulled", self->spec->reference);
  json_object_set_string_member (about, "name", part->name);
  return berth_build_json_dup_object (about);
}

static gboolean
publish (Work *self, const BerthBuildPart *part, const char *name, int fd, GError **error)
{
  g_autofree char *file = g_strconcat (name, ".erofs", NULL);
  g_autofree char *json = g_strconcat (name, ".json", NULL);
  g_autofree char *manifest = dup_manifest (self, part, name);
  g_autofree char *sha256 = NULL;
  guint64 size = 0;

  if (!berth_build_store_check (fd, (guint64)part->size, &size, &sha256, error))
    return FALSE;
  if (size != (guint64)part->size || !g_str_equal (sha256, part->sha256))
    {
      g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID,
                   "layer %s: its pieces are not what its digest says: ask who pushed it",
                   part->name);
      return FALSE;
    }
  return berth_build_store_name (self->dir, fd, file, error)
         && berth_build_store_write (self->dir, json, manifest, error);
}

static gboolean
take_layer (Work *self, BerthBuildStage *stage, const BerthBuildPart *part, const char *name,
            GError **error)
{
  int fd = berth_build_store_open (self->dir, error);
  gboolean ok = fd >= 0 && berth_build_stage_copy (stage, self->artifact, part, fd, error)
                && publish (self, part, name, fd, error);

  if (fd >= 0)
    close (fd);
  return ok;
}

/* What did not come is fetched by the next pull; what came and is wrong goes. A disk that is full
 * has nothing to do with what came. */
static gboolean
take_layers (Work *self, GError **error)
{
  g_autoptr (BerthBuildStage) stage = berth_build_stage_new (self->dir, error);
  g_autoptr (GError) reason = NULL;

  if (stage == NULL || !fetch (self, stage, error))
    return FALSE;
  for (guint i = 0; i < self->artifact->parts->len; i++)
    if (self->is_wanted[i]
        && !take_layer (self, stage, self->artifact->parts->pdata[i], self->names[i], &reason))
      {
        if (g_error_matches (reason, BERTH_ERROR, BERTH_ERROR_INVALID))
          berth_build_stage_clear (stage);
        g_propagate_error (error, g_steal_pointer (&reason));
        return FALSE;
      }
  berth_build_stage_clear (stage);
  return TRUE;
}

/* (transfer full): what it was made of there, as remarks: those are names of files of that host */
static char *
dup_berthfile (Work *self)
{
  g_autofree char *printable = berth_printable_dup (self->artifact->berthfile, TRUE);
  g_auto (GStrv) lines = g_strsplit (g_strchomp (printable), "\n", -1);
  GString *text = g_string_new (NULL);

  g_string_append_printf (text, "# pulled from %s@sha256:%s, where it was made of:\n",
                          self->repository, self->sha256);
  for (guint i = 0; lines[i] != NULL; i++)
    g_string_append_printf (text, "#%s%s\n", lines[i][0] == '#' ? "" : " ", lines[i]);
  return g_string_free (text, FALSE);
}

/* The Berthfile first: whoever sees the template knows that it was pulled. */
static gboolean
write_template (Work *self, GError **error)
{
  const BerthBuildSpec *spec = self->spec;
  g_autofree char *file = g_strconcat (spec->name, ".xml", NULL);
  g_autofree char *berthfile = g_strconcat (spec->name, ".berthfile", NULL);
  g_autofree char *text = dup_berthfile (self);

  return berth_build_store_write (spec->template_dir, berthfile, text, error)
         && berth_build_store_write (spec->template_dir, file, self->xml, error);
}

gboolean
berth_build_pull (const BerthBuildSpec *spec, const BerthConfig *config, GError **error)
{
  g_auto (Work) self = { .spec = spec, .config = config };

  self.dir = g_build_filename (config->image_dir, BERTH_IMAGES_BUILT, NULL);
  self.folder = berth_build_folder_new (error);
  if (self.folder == NULL || !load_manifest (&self, error) || !check_signature (&self, error))
    return FALSE;
  look_around (&self);
  if (!make_template (&self, error) || !take_layers (&self, error)
      || !berth_build_store_note (config->image_dir, spec->name, self.names, error)
      || !write_template (&self, error))
    return FALSE;
  if (!spec->quiet)
    fprintf (stderr, "berth template pull: %s: %s@sha256:%s\n", spec->name, self.repository,
             self.sha256);
  return TRUE;
}
