/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Decides what of a template is sent. Its signature goes before it: nobody finds it unsigned. */
#include "plugin/build/berth-build-push.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "plugin/base/berth-errno.h"
#include "plugin/base/berth-sha256.h"
#include "plugin/build/berth-build-artifact.h"
#include "plugin/build/berth-build-element.h"
#include "plugin/build/berth-build-json.h"
#include "plugin/build/berth-build-registry.h"
#include "plugin/build/berth-build-sign.h"
#include "plugin/build/berth-build-store.h"
#include "plugin/template/berth-images.h"
#include "plugin/template/berth-template.h"
#include "pool/berth-error.h"

#define ABOUT_MAX (128u * 1024)
#define BERTHFILE_MAX (256u * 1024)
#define BUFFER (256u * 1024)
#define SHA256_DIGITS 64

typedef struct
{
  const BerthBuildSpec *spec;
  BerthBuildFolder *folder;
  BerthBuildArtifact *artifact;
  char *layout;
  guint8 *buffer;
} Work;

static void
work_clear (Work *self)
{
  g_clear_pointer (&self->folder, berth_build_folder_free);
  g_clear_pointer (&self->artifact, berth_build_artifact_free);
  g_free (self->layout);
  g_free (self->buffer);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Work, work_clear)

/* (transfer full): an OCI layout without anything in it */
static char *
make_layout (BerthBuildFolder *folder, const char *name, GError **error)
{
  g_autofree char *layout = g_build_filename (berth_build_folder_get_path (folder), name, NULL);
  g_autofree char *blobs = g_build_filename (layout, "blobs", "sha256", NULL);

  if (g_mkdir_with_parents (blobs, 0755) == 0)
    return g_steal_pointer (&layout);
  berth_errno_set (error, errno, blobs);
  return NULL;
}

/* The next piece of @from, at most: into @to and both sums. -1 with errno; else how much it has */
static gint64
copy_piece (Work *self, int from, int to, struct sha256_ctx *whole, struct sha256_ctx *piece)
{
  gint64 sum = 0;
  gssize size = 1;

  while (size > 0 && sum < BERTH_BUILD_PIECE_BYTES)
    {
      size = read (from, self->buffer, (gsize)MIN (BUFFER, BERTH_BUILD_PIECE_BYTES - sum));
      if (size < 0)
        return -1;
      errno = 0;
      if (write (to, self->buffer, (gsize)size) != size)
        {
          errno = errno != 0 ? errno : ENOSPC;
          return -1;
        }
      sha256_update (whole, (gsize)size, self->buffer);
      sha256_update (piece, (gsize)size, self->buffer);
      sum += size;
    }
  return sum;
}

/* 0: there was nothing left; -1: the error says why */
static gint64
send_piece (Work *self, int from, struct sha256_ctx *whole, GError **error)
{
  g_autofree char *part = g_build_filename (self->layout, "part", NULL);
  g_autofree char *sha256 = NULL;
  g_autofree char *path = NULL;
  struct sha256_ctx sum;
  int to = open (part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  gint64 size;

  sha256_init (&sum);
  size = to >= 0 ? copy_piece (self, from, to, whole, &sum) : -1;
  if (to >= 0 && close (to) != 0)
    size = -1;
  sha256 = berth_sha256_finish (&sum);
  path = g_build_filename (self->layout, "blobs", "sha256", sha256, NULL);
  if (size < 0 || (size > 0 ? g_rename (part, path) : g_unlink (part)) != 0)
    {
      berth_errno_set (error, errno, part);
      return -1;
    }
  if (size > 0)
    berth_build_artifact_add_piece (self->artifact, sha256, size);
  return size;
}

/* (transfer full): what others may want to know of a layer; @out_sha256: (transfer full)
 * (nullable): what it should have */
static char *
dup_about (const char *path, char **out_sha256)
{
  static const char *const keys[] = { "created", "from",         "steps",         "packages",
                                      "image",   "image_sha256", "inputs_sha256", "unpacked_size" };
  g_autofree char *stem = berth_build_store_dup_stem (path);
  g_autofree char *json = g_strconcat (stem, ".json", NULL);
  g_autofree char *text = NULL;
  gsize size = 0;
  g_autoptr (JsonObject) all = NULL;
  g_autoptr (JsonObject) about = json_object_new ();

  if (g_file_get_contents (json, &text, &size, NULL))
    all = berth_build_json_parse (text, size, NULL);
  for (guint i = 0; all != NULL && i < G_N_ELEMENTS (keys); i++)
    {
      JsonNode *node = json_object_get_member (all, keys[i]);
      g_autofree char *value = node != NULL ? json_to_string (node, FALSE) : NULL;

      if (value != NULL && strlen (value) <= ABOUT_MAX)
        json_object_set_member (about, keys[i], json_node_copy (node));
    }
  *out_sha256 = all != NULL ? g_strdup (berth_build_json_get_text (all, "sha256")) : NULL;
  return berth_build_json_dup_object (about);
}

/* ---- before anything is written ---- */

/* Adds the layer as it will be, but for digests, which are all of one length. */
static gboolean
forecast_layer (Work *self, BerthBuildArtifact *artifact, const char *path, GError **error)
{
  g_autofree char *sha256 = g_strnfill (SHA256_DIGITS, '0');
  g_autofree char *base = g_path_get_basename (path);
  g_autofree char *name = berth_build_store_dup_stem (base);
  g_autofree char *known = NULL;
  g_autofree char *about = dup_about (path, &known);
  struct stat status;

  if (stat (path, &status) != 0)
    {
      berth_errno_set (error, errno, path);
      return FALSE;
    }
  if (status.st_size > (gint64)self->spec->max_mb << 20)
    {
      g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID,
                   "layer %s has %d MiB: --max-size allows more, and who pulls it must say so, too",
                   name, (int)(status.st_size >> 20));
      return FALSE;
    }
  berth_build_artifact_add_part (artifact, name, sha256, status.st_size, about);
  for (gint64 left = status.st_size; left > 0; left -= BERTH_BUILD_PIECE_BYTES)
    berth_build_artifact_add_piece (artifact, sha256, MIN (left, BERTH_BUILD_PIECE_BYTES));
  return TRUE;
}

/* Whether others take what the layers at @paths become */
static gboolean
check_layers (Work *self, const char *const *paths, GError **error)
{
  g_autoptr (BerthBuildArtifact) artifact = berth_build_artifact_new ();
  g_autofree char *manifest = NULL;

  artifact->name = g_strdup (self->artifact->name);
  artifact->element = g_strdup (self->artifact->element);
  artifact->berthfile = g_strdup (self->artifact->berthfile);
  for (guint i = 0; paths[i] != NULL; i++)
    if (!forecast_layer (self, artifact, paths[i], error))
      return FALSE;
  manifest = berth_build_artifact_dup_manifest (artifact);
  if (strlen (manifest) <= BERTH_BUILD_MANIFEST_MAX_BYTES)
    return TRUE;
  g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID,
               "what template %s was made of has more than the %d bytes that others take",
               self->spec->name, BERTH_BUILD_MANIFEST_MAX_BYTES);
  return FALSE;
}

/* ---- the layers ---- */

static gboolean
send_pieces (Work *self, int from, const char *path, GError **error)
{
  g_autofree char *base = g_path_get_basename (path);
  g_autofree char *name = berth_build_store_dup_stem (base);
  g_autofree char *known = NULL;
  g_autofree char *about = dup_about (path, &known);
  g_autofree char *sha256 = NULL;
  struct sha256_ctx whole;
  gint64 total = 0;
  gint64 size;

  sha256_init (&whole);
  while ((size = send_piece (self, from, &whole, error)) > 0)
    total += size;
  if (size < 0)
    return FALSE;
  sha256 = berth_sha256_finish (&whole);
  if (known != NULL && !g_str_equal (sha256, known))
    {
      g_set_error (error, BERTH_ERROR, BERTH_ERROR_CONFIG,
                   "%s: is not what its manifest says: its disk may be failing; build it again",
                   path);
      return FALSE;
    }
  berth_build_artifact_add_part (self->artifact, name, sha256, total, about);
  return TRUE;
}

static gboolean
add_layer (Work *self, const char *path, GError **error)
{
  int from = open (path, O_RDONLY | O_CLOEXEC);
  gboolean ok = from >= 0;

  if (ok)
    ok = send_pieces (self, from, path, error);
  else
    berth_errno_set (error, errno, path);
  if (from >= 0)
    close (from);
  return ok;
}

static char *
dup_berthfile (BerthTemplate *template)
{
  g_autofree char *dir = g_path_get_dirname (berth_template_get_path (template));
  g_autofree char *name = g_strconcat (berth_template_get_name (template), ".berthfile", NULL);
  g_autofree char *path = g_build_filename (dir, name, NULL);
  g_autofree char *text = NULL;
  gsize size = 0;

  if (!g_file_get_contents (path, &text, &size, NULL) || size > BERTHFILE_MAX
      || !g_utf8_validate (text, (gssize)size, NULL))
    return g_strdup ("");
  return g_steal_pointer (&text);
}

static gboolean
add_layers (Work *self, BerthTemplate *template, const BerthConfig *config, GError **error)
{
  g_autoptr (BerthImages) images = berth_images_load (config->image_dir, error);
  g_auto (GStrv) paths
      = images != NULL
            ? berth_images_dup_layers (images, berth_template_get_layers (template), error)
            : NULL;

  if (paths == NULL || !check_layers (self, (const char *const *)paths, error))
    return FALSE;
  for (guint i = 0; paths[i] != NULL; i++)
    if (!add_layer (self, paths[i], error))
      return FALSE;
  return TRUE;
}

static gboolean
sign (Work *self, const char *repository, const char *sha256, GError **error)
{
  g_autofree char *manifest
      = berth_build_sign_dup_manifest (self->spec->sign, self->artifact->name, sha256, error);
  g_autofree char *layout
      = manifest != NULL ? make_layout (self->folder, "signature", error) : NULL;
  g_autofree char *tag = berth_build_sign_dup_tag (sha256);
  g_autofree char *reference = g_strconcat (repository, ":", tag, NULL);
  g_autofree char *own = NULL;

  return layout != NULL && berth_build_registry_write (layout, manifest, &own, error)
         && berth_build_registry_send (self->folder, self->spec, layout, reference, error);
}

static gboolean
send_all (Work *self, const char *repository, GError **error)
{
  const BerthBuildSpec *spec = self->spec;
  g_autofree char *manifest = berth_build_artifact_dup_manifest (self->artifact);
  g_autofree char *sha256 = NULL;

  if (!berth_build_registry_write (self->layout, manifest, &sha256, error)
      || (spec->sign != NULL && !sign (self, repository, sha256, error))
      || !berth_build_registry_send (self->folder, spec, self->layout, spec->reference, error))
    return FALSE;
  if (!spec->quiet)
    fprintf (stderr, "berth template push: %s: %s@sha256:%s%s\n", spec->name, repository, sha256,
             spec->sign != NULL ? ", signed" : "");
  return TRUE;
}

/* (transfer full) (nullable): where it goes, which nobody can say by what it is to become */
static char *
dup_repository (const BerthBuildSpec *spec, GError **error)
{
  g_autofree char *repository = NULL;
  g_autofree char *sha256 = NULL;

  if (!berth_build_registry_split (spec->reference, &repository, &sha256, error))
    return NULL;
  if (sha256 == NULL)
    return g_steal_pointer (&repository);
  g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID,
               "'%.160s': give docker://HOST/NAME:TAG: the digest is what comes of a push",
               spec->reference);
  return NULL;
}

static BerthTemplate *
find_template (GHashTable *templates, const char *name, GError **error)
{
  BerthTemplate *template = g_hash_table_lookup (templates, name);

  if (template == NULL)
    g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID,
                 "there is no template %s: 'berth template list' shows them", name);
  return template;
}

gboolean
berth_build_push (const BerthBuildSpec *spec, const BerthConfig *config, GError **error)
{
  g_autoptr (GHashTable) templates
      = berth_template_load_all ((const char *const *)config->template_dirs, config->schema, NULL);
  BerthTemplate *template = find_template (templates, spec->name, error);
  g_auto (Work) self = { .spec = spec, .buffer = g_malloc (BUFFER) };
  g_autofree char *repository = NULL;

  if (template == NULL || (repository = dup_repository (spec, error)) == NULL)
    return FALSE;
  self.artifact = berth_build_artifact_new ();
  self.artifact->name = g_strdup (spec->name);
  self.artifact->berthfile = dup_berthfile (template);
  self.artifact->element = berth_build_element_dup (berth_template_get_path (template), error);
  if (self.artifact->element == NULL || (self.folder = berth_build_folder_new (error)) == NULL
      || (self.layout = make_layout (self.folder, "layout", error)) == NULL)
    return FALSE;
  return add_layers (&self, template, config, error) && send_all (&self, repository, error);
}
