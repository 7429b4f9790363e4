/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gunixfdlist.h>

#include "plugin/model/berth-program.h"
#include "plugin/model/berth-tty.h"

G_BEGIN_DECLS

/* A file that goes there with a run */
typedef struct
{
  char *path;
  GBytes *content;
  guint mode;
} BerthUpload;

BerthUpload *berth_upload_copy (const BerthUpload *self);
void berth_upload_free (BerthUpload *self);

/* (transfer none) (element-type BerthUpload) */
GPtrArray *berth_program_get_uploads (BerthProgram *self);
/* (transfer none) (element-type filename) */
GPtrArray *berth_program_get_downloads (BerthProgram *self);
/* bytes */
guint64 berth_program_get_download_max (BerthProgram *self);
gboolean berth_program_has_files (BerthProgram *self);
/* (transfer none) (nullable) */
BerthTty *berth_program_get_tty (BerthProgram *self);

gboolean
berth_program_write (BerthProgram *self, GVariantDict *options, GUnixFDList *fds, GError **error);

G_END_DECLS
