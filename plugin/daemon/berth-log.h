/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where berthd's log goes: the journal where it is one, else one plain line on standard error. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

void berth_log_install (gboolean foreground);

G_END_DECLS
