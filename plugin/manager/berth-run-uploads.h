/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a run's caller wants in its sandbox before the program starts. */
#pragma once

#include "plugin/manager/berth-sandbox.h"

G_BEGIN_DECLS

/* Reads a stream of berth-file-record.h from @fd, which it takes over, and carries one file or
 * folder after the other into @sandbox, none larger than @size_max. Fails with the first that can't
 * be, and where the stream ends before its end or says nothing for the sandbox's idle time. */
void berth_run_uploads_async (BerthSandbox *sandbox, BerthHost *host, int fd, guint64 size_max,
                              GCancellable *cancellable, GAsyncReadyCallback callback,
                              gpointer user_data);
/* *@out_count: files and folders; *@out_bytes: of the files */
gboolean berth_run_uploads_finish (BerthSandbox *sandbox, GAsyncResult *result, guint *out_count,
                                   guint64 *out_bytes, GError **error);

G_END_DECLS
