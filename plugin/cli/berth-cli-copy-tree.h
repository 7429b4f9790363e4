/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Files and whole folders between paths of this host and paths of a sandbox. */
#pragma once

#include "plugin/cli/berth-cli-transfer.h"

G_BEGIN_DECLS

/* @local: a file, a folder, or what is to be read to its end; "-" for standard input. @guest:
 * where; one that ends with a slash is a folder that gets it under its own name. */
gboolean
berth_copy_tree_put (BerthTransfer *self, const char *local, const char *guest, GError **error);
/* @guest: a file or a folder. @local: where; an existing folder, or a path that ends with a slash,
 * gets it under its own name; "-" for standard output. */
gboolean
berth_copy_tree_get (BerthTransfer *self, const char *guest, const char *local, GError **error);

G_END_DECLS
