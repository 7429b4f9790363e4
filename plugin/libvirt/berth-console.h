/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a guest wrote to its console, made safe to show. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* UTF-8. Guests write their console: nothing that is left of @text steers a terminal. */
void berth_console_make_printable (char *text);

/* (transfer full) (nullable): what the file begins with, as it is but in UTF-8; NULL where it can't
 * be read */
char *berth_console_dup_head (const char *path);

/* (transfer full) (nullable): the last @lines lines of the file, printable characters only; NULL
 * where it can't be read or is empty */
char *berth_console_dup_tail (const char *path, guint lines);

/* (transfer full): @told, what the console at @path (nullable) ends with, or that it is silent, and
 * for a boot (@is_boot) what its reader does next; one line */
char *berth_console_explain (const char *path, const char *told, gboolean is_boot);

/* (transfer full) (nullable): where virtlogd writes the console of a domain that boots: beside
 * libvirt's own log of it, where virtlogd may write under every confinement */
char *berth_console_dup_log_path (const char *uri, const char *domain_name);
/* Removes it and libvirt's own log of the domain, and what virtlogd has rotated of both: whoever
 * goes through thousands of domains would fill the folder. */
void berth_console_remove_logs (const char *uri, const char *domain_name);

G_END_DECLS
