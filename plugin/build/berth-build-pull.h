/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A template from a registry. */
#pragma once

#include "plugin/build/berth-build-spec.h"
#include "plugin/config/berth-config.h"

G_BEGIN_DECLS

/* Fetches the template and the layers that are not here. All of it is there at the end, or nothing
 * that a template could name. */
gboolean berth_build_pull (const BerthBuildSpec *spec, const BerthConfig *config, GError **error);

G_END_DECLS
