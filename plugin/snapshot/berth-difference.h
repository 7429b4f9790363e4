/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a clone has changed of the memory that it was made of. QEMU streams all of a VM's state;
 * what is left of it without the pages that are the same in the snapshot's RAM file is a stream,
 * too, which any clone of that file loads: the difference. Blocking calls, any thread. */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* What a stream may have beside the RAM: devices of a VM of ours take 0.5 MB (measured). */
#define BERTH_DIFFERENCE_MORE_BYTES (64u << 20)

/**
 * BerthDifferenceBase:
 * @block: what QEMU calls the RAM
 * @fd: the RAM file
 * @size: of the RAM; bytes
 * @max_bytes: that the difference may have; 0: any number
 * @end_us: the stream has to be through then, monotonic; 0: whenever it is
 */
typedef struct
{
  const char *block;
  int fd;
  guint64 size;
  guint64 max_bytes;
  gint64 end_us;
} BerthDifferenceBase;

/**
 * BerthDifferenceStats:
 * @pages: of the RAM that were in the stream
 * @kept: of these, which differ
 * @in_bytes: of the stream
 * @out_bytes: of the difference
 */
typedef struct
{
  guint64 pages;
  guint64 kept;
  guint64 in_bytes;
  guint64 out_bytes;
} BerthDifferenceStats;

/**
 * berth_difference_split:
 * @in: QEMU's end of it writes the stream; read until its end
 * @out: takes the difference
 * @base: what the RAM is a private mapping of
 * @cancellable: (nullable): ends the wait for more
 * @out_stats: (out caller-allocates)
 *
 * Trusts nothing of the stream: a guest that has broken out may have written it. It may be as large
 * as the RAM and its device state, no larger, and may say nothing for as long as a stream of a VM
 * that stands still does at the most.
 *
 * Returns: FALSE where it is not what is known of such streams, or @out can't be written
 */
gboolean
berth_difference_split (int in, int out, const BerthDifferenceBase *base, GCancellable *cancellable,
                        BerthDifferenceStats *out_stats, GError **error);

G_END_DECLS
