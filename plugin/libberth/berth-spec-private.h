/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "plugin/libberth/berth-spec.h"

G_BEGIN_DECLS

gboolean berth_spec_check_name (const char *what, const char *name, GError **error);
gboolean berth_spec_write (BerthSpec *self, GVariantDict *options, GError **error);

G_END_DECLS
