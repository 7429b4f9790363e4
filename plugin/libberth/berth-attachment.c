/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The streams are pipes whose far ends go along with the call. */
#include "plugin/libberth/berth-attachment-private.h"

#include "berth-error.h"
#include "plugin/base/berth-pipe.h"

#define N_STREAMS 3

/**
 * BerthAttachment:
 *
 * Streams of an exec in the background.
 *
 * What is opened here is what [method@Client.attach_streams_async] carries: what the program writes
 * from [method@Attachment.set_since] on, and what is written for it, where it was begun with
 * %BERTH_START_KEEP_STDIN or has a terminal. One is used for one call. Streams that the program has
 * none of are at their end at once.
 */
struct _BerthAttachment
{
  GObject parent_instance;
  guint exec;
  gint64 since_us;
  BerthTty *tty;      /* nullable */
  int fds[N_STREAMS]; /* the exec's ends, -1 for none */
  gboolean was_used;
};

G_DEFINE_FINAL_TYPE (BerthAttachment, berth_attachment, G_TYPE_OBJECT)

static void
berth_attachment_finalize (GObject *object)
{
  BerthAttachment *self = BERTH_ATTACHMENT (object);

  for (guint i = 0; i < N_STREAMS; i++)
    berth_pipe_close (&self->fds[i]);
  g_clear_pointer (&self->tty, berth_tty_unref);
  G_OBJECT_CLASS (berth_attachment_parent_class)->finalize (object);
}

static void
berth_attachment_class_init (BerthAttachmentClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = berth_attachment_finalize;
}

static void
berth_attachment_init (BerthAttachment *self)
{
  for (guint i = 0; i < N_STREAMS; i++)
    self->fds[i] = -1;
}

/**
 * berth_attachment_new:
 * @exec: number of an exec in the background of a sandbox
 *
 * Asks for its end alone, until streams are opened.
 *
 * Returns: (transfer full): an attachment
 */
BerthAttachment *
berth_attachment_new (guint exec)
{
  BerthAttachment *self = g_object_new (BERTH_TYPE_ATTACHMENT, NULL);

  self->exec = exec;
  return self;
}

/**
 * berth_attachment_set_since:
 * @self: an attachment that was not used yet
 * @since_us: microseconds since 1970
 *
 * Wants only what was written from then on; without, all that is kept.
 */
void
berth_attachment_set_since (BerthAttachment *self, gint64 since_us)
{
  g_return_if_fail (BERTH_IS_ATTACHMENT (self));

  self->since_us = since_us;
}

/**
 * berth_attachment_set_terminal:
 * @self: an attachment with [method@Attachment.open_stdin]
 * @rows: 1 to 65,535
 * @columns: 1 to 65,535
 *
 * Sits down at the terminal of a program that has one, whose size this is from now on; also while
 * it is used: the program is told (SIGWINCH). It is hung up when nobody sits there for berthd's
 * setting terminal_hangup_s. The end of what is written to [method@Attachment.open_stdin] is no end
 * of what is typed: another one may sit down. Any thread may call this.
 */
void
berth_attachment_set_terminal (BerthAttachment *self, guint rows, guint columns)
{
  g_return_if_fail (BERTH_IS_ATTACHMENT (self));
  g_return_if_fail (berth_tty_size_is_valid (rows, columns));

  if (self->tty == NULL)
    self->tty = berth_tty_new (rows, columns);
  else
    berth_tty_resize (self->tty, rows, columns);
}

BerthTty *
berth_attachment_get_tty (BerthAttachment *self)
{
  return self->tty;
}

/**
 * berth_attachment_open_stdin:
 * @self: an attachment that was not used yet
 *
 * One attachment of an exec at a time may have it. Closing the stream ends the program's standard
 * input, but for a terminal's; to leave that to another one, cancel the call instead.
 *
 * Returns: (transfer full): what the program will read
 */
GOutputStream *
berth_attachment_open_stdin (BerthAttachment *self, GError **error)
{
  g_return_val_if_fail (BERTH_IS_ATTACHMENT (self), NULL);

  return berth_pipe_open_writer (&self->fds[0], error);
}

static GInputStream *
open_output (BerthAttachment *self, guint stream, GError **error)
{
  g_return_val_if_fail (BERTH_IS_ATTACHMENT (self), NULL);

  return berth_pipe_open_reader (&self->fds[stream], error);
}

/**
 * berth_attachment_open_stdout:
 * @self: an attachment that was not used yet
 *
 * A reader that is slow slows nobody: the program goes on, and of what falls out of what is kept
 * meanwhile the call tells the size. It ends with the call.
 *
 * Returns: (transfer full): what the program writes
 */
GInputStream *
berth_attachment_open_stdout (BerthAttachment *self, GError **error)
{
  return open_output (self, 1, error);
}

/**
 * berth_attachment_open_stderr:
 * @self: an attachment that was not used yet
 *
 * As [method@Attachment.open_stdout].
 *
 * Returns: (transfer full): what the program writes to its standard error
 */
GInputStream *
berth_attachment_open_stderr (BerthAttachment *self, GError **error)
{
  return open_output (self, 2, error);
}

GVariant *
berth_attachment_take_arguments (BerthAttachment *self, GUnixFDList *fds, GError **error)
{
  static const char *const keys[N_STREAMS] = { "stdin", "stdout", "stderr" };
  g_auto (GVariantDict) options = G_VARIANT_DICT_INIT (NULL);
  guint rows;
  guint columns;

  if (self->was_used)
    {
      g_set_error_literal (error, BERTH_ERROR, BERTH_ERROR_INVALID,
                           "an attachment was used already: make one for each call");
      return NULL;
    }
  self->was_used = TRUE;
  g_variant_dict_insert (&options, "follow", "b", TRUE);
  g_variant_dict_insert (&options, "since", "x", self->since_us);
  for (guint i = 0; i < N_STREAMS; i++)
    if (self->fds[i] >= 0 && !berth_pipe_hand_over (&self->fds[i], keys[i], &options, fds, error))
      return NULL;
  if (self->tty != NULL)
    {
      berth_tty_get_size (self->tty, &rows, &columns);
      g_variant_dict_insert (&options, "tty", "(uu)", rows, columns);
    }
  return g_variant_new ("(u@a{sv})", self->exec, g_variant_dict_end (&options));
}
