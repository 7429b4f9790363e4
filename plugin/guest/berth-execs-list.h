/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A guest's list of its background execs, read. */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* (transfer full) (nullable): aa{sv}, in the order in which they began: "exec" (u), "state" (s:
 * "running", "ended", "failed"), "command" (s: what it runs, as far as that is kept), "kind" (s:
 * "code" or "command"), "begun" (d: seconds since 1970), "age_s" (d: since then, at @now_us),
 * "wall_ms", "cpu_ms", "memory_mb" (d: now; the most of one that has ended), "kept_bytes" and
 * "lost_bytes" (t: of its output), and of one that has ended "exit_code" (i; absent as in a
 * result), "timed_out" and "oom" (b). NULL with BERTH_PROTOCOL_ERROR. */
GVariant *berth_execs_list_parse (const guint8 *bytes, gsize size, guint32 version, gint64 now_us,
                                  GError **error);

G_END_DECLS
