/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The guest's images, as images.json names them: kernel, initramfs, layers. */
#pragma once

#include <gio/gio.h>

#include "pool/berth-types.h"

G_BEGIN_DECLS

typedef struct _BerthImages BerthImages; /* immutable, atomically reference counted */

/* Fails with BERTH_ERROR_CONFIG: the file, what is wrong with it, and how to build it. */
BerthImages *berth_images_load (const char *dir, GError **error);
/* The same of the text of images.json in @dir. berth_images_is_current() is never TRUE of it. */
BerthImages *berth_images_parse (const char *dir, const char *text, gsize length, GError **error);
BerthImages *berth_images_ref (BerthImages *self);
void berth_images_unref (BerthImages *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BerthImages, berth_images_unref)

/* FALSE when images.json has been replaced since. */
gboolean berth_images_is_current (BerthImages *self);

const char *berth_images_get_kernel (BerthImages *self); /* absolute paths */
const char *berth_images_get_initramfs (BerthImages *self);
/* The layer with which templates are built. */
#define BERTH_IMAGES_BUILDER "builder"
/* Where the layers of templates that were built are, below the folder of the image. */
#define BERTH_IMAGES_BUILT "built"
/* (transfer full): paths of these layers, lowest first. A name is one of images.json, or else that
 * of a file: of a layer that images.json named once, or of a template that was built. Fails with
 * BERTH_ERROR_CONFIG where there is none, or it can't be read. */
char **berth_images_dup_layers (BerthImages *self, const char *const *names, GError **error);
/* Checksums of kernel, initramfs and these layers as one: what a snapshot is valid for. */
char *berth_images_dup_digest (BerthImages *self, const char *const *names);

G_END_DECLS
