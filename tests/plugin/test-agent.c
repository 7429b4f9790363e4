/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The host's end of the agent against a peer that the test plays: honest, lying, silent, dead. */
#include <gio/gio.h>
#include <glib-unix.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent-fixture.h"
#include "pool/berth-error.h"

static guint32
begin_exec_in (Fixture *fixture, BerthExec *exec, BerthLanguage language, guint32 flags,
               GCancellable *cancellable)
{
  g_autofree guint8 *payload = g_malloc (BERTH_FRAME_MAX_PAYLOAD);
  BerthFrameHead head;
  BerthExecHead request;

  berth_guest_exec_async (fixture->agent, exec, language, cancellable, done_cb, fixture);
  head = peer_read (fixture, payload);
  g_assert_cmpuint (head.type, ==, BERTH_FRAME_EXEC);
  memcpy (&request, payload, sizeof request);
  g_assert_cmpuint (request.flags, ==, flags);
  for (guint32 got = 0; got < request.code_size + request.env_size;)
    {
      BerthFrameHead data = peer_read (fixture, payload);

      g_assert_cmpuint (data.type, ==, BERTH_FRAME_DATA);
      g_assert_cmpuint (data.request, ==, head.request);
      got += data.length - 4;
    }
  return head.request;
}

static guint32
begin_exec (Fixture *fixture, BerthExec *exec, GCancellable *cancellable)
{
  guint32 flags = (exec->stdin_fd >= 0 ? BERTH_EXEC_STDIN : 0)
                  | (exec->keeps_state ? BERTH_EXEC_SESSION : BERTH_EXEC_ONCE);

  return begin_exec_in (fixture, exec, BERTH_LANGUAGE_PYTHON, flags, cancellable);
}

static BerthExec *
new_exec (const char *code)
{
  g_autoptr (GBytes) bytes = g_bytes_new_static (code, strlen (code));

  return berth_exec_new (bytes);
}

static BerthExec *
new_command (const char *const *argv)
{
  g_autoptr (GBytes) bytes = berth_exec_pack_command (argv);
  BerthExec *exec = berth_exec_new (bytes);

  exec->is_command = TRUE;
  return exec;
}

static void
send_data (Fixture *fixture, guint32 request, guint32 stream, const char *text, gsize size)
{
  g_autofree guint8 *payload = g_malloc (4 + size);

  berth_le32_write (payload, stream);
  memcpy (payload + 4, text, size);
  peer_send (fixture, BERTH_FRAME_DATA, request, payload, 4 + size);
}

static BerthResult *
finish_exec (Fixture *fixture, GError **error)
{
  BerthResult *result;

  run_until_done (fixture);
  result = berth_guest_exec_finish (fixture->agent, fixture->result, error);
  g_clear_object (&fixture->result);
  return result;
}

static void
assert_outcome_unknown (Fixture *fixture)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (BerthResult) result = finish_exec (fixture, &error);

  g_assert_null (result);
  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_OUTCOME_UNKNOWN);
  g_assert_true (fixture->is_closed);
}

static void
test_exec (Fixture *fixture, gconstpointer data)
{
  BerthExit end = { .status = 3, .wall_us = 1000 };
  g_autoptr (GError) error = NULL;
  g_autoptr (BerthResult) result = NULL;
  guint32 request;

  greet (fixture, BERTH_HELLO_READY);
  request = begin_exec (fixture, new_exec ("print(1)"), NULL);
  peer_send (fixture, BERTH_FRAME_STARTED, request, NULL, 0);
  send_data (fixture, request, BERTH_STREAM_STDOUT, "1\n\xc3", 3);
  send_data (fixture, request, BERTH_STREAM_STDERR, "oops", 4);
  send_data (fixture, request, BERTH_STREAM_STDOUT, "\xa4", 1);
  peer_send (fixture, BERTH_FRAME_EXIT, request, &end, sizeof end);
  result = finish_exec (fixture, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (result->stdout_data, ==, "1\n\u00e4");
  g_assert_cmpstr (result->stderr_data, ==, "oops");
  g_assert_cmpint (result->exit_code, ==, 3);
}

static void
test_capture_is_bounded (Fixture *fixture, gconstpointer data)
{
  BerthExit end = { .status = 0 };
  BerthExec *exec = new_exec ("x");
  g_autoptr (GError) error = NULL;
  g_autoptr (BerthResult) result = NULL;
  guint32 request;

  exec->stdout_max = 4;
  greet (fixture, 0);
  request = begin_exec (fixture, exec, NULL);
  send_data (fixture, request, BERTH_STREAM_STDOUT, "abc\xc3\xa4zzz", 8);
  peer_send (fixture, BERTH_FRAME_EXIT, request, &end, sizeof end);
  result = finish_exec (fixture, &error);
  g_assert_no_error (error);
  g_assert_true (result->stdout_truncated);
  g_assert_cmpstr (result->stdout_data, ==, "abc");
}

/* Whose interpreter it gets is part of the request; begin_exec() looks at it. */
static void
test_keeps_state (Fixture *fixture, gconstpointer data)
{
  BerthExec *exec = new_exec ("x = 1");
  BerthExit end = { .status = 3 };
  g_autoptr (GError) error = NULL;
  g_autoptr (BerthResult) result = NULL;
  guint32 request;

  exec->keeps_state = TRUE;
  greet (fixture, 0);
  request = begin_exec (fixture, exec, NULL);
  peer_send (fixture, BERTH_FRAME_EXIT, request, &end, sizeof end);
  result = finish_exec (fixture, &error);
  g_assert_no_error (error);
  g_assert_cmpint (result->exit_code, ==, 3);
}

/* What a file's name says of JavaScript, and of nothing else; a script in a sandbox that stays. */
static void
test_kinds (Fixture *fixture, gconstpointer data)
{
  const struct
  {
    const char *suffix;
    BerthLanguage language;
    gboolean keeps_state, is_script;
    guint32 flags;
  } kinds[] = {
    { ".mjs", BERTH_LANGUAGE_JAVASCRIPT, FALSE, FALSE, BERTH_EXEC_ONCE | BERTH_EXEC_MODULE },
    { ".cjs", BERTH_LANGUAGE_JAVASCRIPT, FALSE, TRUE, BERTH_EXEC_COMMONJS },
    { ".js", BERTH_LANGUAGE_JAVASCRIPT, FALSE, TRUE, 0 },
    { ".mjs", BERTH_LANGUAGE_JAVASCRIPT, TRUE, FALSE, BERTH_EXEC_SESSION },
    { ".mjs", BERTH_LANGUAGE_PYTHON, FALSE, FALSE, BERTH_EXEC_ONCE },
  };

  greet (fixture, 0);
  for (guint i = 0; i < G_N_ELEMENTS (kinds); i++)
    {
      BerthExec *exec = new_exec ("x = 1");
      BerthExit end = { .status = 3 };
      g_autoptr (GError) error = NULL;
      g_autoptr (BerthResult) result = NULL;
      guint32 request;

      exec->suffix = g_strdup (kinds[i].suffix);
      exec->keeps_state = kinds[i].keeps_state;
      exec->is_script = kinds[i].is_script;
      request = begin_exec_in (fixture, exec, kinds[i].language, kinds[i].flags, NULL);
      peer_send (fixture, BERTH_FRAME_EXIT, request, &end, sizeof end);
      result = finish_exec (fixture, &error);
      g_assert_no_error (error);
    }
}

static void
test_slow_reader_holds_credit (Fixture *fixture, gconstpointer data)
{
  const gsize window = 256 * 1024;
  g_autofree char *much = g_malloc0 (BERTH_DATA_MAX);
  BerthExit end = { .status = 0 };
  BerthExec *exec = new_exec ("x");
  g_autoptr (GError) error = NULL;
  g_autoptr (BerthResult) result = NULL;
  gsize read_back = 0;
  guint32 request;
  int fds[2];

  g_assert_true (g_unix_open_pipe (fds, FD_CLOEXEC, NULL));
  exec->stdout_fd = hand_over (fds[1], FALSE);
  greet (fixture, 0);
  request = begin_exec (fixture, exec, NULL);
  for (gsize sent = 0; sent < window;)
    {
      gsize part = MIN (window - sent, BERTH_DATA_MAX);

      send_data (fixture, request, BERTH_STREAM_STDOUT, much, part);
      sent += part;
      while (g_main_context_iteration (NULL, FALSE))
        ;
    }
  peer_send (fixture, BERTH_FRAME_EXIT, request, &end, sizeof end);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_assert_null (fixture->result); /* the end waits for the output's reader */
  while (read_back < window)
    {
      gssize got = read (fds[0], much, BERTH_DATA_MAX);

      g_assert_cmpint (got, >, 0);
      read_back += (gsize)got;
      while (g_main_context_iteration (NULL, FALSE))
        ;
    }
  result = finish_exec (fixture, &error);
  g_assert_no_error (error);
  g_assert_null (result->stdout_data);
  close (fds[0]);
}

static void
test_reader_gone (Fixture *fixture, gconstpointer data)
{
  BerthExit end = { .status = 0 };
  BerthExec *exec = new_exec ("x");
  g_autoptr (GError) error = NULL;
  g_autoptr (BerthResult) result = NULL;
  guint32 request;
  int fds[2];

  g_assert_true (g_unix_open_pipe (fds, FD_CLOEXEC, NULL));
  close (fds[0]);
  exec->stdout_fd = hand_over (fds[1], FALSE);
  greet (fixture, 0);
  request = begin_exec (fixture, exec, NULL);
  send_data (fixture, request, BERTH_STREAM_STDOUT, "lost", 4);
  peer_send (fixture, BERTH_FRAME_EXIT, request, &end, sizeof end);
  result = finish_exec (fixture, &error);
  g_assert_no_error (error);
  g_assert_cmpint (result->exit_code, ==, 0);
}

static void
test_stdin_by_credit (Fixture *fixture, gconstpointer data)
{
  guint8 credit[8];
  guint8 payload[64];
  BerthExit end = { .status = 0 };
  BerthExec *exec = new_exec ("x");
  g_autoptr (GError) error = NULL;
  g_autoptr (BerthResult) result = NULL;
  BerthFrameHead head;
  guint32 request;
  int fds[2];

  g_assert_true (g_unix_open_pipe (fds, FD_CLOEXEC, NULL));
  g_assert_cmpint (write (fds[1], "abcdef", 6), ==, 6);
  close (fds[1]);
  exec->stdin_fd = hand_over (fds[0], TRUE);
  greet (fixture, 0);
  request = begin_exec (fixture, exec, NULL);
  berth_le32_write (credit, BERTH_STREAM_STDIN);
  berth_le32_write (credit + 4, 4);
  for (guint i = 0; i < 2; i++)
    {
      peer_send (fixture, BERTH_FRAME_CREDIT, request, credit, sizeof credit);
      g_main_context_iteration (NULL, TRUE);
      while (g_main_context_iteration (NULL, FALSE))
        ;
      head = peer_read (fixture, payload);
      g_assert_cmpuint (head.length, ==, i == 0 ? 4 + 4 : 4 + 2);
    }
  head = peer_read (fixture, payload);
  g_assert_cmpuint (head.length, ==, 4); /* the end of the stream */
  peer_send (fixture, BERTH_FRAME_EXIT, request, &end, sizeof end);
  result = finish_exec (fixture, &error);
  g_assert_no_error (error);
}

static void
test_guest_dies (Fixture *fixture, gconstpointer data)
{
  greet (fixture, 0);
  begin_exec (fixture, new_exec ("x"), NULL);
  shutdown (fixture->peer, SHUT_RDWR);
  assert_outcome_unknown (fixture);
}

static void
test_end_known_then_guest_dies (Fixture *fixture, gconstpointer data)
{
  BerthExit end = { .status = 7 };
  g_autoptr (GError) error = NULL;
  g_autoptr (BerthResult) result = NULL;
  guint32 request;

  greet (fixture, 0);
  request = begin_exec (fixture, new_exec ("x"), NULL);
  peer_send (fixture, BERTH_FRAME_EXIT, request, &end, sizeof end);
  shutdown (fixture->peer, SHUT_RDWR);
  result = finish_exec (fixture, &error);
  g_assert_no_error (error);
  g_assert_cmpint (result->exit_code, ==, 7);
}

static void
test_more_than_its_credit (Fixture *fixture, gconstpointer data)
{
  g_autofree char *much = g_malloc0 (BERTH_DATA_MAX);
  BerthExec *exec = new_exec ("x");
  guint32 request;
  int fds[2];

  g_assert_true (g_unix_open_pipe (fds, FD_CLOEXEC, NULL));
  exec->stdout_fd = hand_over (fds[1], FALSE);
  greet (fixture, 0);
  request = begin_exec (fixture, exec, NULL);
  /* the pipe takes 64 KiB and the window is 256 KiB: within 6 frames it is overrun */
  for (guint i = 0; i < 6 && !fixture->is_closed; i++)
    {
      send_data (fixture, request, BERTH_STREAM_STDOUT, much, BERTH_DATA_MAX);
      while (g_main_context_iteration (NULL, FALSE))
        ;
    }
  assert_outcome_unknown (fixture);
  close (fds[0]);
}

static void
test_lies_about_an_end (Fixture *fixture, gconstpointer data)
{
  static const BerthExit ends[] = { { .status = 99999 },
                                    { .wall_us = G_MAXUINT64 },
                                    { .cpu_us = 1ull << 63 },
                                    { .peak_bytes = 1ull << 63 } };
  BerthExit end = ends[GPOINTER_TO_UINT (data)];
  guint32 request;

  greet (fixture, 0);
  request = begin_exec (fixture, new_exec ("x"), NULL);
  peer_send (fixture, BERTH_FRAME_EXIT, request, &end, sizeof end);
  assert_outcome_unknown (fixture);
}

static void
test_flood_of_nothing (Fixture *fixture, gconstpointer data)
{
  guint8 payload[8] = { 0 };

  greet (fixture, 0);
  begin_exec (fixture, new_exec ("x"), NULL);
  for (guint i = 0; i < 2000 && !fixture->is_closed; i++)
    {
      peer_send (fixture, BERTH_FRAME_PONG, 999, payload, sizeof payload);
      while (g_main_context_iteration (NULL, FALSE))
        ;
    }
  assert_outcome_unknown (fixture);
}

/* Runs the agent's end until it has sent something. */
static gboolean
peer_can_read (Fixture *fixture)
{
  GPollFD poll_fd = { .fd = fixture->peer, .events = G_IO_IN };

  g_main_context_iteration (NULL, FALSE);
  return g_poll (&poll_fd, 1, 1) == 1;
}

/* Answers an identity as a guest does whose clock is @behind_ns behind what it was told. */
static BerthIdentity
answer_identity (Fixture *fixture, guint8 random, gint64 behind_ns)
{
  BerthIdentity identity;
  BerthIdentityDone done = { .random = { random } };
  BerthFrameHead head = peer_read (fixture, (guint8 *)&identity);

  g_assert_cmpuint (head.type, ==, BERTH_FRAME_IDENTITY);
  done.realtime_ns = identity.realtime_ns - (guint64)behind_ns;
  peer_send (fixture, BERTH_FRAME_IDENTITY_DONE, head.request, &done, sizeof done);
  return identity;
}

static void
test_wrong_clock_is_refused (Fixture *fixture, gconstpointer data)
{
  BerthIdentity identity;
  g_autoptr (GError) error = NULL;

  greet (fixture, 0);
  berth_guest_identify_async (fixture->agent, "host", 0, 5000, NULL, done_cb, fixture);
  identity = answer_identity (fixture, 1, 60 * G_GINT64_CONSTANT (1000000000));
  g_assert_cmpstr (identity.hostname, ==, "host");
  run_until_done (fixture);
  g_assert_false (berth_guest_identify_finish (fixture->agent, fixture->result, NULL, &error));
  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_UNAVAILABLE);
}

/* The way to the guest and back took longer than its clock may be off: it gets the time once more,
 * and its random numbers of the first time are the proof. */
static void
test_late_clock_is_set_again (Fixture *fixture, gconstpointer data)
{
  BerthIdentity first;
  BerthIdentity second;
  guint8 random[32];
  g_autoptr (GError) error = NULL;

  greet (fixture, 0);
  berth_guest_identify_async (fixture->agent, "host", 0, 60000, NULL, done_cb, fixture);
  first = answer_identity (fixture, 1, 0);
  g_usleep (60000); /* what no clock may be off: the answer is late, however fast this machine is */
  while (!peer_can_read (fixture))
    ;
  second = answer_identity (fixture, 2, 0);
  g_assert_cmpstr (second.hostname, ==, "");
  g_assert_cmpuint (second.realtime_ns, >=, first.realtime_ns + 50000000);
  g_assert_cmpint (memcmp (first.seed, second.seed, sizeof first.seed), !=, 0);
  while (fixture->result == NULL) /* this machine may be busy, too */
    if (peer_can_read (fixture))
      answer_identity (fixture, 3, 0);
  g_assert_true (berth_guest_identify_finish (fixture->agent, fixture->result, random, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (random[0], ==, 1);
}

/* A session that is found again on a busy host has its proof by the first answer. */
static void
test_clock_may_be_late (Fixture *fixture, gconstpointer data)
{
  guint8 random[32];
  g_autoptr (GError) error = NULL;

  greet (fixture, 0);
  berth_guest_identify_async (fixture->agent, "host", BERTH_IDENTIFY_MAY_BE_LATE, 60000, NULL,
                              done_cb, fixture);
  answer_identity (fixture, 1, 0);
  g_usleep (60000);
  run_until_done (fixture);
  g_assert_true (berth_guest_identify_finish (fixture->agent, fixture->result, random, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (random[0], ==, 1);
  g_clear_object (&fixture->result);
  /* one that is wrong is no matter of being late */
  berth_guest_identify_async (fixture->agent, "host", BERTH_IDENTIFY_MAY_BE_LATE, 60000, NULL,
                              done_cb, fixture);
  answer_identity (fixture, 2, 60 * G_GINT64_CONSTANT (1000000000));
  run_until_done (fixture);
  g_assert_false (berth_guest_identify_finish (fixture->agent, fixture->result, NULL, &error));
  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_UNAVAILABLE);
}

static void
assert_refused (const GError *error, const char *age, guint version)
{
  g_autofree char *text = g_strdup_printf ("the image was built for %s berth (agent protocol %u, "
                                           "this berthd speaks %u): build the image "
                                           "again (berth image build); where that was done "
                                           "since, make a new sandbox",
                                           age, version, BERTH_PROTOCOL_VERSION);

  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_CONFIG);
  g_assert_cmpstr (error->message, ==, text);
}

/* @data: the version of an agent that has none in common with this host */
static void
test_other_version_is_refused (Fixture *fixture, gconstpointer data)
{
  guint version = GPOINTER_TO_UINT (data);
  BerthHelloReply reply = { .version = version };
  g_autoptr (GError) error = NULL;

  berth_guest_hello_async (fixture->agent, BERTH_HELLO_RESET, 60000, NULL, done_cb, fixture);
  peer_answer_hello (fixture, &reply);
  run_until_done (fixture);
  g_assert_false (berth_guest_hello_finish (fixture->agent, fixture->result, &error));
  assert_refused (error, version < BERTH_PROTOCOL_VERSION ? "an older" : "a newer", version);
}

/* What the agent does not know is told before a byte of it is sent; all else it is still asked. */
static void
test_older_agent (Fixture *fixture, gconstpointer data)
{
  const char *suffixes[] = { ".mjs", ".cjs", NULL };
  BerthExit end = { .status = 7 };
  g_autoptr (BerthResult) result = NULL;
  g_autoptr (GError) last = NULL;
  guint32 request;

  greet_as (fixture, BERTH_PROTOCOL_OLDEST, BERTH_HELLO_READY);
  for (guint i = 0; i < G_N_ELEMENTS (suffixes); i++)
    {
      BerthExec *exec = new_exec ("1");
      g_autoptr (GError) error = NULL;

      exec->suffix = g_strdup (suffixes[i]);
      exec->workdir = suffixes[i] == NULL ? g_strdup ("folder") : NULL;
      berth_guest_exec_async (fixture->agent, exec, BERTH_LANGUAGE_JAVASCRIPT, NULL, done_cb,
                              fixture);
      g_assert_null (finish_exec (fixture, &error));
      assert_refused (error, "an older", BERTH_PROTOCOL_OLDEST);
    }
  request = begin_exec (fixture, new_exec ("print(1)"), NULL);
  peer_send (fixture, BERTH_FRAME_STARTED, request, NULL, 0);
  peer_send (fixture, BERTH_FRAME_EXIT, request, &end, sizeof end);
  result = finish_exec (fixture, &last);
  g_assert_no_error (last);
  g_assert_cmpint (result->exit_code, ==, 7);
}

/* The first version that knows commands, and the last that does not */
static void
test_command_needs_its_version (Fixture *fixture, gconstpointer data)
{
  const char *const argv[] = { "ls", NULL };
  guint32 version = GPOINTER_TO_UINT (data);
  g_autoptr (GError) error = NULL;

  greet_as (fixture, version, BERTH_HELLO_READY);
  if (version >= BERTH_COMMAND_VERSION)
    {
      begin_exec_in (fixture, new_command (argv), BERTH_LANGUAGE_NONE, BERTH_EXEC_COMMAND, NULL);
      berth_guest_close (fixture->agent);
      g_assert_null (finish_exec (fixture, &error));
      return;
    }
  berth_guest_exec_async (fixture->agent, new_command (argv), BERTH_LANGUAGE_PYTHON, NULL, done_cb,
                          fixture);
  g_assert_null (finish_exec (fixture, &error));
  assert_refused (error, "an older", version);
}

static void
beside_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GAsyncResult **out_result = user_data;

  g_assert_null (*out_result);
  *out_result = g_object_ref (result);
}

/* Begins a command whose end goes to @out_result, beside what goes to the fixture. */
static guint32
begin_beside (Fixture *fixture, GCancellable *cancellable, GAsyncResult **out_result)
{
  const char *const argv[] = { "ls", "-l", NULL };
  g_autofree guint8 *payload = g_malloc (BERTH_FRAME_MAX_PAYLOAD);
  BerthFrameHead head;
  BerthExecHead request;

  berth_guest_exec_async (fixture->agent, new_command (argv), BERTH_LANGUAGE_PYTHON, cancellable,
                          beside_cb, out_result);
  head = peer_read (fixture, payload);
  g_assert_cmpuint (head.type, ==, BERTH_FRAME_EXEC);
  memcpy (&request, payload, sizeof request);
  g_assert_cmpuint (request.flags, ==, BERTH_EXEC_COMMAND);
  g_assert_cmpuint (request.language, ==, BERTH_LANGUAGE_NONE);
  head = peer_read (fixture, payload);
  g_assert_cmpmem (payload + 4, head.length - 4, "ls\0-l", 6);
  return head.request;
}

static BerthResult *
finish_beside (Fixture *fixture, GAsyncResult **result, GError **error)
{
  while (*result == NULL)
    g_main_context_iteration (NULL, TRUE);
  return berth_guest_exec_finish (fixture->agent, *result, error);
}

/* Each frame goes to the exec that it is of, and each end is its own. */
static void
test_command_beside (Fixture *fixture, gconstpointer data)
{
  BerthExit ends[] = { { .status = 3 }, { .status = 4 } };
  g_autoptr (GAsyncResult) beside = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (BerthResult) first = NULL;
  g_autoptr (BerthResult) second = NULL;
  guint32 code, command;

  greet (fixture, BERTH_HELLO_READY);
  code = begin_exec (fixture, new_exec ("x"), NULL);
  command = begin_beside (fixture, NULL, &beside);
  peer_send (fixture, BERTH_FRAME_STARTED, code, NULL, 0);
  send_data (fixture, command, BERTH_STREAM_STDOUT, "beside", 6);
  send_data (fixture, code, BERTH_STREAM_STDOUT, "code", 4);
  peer_send (fixture, BERTH_FRAME_EXIT, command, &ends[0], sizeof ends[0]);
  first = finish_beside (fixture, &beside, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (first->stdout_data, ==, "beside");
  g_assert_cmpint (first->exit_code, ==, 3);
  g_assert_null (fixture->result);
  peer_send (fixture, BERTH_FRAME_EXIT, code, &ends[1], sizeof ends[1]);
  second = finish_exec (fixture, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (second->stdout_data, ==, "code");
  g_assert_cmpint (second->exit_code, ==, 4);
}

/* Cancelling one is a KILL for that one. */
static void
test_command_cancelled (Fixture *fixture, gconstpointer data)
{
  BerthExit end = { .status = -1, .signal = 15, .flags = BERTH_EXIT_KILLED };
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GAsyncResult) beside = NULL;
  g_autoptr (GError) error = NULL;
  BerthFrameHead head;
  guint8 payload[64];
  guint32 command;

  greet (fixture, BERTH_HELLO_READY);
  begin_exec (fixture, new_exec ("x"), NULL);
  command = begin_beside (fixture, cancellable, &beside);
  g_cancellable_cancel (cancellable);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  head = peer_read (fixture, payload);
  g_assert_cmpuint (head.type, ==, BERTH_FRAME_KILL);
  g_assert_cmpuint (head.request, ==, command);
  peer_send (fixture, BERTH_FRAME_EXIT, command, &end, sizeof end);
  g_assert_null (finish_beside (fixture, &beside, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_null (fixture->result);
  g_clear_error (&error);
  berth_guest_close (fixture->agent);
  g_assert_null (finish_exec (fixture, &error));
}

/* The guest's end is that of all of them. */
static void
test_commands_die (Fixture *fixture, gconstpointer data)
{
  GAsyncResult *results[BERTH_COMMANDS_MAX] = { NULL };
  const char *const argv[] = { "ls", NULL };
  g_autoptr (GAsyncResult) over = NULL;
  g_autoptr (GError) too_many = NULL;

  greet (fixture, BERTH_HELLO_READY);
  begin_exec (fixture, new_exec ("x"), NULL);
  for (guint i = 0; i < BERTH_COMMANDS_MAX; i++)
    begin_beside (fixture, NULL, &results[i]);
  berth_guest_exec_async (fixture->agent, new_command (argv), BERTH_LANGUAGE_PYTHON, NULL,
                          beside_cb, &over);
  g_assert_null (finish_beside (fixture, &over, &too_many));
  g_assert_error (too_many, BERTH_ERROR, BERTH_ERROR_INTERNAL);
  close (fixture->peer);
  fixture->peer = -1;
  for (guint i = 0; i < BERTH_COMMANDS_MAX; i++)
    {
      g_autoptr (GError) error = NULL;

      g_assert_null (finish_beside (fixture, &results[i], &error));
      g_assert_error (error, BERTH_ERROR, BERTH_ERROR_OUTCOME_UNKNOWN);
      g_clear_object (&results[i]);
    }
  assert_outcome_unknown (fixture);
}

static void
ask_again_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (berth_guest_exec_finish (BERTH_GUEST (source), result, &error));
  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_OUTCOME_UNKNOWN);
  berth_guest_exec_async (BERTH_GUEST (source), new_exec ("y"), BERTH_LANGUAGE_PYTHON, NULL,
                          beside_cb, user_data);
}

/* Who hears that its program is lost and asks for the next was not heard: nothing of it was sent.
 */
static void
test_next_exec_at_the_end (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GAsyncResult) next = NULL;
  g_autoptr (GError) error = NULL;

  greet (fixture, BERTH_HELLO_READY);
  berth_guest_exec_async (fixture->agent, new_exec ("x"), BERTH_LANGUAGE_PYTHON, NULL, ask_again_cb,
                          &next);
  close (fixture->peer);
  fixture->peer = -1;
  g_assert_null (finish_beside (fixture, &next, &error));
  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_GONE);
}

static void
test_silence_times_out (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  berth_guest_hello_async (fixture->agent, BERTH_HELLO_RESET, 1, NULL, done_cb, fixture);
  run_until_done (fixture);
  g_assert_false (berth_guest_hello_finish (fixture->agent, fixture->result, &error));
  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_START_TIMED_OUT);
}

static void
test_cancel_kills (Fixture *fixture, gconstpointer data)
{
  BerthExit end = { .status = -1, .signal = 15, .flags = BERTH_EXIT_KILLED };
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GError) error = NULL;
  g_autoptr (BerthResult) result = NULL;
  guint8 payload[64];
  BerthFrameHead head;
  guint32 request;

  greet (fixture, 0);
  request = begin_exec (fixture, new_exec ("x"), cancellable);
  g_cancellable_cancel (cancellable);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  head = peer_read (fixture, payload);
  g_assert_cmpuint (head.type, ==, BERTH_FRAME_KILL);
  g_assert_cmpuint (head.request, ==, request);
  g_assert_null (fixture->result); /* not before the program has ended */
  peer_send (fixture, BERTH_FRAME_EXIT, request, &end, sizeof end);
  result = finish_exec (fixture, &error);
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_false (fixture->is_closed);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(name, func) ADD_OF (name, 0, func)
#define ADD_OF(name, number, func)                                                                 \
  g_test_add ("/agent/" name, Fixture, GUINT_TO_POINTER (number), set_up, func, tear_down)
  ADD ("exec", test_exec);
  ADD ("capture-is-bounded", test_capture_is_bounded);
  ADD ("next-exec-at-the-end", test_next_exec_at_the_end);
  ADD ("keeps-state", test_keeps_state);
  ADD ("kinds", test_kinds);
  ADD ("slow-reader-holds-credit", test_slow_reader_holds_credit);
  ADD ("reader-gone", test_reader_gone);
  ADD ("stdin-by-credit", test_stdin_by_credit);
  ADD ("guest-dies", test_guest_dies);
  ADD ("end-known-then-guest-dies", test_end_known_then_guest_dies);
  ADD ("more-than-its-credit", test_more_than_its_credit);
  ADD ("lies-about-an-end/status", test_lies_about_an_end);
  ADD_OF ("lies-about-an-end/time", 1, test_lies_about_an_end);
  ADD_OF ("lies-about-an-end/cpu", 2, test_lies_about_an_end);
  ADD_OF ("lies-about-an-end/memory", 3, test_lies_about_an_end);
  ADD ("flood-of-nothing", test_flood_of_nothing);
  ADD ("wrong-clock-is-refused", test_wrong_clock_is_refused);
  ADD ("late-clock-is-set-again", test_late_clock_is_set_again);
  ADD ("clock-may-be-late", test_clock_may_be_late);
  ADD_OF ("older-version-is-refused", 1, test_other_version_is_refused);
  ADD_OF ("newer-version-is-refused", BERTH_PROTOCOL_VERSION + 1, test_other_version_is_refused);
  ADD ("older-agent", test_older_agent);
  ADD_OF ("command-needs-its-version/has", BERTH_COMMAND_VERSION, test_command_needs_its_version);
  ADD_OF ("command-needs-its-version/has-not", BERTH_COMMAND_VERSION - 1,
          test_command_needs_its_version);
  ADD ("command-beside", test_command_beside);
  ADD ("command-cancelled", test_command_cancelled);
  ADD ("commands-die", test_commands_die);
  ADD ("silence-times-out", test_silence_times_out);
  ADD ("cancel-kills", test_cancel_kills);
#undef ADD
#undef ADD_OF
  return g_test_run ();
}
