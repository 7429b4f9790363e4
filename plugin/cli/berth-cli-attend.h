/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A program of a sandbox at our terminal. */
#pragma once

#include "plugin/cli/berth-cli-client.h"

G_BEGIN_DECLS

gboolean berth_attend_check (GError **error);
gboolean berth_attend_add (GVariantDict *options, GError **error);
GVariant *berth_attend (BerthClient *client, const char *id, GVariantDict *options, GError **error);
GVariant *
berth_attend_new (BerthClient *client, const char *id, GVariantDict *options, GError **error);
GVariant *berth_attend_to (BerthClient *client, const char *id, guint32 exec, gboolean only_looks,
                           GError **error);

G_END_DECLS
