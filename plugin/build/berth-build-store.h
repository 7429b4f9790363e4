/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The folder of the layers that were built: nothing has a name in it that is not whole. */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

#define BERTH_BUILD_NOTE_PREFIX "template-"

/* (transfer full): @path without the suffix of a layer's file */
char *berth_build_store_dup_stem (const char *path);

/* (nullable): what the manifest of the layer says, where layer and manifest are there */
GVariant *berth_build_store_find (const char *image_dir, const char *layer);

/* (transfer full): the name of the newest layer of these inputs, or of one that is newer than all
 * of them, as nothing that a VM may have is ever replaced. @layer: the name of the first one */
char *berth_build_store_dup_name (const char *image_dir, const char *layer, gboolean is_new);

/* Holds what has names in @dir, until the descriptor is closed; or (@is_alone) fails where others
 * do. -1: the error says why */
int berth_build_store_hold (const char *dir, gboolean is_alone, GError **error);

/* A file without a name in @dir, which is made where it is not there; -1: the error says why.
 * However this process ends, nothing is left of it. */
int berth_build_store_open (const char *dir, GError **error);
/* Gives it a name, whole and on disk, in place of what had that. */
gboolean berth_build_store_name (const char *dir, int fd, const char *name, GError **error);
/* Both for a text */
gboolean
berth_build_store_write (const char *dir, const char *name, const char *text, GError **error);

/* (transfer full): the stem of a template's note */
char *berth_build_store_dup_note_name (const char *template_name);
/* Notes which layers the template stands on: whoever builds images reads notes, as manifests of
 * layers, and knows no folder of templates. */
gboolean berth_build_store_note (const char *image_dir, const char *template_name, char **layers,
                                 GError **error);
void berth_build_store_forget (const char *image_dir, const char *template_name);

/* Whether what is in @fd can be a layer, as far as anybody looks who never reads its contents.
 * @out_size: bytes; @out_sha256: (transfer full) */
gboolean berth_build_store_check (int fd, guint64 max_bytes, guint64 *out_size, char **out_sha256,
                                  GError **error);
/* (transfer full) (nullable): of all that is in @fd, which is at its begin again then */
char *berth_build_store_hash (int fd, GError **error);

G_END_DECLS
