/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A berthd of a test's own, and what it logs. */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

#define BERTHD_MAX_VMS "2"

typedef struct
{
  GSubprocess *process; /* NULL: stopped */
  GDataInputStream *log;
  const char *snapshot_scope; /* NULL: "none": every VM is somebody's, and boots */
} BerthdProcess;

/* Starts the one that BERTHD names in the environment; returns when it is ready. */
void berthd_process_start (BerthdProcess *self, const char *socket_path);
/* (transfer full): a client of the one at @socket_path */
GDBusConnection *berthd_process_connect (const char *socket_path);
/* Whether it ended with success. */
gboolean berthd_process_stop (BerthdProcess *self, int signal_number);
/* Reads its log until a line has @part. */
void berthd_process_expect_log (BerthdProcess *self, const char *part);

G_END_DECLS
