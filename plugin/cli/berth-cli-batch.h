/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Small files between folders and a sandbox, several on their way at once: what each costs is
 * waiting for the guest, for the most part. */
#pragma once

#include "plugin/cli/berth-cli-transfer.h"

G_BEGIN_DECLS

typedef struct _BerthBatch BerthBatch;

/* One is over. @error: (transfer full) (nullable); @size: of it, where there is none */
typedef void (*BerthBatchFunc) (guint64 size, GError *error, gpointer user_data);

/* @transfer is borrowed. @max_total: bytes that may come from the sandbox. @func is called from the
 * default main context, which each function below but berth_batch_takes() may run. */
BerthBatch *berth_batch_new (BerthTransfer *transfer, guint64 max_total, BerthBatchFunc func,
                             gpointer user_data);
/* Waits for all that is on its way. */
void berth_batch_free (BerthBatch *self);
void berth_batch_wait (BerthBatch *self);

/* Whether a file of @size bytes is small enough */
gboolean berth_batch_takes (guint64 size);
/* @fd: borrowed, read at once: @size bytes */
void berth_batch_put (BerthBatch *self, int fd, guint64 size, guint32 mode, const char *guest);
/* What comes is @name in @folder_fd, borrowed. @max_bytes: as of berth_transfer_get(), and of any
 * size; @local is for messages. */
void berth_batch_get (BerthBatch *self, const char *guest, guint64 max_bytes, int folder_fd,
                      const char *name, const char *local);

G_END_DECLS
