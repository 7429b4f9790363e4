/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a call takes of an attachment. */
#pragma once

#include <gio/gunixfdlist.h>

#include "plugin/libberth/berth-attachment.h"
#include "plugin/model/berth-tty.h"

G_BEGIN_DECLS

/* (transfer floating) (nullable): (ua{sv}): its arguments of Attach behind the id; what it opened
 * goes to @fds. NULL with BERTH_ERROR_INVALID where it was used already. */
GVariant *berth_attachment_take_arguments (BerthAttachment *self, GUnixFDList *fds, GError **error);
/* (nullable) (transfer none) */
BerthTty *berth_attachment_get_tty (BerthAttachment *self);

G_END_DECLS
