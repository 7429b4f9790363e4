/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reads settings from a file. */
#include "plugin/config/berth-config-private.h"

#include <string.h>

#include "plugin/base/berth-key-file.h"
#include "pool/berth-error.h"

static gboolean
load_key (BerthConfig *self, GKeyFile *file, const char *path, const char *key, GError **error)
{
  g_autoptr (GError) local = NULL;
  g_autofree char *origin = g_strdup_printf ("%s: %s", path, key);
  g_autofree char *value = NULL;

  if (!berth_key_file_is_escaped (file, BERTH_CONFIG_GROUP, key, BERTH_KEY_FILE_ESCAPES))
    {
      g_set_error (error, BERTH_ERROR, BERTH_ERROR_CONFIG,
                   "%s: a \\ is followed by none of s n t r \\: write \\\\ for a \\", origin);
      return FALSE;
    }
  value = g_key_file_get_string (file, BERTH_CONFIG_GROUP, key, &local);
  if (local != NULL) /* GLib may return a value as well */
    {
      g_set_error (error, BERTH_ERROR, BERTH_ERROR_CONFIG, "%s: %s", origin, local->message);
      return FALSE;
    }
  g_strstrip (value);
  return berth_config_set (self, key, value, origin, error);
}

static gboolean
check_groups (GKeyFile *file, const char *path, GError **error)
{
  g_auto (GStrv) groups = g_key_file_get_groups (file, NULL);

  for (guint i = 0; groups[i] != NULL; i++)
    if (strcmp (groups[i], BERTH_CONFIG_GROUP) != 0)
      {
        g_set_error (error, BERTH_ERROR, BERTH_ERROR_CONFIG,
                     "%s: there is no section [%s], every setting stands in [" BERTH_CONFIG_GROUP
                     "]",
                     path, groups[i]);
        return FALSE;
      }
  return TRUE;
}

/**
 * berth_config_load_file:
 * @self: a configuration
 * @path: a key file with the section [berth]
 *
 * Returns: whether every line of it was allowed. A file that cannot be read is a
 * #GFileError.
 */
gboolean
berth_config_load_file (BerthConfig *self, const char *path, GError **error)
{
  g_autoptr (GKeyFile) file = g_key_file_new ();
  g_autoptr (GError) local = NULL;
  g_auto (GStrv) keys = NULL;
  g_autofree char *text = NULL;

  if (!g_file_get_contents (path, &text, NULL, &local))
    {
      g_propagate_error (error, g_steal_pointer (&local));
      return FALSE;
    }
  if (!g_key_file_load_from_data (file, text, (gsize)-1, G_KEY_FILE_NONE, &local))
    {
      g_set_error (error, BERTH_ERROR, BERTH_ERROR_CONFIG, "%s: %s", path, local->message);
      return FALSE;
    }
  if (!check_groups (file, path, error))
    return FALSE;
  keys = g_key_file_get_keys (file, BERTH_CONFIG_GROUP, NULL, NULL);
  for (guint i = 0; keys != NULL && keys[i] != NULL; i++)
    if (!load_key (self, file, path, keys[i], error))
      return FALSE;
  return TRUE;
}

/**
 * berth_config_load_default:
 * @self: a configuration
 *
 * Reads /etc/berth/berth.conf, or a user's own. Nobody minds when it is not there.
 *
 * Returns: whether every line of it was allowed
 */
gboolean
berth_config_load_default (BerthConfig *self, GError **error)
{
  g_autofree char *path = berth_config_dup_user_path ("/etc/berth/berth.conf",
                                                      g_get_user_config_dir (), "berth.conf");
  g_autoptr (GError) local = NULL;

  if (berth_config_load_file (self, path, &local)
      || g_error_matches (local, G_FILE_ERROR, G_FILE_ERROR_NOENT))
    return TRUE;
  g_propagate_error (error, g_steal_pointer (&local));
  return FALSE;
}
