/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Brings an image to this host as it is: its parts, packed, which only a VM looks into. */
#pragma once

#include "plugin/build/berth-build-spec.h"

G_BEGIN_DECLS

/* A tar of an OCI layout, without a name; -1: the error says why. @out_reference: (transfer full):
 * which of its images is meant, "" where there is one only */
int berth_build_fetch (const BerthBuildSpec *spec, char **out_reference, GError **error);

G_END_DECLS
