/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Background execs: they outlive their connection, what they wrote is kept in bounds, and their end
 * is. */
#include "agent-peer.h"

#include <signal.h>

#define LOG_MAX (BERTH_LOG_MB << 20)

typedef struct
{
  GString *out, *err;
  guint64 lost;
  guint32 end; /* type of the frame that it ended with */
  BerthExit exit;
  char *text; /* of an ERROR */
} Replay;

static void
replay_free (Replay *replay)
{
  g_string_free (replay->out, TRUE);
  g_string_free (replay->err, TRUE);
  g_free (replay->text);
  g_free (replay);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Replay, replay_free)

/* Its newest @log_mb MiB are kept. */
static guint32
send_detached_of (AgentPeer *peer, const char *script, guint timeout_ms, guint32 flags,
                  gssize log_mb)
{
  g_autoptr (GString) block = g_string_new (NULL);
  AgentExec exec = { .flags = flags | BERTH_EXEC_DETACHED, .credit = log_mb };

  if (flags & BERTH_EXEC_COMMAND)
    {
      g_string_append_len (block, "sh\0-c\0", 6);
      g_string_append_len (block, script, (gssize)strlen (script) + 1);
    }
  else
    {
      g_string_append (block, script);
      exec.language = BERTH_LANGUAGE_SHELL;
    }
  exec.code = block->str;
  exec.code_size = (gssize)block->len;
  exec.timeout_ms = timeout_ms;
  return agent_peer_send_exec (peer, &exec);
}

static guint32
send_detached (AgentPeer *peer, const char *script, guint timeout_ms, guint32 flags)
{
  return send_detached_of (peer, script, timeout_ms, flags, BERTH_LOG_MB);
}

static guint32
start (AgentPeer *peer, const char *script, guint32 flags)
{
  AgentFrame frame;

  agent_peer_expect (peer, send_detached (peer, script, 0, flags), BERTH_FRAME_BEGUN, &frame);
  return berth_le32_read (frame.payload);
}

static guint32
start_command (AgentPeer *peer, const char *script)
{
  return start (peer, script, BERTH_EXEC_COMMAND);
}

static guint32
send_attach (AgentPeer *peer, guint32 exec, guint32 flags, guint64 since_us, guint32 credit)
{
  BerthAttachHead head = { .exec = exec,
                           .flags = flags,
                           .since_us = since_us,
                           .stdout_credit = credit,
                           .stderr_credit = credit };

  agent_peer_send (peer, BERTH_FRAME_ATTACH, ++peer->request, &head, sizeof head);
  return peer->request;
}

/* Reads to the end of the request, giving back credit for all that comes. */
static Replay *
collect (AgentPeer *peer, guint32 request)
{
  Replay *replay = g_new0 (Replay, 1);
  AgentFrame frame;

  replay->out = g_string_new (NULL);
  replay->err = g_string_new (NULL);
  for (;;)
    {
      agent_peer_read (peer, &frame);
      if (frame.head.type == BERTH_FRAME_READY)
        continue;
      g_assert_cmpuint (frame.head.request, ==, request);
      if (frame.head.type == BERTH_FRAME_DATA)
        {
          guint32 stream = berth_le32_read (frame.payload);

          g_string_append_len (stream == BERTH_STREAM_STDERR ? replay->err : replay->out,
                               (char *)frame.payload + 4, frame.head.length - 4);
          if (stream != BERTH_STREAM_FILE)
            agent_peer_send_credit (peer, request, stream, frame.head.length - 4);
        }
      else if (frame.head.type == BERTH_FRAME_LOST)
        replay->lost = berth_le64_read (frame.payload);
      else if (frame.head.type != BERTH_FRAME_CREDIT)
        break;
    }
  replay->end = frame.head.type;
  if (replay->end == BERTH_FRAME_EXIT)
    memcpy (&replay->exit, frame.payload, sizeof replay->exit);
  else if (replay->end == BERTH_FRAME_ERROR)
    replay->text = g_strndup ((char *)frame.payload + 4, frame.head.length - 4);
  return replay;
}

static Replay *
attach (AgentPeer *peer, guint32 exec, guint32 flags)
{
  return collect (peer, send_attach (peer, exec, flags, 0, AGENT_CREDIT));
}

/* Waits for its end and looks at its status. */
static void
assert_ends (AgentPeer *peer, guint32 exec, int status)
{
  g_autoptr (Replay) replay = attach (peer, exec, BERTH_ATTACH_FOLLOWS | BERTH_ATTACH_ENDS);

  g_assert_cmpuint (replay->end, ==, BERTH_FRAME_EXIT);
  g_assert_cmpint (replay->exit.status, ==, status);
  g_assert_cmpuint (replay->out->len + replay->err->len, ==, 0);
}

static void
assert_kept (AgentPeer *peer, guint32 exec, const char *out, const char *err)
{
  g_autoptr (Replay) replay = attach (peer, exec, 0);

  g_assert_cmpstr (replay->out->str, ==, out);
  g_assert_cmpstr (replay->err->str, ==, err);
  g_assert_cmpuint (replay->lost, ==, 0);
}

/* The entry of @exec in the list; FALSE: it has none. @out_words: (optional) */
static gboolean
find_entry (AgentPeer *peer, guint32 exec, BerthExecsEntry *out_entry, char **out_words)
{
  g_autoptr (Replay) list = NULL;

  agent_peer_send (peer, BERTH_FRAME_EXECS, ++peer->request, "", 0);
  list = collect (peer, peer->request);
  g_assert_cmpuint (list->end, ==, BERTH_FRAME_DETACHED);
  for (gsize at = 0; at < list->out->len;)
    {
      memcpy (out_entry, list->out->str + at, sizeof *out_entry);
      at += sizeof *out_entry + sizeof (BerthExecsMore) + out_entry->words_size;
      g_assert_cmpuint (at, <=, list->out->len);
      if (out_entry->exec != exec)
        continue;
      if (out_words != NULL)
        *out_words = g_strndup (list->out->str + at - out_entry->words_size, out_entry->words_size);
      return TRUE;
    }
  return FALSE;
}

static void
send_signal (AgentPeer *peer, guint32 exec, guint32 number)
{
  guint8 payload[8];
  AgentFrame frame;

  berth_le32_write (payload, exec);
  berth_le32_write (payload + 4, number);
  agent_peer_send (peer, BERTH_FRAME_SIGNAL, ++peer->request, payload, sizeof payload);
  agent_peer_expect (peer, peer->request, BERTH_FRAME_DETACHED, &frame);
}

static void
test_kept (AgentPeer *peer, gconstpointer data)
{
  guint32 exec = start_command (peer, "echo out; echo err >&2; exit 3");
  guint32 other = start_command (peer, "true");

  g_assert_cmpuint (exec, ==, 1);
  g_assert_cmpuint (other, ==, 2);
  assert_ends (peer, exec, 3);
  assert_ends (peer, exec, 3); /* as often as it is asked for */
  assert_kept (peer, exec, "out\n", "err\n");
  assert_kept (peer, exec, "out\n", "err\n");
  assert_ends (peer, other, 0);
}

/* The connection that asked for it goes, and the next knows it. */
static void
test_next_host (AgentPeer *peer, gconstpointer data)
{
  g_autoptr (Replay) replay = NULL;
  guint32 exec
      = start_command (peer, "echo first; until [ -e go ]; do sleep 0.01; done; echo last");
  g_autofree char *go = g_build_filename (peer->home, "go", NULL);
  guint32 request;

  agent_peer_connect (peer);
  agent_peer_hello (peer, 0);
  request = send_attach (peer, exec, BERTH_ATTACH_FOLLOWS, 0, AGENT_CREDIT);
  agent_peer_connect (peer);
  agent_peer_hello (peer, 0);
  g_assert_true (g_file_set_contents (go, "", 0, NULL));
  request = send_attach (peer, exec, BERTH_ATTACH_FOLLOWS, 0, AGENT_CREDIT);
  replay = collect (peer, request);
  g_assert_cmpstr (replay->out->str, ==, "first\nlast\n");
  g_assert_cmpuint (replay->end, ==, BERTH_FRAME_EXIT);
  g_assert_cmpint (replay->exit.status, ==, 0);
}

/* Nobody is there, and it is kept all the same. */
static void
test_without_host (AgentPeer *peer, gconstpointer data)
{
  guint32 exec = start_command (peer, "until [ -e go ]; do sleep 0.01; done; seq 20000; > done");
  g_autofree char *go = g_build_filename (peer->home, "go", NULL);
  g_autoptr (Replay) replay = NULL;

  agent_peer_disconnect (peer);
  g_assert_true (g_file_set_contents (go, "", 0, NULL));
  g_assert_true (agent_wait_for_file (peer, "done"));
  agent_peer_connect (peer);
  agent_peer_hello (peer, 0);
  replay = attach (peer, exec, BERTH_ATTACH_FOLLOWS);
  g_assert_cmpuint (replay->out->len, ==, 108894);
  g_assert_true (g_str_has_suffix (replay->out->str, "\n20000\n"));
}

/* What fell out is told, and what is left is the newest, whole and in order. */
static void
test_overflow (AgentPeer *peer, gconstpointer data)
{
  guint32 exec = start_command (peer, "seq -f %015.0f 1 200000");
  g_autoptr (Replay) replay = NULL;
  BerthExecsEntry entry;

  assert_ends (peer, exec, 0);
  replay = attach (peer, exec, 0);
  g_assert_cmpuint (replay->out->len + replay->lost, ==, 200000 * 16);
  g_assert_cmpuint (replay->out->len, <=, LOG_MAX);
  g_assert_cmpuint (replay->out->len, >, LOG_MAX / 4 * 3);
  for (gsize at = replay->out->len, line = 200000; at > 16; at -= 16, line--)
    {
      g_autofree char *expected = g_strdup_printf ("%015" G_GSIZE_FORMAT "\n", line);

      g_assert_cmpmem (replay->out->str + at - 16, 16, expected, 16);
    }
  g_assert_true (find_entry (peer, exec, &entry, NULL));
  g_assert_cmpuint (entry.lost_bytes, ==, replay->lost);
  g_assert_cmpuint (entry.kept_bytes, <=, LOG_MAX);
}

/* As much is kept as was asked for, and never more than may be. */
static void
test_log_size (AgentPeer *peer, gconstpointer data)
{
  const gssize sizes_mb[] = { 3, BERTH_LOG_MAX_MB, BERTH_LOG_MAX_MB + 1 };

  for (guint i = 0; i < G_N_ELEMENTS (sizes_mb); i++)
    {
      gsize kept_mb = MIN ((gsize)sizes_mb[i], BERTH_LOG_MAX_MB);
      g_autoptr (Replay) replay = NULL;
      AgentFrame frame;
      guint32 exec;

      agent_peer_expect (
          peer,
          send_detached_of (peer, "seq -f %015.0f 1 1200000", 0, BERTH_EXEC_COMMAND, sizes_mb[i]),
          BERTH_FRAME_BEGUN, &frame);
      exec = berth_le32_read (frame.payload);
      assert_ends (peer, exec, 0);
      replay = attach (peer, exec, 0);
      g_assert_cmpuint (replay->out->len, <=, kept_mb << 20);
      g_assert_cmpuint (replay->out->len, >, (kept_mb << 20) / 4 * 3);
    }
}

/* One who follows without credit holds up nothing, and misses what falls out. */
static void
test_slow_follower (AgentPeer *peer, gconstpointer data)
{
  guint32 exec = start_command (peer, "until [ -e go ]; do sleep 0.01; done; seq 1000000; > done");
  g_autofree char *go = g_build_filename (peer->home, "go", NULL);
  guint32 request = send_attach (peer, exec, BERTH_ATTACH_FOLLOWS, 0, 0);
  g_autoptr (Replay) replay = NULL;

  g_assert_true (g_file_set_contents (go, "", 0, NULL));
  g_assert_true (agent_wait_for_file (peer, "done"));
  agent_peer_send_credit (peer, request, BERTH_STREAM_STDOUT, AGENT_CREDIT);
  replay = collect (peer, request);
  g_assert_cmpuint (replay->end, ==, BERTH_FRAME_EXIT);
  g_assert_cmpuint (replay->lost, >, 0);
  g_assert_cmpuint (replay->out->len + replay->lost, ==, 6888896);
  g_assert_true (g_str_has_suffix (replay->out->str, "\n1000000\n"));
}

/* A KILL of what attached ends that alone. */
static void
test_let_go (AgentPeer *peer, gconstpointer data)
{
  guint32 exec = start_command (peer, "sleep 1000");
  guint32 request = send_attach (peer, exec, BERTH_ATTACH_FOLLOWS, 0, AGENT_CREDIT);
  BerthExecsEntry entry;
  AgentFrame frame;

  agent_peer_send_kill (peer, request, 0);
  agent_peer_expect (peer, request, BERTH_FRAME_DETACHED, &frame);
  g_assert_true (find_entry (peer, exec, &entry, NULL));
  g_assert_cmpuint (entry.state, ==, BERTH_EXEC_RUNS);
}

static void
test_list (AgentPeer *peer, gconstpointer data)
{
  guint32 exec = start_command (peer, "sleep 1000");
  g_autofree char *words = NULL;
  BerthExecsEntry entry;

  g_assert_true (find_entry (peer, exec, &entry, &words));
  g_assert_cmpstr (words, ==, "sh -c sleep 1000");
  g_assert_cmpuint (entry.state, ==, BERTH_EXEC_RUNS);
  g_assert_true (entry.flags & BERTH_EXEC_COMMAND);
  g_assert_cmpuint (entry.begun_us / 1000000, <=, (guint64)g_get_real_time () / 1000000);
  g_assert_cmpuint (entry.begun_us / 1000000 + 100, >, (guint64)g_get_real_time () / 1000000);
  g_assert_false (find_entry (peer, exec + 1, &entry, NULL));
}

static void
test_signal (AgentPeer *peer, gconstpointer data)
{
  guint32 exec
      = start_command (peer, "trap 'echo hup; exit 4' HUP; echo set; while :; do sleep 0.01; done");
  guint32 other = start_command (peer, "sleep 1000");
  guint32 request = send_attach (peer, exec, BERTH_ATTACH_FOLLOWS, 0, AGENT_CREDIT);
  g_autoptr (Replay) hung_up = NULL;
  g_autoptr (Replay) ended = NULL;
  AgentFrame frame;

  agent_peer_expect (peer, request, BERTH_FRAME_DATA, &frame);
  agent_peer_send_kill (peer, request, 0);
  agent_peer_expect (peer, request, BERTH_FRAME_DETACHED, &frame);
  send_signal (peer, exec, SIGHUP);
  hung_up = attach (peer, exec, BERTH_ATTACH_FOLLOWS);
  g_assert_cmpint (hung_up->exit.status, ==, 4);
  g_assert_cmpstr (hung_up->out->str, ==, "set\nhup\n");
  send_signal (peer, other, 0);
  ended = attach (peer, other, BERTH_ATTACH_FOLLOWS);
  g_assert_cmpuint (ended->exit.signal, ==, SIGTERM);
  g_assert_cmpuint (ended->exit.flags, ==, BERTH_EXIT_KILLED);
  send_signal (peer, other, SIGKILL); /* that is nothing to one that has ended */
}

static void
test_unknown (AgentPeer *peer, gconstpointer data)
{
  g_autoptr (Replay) replay = attach (peer, 1, 0);
  guint8 payload[8] = { 1 };
  AgentFrame frame;

  g_assert_cmpuint (replay->end, ==, BERTH_FRAME_ERROR);
  g_assert_cmpstr (replay->text, ==, "there is no such exec (any more)");
  agent_peer_send (peer, BERTH_FRAME_SIGNAL, ++peer->request, payload, sizeof payload);
  agent_peer_expect (peer, peer->request, BERTH_FRAME_ERROR, &frame);
}

/* Written to and closed by whoever attaches, one at a time. */
static void
test_stdin (AgentPeer *peer, gconstpointer data)
{
  guint32 exec = start (peer, "exec cat", BERTH_EXEC_COMMAND | BERTH_EXEC_STDIN);
  guint32 request
      = send_attach (peer, exec, BERTH_ATTACH_FOLLOWS | BERTH_ATTACH_STDIN, 0, AGENT_CREDIT);
  g_autoptr (Replay) second = NULL;
  g_autoptr (Replay) rest = NULL;
  AgentFrame frame;

  agent_peer_expect (peer, request, BERTH_FRAME_CREDIT, &frame);
  second = attach (peer, exec, BERTH_ATTACH_FOLLOWS | BERTH_ATTACH_STDIN);
  g_assert_cmpstr (second->text, ==, "its standard input is closed, or somebody else's");
  agent_peer_send_stdin (peer, request, "one\n", 4);
  agent_peer_expect (peer, request, BERTH_FRAME_DATA, &frame);
  agent_peer_send_kill (peer, request, 0);
  agent_peer_expect (peer, request, BERTH_FRAME_DETACHED, &frame);
  request = send_attach (peer, exec, BERTH_ATTACH_FOLLOWS | BERTH_ATTACH_STDIN, 0, AGENT_CREDIT);
  do
    agent_peer_read (peer, &frame);
  while (frame.head.type != BERTH_FRAME_CREDIT);
  agent_peer_send_stdin (peer, request, "two\n", 4);
  agent_peer_send_stdin (peer, request, "", 0);
  rest = collect (peer, request);
  g_assert_cmpuint (rest->end, ==, BERTH_FRAME_EXIT);
  assert_kept (peer, exec, "one\ntwo\n", "");
}

static void
test_time_limit (AgentPeer *peer, gconstpointer data)
{
  AgentFrame frame;
  guint32 request = send_detached (peer, "sleep 1000", 1000, BERTH_EXEC_COMMAND);
  g_autoptr (Replay) replay = NULL;

  agent_peer_expect (peer, request, BERTH_FRAME_BEGUN, &frame);
  replay = attach (peer, berth_le32_read (frame.payload), BERTH_ATTACH_FOLLOWS);
  g_assert_cmpuint (replay->exit.flags, ==, BERTH_EXIT_TIMED_OUT);
}

/* Code has the interpreter, and what it defines stays. */
static void
test_code (AgentPeer *peer, gconstpointer data)
{
  guint32 exec = start (peer, "x=kept; echo in the background", BERTH_EXEC_SESSION);
  AgentExec next
      = { .language = BERTH_LANGUAGE_SHELL, .code = "echo $x", .flags = BERTH_EXEC_SESSION };
  g_autoptr (AgentResult) result = NULL;
  g_autoptr (AgentResult) busy = NULL;

  assert_ends (peer, exec, 0);
  assert_kept (peer, exec, "in the background\n", "");
  result = agent_peer_run (peer, &next);
  g_assert_cmpstr (result->out->str, ==, "kept\n");
  exec = start (peer, "sleep 1000", BERTH_EXEC_SESSION);
  busy = agent_peer_run (peer, &next);
  g_assert_cmpuint (busy->error, ==, BERTH_AGENT_ERROR_BUSY);
  send_signal (peer, exec, 0);
}

/* The last BERTH_ENDED_MAX ends are known, and no number is given twice. */
static void
test_ends_in_bounds (AgentPeer *peer, gconstpointer data)
{
  BerthExecsEntry entry;

  for (guint i = 0; i < BERTH_ENDED_MAX + 3; i++)
    assert_ends (peer, start_command (peer, "true"), 0);
  g_assert_false (find_entry (peer, 3, &entry, NULL));
  g_assert_true (find_entry (peer, 4, &entry, NULL));
  g_assert_cmpuint (entry.state, ==, BERTH_EXEC_HAS_ENDED);
  g_assert_true (find_entry (peer, BERTH_ENDED_MAX + 3, &entry, NULL));
}

/* They take the places that there are for commands. */
static void
test_places (AgentPeer *peer, gconstpointer data)
{
  AgentFrame frame;
  guint32 request;

  for (guint i = 0; i < BERTH_COMMANDS_MAX; i++)
    start_command (peer, "sleep 1000");
  request = send_detached (peer, "true", 0, BERTH_EXEC_COMMAND);
  agent_peer_expect (peer, request, BERTH_FRAME_ERROR, &frame);
  g_assert_cmpuint (berth_le32_read (frame.payload), ==, BERTH_AGENT_ERROR_BUSY);
  send_signal (peer, 1, SIGKILL);
  assert_ends (peer, 1, -1);
  start_command (peer, "true");
}

static void
append_frame (GByteArray *bytes, guint32 type, guint32 request, gconstpointer payload, guint size)
{
  guint8 head[BERTH_FRAME_HEAD_SIZE];

  berth_frame_head_write (head, type, request, size);
  g_byte_array_append (bytes, head, sizeof head);
  g_byte_array_append (bytes, payload, size);
}

/* A request, and a host that knows nothing of it right behind: the agent reads both at once, so
 * that the exec has not begun when the next host comes. */
static void
request_and_greet (AgentPeer *peer, const char *code, guint size, guint32 flags,
                   guint32 hello_flags)
{
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  g_autoptr (GByteArray) data = g_byte_array_new ();
  BerthHello hello = { .version_min = BERTH_PROTOCOL_VERSION,
                       .version_max = BERTH_PROTOCOL_VERSION,
                       .flags = hello_flags };
  BerthExecHead head = {
    .language = flags & BERTH_EXEC_COMMAND ? BERTH_LANGUAGE_NONE : BERTH_LANGUAGE_SHELL,
    .flags = flags,
    .code_size = size,
    .timeout_ms = flags & BERTH_EXEC_DETACHED ? 0 : 60000,
  };
  guint8 stream[4];

  memcpy (hello.magic, BERTH_PROTOCOL_MAGIC, sizeof hello.magic);
  berth_le32_write (stream, BERTH_STREAM_CODE);
  g_byte_array_append (data, stream, sizeof stream);
  g_byte_array_append (data, (const guint8 *)code, size);
  append_frame (bytes, BERTH_FRAME_EXEC, ++peer->request, &head, sizeof head);
  append_frame (bytes, BERTH_FRAME_DATA, peer->request, data->data, data->len);
  append_frame (bytes, BERTH_FRAME_HELLO, 78, &hello, sizeof hello);
  agent_peer_send_bytes (peer, bytes->data, bytes->len);
  agent_peer_hello (peer, hello_flags);
}

static void
start_and_lose (AgentPeer *peer, const char *code, guint size, guint32 flags)
{
  request_and_greet (peer, code, size, flags | BERTH_EXEC_DETACHED, 0);
}

/* Nobody was told of one that had not begun, and nobody would ever count it: it ends. */
static void
test_unheard_command (AgentPeer *peer, gconstpointer data)
{
  const gint64 until = g_get_monotonic_time () + 20 * G_USEC_PER_SEC;
  BerthExecsEntry entry;
  AgentFrame frame;

  start_and_lose (peer, "sleep\0001000", 11, BERTH_EXEC_COMMAND);
  g_assert_false (find_entry (peer, 1, &entry, NULL));
  /* all the places are there, the last one as soon as its process is gone */
  for (guint i = 1; i < BERTH_COMMANDS_MAX; i++)
    start_command (peer, "sleep 1000");
  do
    {
      send_detached (peer, "true", 0, BERTH_EXEC_COMMAND);
      agent_peer_read (peer, &frame);
      g_assert_cmpint (g_get_monotonic_time (), <, until);
    }
  while (frame.head.type != BERTH_FRAME_BEGUN);
}

static void
test_unheard_code (AgentPeer *peer, gconstpointer data)
{
  const gint64 until = g_get_monotonic_time () + 20 * G_USEC_PER_SEC;
  AgentExec next
      = { .language = BERTH_LANGUAGE_SHELL, .code = "true", .flags = BERTH_EXEC_SESSION };
  BerthExecsEntry entry;
  guint32 error;

  start_and_lose (peer, "sleep 1000", 10, BERTH_EXEC_SESSION);
  g_assert_false (find_entry (peer, 1, &entry, NULL));
  do
    {
      g_autoptr (AgentResult) result = agent_peer_run (peer, &next);

      error = result->error;
      g_assert_cmpint (g_get_monotonic_time (), <, until);
    }
  while (error == BERTH_AGENT_ERROR_BUSY);
  g_assert_cmpuint (error, ==, 0);
}

/* A reset leaves nothing to be told of, neither what had ended nor what it ends itself. */
static void
test_reset (AgentPeer *peer, gconstpointer data)
{
  BerthExecsEntry entry;
  guint32 exec = start_command (peer, "true");

  assert_ends (peer, exec, 0);
  g_assert_cmpuint (start_command (peer, "sleep 1000"), ==, exec + 1);
  agent_peer_hello (peer, BERTH_HELLO_RESET);
  g_assert_false (find_entry (peer, exec, &entry, NULL));
  g_assert_false (find_entry (peer, exec + 1, &entry, NULL));
  g_assert_cmpuint (start_command (peer, "true"), ==, exec + 2);
}

/* In a copy of this guest what ran for a caller is nobody's: it goes on in the background. */
static void
test_copy_of_command (AgentPeer *peer, gconstpointer data)
{
  static const char command[] = "sh\0-c\0echo before; read a; echo $a; read b; echo $b >&2; exit 3";
  AgentExec exec = { .flags = BERTH_EXEC_COMMAND | BERTH_EXEC_STDIN,
                     .code = command,
                     .code_size = sizeof command };
  guint32 request = agent_peer_send_exec (peer, &exec);
  g_autofree char *words = NULL;
  g_autoptr (Replay) replay = NULL;
  BerthExecsEntry entry;
  AgentFrame frame;

  do
    agent_peer_read (peer, &frame);
  while (frame.head.type != BERTH_FRAME_DATA);
  agent_peer_connect (peer);
  agent_peer_hello (peer, BERTH_HELLO_COPY);
  g_assert_true (find_entry (peer, 1, &entry, &words));
  g_assert_cmpuint (entry.state, ==, BERTH_EXEC_RUNS);
  g_assert_cmpuint (entry.flags, ==, BERTH_EXEC_COMMAND | BERTH_EXEC_STDIN | BERTH_EXEC_DETACHED);
  g_assert_true (g_str_has_prefix (words, "sh -c echo before;"));
  agent_peer_send_kill (peer, request, 0); /* its caller's is no request any more */
  request = send_attach (peer, 1, BERTH_ATTACH_FOLLOWS | BERTH_ATTACH_STDIN, 0, AGENT_CREDIT);
  agent_peer_expect (peer, request, BERTH_FRAME_CREDIT, &frame);
  agent_peer_send_stdin (peer, request, "one\ntwo\n", 8);
  replay = collect (peer, request);
  g_assert_cmpint (replay->exit.status, ==, 3);
  assert_kept (peer, 1, "one\n", "two\n");
}

static void
test_copy_of_code (AgentPeer *peer, gconstpointer data)
{
  AgentExec exec = { .language = BERTH_LANGUAGE_SHELL,
                     .code = "x=kept; touch begun; until [ -e go ]; do sleep 0.01; done; echo end",
                     .timeout_ms = 60000,
                     .flags = BERTH_EXEC_SESSION };
  AgentExec next
      = { .language = BERTH_LANGUAGE_SHELL, .code = "echo $x", .flags = BERTH_EXEC_SESSION };
  g_autofree char *go = g_build_filename (peer->home, "go", NULL);
  g_autoptr (AgentResult) busy = NULL;
  g_autoptr (AgentResult) result = NULL;

  agent_peer_send_exec (peer, &exec);
  g_assert_true (agent_wait_for_file (peer, "begun"));
  agent_peer_connect (peer);
  agent_peer_hello (peer, BERTH_HELLO_COPY);
  busy = agent_peer_run (peer, &next);
  g_assert_cmpuint (busy->error, ==, BERTH_AGENT_ERROR_BUSY);
  g_assert_true (g_file_set_contents (go, "", 0, NULL));
  assert_ends (peer, 1, 0);
  assert_kept (peer, 1, "end\n", "");
  result = agent_peer_run (peer, &next);
  g_assert_cmpstr (result->out->str, ==, "kept\n");
}

/* It has not begun when the copy is greeted: it begins, and has its number then. */
static void
test_copy_of_one_that_begins (AgentPeer *peer, gconstpointer data)
{
  static const char command[] = "sh\0-c\0echo began";
  const gint64 until = g_get_monotonic_time () + 20 * G_USEC_PER_SEC;
  BerthExecsEntry entry;

  request_and_greet (peer, command, sizeof command, BERTH_EXEC_COMMAND, BERTH_HELLO_COPY);
  while (!find_entry (peer, 1, &entry, NULL))
    g_assert_cmpint (g_get_monotonic_time (), <, until);
  assert_ends (peer, 1, 0);
  assert_kept (peer, 1, "began\n", "");
}

static void
test_refused (AgentPeer *peer, gconstpointer data)
{
  AgentExec script
      = { .language = BERTH_LANGUAGE_SHELL, .code = "true", .flags = BERTH_EXEC_DETACHED };
  g_autoptr (AgentResult) result = agent_peer_run (peer, &script);

  g_assert_cmpuint (result->error, ==, BERTH_AGENT_ERROR_INVALID);
  agent_peer_ping (peer);
}

static void
add_tests (void)
{
  static const AgentTest tests[] = {
    { "kept", test_kept },
    { "next-host", test_next_host },
    { "without-host", test_without_host },
    { "overflow", test_overflow },
    { "log-size", test_log_size },
    { "slow-follower", test_slow_follower },
    { "let-go", test_let_go },
    { "list", test_list },
    { "signal", test_signal },
    { "unknown", test_unknown },
    { "stdin", test_stdin },
    { "time-limit", test_time_limit },
    { "code", test_code },
    { "ends-in-bounds", test_ends_in_bounds },
    { "places", test_places },
    { "unheard-command", test_unheard_command },
    { "unheard-code", test_unheard_code },
    { "reset", test_reset },
    { "copy-of-command", test_copy_of_command },
    { "copy-of-code", test_copy_of_code },
    { "copy-of-one-that-begins", test_copy_of_one_that_begins },
    { "refused", test_refused },
  };

  agent_test_add ("agent/background", tests, G_N_ELEMENTS (tests));
}

int
main (int argc, char **argv)
{
  return agent_test_main (argc, argv, add_tests);
}
