/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Decides which templates may go. Its layers stay until nothing names them: prune's to take. */
#include "plugin/build/berth-build-remove.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>

#include "plugin/base/berth-errno.h"
#include "plugin/build/berth-build-store.h"
#include "plugin/libberth/berth-admin.h"
#include "pool/berth-error.h"

#define SUFFIX ".berthfile"

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

/* Whether the Berthfile @file stands on the template */
static gboolean
stands_on (const char *file, const char *name)
{
  g_autofree char *text = NULL;
  g_autofree char *wanted = g_strdup_printf ("from %s", name);
  g_auto (GStrv) lines = NULL;

  if (!g_file_get_contents (file, &text, NULL, NULL))
    return FALSE;
  lines = g_strsplit (text, "\n", -1);
  return g_strv_contains ((const char *const *)lines, wanted);
}

/* What was built of it stays as it is, and could not be built again. */
static gboolean
check_below (const BerthBuildSpec *spec, GError **error)
{
  g_autoptr (GDir) dir = g_dir_open (spec->template_dir, 0, NULL);
  const char *file;

  while (dir != NULL && (file = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *path = g_build_filename (spec->template_dir, file, NULL);

      if (!g_str_has_suffix (file, SUFFIX) || !stands_on (path, spec->name))
        continue;
      g_set_error (error, BERTH_ERROR, BERTH_ERROR_LOCAL,
                   "template %s is what %.*s is built from: remove that first", spec->name,
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

gboolean
berth_build_remove (const BerthBuildSpec *spec, const BerthConfig *config, BerthClient *client,
                    GError **error)
{
  g_autoptr (BerthAdmin) admin = berth_admin_new (client);
  g_autofree char *xml = dup_path (spec, spec->name, ".xml");
  g_autofree char *berthfile = dup_path (spec, spec->name, SUFFIX);

  if (spec->only_snapshot || !g_file_test (berthfile, G_FILE_TEST_EXISTS))
    return berth_admin_act (admin, BERTH_ADMIN_ACTION_REMOVE_SNAPSHOT, spec->name, NULL, error);
  if (!check_below (spec, error) || !check_unused (client, spec->name, error))
    return FALSE;
  /* the Berthfile last: with it, what a kill has left can be removed again */
  if (!remove_file (xml, error)
      || !berth_admin_act (admin, BERTH_ADMIN_ACTION_RELOAD, NULL, NULL, error))
    return FALSE;
  berth_build_store_forget (config->image_dir, spec->name);
  return remove_file (berthfile, error);
}
