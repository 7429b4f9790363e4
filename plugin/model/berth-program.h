/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is run in a sandbox, and where its streams go. */
#pragma once

#include <gio/gio.h>

#include "berth-macros.h"

G_BEGIN_DECLS

#define BERTH_TYPE_PROGRAM (berth_program_get_type ())
BERTH_AVAILABLE
G_DECLARE_FINAL_TYPE (BerthProgram, berth_program, BERTH, PROGRAM, GObject)

BERTH_AVAILABLE BerthProgram *berth_program_new (const char *code);
BERTH_AVAILABLE BerthProgram *berth_program_new_for_bytes (GBytes *code);
BERTH_AVAILABLE BerthProgram *berth_program_new_for_command (const char *const *argv);
BERTH_AVAILABLE BerthProgram *berth_program_new_for_entry (void);
BERTH_AVAILABLE void berth_program_set_terminal (BerthProgram *self, guint rows, guint columns);
BERTH_AVAILABLE void berth_program_set_language (BerthProgram *self, const char *language);
BERTH_AVAILABLE void berth_program_set_timeout_ms (BerthProgram *self, guint timeout_ms);
BERTH_AVAILABLE void
berth_program_set_environment (BerthProgram *self, const char *const *environment);
BERTH_AVAILABLE void berth_program_set_suffix (BerthProgram *self, const char *suffix);
BERTH_AVAILABLE void berth_program_set_workdir (BerthProgram *self, const char *workdir);
BERTH_AVAILABLE void berth_program_set_log_mb (BerthProgram *self, guint log_mb);

BERTH_AVAILABLE void
berth_program_add_upload (BerthProgram *self, const char *path, GBytes *content, guint mode);
BERTH_AVAILABLE void berth_program_add_download (BerthProgram *self, const char *path);
BERTH_AVAILABLE void berth_program_set_download_max (BerthProgram *self, guint64 max_bytes);

BERTH_AVAILABLE GOutputStream *berth_program_open_stdin (BerthProgram *self, GError **error);
BERTH_AVAILABLE GInputStream *berth_program_open_stdout (BerthProgram *self, GError **error);
BERTH_AVAILABLE GInputStream *berth_program_open_stderr (BerthProgram *self, GError **error);

BERTH_AVAILABLE gboolean berth_program_set_stdin_fd (BerthProgram *self, int fd, GError **error);
BERTH_AVAILABLE gboolean berth_program_set_stdout_fd (BerthProgram *self, int fd, GError **error);
BERTH_AVAILABLE gboolean berth_program_set_stderr_fd (BerthProgram *self, int fd, GError **error);

G_END_DECLS
