/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The two streams of a run with files: what is to be there before the program starts, and what was
 * there after its end. Each is a sequence of records, of a head of fixed size, a text, and bytes.
 */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

#define BERTH_FILE_RECORD_HEAD_BYTES 24u
#define BERTH_FILE_RECORD_TEXT_MAX 4096u

/**
 * BerthFileRecordKind:
 * @BERTH_FILE_RECORD_FILE: a file begins. Of an upload, its text is the path, and @size bytes
 *   follow. Of a download, its text is a name in the folder that is open, empty for what was asked
 *   for; DATA follows until DONE or FAILED
 * @BERTH_FILE_RECORD_FOLDER: a folder: likewise; of a download, it is open until LEAVE
 * @BERTH_FILE_RECORD_OTHER: of a download: neither file nor folder, and left out
 * @BERTH_FILE_RECORD_DATA: of a download: @size bytes of the file
 * @BERTH_FILE_RECORD_DONE: of a download: the file is whole, with @size, @mode, and its SHA-256 as
 *   text
 * @BERTH_FILE_RECORD_FAILED: of a download: the file, or else the folder that is open, could not be
 *   carried; @mode is the number of a #BerthError, the text says why
 * @BERTH_FILE_RECORD_LEAVE: of a download: that was all of the folder
 * @BERTH_FILE_RECORD_ITEM_DONE: of a download: that was all of what one path named
 * @BERTH_FILE_RECORD_ITEM_FAILED: of a download: likewise, and not all is there; as FAILED
 * @BERTH_FILE_RECORD_END: nothing follows. A stream that ends without it is not whole
 * @BERTH_FILE_RECORD_HOLES: of an upload: what is zeros in the FILE that comes next and is not
 * among the bytes that follow it; @size bytes follow, a #BerthHole each
 *
 * What a record is.
 */
typedef enum
{
  BERTH_FILE_RECORD_FILE = 1,
  BERTH_FILE_RECORD_FOLDER,
  BERTH_FILE_RECORD_OTHER,
  BERTH_FILE_RECORD_DATA,
  BERTH_FILE_RECORD_DONE,
  BERTH_FILE_RECORD_FAILED,
  BERTH_FILE_RECORD_LEAVE,
  BERTH_FILE_RECORD_ITEM_DONE,
  BERTH_FILE_RECORD_ITEM_FAILED,
  BERTH_FILE_RECORD_END,
  BERTH_FILE_RECORD_HOLES,
} BerthFileRecordKind;

/**
 * BerthFileRecord:
 * @kind: what it is
 * @item: of an upload: the caller's own number, for messages; of a download: the path's, from 0
 * @mode: permission bits, or an error
 * @text_size: bytes behind the head
 * @size: bytes behind these, of FILE in an upload (less those in its holes), of DATA and of HOLES;
 * of DONE, those of the file
 *
 * The head of a record.
 */
typedef struct
{
  BerthFileRecordKind kind;
  guint32 item;
  guint32 mode;
  guint32 text_size;
  guint64 size;
} BerthFileRecord;

/* Fields of 32 bits in their order and one of 64, little-endian */
void
berth_file_record_write (const BerthFileRecord *self, guint8 head[BERTH_FILE_RECORD_HEAD_BYTES]);
/* A whole record but for its bytes: (transfer full). @text may be NULL; what is too long is cut. */
GByteArray *berth_file_record_pack (BerthFileRecord self, const char *text);

/**
 * BerthFileRecordReader:
 *
 * Takes the heads and texts of a stream's records from whoever reads it, and never a byte more.
 * Starts as zeros.
 */
typedef struct
{
  BerthFileRecord record;
  guint8 head[BERTH_FILE_RECORD_HEAD_BYTES];
  char text[BERTH_FILE_RECORD_TEXT_MAX + 1];
  gsize have;
} BerthFileRecordReader;

/* How many bytes it takes next, and where they go; never 0 */
gsize berth_file_record_reader_get_room (BerthFileRecordReader *self, guint8 **out_room);
/* @size bytes are there. *@out_is_whole: @record and @text are; what is read next is another one's.
 * Fails with BERTH_ERROR_INVALID: it is no such stream. */
gboolean berth_file_record_reader_take (BerthFileRecordReader *self, gsize size,
                                        gboolean *out_is_whole, GError **error);

/* @error is about a file of a run whose program has run: what could be tried again, can't, for that
 * would run it once more. */
void berth_file_record_settle (GError *error);

/* For threads, on a descriptor that waits: whether all of it was written. A socket's reader that is
 * gone raises no signal. */
gboolean berth_file_record_send (int fd, gconstpointer bytes, gsize size);
/* FALSE with BERTH_ERROR_INVALID or, where the stream ends, BERTH_ERROR_UNAVAILABLE */
gboolean berth_file_record_receive (BerthFileRecordReader *self, int fd, GError **error);

G_END_DECLS
