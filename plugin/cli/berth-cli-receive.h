/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A run's downloads as they come: which local file each byte is. */
#pragma once

#include "plugin/cli/berth-cli-transfer.h"
#include "plugin/model/berth-file-record.h"

G_BEGIN_DECLS

/**
 * BerthReceiver:
 * @fd: berthd's stream; a socket that waits, borrowed
 * @is_lost: it had an end before it was told
 *
 * Starts as zeros but for @fd.
 */
typedef struct
{
  int fd;
  gboolean is_lost;
  BerthFileRecordReader reader;
} BerthReceiver;

/* Writes the next item of the stream, which is @guest's, to @local, as berth_copy_tree_get(). For a
 * thread that may wait. On failure, the next item can be received unless the stream is lost. */
gboolean berth_receiver_take_item (BerthReceiver *self, BerthTransfer *transfer, const char *guest,
                                   const char *local, GError **error);

G_END_DECLS
