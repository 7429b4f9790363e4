/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a client of berthd may take at most: every bound on what it controls stands here. */
#pragma once

/* Connections of one Unix user at once, those whose calls have not ended included. A command uses
 * one for its life. */
#define BERTH_LIMIT_CONNECTIONS_PER_UID 256
/* Calls of one connection without an answer. Beyond it a call fails. */
#define BERTH_LIMIT_CALLS_PER_CONNECTION 256
/* The same over all connections of a user: each costs some 10 KiB while it waits. */
#define BERTH_LIMIT_CALLS_PER_UID 1024
/* Messages of one user that GDBus has and whose methods have not begun: what others wait behind */
#define BERTH_LIMIT_TURNS_PER_UID 8
/* Body of a message: a path of 4,096 bytes and all options fit many times. */
#define BERTH_LIMIT_MESSAGE_BYTES (64 * 1024)
/* Body of a Run, an Exec or a Start: the longest code and environment fit, with room. */
#define BERTH_LIMIT_CODE_MESSAGE_BYTES (2 * 1024 * 1024)
/* Fields in front of the body: path, interface, member and signature have 255 bytes each at most */
#define BERTH_LIMIT_HEAD_BYTES 4096
/* Values in a body: an environment of 100 strings and each option once need 160. GDBus makes a tree
 * of them, some hundred bytes each. */
#define BERTH_LIMIT_MESSAGE_VALUES 1024
/* From a message's first byte to its last; seconds. A local socket carries 2 MiB in milliseconds.
 */
#define BERTH_LIMIT_MESSAGE_S 5
/* File descriptors that one message carries: a Run's streams, its boot log, one stream for all of
 * its files in each direction, and its ports */
#define BERTH_LIMIT_MESSAGE_FDS (6 + BERTH_LIMIT_PORTS)
/* Ports that a sandbox has published at once, all sandboxes of a user, and all there are: each is a
 * thread of berthd's, of which its service has 1,024 */
#define BERTH_LIMIT_PORTS 16
#define BERTH_LIMIT_PORTS_PER_UID 128 /* a quarter of all */
#define BERTH_LIMIT_PORTS_TOTAL 512
/* Connections through one published port that are open at once, and through all of a user's; the
 * next ones wait in the kernel, or are closed at once. Each is a descriptor, and up to 256 KiB
 * where its reader is slow. */
#define BERTH_LIMIT_PORT_LINKS 200
#define BERTH_LIMIT_PORT_LINKS_PER_UID 2048
#define BERTH_LIMIT_PORT_VISITS_PER_S 1000 /* that come to all ports of a user */
/* Connections of a user's sandboxes to elsewhere: a descriptor each */
#define BERTH_LIMIT_REACH_LINKS_PER_UID 2048
/* File descriptors that came with calls of one user, until those are answered. Never more than a
 * quarter of what the process may have. */
#define BERTH_LIMIT_FDS_PER_UID 4096
/* Bytes that berthd holds for one user: messages from their announcement until their answer, and
 * answers until they are written. Beyond it calls fail, and a connection whose answer does not fit
 * is closed: such a client does not read. Half of what one user may cost berthd, 64 MiB: the other
 * half is what GDBus and GLib need around them. */
#define BERTH_LIMIT_BYTES_PER_UID (32 * 1024 * 1024)
/* The same for all users together */
#define BERTH_LIMIT_BYTES (512 * 1024 * 1024)
/* File descriptors that clients leave to berthd itself: GLib ends a process that has none left,
 * each VM that starts takes a few, and a piece of a message may bring 253 before anybody may refuse
 * them. */
#define BERTH_LIMIT_RESERVED_FDS (64 + 253)
/* From accept() to the end of the authentication; seconds */
#define BERTH_LIMIT_AUTHENTICATION_S 5
/* "wait_ms" at most: 30 days; milliseconds */
#define BERTH_LIMIT_WAIT_MS (G_GINT64_CONSTANT (30) * 24 * 3600 * 1000)
/* Memory of one sandbox that can be named at all: 16 TiB; MiB */
#define BERTH_LIMIT_MEMORY_MB (16u * 1024 * 1024)
#define BERTH_LIMIT_MEMORY_MIN_MB 128u
/* what a caller may ask of how long nobody uses a session */
#define BERTH_LIMIT_IDLE_MIN_MS (10u * 1000)
#define BERTH_LIMIT_IDLE_MAX_MS (3600u * 1000)
/* and until it is paused */
#define BERTH_LIMIT_PAUSE_MIN_MS 1000u
#define BERTH_LIMIT_PAUSE_MAX_MS (3600u * 1000)
#define BERTH_LIMIT_HIBERNATE_MIN_MS 1000u
#define BERTH_LIMIT_HIBERNATE_MAX_MS (604800u * 1000)
/* Copies of a sandbox that one call makes */
#define BERTH_LIMIT_FORKS 64u
/* Commands that run at once in a sandbox; as many as its agent has places for */
#define BERTH_LIMIT_COMMANDS 16u
/* Requests about the background execs of a sandbox at once; its agent has places for those and for
 * what berthd itself waits for */
#define BERTH_LIMIT_ASKS 24u
/* Commands of one user, in all sandboxes, whose output berthd keeps until they end: 27 MB. Code is
 * bounded by the sandboxes that there are. */
#define BERTH_LIMIT_CAPTURES_PER_UID 24u
/* Paths that a run brings back: each is a value of its message, and has one in its answer */
#define BERTH_LIMIT_RUN_DOWNLOADS 64u
/* Files and folders of a run's uploads, and of what one path brings back: a guest or a caller could
 * go on for ever */
#define BERTH_LIMIT_RUN_ENTRIES 100000u
/* Folders in each other, of the same: each has a page of names in berthd's memory */
#define BERTH_LIMIT_RUN_DEPTH 128u
/* All files of a folder together, in the size of one */
#define BERTH_LIMIT_RUN_FILES_FACTOR 8u
