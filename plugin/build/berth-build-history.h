/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a template was made of, layer by layer. */
#pragma once

#include "plugin/build/berth-build-spec.h"
#include "plugin/config/berth-config.h"

G_BEGIN_DECLS

/* Tells on standard output what is known of the layers of the template that @spec names. */
gboolean
berth_build_history (const BerthBuildSpec *spec, const BerthConfig *config, GError **error);

G_END_DECLS
