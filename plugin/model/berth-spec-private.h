/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gunixfdlist.h>

#include "plugin/model/berth-spec.h"
#include "plugin/model/berth-stage.h"

G_BEGIN_DECLS

gboolean berth_spec_check_name (const char *what, const char *name, GError **error);
gboolean berth_spec_write (BerthSpec *self, GVariantDict *options, GUnixFDList *fds,
                           gboolean is_create, GError **error);
/* Whether anybody listens to its progress, and telling them */
gboolean berth_spec_has_listeners (BerthSpec *self);
void berth_spec_tell (BerthSpec *self, const BerthStage *stage);

G_END_DECLS
