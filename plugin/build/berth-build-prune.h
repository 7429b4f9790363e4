/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The end of layers that no template names. */
#pragma once

#include "plugin/build/berth-build-spec.h"
#include "plugin/config/berth-config.h"
#include "plugin/libberth/berth-client.h"

G_BEGIN_DECLS

/* Removes layers that were built, that no template names, neither a file's nor one that the berthd
 * of
 * @client has, and that no process has open. @out_bytes: what they had */
gboolean berth_build_prune (const BerthConfig *config, BerthClient *client, gboolean is_quiet,
                            guint64 *out_bytes, GError **error);

G_END_DECLS
