/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Files of this host as one tar, the same for the same contents. */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* Where files without a name are, as long as a build takes */
#define BERTH_BUILD_SCRATCH "/var/tmp"
#define BERTH_BUILD_FILES_MAX_BYTES (G_GINT64_CONSTANT (4) << 30)

/* Writes to @fd what @arguments of tar name, "-C", a folder, a name. @what: for errors */
gboolean berth_build_pack (GPtrArray *arguments, const char *what, int fd, GError **error);
/* Copies a file to @fd, as it is now: nobody changes it there. */
gboolean berth_build_pack_file (const char *path, int fd, GError **error);
/* Whether what is in @fd is small enough to be sent. */
gboolean berth_build_pack_check (int fd, const char *what, GError **error);

G_END_DECLS
