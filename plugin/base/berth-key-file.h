/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Values of a GKeyFile that somebody else may have written: GLib 2.74 reports two bad escapes of
 * one value in the same GError, and warns of itself. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* What may stand behind a \ of a text */
#define BERTH_KEY_FILE_ESCAPES "sntr\\"

/* Whether each \ of the value is followed by one of @letters; TRUE for a key that is not there */
gboolean
berth_key_file_is_escaped (GKeyFile *file, const char *group, const char *key, const char *letters);
/* (transfer full) (nullable): NULL where it is not there, and where it is not escaped as it has to
 * be */
char *berth_key_file_dup_string (GKeyFile *file, const char *group, const char *key);

G_END_DECLS
