/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a run's caller wants of its sandbox after the program's end. */
#pragma once

#include "plugin/manager/berth-sandbox.h"

G_BEGIN_DECLS

/* Writes what @paths name, files or folders with all in them, to @fd, which it takes over, as a
 * stream of berth-file-record.h. Never fails: what could not be carried is told in the stream, and
 * of the rest where the reader goes away, does not read for the sandbox's idle time, or cancels. */
void
berth_run_downloads_async (BerthSandbox *sandbox, BerthHost *host, int fd, const char *const *paths,
                           guint64 size_max, GCancellable *cancellable,
                           GAsyncReadyCallback callback, gpointer user_data);
/* (transfer container) (element-type BerthDownload): one for each path */
GPtrArray *berth_run_downloads_finish (BerthSandbox *sandbox, GAsyncResult *result);

G_END_DECLS
