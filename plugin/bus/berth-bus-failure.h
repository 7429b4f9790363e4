/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The words for a call to berthd that failed. */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* What berthd said: (transfer full) of (transfer full) @answer, in a domain of berth's whatever it
 * was. */
GError *berth_bus_failure_of_answer (GError *answer);
/* Why @connection, berth_dial()'s, brought no answer: (transfer full). @ran_code: of a Run or an
 * Exec, whose program may have run */
GError *
berth_bus_failure_of_silence (GDBusConnection *connection, const GError *cause, gboolean ran_code);

G_END_DECLS
