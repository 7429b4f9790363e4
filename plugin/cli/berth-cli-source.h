/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where the code comes from, and in which language it is. */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/**
 * BerthCliSource:
 * @code: the program; of a command berth_exec_pack_command()'s
 * @template_name: what it runs in; NULL for the sandbox's own
 * @suffix: (nullable): of the file that it is from
 * @took_stdin: standard input was the code, so the program has none
 */
typedef struct
{
  GBytes *code;
  char *template_name;
  char *suffix;
  gboolean took_stdin;
} BerthCliSource;

/* @argument NULL: from standard input */
gboolean berth_cli_source_load_run (BerthCliSource *self, const char *argument,
                                    const char *language, GError **error);
gboolean berth_cli_source_load_exec (BerthCliSource *self, const char *argument, GError **error);
/* @argv: a program of the guest and its arguments; @language: of run, else NULL */
gboolean berth_cli_source_load_command (BerthCliSource *self, char **argv, const char *language,
                                        GError **error);
/* What the template runs where nobody gives code */
void berth_cli_source_load_entry (BerthCliSource *self, const char *template_name);
void berth_cli_source_clear (BerthCliSource *self);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (BerthCliSource, berth_cli_source_clear)

char *berth_cli_source_dup_template (const char *language, GError **error);

G_END_DECLS
