/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Commands: programs and their arguments as they stand, beside the interpreter and each other. */
#include "agent-peer.h"

#include <glib/gstdio.h>
#include <signal.h>

#define FLOOD_BYTES (1024u * 1024u)

/* What is sent for a program and its arguments */
typedef struct
{
  GString *block;
  AgentExec exec;
} Command;

static void
command_clear (Command *command)
{
  g_string_free (command->block, TRUE);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Command, command_clear)

static Command
make_command (const char *const *argv)
{
  Command command = { .block = g_string_new (NULL) };

  for (guint i = 0; argv[i] != NULL; i++)
    g_string_append_len (command.block, argv[i], (gssize)strlen (argv[i]) + 1);
  command.exec = (AgentExec){ .code = command.block->str,
                              .code_size = (gssize)command.block->len,
                              .flags = BERTH_EXEC_COMMAND };
  return command;
}

#define ARGV(...) ((const char *const[]){ __VA_ARGS__, NULL })

static AgentResult *
run_command (AgentPeer *peer, const char *const *argv)
{
  g_auto (Command) command = make_command (argv);

  return agent_peer_run (peer, &command.exec);
}

static guint32
send_command (AgentPeer *peer, const char *const *argv)
{
  g_auto (Command) command = make_command (argv);

  return agent_peer_send_exec (peer, &command.exec);
}

static void
assert_output (AgentPeer *peer, const char *const *argv, const char *output)
{
  g_autoptr (AgentResult) result = run_command (peer, argv);

  agent_assert_exit (result, 0);
  g_assert_cmpstr (result->out->str, ==, output);
  g_assert_cmpstr (result->err->str, ==, "");
}

/* Nothing looks into them: no shell, no encoding. */
static void
test_arguments (AgentPeer *peer, gconstpointer data)
{
  assert_output (peer, ARGV ("printf", "%s|", "$HOME", "*", "a  b", "", "\xff\xfe\n'\"", "-x"),
                 "$HOME|*|a  b||\xff\xfe\n'\"|-x|");
  assert_output (peer, ARGV ("/bin/sh", "-c", "echo \"$0\" $#", "name", "1", "2"), "name 2\n");
}

/* As long as the kernel takes one, and as many as there may be */
static void
test_bounds (AgentPeer *peer, gconstpointer data)
{
  g_autofree char *longest = g_strnfill (
      BERTH_ARGS_BYTES_MAX - sizeof "sh" - sizeof "-c" - sizeof "echo ${#0} $#" - 1, 'a');
  g_autofree char *told = g_strdup_printf ("%zu 0\n", strlen (longest));
  const char **many = g_new0 (const char *, BERTH_ARGS_MAX + 2);
  g_autoptr (AgentResult) over = NULL;
  g_autoptr (AgentResult) too_many = NULL;
  g_autofree char *counted = g_strdup_printf ("%u\n", BERTH_ARGS_MAX - 4);
  g_autofree char *longer = g_strconcat (longest, "a", NULL);

  assert_output (peer, ARGV ("sh", "-c", "echo ${#0} $#", longest), told);
  over = run_command (peer, ARGV ("sh", "-c", "echo ${#0} $#", longer));
  g_assert_cmpuint (over->error, ==, BERTH_AGENT_ERROR_INVALID);
  for (guint i = 0; i < BERTH_ARGS_MAX; i++)
    many[i] = i == 0 ? "sh" : i == 1 ? "-c" : i == 2 ? "echo $#" : "x";
  assert_output (peer, many, counted);
  many[BERTH_ARGS_MAX] = "x";
  too_many = run_command (peer, many);
  g_assert_cmpuint (too_many->error, ==, BERTH_AGENT_ERROR_INVALID);
  g_free (many);
  agent_peer_ping (peer);
}

static void
assert_refused (AgentPeer *peer, const char *block, gsize size, guint32 flags,
                BerthLanguage language)
{
  AgentExec exec
      = { .language = language, .code = block, .code_size = (gssize)size, .flags = flags };
  g_autoptr (AgentResult) result = agent_peer_run (peer, &exec);

  g_assert_cmpuint (result->error, ==, BERTH_AGENT_ERROR_INVALID);
  g_assert_false (result->is_started);
}

/* What a host of berth's own never sends */
static void
test_malformed (AgentPeer *peer, gconstpointer data)
{
  assert_refused (peer, "\0", 1, BERTH_EXEC_COMMAND, BERTH_LANGUAGE_NONE);
  assert_refused (peer, "\0true\0", 6, BERTH_EXEC_COMMAND, BERTH_LANGUAGE_NONE);
  assert_refused (peer, "true", 4, BERTH_EXEC_COMMAND, BERTH_LANGUAGE_NONE);
  assert_refused (peer, "true\0x", 6, BERTH_EXEC_COMMAND, BERTH_LANGUAGE_NONE);
  assert_refused (peer, "true\0", 5, BERTH_EXEC_COMMAND, BERTH_LANGUAGE_SHELL);
  assert_refused (peer, "true\0", 5, BERTH_EXEC_COMMAND | BERTH_EXEC_SESSION, BERTH_LANGUAGE_NONE);
  assert_refused (peer, "true\0", 5, BERTH_EXEC_COMMAND | BERTH_EXEC_ONCE, BERTH_LANGUAGE_NONE);
  assert_output (peer, ARGV ("echo", "still here"), "still here\n");
}

static void
assert_end (AgentPeer *peer, const char *const *argv, int status, const char *line)
{
  g_autoptr (AgentResult) result = run_command (peer, argv);

  agent_assert_exit (result, status);
  g_assert_cmpstr (result->out->str, ==, "");
  g_assert_cmpstr (result->err->str, ==, line);
}

static void
write_file (AgentPeer *peer, const char *name, const char *text, int mode)
{
  g_autofree char *path = g_build_filename (peer->home, name, NULL);

  g_assert_true (g_file_set_contents (path, text, -1, NULL));
  g_assert_no_errno (g_chmod (path, mode));
}

static void
test_not_run (AgentPeer *peer, gconstpointer data)
{
  g_autofree char *name = g_strnfill (5000, 'n');
  g_autofree char *shown = g_strnfill (200, 'n');
  g_autofree char *line = g_strconcat (shown, ": command not found\n", NULL);

  write_file (peer, "plain", "", 0644);
  write_file (peer, "nothing", "\x01\x02", 0755);
  write_file (peer, "lost", "#!/no/such/interpreter\n", 0755);
  write_file (peer, "good", "#!/bin/sh\necho $0\n", 0755);
  assert_end (peer, ARGV ("no-such-program", "x"), 127, "no-such-program: command not found\n");
  assert_end (peer, ARGV ("no\nsuch\x1b"), 127, "no?such?: command not found\n");
  assert_end (peer, ARGV (name), 127, line);
  assert_end (peer, ARGV ("./missing"), 127, "./missing: No such file or directory\n");
  assert_end (peer, ARGV ("./plain"), 126, "./plain: Permission denied\n");
  assert_end (peer, ARGV ("./nothing"), 126, "./nothing: Exec format error\n");
  assert_end (peer, ARGV ("./lost"), 126, "./lost: Exec format error\n");
  assert_end (peer, ARGV ("/"), 126, "/: Is a directory\n");
  assert_output (peer, ARGV ("./good"), "./good\n");
}

static void
assert_in_path (AgentPeer *peer, const char *path, const char *name, int status, const char *output)
{
  g_autofree char *entry = g_strconcat ("PATH=", path, NULL);
  g_auto (Command) command = make_command (ARGV (name));
  g_autoptr (AgentResult) result = NULL;

  command.exec.env = ARGV (entry);
  result = agent_peer_run (peer, &command.exec);
  agent_assert_exit (result, status);
  g_assert_cmpstr (status == 0 ? result->out->str : result->err->str, ==, output);
}

/* The exec's own, and the agent's for none */
static void
test_path (AgentPeer *peer, gconstpointer data)
{
  write_file (peer, "mine", "#!/bin/sh\necho mine\n", 0755);
  write_file (peer, "plain", "", 0644);
  assert_in_path (peer, peer->home, "mine", 0, "mine\n");
  assert_in_path (peer, "/nowhere:/dev/null::/usr/bin", "mine", 0, "mine\n");
  assert_in_path (peer, "", "mine", 0, "mine\n");
  assert_in_path (peer, "/nowhere:", "plain", 126, "plain: Permission denied\n");
  assert_in_path (peer, "/nowhere", "mine", 127, "mine: command not found\n");
  assert_end (peer, ARGV ("mine"), 127, "mine: command not found\n");
}

static void
test_place (AgentPeer *peer, gconstpointer data)
{
  g_autofree char *folder = g_build_filename (peer->home, "a folder", NULL);
  g_autofree char *line = g_strconcat (folder, " x=y\n", NULL);
  g_auto (Command) command = make_command (ARGV ("sh", "-c", "echo $PWD x=$x"));
  g_autoptr (AgentResult) result = NULL;
  g_autoptr (AgentResult) refused = NULL;

  g_assert_no_errno (g_mkdir (folder, 0755));
  command.exec.env = ARGV ("x=y");
  command.exec.workdir = "a folder";
  result = agent_peer_run (peer, &command.exec);
  agent_assert_exit (result, 0);
  g_assert_cmpstr (result->out->str, ==, line);
  command.exec.workdir = "none";
  refused = agent_peer_run (peer, &command.exec);
  g_assert_cmpuint (refused->error, ==, BERTH_AGENT_ERROR_INVALID);
  g_assert_nonnull (strstr (refused->text, "none: No such file or directory"));
}

static void
test_signal (AgentPeer *peer, gconstpointer data)
{
  g_autoptr (AgentResult) result = run_command (peer, ARGV ("sh", "-c", "kill -SEGV $$"));

  g_assert_cmpint (result->exit.status, ==, -1);
  g_assert_cmpuint (result->exit.signal, ==, SIGSEGV);
}

static void
test_stdin (AgentPeer *peer, gconstpointer data)
{
  g_auto (Command) command = make_command (ARGV ("cat"));
  g_autoptr (AgentResult) result = NULL;
  AgentFrame frame;
  guint32 request;

  /* none is end-of-file, also by name */
  assert_output (peer, ARGV ("cat", "-", "/dev/stdin"), "");
  command.exec.flags |= BERTH_EXEC_STDIN;
  request = agent_peer_send_exec (peer, &command.exec);
  agent_peer_expect (peer, request, BERTH_FRAME_STARTED, &frame);
  agent_peer_expect (peer, request, BERTH_FRAME_CREDIT, &frame);
  agent_peer_send_stdin (peer, request, "piped", 5);
  agent_peer_send_stdin (peer, request, NULL, 0);
  result = agent_peer_collect (peer, request);
  g_assert_cmpstr (result->out->str, ==, "piped");
  g_assert_cmpint (result->exit.status, ==, 0);
}

/* What it leaves in the background goes with it. */
static void
test_leaves_nothing (AgentPeer *peer, gconstpointer data)
{
  g_autoptr (AgentResult) result
      = run_command (peer, ARGV ("sh", "-c", "sleep 1000 & echo $!; exit 3"));

  agent_assert_exit (result, 3);
  g_assert_true (agent_wait_gone (peer, (GPid)g_ascii_strtoll (result->out->str, NULL, 10)));
}

static void
test_time_limit (AgentPeer *peer, gconstpointer data)
{
  g_auto (Command) command = make_command (ARGV ("sh", "-c", "sleep 1000 & echo $!; sleep 1000"));
  g_autoptr (AgentResult) result = NULL;

  command.exec.timeout_ms = BERTH_TIMEOUT_MIN_MS;
  result = agent_peer_run (peer, &command.exec);
  g_assert_cmpuint (result->exit.flags, ==, BERTH_EXIT_TIMED_OUT);
  g_assert_cmpuint (result->exit.signal, ==, SIGTERM);
  g_assert_true (agent_wait_gone (peer, (GPid)g_ascii_strtoll (result->out->str, NULL, 10)));
}

/* An exec in the session's interpreter that runs until there is a file of this name */
static guint32
send_waiting_code (AgentPeer *peer, const char *name)
{
  g_autofree char *code = g_strdup_printf ("echo on; until [ -e %s ]; do sleep 0.01; done", name);
  AgentExec exec = { .language = BERTH_LANGUAGE_SHELL, .code = code, .flags = BERTH_EXEC_SESSION };
  guint32 request = agent_peer_send_exec (peer, &exec);
  AgentFrame frame;

  agent_peer_expect (peer, request, BERTH_FRAME_STARTED, &frame);
  agent_peer_expect (peer, request, BERTH_FRAME_DATA, &frame);
  return request;
}

/* A command runs beside code, ends alone, and code still comes one at a time. */
static void
test_beside_code (AgentPeer *peer, gconstpointer data)
{
  guint32 code = send_waiting_code (peer, "go");
  AgentExec more = { .language = BERTH_LANGUAGE_SHELL, .code = ":", .flags = BERTH_EXEC_SESSION };
  g_autoptr (AgentResult) second = NULL;
  g_autoptr (AgentResult) first = NULL;

  assert_output (peer, ARGV ("echo", "beside"), "beside\n");
  second = agent_peer_run (peer, &more);
  g_assert_cmpuint (second->error, ==, BERTH_AGENT_ERROR_BUSY);
  write_file (peer, "go", "", 0644);
  first = agent_peer_collect (peer, code);
  g_assert_cmpint (first->exit.status, ==, 0);
  g_assert_cmpuint (first->exit.flags, ==, 0);
}

/* Ending one, by KILL or because its interpreter ends, is nothing to the other. */
static void
test_ends_apart (AgentPeer *peer, gconstpointer data)
{
  guint32 code = send_waiting_code (peer, "never");
  guint32 command = send_command (peer, ARGV ("sh", "-c", "read x; sleep 1000 & wait"));
  g_autoptr (AgentResult) killed = NULL;
  g_autoptr (AgentResult) ended = NULL;
  g_autoptr (AgentResult) fresh = NULL;
  AgentExec more = { .language = BERTH_LANGUAGE_SHELL, .code = "exit 7", .flags = 2 };
  AgentFrame frame;

  agent_peer_expect (peer, command, BERTH_FRAME_STARTED, &frame);
  agent_peer_send_kill (peer, code, 2000);
  killed = agent_peer_collect (peer, code);
  g_assert_cmpuint (killed->exit.flags, ==, BERTH_EXIT_KILLED);
  fresh = agent_peer_run (peer, &more);
  g_assert_cmpint (fresh->exit.status, ==, 7);
  code = send_waiting_code (peer, "go-on");
  agent_peer_send_kill (peer, command, 2000);
  ended = agent_peer_collect (peer, command);
  g_assert_cmpuint (ended->exit.flags, ==, BERTH_EXIT_KILLED);
  g_assert_cmpuint (ended->exit.signal, ==, SIGTERM);
  write_file (peer, "go-on", "", 0644);
  g_clear_pointer (&killed, agent_result_free);
  killed = agent_peer_collect (peer, code);
  g_assert_cmpint (killed->exit.status, ==, 0);
}

/* The session's state is what it was. */
static void
test_keeps_session (AgentPeer *peer, gconstpointer data)
{
  AgentExec set = { .language = BERTH_LANGUAGE_SHELL, .code = "x=1; cd /", .flags = 2 };
  AgentExec tell = { .language = BERTH_LANGUAGE_SHELL, .code = "echo $x $PWD", .flags = 2 };
  g_autofree char *home = g_strconcat (peer->home, "\n", NULL);
  g_autoptr (AgentResult) first = agent_peer_run (peer, &set);
  g_autoptr (AgentResult) second = NULL;

  agent_assert_exit (first, 0);
  assert_output (peer, ARGV ("sh", "-c", "echo $x$PWD"), home);
  second = agent_peer_run (peer, &tell);
  g_assert_cmpstr (second->out->str, ==, "1 /\n");
}

/* As many as may be; one more is refused, and after one has ended there is a place. */
static void
test_many (AgentPeer *peer, gconstpointer data)
{
  guint32 requests[BERTH_COMMANDS_MAX];
  g_autoptr (AgentResult) refused = NULL;
  AgentFrame frame;

  for (guint i = 0; i < BERTH_COMMANDS_MAX; i++)
    {
      requests[i] = send_command (peer, ARGV ("sleep", "1000"));
      agent_peer_expect (peer, requests[i], BERTH_FRAME_STARTED, &frame);
    }
  refused = run_command (peer, ARGV ("true"));
  g_assert_cmpuint (refused->error, ==, BERTH_AGENT_ERROR_BUSY);
  g_assert_cmpstr (refused->text, ==, "as many commands are running as may be");
  for (guint i = 0; i < BERTH_COMMANDS_MAX; i++)
    {
      g_autoptr (AgentResult) result = NULL;

      agent_peer_send_kill (peer, requests[i], 0);
      result = agent_peer_collect (peer, requests[i]);
      g_assert_cmpuint (result->exit.signal, ==, SIGKILL);
      assert_output (peer, ARGV ("echo", "a place"), "a place\n");
    }
}

/* Takes what comes for two that flood, until each has sent this much: none keeps the other out. How
 * much more the other one sends meanwhile is the scheduler's. */
static void
test_floods (AgentPeer *peer, gconstpointer data)
{
  guint32 requests[2];
  gsize got[2] = { 0, 0 };
  AgentFrame frame;

  for (guint i = 0; i < 2; i++)
    requests[i] = send_command (peer, ARGV ("cat", "/dev/zero"));
  while (got[0] < FLOOD_BYTES || got[1] < FLOOD_BYTES)
    {
      guint which;

      agent_peer_read (peer, &frame);
      if (frame.head.type != BERTH_FRAME_DATA)
        continue;
      which = frame.head.request == requests[0] ? 0 : 1;
      got[which] += frame.head.length - 4;
      agent_peer_send_credit (peer, requests[which], BERTH_STREAM_STDOUT, frame.head.length - 4);
      g_assert_cmpuint (got[which], <, 256 * FLOOD_BYTES);
    }
}

/* Without credit its output waits, and holds up nobody. */
static void
test_unread (AgentPeer *peer, gconstpointer data)
{
  g_auto (Command) command = make_command (ARGV ("cat", "/dev/zero"));
  AgentFrame frame;
  guint32 request;

  command.exec.credit = -1;
  request = agent_peer_send_exec (peer, &command.exec);
  agent_peer_expect (peer, request, BERTH_FRAME_STARTED, &frame);
  assert_output (peer, ARGV ("echo", "heard"), "heard\n");
  agent_peer_expect_silence (peer);
}

/* A connection's commands end with it, whatever the next host says: it could not hear of them. */
static void
test_next_host (AgentPeer *peer, gconstpointer data)
{
  guint32 request
      = send_command (peer, ARGV ("sh", "-c", "echo $$ > pid.new; mv pid.new pid; sleep 1000"));
  g_autofree char *path = g_build_filename (peer->home, "pid", NULL);
  g_autofree char *pid = NULL;
  AgentFrame frame;

  agent_peer_expect (peer, request, BERTH_FRAME_STARTED, &frame);
  g_assert_true (agent_wait_for_file (peer, "pid"));
  g_assert_true (g_file_get_contents (path, &pid, NULL, NULL));
  agent_peer_connect (peer);
  agent_peer_hello (peer, 0);
  assert_output (peer, ARGV ("echo", "next"), "next\n");
  g_assert_true (agent_wait_gone (peer, atoi (pid)));
  agent_peer_connect (peer);
  agent_peer_hello (peer, BERTH_HELLO_RESET);
  assert_output (peer, ARGV ("echo", "next"), "next\n");
}

static void
add_tests (void)
{
  static const AgentTest tests[] = {
    { "arguments", test_arguments },
    { "bounds", test_bounds },
    { "malformed", test_malformed },
    { "not-run", test_not_run },
    { "path", test_path },
    { "place", test_place },
    { "signal", test_signal },
    { "stdin", test_stdin },
    { "leaves-nothing", test_leaves_nothing },
    { "time-limit", test_time_limit },
    { "beside-code", test_beside_code },
    { "ends-apart", test_ends_apart },
    { "keeps-session", test_keeps_session },
    { "many", test_many },
    { "floods", test_floods },
    { "unread", test_unread },
    { "next-host", test_next_host },
  };

  agent_test_add ("agent/command", tests, G_N_ELEMENTS (tests));
}

int
main (int argc, char **argv)
{
  return agent_test_main (argc, argv, add_tests);
}
