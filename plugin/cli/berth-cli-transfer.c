/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Carries a file's bytes with a thread that does nothing else, so that our own descriptor stays
 * blocking and here, while the call to berthd waits for its answer. */
#include "plugin/cli/berth-cli-transfer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "plugin/cli/berth-cli-report.h"
#include "pool/berth-error.h"

#define CHUNK_BYTES 65536
/* A transfer that is over before that shows nothing. */
#define PROGRESS_AFTER_MS 700
#define PROGRESS_EVERY_MS 250

typedef struct
{
  int from;
  int to;
  guint64 left;      /* bytes that may be carried at most */
  GChecksum *sum;    /* nullable */
  int read_failure;  /* errno; read after the thread ended */
  int write_failure; /* errno; the same */
  int own_pipe;      /* which of the two is the pipe's, closed by the thread */
  _Atomic guint64 moved;
} Carrier;

typedef struct
{
  Carrier *carrier;
  const char *name;
  guint64 size; /* 0: not known */
  gboolean is_shown;
} Progress;

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

static gpointer
carry_thread (gpointer user_data)
{
  Carrier *self = user_data;
  guint8 chunk[CHUNK_BYTES];

  while (self->left > 0)
    {
      gssize got = read (self->from, chunk, MIN (sizeof chunk, self->left));

      if (got < 0 && errno == EINTR)
        continue;
      if (got < 0)
        self->read_failure = errno;
      if (got <= 0)
        break;
      if (self->sum != NULL)
        g_checksum_update (self->sum, chunk, got);
      if (!write_all (self, chunk, (gsize)got))
        break;
      self->left -= (guint64)got;
      self->moved += (guint64)got;
    }
  close (self->own_pipe);
  return NULL;
}

static gboolean
progress_cb (gpointer user_data)
{
  Progress *self = user_data;
  double moved = (double)self->carrier->moved / 1e6;
  g_autofree char *name = g_utf8_make_valid (self->name, -1);

  for (char *at = name; *at != '\0'; at++)
    if (g_ascii_iscntrl (*at))
      *at = '?';
  if (self->size > 0)
    fprintf (stderr, "\r%.60s: %.1f of %.1f MB\033[K", name, moved, (double)self->size / 1e6);
  else
    fprintf (stderr, "\r%.60s: %.1f MB\033[K", name, moved);
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
    fputs ("\r\033[K", stderr);
}

/* The call with one descriptor, while its other end is carried. */
static GVariant *
call_and_carry (BerthTransfer *self, const char *method, const char *guest, guint64 size,
                Carrier *carrier, int far, GVariantDict *options, GError **error)
{
  g_autoptr (GUnixFDList) fds = g_unix_fd_list_new ();
  Progress progress = { .carrier = carrier, .name = guest, .size = size };
  GVariant *reply = NULL;
  int index = g_unix_fd_list_append (fds, far, error);
  GThread *thread;

  close (far);
  if (index < 0)
    {
      close (carrier->own_pipe);
      g_variant_dict_clear (options);
      return NULL;
    }
  g_variant_dict_insert (options, "data", "h", index);
  if (!self->is_quiet && isatty (STDERR_FILENO))
    g_timeout_add (PROGRESS_AFTER_MS, progress_begin_cb, &progress);
  thread = g_thread_new ("file", carry_thread, carrier);
  reply = berth_client_call (
      self->client, method,
      g_variant_new ("(s^ay@a{sv})", self->id, guest, g_variant_dict_end (options)), "(a{sv})",
      g_steal_pointer (&fds), error);
  g_thread_join (thread);
  progress_end (&progress);
  return reply;
}

static gboolean
make_pipe (int ends[2], GError **error)
{
  if (pipe2 (ends, O_CLOEXEC) == 0)
    return TRUE;
  g_set_error (error, BERTH_ERROR, BERTH_ERROR_UNAVAILABLE, "a pipe for the file: %s",
               g_strerror (errno));
  return FALSE;
}

gboolean
berth_transfer_put (BerthTransfer *self, int fd, guint64 size, guint32 mode, const char *guest,
                    GError **error)
{
  GVariantDict options = G_VARIANT_DICT_INIT (NULL);
  Carrier carrier = { .from = fd, .left = size };
  g_autoptr (GVariant) reply = NULL;
  int ends[2];

  if (!make_pipe (ends, error))
    return FALSE;
  carrier.to = carrier.own_pipe = ends[1];
  g_variant_dict_insert (&options, "size", "t", size);
  g_variant_dict_insert (&options, "mode", "u", mode & 0777);
  g_variant_dict_insert (&options, "max_bytes", "t", self->max_bytes);
  reply = call_and_carry (self, "Put", guest, size, &carrier, ends[0], &options, error);
  if (reply != NULL)
    return TRUE;
  if (carrier.read_failure != 0)
    {
      g_clear_error (error);
      g_set_error (error, BERTH_ERROR, BERTH_ERROR_UNAVAILABLE, "what should become '%s': %s",
                   guest, g_strerror (carrier.read_failure));
    }
  return FALSE;
}

gboolean
berth_transfer_make_directory (BerthTransfer *self, guint32 mode, const char *guest, GError **error)
{
  GVariantDict options = G_VARIANT_DICT_INIT (NULL);
  g_autoptr (GVariant) reply = NULL;

  g_variant_dict_insert (&options, "directory", "b", TRUE);
  g_variant_dict_insert (&options, "mode", "u", mode & 0777);
  reply = berth_client_call (
      self->client, "Put",
      g_variant_new ("(s^ay@a{sv})", self->id, guest, g_variant_dict_end (&options)), "(a{sv})",
      NULL, error);
  return reply != NULL;
}

/* berthd compared what it sent with the guest's; this is the rest of the way. */
static gboolean
check_arrived (Carrier *carrier, const char *guest, GVariant *info, GError **error)
{
  const char *sum = NULL;
  guint64 size = 0;

  if (g_variant_lookup (info, "size", "t", &size) && g_variant_lookup (info, "sha256", "&s", &sum)
      && size == carrier->moved && strcmp (sum, g_checksum_get_string (carrier->sum)) == 0)
    return TRUE;
  g_set_error (error, BERTH_ERROR, BERTH_ERROR_UNAVAILABLE,
               "file '%s': what arrived is not what was sent: try again", guest);
  return FALSE;
}

gboolean
berth_transfer_get (BerthTransfer *self, const char *guest, guint64 max_bytes, int fd,
                    const char *local, guint32 *out_mode, guint64 *out_size, GError **error)
{
  GVariantDict options = G_VARIANT_DICT_INIT (NULL);
  g_autoptr (GChecksum) sum = g_checksum_new (G_CHECKSUM_SHA256);
  Carrier carrier = { .to = fd, .left = G_MAXUINT64, .sum = sum };
  g_autoptr (GVariant) reply = NULL;
  g_autoptr (GVariant) info = NULL;
  int ends[2];

  if (!make_pipe (ends, error))
    return FALSE;
  carrier.from = carrier.own_pipe = ends[0];
  g_variant_dict_insert (&options, "max_bytes", "t", max_bytes);
  reply = call_and_carry (self, "Get", guest, 0, &carrier, ends[1], &options, error);
  if (carrier.write_failure == EPIPE && fd == STDOUT_FILENO)
    berth_report_die_of_broken_pipe ();
  if (carrier.write_failure != 0)
    {
      g_clear_error (error);
      g_set_error (error, BERTH_ERROR, BERTH_ERROR_UNAVAILABLE, "%s: %s", local,
                   g_strerror (carrier.write_failure));
      return FALSE;
    }
  if (reply == NULL)
    return FALSE;
  info = g_variant_get_child_value (reply, 0);
  *out_mode = 0644;
  g_variant_lookup (info, "mode", "u", out_mode);
  *out_size = carrier.moved;
  return check_arrived (&carrier, guest, info, error);
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

int
berth_transfer_spool (int fd, guint64 max_bytes, guint64 *out_size, GError **error)
{
  int spool = open_nameless ();
  Carrier carrier = { .from = fd, .to = spool, .left = max_bytes + 1, .own_pipe = -1 };

  if (spool >= 0)
    carry_thread (&carrier);
  if (spool < 0 || carrier.write_failure != 0 || lseek (spool, 0, SEEK_SET) != 0)
    g_set_error (error, BERTH_ERROR, BERTH_ERROR_UNAVAILABLE,
                 "the input can't be kept in %s until its size is known: %s", g_get_tmp_dir (),
                 g_strerror (carrier.write_failure != 0 ? carrier.write_failure : errno));
  else if (carrier.read_failure != 0)
    g_set_error (error, BERTH_ERROR, BERTH_ERROR_UNAVAILABLE, "the input can't be read: %s",
                 g_strerror (carrier.read_failure));
  else if (carrier.moved > max_bytes)
    g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID,
                 "the input has more than %" G_GUINT64_FORMAT " bytes: --max-size allows more",
                 max_bytes);
  else
    {
      *out_size = carrier.moved;
      return spool;
    }
  if (spool >= 0)
    close (spool);
  return -1;
}
