/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The end of a template that was built or pulled. */
#pragma once

#include "plugin/build/berth-build-spec.h"
#include "plugin/config/berth-config.h"
#include "plugin/libberth/berth-client.h"

G_BEGIN_DECLS

/* Removes the template that @spec names, with its snapshot and warm VMs, unless somebody has a
 * sandbox or a checkpoint of it, or another template is built from it. Of a template that neither
 * was built nor pulled, snapshot and warm VMs are all that goes. */
gboolean berth_build_remove (const BerthBuildSpec *spec, const BerthConfig *config,
                             BerthClient *client, GError **error);

G_END_DECLS
