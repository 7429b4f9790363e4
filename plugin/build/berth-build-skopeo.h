/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* skopeo, which speaks with registries: with no rights, and a folder that ends with us. */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

typedef struct _BerthBuildFolder BerthBuildFolder;

/* A folder that skopeo may write; however this process ends, it is removed. */
BerthBuildFolder *berth_build_folder_new (GError **error);
const char *berth_build_folder_get_path (BerthBuildFolder *self);
void berth_build_folder_free (BerthBuildFolder *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BerthBuildFolder, berth_build_folder_free)

/* Runs 'skopeo WORDS'. It is ended when @folder has more than @max_bytes, and after
 * @timeout_s. */
gboolean berth_build_skopeo (BerthBuildFolder *folder, const char *const *words, gint64 max_bytes,
                             int timeout_s, GError **error);

G_END_DECLS
