/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Decides which layers go: a VM that has one has it open, a template that is to have one names it,
 * and what is kept of a sandbox says which it had. */
#include "plugin/build/berth-build-prune.h"

#include <glib/gstdio.h>
#include <json-glib/json-glib.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "plugin/build/berth-build-stage.h"
#include "plugin/build/berth-build-store.h"
#include "plugin/libberth/berth-admin.h"
#include "plugin/template/berth-images.h"
#include "plugin/template/berth-template.h"
#include "pool/berth-error.h"

/* What builds and pulls call their layers and notes: others here are none of ours */
static const char *const prefixes[] = { "built-", "pulled-", BERTH_BUILD_NOTE_PREFIX };

/* Of what berthd says that a checkpoint was made with */
#define LAYERS "layers "

static void
add_layers (GHashTable *used, const char *const *layers)
{
  for (guint i = 0; layers[i] != NULL; i++)
    g_hash_table_add (used, g_strdup (layers[i]));
}

/* Those of files; one that can't be read may name any. */
static gboolean
add_files (GHashTable *used, const BerthConfig *config, GError **error)
{
  g_autoptr (GPtrArray) errors = NULL;
  g_autoptr (GHashTable) templates = berth_template_load_all (
      (const char *const *)config->template_dirs, config->schema, &errors);
  GHashTableIter iter;
  BerthTemplate *template;

  g_hash_table_iter_init (&iter, templates);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *)&template))
    {
      add_layers (used, berth_template_get_layers (template));
      g_hash_table_add (used, berth_build_store_dup_note_name (berth_template_get_name (template)));
    }
  if (errors->len == 0)
    return TRUE;
  g_set_error (error, BERTH_ERROR, BERTH_ERROR_CONFIG,
               "a template can't be read, and may name any layer: mend or remove it: %s",
               ((GError *)errors->pdata[0])->message);
  return FALSE;
}

/* Those of berthd: of a file that is gone or has changed since, it may still make VMs. */
static gboolean
add_known (GHashTable *used, BerthClient *client, GError **error)
{
  g_autoptr (BerthAdmin) admin = berth_admin_new (client);
  g_autoptr (GVariant) templates = berth_admin_list_templates (admin, NULL, error);

  for (gsize i = 0; templates != NULL && i < g_variant_n_children (templates); i++)
    {
      g_autoptr (GVariant) template = g_variant_get_child_value (templates, i);
      g_auto (GStrv) layers = NULL;
      const char *names;
      const char *name;

      if (g_variant_lookup (template, "name", "&s", &name))
        g_hash_table_add (used, berth_build_store_dup_note_name (name));
      if (!g_variant_lookup (template, "layers", "&s", &names))
        continue;
      layers = g_strsplit (names, ",", -1);
      add_layers (used, (const char *const *)layers);
    }
  return templates != NULL;
}

/* Whether one of @parts is the layers */
static gboolean
add_part (GHashTable *used, const char *const *parts)
{
  for (guint i = 0; parts != NULL && parts[i] != NULL; i++)
    if (g_str_has_prefix (parts[i], LAYERS))
      {
        g_auto (GStrv) layers = g_strsplit (parts[i] + strlen (LAYERS), ",", -1);

        add_layers (used, (const char *const *)layers);
        return TRUE;
      }
  return FALSE;
}

static gboolean
add_kept_of (GHashTable *used, GVariant *list, GError **error)
{
  for (gsize i = 0; i < g_variant_n_children (list); i++)
    {
      g_autoptr (GVariant) one = g_variant_get_child_value (list, i);
      g_autofree const char **parts = NULL;
      const char *state = "";
      const char *id = "";

      g_variant_lookup (one, "state", "&s", &state);
      if (!g_variant_lookup (one, "sandbox_id", "&s", &id))
        g_variant_lookup (one, "id", "&s", &id);
      g_variant_lookup (one, "made_with", "^a&s", &parts);
      if ((parts == NULL && !g_str_equal (state, "hibernated")) || add_part (used, parts))
        continue; /* one with a VM has its layers open */
      g_set_error (error, BERTH_ERROR, BERTH_ERROR_LOCAL,
                   "what is kept of sandbox %s does not say which layers it has: destroy it, or "
                   "remove its checkpoints, and prune then",
                   id);
      return FALSE;
    }
  return TRUE;
}

/* Those of checkpoints and of what is hibernated: who has them open is none, and their template may
 * be gone, or another by now. */
static gboolean
add_kept (GHashTable *used, BerthClient *client, GError **error)
{
  g_autoptr (GVariant) sandboxes = berth_client_list (client, NULL, error);
  g_autoptr (GVariant) checkpoints
      = sandboxes != NULL ? berth_client_list_checkpoints (client, NULL, NULL, error) : NULL;

  return checkpoints != NULL && add_kept_of (used, sandboxes, error)
         && add_kept_of (used, checkpoints, error);
}

/* What each process has open, by device and inode */
static void
add_open_of (GHashTable *open_files, const char *folder)
{
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  const char *name;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *path = g_build_filename (folder, name, NULL);
      struct stat status;

      if (stat (path, &status) == 0 && S_ISREG (status.st_mode))
        g_hash_table_add (open_files, g_strdup_printf ("%ju:%ju", (uintmax_t)status.st_dev,
                                                       (uintmax_t)status.st_ino));
    }
}

static GHashTable *
find_open (void)
{
  GHashTable *open_files = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_autoptr (GDir) dir = g_dir_open ("/proc", 0, NULL);
  const char *name;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *folder = g_build_filename ("/proc", name, "fd", NULL);

      if (g_ascii_isdigit (name[0]))
        add_open_of (open_files, folder);
    }
  return open_files;
}

static gboolean
is_open (GHashTable *open_files, const struct stat *status)
{
  g_autofree char *key
      = g_strdup_printf ("%ju:%ju", (uintmax_t)status->st_dev, (uintmax_t)status->st_ino);

  return g_hash_table_contains (open_files, key);
}

/* The manifest last: a layer without one is found again, a manifest without a layer says nothing.
 */
static guint64
remove_layer (const char *dir, const char *layer, GHashTable *open_files, gboolean is_quiet)
{
  g_autofree char *base = g_build_filename (dir, layer, NULL);
  g_autofree char *file = g_strconcat (base, ".erofs", NULL);
  g_autofree char *json = g_strconcat (base, ".json", NULL);
  struct stat status = { 0 };

  if (stat (file, &status) == 0 && is_open (open_files, &status))
    return 0;
  g_remove (file);
  g_remove (json);
  if (!is_quiet)
    fprintf (stderr, "berth template prune: %s: %.1f MiB\n", layer,
             (double)status.st_size / 1048576);
  return (guint64)status.st_size;
}

static gboolean
is_layer (const char *name)
{
  for (guint i = 0; i < G_N_ELEMENTS (prefixes); i++)
    if (g_str_has_prefix (name, prefixes[i]))
      return TRUE;
  return FALSE;
}

/* (transfer full): names, without suffixes, each once */
static GHashTable *
list_layers (const char *folder)
{
  GHashTable *layers = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  const char *name;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    {
      const char *dot = strrchr (name, '.');

      if (is_layer (name) && dot != NULL)
        g_hash_table_add (layers, g_strndup (name, (gsize)(dot - name)));
    }
  return layers;
}

gboolean
berth_build_prune (const BerthConfig *config, BerthClient *client, gboolean is_quiet,
                   guint64 *out_bytes, GError **error)
{
  g_autofree char *dir = g_build_filename (config->image_dir, BERTH_IMAGES_BUILT, NULL);
  g_autoptr (GHashTable) layers = list_layers (dir);
  g_autoptr (GHashTable) used = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_autoptr (GHashTable) open_files = NULL;
  GHashTableIter iter;
  const char *layer;

  if (!add_files (used, config, error) || !add_known (used, client, error)
      || !add_kept (used, client, error))
    return FALSE;
  berth_build_stage_remove (dir);
  open_files = find_open ();
  *out_bytes = 0;
  g_hash_table_iter_init (&iter, layers);
  while (g_hash_table_iter_next (&iter, (gpointer *)&layer, NULL))
    if (!g_hash_table_contains (used, layer))
      *out_bytes += remove_layer (dir, layer, open_files, is_quiet);
  return TRUE;
}
