/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How a transfer is cut and what is left of it then, its credit, its rules on the wire, and what
 * goes on beside it. */
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "agent-files.h"

#define TEXT "some bytes\n"

/* Waits until the agent has ended what a cut left, then looks. */
static void
assert_nothing_left (AgentPeer *peer, const char *names)
{
  agent_peer_connect (peer);
  agent_peer_hello (peer, BERTH_HELLO_RESET);
  file_assert_home (peer, names);
}

static guint32
begin_put (AgentPeer *peer, const char *path)
{
  guint32 request = file_send_put (peer, path, strlen (path), 100000, 0644, 0);
  guint8 half[50000] = { 1 };

  file_wait_credit (peer, request);
  file_send_data (peer, request, half, sizeof half);
  return request;
}

static void
test_the_host_goes_away (AgentPeer *peer, gconstpointer data)
{
  file_make_file (peer, "file", "old");
  begin_put (peer, "file");
  begin_put (peer, "new/folder/file");
  file_send_get (peer, "file", 100, 0);
  agent_peer_disconnect (peer);
  assert_nothing_left (peer, "file");
  file_assert_file (peer, "file", "old");
}

static void
test_the_next_host_comes (AgentPeer *peer, gconstpointer data)
{
  begin_put (peer, "file");
  agent_peer_hello (peer, 0);
  agent_peer_ping (peer);
  agent_peer_hello (peer, BERTH_HELLO_RESET);
  file_assert_home (peer, "");
}

static void
test_not_seen_before_it_is_whole (AgentPeer *peer, gconstpointer data)
{
  guint32 request = begin_put (peer, "folder/file");
  g_autofree guint8 *bytes = g_malloc0 (100000);
  g_autoptr (FileResult) result = NULL;

  bytes[0] = 1;
  file_assert_home (peer, "");
  /* the sum that it tells is of these alone */
  result = file_finish_put (peer, request, bytes + 50000, 50000);
  file_assert_refused (result, BERTH_AGENT_ERROR_DAMAGED, "not all");
  file_assert_home (peer, "");
}

static void
test_withdrawn (AgentPeer *peer, gconstpointer data)
{
  guint32 put = begin_put (peer, "new/file"), get;
  g_autoptr (FileResult) put_result = NULL;
  g_autoptr (FileResult) get_result = NULL;
  guint8 grace[4] = { 0 };

  agent_peer_send (peer, BERTH_FRAME_KILL, put, grace, sizeof grace);
  put_result = file_collect (peer, put);
  file_assert_refused (put_result, BERTH_AGENT_ERROR_CANCELLED, "withdrawn");
  file_assert_home (peer, "");
  file_make_file (peer, "file", TEXT);
  get = file_send_get (peer, "file", 100, 0);
  agent_peer_ping (peer);
  agent_peer_send (peer, BERTH_FRAME_KILL, get, grace, sizeof grace);
  get_result = file_collect (peer, get);
  file_assert_refused (get_result, BERTH_AGENT_ERROR_CANCELLED, "withdrawn");
  agent_peer_send (peer, BERTH_FRAME_KILL, get, grace, sizeof grace);
  agent_peer_ping (peer);
}

static void
finish_wrongly (AgentPeer *peer, gsize announced, gsize sent, gsize told, char told_byte,
                const char *part)
{
  g_autofree char *bytes = g_strnfill (sent, 'x');
  g_autofree char *other = g_strnfill (told, told_byte);
  guint32 request = file_send_put (peer, "sub/file", 8, announced, 0644, 0);
  g_autoptr (FileResult) result = NULL;

  file_wait_credit (peer, request);
  if (sent > 0)
    file_send_data (peer, request, bytes, sent);
  file_send_done (peer, request, other, told);
  result = file_collect (peer, request);
  file_assert_refused (result, BERTH_AGENT_ERROR_DAMAGED, part);
  file_assert_home (peer, "");
}

static void
test_damaged (AgentPeer *peer, gconstpointer data)
{
  finish_wrongly (peer, 1000, 1000, 1000, 'y', "not what was sent");
  finish_wrongly (peer, 1000, 1000, 999, 'x', "not all");
  finish_wrongly (peer, 1000, 999, 999, 'x', "not all");
  finish_wrongly (peer, 1000, 999, 1000, 'x', "not all");
  finish_wrongly (peer, 1000, 1001, 1001, 'x', "more arrived");
  finish_wrongly (peer, 1, 0, 0, 'x', "not all");
}

static void
test_a_growing_file_is_bounded (AgentPeer *peer, gconstpointer data)
{
  g_autoptr (FileResult) exact = NULL;
  g_autoptr (FileResult) over = NULL;

  file_make_file (peer, "file", TEXT);
  exact = file_collect (peer, file_send_get (peer, "file", strlen (TEXT), 1000));
  file_assert_done (exact);
  over = file_collect (peer, file_send_get (peer, "file", strlen (TEXT) - 1, 1000));
  file_assert_refused (over, BERTH_AGENT_ERROR_INVALID, "it has 11 bytes, at most 10");
}

static void
test_no_space (AgentPeer *peer, gconstpointer data)
{
  g_autoptr (FileResult) result
      = file_collect (peer, file_send_put (peer, "a/file", 6, G_MAXINT64, 0644, 0));

  file_assert_refused (result, BERTH_AGENT_ERROR_FULL, "no space is left");
  file_assert_home (peer, "");
}

static void
test_credit (AgentPeer *peer, gconstpointer data)
{
  AgentFrame frame;
  guint32 request;

  file_make_file (peer, "file", TEXT);
  request = file_send_get (peer, "file", 100, 0);
  agent_peer_expect_silence (peer);
  agent_peer_send_credit (peer, request, BERTH_STREAM_FILE, 4);
  agent_peer_expect (peer, request, BERTH_FRAME_DATA, &frame);
  g_assert_cmpmem (frame.payload + 4, frame.head.length - 4, TEXT, 4);
  agent_peer_expect_silence (peer);
  agent_peer_send_credit (peer, request, BERTH_STREAM_FILE, 1000);
  agent_peer_expect (peer, request, BERTH_FRAME_DATA, &frame);
  g_assert_cmpmem (frame.payload + 4, frame.head.length - 4, &TEXT[4], strlen (TEXT) - 4);
  agent_peer_expect (peer, request, BERTH_FRAME_DONE, &frame);
}

static void
broken (AgentPeer *peer, guint32 type, guint32 request, const void *payload, guint32 size)
{
  AgentFrame frame;

  agent_peer_send (peer, type, request, payload, size);
  do
    agent_peer_read (peer, &frame);
  while (frame.head.request != 0);
  g_assert_cmpuint (frame.head.type, ==, BERTH_FRAME_ERROR);
  agent_peer_hello (peer, BERTH_HELLO_RESET);
}

static void
test_rules_of_the_wire (AgentPeer *peer, gconstpointer data)
{
  static guint8 payload[70000];
  BerthFileDone done = { 0 };
  guint32 request;

  file_make_file (peer, "file", TEXT);
  berth_le32_write (payload, BERTH_STREAM_FILE);
  berth_le32_write (payload + 4, 1);
  request = file_send_get (peer, "file", 100, 0);
  broken (peer, BERTH_FRAME_DATA, request, payload, 8);
  request = file_send_get (peer, "file", 100, 0);
  broken (peer, BERTH_FRAME_DONE, request, &done, sizeof done);
  request = file_send_get (peer, "file", 100, 0);
  berth_le32_write (payload + 4, BERTH_CREDIT_MAX + 1);
  broken (peer, BERTH_FRAME_CREDIT, request, payload, 8);
  request = file_send_put (peer, "new", 3, 200000, 0644, 0);
  broken (peer, BERTH_FRAME_CREDIT, request, payload, 8);
  request = file_send_put (peer, "new", 3, 200000, 0644, 0);
  broken (peer, BERTH_FRAME_DATA, request, payload, 4);
  request = file_send_put (peer, "new", 3, 10, 0644, 0);
  file_send_put (peer, "new", 3, 10, 0644, 0);
  peer->request = request - 1;
  file_send_put (peer, "new", 3, 10, 0644, 0);
  broken (peer, BERTH_FRAME_PING, 1, payload, 8);
  peer->request += 10;
  berth_le32_write (payload, BERTH_STREAM_STDIN);
  request = file_send_put (peer, "new", 3, 200000, 0644, 0);
  broken (peer, BERTH_FRAME_DATA, request, payload, 8);
  file_assert_home (peer, "file");
}

static void
test_unknown_things_are_refused (AgentPeer *peer, gconstpointer data)
{
  g_autoptr (FileResult) flag = file_collect (peer, file_send_put (peer, "f", 1, 0, 0644, 4));
  g_autoptr (FileResult) credit = NULL;

  file_assert_refused (flag, BERTH_AGENT_ERROR_INVALID, "flag");
  credit = file_collect (peer, file_send_get (peer, "file", 100, BERTH_CREDIT_MAX + 1));
  file_assert_refused (credit, BERTH_AGENT_ERROR_INVALID, "credit");
}

static void
test_several_at_once (AgentPeer *peer, gconstpointer data)
{
  guint32 requests[BERTH_FILES_MAX], extra;
  g_autoptr (FileResult) busy = NULL;

  file_make_file (peer, "file", TEXT);
  for (guint i = 0; i < BERTH_FILES_MAX; i++)
    requests[i] = file_send_get (peer, "file", 100, 0);
  extra = file_send_get (peer, "file", 100, 1000);
  busy = file_collect (peer, extra);
  file_assert_refused (busy, BERTH_AGENT_ERROR_BUSY, "too many");
  for (guint i = 0; i < BERTH_FILES_MAX; i++)
    {
      g_autoptr (FileResult) result = NULL;

      agent_peer_send_credit (peer, requests[i], BERTH_STREAM_FILE, 1000);
      result = file_collect (peer, requests[i]);
      file_assert_done (result);
      g_assert_cmpuint (result->data->len, ==, strlen (TEXT));
    }
}

/* A program that floods, one that is ended, and files beside them. */
static void
test_beside_an_exec (AgentPeer *peer, gconstpointer data)
{
  AgentExec flood = { .language = BERTH_LANGUAGE_SHELL, .code = "while :; do echo yyyyyyy; done" };
  guint32 exec = agent_peer_send_exec (peer, &flood), put;
  g_autoptr (FileResult) get = NULL;
  g_autoptr (FileResult) finished = NULL;
  AgentFrame frame;
  guint8 grace[4] = { 0 };

  file_make_file (peer, "file", TEXT);
  get = file_get (peer, "file");
  file_assert_done (get);
  put = file_send_put (peer, "new", 3, strlen (TEXT), 0644, 0);
  agent_peer_send (peer, BERTH_FRAME_KILL, exec, grace, sizeof grace);
  do
    {
      agent_peer_read (peer, &frame);
      if (frame.head.request == put)
        g_assert_cmpuint (frame.head.type, ==, BERTH_FRAME_CREDIT); /* and no end */
    }
  while (frame.head.type != BERTH_FRAME_EXIT);
  file_send_data (peer, put, TEXT, strlen (TEXT));
  file_send_done (peer, put, TEXT, strlen (TEXT));
  finished = file_collect (peer, put);
  file_assert_done (finished);
  file_get_ok (peer, "new", TEXT);
}

static pid_t
only_child (AgentPeer *peer)
{
  g_autofree char *path = g_strdup_printf ("/proc/%d/task/%d/children", peer->pid, peer->pid);
  g_autofree char *text = NULL;

  g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
  return atoi (text);
}

/* Whether the agent has a file of its home open, with a name or without. */
static gboolean
has_open_file (AgentPeer *peer)
{
  g_autofree char *path = g_strdup_printf ("/proc/%d/fd", peer->pid);
  g_autofree char *home = file_home_path (peer, "");
  g_autoptr (GDir) folder = g_dir_open (path, 0, NULL);
  gboolean found = FALSE;
  const char *name;

  while (!found && (name = g_dir_read_name (folder)) != NULL)
    {
      g_autofree char *link = g_build_filename (path, name, NULL);
      g_autofree char *target = g_file_read_link (link, NULL);

      found = target != NULL && g_str_has_prefix (target, home);
    }
  return found;
}

/* Before the file has its name the agent, which wrote it, has let go of it: a program could not be
 * run otherwise ("text file busy"). */
static void
test_nobody_writes_to_what_has_a_name (AgentPeer *peer, gconstpointer data)
{
  guint32 put = file_send_put (peer, "file", 4, strlen (TEXT), 0755, 0);
  g_autoptr (FileResult) result = NULL;
  pid_t worker;

  file_wait_space (peer, put);
  g_assert_true (has_open_file (peer));
  worker = only_child (peer);
  g_assert_no_errno (kill (worker, SIGSTOP));
  file_send_data (peer, put, TEXT, strlen (TEXT));
  file_send_done (peer, put, TEXT, strlen (TEXT));
  agent_peer_ping (peer);
  g_assert_false (has_open_file (peer));
  g_assert_no_errno (kill (worker, SIGCONT));
  result = file_collect (peer, put);
  file_assert_done (result);
}

/* What was refused is told, whatever a program did to the process that should let go of it. */
static void
test_refused_while_its_process_is_stopped (AgentPeer *peer, gconstpointer data)
{
  guint32 put = file_send_put (peer, "file", 4, strlen (TEXT), 0755, 0);
  g_autoptr (FileResult) result = NULL;

  file_wait_space (peer, put);
  g_assert_no_errno (kill (only_child (peer), SIGSTOP));
  file_send_data (peer, put, TEXT, strlen (TEXT));
  file_send_done (peer, put, "other", strlen ("other"));
  result = file_collect (peer, put);
  file_assert_refused (result, BERTH_AGENT_ERROR_DAMAGED, "not all of it arrived");
  file_assert_home (peer, "");
  file_put_ok (peer, "file", TEXT);
}

/* A program of the sandbox's user ended it: the guest is not full, and another try may do. */
static void
test_ended_by_a_signal (AgentPeer *peer, gconstpointer data)
{
  static const int signals[] = { SIGKILL, SIGTERM };

  for (guint i = 0; i < G_N_ELEMENTS (signals); i++)
    {
      guint32 put = file_send_put (peer, "file", 4, strlen (TEXT), 0755, 0);
      g_autoptr (FileResult) result = NULL;

      file_wait_space (peer, put);
      g_assert_no_errno (kill (only_child (peer), signals[i]));
      result = file_collect (peer, put);
      file_assert_refused (result, BERTH_AGENT_ERROR_RESOURCE, "ended the transfer with signal");
    }
}

static void
wait_child_gone (AgentPeer *peer, pid_t worker)
{
  while (only_child (peer) == worker)
    g_usleep (1000);
}

/* Its process stays for the next request, whatever a program does to it meanwhile. */
static void
test_one_after_the_other (AgentPeer *peer, gconstpointer data)
{
  pid_t worker;

  file_make_file (peer, "file", TEXT);
  file_get_ok (peer, "file", TEXT);
  worker = only_child (peer);
  file_get_ok (peer, "file", TEXT);
  g_assert_cmpint (only_child (peer), ==, worker);
  g_assert_no_errno (kill (worker, SIGSTOP));
  file_get_ok (peer, "file", TEXT);
  g_assert_cmpint (only_child (peer), ==, worker);
  g_assert_no_errno (kill (worker, SIGKILL));
  wait_child_gone (peer, worker);
  file_get_ok (peer, "file", TEXT);
  worker = only_child (peer);
  g_assert_cmpint (worker, >, 0);
  agent_peer_hello (peer, BERTH_HELLO_RESET);
  wait_child_gone (peer, worker);
}

static guint64
peak_kb (AgentPeer *peer)
{
  g_autofree char *path = g_strdup_printf ("/proc/%d/status", peer->pid);
  g_autofree char *text = NULL;

  g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
  return g_ascii_strtoull (strstr (text, "VmHWM:") + strlen ("VmHWM:"), NULL, 10);
}

static void
test_a_large_file_in_constant_memory (AgentPeer *peer, gconstpointer data)
{
  const gsize size = 48u << 20;
  g_autofree guint8 *bytes = g_malloc0 (size);
  g_autoptr (FileResult) put = NULL;
  g_autoptr (FileResult) get = NULL;
  guint64 before = peak_kb (peer);

  for (gsize i = 0; i < size; i += 4096)
    bytes[i] = (guint8)(i >> 12);
  put = file_put (peer, "large", bytes, size, 0644);
  file_assert_done (put);
  get = file_get (peer, "large");
  file_assert_done (get);
  g_assert_true (memcmp (get->data->data, bytes, size) == 0);
  g_assert_cmpuint (peak_kb (peer), <, before + 4096);
}

/* Two files for which each alone there is space. */
static void
test_a_full_disk (AgentPeer *peer, gconstpointer data)
{
  g_autofree char *bytes = g_strnfill (700000, 'x');
  guint32 first, second;
  g_autoptr (FileResult) fits = NULL;
  g_autoptr (FileResult) fits_not = NULL;

  if (peer->home_tmpfs == NULL)
    {
      g_test_skip ("no file system of its own may be mounted here");
      return;
    }
  first = file_send_put (peer, "a/first", 7, 700000, 0644, 0);
  file_wait_space (peer, first);
  second = file_send_put (peer, "b/second", 8, 700000, 0644, 0);
  fits_not = file_collect (peer, second);
  fits = file_finish_put (peer, first, bytes, 700000);
  g_assert_cmpuint (fits->error, ==, 0);
  file_assert_refused (fits_not, BERTH_AGENT_ERROR_FULL, "no space is left");
  file_assert_home (peer, "a");
}

static void
start_on_tmpfs (AgentPeer *peer, gconstpointer data)
{
  if (unshare (CLONE_NEWNS) == 0 && mount (NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0)
    peer->home_tmpfs = "size=1m";
  agent_peer_start (peer, NULL);
}

static void
add (const char *name, void (*test) (AgentPeer *peer, gconstpointer data))
{
  g_autofree char *path = g_strconcat ("/agent/transfer/", name, NULL);

  g_test_add (path, AgentPeer, NULL, agent_peer_start, test, agent_peer_stop);
}

static void
add_tests (void)
{
  add ("the-host-goes-away", test_the_host_goes_away);
  add ("the-next-host-comes", test_the_next_host_comes);
  add ("not-seen-before-it-is-whole", test_not_seen_before_it_is_whole);
  add ("withdrawn", test_withdrawn);
  add ("damaged", test_damaged);
  add ("a-size-limit", test_a_growing_file_is_bounded);
  add ("no-space", test_no_space);
  add ("credit", test_credit);
  add ("nobody-writes-to-what-has-a-name", test_nobody_writes_to_what_has_a_name);
  add ("refused-while-its-process-is-stopped", test_refused_while_its_process_is_stopped);
  add ("ended-by-a-signal", test_ended_by_a_signal);
  add ("one-after-the-other", test_one_after_the_other);
  add ("rules-of-the-wire", test_rules_of_the_wire);
  add ("unknown-things-are-refused", test_unknown_things_are_refused);
  add ("several-at-once", test_several_at_once);
  add ("beside-an-exec", test_beside_an_exec);
  add ("a-large-file-in-constant-memory", test_a_large_file_in_constant_memory);
  g_test_add ("/agent/transfer/a-full-disk", AgentPeer, NULL, start_on_tmpfs, test_a_full_disk,
              agent_peer_stop);
  g_test_add ("/agent/transfer/in-a-cgroup", AgentPeer, NULL, agent_peer_start_in_cgroup,
              test_beside_an_exec, agent_peer_stop);
}

int
main (int argc, char **argv)
{
  return agent_test_main (argc, argv, add_tests);
}
