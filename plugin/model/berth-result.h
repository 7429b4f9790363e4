/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How a program ended. */
#pragma once

#include <gio/gio.h>

#include "berth-macros.h"

G_BEGIN_DECLS

#define BERTH_TYPE_RESULT (berth_result_get_type ())

typedef struct _BerthResult BerthResult;

BERTH_AVAILABLE GType berth_result_get_type (void);
BERTH_AVAILABLE BerthResult *berth_result_copy (const BerthResult *self);
BERTH_AVAILABLE void berth_result_free (BerthResult *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BerthResult, berth_result_free)

BERTH_AVAILABLE int berth_result_get_exit_code (const BerthResult *self);
BERTH_AVAILABLE gboolean berth_result_get_timed_out (const BerthResult *self);
BERTH_AVAILABLE gboolean berth_result_get_oom (const BerthResult *self);

BERTH_AVAILABLE const char *berth_result_get_stdout (const BerthResult *self);
BERTH_AVAILABLE const char *berth_result_get_stderr (const BerthResult *self);
BERTH_AVAILABLE GBytes *berth_result_get_stdout_bytes (const BerthResult *self);
BERTH_AVAILABLE GBytes *berth_result_get_stderr_bytes (const BerthResult *self);
BERTH_AVAILABLE gboolean berth_result_get_stdout_truncated (const BerthResult *self);
BERTH_AVAILABLE gboolean berth_result_get_stderr_truncated (const BerthResult *self);

BERTH_AVAILABLE guint berth_result_get_upload_count (const BerthResult *self);
BERTH_AVAILABLE guint64 berth_result_get_upload_bytes (const BerthResult *self);
BERTH_AVAILABLE char **berth_result_list_downloads (const BerthResult *self);
BERTH_AVAILABLE GBytes *
berth_result_get_download (const BerthResult *self, const char *path, GError **error);

BERTH_AVAILABLE const char *berth_result_get_template (const BerthResult *self);
BERTH_AVAILABLE const char *berth_result_get_sandbox_id (const BerthResult *self);
BERTH_AVAILABLE const char *berth_result_get_start (const BerthResult *self);
BERTH_AVAILABLE gboolean berth_result_get_destroy_unconfirmed (const BerthResult *self);

BERTH_AVAILABLE double berth_result_get_wait_ms (const BerthResult *self);
BERTH_AVAILABLE double berth_result_get_start_ms (const BerthResult *self);
BERTH_AVAILABLE double berth_result_get_exec_ms (const BerthResult *self);
BERTH_AVAILABLE double berth_result_get_destroy_ms (const BerthResult *self);
BERTH_AVAILABLE double berth_result_get_total_ms (const BerthResult *self);
BERTH_AVAILABLE double berth_result_get_cpu_ms (const BerthResult *self);
BERTH_AVAILABLE double berth_result_get_memory_peak_mb (const BerthResult *self);

G_END_DECLS
