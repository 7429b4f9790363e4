/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Decides which templates may go. Its layers stay until nothing names them: prune's to take. */
#include "plugin/build/berth-build-remove.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "plugin/base/berth-errno.h"
#include "plugin/base/berth-printable.h"
#include "plugin/build/berth-build-store.h"
#include "plugin/libberth/berth-admin.h"
#include "plugin/template/berth-images.h"
#include "pool/berth-error.h"

#define SUFFIX ".berthfile"
#define FROM "from"
#define OCI "oci"

/* (transfer full): the file of it beside the template */
static char *
dup_path (const BerthBuildSpec *spec, const char *name, const char *suffix)
{
  g_autofree char *file = g_strconcat (name, suffix, NULL);

  return g_build_filename (spec->template_dir, file, NULL);
}

/* Whether none of @list is of the template, but for VMs that are nobody's, or end */
static gboolean
check_free (GVariant *list, const char *template_name, const char *what, GError **error)
{
  for (gsize i = 0; i < g_variant_n_children (list); i++)
    {
      g_autoptr (GVariant) one = g_variant_get_child_value (list, i);
      const char *name = "";
      const char *state = "";
      const char *id = "";
      guint32 uid;

      g_variant_lookup (one, "template", "&s", &name);
      g_variant_lookup (one, "state", "&s", &state);
      if (!g_variant_lookup (one, "sandbox_id", "&s", &id))
        g_variant_lookup (one, "id", "&s", &id);
      if (!g_str_equal (name, template_name) || g_str_equal (state, "stopping")
          || !g_variant_lookup (one, "uid", "u", &uid))
        continue;
      g_set_error (error, BERTH_ERROR, BERTH_ERROR_LOCAL,
                   "template %s has a %s, of %s: it can go when that is gone", template_name, what,
                   id);
      return FALSE;
    }
  return TRUE;
}

static gboolean
check_unused (BerthClient *client, const char *name, GError **error)
{
  g_autoptr (GVariant) sandboxes = berth_client_list (client, NULL, error);
  g_autoptr (GVariant) checkpoints
      = sandboxes != NULL ? berth_client_list_checkpoints (client, NULL, NULL, error) : NULL;

  return checkpoints != NULL && check_free (sandboxes, name, "sandbox", error)
         && check_free (checkpoints, name, "checkpoint", error);
}

/* Whether the Berthfile at @path says that template, as a build reads it: without a word of what is
 * below, python is. One that has nothing but remarks was pulled, and stands on nothing here. */
static gboolean
stands_on (const char *path, const char *name)
{
  g_autofree char *text = NULL;
  g_auto (GStrv) lines = NULL;
  const char *below = BERTH_BUILD_FROM;
  gboolean is_pulled;

  if (!g_file_get_contents (path, &text, NULL, NULL))
    return FALSE;
  is_pulled = *text != '\0';
  lines = g_strsplit (text, "\n", -1);
  for (guint i = 0; lines[i] != NULL; i++)
    {
      char *value = g_strstrip (lines[i]);
      gsize length = strcspn (value, " \t");

      if (*value == '\0' || *value == '#')
        continue;
      is_pulled = FALSE;
      if (length == strlen (FROM) && g_str_has_prefix (value, FROM))
        below = g_strchug (value + length);
      else if (length == strlen (OCI) && g_str_has_prefix (value, OCI))
        below = ""; /* an image is */
    }
  return !is_pulled && g_str_equal (below, name);
}

/* What was built of it stays as it is, and could not be built again. */
static gboolean
check_below (const char *folder, const char *name, GError **error)
{
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  g_autofree char *own = g_strconcat (name, SUFFIX, NULL);
  const char *file;

  while (dir != NULL && (file = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *path = g_build_filename (folder, file, NULL);

      if (!g_str_has_suffix (file, SUFFIX) || g_str_equal (file, own) || !stands_on (path, name))
        continue;
      g_set_error (error, BERTH_ERROR, BERTH_ERROR_LOCAL,
                   "template %s is what %.*s is built from: remove that first", name,
                   (int)(strlen (file) - strlen (SUFFIX)), file);
      return FALSE;
    }
  return TRUE;
}

static gboolean
remove_file (const char *path, GError **error)
{
  if (g_unlink (path) == 0 || errno == ENOENT)
    return TRUE;
  berth_errno_set (error, errno, path);
  return FALSE;
}

/* (transfer full): where berthd has the template of */
static char *
dup_known_path (BerthAdmin *admin, const char *name)
{
  g_autoptr (GVariant) templates = berth_admin_list_templates (admin, NULL, NULL);

  for (gsize i = 0; templates != NULL && i < g_variant_n_children (templates); i++)
    {
      g_autoptr (GVariant) one = g_variant_get_child_value (templates, i);
      const char *known = "";
      const char *path;

      g_variant_lookup (one, "name", "&s", &known);
      if (g_str_equal (known, name) && g_variant_lookup (one, "path", "&s", &path))
        return berth_printable_dup (path, FALSE);
    }
  return g_strdup ("its file");
}

/* Of one that is no file of a build's here. Who asked for more than that is told. */
static gboolean
remove_snapshot (const BerthBuildSpec *spec, BerthAdmin *admin, GError **error)
{
  g_autofree char *path = NULL;

  if (!berth_admin_act (admin, BERTH_ADMIN_ACTION_REMOVE_SNAPSHOT, spec->name, NULL, error))
    return FALSE;
  if (spec->only_snapshot || spec->quiet)
    return TRUE;
  path = dup_known_path (admin, spec->name);
  fprintf (stderr,
           "berth template remove: %s: its snapshot and warm VMs are gone; %s stays, which no "
           "build or pull has put into %s (--templates)\n",
           spec->name, path, spec->template_dir);
  return TRUE;
}

static gboolean
remove_files (const BerthBuildSpec *spec, const BerthConfig *config, BerthClient *client,
              BerthAdmin *admin, GError **error)
{
  g_autofree char *xml = dup_path (spec, spec->name, ".xml");
  g_autofree char *berthfile = dup_path (spec, spec->name, SUFFIX);

  for (guint i = 0; config->template_dirs[i] != NULL; i++)
    if (!check_below (config->template_dirs[i], spec->name, error))
      return FALSE;
  if (!check_unused (client, spec->name, error))
    return FALSE;
  /* the Berthfile last: with it, what a kill has left can be removed again */
  if (!remove_file (xml, error)
      || !berth_admin_act (admin, BERTH_ADMIN_ACTION_RELOAD, NULL, NULL, error))
    return FALSE;
  berth_build_store_forget (config->image_dir, spec->name);
  return remove_file (berthfile, error);
}

gboolean
berth_build_remove (const BerthBuildSpec *spec, const BerthConfig *config, BerthClient *client,
                    GError **error)
{
  g_autoptr (BerthAdmin) admin = berth_admin_new (client);
  g_autofree char *berthfile = dup_path (spec, spec->name, SUFFIX);
  g_autofree char *built = g_build_filename (config->image_dir, BERTH_IMAGES_BUILT, NULL);
  gboolean ok;
  int held;

  if (spec->only_snapshot || !g_file_test (berthfile, G_FILE_TEST_EXISTS))
    return remove_snapshot (spec, admin, error);
  /* else what is built or pulled at the same time could be of this name, or stand on it */
  held = berth_build_store_hold (built, TRUE, error);
  if (held < 0)
    return FALSE;
  ok = remove_files (spec, config, client, admin, error);
  close (held);
  return ok;
}
