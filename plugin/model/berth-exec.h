/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One program to be run. */
#pragma once

#include <gio/gio.h>

#include "plugin/model/berth-tty.h"
#include "pool/berth-types.h"

G_BEGIN_DECLS

#define BERTH_EXEC_TIMEOUT_DEFAULT_MS 30000u
#define BERTH_EXEC_STDOUT_MAX 1000000u /* captured bytes, by default (contract.md, Output) */
#define BERTH_EXEC_STDERR_MAX 100000u

/**
 * BerthExec:
 * @code: the program, as it came; or of a command its name and its arguments, a NUL behind each
 * @is_command: a program of the guest's that is executed as it stands, beside the interpreters
 * @is_entry: the template's own program; @code is empty until it is known
 * @tty: (nullable): of a command: its streams are a terminal of this size; stdout is what that
 * shows
 * @language: (nullable): its name or alias; NULL for the template's own
 * @env: (nullable) (array zero-terminated=1): "NAME=VALUE"
 * @workdir: (nullable): the guest's folder to start in, relative to the home; NULL for where the
 * interpreter is
 * @suffix: (nullable): of the file that the code is from; ".mjs" and ".cjs" say what JavaScript is
 * @is_script: a script of its own, as a run's, in a sandbox that stays
 * @is_rehearsal: the host's own, before anybody's; @keeps_state goes with it
 * @is_detached: in the background: it goes on when it has begun, whoever asked for it
 * @keeps_stdin: of that: its standard input stays open for who attaches
 * @has_no_limit: of that: @timeout_ms does not hold
 * @log_mb: of that: how much of its output is kept; MiB, 0 for the default
 * @keeps_state: run by the sandbox's own interpreter for the language, which has the state that
 * such execs before left in it, instead of as a script of its own
 * @timeout_ms: from the start of the code; milliseconds
 * @stdin_fd: -1 for none: the program reads end-of-file
 * @stdout_fd: -1 to capture it in the result
 * @stderr_fd: -1 to capture it in the result
 * @stdout_max: bytes to capture at most
 * @stderr_max: bytes to capture at most
 * @uploads_fd: of a run: a stream of berth-file-record.h with what is to be there before; -1 for
 * none
 * @downloads: (nullable) (array zero-terminated=1): of a run: paths of what is wanted after its end
 * @downloads_fd: where that goes, as such a stream; -1 for nowhere
 * @file_size_max: of each of these files; bytes
 *
 * Made by berth_exec_new(), changed by its owner until it is handed to a call. The descriptors are
 * owned by it, and are those of berth_caller_fd_take().
 */
typedef struct
{
  GBytes *code;
  gboolean is_command;
  gboolean is_entry;
  BerthTty *tty;
  char *language;
  char **env;
  char *workdir;
  char *suffix;
  gboolean is_script;
  gboolean keeps_state;
  gboolean is_rehearsal;
  gboolean is_detached;
  gboolean keeps_stdin;
  gboolean has_no_limit;
  guint log_mb;
  guint timeout_ms;
  int stdin_fd;
  int stdout_fd;
  int stderr_fd;
  gsize stdout_max;
  gsize stderr_max;
  int uploads_fd;
  char **downloads;
  int downloads_fd;
  guint64 file_size_max;
} BerthExec;

BerthExec *berth_exec_new (GBytes *code);
/* (transfer full): the code of a command */
GBytes *berth_exec_pack_command (const char *const *argv);
/* Of one that is_entry: what that is. @workdir: (nullable): where it starts unless it was told */
void berth_exec_set_entry (BerthExec *self, const char *const *argv, const char *workdir);
void berth_exec_free (BerthExec *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BerthExec, berth_exec_free)
/* Every rule of contract.md's Input; drops a leading U+FEFF. Fails with BERTH_ERROR_INVALID. */
/* Variables that it has, too, unless it has its own values for them. */
gboolean berth_exec_add_env (BerthExec *self, const char *const *env, GError **error);
gboolean berth_exec_check (BerthExec *self, GError **error);

G_END_DECLS
