/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Files in and out of the agent: which paths, what links and special files do, how a transfer is
 * cut and what is left of it then. */
#include <fcntl.h>
#include <glib/gstdio.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "agent-files.h"

#define TEXT "some bytes\n"

static char *
home_path (AgentPeer *peer, const char *name)
{
  return g_build_filename (peer->home, name, NULL);
}

static void
make_file (AgentPeer *peer, const char *name, const char *text)
{
  g_autofree char *path = home_path (peer, name);

  g_assert_true (g_file_set_contents (path, text, -1, NULL));
}

static void
make_link (AgentPeer *peer, const char *target, const char *name)
{
  g_autofree char *path = home_path (peer, name);

  g_assert_no_errno (symlink (target, path));
}

static void
make_folder (AgentPeer *peer, const char *name)
{
  g_autofree char *path = home_path (peer, name);

  g_assert_no_errno (g_mkdir (path, 0755));
}

static void
assert_file (AgentPeer *peer, const char *name, const char *text)
{
  g_autofree char *path = home_path (peer, name);
  g_autofree char *got = NULL;

  g_assert_true (g_file_get_contents (path, &got, NULL, NULL));
  g_assert_cmpstr (got, ==, text);
}

static void
put_ok (AgentPeer *peer, const char *path, const char *text)
{
  g_autoptr (FileResult) result = file_put (peer, path, text, strlen (text), 0644);

  file_assert_done (result);
}

static void
get_ok (AgentPeer *peer, const char *path, const char *text)
{
  g_autoptr (FileResult) result = file_get (peer, path);

  file_assert_done (result);
  g_assert_cmpmem (result->data->data, result->data->len, text, strlen (text));
}

static void
refused_everywhere (AgentPeer *peer, const char *path, const char *part)
{
  g_autoptr (FileResult) put = file_put (peer, path, TEXT, strlen (TEXT), 0644);
  g_autoptr (FileResult) get = file_get (peer, path);
  g_autoptr (FileResult) ls = file_ls (peer, path, "", 10);

  file_assert_refused (put, BERTH_AGENT_ERROR_INVALID, part);
  file_assert_refused (get, BERTH_AGENT_ERROR_INVALID, part);
  file_assert_refused (ls, BERTH_AGENT_ERROR_INVALID, part);
}

static void
test_round_trip (AgentPeer *peer, gconstpointer data)
{
  static const gsize sizes[] = { 0, 1, 63, 64, 65535, 65536, 65537, 1000003 };
  g_autofree guint8 *bytes = g_malloc (sizes[G_N_ELEMENTS (sizes) - 1]);

  for (gsize i = 0; i < sizes[G_N_ELEMENTS (sizes) - 1]; i++)
    bytes[i] = (guint8)(i * 7 + i / 251);
  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++)
    {
      g_autoptr (FileResult) put = file_put (peer, "file", bytes, sizes[i], 0644);
      g_autoptr (FileResult) get = file_get (peer, "file");

      file_assert_done (put);
      file_assert_done (get);
      g_assert_cmpuint (put->done.size, ==, sizes[i]);
      g_assert_cmpmem (get->data->data, get->data->len, bytes, sizes[i]);
      g_assert_cmpmem (put->done.sha256, 32, get->done.sha256, 32);
    }
  file_assert_home (peer, "file");
}

static void
test_modes (AgentPeer *peer, gconstpointer data)
{
  static const guint32 modes[] = { 0644, 0755, 0600, 0777, 04755, 0 };
  g_autofree char *path = home_path (peer, "file");

  for (guint i = 0; i < G_N_ELEMENTS (modes); i++)
    {
      g_autoptr (FileResult) put = file_put (peer, "file", TEXT, strlen (TEXT), modes[i]);
      g_autoptr (FileResult) get = NULL;
      struct stat info;

      file_assert_done (put);
      g_assert_no_errno (stat (path, &info));
      g_assert_cmpuint (info.st_mode, ==, S_IFREG | (modes[i] & 0777));
      if (modes[i] == 0)
        continue;
      get = file_get (peer, "file");
      g_assert_cmpuint (get->done.mode, ==, S_IFREG | (modes[i] & 0777));
    }
}

static void
test_parents_and_replacing (AgentPeer *peer, gconstpointer data)
{
  put_ok (peer, "a/b/c/file", "one");
  put_ok (peer, "a/b/c/file", "two");
  assert_file (peer, "a/b/c/file", "two");
  put_ok (peer, "a/file", "three");
  get_ok (peer, "a/./b/../../a//file", "three");
  file_assert_home (peer, "a");
}

static void
test_folders (AgentPeer *peer, gconstpointer data)
{
  static const char *const paths[] = { "new/deep", "new/deep", ".", "new" };
  g_autofree char *path = home_path (peer, "new/deep");
  struct stat info;

  for (guint i = 0; i < G_N_ELEMENTS (paths); i++)
    {
      guint32 request = file_send_put (peer, paths[i], strlen (paths[i]), 0, i == 0 ? 0550 : 0700,
                                       BERTH_PUT_DIRECTORY);
      g_autoptr (FileResult) result = file_collect (peer, request);

      file_assert_done (result);
    }
  /* its owner can use it; one that was there keeps its mode */
  g_assert_no_errno (stat (path, &info));
  g_assert_cmpuint (info.st_mode, ==, S_IFDIR | 0750);
}

static void
test_a_folder_is_no_file (AgentPeer *peer, gconstpointer data)
{
  g_autoptr (FileResult) put = NULL;
  g_autoptr (FileResult) root = NULL;
  g_autoptr (FileResult) get = NULL;
  g_autoptr (FileResult) below = NULL;
  g_autoptr (FileResult) over = NULL;
  guint32 request;

  make_folder (peer, "folder");
  make_file (peer, "file", TEXT);
  put = file_put (peer, "folder", TEXT, strlen (TEXT), 0644);
  file_assert_refused (put, BERTH_AGENT_ERROR_INVALID, "Is a directory");
  root = file_put (peer, "folder/..", TEXT, strlen (TEXT), 0644);
  file_assert_refused (root, BERTH_AGENT_ERROR_INVALID, "Is a directory");
  get = file_get (peer, "folder");
  file_assert_refused (get, BERTH_AGENT_ERROR_INVALID, "Is a directory");
  below = file_put (peer, "file/x", TEXT, strlen (TEXT), 0644);
  file_assert_refused (below, BERTH_AGENT_ERROR_INVALID, "Not a directory");
  request = file_send_put (peer, "file", 4, 0, 0755, BERTH_PUT_DIRECTORY);
  over = file_collect (peer, request);
  file_assert_refused (over, BERTH_AGENT_ERROR_INVALID, "Not a directory");
  assert_file (peer, "file", TEXT);
}

static void
test_paths (AgentPeer *peer, gconstpointer data)
{
  g_autofree char *longest = g_strnfill (255, 'n');
  g_autofree char *longer = g_strnfill (256, 'n');
  g_autofree char *inside = home_path (peer, "sub/../file");
  g_autofree char *temporary = g_build_filename (peer->dir, "beside", NULL);
  g_autofree char *around = g_strdup_printf ("/tmp/../%s/file", peer->home + 1);
  GString *deep = g_string_new (NULL);

  put_ok (peer, "file", TEXT);
  get_ok (peer, inside, TEXT);
  get_ok (peer, around, TEXT);
  put_ok (peer, temporary, "beside");
  get_ok (peer, temporary, "beside");
  put_ok (peer, longest, TEXT);
  refused_everywhere (peer, longer, "longer than 255");
  refused_everywhere (peer, "..", "leaves");
  refused_everywhere (peer, "../home/file", "leaves");
  refused_everywhere (peer, "a/../../file", "leaves");
  refused_everywhere (peer, "a/..//./../b", "leaves");
  refused_everywhere (peer, "/", "absolute");
  refused_everywhere (peer, "/etc/passwd", "absolute");
  refused_everywhere (peer, "/tmp/../etc/passwd", "absolute");
  refused_everywhere (peer, "/../etc/passwd", "leaves");
  refused_everywhere (peer, "/tmpfile", "absolute");
  refused_everywhere (peer, "a\nb", "control");
  refused_everywhere (peer, "a\x7f", "control");
  refused_everywhere (peer, "\x1b[31m", "control");
  while (deep->len + 2 <= BERTH_PATH_MAX - 4)
    g_string_append (deep, "./");
  g_string_append (deep, "file");
  g_assert_cmpuint (deep->len, ==, BERTH_PATH_MAX);
  get_ok (peer, deep->str, TEXT);
  g_string_free (deep, TRUE);
  g_unlink (temporary);
}

static void
test_paths_on_the_wire (AgentPeer *peer, gconstpointer data)
{
  g_autofree char *path = g_strnfill (BERTH_PATH_MAX + 1, '/');
  g_autoptr (FileResult) zero = NULL;
  AgentFrame frame;
  guint32 request = file_send_put (peer, "a\0b", 3, 0, 0644, 0);

  zero = file_collect (peer, request);
  file_assert_refused (zero, BERTH_AGENT_ERROR_INVALID, "control");
  file_send_put (peer, path, BERTH_PATH_MAX + 1, 0, 0644, 0);
  agent_peer_expect (peer, 0, BERTH_FRAME_ERROR, &frame);
  agent_peer_hello (peer, 0);
  file_send_put (peer, path, 0, 0, 0644, 0);
  agent_peer_expect (peer, 0, BERTH_FRAME_ERROR, &frame);
  agent_peer_hello (peer, 0);
  file_assert_home (peer, "");
}

static void
test_links (AgentPeer *peer, gconstpointer data)
{
  g_autofree char *target = home_path (peer, "folder");

  make_folder (peer, "folder");
  make_file (peer, "folder/file", TEXT);
  make_link (peer, "folder", "inside");
  make_link (peer, "folder/file", "file");
  make_link (peer, "../../../../../../etc", "up");
  make_link (peer, "/etc", "outside");
  make_link (peer, "/etc/passwd", "passwd");
  make_link (peer, target, "absolute");
  make_link (peer, "/proc/self/root", "magic");
  make_link (peer, "loop", "loop");
  make_link (peer, "nowhere", "dangling");
  get_ok (peer, "inside/file", TEXT);
  get_ok (peer, "file", TEXT);
  put_ok (peer, "inside/new", "new");
  assert_file (peer, "folder/new", "new");
  refused_everywhere (peer, "up/passwd", "leads outside");
  refused_everywhere (peer, "outside/passwd", "leads outside");
  refused_everywhere (peer, "absolute/file", "leads outside");
  refused_everywhere (peer, "magic/etc/passwd", "leads outside");
  refused_everywhere (peer, "loop/file", "symbolic links");
  refused_everywhere (peer, "dangling/file", "No such file");
}

static void
test_a_link_is_replaced_not_followed (AgentPeer *peer, gconstpointer data)
{
  g_autofree char *outside = g_build_filename (peer->dir, "outside", NULL);
  g_autofree char *path = home_path (peer, "link");
  g_autoptr (FileResult) get = NULL;

  g_assert_true (g_file_set_contents (outside, "untouched", -1, NULL));
  make_link (peer, outside, "link");
  get = file_get (peer, "link");
  file_assert_refused (get, BERTH_AGENT_ERROR_INVALID, "leads outside");
  put_ok (peer, "link", TEXT);
  g_assert_false (g_file_test (path, G_FILE_TEST_IS_SYMLINK));
  assert_file (peer, "link", TEXT);
  assert_file (peer, "../outside", "untouched");
}

typedef struct
{
  char *folder, *link;
  int stop;
} Swap;

static gpointer
swap_thread (gpointer user_data)
{
  Swap *swap = user_data;

  while (!g_atomic_int_get (&swap->stop))
    renameat2 (AT_FDCWD, swap->folder, AT_FDCWD, swap->link, RENAME_EXCHANGE);
  return NULL;
}

/* A folder that turns into a link to the outside, and back, all the time. */
static void
test_no_race_leads_outside (AgentPeer *peer, gconstpointer data)
{
  g_autofree char *outside = g_build_filename (peer->dir, "outside", NULL);
  g_autofree char *folder = home_path (peer, "place");
  g_autofree char *link = home_path (peer, "link");
  Swap swap = { .folder = folder, .link = link };
  g_autoptr (GDir) entries = NULL;
  GThread *thread;

  g_assert_no_errno (g_mkdir (outside, 0755));
  make_folder (peer, "place");
  make_link (peer, "../outside", "link");
  thread = g_thread_new ("swap", swap_thread, &swap);
  for (guint i = 0; i < 300; i++)
    {
      g_autoptr (FileResult) deep = file_put (peer, "place/sub/file", TEXT, strlen (TEXT), 0644);
      g_autoptr (FileResult) flat = file_put (peer, "link/file", TEXT, strlen (TEXT), 0644);

      g_assert_cmpuint (deep->error, !=, BERTH_AGENT_ERROR_INTERNAL);
      g_assert_cmpuint (flat->error, !=, BERTH_AGENT_ERROR_INTERNAL);
    }
  g_atomic_int_set (&swap.stop, 1);
  g_thread_join (thread);
  entries = g_dir_open (outside, 0, NULL);
  g_assert_cmpstr (g_dir_read_name (entries), ==, NULL);
}

static void
test_special_files (AgentPeer *peer, gconstpointer data)
{
  g_autofree char *fifo = home_path (peer, "fifo");
  g_autofree char *device = home_path (peer, "device");
  g_autoptr (FileResult) get = NULL;
  g_autoptr (FileResult) listing = NULL;

  g_assert_no_errno (mkfifo (fifo, 0666));
  get = file_get (peer, "fifo");
  file_assert_refused (get, BERTH_AGENT_ERROR_INVALID, "not a regular file");
  listing = file_ls (peer, "fifo", "", 10);
  file_assert_done (listing);
  g_assert_true (S_ISFIFO (listing->done.mode));
  if (mknod (device, S_IFCHR | 0666, makedev (1, 5)) == 0)
    {
      g_autoptr (FileResult) zeros = file_get (peer, "device");

      file_assert_refused (zeros, BERTH_AGENT_ERROR_INVALID, "not a regular file");
      put_ok (peer, "device", TEXT);
      assert_file (peer, "device", TEXT);
    }
  put_ok (peer, "fifo", TEXT);
  assert_file (peer, "fifo", TEXT);
}

static void
test_a_lease_does_not_hold_it_up (AgentPeer *peer, gconstpointer data)
{
  g_autofree char *path = home_path (peer, "file");
  g_autoptr (FileResult) get = NULL;
  int fd;

  make_file (peer, "file", TEXT);
  fd = open (path, O_RDWR | O_CLOEXEC);
  signal (SIGIO, SIG_IGN);
  g_assert_no_errno (fcntl (fd, F_SETLEASE, F_WRLCK));
  get = file_get (peer, "file");
  file_assert_refused (get, BERTH_AGENT_ERROR_RESOURCE, "opened");
  close (fd);
  get_ok (peer, "file", TEXT);
}

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
  make_file (peer, "file", "old");
  begin_put (peer, "file");
  begin_put (peer, "new/folder/file");
  file_send_get (peer, "file", 100, 0);
  agent_peer_disconnect (peer);
  assert_nothing_left (peer, "file");
  assert_file (peer, "file", "old");
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
  make_file (peer, "file", TEXT);
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

  make_file (peer, "file", TEXT);
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

  file_assert_refused (result, BERTH_AGENT_ERROR_RESOURCE, "no space is left");
  file_assert_home (peer, "");
}

static void
test_listing (AgentPeer *peer, gconstpointer data)
{
  g_autoptr (FileResult) one = NULL;
  g_autoptr (FileResult) first = NULL;
  g_autoptr (FileResult) second = NULL;
  g_autofree char *names = NULL;
  g_autofree char *rest = NULL;
  BerthLsEntry entry;

  make_file (peer, "b", TEXT);
  make_folder (peer, "a");
  make_link (peer, "/etc", "c");
  make_file (peer, "\xff", "");
  make_file (peer, "B", "");
  one = file_ls (peer, "", "a", 3);
  file_assert_refused (one, BERTH_AGENT_ERROR_INVALID, "empty");
  g_clear_pointer (&one, file_result_free);
  first = file_ls (peer, ".", "", 3);
  file_assert_done (first);
  names = file_names (first);
  g_assert_cmpstr (names, ==, "B,a,b");
  g_assert_cmpuint (first->done.flags, ==, BERTH_DONE_MORE);
  g_assert_true (S_ISDIR (first->done.mode));
  second = file_ls (peer, ".", "b", 2);
  file_assert_done (second);
  rest = file_names (second);
  g_assert_cmpstr (rest, ==, "c,\xff");
  g_assert_cmpuint (second->done.flags, ==, 0);
  memcpy (&entry, second->data->data, sizeof entry);
  g_assert_true (S_ISLNK (entry.mode));
  one = file_ls (peer, "a/../b", "", 1);
  file_assert_done (one);
  g_assert_true (S_ISREG (one->done.mode));
  memcpy (&entry, one->data->data, sizeof entry);
  g_assert_cmpuint (entry.size, ==, strlen (TEXT));
  g_assert_cmpint (ABS (entry.mtime_ns / 1000 - g_get_real_time ()), <, 60 * G_USEC_PER_SEC);
}

static void
test_a_large_folder (AgentPeer *peer, gconstpointer data)
{
  const guint count = 3500;
  g_autofree char *last = g_strdup ("");
  guint found = 0, pages = 0;
  gboolean is_more = TRUE;

  make_folder (peer, "large");
  for (guint i = 0; i < count; i++)
    {
      g_autofree char *name = g_strdup_printf ("large/%05u", (i * 7919u) % count);

      make_file (peer, name, "");
    }
  for (; is_more; pages++)
    {
      g_autoptr (FileResult) page = file_ls (peer, "large", last, BERTH_LS_MAX);
      g_autofree char *names = file_names (page);
      g_auto (GStrv) split = g_strsplit (names, ",", -1);

      file_assert_done (page);
      for (guint i = 0; split[i] != NULL; i++)
        {
          g_assert_cmpstr (split[i], >, last);
          g_free (last);
          last = g_strdup (split[i]);
          found++;
        }
      is_more = page->done.flags & BERTH_DONE_MORE;
    }
  g_assert_cmpuint (found, ==, count);
  g_assert_cmpuint (pages, ==, 4);
}

static void
test_listing_limits (AgentPeer *peer, gconstpointer data)
{
  g_autofree char *longest = g_strnfill (BERTH_NAME_MAX, 'n');
  g_autofree char *longer = g_strnfill (BERTH_NAME_MAX + 1, 'n');
  g_autoptr (FileResult) none = file_ls (peer, ".", "", 0);
  g_autoptr (FileResult) many = file_ls (peer, ".", "", BERTH_LS_MAX + 1);
  g_autoptr (FileResult) good = file_ls (peer, ".", longest, BERTH_LS_MAX);
  g_autoptr (FileResult) bad = file_ls (peer, ".", longer, 1);

  file_assert_refused (none, BERTH_AGENT_ERROR_INVALID, "count");
  file_assert_refused (many, BERTH_AGENT_ERROR_INVALID, "count");
  file_assert_done (good);
  file_assert_refused (bad, BERTH_AGENT_ERROR_INVALID, "size");
}

static void
test_credit (AgentPeer *peer, gconstpointer data)
{
  g_autoptr (FileResult) rest = NULL;
  AgentFrame frame;
  guint32 request;

  make_file (peer, "file", TEXT);
  request = file_send_get (peer, "file", 100, 0);
  g_assert_true (agent_peer_is_quiet (peer, 50));
  agent_peer_send_credit (peer, request, BERTH_STREAM_FILE, 4);
  agent_peer_expect (peer, request, BERTH_FRAME_DATA, &frame);
  g_assert_cmpmem (frame.payload + 4, frame.head.length - 4, TEXT, 4);
  g_assert_true (agent_peer_is_quiet (peer, 50));
  agent_peer_send_credit (peer, request, BERTH_STREAM_FILE, 1000);
  agent_peer_expect (peer, request, BERTH_FRAME_DATA, &frame);
  g_assert_cmpmem (frame.payload + 4, frame.head.length - 4, TEXT + 4, strlen (TEXT) - 4);
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

/* Holds up the process of this PUT, the only one that the agent has. */
static void
stop_worker (AgentPeer *peer, guint32 request)
{
  g_autofree char *path = g_strdup_printf ("/proc/%d/task/%d/children", peer->pid, peer->pid);
  g_autofree char *text = NULL;

  file_wait_credit (peer, request);
  g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
  g_assert_no_errno (kill (atoi (text), SIGSTOP));
}

static void
test_rules_of_the_wire (AgentPeer *peer, gconstpointer data)
{
  static guint8 payload[70000];
  BerthFileDone done = { 0 };
  guint32 request;

  make_file (peer, "file", TEXT);
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
  request = file_send_put (peer, "new", 3, 200000, 0644, 0);
  stop_worker (peer, request);
  /* what a pipe holds, and once more the window */
  for (guint i = 0; i < 4; i++)
    file_send_data (peer, request, payload, 32768);
  broken (peer, BERTH_FRAME_DATA, request, payload, 5);
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
  g_autoptr (FileResult) flag = file_collect (peer, file_send_put (peer, "f", 1, 0, 0644, 2));
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

  make_file (peer, "file", TEXT);
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
  guint32 exec = agent_peer_send_exec (peer, &flood), put, kill = 0;
  g_autoptr (FileResult) get = NULL;
  g_autoptr (FileResult) finished = NULL;
  AgentFrame frame;
  guint8 grace[4] = { 0 };

  make_file (peer, "file", TEXT);
  get = file_get (peer, "file");
  file_assert_done (get);
  put = file_send_put (peer, "new", 3, strlen (TEXT), 0644, 0);
  agent_peer_send (peer, BERTH_FRAME_KILL, exec, grace, sizeof grace);
  do
    {
      agent_peer_read (peer, &frame);
      if (frame.head.request == put)
        kill++;
    }
  while (frame.head.type != BERTH_FRAME_EXIT);
  g_assert_cmpuint (kill, ==, 1); /* its credit, and no end */
  file_send_data (peer, put, TEXT, strlen (TEXT));
  file_send_done (peer, put, TEXT, strlen (TEXT));
  finished = file_collect (peer, put);
  file_assert_done (finished);
  get_ok (peer, "new", TEXT);
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
  second = file_send_put (peer, "b/second", 8, 700000, 0644, 0);
  file_wait_credit (peer, second);
  fits = file_finish_put (peer, first, bytes, 700000);
  fits_not = file_finish_put (peer, second, bytes, 700000);
  g_assert_cmpuint (fits->error, ==, 0);
  file_assert_refused (fits_not, BERTH_AGENT_ERROR_RESOURCE, "no space is left");
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
  g_autofree char *path = g_strconcat ("/agent/files/", name, NULL);

  g_test_add (path, AgentPeer, NULL, agent_peer_start, test, agent_peer_stop);
}

static void
add_tests (void)
{
  add ("round-trip", test_round_trip);
  add ("modes", test_modes);
  add ("parents-and-replacing", test_parents_and_replacing);
  add ("folders", test_folders);
  add ("a-folder-is-no-file", test_a_folder_is_no_file);
  add ("paths", test_paths);
  add ("paths-on-the-wire", test_paths_on_the_wire);
  add ("links", test_links);
  add ("a-link-is-replaced-not-followed", test_a_link_is_replaced_not_followed);
  add ("no-race-leads-outside", test_no_race_leads_outside);
  add ("special-files", test_special_files);
  add ("a-lease-does-not-hold-it-up", test_a_lease_does_not_hold_it_up);
  add ("the-host-goes-away", test_the_host_goes_away);
  add ("the-next-host-comes", test_the_next_host_comes);
  add ("not-seen-before-it-is-whole", test_not_seen_before_it_is_whole);
  add ("withdrawn", test_withdrawn);
  add ("damaged", test_damaged);
  add ("a-size-limit", test_a_growing_file_is_bounded);
  add ("no-space", test_no_space);
  add ("listing", test_listing);
  add ("a-large-folder", test_a_large_folder);
  add ("listing-limits", test_listing_limits);
  add ("credit", test_credit);
  add ("rules-of-the-wire", test_rules_of_the_wire);
  add ("unknown-things-are-refused", test_unknown_things_are_refused);
  add ("several-at-once", test_several_at_once);
  add ("beside-an-exec", test_beside_an_exec);
  add ("a-large-file-in-constant-memory", test_a_large_file_in_constant_memory);
  g_test_add ("/agent/files/a-full-disk", AgentPeer, NULL, start_on_tmpfs, test_a_full_disk,
              agent_peer_stop);
  g_test_add ("/agent/files/in-a-cgroup", AgentPeer, NULL, agent_peer_start_in_cgroup,
              test_beside_an_exec, agent_peer_stop);
}

int
main (int argc, char **argv)
{
  return agent_test_main (argc, argv, add_tests);
}
