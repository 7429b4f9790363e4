/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The template that a new one stands on, and the file of the new one. */
#pragma once

#include "plugin/build/berth-build-image.h"
#include "plugin/build/berth-build-spec.h"
#include "plugin/config/berth-config.h"

G_BEGIN_DECLS

/**
 * BerthBuildBase:
 * @path: of its file
 * @language: of its VMs
 * @layers: (array zero-terminated=1): by their contents, lowest first; of an image, none
 * @builder: (nullable): likewise, the one of the VM that builds
 */
typedef struct
{
  char *path;
  char *language;
  GStrv layers;
  char *builder;
} BerthBuildBase;

BerthBuildBase *
berth_build_base_load (const BerthConfig *config, const BerthBuildSpec *spec, GError **error);
void berth_build_base_free (BerthBuildBase *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BerthBuildBase, berth_build_base_free)

/* (transfer full): a template with @layer on top of the base's, and what @image and @spec say.
 * @image: (nullable); @layer: (nullable) */
char *berth_build_base_dup_template (BerthBuildBase *self, const BerthBuildSpec *spec,
                                     const BerthBuildImage *image, const char *layer,
                                     const char *path, const char *schema, GError **error);

G_END_DECLS
