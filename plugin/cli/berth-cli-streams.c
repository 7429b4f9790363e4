/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Carries the streams with a thread each that does nothing but read and write. Our own descriptors
 * stay blocking and stay here: their flags are shared with the shell and with whoever else has the
 * terminal open, and a slow reader slows its own stream alone. */
#include "plugin/cli/berth-cli-streams.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "agent/berth-replay.h"
#include "plugin/base/berth-errno.h"
#include "plugin/base/berth-pipe.h"
#include "plugin/cli/berth-cli-report.h"
#include "pool/berth-error.h"

#define CHUNK_BYTES 65536
/* A terminal's answer that has not come so long after its question won't. */
#define ANSWER_US (3 * G_USEC_PER_SEC)

typedef struct
{
  int from;
  int to;
  int own_pipe;            /* which of the two is ours to close */
  BerthProgress *progress; /* nullable, owned: ends with the first byte */
  BerthStreamsKind mode;   /* what becomes of questions to the terminal that it writes to */
  BerthReplay replay;
  gint asked_s; /* atomic; monotonic: when the last was written, 0: none was */
  int failure;  /* errno of what failed for good here; read after done is set */
  int done;     /* atomic */
  gint refs;    /* atomic: the streams', and the thread's */
} Pump;

/* One of the streams: what berthd calls its far end, and where it goes here. */
typedef struct
{
  const char *key;
  int own_fd;
  BerthStreamsKind kind;
} Stream;

#define N_STREAMS 4
#define FIRST_OUTPUT 1

static const Stream streams[N_STREAMS] = {
  { "stdin", STDIN_FILENO, BERTH_STREAMS_INPUT },
  { "stdout", STDOUT_FILENO, BERTH_STREAMS_SHOWN },
  { "stderr", STDERR_FILENO, BERTH_STREAMS_ERRORS },
  { "boot_log", STDERR_FILENO, BERTH_STREAMS_BOOT_LOG },
};

struct _BerthStreams
{
  /* NULL where none is carried. A thread that still reads our stdin when the program has ended is
   * left to the process's end. */
  Pump *pumps[N_STREAMS];
  gboolean started;
};

/**
 * berth_streams_stdin_is_given:
 *
 * Returns: whether our standard input is meant for the program: neither a terminal nor /dev/null
 */
gboolean
berth_streams_stdin_is_given (void)
{
  struct stat status;

  if (fstat (STDIN_FILENO, &status) != 0 || isatty (STDIN_FILENO))
    return FALSE;
  return !(S_ISCHR (status.st_mode) && status.st_rdev == makedev (1, 3));
}

/**
 * berth_streams_check_stdin:
 *
 * An input that can't be read at all must not pass for an empty one.
 *
 * Returns: whether our standard input, which is given, can be read; %FALSE with
 *   %BERTH_ERROR_INVALID
 */
gboolean
berth_streams_check_stdin (GError **error)
{
  struct stat status;
  int flags = fcntl (STDIN_FILENO, F_GETFL);

  if (fstat (STDIN_FILENO, &status) == 0 && S_ISDIR (status.st_mode))
    g_set_error_literal (error, BERTH_ERROR, BERTH_ERROR_INVALID,
                         "standard input is a folder: give a file, or leave it alone with -n");
  else if (flags >= 0 && (flags & O_ACCMODE) == O_WRONLY)
    g_set_error_literal (error, BERTH_ERROR, BERTH_ERROR_INVALID,
                         "standard input is not open for reading: leave it alone with -n");
  else
    return TRUE;
  return FALSE;
}

/* FALSE when there is no reader any more, or with @pump's failure set */
static gboolean
write_chunk (Pump *pump, const char *data, gsize length)
{
  while (length > 0)
    {
      gssize written = write (pump->to, data, length);

      if (written < 0 && errno == EINTR)
        continue;
      if (written < 0 && errno == EPIPE)
        {
          if (pump->to != pump->own_pipe)
            berth_report_die_of_broken_pipe ();
          return FALSE; /* the program does not read its input to the end, as it may */
        }
      if (written < 0)
        {
          pump->failure = errno;
          return FALSE;
        }
      data += written;
      length -= (gsize)written;
    }
  return TRUE;
}

static gboolean
carry_chunk (Pump *pump, const char *data, gsize length)
{
  berth_progress_end (pump->progress);
  g_clear_pointer (&pump->progress, berth_progress_unref);
  return write_chunk (pump, data, length);
}

/* At a terminal; @data NULL: its end */
static gboolean
show_chunk (Pump *pump, const char *data, gsize length)
{
  char room[CHUNK_BYTES + BERTH_REPLAY_HELD];
  guint32 questions = pump->replay.questions;
  gsize size = data != NULL ? berth_replay_pass (&pump->replay, (const guint8 *)data,
                                                 (guint32)length, (guint8 *)room)
                            : berth_replay_end (&pump->replay, (guint8 *)room);

  if (pump->mode == BERTH_STREAMS_UNANSWERED)
    return carry_chunk (pump, room, size);
  if (pump->replay.questions != questions)
    g_atomic_int_set (&pump->asked_s, (gint)(g_get_monotonic_time () / G_USEC_PER_SEC) + 1);
  return carry_chunk (pump, data, length);
}

/* A thread that still reads goes on until the process ends, or it. */
static void
pump_unref (Pump *pump)
{
  if (g_atomic_int_dec_and_test (&pump->refs))
    g_free (pump);
}

static gpointer
pump_thread (gpointer user_data)
{
  Pump *pump = user_data;
  gboolean (*carry) (Pump *, const char *, gsize) = pump->mode != 0 ? show_chunk : carry_chunk;
  char chunk[CHUNK_BYTES];
  gssize length;

  do
    length = read (pump->from, chunk, sizeof chunk);
  while ((length < 0 && errno == EINTR) || (length > 0 && carry (pump, chunk, (gsize)length)));
  if (length == 0 && pump->mode == BERTH_STREAMS_UNANSWERED)
    carry (pump, NULL, 0);
  if (length < 0 && pump->own_pipe == pump->to)
    pump->failure = errno;
  close (pump->own_pipe);
  g_clear_pointer (&pump->progress, berth_progress_unref);
  g_atomic_int_set (&pump->done, 1);
  g_main_context_wakeup (NULL);
  pump_unref (pump);
  return NULL;
}

/* A pipe whose far end goes to berthd under @key */
static Pump *
make_pump (int own_fd, const char *key, GUnixFDList *fds, GVariantDict *options, GError **error)
{
  gboolean is_input = own_fd == STDIN_FILENO;
  int ends[2];
  int far;
  Pump *pump;

  if (pipe2 (ends, O_CLOEXEC) != 0)
    {
      berth_errno_set (error, errno, "this process");
      return NULL;
    }
  far = is_input ? ends[0] : ends[1];
  if (!berth_pipe_hand_over (&far, key, options, fds, error))
    {
      close (ends[0]);
      close (ends[1]);
      return NULL;
    }
  pump = g_new0 (Pump, 1);
  pump->refs = 1;
  pump->own_pipe = is_input ? ends[1] : ends[0];
  pump->from = is_input ? own_fd : pump->own_pipe;
  pump->to = is_input ? pump->own_pipe : own_fd;
  return pump;
}

/**
 * berth_streams_new:
 * @kinds: what to carry
 * @fds: gets the far ends
 * @options: gets their handles
 *
 * Returns: (transfer full) (nullable): streams that do not flow yet
 */
BerthStreams *
berth_streams_new (BerthStreamsKind kinds, GUnixFDList *fds, GVariantDict *options, GError **error)
{
  g_autoptr (BerthStreams) self = g_new0 (BerthStreams, 1);

  for (guint i = 0; i < N_STREAMS; i++)
    {
      if ((streams[i].kind & kinds) == 0)
        continue;
      self->pumps[i] = make_pump (streams[i].own_fd, streams[i].key, fds, options, error);
      if (self->pumps[i] == NULL)
        return NULL;
      if (streams[i].kind != BERTH_STREAMS_INPUT && isatty (streams[i].own_fd))
        self->pumps[i]->mode = kinds & (BERTH_STREAMS_UNANSWERED | BERTH_STREAMS_ANSWERED);
    }
  return g_steal_pointer (&self);
}

/**
 * berth_streams_set_progress:
 * @self: streams that do not flow yet
 * @progress: (nullable): ends before the program's first byte is written
 */
void
berth_streams_set_progress (BerthStreams *self, BerthProgress *progress)
{
  for (guint i = FIRST_OUTPUT; i < N_STREAMS && progress != NULL; i++)
    if (self->pumps[i] != NULL)
      self->pumps[i]->progress = berth_progress_ref (progress);
}

/**
 * berth_streams_start:
 * @self: streams
 *
 * Lets them flow. The far ends must have been given away.
 */
void
berth_streams_start (BerthStreams *self)
{
  self->started = TRUE;
  for (guint i = 0; i < G_N_ELEMENTS (self->pumps); i++)
    if (self->pumps[i] != NULL)
      {
        g_atomic_int_inc (&self->pumps[i]->refs);
        g_thread_unref (g_thread_new ("stream", pump_thread, self->pumps[i]));
      }
}

static gboolean
output_is_done (BerthStreams *self)
{
  for (guint i = FIRST_OUTPUT; i < N_STREAMS; i++)
    if (self->pumps[i] != NULL && !g_atomic_int_get (&self->pumps[i]->done))
      return FALSE;
  return TRUE;
}

static gboolean
limit_cb (gpointer user_data)
{
  *(gboolean *)user_data = TRUE;
  return G_SOURCE_CONTINUE;
}

/* An input that is still read when the program has ended is nobody's any more. */
static gboolean
check_input (Pump *pump, GError **error)
{
  if (pump == NULL || !g_atomic_int_get (&pump->done) || pump->failure == 0)
    return TRUE;
  g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID,
               "standard input could not be read to its end, and the program got a part of it: %s",
               g_strerror (pump->failure));
  return FALSE;
}

/**
 * berth_streams_finish:
 * @self: streams that flow
 * @limit_us: how long to wait at most, -1 for as long as it takes; microseconds
 *
 * Waits until all output has been handed on. Runs the default main context meanwhile.
 *
 * Returns: whether all of it could be written, and the program's input be read
 */
gboolean
berth_streams_finish (BerthStreams *self, gint64 limit_us, GError **error)
{
  gboolean limit_reached = FALSE;
  guint limit_id = limit_us >= 0 ? g_timeout_add (limit_us / 1000, limit_cb, &limit_reached) : 0;

  while (!output_is_done (self) && !limit_reached)
    g_main_context_iteration (NULL, TRUE);
  g_clear_handle_id (&limit_id, g_source_remove);
  for (guint i = FIRST_OUTPUT; i < N_STREAMS && !limit_reached; i++)
    if (self->pumps[i] != NULL && self->pumps[i]->failure != 0)
      {
        /* also where the cause passes: the program has run, and the same again runs it twice */
        g_set_error (error, BERTH_ERROR, BERTH_ERROR_LOCAL,
                     "the program's output could not be written to %s: %s",
                     streams[i].own_fd == STDOUT_FILENO ? "standard output" : "standard error",
                     g_strerror (self->pumps[i]->failure));
        return FALSE;
      }
  return check_input (self->pumps[STDIN_FILENO], error);
}

/**
 * berth_streams_has_asked:
 * @self: streams
 *
 * Returns: whether the terminal was asked something so lately that its answer may be on its way
 */
gboolean
berth_streams_has_asked (BerthStreams *self)
{
  Pump *pump = self->pumps[FIRST_OUTPUT];
  gint asked_s = pump != NULL ? g_atomic_int_get (&pump->asked_s) : 0;

  return asked_s > 0 && g_get_monotonic_time () < (gint64)asked_s * G_USEC_PER_SEC + ANSWER_US;
}

/**
 * berth_streams_free:
 * @self: (transfer full) (nullable): streams; those that still flow go on until the process ends
 */
void
berth_streams_free (BerthStreams *self)
{
  if (self == NULL)
    return;
  for (guint i = 0; i < G_N_ELEMENTS (self->pumps); i++)
    {
      Pump *pump = self->pumps[i];

      if (pump == NULL)
        continue;
      if (!self->started)
        {
          close (pump->own_pipe);
          g_clear_pointer (&pump->progress, berth_progress_unref);
        }
      pump_unref (pump);
    }
  g_free (self);
}
