/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is wanted of an exec in the background: which of its streams, and from when on. */
#pragma once

#include <gio/gio.h>

#include "berth-macros.h"

G_BEGIN_DECLS

#define BERTH_TYPE_ATTACHMENT (berth_attachment_get_type ())
BERTH_AVAILABLE
G_DECLARE_FINAL_TYPE (BerthAttachment, berth_attachment, BERTH, ATTACHMENT, GObject)

BERTH_AVAILABLE BerthAttachment *berth_attachment_new (guint exec);
BERTH_AVAILABLE void berth_attachment_set_since (BerthAttachment *self, gint64 since_us);
BERTH_AVAILABLE void
berth_attachment_set_terminal (BerthAttachment *self, guint rows, guint columns);
BERTH_AVAILABLE GOutputStream *berth_attachment_open_stdin (BerthAttachment *self, GError **error);
BERTH_AVAILABLE GInputStream *berth_attachment_open_stdout (BerthAttachment *self, GError **error);
BERTH_AVAILABLE GInputStream *berth_attachment_open_stderr (BerthAttachment *self, GError **error);

G_END_DECLS
