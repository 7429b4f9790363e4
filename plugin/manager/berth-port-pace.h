/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How many may come in a second: to all published ports of one user together, for who connects to
 * them keeps the main thread from others otherwise. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef struct _BerthPortPace BerthPortPace;

/* Counted references. Any thread, as are all calls. */
BerthPortPace *berth_port_pace_new (guint most);
BerthPortPace *berth_port_pace_ref (BerthPortPace *self);
void berth_port_pace_unref (BerthPortPace *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BerthPortPace, berth_port_pace_unref)
/* One more comes at @now_us. FALSE: not in this second. */
gboolean berth_port_pace_take (BerthPortPace *self, gint64 now_us);

G_END_DECLS
