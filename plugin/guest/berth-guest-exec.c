/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One program under way in a guest: its streams, its credits, its end. */
#include "berth-guest-exec.h"

#include <errno.h>
#include <glib-unix.h>
#include <unistd.h>

#include "berth-execs-list.h"
#include "berth-guest-error.h"
#include "berth-output.h"
#include "plugin/base/berth-caller-fd.h"
#include "berth-backstop.h"
#include "plugin/base/berth-source.h"
#include "pool/berth-error.h"

/* What a stream may have under way. Large enough to keep a pipe of 64 KiB busy over the round trip
 * of a slow guest, small enough that a hundred execs with stuck readers hold 50 MB at most. */
#define STREAM_CREDIT (256u * 1024u)
/* The same of a command: a session has many at a time. */
#define COMMAND_CREDIT (64u * 1024u)
/* The guest ends the program at its limit, kills it BERTH_KILL_GRACE_MS later, and tells. A guest
 * that has said nothing this long after that is not going to. */
#define BACKSTOP_MS (10u * 1000u)
/* From the request to the code's start: an interpreter has to be loaded first, which takes a guest
 * under TCG 5 s on an idle machine (design.md, the libvirt table). */
#define START_MS (60u * 1000u)
/* What PID 1 has to tell by itself, in a guest that has no time for it */
#define ANSWER_MS (60u * 1000u)

struct _BerthGuestExec
{
  BerthFrameChannel *channel;
  guint32 request;
  BerthExec *exec;
  BerthGuestExecDoneFunc func;
  gpointer user_data;
  BerthOutput *outputs[2]; /* stdout, stderr */
  gsize window;            /* the most that a stream may have under way */
  gsize credit[2];         /* what the guest may still send */
  gsize owed[2];           /* drained, not yet given back */
  gsize stdin_credit;
  gboolean owes_size; /* of its terminal: the guest was not told the last one */
  GSource *stdin_source;
  BerthBackstop backstop;
  gboolean is_started;
  gboolean has_ended[2]; /* stdout, stderr */
  gboolean is_cancelled;
  gboolean has_end;
  const BerthBackgroundRequest *background; /* (nullable), owned: it is about one of these */
  gboolean has_stdin;                       /* of that, is asked for */
  GByteArray *list;                         /* (nullable): what came of a list */
  gboolean is_detached;                     /* the request has ended, its exec has not */
  gboolean has_lost;                        /* told */
  guint64 lost_bytes;
  gboolean is_overdue; /* its end in the background was not told */
  guint32 exec_number; /* of one that was begun in the background */
  gboolean is_taking;  /* within berth_guest_exec_take(): nothing completes before it is through */
  BerthExit end;
  GError *failure;
};

static void exec_maybe_done (BerthGuestExec *self);
static void exec_arm_backstop (BerthGuestExec *self, guint ms);

void
berth_guest_exec_free (BerthGuestExec *self)
{
  if (self->exec != NULL && self->exec->tty != NULL)
    berth_tty_watch (self->exec->tty, NULL, NULL, NULL);
  berth_source_clear (&self->stdin_source);
  berth_backstop_clear (&self->backstop);
  g_clear_pointer (&self->outputs[0], berth_output_free);
  g_clear_pointer (&self->outputs[1], berth_output_free);
  berth_exec_free (self->exec);
  berth_background_request_free ((BerthBackgroundRequest *)self->background);
  g_clear_pointer (&self->list, g_byte_array_unref);
  g_clear_error (&self->failure);
  g_free (self);
}

static void
exec_send_numbers (BerthGuestExec *self, guint32 type, guint32 first, guint32 second, gsize count)
{
  guint8 payload[8];

  berth_le32_write (payload, first);
  berth_le32_write (payload + 4, second);
  berth_frame_channel_send (self->channel, type, self->request, payload, 4 * count, NULL, 0);
}

/* However often it changes, no more than one waits for room. */
static void
exec_maybe_send_size (BerthGuestExec *self)
{
  guint rows;
  guint columns;

  if (!self->owes_size || self->has_end || berth_frame_channel_is_full (self->channel))
    return;
  self->owes_size = FALSE;
  berth_tty_get_size (self->exec->tty, &rows, &columns);
  exec_send_numbers (self, BERTH_FRAME_RESIZE, rows, columns, 2);
}

static void
resized_cb (guint rows, guint columns, gpointer user_data)
{
  BerthGuestExec *self = user_data;

  self->owes_size = TRUE;
  exec_maybe_send_size (self);
}

/* Gives credit back in halves of the window, so that a stream of small writes does not make a frame
 * of credit for each. */
static void
exec_maybe_send_credit (BerthGuestExec *self, guint which)
{
  if (self->owed[which] < self->window / 2 || self->has_end
      || berth_frame_channel_is_full (self->channel))
    return;
  exec_send_numbers (self, BERTH_FRAME_CREDIT, BERTH_STREAM_STDOUT + which,
                     (guint32)self->owed[which], 2);
  self->credit[which] += self->owed[which];
  self->owed[which] = 0;
}

static void
exec_return_credit (BerthGuestExec *self, guint which, gsize size)
{
  self->owed[which] += size;
  exec_maybe_send_credit (self, which);
  if (!self->is_taking)
    exec_maybe_done (self); /* last: it may free us */
}

static void
stdout_drained_cb (gsize size, gpointer user_data)
{
  exec_return_credit (user_data, 0, size);
}

static void
stderr_drained_cb (gsize size, gpointer user_data)
{
  exec_return_credit (user_data, 1, size);
}

/* Frames of a stream that needs no credit. */
static void
exec_send_all (BerthGuestExec *self, guint32 stream, const guint8 *bytes, gsize size)
{
  guint8 number[4];

  berth_le32_write (number, stream);
  for (gsize sent = 0; sent < size;)
    {
      gsize part = MIN (size - sent, BERTH_DATA_MAX);

      berth_frame_channel_send (self->channel, BERTH_FRAME_DATA, self->request, number,
                                sizeof number, bytes + sent, part);
      sent += part;
    }
}

static void
exec_send_request (BerthGuestExec *self, BerthLanguage language)
{
  gsize code_size;
  const guint8 *code = g_bytes_get_data (self->exec->code, &code_size);
  const char *workdir = self->exec->workdir;
  g_autoptr (GByteArray) env = g_byte_array_new ();
  BerthExecHead head = {
    .language = self->exec->is_command ? BERTH_LANGUAGE_NONE : language,
    .flags = berth_guest_exec_get_flags (self->exec, language),
    .timeout_ms = self->exec->has_no_limit ? 0 : self->exec->timeout_ms,
    .code_size = (guint32)code_size,
    .stdout_credit = (guint32)self->window,
    .stderr_credit = (guint32)self->window,
  };

  if (self->exec->is_detached)
    head.stdout_credit = MAX (self->exec->log_mb, BERTH_LOG_MB);
  for (char **entry = self->exec->env; entry != NULL && *entry != NULL; entry++)
    {
      g_byte_array_append (env, (const guint8 *)*entry, (guint)strlen (*entry) + 1);
      head.env_count++;
    }
  head.env_size = env->len;
  berth_frame_channel_send (self->channel, BERTH_FRAME_EXEC, self->request, &head, sizeof head,
                            workdir, workdir != NULL ? strlen (workdir) : 0);
  if (self->exec->tty != NULL)
    berth_tty_watch (self->exec->tty, resized_cb, self, NULL);
  exec_send_all (self, BERTH_STREAM_CODE, code, code_size);
  exec_send_all (self, BERTH_STREAM_ENV, env->data, env->len);
  /* a terminal always has somebody who could type, until it is told that nobody does */
  if (self->exec->tty != NULL && self->exec->stdin_fd < 0 && !self->exec->is_detached)
    exec_send_numbers (self, BERTH_FRAME_DATA, BERTH_STREAM_STDIN, 0, 1);
}

static BerthGuestExec *
exec_new (BerthFrameChannel *channel, guint32 request, BerthExec *exec, BerthGuestExecDoneFunc func,
          gpointer user_data)
{
  const int fds[2] = { exec->stdout_fd, exec->stderr_fd };
  const gsize max[2] = { exec->stdout_max, exec->stderr_max };
  const BerthOutputDrainedFunc drained[2] = { stdout_drained_cb, stderr_drained_cb };
  BerthGuestExec *self = g_new0 (BerthGuestExec, 1);

  self->channel = channel;
  self->request = request;
  self->exec = exec;
  self->func = func;
  self->user_data = user_data;
  self->window = exec->is_command ? COMMAND_CREDIT : STREAM_CREDIT;
  for (guint i = 0; i < 2; i++)
    {
      self->credit[i] = self->window;
      self->outputs[i] = fds[i] >= 0 ? berth_output_new_for_fd (fds[i], drained[i], self)
                                     : berth_output_new_for_capture (max[i], drained[i], self);
    }
  exec->stdout_fd = exec->stderr_fd = -1; /* the outputs own them now */
  return self;
}

BerthGuestExec *
berth_guest_exec_new (BerthFrameChannel *channel, guint32 request, BerthExec *exec,
                      BerthLanguage language, BerthGuestExecDoneFunc func, gpointer user_data)
{
  BerthGuestExec *self = exec_new (channel, request, exec, func, user_data);

  exec_send_request (self, language);
  exec_arm_backstop (self, START_MS);
  return self;
}

static void
exec_send_attach (BerthGuestExec *self, gboolean has_output)
{
  const BerthAttachHead head = {
    .exec = self->background->exec,
    .flags = (self->background->follows ? BERTH_ATTACH_FOLLOWS : 0)
             | (self->exec->stdin_fd >= 0 ? BERTH_ATTACH_STDIN : 0)
             | (has_output ? 0 : BERTH_ATTACH_ENDS)
             | (self->exec->tty != NULL ? BERTH_ATTACH_TERMINAL : 0),
    .since_us = self->background->since_us,
    .stdout_credit = (guint32)self->window,
    .stderr_credit = (guint32)self->window,
  };

  berth_frame_channel_send (self->channel, BERTH_FRAME_ATTACH, self->request, &head, sizeof head,
                            NULL, 0);
  if (self->exec->tty != NULL)
    berth_tty_watch (self->exec->tty, resized_cb, self, NULL);
}

/* What an exec has in the background comes as one that runs here has it, so it is one: without
 * code, and without a time that it may take. */
BerthGuestExec *
berth_guest_exec_new_background (BerthFrameChannel *channel, guint32 request,
                                 BerthBackgroundRequest *background, BerthGuestExecDoneFunc func,
                                 gpointer user_data)
{
  gboolean has_output = background->stdout_fd >= 0 || background->stderr_fd >= 0;
  g_autoptr (GBytes) nothing = g_bytes_new (NULL, 0);
  BerthExec *exec = berth_exec_new (nothing);
  BerthGuestExec *self;

  exec->is_command = TRUE; /* there may be many at a time */
  exec->tty = g_steal_pointer (&background->tty);
  exec->stdin_fd = g_steal_fd (&background->stdin_fd);
  exec->stdout_fd = g_steal_fd (&background->stdout_fd);
  exec->stderr_fd = g_steal_fd (&background->stderr_fd);
  exec->stdout_max = exec->stderr_max = 0;
  self = exec_new (channel, request, exec, func, user_data);
  self->background = background;
  self->is_started = TRUE;
  self->has_stdin = exec->stdin_fd >= 0;
  if (background->kind != BERTH_BACKGROUND_ATTACH)
    exec_arm_backstop (self, ANSWER_MS);
  else if (background->limit_ms > 0)
    exec_arm_backstop (self, background->limit_ms + BERTH_KILL_GRACE_MS + ANSWER_MS);
  if (background->kind == BERTH_BACKGROUND_ATTACH)
    exec_send_attach (self, has_output);
  else if (background->kind == BERTH_BACKGROUND_SIGNAL)
    exec_send_numbers (self, BERTH_FRAME_SIGNAL, background->exec, background->signal, 2);
  else
    {
      self->list = g_byte_array_new ();
      berth_frame_channel_send (channel, BERTH_FRAME_EXECS, request, NULL, 0, NULL, 0);
    }
  return self;
}

/* What came of it; @end: (transfer full) (nullable). NULL with BERTH_PROTOCOL_ERROR. */
BerthBackgroundResult *
berth_guest_exec_new_background_result (BerthGuestExec *self, guint32 version, BerthResult *end,
                                        GError **error)
{
  g_autoptr (BerthBackgroundResult) result = g_new0 (BerthBackgroundResult, 1);

  result->end = end;
  result->lost_bytes = self->lost_bytes;
  if (self->list == NULL)
    return g_steal_pointer (&result);
  result->execs = berth_execs_list_parse (self->list->data, self->list->len, version,
                                          g_get_real_time (), error);
  return result->execs != NULL ? g_steal_pointer (&result) : NULL;
}

static void
exec_complete (BerthGuestExec *self)
{
  g_autoptr (BerthResult) result = berth_result_new ();

  if (self->failure != NULL)
    {
      self->func (self, NULL, g_steal_pointer (&self->failure), self->user_data);
      return;
    }
  if (self->is_detached)
    {
      self->func (self, NULL, NULL, self->user_data);
      return;
    }
  result->exec = self->exec_number;
  if (self->background == NULL)
    berth_result_take_output (result,
                              berth_output_dup_bytes (self->outputs[0], &result->stdout_truncated),
                              berth_output_dup_bytes (self->outputs[1], &result->stderr_truncated));
  result->timed_out = (self->end.flags & BERTH_EXIT_TIMED_OUT) != 0;
  result->oom = (self->end.flags & BERTH_EXIT_OOM) != 0;
  if (self->end.signal != 0)
    result->exit_code = result->timed_out ? -1 : (int)(128 + self->end.signal);
  else
    result->exit_code = self->end.status;
  result->exec_us = (gint64)self->end.wall_us;
  result->cpu_us = self->end.cpu_us;
  result->memory_peak_bytes = self->end.peak_bytes;
  self->func (self, g_steal_pointer (&result), NULL, self->user_data);
}

static gboolean
is_output_drained (BerthGuestExec *self)
{
  return berth_output_is_drained (self->outputs[0]) && berth_output_is_drained (self->outputs[1]);
}

static void
exec_maybe_done (BerthGuestExec *self)
{
  if (!self->has_end || !is_output_drained (self))
    return;
  /* of one that was begun its number is told: it goes on, and somebody has to know */
  if (self->is_cancelled && self->failure == NULL && self->exec_number == 0)
    g_set_error_literal (&self->failure, G_IO_ERROR, G_IO_ERROR_CANCELLED,
                         "the program was ended because its caller cancelled it");
  exec_complete (self);
}

void
berth_guest_exec_fail (BerthGuestExec *self, const GError *error)
{
  if (self->failure == NULL && self->has_end)
    {
      /* the end is known; what was not delivered yet can still reach its reader, or not at all */
      exec_complete (self);
      return;
    }
  g_clear_error (&self->failure);
  if (self->is_cancelled)
    g_set_error_literal (&self->failure, G_IO_ERROR, G_IO_ERROR_CANCELLED,
                         "the program's VM ended after its caller cancelled it");
  else if (self->background != NULL)
    g_set_error (&self->failure, BERTH_ERROR, BERTH_ERROR_GONE,
                 "the VM ended (%s), and with it all that ran in it in the background",
                 error->message);
  else
    g_set_error (&self->failure, BERTH_ERROR, BERTH_ERROR_OUTCOME_UNKNOWN,
                 "the VM ended while the code ran (%s): what the code did is unknown; look before "
                 "you run it again",
                 error->message);
  exec_complete (self);
}

/* The VM goes on: it may be that it only had no time. */
static void
exec_fail_unanswered (BerthGuestExec *self)
{
  if (self->is_cancelled)
    g_set_error_literal (&self->failure, G_IO_ERROR, G_IO_ERROR_CANCELLED,
                         "the guest's agent did not answer before its caller cancelled that");
  else
    g_set_error (&self->failure, BERTH_ERROR, BERTH_ERROR_UNAVAILABLE,
                 "the guest's agent did not say in %u s what is in the background: end the sandbox "
                 "('berth destroy') if it does not the next time either",
                 ANSWER_MS / 1000);
  exec_complete (self);
}

static gboolean
backstop_cb (gpointer user_data)
{
  BerthGuestExec *self = user_data;
  g_autoptr (GError) error = NULL;

  /* a reader that does not read keeps the guest waiting, too: that is not the guest's fault */
  if (!is_output_drained (self))
    return G_SOURCE_CONTINUE;
  if (self->background != NULL && self->background->kind != BERTH_BACKGROUND_ATTACH)
    {
      exec_fail_unanswered (self);
      return G_SOURCE_REMOVE;
    }
  self->is_overdue = self->background != NULL && !self->is_cancelled;
  g_set_error_literal (&error, BERTH_PROTOCOL_ERROR, BERTH_PROTOCOL_ERROR_UNEXPECTED,
                       "its agent did not end the code at its time limit");
  berth_guest_exec_fail (self, error);
  return G_SOURCE_REMOVE;
}

/* Whether the end that it followed was not told in time: no word of the guest is worth anything. */
gboolean
berth_guest_exec_is_overdue (const BerthGuestExec *self)
{
  return self->is_overdue;
}

static void
exec_arm_backstop (BerthGuestExec *self, guint ms)
{
  berth_backstop_arm (&self->backstop, ms, backstop_cb, self);
}

/* Whoever cancelled it is told so while its guest stands still: what the guest says of it later is
 * for nobody, and his streams are at their end. */
static void
exec_let_go_of_caller (BerthGuestExec *self)
{
  const BerthOutputDrainedFunc drained[2] = { stdout_drained_cb, stderr_drained_cb };

  if (!self->is_cancelled || !self->backstop.is_held || self->has_end)
    return;
  for (guint i = 0; i < 2; i++)
    {
      berth_output_free (self->outputs[i]);
      self->outputs[i] = berth_output_new_for_capture (0, drained[i], self);
      self->owed[i] = self->window - self->credit[i];
    }
  berth_source_clear (&self->stdin_source);
  if (self->exec->stdin_fd >= 0)
    berth_caller_fd_close (self->exec->stdin_fd);
  self->exec->stdin_fd = -1;
}

void
berth_guest_exec_hold (BerthGuestExec *self, gboolean is_held)
{
  berth_backstop_hold (&self->backstop, is_held);
  exec_let_go_of_caller (self);
}

void
berth_guest_exec_kill (BerthGuestExec *self)
{
  if (self->is_cancelled || self->has_end)
    return;
  self->is_cancelled = TRUE;
  exec_send_numbers (self, BERTH_FRAME_KILL, BERTH_KILL_GRACE_MS, 0, 1);
  exec_arm_backstop (self, BERTH_KILL_GRACE_MS + BACKSTOP_MS);
  exec_let_go_of_caller (self);
}

/* By the guest's credit, and by the room that the host has for what the guest does not read. */
static gboolean
exec_may_read_stdin (BerthGuestExec *self)
{
  return self->exec->stdin_fd >= 0 && self->stdin_credit > 0
         && !berth_frame_channel_is_full (self->channel);
}

/* Who typed at a terminal in the background has gone: that is no end of what is typed there. */
static gboolean
exec_tells_end_of_stdin (const BerthGuestExec *self)
{
  return self->background == NULL || self->exec->tty == NULL;
}

static gboolean
stdin_readable_cb (int fd, GIOCondition condition, gpointer user_data)
{
  BerthGuestExec *self = user_data;
  guint8 bytes[BERTH_DATA_MAX];
  guint8 number[4];
  gssize got = berth_caller_fd_read (fd, bytes, MIN (sizeof bytes, self->stdin_credit));

  if (got < 0 && (errno == EAGAIN || errno == EINTR))
    return G_SOURCE_CONTINUE;
  berth_le32_write (number, BERTH_STREAM_STDIN);
  if (got > 0 || exec_tells_end_of_stdin (self))
    berth_frame_channel_send (self->channel, BERTH_FRAME_DATA, self->request, number, sizeof number,
                              bytes, (gsize)MAX (got, 0));
  if (got > 0)
    self->stdin_credit -= (gsize)got;
  else
    {
      berth_caller_fd_close (self->exec->stdin_fd);
      self->exec->stdin_fd = -1;
    }
  if (exec_may_read_stdin (self))
    return G_SOURCE_CONTINUE;
  berth_source_clear (&self->stdin_source);
  return G_SOURCE_REMOVE;
}

static void
exec_maybe_watch_stdin (BerthGuestExec *self)
{
  if (self->stdin_source != NULL || !exec_may_read_stdin (self))
    return;
  self->stdin_source = g_unix_fd_source_new (self->exec->stdin_fd, G_IO_IN | G_IO_HUP);
  g_source_set_callback (self->stdin_source, G_SOURCE_FUNC (stdin_readable_cb), self, NULL);
  g_source_attach (self->stdin_source, g_main_context_get_thread_default ());
}

void
berth_guest_exec_go_on (BerthGuestExec *self)
{
  exec_maybe_watch_stdin (self);
  exec_maybe_send_size (self);
  exec_maybe_send_credit (self, 0);
  exec_maybe_send_credit (self, 1);
}

/* What costs no credit comes once: a guest may not keep the host busy for nothing. */
static gboolean
exec_take_once (gboolean *has_come, const char *what, GError **error)
{
  if (*has_come)
    {
      g_set_error (error, BERTH_PROTOCOL_ERROR, BERTH_PROTOCOL_ERROR_UNEXPECTED, "a second %s",
                   what);
      return FALSE;
    }
  *has_come = TRUE;
  return TRUE;
}

static gboolean
exec_take_started (BerthGuestExec *self, GError **error)
{
  if (!exec_take_once (&self->is_started, "start", error))
    return FALSE;
  if (!self->is_cancelled)
    exec_arm_backstop (self, self->exec->timeout_ms + BERTH_KILL_GRACE_MS + BACKSTOP_MS);
  return TRUE;
}

static gboolean
exec_take_credit (BerthGuestExec *self, const BerthFrame *frame, GError **error)
{
  guint32 stream = berth_le32_read (frame->payload);
  guint32 size = berth_le32_read (frame->payload + 4);

  /* none is worth a frame */
  if (stream != BERTH_STREAM_STDIN || size == 0
      || size > BERTH_CREDIT_MAX - MIN (self->stdin_credit, BERTH_CREDIT_MAX))
    {
      g_set_error (error, BERTH_PROTOCOL_ERROR, BERTH_PROTOCOL_ERROR_TOO_LARGE,
                   "credit of %u bytes for stream %u", size, stream);
      return FALSE;
    }
  self->stdin_credit += size;
  exec_maybe_watch_stdin (self);
  return TRUE;
}

/* It needs no credit, so it comes once. */
static gboolean
exec_take_list (BerthGuestExec *self, const BerthFrame *frame, GError **error)
{
  if (berth_le32_read (frame->payload) != BERTH_STREAM_FILE)
    {
      g_set_error_literal (error, BERTH_PROTOCOL_ERROR, BERTH_PROTOCOL_ERROR_UNEXPECTED,
                           "output of a list");
      return FALSE;
    }
  g_byte_array_append (self->list, frame->payload + 4, frame->length - 4);
  return exec_take_once (&self->has_ended[0], "list", error);
}

static gboolean
exec_take_data (BerthGuestExec *self, const BerthFrame *frame, GError **error)
{
  guint32 stream = berth_le32_read (frame->payload);
  gsize size = frame->length - 4;
  guint which = stream - BERTH_STREAM_STDOUT;

  if (self->list != NULL)
    return exec_take_list (self, frame, error);
  if (stream != BERTH_STREAM_STDOUT && stream != BERTH_STREAM_STDERR)
    {
      g_set_error (error, BERTH_PROTOCOL_ERROR, BERTH_PROTOCOL_ERROR_UNEXPECTED,
                   "data on stream %u", stream);
      return FALSE;
    }
  if (size > self->credit[which])
    {
      g_set_error (error, BERTH_PROTOCOL_ERROR, BERTH_PROTOCOL_ERROR_TOO_LARGE,
                   "%" G_GSIZE_FORMAT " bytes beyond the credit of stream %u",
                   size - self->credit[which], stream);
      return FALSE;
    }
  self->credit[which] -= size;
  if (size == 0)
    return exec_take_once (&self->has_ended[which], "end of a stream", error);
  berth_output_write (self->outputs[which], frame->payload + 4, size);
  return TRUE;
}

/* The numbers are the guest's word, shown to users and summed up: none may wrap around. */
static gboolean
is_measure (guint64 number)
{
  return number <= G_MAXINT64;
}

static gboolean
exec_take_exit (BerthGuestExec *self, const BerthFrame *frame, GError **error)
{
  memcpy (&self->end, frame->payload, sizeof self->end);
  if (self->end.signal > 64 || self->end.status > 255
      || (self->end.signal == 0 && self->end.status < 0))
    {
      g_set_error (error, BERTH_PROTOCOL_ERROR, BERTH_PROTOCOL_ERROR_UNEXPECTED,
                   "an end with status %d and signal %u", self->end.status, self->end.signal);
      return FALSE;
    }
  if (!is_measure (self->end.wall_us) || !is_measure (self->end.cpu_us)
      || !is_measure (self->end.peak_bytes))
    {
      g_set_error_literal (error, BERTH_PROTOCOL_ERROR, BERTH_PROTOCOL_ERROR_UNEXPECTED,
                           "an end with a negative time or memory");
      return FALSE;
    }
  self->has_end = TRUE;
  return TRUE;
}

/* A refusal of what was asked about one in the background; NULL: it is about what that did. */
static GError *
exec_new_background_error (BerthGuestExec *self, const BerthFrame *frame, const char *text)
{
  guint32 number = self->background->exec;

  switch (berth_le32_read (frame->payload))
    {
    case BERTH_AGENT_ERROR_BUSY:
      return g_error_new (BERTH_ERROR, BERTH_ERROR_NO_CAPACITY,
                          "the guest's agent refused: %s: ask again when one of them has ended",
                          text);
    case BERTH_AGENT_ERROR_INVALID:
      if (self->exec->tty != NULL)
        return g_error_new (BERTH_ERROR, BERTH_ERROR_INVALID,
                            "exec %u: %s: look on with 'berth attach -r', or see 'berth ps'",
                            number, text);
      if (self->has_stdin)
        return g_error_new (BERTH_ERROR, BERTH_ERROR_INVALID,
                            "exec %u: %s: attach to it without its standard input, or look for "
                            "another with 'berth ps'",
                            number, text);
      /* fall through */
    case BERTH_AGENT_ERROR_CANCELLED:
      return g_error_new (BERTH_ERROR, BERTH_ERROR_INVALID, "exec %u: %s: 'berth ps' shows them",
                          number, text);
    default:
      return NULL;
    }
}

static void
exec_take_error (BerthGuestExec *self, const BerthFrame *frame)
{
  g_autofree char *text = berth_guest_error_dup_text (frame);

  if (self->background != NULL)
    self->failure = exec_new_background_error (self, frame, text);
  if (self->failure == NULL)
    /* told after the code began, it says that its end is not known */
    self->failure = g_error_new (BERTH_ERROR,
                                 self->is_started ? BERTH_ERROR_OUTCOME_UNKNOWN
                                                  : berth_guest_error_get_code (frame),
                                 "the guest's agent refused: %s", text);
  self->has_end = TRUE;
}

static gboolean
exec_take_lost (BerthGuestExec *self, const BerthFrame *frame, GError **error)
{
  self->lost_bytes = MIN (berth_le64_read (frame->payload), G_MAXINT64);
  return exec_take_once (&self->has_lost, "loss", error);
}

/* Whether its request may have such a frame, where most that code in the foreground has is not for
 * it: one that is to begin in the background has its number or a refusal, a list or a signal no
 * output and no program's end. */
static gboolean
exec_awaits (const BerthGuestExec *self, guint32 type)
{
  if (self->exec->is_detached)
    return type == BERTH_FRAME_BEGUN || type == BERTH_FRAME_ERROR
           || (type == BERTH_FRAME_EXIT && self->is_cancelled);
  if (self->background != NULL && self->background->kind != BERTH_BACKGROUND_ATTACH)
    return type == BERTH_FRAME_DETACHED || type == BERTH_FRAME_ERROR
           || (type == BERTH_FRAME_DATA && self->list != NULL);
  return TRUE;
}

/* Frames that are about background execs alone */
static gboolean
exec_take_background (BerthGuestExec *self, const BerthFrame *frame, GError **error)
{
  gboolean is_begun = frame->type == BERTH_FRAME_BEGUN;

  if (is_begun ? !self->exec->is_detached || berth_le32_read (frame->payload) == 0
               : self->background == NULL)
    {
      g_set_error (error, BERTH_PROTOCOL_ERROR, BERTH_PROTOCOL_ERROR_UNEXPECTED,
                   "a frame of type %u for what is not in the background", frame->type);
      return FALSE;
    }
  if (frame->type == BERTH_FRAME_LOST)
    return exec_take_lost (self, frame, error);
  self->has_end = TRUE;
  self->is_detached = !is_begun;
  if (is_begun)
    self->exec_number = berth_le32_read (frame->payload);
  return TRUE;
}

gboolean
berth_guest_exec_take (BerthGuestExec *self, const BerthFrame *frame, GError **error)
{
  gboolean ok = TRUE;

  if (self->has_end)
    {
      g_set_error_literal (error, BERTH_PROTOCOL_ERROR, BERTH_PROTOCOL_ERROR_UNEXPECTED,
                           "a frame after the code's end");
      return FALSE;
    }
  if (!exec_awaits (self, frame->type))
    {
      g_set_error (error, BERTH_PROTOCOL_ERROR, BERTH_PROTOCOL_ERROR_UNEXPECTED,
                   "a frame of type %u for a request in the background", frame->type);
      return FALSE;
    }
  self->is_taking = TRUE;
  switch (frame->type)
    {
    case BERTH_FRAME_STARTED:
      ok = exec_take_started (self, error);
      break;
    case BERTH_FRAME_DATA:
      ok = exec_take_data (self, frame, error);
      break;
    case BERTH_FRAME_CREDIT:
      ok = exec_take_credit (self, frame, error);
      break;
    case BERTH_FRAME_EXIT:
      ok = exec_take_exit (self, frame, error);
      break;
    case BERTH_FRAME_ERROR:
      exec_take_error (self, frame);
      break;
    case BERTH_FRAME_BEGUN:
    case BERTH_FRAME_LOST:
    case BERTH_FRAME_DETACHED:
      ok = exec_take_background (self, frame, error);
      break;
    default:
      g_set_error (error, BERTH_PROTOCOL_ERROR, BERTH_PROTOCOL_ERROR_UNEXPECTED,
                   "a frame of type %u for running code", frame->type);
      ok = FALSE;
    }
  self->is_taking = FALSE;
  if (ok)
    exec_maybe_done (self); /* last: it may free us */
  return ok;
}
