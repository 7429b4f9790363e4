/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One layer, from its inputs to its file and manifest in the folder of the image. */
#pragma once

#include "plugin/build/berth-build-inputs.h"
#include "plugin/libberth/berth-client.h"

G_BEGIN_DECLS

/**
 * BerthBuildOutcome:
 * @size: of the layer's file, bytes
 * @seconds: that all of it took
 */
typedef struct
{
  guint64 size;
  double seconds;
} BerthBuildOutcome;

/* The text of guest.sh, and of image.py */
const char *berth_build_layer_get_script (void);
const char *berth_build_layer_get_image_script (void);
/* Has it built, and gives it its name when it is whole. Equal inputs make one name: of two that
 * build it at a time, both have it. */
gboolean
berth_build_layer_make (const BerthBuildSpec *spec, const BerthConfig *config,
                        const BerthBuildBase *base, const BerthBuildInputs *inputs,
                        BerthClient *client, BerthBuildOutcome *out_outcome, GError **error);

G_END_DECLS
