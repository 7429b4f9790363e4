/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A template to a registry. */
#pragma once

#include "plugin/build/berth-build-spec.h"
#include "plugin/config/berth-config.h"

G_BEGIN_DECLS

/* Sends the template that @spec names, its layers, and its signature where there is a key. */
gboolean berth_build_push (const BerthBuildSpec *spec, const BerthConfig *config, GError **error);

G_END_DECLS
