/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One file, or one page of a folder, between a sandbox and an open descriptor of ours. */
#pragma once

#include "plugin/base/berth-sha256.h"
#include "plugin/cli/berth-cli-client.h"

G_BEGIN_DECLS

/**
 * BerthTransfer:
 * @client: borrowed
 * @id: of the sandbox, borrowed
 * @max_bytes: of one file
 * @is_quiet: no progress on a terminal
 * @records: of a run: its uploads' stream, a socket that waits, in place of @client and @id; 0 for
 * none. What is put is written to it by a thread of its own.
 * @item: of a run: which of its uploads
 *
 * What the transfers of one verb share.
 */
typedef struct
{
  BerthClient *client;
  const char *id;
  guint64 max_bytes;
  gboolean is_quiet;
  int records;
  guint item;
} BerthTransfer;

/**
 * BerthIntake:
 *
 * One file's bytes, as they come in a run's downloads.
 */
typedef struct _BerthIntake BerthIntake;

/* @from and @to are borrowed; @keeps_holes: @to is a file of ours, new */
BerthIntake *berth_intake_new (int from, int to, gboolean keeps_holes);
void berth_intake_free (BerthIntake *self);
/* Takes @size bytes from @from, wherever they go then; @self may be NULL. FALSE: they are not there
 */
gboolean berth_intake_take (BerthIntake *self, int from, guint64 size);
/* Whether all was written, and is what was sent */
gboolean berth_intake_check (BerthIntake *self, guint64 size, const char *sha256, const char *guest,
                             const char *local, GError **error);

/* @fd stands at the beginning of @size bytes. */
gboolean berth_transfer_put (BerthTransfer *self, int fd, guint64 size, guint32 mode,
                             const char *guest, GError **error);
gboolean berth_transfer_make_directory (BerthTransfer *self, guint32 mode, const char *guest,
                                        GError **error);
/* Writes to @fd, whose name is for messages; what was written is the file only if this succeeds.
 * @max_bytes: as the transfer's, or less */
gboolean
berth_transfer_get (BerthTransfer *self, const char *guest, guint64 max_bytes, int fd,
                    const char *local, guint32 *out_mode, guint64 *out_size, GError **error);
/* A file of ours whose bytes fail, with errno @number, has no more of them next time. */
void berth_transfer_fail_to_read (const char *guest, int number, GError **error);
/* berthd compared what it sent with the guest's; this is the rest of the way. @info: as Get of the
 * D-Bus interface has it */
gboolean berth_transfer_check_arrived (const char *guest, guint64 moved, struct sha256_ctx *arrived,
                                       GVariant *info, GError **error);
gboolean berth_transfer_check_sum (const char *guest, guint64 moved, struct sha256_ctx *arrived,
                                   guint64 size, const char *sum, GError **error);
/* (transfer full): (aa{sv}a{sv}), as Ls of the D-Bus interface. @after (nullable) */
GVariant *berth_transfer_list (BerthTransfer *self, const char *guest, const char *after,
                               guint limit, GError **error);
/* A file without a name that has all bytes of @fd, or, if there is a @path (nullable), of what is
 * there, at its beginning; -1 with @error. @fd is not closed, and read until the process ends when
 * a signal ended the command. */
int berth_transfer_spool (BerthTransfer *self, int fd, const char *path, guint64 *out_size,
                          GError **error);

G_END_DECLS
