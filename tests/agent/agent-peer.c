/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Starts an agent for each test and plays its host. */
#include "agent-peer.h"

#include <errno.h>
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <poll.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define WAIT_MS 120000 /* never reached when all is well, however busy the machine is */
#define SILENT_TURNS 16u

const char *agent_program;
static const char *agent_runners;

/* argv: the agent, the folder of its runners. */
int
agent_test_main (int argc, char **argv, void (*add) (void))
{
  g_test_init (&argc, &argv, NULL);
  g_assert_cmpint (argc, ==, 3);
  agent_program = argv[1];
  agent_runners = argv[2];
  add ();
  return g_test_run ();
}

static void
add_test (const char *group, const char *kind, const AgentTest *test,
          void (*start) (AgentPeer *peer, gconstpointer data))
{
  g_autofree char *path = g_strdup_printf ("/%s%s/%s", group, kind, test->name);

  g_test_add (path, AgentPeer, NULL, start, test->run, agent_peer_stop);
}

void
agent_test_add (const char *group, const AgentTest *tests, guint count)
{
  for (guint i = 0; i < count; i++)
    {
      add_test (group, "", &tests[i], agent_peer_start);
      add_test (group, "-in-cgroup", &tests[i], agent_peer_start_in_cgroup);
    }
}

static void
copy_file (const char *from, const char *to)
{
  g_autofree char *text = NULL;
  gsize size;

  g_assert_true (g_file_get_contents (from, &text, &size, NULL));
  g_assert_true (g_file_set_contents (to, text, (gssize)size, NULL));
}

/* A copy, so that Python's bytecode caches don't end up in the source. */
static void
copy_runners (AgentPeer *peer)
{
  static const char *const names[]
      = { "javascript.js",      "javascript-session.js",   "javascript-import.js",
          "javascript-exec.js", "javascript-rehearsal.js", "python/sitecustomize.py",
          "python/base.py",     "python/classes.py",       "python/streams.py",
          "python/errors.py",   "python/session.py" };
  g_autofree char *python = g_build_filename (peer->dir, "runners", "python", NULL);

  g_assert_no_errno (g_mkdir_with_parents (python, 0755));
  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_autofree char *from = g_build_filename (agent_runners, names[i], NULL);
      g_autofree char *to = g_build_filename (peer->dir, "runners", names[i], NULL);

      copy_file (from, to);
    }
}

static void
remove_all (const char *path)
{
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  const char *name;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *child = g_build_filename (path, name, NULL);

      if (g_file_test (child, G_FILE_TEST_IS_DIR) && !g_file_test (child, G_FILE_TEST_IS_SYMLINK))
        remove_all (child);
      else
        g_unlink (child);
    }
  g_rmdir (path);
}

/* A test that fails takes its agent along. */
static void
die_with_parent (gpointer data)
{
  prctl (PR_SET_PDEATHSIG, SIGTERM);
}

static void
peer_spawn (AgentPeer *peer, const char *language)
{
  g_autofree char *socket = g_build_filename (peer->dir, "socket", NULL);
  g_autofree char *runners = g_build_filename (peer->dir, "runners", NULL);
  g_autoptr (GPtrArray) argv = g_ptr_array_new ();
  g_autoptr (GError) error = NULL;

  g_ptr_array_add (argv, (char *)agent_program);
  g_ptr_array_add (argv, "--socket");
  g_ptr_array_add (argv, socket);
  g_ptr_array_add (argv, "--home");
  g_ptr_array_add (argv, peer->home);
  g_ptr_array_add (argv, "--runners");
  g_ptr_array_add (argv, runners);
  if (language != NULL)
    {
      g_ptr_array_add (argv, "--language");
      g_ptr_array_add (argv, (char *)language);
    }
  if (peer->cgroup != NULL)
    {
      g_ptr_array_add (argv, "--cgroup");
      g_ptr_array_add (argv, peer->cgroup);
    }
  g_ptr_array_add (argv, NULL);
  g_spawn_async (NULL, (char **)argv->pdata, NULL, G_SPAWN_DO_NOT_REAP_CHILD, die_with_parent, NULL,
                 &peer->pid, &error);
  g_assert_no_error (error);
}

/* Fixture set-up; `language` is whose interpreter stands by, loaded, or NULL. Connected and
 * greeted. */
void
agent_peer_start (AgentPeer *peer, gconstpointer language)
{
  peer->fd = -1;
  peer->dir = g_dir_make_tmp ("berth-agent-XXXXXX", NULL);
  g_assert_nonnull (peer->dir);
  peer->home = g_build_filename (peer->dir, "home", NULL);
  g_assert_no_errno (g_mkdir (peer->home, 0755));
  if (peer->home_tmpfs != NULL)
    g_assert_no_errno (mount ("home", peer->home, "tmpfs", 0, peer->home_tmpfs));
  copy_runners (peer);
  peer_spawn (peer, language);
  agent_peer_connect (peer);
  if (language != NULL)
    agent_peer_wait_ready (peer);
  else
    agent_peer_hello (peer, 0);
}

/* The first mount of cgroup2, NULL if there is none that this test may write. */
static char *
make_cgroup (void)
{
  g_autofree char *mounts = NULL;
  g_auto (GStrv) lines = NULL;

  g_assert_true (g_file_get_contents ("/proc/mounts", &mounts, NULL, NULL));
  lines = g_strsplit (mounts, "\n", -1);
  for (guint i = 0; lines[i] != NULL; i++)
    {
      g_auto (GStrv) fields = g_strsplit (lines[i], " ", -1);
      g_autofree char *path = NULL;

      if (g_strv_length (fields) < 3 || !g_str_equal (fields[2], "cgroup2"))
        continue;
      path = g_strdup_printf ("%s/berth-test-%d", fields[1], getpid ());
      if (g_mkdir (path, 0755) == 0)
        return g_steal_pointer (&path);
    }
  return NULL;
}

/* The same, with a cgroup for each exec, where the host lets a test have one. */
void
agent_peer_start_in_cgroup (AgentPeer *peer, gconstpointer language)
{
  peer->cgroup = make_cgroup ();
  agent_peer_start (peer, language);
}

void
agent_peer_stop (AgentPeer *peer, gconstpointer language)
{
  int status;

  agent_peer_disconnect (peer);
  g_assert_no_errno (kill (peer->pid, SIGTERM));
  g_assert_cmpint (waitpid (peer->pid, &status, 0), ==, peer->pid);
  g_assert_true (WIFEXITED (status));
  g_assert_cmpint (WEXITSTATUS (status), ==, 0);
  if (peer->cgroup != NULL)
    remove_all (peer->cgroup);
  if (peer->home_tmpfs != NULL)
    umount2 (peer->home, MNT_DETACH);
  remove_all (peer->dir);
  g_clear_pointer (&peer->cgroup, g_free);
  g_clear_pointer (&peer->home, g_free);
  g_clear_pointer (&peer->dir, g_free);
}

/* Connects anew; the agent may just be starting. */
void
agent_peer_connect (AgentPeer *peer)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  gint64 end = g_get_monotonic_time () + WAIT_MS * 1000;

  agent_peer_disconnect (peer);
  peer->fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  g_assert_cmpint (peer->fd, >=, 0);
  g_snprintf (address.sun_path, sizeof address.sun_path, "%s/socket", peer->dir);
  while (connect (peer->fd, (struct sockaddr *)&address, sizeof address) != 0)
    {
      g_assert_true (errno == ENOENT || errno == ECONNREFUSED);
      g_assert_cmpint (g_get_monotonic_time (), <, end);
      g_usleep (1000);
    }
}

void
agent_peer_disconnect (AgentPeer *peer)
{
  if (peer->fd >= 0)
    close (peer->fd);
  peer->fd = -1;
}

void
agent_peer_send_bytes (AgentPeer *peer, gconstpointer bytes, gsize size)
{
  const guint8 *at = bytes;

  while (size > 0)
    {
      gssize count = send (peer->fd, at, size, MSG_NOSIGNAL);

      g_assert_cmpint (count, >, 0);
      at += count;
      size -= (gsize)count;
    }
}

void
agent_peer_send (AgentPeer *peer, guint32 type, guint32 request, gconstpointer payload,
                 guint32 size)
{
  guint8 head[BERTH_FRAME_HEAD_SIZE];

  berth_frame_head_write (head, type, request, size);
  agent_peer_send_bytes (peer, head, sizeof head);
  agent_peer_send_bytes (peer, payload, size);
}

/* Whether nothing comes for this time. */
gboolean
agent_peer_is_quiet (AgentPeer *peer, guint ms)
{
  struct pollfd item = { .fd = peer->fd, .events = POLLIN };

  return poll (&item, 1, (int)ms) == 0;
}

static void
read_all (AgentPeer *peer, void *out, gsize size)
{
  guint8 *at = out;

  while (size > 0)
    {
      gssize count;

      if (agent_peer_is_quiet (peer, WAIT_MS))
        g_error ("the agent said nothing for %d s", WAIT_MS / 1000);
      count = recv (peer->fd, at, size, 0);
      g_assert_cmpint (count, >, 0);
      at += count;
      size -= (gsize)count;
    }
}

void
agent_peer_read (AgentPeer *peer, AgentFrame *out_frame)
{
  guint8 head[BERTH_FRAME_HEAD_SIZE];

  read_all (peer, head, sizeof head);
  g_assert_true (berth_frame_head_read (head, &out_frame->head));
  read_all (peer, out_frame->payload, out_frame->head.length);
}

/* Says HELLO and throws away what is in front of the reply, as a host does. */
BerthHelloReply
agent_peer_hello (AgentPeer *peer, guint32 flags)
{
  return agent_peer_hello_as (peer, BERTH_PROTOCOL_VERSION, flags);
}

/* The same, as a host that knows this version alone */
BerthHelloReply
agent_peer_hello_as (AgentPeer *peer, guint32 version, guint32 flags)
{
  BerthHello hello = { .version_min = version, .version_max = version, .flags = flags };
  BerthHelloReply reply;
  guint8 *bytes = (guint8 *)&reply;

  memcpy (hello.magic, BERTH_PROTOCOL_MAGIC, sizeof hello.magic);
  for (guint i = 0; i < sizeof hello.nonce; i++)
    hello.nonce[i] = (guint8)g_random_int ();
  agent_peer_send (peer, BERTH_FRAME_HELLO, 77, &hello, sizeof hello);
  read_all (peer, bytes, sizeof reply);
  while (memcmp (reply.magic, hello.magic, sizeof hello.magic) != 0
         || memcmp (reply.nonce, hello.nonce, sizeof hello.nonce) != 0)
    {
      memmove (bytes, bytes + 1, sizeof reply - 1);
      read_all (peer, bytes + sizeof reply - 1, 1);
    }
  g_assert_cmpuint (reply.version, ==, version);
  return reply;
}

/* Greets again until the standby is loaded. */
void
agent_peer_wait_ready (AgentPeer *peer)
{
  AgentFrame frame;

  if (agent_peer_hello (peer, 0).flags & BERTH_HELLO_READY)
    return;
  agent_peer_read (peer, &frame);
  g_assert_cmpuint (frame.head.type, ==, BERTH_FRAME_READY);
}

void
agent_peer_ping (AgentPeer *peer)
{
  AgentFrame frame;
  guint8 cookie[8];

  berth_le64_write (cookie, 0x123456789abcdef0u);
  peer->request++;
  agent_peer_send (peer, BERTH_FRAME_PING, peer->request, cookie, sizeof cookie);
  agent_peer_expect (peer, peer->request, BERTH_FRAME_PONG, &frame);
  g_assert_cmpmem (frame.payload, frame.head.length, cookie, sizeof cookie);
}

/* The agent has nothing to say but what it is asked: each answer is a turn of its loop, in which it
 * would have said the rest. */
void
agent_peer_expect_silence (AgentPeer *peer)
{
  for (guint i = 0; i < SILENT_TURNS; i++)
    agent_peer_ping (peer);
}

static void
send_stream (AgentPeer *peer, guint32 request, guint32 stream, const char *bytes, gsize size)
{
  guint8 payload[BERTH_FRAME_MAX_PAYLOAD];

  while (size > 0)
    {
      guint32 piece = (guint32)MIN (size, BERTH_DATA_MAX);

      berth_le32_write (payload, stream);
      memcpy (payload + 4, bytes, piece);
      agent_peer_send (peer, BERTH_FRAME_DATA, request, payload, 4 + piece);
      bytes += piece;
      size -= piece;
    }
}

void
agent_peer_send_kill (AgentPeer *peer, guint32 request, guint32 grace_ms)
{
  guint8 payload[4];

  berth_le32_write (payload, grace_ms);
  agent_peer_send (peer, BERTH_FRAME_KILL, request, payload, sizeof payload);
}

/* Asks for an exec and sends all of its code and environment; returns its id. */
guint32
agent_peer_send_exec (AgentPeer *peer, const AgentExec *exec)
{
  g_autoptr (GString) env = g_string_new (NULL);
  g_autoptr (GByteArray) request = NULL;
  gsize code_size = exec->code_size > 0 ? (gsize)exec->code_size : strlen (exec->code);
  guint32 credit = exec->credit == 0 ? AGENT_CREDIT : exec->credit < 0 ? 0 : (guint32)exec->credit;
  BerthExecHead head
      = { .language = exec->language,
          /* as the host does: what is no session's is the only one */
          .flags
          = exec->flags
            | (exec->flags & (BERTH_EXEC_SESSION | BERTH_EXEC_COMMAND) ? 0 : BERTH_EXEC_ONCE),
          .timeout_ms = exec->timeout_ms > 0 ? exec->timeout_ms : 30000,
          .code_size = (guint32)code_size,
          .stdout_credit = credit,
          .stderr_credit = credit };

  for (guint i = 0; exec->env != NULL && exec->env[i] != NULL; i++)
    {
      g_string_append (env, exec->env[i]);
      g_string_append_c (env, '\0');
      head.env_count++;
    }
  head.env_size = (guint32)env->len;
  peer->request++;
  request = g_byte_array_new ();
  g_byte_array_append (request, (const guint8 *)&head, sizeof head);
  if (exec->workdir != NULL)
    g_byte_array_append (request, (const guint8 *)exec->workdir, (guint)strlen (exec->workdir));
  agent_peer_send (peer, BERTH_FRAME_EXEC, peer->request, request->data, request->len);
  send_stream (peer, peer->request, BERTH_STREAM_CODE, exec->code, code_size);
  send_stream (peer, peer->request, BERTH_STREAM_ENV, env->str, env->len);
  return peer->request;
}

/* Sends bytes on stdin, none: its end. The caller has looked after the credit. */
void
agent_peer_send_stdin (AgentPeer *peer, guint32 request, const char *bytes, gsize size)
{
  guint8 end[4];

  if (size > 0)
    send_stream (peer, request, BERTH_STREAM_STDIN, bytes, size);
  else
    {
      berth_le32_write (end, BERTH_STREAM_STDIN);
      agent_peer_send (peer, BERTH_FRAME_DATA, request, end, sizeof end);
    }
}

void
agent_peer_send_credit (AgentPeer *peer, guint32 request, guint32 stream, guint32 bytes)
{
  guint8 payload[8];

  berth_le32_write (payload, stream);
  berth_le32_write (payload + 4, bytes);
  agent_peer_send (peer, BERTH_FRAME_CREDIT, request, payload, sizeof payload);
}

/* The next frame, which must be this; READY may be in front of it. */
void
agent_peer_expect (AgentPeer *peer, guint32 request, guint32 type, AgentFrame *out_frame)
{
  do
    agent_peer_read (peer, out_frame);
  while (out_frame->head.type == BERTH_FRAME_READY && type != BERTH_FRAME_READY);
  g_assert_cmpuint (out_frame->head.type, ==, type);
  g_assert_cmpuint (out_frame->head.request, ==, request);
}

void
agent_result_free (AgentResult *result)
{
  g_string_free (result->out, TRUE);
  g_string_free (result->err, TRUE);
  g_free (result->text);
  g_free (result);
}

static void
take_data (AgentPeer *peer, AgentResult *result, const AgentFrame *frame)
{
  guint32 stream = berth_le32_read (frame->payload);
  guint32 size = frame->head.length - 4;

  g_assert_true (stream == BERTH_STREAM_STDOUT || stream == BERTH_STREAM_STDERR);
  g_string_append_len (stream == BERTH_STREAM_STDOUT ? result->out : result->err,
                       (const char *)frame->payload + 4, size);
  if (size > 0)
    agent_peer_send_credit (peer, frame->head.request, stream, size);
}

/* Reads until the exec has ended, giving back credit for all that comes. */
AgentResult *
agent_peer_collect (AgentPeer *peer, guint32 request)
{
  AgentResult *result = g_new0 (AgentResult, 1);
  AgentFrame frame;

  result->out = g_string_new (NULL);
  result->err = g_string_new (NULL);
  for (;;)
    {
      agent_peer_read (peer, &frame);
      if (frame.head.type == BERTH_FRAME_READY)
        continue;
      g_assert_cmpuint (frame.head.request, ==, request);
      if (frame.head.type == BERTH_FRAME_STARTED)
        result->is_started = TRUE;
      else if (frame.head.type == BERTH_FRAME_DATA)
        take_data (peer, result, &frame);
      else if (frame.head.type == BERTH_FRAME_EXIT)
        {
          g_assert_cmpuint (frame.head.length, ==, sizeof result->exit);
          memcpy (&result->exit, frame.payload, sizeof result->exit);
          return result;
        }
      else if (frame.head.type == BERTH_FRAME_ERROR)
        {
          result->error = berth_le32_read (frame.payload);
          result->text = g_strndup ((char *)frame.payload + 4, frame.head.length - 4);
          return result;
        }
      else
        g_assert_cmpuint (frame.head.type, ==, BERTH_FRAME_CREDIT);
    }
}

AgentResult *
agent_peer_run (AgentPeer *peer, const AgentExec *exec)
{
  return agent_peer_collect (peer, agent_peer_send_exec (peer, exec));
}

AgentResult *
agent_peer_shell (AgentPeer *peer, const char *code)
{
  AgentExec exec = { .language = BERTH_LANGUAGE_SHELL, .code = code };

  return agent_peer_run (peer, &exec);
}

/* Without the lines that mark a part of the line above them: which part a Python marks, and whether
 * it does, changes from one release to the next. tests/differential compares them with the host's
 * own. */
static char *
dup_unmarked (const char *text)
{
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);
  g_autoptr (GPtrArray) kept = g_ptr_array_new ();

  for (guint i = 0; lines[i] != NULL; i++)
    if (lines[i][0] != ' ' || lines[i][strspn (lines[i], " ~^")] != '\0')
      g_ptr_array_add (kept, lines[i]);
  g_ptr_array_add (kept, NULL);
  return g_strjoinv ("\n", (char **)kept->pdata);
}

/* What a program said on standard error, but for the marks of a traceback */
void
agent_assert_err (const AgentResult *result, const char *expected)
{
  g_autofree char *said = dup_unmarked (result->err->str);
  g_autofree char *unmarked = dup_unmarked (expected);

  g_assert_cmpstr (said, ==, unmarked);
}

void
agent_assert_exit (const AgentResult *result, int status)
{
  g_assert_cmpstr (result->text, ==, NULL);
  g_assert_true (result->is_started);
  if (result->exit.status != status)
    g_test_message ("stderr: %s", result->err->str);
  g_assert_cmpint (result->exit.status, ==, status);
  g_assert_cmpuint (result->exit.signal, ==, 0);
  g_assert_cmpuint (result->exit.flags, ==, 0);
}

/* Waits until a program has made a file of this name in its home. */
gboolean
agent_wait_for_file (AgentPeer *peer, const char *name)
{
  g_autofree char *path = g_build_filename (peer->home, name, NULL);

  for (guint i = 0; i < WAIT_MS; i++)
    {
      if (g_file_test (path, G_FILE_TEST_EXISTS))
        return TRUE;
      g_usleep (1000);
    }
  return FALSE;
}

/* Waits until no process has this id, not even a zombie. */
gboolean
agent_wait_gone (AgentPeer *peer, GPid pid)
{
  for (guint i = 0; i < WAIT_MS; i++)
    {
      if (kill (pid, 0) != 0 && errno == ESRCH)
        return TRUE;
      g_usleep (1000);
    }
  return FALSE;
}
