/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How the command tells its caller what happened: exit status, line on stderr, JSON object. */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* Exit statuses that are berth's own; others are the program's (design.md, Interfaces). */
#define BERTH_EXIT_OK 0
#define BERTH_EXIT_FINDINGS 1
#define BERTH_EXIT_INVALID 2
#define BERTH_EXIT_TIMED_OUT 124
#define BERTH_EXIT_FAILED 125
#define BERTH_EXIT_CAPACITY 126
#define BERTH_EXIT_SIGNAL_BASE 128

int berth_report_status_of_error (const GError *error);
int berth_report_error (const GError *error);
int berth_report_status_of_result (GVariant *result);
gboolean berth_report_left (GVariant *result);
void berth_report_note (const char *text);
int berth_report_json (GVariant *value);
int berth_report_text (const char *text);
GVariant *berth_report_error_to_variant (const GError *error);
GVariant *berth_report_failure_object (const GError *error);
GVariant *berth_report_result_object (GVariant *result, const GError *error);
void berth_report_die_of_broken_pipe (void) G_GNUC_NORETURN;

G_END_DECLS
