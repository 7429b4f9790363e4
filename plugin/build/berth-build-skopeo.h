/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* skopeo, which speaks with registries: with no rights, and a folder that ends with us. */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

typedef struct _BerthBuildFolder BerthBuildFolder;

/* A folder of this process and one in it that skopeo may write; however this process ends, both are
 * removed. */
BerthBuildFolder *berth_build_folder_new (GError **error);
/* The one that is ours: skopeo may read it. */
const char *berth_build_folder_get_path (BerthBuildFolder *self);
const char *berth_build_folder_get_own (BerthBuildFolder *self);
void berth_build_folder_free (BerthBuildFolder *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BerthBuildFolder, berth_build_folder_free)

/* Makes skopeo the owner of what is open as @fd, where it is another user than this process. */
gboolean berth_build_folder_give (BerthBuildFolder *self, int fd);

/**
 * BerthBuildSkopeo:
 * @words: (array zero-terminated=1): of its command line
 * @grows: the folder that it writes to
 * @max_bytes: that may be in there
 * @timeout_s: that it may take
 * @out_fd: a file for what it says on standard output, or -1
 */
typedef struct
{
  const char *const *words;
  const char *grows;
  gint64 max_bytes;
  int timeout_s;
  int out_fd;
} BerthBuildSkopeo;

/* Runs it, and ends it when it writes or takes too much. */
gboolean
berth_build_skopeo (BerthBuildFolder *folder, const BerthBuildSkopeo *call, GError **error);

G_END_DECLS
