/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Files in and out of the agent: which paths, what links and special files do, what is listed. */
#include <fcntl.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "agent-files.h"

#define TEXT "some bytes\n"

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
      g_assert_cmpuint (put->done.sum, ==, get->done.sum);
    }
  file_assert_home (peer, "file");
}

static void
test_modes (AgentPeer *peer, gconstpointer data)
{
  static const guint32 modes[] = { 0644, 0755, 0600, 0777, 04755, 0 };
  g_autofree char *path = file_home_path (peer, "file");

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
  file_put_ok (peer, "a/b/c/file", "one");
  file_put_ok (peer, "a/b/c/file", "two");
  file_assert_file (peer, "a/b/c/file", "two");
  file_put_ok (peer, "a/file", "three");
  file_get_ok (peer, "a/./b/../../a//file", "three");
  file_assert_home (peer, "a");
}

static void
test_folders (AgentPeer *peer, gconstpointer data)
{
  static const char *const paths[] = { "new/deep", "new/deep", ".", "new" };
  g_autofree char *path = file_home_path (peer, "new/deep");
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

  file_make_folder (peer, "folder");
  file_make_file (peer, "file", TEXT);
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
  file_assert_file (peer, "file", TEXT);
}

static void
test_paths (AgentPeer *peer, gconstpointer data)
{
  g_autofree char *longest = g_strnfill (255, 'n');
  g_autofree char *longer = g_strnfill (256, 'n');
  g_autofree char *inside = file_home_path (peer, "sub/../file");
  g_autofree char *temporary = g_build_filename (peer->dir, "beside", NULL);
  g_autofree char *around = g_strdup_printf ("/tmp/../%s/file", peer->home + 1);
  GString *deep = g_string_new (NULL);

  file_put_ok (peer, "file", TEXT);
  file_get_ok (peer, inside, TEXT);
  file_get_ok (peer, around, TEXT);
  file_put_ok (peer, temporary, "beside");
  file_get_ok (peer, temporary, "beside");
  file_put_ok (peer, longest, TEXT);
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
  file_get_ok (peer, deep->str, TEXT);
  g_string_free (deep, TRUE);
  g_unlink (temporary);
}

static void
test_paths_on_the_wire (AgentPeer *peer, gconstpointer data)
{
  g_autofree char *path = g_strnfill (BERTH_PATH_MAX + 1, '/');
  g_autoptr (FileResult) zero = NULL;
  g_autoptr (FileResult) longer = NULL;
  AgentFrame frame;
  guint32 request = file_send_put (peer, "a\0b", 3, 0, 0644, 0);

  zero = file_collect (peer, request);
  file_assert_refused (zero, BERTH_AGENT_ERROR_INVALID, "control");
  /* holes may stand in front of it */
  request = file_send_put (peer, path, BERTH_PATH_MAX + 1, 0, 0644, 0);
  longer = file_collect (peer, request);
  file_assert_refused (longer, BERTH_AGENT_ERROR_INVALID, "size");
  file_send_get (peer, path, 1, 1);
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
  g_autofree char *target = file_home_path (peer, "folder");

  file_make_folder (peer, "folder");
  file_make_file (peer, "folder/file", TEXT);
  file_make_link (peer, "folder", "inside");
  file_make_link (peer, "folder/file", "file");
  file_make_link (peer, "../../../../../../etc", "up");
  file_make_link (peer, "/etc", "outside");
  file_make_link (peer, "/etc/passwd", "passwd");
  file_make_link (peer, target, "absolute");
  file_make_link (peer, "/proc/self/root", "magic");
  file_make_link (peer, "loop", "loop");
  file_make_link (peer, "nowhere", "dangling");
  file_get_ok (peer, "inside/file", TEXT);
  file_get_ok (peer, "file", TEXT);
  file_put_ok (peer, "inside/new", "new");
  file_assert_file (peer, "folder/new", "new");
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
  g_autofree char *path = file_home_path (peer, "link");
  g_autoptr (FileResult) get = NULL;

  g_assert_true (g_file_set_contents (outside, "untouched", -1, NULL));
  file_make_link (peer, outside, "link");
  get = file_get (peer, "link");
  file_assert_refused (get, BERTH_AGENT_ERROR_INVALID, "leads outside");
  file_put_ok (peer, "link", TEXT);
  g_assert_false (g_file_test (path, G_FILE_TEST_IS_SYMLINK));
  file_assert_file (peer, "link", TEXT);
  file_assert_file (peer, "../outside", "untouched");
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
  g_autofree char *folder = file_home_path (peer, "place");
  g_autofree char *link = file_home_path (peer, "link");
  Swap swap = { .folder = folder, .link = link };
  g_autoptr (GDir) entries = NULL;
  GThread *thread;

  g_assert_no_errno (g_mkdir (outside, 0755));
  file_make_folder (peer, "place");
  file_make_link (peer, "../outside", "link");
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
  g_autofree char *fifo = file_home_path (peer, "fifo");
  g_autofree char *device = file_home_path (peer, "device");
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
      file_put_ok (peer, "device", TEXT);
      file_assert_file (peer, "device", TEXT);
    }
  file_put_ok (peer, "fifo", TEXT);
  file_assert_file (peer, "fifo", TEXT);
}

static void
test_a_lease_does_not_hold_it_up (AgentPeer *peer, gconstpointer data)
{
  g_autofree char *path = file_home_path (peer, "file");
  g_autoptr (FileResult) get = NULL;
  int fd;

  file_make_file (peer, "file", TEXT);
  fd = open (path, O_RDWR | O_CLOEXEC);
  signal (SIGIO, SIG_IGN);
  g_assert_no_errno (fcntl (fd, F_SETLEASE, F_WRLCK));
  get = file_get (peer, "file");
  file_assert_refused (get, BERTH_AGENT_ERROR_RESOURCE, "opened");
  close (fd);
  file_get_ok (peer, "file", TEXT);
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

  file_make_file (peer, "b", TEXT);
  file_make_folder (peer, "a");
  file_make_link (peer, "/etc", "c");
  file_make_file (peer, "\xff", "");
  file_make_file (peer, "B", "");
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

/* What a file takes, which is not what it holds where it has holes */
static void
test_listing_tells_what_is_taken (AgentPeer *peer, gconstpointer data)
{
  g_autofree char *path = file_home_path (peer, "hole");
  g_autoptr (FileResult) listing = NULL;
  struct stat info;
  BerthLsEntry entry;

  file_make_file (peer, "hole", TEXT);
  g_assert_no_errno (truncate (path, 40000000));
  g_assert_no_errno (stat (path, &info));
  listing = file_ls (peer, ".", "", 10);
  file_assert_done (listing);
  memcpy (&entry, listing->data->data, sizeof entry);
  g_assert_cmpuint (entry.size, ==, 40000000);
  g_assert_cmpuint (info.st_blocks, <, 1000);
  g_assert_cmpuint (listing->data->len, ==, sizeof entry + strlen ("hole") + 8);
  g_assert_cmpuint (berth_le64_read (listing->data->data + listing->data->len - 8), ==,
                    (guint64)info.st_blocks * 512);
}

static void
test_listing_for_an_older_host (AgentPeer *peer, gconstpointer data)
{
  g_autoptr (FileResult) listing = NULL;

  agent_peer_hello_as (peer, BERTH_LS_ALLOCATED_VERSION - 1, 0);
  file_make_file (peer, "file", TEXT);
  listing = file_ls (peer, ".", "", 10);
  file_assert_done (listing);
  g_assert_cmpuint (listing->data->len, ==, sizeof (BerthLsEntry) + strlen ("file"));
}

static void
test_a_large_folder (AgentPeer *peer, gconstpointer data)
{
  const guint count = 3500;
  g_autofree char *last = g_strdup ("");
  guint found = 0, pages = 0;
  gboolean is_more = TRUE;

  file_make_folder (peer, "large");
  for (guint i = 0; i < count; i++)
    {
      g_autofree char *name = g_strdup_printf ("large/%05u", (i * 7919u) % count);

      file_make_file (peer, name, "");
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

/* A file of 1 GiB, whose holes take nothing here; what is between them comes as one stream. */
static void
test_holes (AgentPeer *peer, gconstpointer data)
{
  const guint64 size = G_GUINT64_CONSTANT (1) << 30, middle = 500 * 4096;
  const BerthHole most[] = { { 0, middle }, { middle + 5, size - middle - 5 } };
  g_autofree char *path = file_home_path (peer, "file");
  g_autoptr (FileResult) whole = NULL;
  g_autoptr (FileResult) result = NULL;
  guint8 got[7];
  guint32 request;
  struct stat info;
  int fd;

  request = file_send_put_holes (peer, "file", size, most, G_N_ELEMENTS (most));
  result = file_finish_put (peer, request, "12345", 5);
  file_assert_done (result);
  g_assert_cmpuint (result->done.size, ==, 5);
  g_assert_no_errno (stat (path, &info));
  g_assert_cmpuint (info.st_size, ==, size);
  g_assert_cmpuint (info.st_blocks, <=, 64);
  fd = open (path, O_RDONLY | O_CLOEXEC);
  g_assert_cmpint (pread (fd, got, 7, (off_t)middle - 1), ==, 7);
  g_assert_cmpmem (got, 7,
                   "\0"
                   "12345\0",
                   7);
  close (fd);
  /* all of it is one hole */
  request = file_send_put_holes (peer, "file", size, (const BerthHole[]){ { 0, size } }, 1);
  whole = file_finish_put (peer, request, "", 0);
  file_assert_done (whole);
  g_assert_no_errno (stat (path, &info));
  g_assert_cmpuint (info.st_blocks, ==, 0);
}

/* Bytes that come cut anywhere, into what is between many holes */
static void
test_many_holes (AgentPeer *peer, gconstpointer data)
{
  const gsize step = 4096 * 3, piece = 4096 + 7;
  g_autofree BerthHole *holes = g_new (BerthHole, BERTH_HOLES_MAX);
  g_autofree guint8 *bytes = g_malloc (piece * BERTH_HOLES_MAX);
  g_autofree char *path = file_home_path (peer, "file");
  g_autofree char *content = NULL;
  g_autoptr (FileResult) result = NULL;
  gsize size;
  guint32 request;

  for (gsize i = 0; i < piece * BERTH_HOLES_MAX; i++)
    bytes[i] = (guint8)(1 + i % 251);
  for (guint i = 0; i < BERTH_HOLES_MAX; i++)
    holes[i] = (BerthHole){ i * step + piece, step - piece };
  request = file_send_put_holes (peer, "file", step * BERTH_HOLES_MAX, holes, BERTH_HOLES_MAX);
  result = file_finish_put (peer, request, bytes, piece * BERTH_HOLES_MAX);
  file_assert_done (result);
  g_assert_true (g_file_get_contents (path, &content, &size, NULL));
  g_assert_cmpuint (size, ==, step * BERTH_HOLES_MAX);
  for (gsize i = 0; i < size; i++)
    if (content[i] != (i % step < piece ? (char)bytes[i / step * piece + i % step] : 0))
      g_error ("byte %" G_GSIZE_FORMAT, i);
}

static void
test_what_are_no_holes (AgentPeer *peer, gconstpointer data)
{
  static const BerthHole lists[][2] = {
    { { 0, 0 }, { 20, 1 } },  { { 10, 5 }, { 15, 1 } },  { { 10, 5 }, { 5, 1 } },
    { { 0, 101 }, { 0, 0 } }, { { 10, 5 }, { 101, 1 } }, { { 10, 5 }, { 50, G_MAXUINT64 } },
  };
  g_autofree BerthHole *many = g_new0 (BerthHole, BERTH_HOLES_MAX + 1);
  g_autoptr (FileResult) too_many = NULL;
  g_autoptr (FileResult) none = NULL;
  guint32 request;

  for (guint i = 0; i < G_N_ELEMENTS (lists); i++)
    {
      g_autoptr (FileResult) result
          = file_collect (peer, file_send_put_holes (peer, "file", 100, lists[i], 2));

      file_assert_refused (result, BERTH_AGENT_ERROR_INVALID, "hole");
    }
  request = file_send_put_holes (peer, "f", 100, many, BERTH_HOLES_MAX + 1);
  too_many = file_collect (peer, request);
  file_assert_refused (too_many, BERTH_AGENT_ERROR_INVALID, "holes' count");
  /* cut: what says how many is all there is */
  request = file_send_put (peer, "\xff\xff\xff\xff", 4, 100, 0644, BERTH_PUT_HOLES);
  none = file_collect (peer, request);
  file_assert_refused (none, BERTH_AGENT_ERROR_INVALID, "holes' count");
  file_assert_home (peer, "");
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
  add ("listing", test_listing);
  add ("listing-tells-what-is-taken", test_listing_tells_what_is_taken);
  add ("listing-for-an-older-host", test_listing_for_an_older_host);
  add ("a-large-folder", test_a_large_folder);
  add ("listing-limits", test_listing_limits);
  add ("holes", test_holes);
  add ("many-holes", test_many_holes);
  add ("what-are-no-holes", test_what_are_no_holes);
}

int
main (int argc, char **argv)
{
  return agent_test_main (argc, argv, add_tests);
}
