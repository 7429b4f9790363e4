/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A local file that has no name until all of it is there. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/**
 * BerthLanding:
 * @fd: to be written to
 * @folder_fd: where it will be, borrowed
 * @temporary: (nullable): its name meanwhile, where the file system wants one
 */
typedef struct
{
  int fd;
  int folder_fd;
  char *temporary;
} BerthLanding;

#define BERTH_LANDING_INIT                                                                         \
  {                                                                                                \
    -1, -1, NULL                                                                                   \
  }

/* @local: for messages */
gboolean berth_landing_open (BerthLanding *self, int folder_fd, const char *local, GError **error);
/* Gives it its name, replacing what has that name, a link itself and not what it points to. */
gboolean berth_landing_finish (BerthLanding *self, const char *name, guint32 mode,
                               const char *local, GError **error);
/* What never got its name is gone. */
void berth_landing_clear (BerthLanding *self);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (BerthLanding, berth_landing_clear)

/* The permission bits of a guest's file, as our umask lets them be */
guint32 berth_landing_mode (guint32 mode);

G_END_DECLS
