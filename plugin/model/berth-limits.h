/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a client of berthd may take at most: every bound on what it controls stands here. */
#pragma once

/* Connections of one Unix user at once. A command uses one for its life. */
#define BERTH_LIMIT_CONNECTIONS_PER_UID 256
/* Calls of one connection whose answer was not written yet. Beyond it a call fails, beyond twice
 * as many the connection is closed: such a client does not read its answers. */
#define BERTH_LIMIT_CALLS_PER_CONNECTION 256
/* Body of a message: the longest code and environment fit, with room. Longer ones close it. */
#define BERTH_LIMIT_MESSAGE_BYTES (2 * 1024 * 1024)
/* File descriptors that one message carries: a Run's streams and its boot log */
#define BERTH_LIMIT_MESSAGE_FDS 4
/* File descriptors that clients leave to berthd itself: GLib ends a process that has none left, and
 * each VM that starts takes a few. */
#define BERTH_LIMIT_RESERVED_FDS 64
/* Connections of one user that authenticate at once; the others wait for these */
#define BERTH_LIMIT_AUTHENTICATIONS_PER_UID 2
/* From accept() to the end of the authentication; seconds */
#define BERTH_LIMIT_AUTHENTICATION_S 5
/* "wait_ms" at most: 30 days; milliseconds */
#define BERTH_LIMIT_WAIT_MS (G_GINT64_CONSTANT (30) * 24 * 3600 * 1000)
/* Memory of one sandbox that can be named at all: 16 TiB; MiB */
#define BERTH_LIMIT_MEMORY_MB (16u * 1024 * 1024)
#define BERTH_LIMIT_MEMORY_MIN_MB 128u
