/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Files and whole folders between paths of this host and paths of a sandbox. */
#pragma once

#include "plugin/cli/berth-cli-transfer.h"
#include "plugin/model/berth-limits.h"

G_BEGIN_DECLS

/* What one verb carries at most, whatever the guest lists */
#define BERTH_COPY_TREE_DEPTH_MAX BERTH_LIMIT_RUN_DEPTH
#define BERTH_COPY_TREE_ENTRIES_MAX BERTH_LIMIT_RUN_ENTRIES
#define BERTH_COPY_TREE_FILES_FACTOR BERTH_LIMIT_RUN_FILES_FACTOR

/* @local: a file, a folder, or what is to be read to its end; "-" for standard input. @guest:
 * where; one that ends with a slash is a folder that gets it under its own name. */
gboolean
berth_copy_tree_put (BerthTransfer *self, const char *local, const char *guest, GError **error);
/* @guest: a file or a folder. @local: where; an existing folder, or a path that ends with a slash,
 * gets it under its own name; "-" for standard output. */
gboolean
berth_copy_tree_get (BerthTransfer *self, const char *guest, const char *local, GError **error);

/* (transfer full) (nullable): the last name in a path; NULL where there is none, as in "." */
char *berth_copy_tree_dup_name (const char *path);

G_END_DECLS
