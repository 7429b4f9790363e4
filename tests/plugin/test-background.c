/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The host's end of execs in the background: what it asks a guest, and what it takes from one. */
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "agent-fixture.h"
#include "pool/berth-error.h"

static guint8 payload[BERTH_FRAME_MAX_PAYLOAD]; /* lint: file-scope: one frame at a time */

static void
ask (Fixture *fixture, BerthBackgroundRequest *request, GCancellable *cancellable)
{
  berth_guest_background_async (fixture->agent, request, cancellable, done_cb, fixture);
}

static BerthBackgroundRequest *
make_attach (int out, gboolean follows)
{
  BerthBackgroundRequest *request = berth_background_request_new (BERTH_BACKGROUND_ATTACH, 7);

  request->follows = follows;
  request->stdout_fd = out;
  return request;
}

static BerthBackgroundResult *
finish (Fixture *fixture, GError **error)
{
  run_until_done (fixture);
  return berth_guest_background_finish (fixture->agent, fixture->result, error);
}

static void
send_number (Fixture *fixture, guint32 type, guint32 request, guint64 number, gsize size)
{
  guint8 bytes[8];

  berth_le64_write (bytes, number);
  peer_send (fixture, type, request, bytes, size);
}

/* Its output under credit, what fell out, its end. */
static void
test_attach (Fixture *fixture, gconstpointer data)
{
  const BerthExit end = { .status = 3 };
  g_autoptr (BerthBackgroundResult) result = NULL;
  g_autoptr (GError) error = NULL;
  BerthAttachHead head;
  BerthFrameHead frame;
  char text[16];
  int ends[2];

  greet (fixture, 0);
  g_assert_no_errno (pipe (ends));
  ask (fixture, make_attach (hand_over (ends[1], FALSE), TRUE), NULL);
  frame = peer_read (fixture, payload);
  g_assert_cmpuint (frame.type, ==, BERTH_FRAME_ATTACH);
  memcpy (&head, payload, sizeof head);
  g_assert_cmpuint (head.exec, ==, 7);
  g_assert_cmpuint (head.flags, ==, BERTH_ATTACH_FOLLOWS);
  g_assert_cmpuint (head.stdout_credit, <=, 64 * 1024);
  peer_send (fixture, BERTH_FRAME_DATA, frame.request, "\1\0\0\0text\n", 9);
  send_number (fixture, BERTH_FRAME_LOST, frame.request, 100, 8);
  peer_send (fixture, BERTH_FRAME_EXIT, frame.request, &end, sizeof end);
  result = finish (fixture, &error);
  g_assert_no_error (error);
  g_assert_cmpint (result->end->exit_code, ==, 3);
  g_assert_cmpuint (result->lost_bytes, ==, 100);
  g_assert_cmpint (read (ends[0], text, sizeof text), ==, 5);
  g_assert_cmpint (read (ends[0], text, sizeof text), ==, 0); /* closed before it is told */
  close (ends[0]);
}

/* It goes on: the request has no end to tell. Without output nothing of it is asked for. */
static void
test_goes_on (Fixture *fixture, gconstpointer data)
{
  g_autoptr (BerthBackgroundResult) result = NULL;
  g_autoptr (GError) error = NULL;
  BerthAttachHead head;
  BerthFrameHead frame;

  greet (fixture, 0);
  ask (fixture, make_attach (-1, FALSE), NULL);
  frame = peer_read (fixture, payload);
  memcpy (&head, payload, sizeof head);
  g_assert_cmpuint (head.flags, ==, BERTH_ATTACH_ENDS);
  peer_send (fixture, BERTH_FRAME_DETACHED, frame.request, "", 0);
  result = finish (fixture, &error);
  g_assert_no_error (error);
  g_assert_null (result->end);
}

/* Who cancels lets go of it, and it goes on. */
static void
test_cancel (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GError) error = NULL;
  BerthFrameHead frame;

  greet (fixture, 0);
  ask (fixture, make_attach (-1, TRUE), cancellable);
  peer_read (fixture, payload);
  g_cancellable_cancel (cancellable);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  frame = peer_read (fixture, payload);
  g_assert_cmpuint (frame.type, ==, BERTH_FRAME_KILL);
  peer_send (fixture, BERTH_FRAME_DETACHED, frame.request, "", 0);
  g_assert_null (finish (fixture, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
}

/* While the guest stands still, too, whose streams are at their end then; what it says when it goes
 * on is for nobody. */
static void
test_cancel_while_paused (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GError) error = NULL;
  BerthFrameHead frame;
  char text[16];
  int ends[2];

  greet (fixture, 0);
  g_assert_no_errno (pipe (ends));
  ask (fixture, make_attach (hand_over (ends[1], FALSE), TRUE), cancellable);
  frame = peer_read (fixture, payload);
  berth_guest_set_paused (fixture->agent, TRUE);
  g_cancellable_cancel (cancellable);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_assert_cmpint (read (ends[0], text, sizeof text), ==, 0);
  g_assert_null (fixture->result);
  berth_guest_set_paused (fixture->agent, FALSE);
  peer_send (fixture, BERTH_FRAME_DATA, frame.request, "\1\0\0\0text\n", 9);
  peer_send (fixture, BERTH_FRAME_DETACHED, frame.request, "", 0);
  g_assert_null (finish (fixture, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_false (fixture->is_closed);
  close (ends[0]);
}

static void
test_list (Fixture *fixture, gconstpointer data)
{
  struct __attribute__ ((packed))
  {
    guint32 stream;
    BerthExecsEntry entry;
    BerthExecsMore more;
    char words[5];
  } told = { BERTH_STREAM_FILE,
             { .exec = 2,
               .state = BERTH_EXEC_RUNS,
               .flags = BERTH_EXEC_COMMAND | BERTH_EXEC_TERMINAL,
               .words_size = 5 },
             { 5000, 1 },
             { 's', 'l', 'e', 'e', 'p' } };
  gboolean is_attached = FALSE;
  guint32 timeout_ms = 0;
  g_autoptr (BerthBackgroundResult) result = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) exec = NULL;
  BerthFrameHead frame;
  const char *words;

  greet (fixture, 0);
  ask (fixture, berth_background_request_new (BERTH_BACKGROUND_LIST, 0), NULL);
  frame = peer_read (fixture, payload);
  g_assert_cmpuint (frame.type, ==, BERTH_FRAME_EXECS);
  peer_send (fixture, BERTH_FRAME_DATA, frame.request, &told, sizeof told);
  peer_send (fixture, BERTH_FRAME_DETACHED, frame.request, "", 0);
  result = finish (fixture, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (g_variant_n_children (result->execs), ==, 1);
  exec = g_variant_get_child_value (result->execs, 0);
  g_assert_true (g_variant_lookup (exec, "command", "&s", &words));
  g_assert_cmpstr (words, ==, "sleep");
  g_assert_true (g_variant_lookup (exec, "kind", "&s", &words));
  g_assert_cmpstr (words, ==, "terminal");
  g_assert_true (g_variant_lookup (exec, "timeout_ms", "u", &timeout_ms));
  g_assert_cmpuint (timeout_ms, ==, 5000);
  g_assert_true (g_variant_lookup (exec, "attached", "b", &is_attached));
  g_assert_true (is_attached);
}

/* An agent of before tells less of each. */
static void
test_list_of_older (Fixture *fixture, gconstpointer data)
{
  struct __attribute__ ((packed))
  {
    guint32 stream;
    BerthExecsEntry entry;
    char words[5];
  } told = { BERTH_STREAM_FILE,
             { .exec = 2, .state = BERTH_EXEC_RUNS, .flags = BERTH_EXEC_COMMAND, .words_size = 5 },
             { 's', 'l', 'e', 'e', 'p' } };
  g_autoptr (BerthBackgroundResult) result = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) exec = NULL;
  BerthFrameHead frame;
  const char *words;

  greet_as (fixture, BERTH_EXECS_MORE_VERSION - 1, 0);
  ask (fixture, berth_background_request_new (BERTH_BACKGROUND_LIST, 0), NULL);
  frame = peer_read (fixture, payload);
  peer_send (fixture, BERTH_FRAME_DATA, frame.request, &told, sizeof told);
  peer_send (fixture, BERTH_FRAME_DETACHED, frame.request, "", 0);
  result = finish (fixture, &error);
  g_assert_no_error (error);
  exec = g_variant_get_child_value (result->execs, 0);
  g_assert_true (g_variant_lookup (exec, "command", "&s", &words));
  g_assert_cmpstr (words, ==, "sleep");
  g_assert_false (g_variant_lookup (exec, "timeout_ms", "u", NULL));
}

/* Lets the host go on until it has sent something. */
static BerthFrameHead
await_frame (Fixture *fixture)
{
  struct pollfd peer = { .fd = fixture->peer, .events = POLLIN };

  while (poll (&peer, 1, 0) == 0)
    g_main_context_iteration (NULL, TRUE);
  return peer_read (fixture, payload);
}

/* Who sits at a terminal: its size is told and each other one; that nobody types any more is not,
 * as it is no end of what is typed. */
static void
test_terminal (Fixture *fixture, gconstpointer data)
{
  BerthBackgroundRequest *request = make_attach (-1, TRUE);
  g_autoptr (BerthTty) tty = berth_tty_new (24, 80);
  g_autoptr (BerthBackgroundResult) result = NULL;
  g_autoptr (GError) error = NULL;
  BerthAttachHead head;
  BerthFrameHead frame;
  int ends[2];

  greet (fixture, 0);
  g_assert_no_errno (pipe (ends));
  request->tty = berth_tty_ref (tty);
  request->stdin_fd = hand_over (ends[0], TRUE);
  ask (fixture, request, NULL);
  frame = peer_read (fixture, payload);
  memcpy (&head, payload, sizeof head);
  g_assert_cmpuint (head.flags, ==,
                    BERTH_ATTACH_FOLLOWS | BERTH_ATTACH_STDIN | BERTH_ATTACH_TERMINAL
                        | BERTH_ATTACH_ENDS);
  frame = peer_read (fixture, payload);
  g_assert_cmpuint (frame.type, ==, BERTH_FRAME_RESIZE);
  g_assert_cmpuint (berth_le32_read (payload), ==, 24);
  peer_send (fixture, BERTH_FRAME_CREDIT, frame.request, "\0\0\0\0\0\1\0\0", 8);
  g_assert_cmpint (write (ends[1], "x", 1), ==, 1);
  frame = await_frame (fixture);
  g_assert_cmpuint (frame.type, ==, BERTH_FRAME_DATA);
  g_assert_cmpuint (frame.length, ==, 5);
  close (ends[1]);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  berth_tty_resize (tty, 50, 132);
  frame = peer_read (fixture, payload);
  g_assert_cmpuint (frame.type, ==, BERTH_FRAME_RESIZE);
  g_assert_cmpuint (berth_le32_read (payload + 4), ==, 132);
  peer_send (fixture, BERTH_FRAME_DETACHED, frame.request, "", 0);
  result = finish (fixture, &error);
  g_assert_no_error (error);
}

static void
test_terminal_needs_its_version (Fixture *fixture, gconstpointer data)
{
  BerthBackgroundRequest *request = make_attach (-1, TRUE);
  g_autoptr (GError) error = NULL;

  greet_as (fixture, BERTH_REATTACH_VERSION - 1, 0);
  request->tty = berth_tty_new (24, 80);
  ask (fixture, request, NULL);
  g_assert_null (finish (fixture, &error));
  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_CONFIG);
}

typedef struct
{
  const char *name;
  const char *payload; /* of the ERROR */
  gboolean wants_stdin;
  int code; /* BerthError */
  const char *text;
} Refusal;

static const Refusal refusals[] = {
  { "unknown", "\3\0\0\0there is none", FALSE, BERTH_ERROR_INVALID,
    "exec 7: there is none: 'berth ps' shows them" },
  { "stdin", "\3\0\0\0it is closed!", TRUE, BERTH_ERROR_INVALID,
    "exec 7: it is closed!: attach to it without its standard input" },
  { "full", "\4\0\0\0many read now", FALSE, BERTH_ERROR_NO_CAPACITY, "many read now: ask again" },
  { "made-room", "\21\0\0\0it made room!", FALSE, BERTH_ERROR_INVALID, "exec 7: it made room!" },
  { "failed", "\7\0\0\0it is broken!", FALSE, BERTH_ERROR_OUTCOME_UNKNOWN, "it is broken!" },
};

/* Each refusal says whether what ran is in doubt, and what to do. */
static void
test_refusal (Fixture *fixture, gconstpointer data)
{
  const Refusal *refusal = data;
  BerthBackgroundRequest *request = make_attach (-1, TRUE);
  g_autoptr (GError) error = NULL;
  BerthFrameHead frame;
  int ends[2];

  greet (fixture, 0);
  g_assert_no_errno (pipe (ends));
  if (refusal->wants_stdin)
    request->stdin_fd = hand_over (dup (ends[0]), TRUE);
  ask (fixture, request, NULL);
  frame = peer_read (fixture, payload);
  peer_send (fixture, BERTH_FRAME_ERROR, frame.request, refusal->payload, 17);
  g_assert_null (finish (fixture, &error));
  g_assert_error (error, BERTH_ERROR, refusal->code);
  g_assert_nonnull (strstr (error->message, refusal->text));
  close (ends[0]);
  close (ends[1]);
}

static void
test_older (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  greet_as (fixture, BERTH_BACKGROUND_VERSION - 1, 0);
  ask (fixture, berth_background_request_new (BERTH_BACKGROUND_LIST, 0), NULL);
  g_assert_null (finish (fixture, &error));
  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_CONFIG);
}

static void
begin_of (Fixture *fixture, gboolean is_detached, guint log_mb, GCancellable *cancellable)
{
  g_autoptr (GBytes) block = g_bytes_new_static ("true", 5);
  BerthExec *exec = berth_exec_new (block);

  exec->is_command = TRUE;
  exec->is_detached = is_detached;
  exec->has_no_limit = is_detached;
  exec->log_mb = is_detached ? log_mb : 0;
  berth_guest_exec_async (fixture->agent, exec, BERTH_LANGUAGE_NONE, cancellable, done_cb, fixture);
}

static void
begin_cancellably (Fixture *fixture, gboolean is_detached, GCancellable *cancellable)
{
  begin_of (fixture, is_detached, 0, cancellable);
}

static void
begin (Fixture *fixture, gboolean is_detached)
{
  begin_cancellably (fixture, is_detached, NULL);
}

/* An older agent keeps what it keeps, and is not asked for more. */
static void
test_log_size (Fixture *fixture, gconstpointer data)
{
  gboolean is_older = GPOINTER_TO_UINT (data) != 0;
  g_autoptr (GError) error = NULL;
  BerthExecHead head;

  greet_as (fixture, is_older ? BERTH_LOG_VERSION - 1 : BERTH_LOG_VERSION, 0);
  begin_of (fixture, TRUE, 3, NULL);
  if (!is_older)
    {
      peer_read (fixture, payload);
      memcpy (&head, payload, sizeof head);
      g_assert_cmpuint (head.stdout_credit, ==, 3);
      berth_guest_close (fixture->agent);
    }
  run_until_done (fixture);
  g_assert_null (berth_guest_exec_finish (fixture->agent, fixture->result, &error));
  g_assert_true (g_error_matches (error, BERTH_ERROR, BERTH_ERROR_CONFIG) == is_older);
}

static void
test_begin (Fixture *fixture, gconstpointer data)
{
  g_autoptr (BerthResult) result = NULL;
  g_autoptr (GError) error = NULL;
  BerthExecHead head;
  BerthFrameHead frame;

  greet (fixture, 0);
  begin (fixture, TRUE);
  frame = peer_read (fixture, payload);
  memcpy (&head, payload, sizeof head);
  g_assert_cmpuint (head.flags, ==, BERTH_EXEC_COMMAND | BERTH_EXEC_DETACHED);
  g_assert_cmpuint (head.timeout_ms, ==, 0);
  g_assert_cmpuint (head.stdout_credit, ==, BERTH_LOG_MB);
  send_number (fixture, BERTH_FRAME_BEGUN, frame.request, 9, 4);
  run_until_done (fixture);
  result = berth_guest_exec_finish (fixture->agent, fixture->result, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (result->exec, ==, 9);
}

/* A guest that says such things of what is not in the background, or twice, is done with. */
static void
test_rules (Fixture *fixture, gconstpointer data)
{
  guint which = GPOINTER_TO_UINT (data);
  g_autoptr (GError) error = NULL;
  BerthFrameHead frame;

  greet (fixture, 0);
  if (which < 3)
    begin (fixture, which == 2);
  else
    ask (fixture,
         which == 3 ? make_attach (-1, TRUE)
                    : berth_background_request_new (BERTH_BACKGROUND_LIST, 0),
         NULL);
  frame = peer_read (fixture, payload);
  if (which == 0)
    send_number (fixture, BERTH_FRAME_BEGUN, frame.request, 1, 4);
  else if (which == 1)
    peer_send (fixture, BERTH_FRAME_DETACHED, frame.request, "", 0);
  else if (which == 2)
    send_number (fixture, BERTH_FRAME_BEGUN, frame.request, 0, 4);
  else
    for (guint i = 0; i < 2; i++)
      if (which == 3)
        send_number (fixture, BERTH_FRAME_LOST, frame.request, 1, 8);
      else
        peer_send (fixture, BERTH_FRAME_DATA, frame.request, "\5\0\0\0", 4);
  run_until_done (fixture);
  g_assert_true (fixture->is_closed);
  if (which < 3)
    g_assert_null (berth_guest_exec_finish (fixture->agent, fixture->result, &error));
  else
    g_assert_null (berth_guest_background_finish (fixture->agent, fixture->result, &error));
  g_assert_nonnull (error);
}

typedef struct
{
  const char *name;
  gboolean is_exec; /* that is begun; else @kind is asked for */
  BerthBackgroundKind kind;
  guint32 type;
  const void *payload;
  gsize size;
} Stray;

static const BerthExit stray_end = { .status = 3 };

static const Stray strays[] = {
  { "begin/data", TRUE, 0, BERTH_FRAME_DATA, "\1\0\0\0text", 8 },
  { "begin/started", TRUE, 0, BERTH_FRAME_STARTED, "", 0 },
  { "begin/credit", TRUE, 0, BERTH_FRAME_CREDIT, "\0\0\0\0\1\0\0\0", 8 },
  { "begin/exit", TRUE, 0, BERTH_FRAME_EXIT, &stray_end, sizeof stray_end },
  { "list/exit", FALSE, BERTH_BACKGROUND_LIST, BERTH_FRAME_EXIT, &stray_end, sizeof stray_end },
  { "list/lost", FALSE, BERTH_BACKGROUND_LIST, BERTH_FRAME_LOST, "\1\0\0\0\0\0\0\0", 8 },
  { "signal/data", FALSE, BERTH_BACKGROUND_SIGNAL, BERTH_FRAME_DATA, "\1\0\0\0text", 8 },
  { "signal/exit", FALSE, BERTH_BACKGROUND_SIGNAL, BERTH_FRAME_EXIT, &stray_end, sizeof stray_end },
};

/* What a request of another kind has is nothing that this one has: a guest that sends it is done
 * with, and neither keeps a byte here nor ends the call well. */
static void
test_strays (Fixture *fixture, gconstpointer data)
{
  const Stray *stray = data;
  g_autoptr (GError) error = NULL;
  BerthFrameHead frame;

  greet (fixture, 0);
  if (stray->is_exec)
    begin (fixture, TRUE);
  else
    ask (fixture, berth_background_request_new (stray->kind, 7), NULL);
  frame = peer_read (fixture, payload);
  peer_send (fixture, stray->type, frame.request, stray->payload, stray->size);
  /* what would end it well, had the other been taken */
  if (stray->is_exec)
    send_number (fixture, BERTH_FRAME_BEGUN, frame.request, 9, 4);
  else
    peer_send (fixture, BERTH_FRAME_DETACHED, frame.request, "", 0);
  run_until_done (fixture);
  if (stray->is_exec)
    g_assert_null (berth_guest_exec_finish (fixture->agent, fixture->result, &error));
  else
    g_assert_null (berth_guest_background_finish (fixture->agent, fixture->result, &error));
  g_assert_nonnull (error);
  g_assert_true (fixture->is_closed);
}

/* One that is cancelled before it begins has an end, and no number. */
static void
test_begin_cancelled (Fixture *fixture, gconstpointer data)
{
  const BerthExit end = { .status = -1, .signal = 15, .flags = BERTH_EXIT_KILLED };
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GError) error = NULL;
  BerthFrameHead frame;

  greet (fixture, 0);
  begin_cancellably (fixture, TRUE, cancellable);
  g_cancellable_cancel (cancellable);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  do
    frame = peer_read (fixture, payload);
  while (frame.type != BERTH_FRAME_KILL);
  peer_send (fixture, BERTH_FRAME_EXIT, frame.request, &end, sizeof end);
  run_until_done (fixture);
  g_assert_null (berth_guest_exec_finish (fixture->agent, fixture->result, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_false (fixture->is_closed);
}

/* All that waits for a time has it now. */
static void
fire_timers (void)
{
  for (guint id = 1; id < 10000; id++)
    {
      GSource *source = g_main_context_find_source_by_id (NULL, id);

      if (source != NULL && g_source_get_ready_time (source) > 0)
        g_source_set_ready_time (source, 0);
    }
}

/* A guest that answers other things keeps nobody waiting for this for ever. */
static void
test_unanswered (Fixture *fixture, gconstpointer data)
{
  const BerthBackgroundKind kind = GPOINTER_TO_UINT (data);
  g_autoptr (GError) error = NULL;
  BerthFrameHead frame;

  greet (fixture, 0);
  ask (fixture, berth_background_request_new (kind, 7), NULL);
  frame = peer_read (fixture, payload);
  fire_timers ();
  g_assert_null (finish (fixture, &error));
  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_UNAVAILABLE);
  peer_send (fixture, BERTH_FRAME_DETACHED, frame.request, "", 0);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_assert_false (fixture->is_closed);
}

/* One whose time is over is told; a guest that does not is not believed any more. */
static void
test_overdue (Fixture *fixture, gconstpointer data)
{
  BerthBackgroundRequest *request = make_attach (-1, TRUE);
  g_autoptr (GError) error = NULL;

  greet (fixture, 0);
  request->limit_ms = GPOINTER_TO_UINT (data);
  ask (fixture, request, NULL);
  peer_read (fixture, payload);
  fire_timers ();
  if (GPOINTER_TO_UINT (data) == 0)
    {
      while (g_main_context_iteration (NULL, FALSE))
        ;
      g_assert_null (fixture->result);
      berth_guest_close (fixture->agent);
    }
  g_assert_null (finish (fixture, &error));
  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_GONE);
  g_assert_true (fixture->is_closed == (GPOINTER_TO_UINT (data) > 0));
}

static guint32
begin_copy (Fixture *fixture)
{
  berth_guest_freeze_async (fixture->agent, TRUE, 60000, NULL, done_cb, fixture);
  return peer_read (fixture, payload).request;
}

static void
end_call (Fixture *fixture, gboolean is_done)
{
  g_autoptr (GError) error = NULL;

  run_until_done (fixture);
  g_assert_true (berth_guest_freeze_finish (fixture->agent, fixture->result, &error) == is_done);
  g_clear_object (&fixture->result);
}

static void
let_go_on (Fixture *fixture)
{
  guint32 call;

  berth_guest_freeze_async (fixture->agent, FALSE, 60000, NULL, done_cb, fixture);
  call = peer_read (fixture, payload).request;
  send_number (fixture, BERTH_FRAME_FROZEN, call, 0, 4);
  end_call (fixture, TRUE);
}

/* No time passes for it on the host from the call that stops it for a copy to its end, whatever
 * becomes of that call; then what was left of it does. */
static void
test_overdue_while_copied (Fixture *fixture, gconstpointer data)
{
  gboolean is_refused = GPOINTER_TO_UINT (data) != 0;
  BerthBackgroundRequest *request = make_attach (-1, TRUE);
  g_autoptr (GError) error = NULL;
  Fixture watch = { 0 };
  guint32 call;

  greet (fixture, 0);
  request->limit_ms = 5000;
  berth_guest_background_async (fixture->agent, request, NULL, done_cb, &watch);
  peer_read (fixture, payload);
  call = begin_copy (fixture);
  if (is_refused)
    peer_send (fixture, BERTH_FRAME_ERROR, call, "\1\0\0\0busy", 8);
  else
    send_number (fixture, BERTH_FRAME_FROZEN, call, 1, 4);
  end_call (fixture, !is_refused);
  fire_timers ();
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_assert_null (watch.result);
  let_go_on (fixture);
  fire_timers ();
  run_until_done (&watch);
  g_assert_null (berth_guest_background_finish (fixture->agent, watch.result, &error));
  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_GONE);
  g_assert_true (fixture->is_closed);
  g_clear_object (&watch.result);
}

static void
ended_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  gboolean *out_has_ended = user_data;
  g_autoptr (GError) error = NULL;

  g_assert_null (berth_guest_exec_finish (BERTH_GUEST (source), result, &error));
  *out_has_ended = TRUE;
}

/* The first version whose copies go on with what ran for a caller, and the last that does not */
static void
test_copy_needs_its_version (Fixture *fixture, gconstpointer data)
{
  guint32 version = GPOINTER_TO_UINT (data);
  g_autoptr (GBytes) code = g_bytes_new_static ("x", 1);
  gboolean has_ended = FALSE;
  g_autoptr (GError) error = NULL;

  greet_as (fixture, version, BERTH_HELLO_READY);
  berth_guest_exec_async (fixture->agent, berth_exec_new (code), BERTH_LANGUAGE_PYTHON, NULL,
                          ended_cb, &has_ended);
  g_assert_cmpuint (await_frame (fixture).type, ==, BERTH_FRAME_EXEC);
  g_assert_cmpuint (await_frame (fixture).type, ==, BERTH_FRAME_DATA);
  berth_guest_freeze_async (fixture->agent, TRUE, 60000, NULL, done_cb, fixture);
  if (version >= BERTH_COPY_VERSION)
    g_assert_cmpuint (await_frame (fixture).type, ==, BERTH_FRAME_FREEZE);
  else
    {
      run_until_done (fixture);
      g_assert_false (berth_guest_freeze_finish (fixture->agent, fixture->result, &error));
      g_assert_error (error, BERTH_ERROR, BERTH_ERROR_CONFIG);
      g_clear_object (&fixture->result);
    }
  berth_guest_close (fixture->agent);
  while (!has_ended)
    g_main_context_iteration (NULL, TRUE);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(path, data, func)                                                                      \
  g_test_add ("/guest/background/" path, Fixture, GUINT_TO_POINTER (data), set_up, func, tear_down)
  ADD ("attach", 0, test_attach);
  ADD ("goes-on", 0, test_goes_on);
  ADD ("cancel", 0, test_cancel);
  ADD ("cancel-while-paused", 0, test_cancel_while_paused);
  ADD ("list", 0, test_list);
  ADD ("list-of-older", 0, test_list_of_older);
  ADD ("terminal", 0, test_terminal);
  ADD ("terminal-needs-its-version", 0, test_terminal_needs_its_version);
  ADD ("older", 0, test_older);
  ADD ("begin", 0, test_begin);
  ADD ("log-size", FALSE, test_log_size);
  ADD ("log-size-of-older", TRUE, test_log_size);
  ADD ("begun-unasked", 0, test_rules);
  ADD ("detached-unasked", 1, test_rules);
  ADD ("begun-as-none", 2, test_rules);
  ADD ("lost-twice", 3, test_rules);
  ADD ("listed-twice", 4, test_rules);
  ADD ("begin-cancelled", 0, test_begin_cancelled);
  ADD ("list-unanswered", BERTH_BACKGROUND_LIST, test_unanswered);
  ADD ("signal-unanswered", BERTH_BACKGROUND_SIGNAL, test_unanswered);
  ADD ("copy-of-caller", BERTH_COPY_VERSION, test_copy_needs_its_version);
  ADD ("copy-of-caller-older", BERTH_COPY_VERSION - 1, test_copy_needs_its_version);
  ADD ("overdue", 5000, test_overdue);
  ADD ("unlimited", 0, test_overdue);
  ADD ("overdue-while-copied", FALSE, test_overdue_while_copied);
  ADD ("overdue-while-not-copied", TRUE, test_overdue_while_copied);
  for (guint i = 0; i < G_N_ELEMENTS (refusals); i++)
    {
      g_autofree char *path = g_strconcat ("/guest/background/refused/", refusals[i].name, NULL);

      g_test_add (path, Fixture, &refusals[i], set_up, test_refusal, tear_down);
    }
  for (guint i = 0; i < G_N_ELEMENTS (strays); i++)
    {
      g_autofree char *path = g_strconcat ("/guest/background/stray/", strays[i].name, NULL);

      g_test_add (path, Fixture, &strays[i], set_up, test_strays, tear_down);
    }
  return g_test_run ();
}
