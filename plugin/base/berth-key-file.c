/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plugin/base/berth-key-file.h"

#include <string.h>

gboolean
berth_key_file_is_escaped (GKeyFile *file, const char *group, const char *key, const char *letters)
{
  g_autofree char *raw = g_key_file_get_value (file, group, key, NULL);

  for (const char *at = raw; at != NULL && (at = strchr (at, '\\')) != NULL; at += 2)
    if (at[1] == '\0' || strchr (letters, at[1]) == NULL)
      return FALSE;
  return TRUE;
}

char *
berth_key_file_dup_string (GKeyFile *file, const char *group, const char *key)
{
  if (!berth_key_file_is_escaped (file, group, key, BERTH_KEY_FILE_ESCAPES))
    return NULL;
  return g_key_file_get_string (file, group, key, NULL);
}
