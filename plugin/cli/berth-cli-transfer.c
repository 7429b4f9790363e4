/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Carries a file's bytes with a thread that does nothing else, so that our own descriptor stays
 * blocking and here, while the call to berthd waits for its answer. */
#include "plugin/cli/berth-cli-transfer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/berth-holes.h"
#include "plugin/base/berth-errno.h"
#include "plugin/base/berth-pipe.h"
#include "plugin/base/berth-sha256.h"
#include "plugin/cli/berth-cli-report.h"
#include "plugin/cli/berth-cli-terminal.h"
#include "plugin/model/berth-file-record.h"
#include "plugin/model/berth-file-request.h"
#include "pool/berth-error.h"

#define CHUNK_BYTES ((gsize)65536)
/* The largest of so many are left out, which come first. */
#define HOLES_LOOKED_AT 65536u
/* A page of a file system's: less would be no hole there. */
#define HOLE_BYTES ((gsize)4096)
/* Four chunks, so that neither end waits for the other at each */
#define PIPE_BYTES (4 * CHUNK_BYTES)
/* After Ctrl-C: how long what is on its way is waited for */
#define LAST_BYTES_US (3 * G_USEC_PER_SEC)
/* A transfer that is over before that shows nothing. */
#define PROGRESS_AFTER_MS 700
#define PROGRESS_EVERY_MS 250

/* A thread that reads and writes. One that still does when the command gives up is left to the
 * process's end, and its carrier with it. */
typedef struct
{
  char *path; /* nullable: opened by the thread as where it reads from */
  int from;
  int to;
  int own_pipe;  /* which of the two is the pipe's, closed by the thread; -1: neither */
  guint64 left;  /* bytes that may be carried at most */
  GArray *holes; /* nullable: of what is read, in its order: left out */
  gboolean is_summed;
  gboolean keeps_holes; /* where it writes to: a file of ours, new */
  struct sha256_ctx sum;
  int read_failure;  /* errno; read after done is set */
  int write_failure; /* the same */
  _Atomic guint64 moved;
  atomic_bool done;
} Carrier;

typedef struct
{
  Carrier *carrier;
  const char *name;
  guint64 size; /* 0: not known */
  gboolean is_shown;
} Progress;

static Carrier *
carrier_new (int from, int to, int own_pipe, guint64 left)
{
  Carrier *self = g_new0 (Carrier, 1);

  self->from = from;
  self->to = to;
  self->own_pipe = own_pipe;
  self->left = left;
  sha256_init (&self->sum);
  return self;
}

static void
carrier_free (Carrier *self)
{
  g_clear_pointer (&self->holes, g_array_unref);
  g_free (self->path);
  g_free (self);
}

static gboolean
write_all (Carrier *self, const guint8 *bytes, gsize size)
{
  while (size > 0)
    {
      gssize put = write (self->to, bytes, size);

      if (put < 0 && errno == EINTR)
        continue;
      if (put < 0)
        {
          self->write_failure = errno;
          return FALSE;
        }
      bytes += put;
      size -= (gsize)put;
    }
  return TRUE;
}

static gboolean
is_hole (const guint8 *bytes, gsize size)
{
  return bytes[0] == 0 && memcmp (bytes, bytes + 1, size - 1) == 0;
}

/* What is nothing but zeros is left out: a file with holes would fill the disk with them. */
static gboolean
write_around_holes (Carrier *self, const guint8 *bytes, gsize size)
{
  while (size > 0)
    {
      gsize piece = MIN (size, HOLE_BYTES);

      if (!is_hole (bytes, piece))
        {
          if (!write_all (self, bytes, piece))
            return FALSE;
        }
      else if (lseek (self->to, (off_t)piece, SEEK_CUR) < 0)
        {
          self->write_failure = errno;
          return FALSE;
        }
      bytes += piece;
      size -= piece;
    }
  return TRUE;
}

/* Moves on behind a hole that begins at @at; of @left bytes, those up to the next one, at most a
 * chunk. @holes: (nullable) */
static gsize
skip_hole (int from, GArray *holes, guint64 left, guint64 *at, guint *next)
{
  const BerthHole *hole;

  if (holes == NULL)
    return MIN (CHUNK_BYTES, left);
  hole = &g_array_index (holes, BerthHole, *next);
  if (*next < holes->len && hole->begin == *at)
    {
      *at += hole->size;
      lseek (from, (off_t)*at, SEEK_SET);
      hole = &g_array_index (holes, BerthHole, ++*next);
    }
  if (*next < holes->len)
    return MIN (MIN (CHUNK_BYTES, left), hole->begin - *at);
  return MIN (CHUNK_BYTES, left);
}

/* Until there is no more, or no more may be carried, or it can't be */
static void
carry (Carrier *self)
{
  guint8 chunk[CHUNK_BYTES];
  guint64 at = 0;
  guint next = 0;

  while (self->left > 0)
    {
      gssize got
          = read (self->from, chunk, skip_hole (self->from, self->holes, self->left, &at, &next));

      if (got < 0 && errno == EINTR)
        continue;
      if (got < 0)
        self->read_failure = errno;
      if (got <= 0)
        break;
      self->left -= (guint64)got;
      at += (guint64)got;
      if (self->is_summed)
        sha256_update (&self->sum, (gsize)got, chunk);
      if (!(self->keeps_holes ? write_around_holes (self, chunk, (gsize)got)
                              : write_all (self, chunk, (gsize)got)))
        break;
      self->moved += (guint64)got;
    }
  if (self->keeps_holes && self->write_failure == 0
      && ftruncate (self->to, (off_t)self->moved) != 0) /* one may be at its end */
    self->write_failure = errno;
}

static gpointer
carry_thread (gpointer user_data)
{
  Carrier *self = user_data;

  if (self->path != NULL)
    self->from = open (self->path, O_RDONLY | O_CLOEXEC);
  carry (self);
  if (self->own_pipe >= 0)
    close (self->own_pipe);
  if (self->path != NULL && self->from >= 0)
    close (self->from);
  atomic_store (&self->done, true);
  g_main_context_wakeup (NULL);
  return NULL;
}

static void
carrier_start (Carrier *self)
{
  g_thread_unref (g_thread_new ("file", carry_thread, self));
}

static gboolean
limit_cb (gpointer user_data)
{
  *(gboolean *)user_data = TRUE;
  return G_SOURCE_CONTINUE;
}

/* FALSE: a signal has ended the command, and the thread did not end soon. */
static gboolean
carrier_wait (Carrier *self, BerthClient *client, gint64 after_signal_us)
{
  gboolean limit_reached = FALSE;
  guint limit_id = 0;

  while (!atomic_load (&self->done) && !limit_reached)
    {
      if (limit_id == 0 && berth_client_get_signal (client) != 0)
        limit_id = g_timeout_add ((guint)(after_signal_us / 1000), limit_cb, &limit_reached);
      g_main_context_iteration (NULL, TRUE);
    }
  g_clear_handle_id (&limit_id, g_source_remove);
  return atomic_load (&self->done);
}

static gboolean
progress_cb (gpointer user_data)
{
  Progress *self = user_data;
  double moved = (double)self->carrier->moved / 1e6;
  g_autofree char *name = berth_file_dup_shown (self->name);

  g_autofree char *text = self->size > 0 ? g_strdup_printf ("%s: %.1f of %.1f MB", name, moved,
                                                            (double)self->size / 1e6)
                                         : g_strdup_printf ("%s: %.1f MB", name, moved);

  berth_terminal_show_line (STDERR_FILENO, text);
  self->is_shown = TRUE;
  return G_SOURCE_CONTINUE;
}

static gboolean
progress_begin_cb (gpointer user_data)
{
  GSource *every = g_timeout_source_new (PROGRESS_EVERY_MS);

  g_source_set_callback (every, progress_cb, user_data, NULL);
  g_source_set_name (every, "progress");
  g_source_attach (every, NULL);
  g_source_unref (every);
  return G_SOURCE_REMOVE;
}

static void
progress_end (Progress *self)
{
  while (g_source_remove_by_user_data (self))
    ;
  if (self->is_shown)
    berth_terminal_erase_line (STDERR_FILENO);
}

/* The call with one descriptor, while its other end is carried. *@out_carried: the carrier is done
 * and may be freed. */
static GVariant *
call_and_carry (BerthTransfer *self, const char *method, const char *guest, guint64 size,
                Carrier *carrier, int far, GVariantDict *options, gboolean *out_carried,
                GError **error)
{
  g_autoptr (GUnixFDList) fds = g_unix_fd_list_new ();
  Progress progress = { .carrier = carrier, .name = guest, .size = size };
  GVariant *reply = NULL;

  *out_carried = TRUE;
  if (!berth_pipe_hand_over (&far, "data", options, fds, error))
    {
      close (far);
      close (carrier->own_pipe);
      g_variant_dict_clear (options);
      return NULL;
    }
  if (!self->is_quiet && berth_terminal_can_erase (STDERR_FILENO))
    g_timeout_add (PROGRESS_AFTER_MS, progress_begin_cb, &progress);
  carrier_start (carrier);
  reply = berth_client_call (
      self->client, method,
      g_variant_new ("(s^ay@a{sv})", self->id, guest, g_variant_dict_end (options)), "(a{sv})",
      g_steal_pointer (&fds), error);
  *out_carried = carrier_wait (carrier, self->client, LAST_BYTES_US);
  progress_end (&progress);
  return reply;
}

static gboolean
make_pipe (int ends[2], GError **error)
{
  if (pipe2 (ends, O_CLOEXEC) == 0)
    {
      fcntl (ends[0], F_SETPIPE_SZ, PIPE_BYTES); /* where it may not grow, it is slower */
      return TRUE;
    }
  berth_errno_set (error, errno, "a pipe for the file");
  return FALSE;
}

void
berth_transfer_fail_to_read (const char *guest, int number, GError **error)
{
  g_autofree char *what = g_strdup_printf ("what should become '%s'", guest);

  berth_errno_set (error, number, what);
}

/* ---- what a file has no bytes of ---- */

static int
compare_sizes (gconstpointer left, gconstpointer right)
{
  const BerthHole *one = left, *other = right;

  return one->size < other->size ? 1 : one->size > other->size ? -1 : 0;
}

static int
compare_begins (gconstpointer left, gconstpointer right)
{
  const BerthHole *one = left, *other = right;

  return one->begin < other->begin ? -1 : one->begin > other->begin ? 1 : 0;
}

/* (transfer full) (nullable) (element-type BerthHole): the largest holes of a file that is not
 * written to meanwhile; else what is put is as good as what is read of it */
static GArray *
find_holes (int fd, guint64 size)
{
  g_autoptr (GArray) holes = g_array_new (FALSE, FALSE, sizeof (BerthHole));
  guint64 at = 0;

  while (at < size && holes->len < HOLES_LOOKED_AT)
    {
      off_t begin = lseek (fd, (off_t)at, SEEK_HOLE), end;
      BerthHole hole;

      if (begin < 0 || (guint64)begin >= size)
        break;
      end = lseek (fd, begin, SEEK_DATA);
      if (end < 0 && errno != ENXIO)
        break;
      at = end < 0 ? size : MIN ((guint64)end, size);
      hole = (BerthHole){ .begin = (guint64)begin, .size = at - (guint64)begin };
      g_array_append_val (holes, hole);
    }
  if (lseek (fd, 0, SEEK_SET) != 0 || holes->len == 0)
    return NULL;
  g_array_sort (holes, compare_sizes);
  g_array_set_size (holes, MIN (holes->len, BERTH_HOLES_MAX));
  g_array_sort (holes, compare_begins);
  return g_steal_pointer (&holes);
}

/* How many bytes of a file are read. @holes: (nullable) */
static guint64
holes_rest (GArray *holes, guint64 size)
{
  if (holes == NULL)
    return size;
  return berth_holes_rest ((const BerthHole *)(void *)holes->data, holes->len, size);
}

/* ---- a run's uploads ---- */

static gboolean
send_bytes (BerthTransfer *self, gconstpointer bytes, gsize size, GError **error)
{
  if (berth_file_record_send (self->records, bytes, size))
    return TRUE;
  g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_CANCELLED, "berthd takes no more uploads");
  return FALSE;
}

/* A request that berthd would refuse is refused here, where it is known whose it is. @holes:
 * (nullable), of a file */
static gboolean
send_head (BerthTransfer *self, BerthFileRecordKind kind, guint64 size, guint32 mode, GArray *holes,
           const char *guest, GError **error)
{
  gboolean is_file = kind == BERTH_FILE_RECORD_FILE;
  g_autoptr (BerthFileRequest) request
      = berth_file_request_new (is_file ? BERTH_FILE_PUT : BERTH_FILE_MAKE_DIRECTORY, guest);
  gsize list_size = holes != NULL ? holes->len * sizeof (BerthHole) : 0;
  BerthFileRecord before = { BERTH_FILE_RECORD_HOLES, self->item, 0, 0, list_size };
  BerthFileRecord record = { kind, self->item, mode & 0777, 0, size };
  g_autoptr (GByteArray) packed_before = berth_file_record_pack (before, NULL);
  g_autoptr (GByteArray) packed = berth_file_record_pack (record, guest);

  request->size = size;
  request->size_max = self->max_bytes;
  if (!berth_file_request_check (request, error))
    return FALSE;
  if (holes != NULL
      && (!send_bytes (self, packed_before->data, packed_before->len, error)
          || !send_bytes (self, holes->data, list_size, error)))
    return FALSE;
  return send_bytes (self, packed->data, packed->len, error);
}

/* The bytes that are promised, whatever the file turns out to have. *@out_had: how many of them
 * were the file's; *@out_failure: an errno, or 0. FALSE: nobody takes them any more. */
static gboolean
send_content (BerthTransfer *self, int fd, GArray *holes, guint64 promised, guint64 *out_had,
              int *out_failure, GError **error)
{
  guint8 chunk[CHUNK_BYTES] = { 0 };
  guint64 at = 0;
  guint next = 0;

  *out_had = promised;
  for (guint64 left = promised; left > 0;)
    {
      gboolean is_short = *out_had < promised;
      gsize wanted = is_short ? MIN (sizeof chunk, left) : skip_hole (fd, holes, left, &at, &next);
      gssize got = is_short ? (gssize)wanted : read (fd, chunk, wanted);

      if (got < 0 && errno == EINTR)
        continue;
      if (got < 0)
        *out_failure = errno;
      if (got <= 0)
        {
          *out_had = promised - left;
          continue;
        }
      if (!send_bytes (self, chunk, (gsize)got, error))
        return FALSE;
      at += (guint64)got;
      left -= (guint64)got;
    }
  return TRUE;
}

/* What a file lacks of its size is made up for, and an error all the same: what is behind it in the
 * stream is looked at, too, and the stream gets no end. */
static gboolean
send_file (BerthTransfer *self, int fd, guint64 size, guint32 mode, const char *guest,
           GError **error)
{
  g_autoptr (GArray) holes = find_holes (fd, size);
  guint64 promised = holes_rest (holes, size), had;
  int failure = 0;

  if (!send_head (self, BERTH_FILE_RECORD_FILE, size, mode, holes, guest, error)
      || !send_content (self, fd, holes, promised, &had, &failure, error))
    return FALSE;
  if (failure != 0)
    berth_transfer_fail_to_read (guest, failure, error);
  else if (had < promised)
    g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID,
                 "file '%s': its bytes ended after %" G_GUINT64_FORMAT " of %" G_GUINT64_FORMAT
                 ": nothing was changed",
                 guest, had, promised);
  return had == promised;
}

/* ---- one file ---- */

gboolean
berth_transfer_put (BerthTransfer *self, int fd, guint64 size, guint32 mode, const char *guest,
                    GError **error)
{
  GVariantDict options = G_VARIANT_DICT_INIT (NULL);
  Carrier *carrier;
  g_autoptr (GVariant) reply = NULL;
  gboolean is_carried;
  int ends[2];

  if (self->records > 0)
    return send_file (self, fd, size, mode, guest, error);
  if (!make_pipe (ends, error))
    return FALSE;
  carrier = carrier_new (fd, ends[1], ends[1], size);
  carrier->holes = find_holes (fd, size);
  carrier->left = holes_rest (carrier->holes, size);
  if (carrier->holes != NULL)
    g_variant_dict_insert_value (
        &options, "holes",
        g_variant_new_fixed_array (G_VARIANT_TYPE_BYTE, carrier->holes->data,
                                   carrier->holes->len * sizeof (BerthHole), 1));
  g_variant_dict_insert (&options, "size", "t", size);
  g_variant_dict_insert (&options, "mode", "u", mode & 0777);
  g_variant_dict_insert (&options, "max_bytes", "t", self->max_bytes);
  reply = call_and_carry (self, "Put", guest, carrier->left, carrier, ends[0], &options,
                          &is_carried, error);
  if (reply == NULL && is_carried && carrier->read_failure != 0)
    {
      g_clear_error (error);
      berth_transfer_fail_to_read (guest, carrier->read_failure, error);
    }
  if (is_carried)
    carrier_free (carrier);
  return reply != NULL;
}

gboolean
berth_transfer_make_directory (BerthTransfer *self, guint32 mode, const char *guest, GError **error)
{
  GVariantDict options = G_VARIANT_DICT_INIT (NULL);
  g_autoptr (GVariant) reply = NULL;

  if (self->records > 0)
    return send_head (self, BERTH_FILE_RECORD_FOLDER, 0, mode, NULL, guest, error);
  g_variant_dict_insert (&options, "directory", "b", TRUE);
  g_variant_dict_insert (&options, "mode", "u", mode & 0777);
  reply = berth_client_call (
      self->client, "Put",
      g_variant_new ("(s^ay@a{sv})", self->id, guest, g_variant_dict_end (&options)), "(a{sv})",
      NULL, error);
  return reply != NULL;
}

gboolean
berth_transfer_check_sum (const char *guest, guint64 moved, struct sha256_ctx *arrived,
                          guint64 size, const char *sum, GError **error)
{
  g_autofree char *text = berth_sha256_finish (arrived);

  if (size == moved && g_strcmp0 (sum, text) == 0)
    return TRUE;
  g_set_error (error, BERTH_ERROR, BERTH_ERROR_UNAVAILABLE,
               "file '%s': what arrived is not what was sent" BERTH_FILE_TRY_AGAIN, guest);
  return FALSE;
}

gboolean
berth_transfer_check_arrived (const char *guest, guint64 moved, struct sha256_ctx *arrived,
                              GVariant *info, GError **error)
{
  const char *sum = NULL;
  guint64 size = 0;

  g_variant_lookup (info, "size", "t", &size);
  g_variant_lookup (info, "sha256", "&s", &sum);
  return berth_transfer_check_sum (guest, moved, arrived, size, sum, error);
}

static gboolean
check_written (const Carrier *carrier, const char *local, GError **error)
{
  if (carrier->write_failure == 0)
    return TRUE;
  g_clear_error (error);
  berth_errno_set (error, carrier->write_failure, local);
  return FALSE;
}

/* Whether our side of it went well, and what arrived is what was sent */
static gboolean
check_carrier (Carrier *carrier, GVariant *reply, const char *guest, int fd, const char *local,
               GError **error)
{
  g_autoptr (GVariant) info = reply != NULL ? g_variant_get_child_value (reply, 0) : NULL;

  if (carrier->write_failure == EPIPE && fd == STDOUT_FILENO)
    berth_report_die_of_broken_pipe ();
  if (!check_written (carrier, local, error))
    return FALSE;
  return info != NULL
         && berth_transfer_check_arrived (guest, carrier->moved, &carrier->sum, info, error);
}

/* What standard output is, was somebody else's before, and may be appended to. */
static gboolean
is_own_file (int fd)
{
  struct stat info;

  return fd != STDOUT_FILENO && fstat (fd, &info) == 0 && S_ISREG (info.st_mode);
}

gboolean
berth_transfer_get (BerthTransfer *self, const char *guest, guint64 max_bytes, int fd,
                    const char *local, guint32 *out_mode, guint64 *out_size, GError **error)
{
  GVariantDict options = G_VARIANT_DICT_INIT (NULL);
  Carrier *carrier;
  g_autoptr (GVariant) reply = NULL;
  g_autoptr (GVariant) info = NULL;
  gboolean is_carried, ok;
  int ends[2];

  if (!make_pipe (ends, error))
    return FALSE;
  carrier = carrier_new (ends[0], fd, ends[0], G_MAXUINT64);
  carrier->is_summed = TRUE;
  carrier->keeps_holes = is_own_file (fd);
  g_variant_dict_insert (&options, "max_bytes", "t", max_bytes);
  reply = call_and_carry (self, "Get", guest, 0, carrier, ends[1], &options, &is_carried, error);
  if (!is_carried)
    return FALSE; /* a signal did it, which is told */
  ok = check_carrier (carrier, reply, guest, fd, local, error);
  if (ok)
    {
      info = g_variant_get_child_value (reply, 0);
      *out_mode = 0644;
      g_variant_lookup (info, "mode", "u", out_mode);
      *out_size = carrier->moved;
    }
  carrier_free (carrier);
  return ok;
}

GVariant *
berth_transfer_list (BerthTransfer *self, const char *guest, const char *after, guint limit,
                     GError **error)
{
  GVariantDict options = G_VARIANT_DICT_INIT (NULL);

  g_variant_dict_insert (&options, "limit", "u", limit);
  if (after != NULL)
    g_variant_dict_insert (&options, "after", "^ay", after);
  return berth_client_call (
      self->client, "Ls",
      g_variant_new ("(s^ay@a{sv})", self->id, guest, g_variant_dict_end (&options)),
      "(aa{sv}a{sv})", NULL, error);
}

/* ---- a run's downloads ---- */

struct _BerthIntake
{
  Carrier *carrier;
};

BerthIntake *
berth_intake_new (int from, int to, gboolean keeps_holes)
{
  BerthIntake *self = g_new0 (BerthIntake, 1);

  self->carrier = carrier_new (from, to, -1, 0);
  self->carrier->is_summed = TRUE;
  self->carrier->keeps_holes = keeps_holes;
  return self;
}

void
berth_intake_free (BerthIntake *self)
{
  carrier_free (self->carrier);
  g_free (self);
}

static gboolean
skip (int from, guint64 size)
{
  guint8 chunk[CHUNK_BYTES];

  while (size > 0)
    {
      gssize got = read (from, chunk, MIN (sizeof chunk, size));

      if (got < 0 && errno == EINTR)
        continue;
      if (got <= 0)
        return FALSE;
      size -= (guint64)got;
    }
  return TRUE;
}

gboolean
berth_intake_take (BerthIntake *self, int from, guint64 size)
{
  Carrier *carrier = self != NULL ? self->carrier : NULL;

  if (carrier == NULL || carrier->write_failure != 0)
    return skip (from, size);
  carrier->left = size;
  carry (carrier);
  return carrier->left == 0 || (carrier->write_failure != 0 && skip (from, carrier->left));
}

gboolean
berth_intake_check (BerthIntake *self, guint64 size, const char *sha256, const char *guest,
                    const char *local, GError **error)
{
  return check_written (self->carrier, local, error)
         && berth_transfer_check_sum (guest, self->carrier->moved, &self->carrier->sum, size,
                                      sha256, error);
}

/* ---- what has no size ---- */

static int
open_nameless (void)
{
  int fd = open (g_get_tmp_dir (), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  g_autofree char *name = NULL;

  if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR))
    return fd;
  fd = g_file_open_tmp ("berth-XXXXXX", &name, NULL);
  if (fd >= 0)
    unlink (name);
  return fd;
}

/* What came of it, but for what a signal ended */
static gboolean
check_spooled (const Carrier *carrier, guint64 max_bytes, GError **error)
{
  if (carrier->write_failure != 0)
    g_set_error (error, BERTH_ERROR, (int)berth_errno_get_code (carrier->write_failure),
                 "the input can't be kept in %s until its size is known: %s", g_get_tmp_dir (),
                 g_strerror (carrier->write_failure));
  else if (carrier->read_failure != 0)
    berth_errno_set (error, carrier->read_failure, "the input can't be read");
  else if (carrier->moved > max_bytes)
    g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID,
                 "the input has more than %" G_GUINT64_FORMAT " bytes: --max-size allows more",
                 max_bytes);
  else
    return TRUE;
  return FALSE;
}

int
berth_transfer_spool (BerthTransfer *self, int fd, const char *path, guint64 *out_size,
                      GError **error)
{
  int spool = open_nameless ();
  Carrier *carrier = carrier_new (fd, spool, -1, self->max_bytes + 1);
  gboolean ok = FALSE;

  if (spool < 0)
    carrier->write_failure = errno;
  else
    {
      carrier->path = g_strdup (path);
      if (self->records > 0)
        carry_thread (carrier);
      else
        carrier_start (carrier);
      if (self->records <= 0 && !carrier_wait (carrier, self->client, 0))
        {
          /* the thread writes to it still */
          g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_CANCELLED, "interrupted");
          return -1;
        }
    }
  if (check_spooled (carrier, self->max_bytes, error))
    {
      ok = lseek (spool, 0, SEEK_SET) == 0;
      *out_size = carrier->moved;
    }
  carrier_free (carrier);
  if (ok)
    return spool;
  if (spool >= 0)
    close (spool);
  return -1;
}
