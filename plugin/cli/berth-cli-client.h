/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The command's connection to berthd, and what Ctrl-C does to it. */
#pragma once

#include <gio/gio.h>
#include <gio/gunixfdlist.h>

#include "plugin/cli/berth-cli-progress.h"

G_BEGIN_DECLS

typedef struct _BerthClient BerthClient;

BerthClient *berth_client_new (const char *socket_path, GError **error);
void berth_client_free (BerthClient *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BerthClient, berth_client_free)

void berth_client_set_progress (BerthClient *self, BerthProgress *progress);
GVariant *berth_client_call (BerthClient *self, const char *method, GVariant *arguments,
                             const char *reply_type, GUnixFDList *fds, GError **error);
void berth_client_call_async (BerthClient *self, const char *method, GVariant *arguments,
                              const char *reply_type, GUnixFDList *fds,
                              GAsyncReadyCallback callback, gpointer user_data);
GVariant *
berth_client_call_finish (BerthClient *self, GObject *source, GAsyncResult *result, GError **error);
GVariant *berth_client_call_admin (BerthClient *self, const char *method, GVariant *arguments,
                                   const char *reply_type, GError **error);
int berth_client_get_signal (BerthClient *self);
gint64 berth_client_get_last_words_us (BerthClient *self);
int berth_client_report (BerthClient *self, const GError *error);
void berth_client_pause (BerthClient *self, guint delay_ms, const gboolean *is_over);
void berth_client_interrupt (BerthClient *self, int number);
void berth_client_tell (BerthClient *self, const char *method, GVariant *arguments);
void berth_client_resize (BerthClient *self, guint rows, guint columns);
void berth_client_withdraw (BerthClient *self);

G_END_DECLS
