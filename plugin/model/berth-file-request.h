/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One file to be carried into or out of a sandbox, or one look into a folder, and what came of it.
 */
#pragma once

#include <gio/gio.h>

#include "agent/berth-holes.h"
#include "pool/berth-types.h"

G_BEGIN_DECLS

/* The remedy of an error about a file that was carried badly; the last words of its message */
#define BERTH_FILE_TRY_AGAIN ": try again"
#define BERTH_FILE_SIZE_MAX_DEFAULT (G_GUINT64_CONSTANT (500) * 1024 * 1024)
#define BERTH_FILE_MODE_DEFAULT 0644u
#define BERTH_FILE_DIRECTORY_MODE_DEFAULT 0755u
#define BERTH_FILE_ENTRIES_MAX 1000u
#define BERTH_FILE_ALLOCATED_UNKNOWN G_MAXUINT64

/**
 * BerthFileKind:
 * @BERTH_FILE_PUT: a file into the sandbox: whole under its name, or not at all
 * @BERTH_FILE_MAKE_DIRECTORY: a folder, and those above it, where there is none
 * @BERTH_FILE_GET: a file out of it
 * @BERTH_FILE_LIST: a folder's entries, a bounded number at a time
 */
typedef enum
{
  BERTH_FILE_PUT,
  BERTH_FILE_MAKE_DIRECTORY,
  BERTH_FILE_GET,
  BERTH_FILE_LIST,
} BerthFileKind;

/**
 * BerthFileRequest:
 * @path: bytes; contract.md, Files, has the rules
 * @fd: PUT is read from it, GET written to it; a pipe or socket, owned
 * @size: of PUT, of the file: all that is read from @fd, and what is in holes; bytes
 * @holes: (nullable) (element-type BerthHole): of PUT: what is zeros and not read from @fd
 * @mode: of PUT and MAKE_DIRECTORY: permission bits
 * @size_max: of PUT and GET; bytes
 * @after: (nullable): of LIST: only names behind this one
 * @count_max: of LIST: 1 to BERTH_FILE_ENTRIES_MAX
 * @caller_idle_us: how long its caller may send, or take, nothing of a file; 0 for ever
 *
 * Made by berth_file_request_new(), changed by its owner until it is handed to a call.
 */
typedef struct
{
  BerthFileKind kind;
  char *path;
  int fd;
  guint64 size;
  GArray *holes;
  guint32 mode;
  guint64 size_max;
  char *after;
  guint count_max;
  gint64 caller_idle_us;
} BerthFileRequest;

BerthFileRequest *berth_file_request_new (BerthFileKind kind, const char *path);
void berth_file_request_free (BerthFileRequest *self);
/* Of PUT: the bytes that are read from its descriptor */
guint64 berth_file_request_get_data_size (const BerthFileRequest *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BerthFileRequest, berth_file_request_free)
/* What can be said before a guest is asked. Fails with BERTH_ERROR_INVALID. */
/* (transfer full) (nullable) (element-type BerthHole): room for a list of @size bytes, to be
 * filled; NULL where none has that size */
GArray *berth_file_holes_new (guint64 size);
gboolean berth_file_request_check (const BerthFileRequest *self, GError **error);

/**
 * BerthFileEntry:
 * @name: bytes, one component, never "." or ".."
 * @size: bytes
 * @allocated: bytes that it takes in the guest, less than @size where it has holes;
 *   BERTH_FILE_ALLOCATED_UNKNOWN from an image that does not tell
 * @mtime_us: since 1970
 * @mode: as in struct stat
 */
typedef struct
{
  char *name;
  guint64 size;
  guint64 allocated;
  gint64 mtime_us;
  guint32 mode;
} BerthFileEntry;

/**
 * BerthFileResult:
 * @size: of the file; bytes
 * @mode: as in struct stat: of what the path names
 * @sha256: (nullable): of the file, in hex; NULL for a folder, and for what was put with holes
 * @entries: (nullable) (element-type BerthFileEntry): of LIST, sorted by the bytes of their names
 * @is_more: of LIST: there are entries behind these
 */
typedef struct
{
  guint64 size;
  guint32 mode;
  char *sha256;
  GPtrArray *entries;
  gboolean is_more;
} BerthFileResult;

void berth_file_result_free (BerthFileResult *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BerthFileResult, berth_file_result_free)
/* (transfer floating): a{sv}: mode, type; of a file: size, sha256; of LIST: more */
GVariant *berth_file_result_to_variant (const BerthFileResult *self);
/* (transfer floating): aa{sv}: name (ay), type, size, allocated (where it is known), mode, mtime */
GVariant *berth_file_result_entries_to_variant (const BerthFileResult *self);
BerthFileEntry *berth_file_entry_new (const char *name, gsize length);
void berth_file_entry_free (BerthFileEntry *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BerthFileEntry, berth_file_entry_free)
/* "file", "directory", "symlink", "fifo", "socket", "character-device", "block-device", "unknown"
 */
const char *berth_file_type_from_mode (guint32 mode);
char *berth_file_dup_shown (const char *path);
/* Whether it may stand for one entry of a folder, wherever it came from */
gboolean berth_file_name_is_valid (const char *name, gsize length);

G_END_DECLS
