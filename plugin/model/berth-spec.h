/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What kind of sandbox a program asks for. */
#pragma once

#include <gio/gio.h>

#include "berth-macros.h"

G_BEGIN_DECLS

/**
 * BERTH_WAIT_DEFAULT:
 *
 * Wait at capacity for as long as berthd's configuration says.
 */
#define BERTH_WAIT_DEFAULT (-2)
/**
 * BERTH_WAIT_FOREVER:
 *
 * Wait at capacity however long it takes.
 */
#define BERTH_WAIT_FOREVER (-1)
/**
 * BERTH_WAIT_NOT:
 *
 * Fail at capacity with %BERTH_ERROR_NO_CAPACITY.
 */
#define BERTH_WAIT_NOT 0

#define BERTH_TYPE_SPEC (berth_spec_get_type ())
BERTH_AVAILABLE
G_DECLARE_FINAL_TYPE (BerthSpec, berth_spec, BERTH, SPEC, GObject)

BERTH_AVAILABLE BerthSpec *berth_spec_new (const char *template_name);
BERTH_AVAILABLE void berth_spec_set_memory_mb (BerthSpec *self, guint memory_mb);
BERTH_AVAILABLE void berth_spec_set_tenant (BerthSpec *self, const char *tenant);
BERTH_AVAILABLE void berth_spec_set_task (BerthSpec *self, const char *task);
BERTH_AVAILABLE void berth_spec_set_attached (BerthSpec *self, gboolean attached);
BERTH_AVAILABLE void berth_spec_set_idle_timeout_ms (BerthSpec *self, guint idle_timeout_ms);
BERTH_AVAILABLE void berth_spec_set_idle_hibernate_ms (BerthSpec *self, guint idle_hibernate_ms);
BERTH_AVAILABLE void berth_spec_set_idle_pause_ms (BerthSpec *self, guint idle_pause_ms);
BERTH_AVAILABLE void berth_spec_set_allow (BerthSpec *self, const char *const *allow);
BERTH_AVAILABLE void berth_spec_set_allow_all (BerthSpec *self, gboolean allow_all);
BERTH_AVAILABLE void berth_spec_set_cold (BerthSpec *self, gboolean cold);
BERTH_AVAILABLE void berth_spec_set_builder (BerthSpec *self, gboolean builder);
BERTH_AVAILABLE void berth_spec_set_wait_gone (BerthSpec *self, gboolean wait_gone);
BERTH_AVAILABLE void berth_spec_set_wait_ms (BerthSpec *self, gint64 wait_ms);

BERTH_AVAILABLE GInputStream *berth_spec_open_boot_log (BerthSpec *self, GError **error);
BERTH_AVAILABLE gboolean berth_spec_set_boot_log_fd (BerthSpec *self, int fd, GError **error);

G_END_DECLS
