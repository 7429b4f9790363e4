/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gunixfdlist.h>

#include "plugin/model/berth-program.h"

G_BEGIN_DECLS

gboolean
berth_program_write (BerthProgram *self, GVariantDict *options, GUnixFDList *fds, GError **error);

G_END_DECLS
