/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What may be asked about the execs that a sandbox has in the background, and what comes of it. */
#pragma once

#include <gio/gio.h>

#include "plugin/model/berth-result-private.h"
#include "plugin/model/berth-tty.h"

G_BEGIN_DECLS

/**
 * BerthBackgroundKind:
 * @BERTH_BACKGROUND_LIST: which there are
 * @BERTH_BACKGROUND_ATTACH: what one has written, and its end
 * @BERTH_BACKGROUND_SIGNAL: a signal for one
 *
 * What is asked.
 */
typedef enum
{
  BERTH_BACKGROUND_LIST,
  BERTH_BACKGROUND_ATTACH,
  BERTH_BACKGROUND_SIGNAL,
} BerthBackgroundKind;

/**
 * BerthBackgroundRequest:
 * @kind: what is asked
 * @exec: its number; of all but a list
 * @signal: 1 to 64; 0: it is to end, SIGTERM first and SIGKILL behind it
 * @follows: of attach: until it ends, and not only what there is
 * @limit_ms: of attach, where it follows: how long it runs at the most; milliseconds, 0: no limit.
 *   A guest that has not told its end when that is well over is done with.
 * @since_us: of attach: only what was written from then on; microseconds since 1970, 0: all
 * @tty: (nullable): of attach with @stdin_fd: it is a terminal of this size
 * @stdin_fd: of attach: its standard input; -1 for none
 * @stdout_fd: of attach: where its output goes; -1 for nowhere
 * @stderr_fd: of attach: the same; with neither, its end alone is of interest
 *
 * The descriptors are owned by it, and are those of berth_caller_fd_take().
 */
typedef struct
{
  BerthBackgroundKind kind;
  guint32 exec;
  guint32 signal;
  gboolean follows;
  guint limit_ms;
  guint64 since_us;
  BerthTty *tty;
  int stdin_fd;
  int stdout_fd;
  int stderr_fd;
} BerthBackgroundRequest;

/**
 * BerthBackgroundResult:
 * @execs: (nullable): aa{sv}: of a list
 * @end: (nullable): of attach: how it ended; NULL: it has not
 * @lost_bytes: of attach: of its output, that fell out before it could be told
 *
 * What came of it.
 */
typedef struct
{
  GVariant *execs;
  BerthResult *end;
  guint64 lost_bytes;
} BerthBackgroundResult;

BerthBackgroundRequest *berth_background_request_new (BerthBackgroundKind kind, guint32 exec);
void berth_background_request_free (BerthBackgroundRequest *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BerthBackgroundRequest, berth_background_request_free)

void berth_background_result_free (BerthBackgroundResult *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BerthBackgroundResult, berth_background_result_free)
/* (transfer floating): a{sv}: what Attach answers */
GVariant *berth_background_result_to_variant (const BerthBackgroundResult *self);

G_END_DECLS
