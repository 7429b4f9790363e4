/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A local file that has no name until all of it is there. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/**
 * BerthAtomicFile:
 * @fd: to be written to
 * @folder_fd: where it will be, borrowed
 * @temporary: (nullable): its name meanwhile, where the file system wants one
 */
typedef struct
{
  int fd;
  int folder_fd;
  char *temporary;
} BerthAtomicFile;

#define BERTH_ATOMIC_FILE_INIT                                                                     \
  {                                                                                                \
    -1, -1, NULL                                                                                   \
  }

/* @local: for messages */
gboolean
berth_atomic_file_open (BerthAtomicFile *self, int folder_fd, const char *local, GError **error);
/* Gives it its name, replacing what has that name, a link itself and not what it points to. */
gboolean berth_atomic_file_finish (BerthAtomicFile *self, const char *name, guint32 mode,
                                   const char *local, GError **error);
/* What never got its name is gone. */
void berth_atomic_file_clear (BerthAtomicFile *self);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (BerthAtomicFile, berth_atomic_file_clear)

/* The permission bits of a guest's file, as our umask lets them be */
guint32 berth_atomic_file_mode (guint32 mode);

G_END_DECLS
