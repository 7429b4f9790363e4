/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What came of a program, as the rooms of berth see it. */
#pragma once

#include <gio/gio.h>

#include "plugin/model/berth-result.h"

G_BEGIN_DECLS

/* What of it is told of the network: as g_variant_new_parsed() takes it */
#define BERTH_RESULT_NETWORK                                                                       \
  "{'network', <{'connections': <%t>, 'refused': <%t>, 'sent_bytes': <%t>, "                       \
  "'received_bytes': <%t>}>}"

/*
 * BerthOrigin:
 * @start: how its VM came to be: "warm", "clone" or "cold"; static
 * @wait_us: in the queue; microseconds, as are all below
 * @start_us: from admission to a VM ready for code
 * @spawn_us: of that, until libvirt had the VM running; 0 for a warm one, which ran before
 * @connect_us: of that, from there until its guest was heard and had its identity; likewise
 *
 * How a sandbox was made.
 */
typedef struct
{
  const char *start;
  gint64 wait_us;
  gint64 start_us;
  gint64 spawn_us;
  gint64 connect_us;
} BerthOrigin;

/*
 * BerthDownload:
 * @path: as asked for
 * @count: files that were carried
 * @bytes: of these
 * @failed: entries of a folder that were not
 * @error: (nullable): why not all of it was
 *
 * What came of one path that a run was to bring back.
 */
typedef struct
{
  char *path;
  guint count;
  guint64 bytes;
  guint failed;
  GError *error;
} BerthDownload;

BerthDownload *berth_download_new (const char *path);
void berth_download_free (BerthDownload *self);

/**
 * struct _BerthResult:
 * @stdout_bytes: (nullable): captured, as it was written; NULL when it went to a descriptor
 * @stderr_bytes: (nullable): the same
 * @stdout_data: (nullable): @stdout_bytes as UTF-8 without NUL
 * @stderr_data: (nullable): the same of @stderr_bytes
 * @exit_code: 0..255; 128 + N for signal N; meaningless when @timed_out is set and -1
 * @timed_out: the time limit ended it (or a handler that the limit called)
 * @oom: the guest ran out of memory
 * @stdout_truncated: more was written than captured
 * @stderr_truncated: the same
 * @destroy_unconfirmed: of a run: its VM may still exist
 * @template_name: what it ran in
 * @sandbox_id: what it ran in
 * @origin: of the VM; told by the first exec in it, empty in the others
 * @has_network: the sandbox may reach names, and has so far
 * @connections: made this many connections,
 * @refused: was refused so often,
 * @sent_bytes: has sent,
 * @received_bytes: and received
 * @has_uploads: of a run: it had some
 * @upload_count: files and folders
 * @upload_bytes: of these files
 * @downloads: (nullable) (element-type BerthDownload): of a run: one for each that was asked for
 * @contents: (nullable) (element-type filename GBytes): what came back to this process, by path
 * @exec: of one that runs in the background: its number; 0 of all others
 * @exec_us: from the code's start to its end; microseconds, as are all below
 * @destroy_us: of a run: until its VM was gone
 * @total_us: all together
 * @cpu_us: of the guest's processes
 * @memory_peak_bytes: of the exec's processes, 0 where the guest can't tell
 */
struct _BerthResult
{
  GBytes *stdout_bytes;
  GBytes *stderr_bytes;
  char *stdout_data;
  char *stderr_data;
  int exit_code;
  gboolean timed_out;
  gboolean oom;
  gboolean stdout_truncated;
  gboolean stderr_truncated;
  gboolean destroy_unconfirmed;
  char *template_name;
  char *sandbox_id;
  BerthOrigin origin;
  gboolean has_network;
  guint64 connections;
  guint64 refused;
  guint64 sent_bytes;
  guint64 received_bytes;
  gboolean has_uploads;
  guint upload_count;
  guint64 upload_bytes;
  GPtrArray *downloads;
  GHashTable *contents;
  guint32 exec;
  gint64 exec_us;
  gint64 destroy_us;
  gint64 total_us;
  guint64 cpu_us;
  guint64 memory_peak_bytes;
};

BerthResult *berth_result_new (void);
/* (transfer full) (nullable), both: what the program wrote, NULL for what was not captured. Once.
 */
void berth_result_take_output (BerthResult *self, GBytes *stdout_bytes, GBytes *stderr_bytes);
/* (transfer floating): a{sv} with contract.md's names, ready for D-Bus and for JSON: stdout and
 * stderr (and stdout_bytes, stderr_bytes where these strings could not say it all), exit_code
 * (absent, i.e. null, after a time-out without a status), timed_out, oom, stdout_truncated,
 * stderr_truncated, template, sandbox_id, warm_hit, start, timing {wait_ms, claim_ms, start_ms,
 * spawn_ms, connect_ms, exec_ms, destroy_ms, total_ms} as doubles, usage {cpu_ms, memory_peak_mb};
 * of a run with files: uploads {count, bytes}, downloads [{path, count, bytes, and of one that is
 * not whole code, the name of its error on D-Bus, and message}] */
GVariant *berth_result_to_variant (const BerthResult *self);
/* (transfer full): what berth_result_to_variant() told; a key that is missing or of another type is
 * left at its default */
BerthResult *berth_result_new_from_variant (GVariant *dictionary);

G_END_DECLS
