/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A snapshot on disk: what is kept, what is found out about it, and what goes when. */
#include <fcntl.h>
#include <glib/gstdio.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "plugin/snapshot/berth-snapshot.h"
#include "plugin/snapshot/berth-snapshot-stock.h"
#include "pool/berth-error.h"

#define HARDWARE "without fsrm"
#define KEY_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define KEY_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

typedef struct
{
  char *dir;
} Fixture;

static void
set_up (Fixture *fixture, gconstpointer data)
{
  fixture->dir = g_dir_make_tmp ("berth-snapshot-XXXXXX", NULL);
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  /* whatever a test made, it has removed */
  g_assert_cmpint (g_rmdir (fixture->dir), ==, 0);
  g_free (fixture->dir);
}

static void
write_at (const char *path, off_t offset, const char *text)
{
  int fd = open (path, O_WRONLY | O_CLOEXEC);

  g_assert_cmpint (fd, >=, 0);
  g_assert_cmpint (pwrite (fd, text, strlen (text), offset), ==, (gssize)strlen (text));
  close (fd);
}

static BerthSnapshot *
make (Fixture *fixture, const char *key)
{
  g_autoptr (GError) error = NULL;
  BerthSnapshot *self
      = berth_snapshot_begin (fixture->dir, "python", key, 1, getuid (), getgid (), &error);
  int fd;

  g_assert_no_error (error);
  g_assert_false (berth_snapshot_is_committed (self));
  write_at (berth_snapshot_get_ram_path (self), 4096, "memory");
  fd = berth_snapshot_open_state (self, &error);
  g_assert_no_error (error);
  g_assert_cmpint (write (fd, "state", 5), ==, 5);
  close (fd);
  berth_snapshot_set_hardware (self, "of a recording that failed");
  berth_snapshot_set_hardware (self, HARDWARE);
  g_assert_true (berth_snapshot_commit (self, FALSE, &error));
  g_assert_no_error (error);
  g_assert_true (berth_snapshot_is_committed (self));
  return self;
}

static void
assert_hardware_matters (BerthSnapshot *self)
{
  g_autoptr (GError) error = NULL;

  g_assert_true (berth_snapshot_check_hardware (self, HARDWARE, &error));
  g_assert_no_error (error);
  g_assert_false (berth_snapshot_check_hardware (self, "with fsrm", &error));
  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_UNAVAILABLE);
}

static void
throw_away (BerthSnapshot *self)
{
  berth_snapshot_retire (self);
  berth_snapshot_unref (self);
}

static BerthSnapshot *
find (Fixture *fixture, const char *key, GError **error)
{
  return berth_snapshot_open (fixture->dir, "python", key, error);
}

static guint
count_files (const char *path)
{
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  guint count = 0;

  while (dir != NULL && g_dir_read_name (dir) != NULL)
    count++;
  return count;
}

/* The VM that it is recorded from is no clone that somebody's writes harm. */
static void
test_recording_is_no_change (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (BerthSnapshot) self
      = berth_snapshot_begin (fixture->dir, "python", KEY_A, 1, getuid (), getgid (), &error);

  g_assert_no_error (error);
  write_at (berth_snapshot_get_ram_path (self), 0, "memory");
  g_assert_false (berth_snapshot_was_changed (self, &error));
  g_assert_no_error (error);
}

/* On tmpfs no time tells of a write: who keeps snapshots there is told. */
static void
test_tmpfs_is_told (Fixture *fixture, gconstpointer data)
{
  g_autofree char *dir = g_strdup ("/dev/shm/berth-snapshot-XXXXXX");
  g_autoptr (GError) error = NULL;
  BerthSnapshot *self;
  struct statfs status = { 0 };

  if (statfs ("/dev/shm", &status) != 0 || status.f_type != TMPFS_MAGIC || g_mkdtemp (dir) == NULL)
    {
      g_test_skip ("/dev/shm is no tmpfs that may be written");
      return;
    }
  self = berth_snapshot_begin (dir, "python", KEY_A, 1, getuid (), getgid (), &error);
  g_assert_no_error (error);
  g_assert_true (berth_snapshot_hides_writes (self));
  berth_snapshot_unref (self);
  g_assert_cmpint (g_rmdir (dir), ==, 0);
}

static void
test_found_again (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  BerthSnapshot *made = make (fixture, KEY_A);
  BerthSnapshot *found;

  berth_snapshot_unref (made); /* the end of a process is no end of its snapshots */
  found = find (fixture, KEY_A, &error);
  g_assert_no_error (error);
  g_assert_nonnull (found);
  g_assert_true (berth_snapshot_is_intact (found, &error));
  g_assert_cmpuint (berth_snapshot_get_disk_bytes (found), >, 0);
  g_assert_null (find (fixture, KEY_B, &error));
  g_assert_no_error (error);
  throw_away (found);
}

/* What somebody did to the files, and what berth says of it. */
typedef struct
{
  const char *name;
  const char *file;
  off_t offset;    /* where a byte is written */
  off_t truncated; /* or what it is cut to, if not 0 */
  const char *told;
} Damage;

static const Damage damages[] = {
  { "ram-byte", "ram", 4096, 0, "contents" },  { "ram-hole", "ram", 100, 0, "contents" },
  { "state-byte", "state", 0, 0, "contents" }, { "ram-cut", "ram", 0, 4096, "size" },
  { "state-cut", "state", 0, 2, "size" },      { "manifest-cut", "manifest", 0, 10, NULL },
  { "manifest-key", "manifest", 30, 0, NULL },
};

static void
test_damage_is_found (Fixture *fixture, gconstpointer data)
{
  const Damage *damage = data;
  g_autoptr (GError) error = NULL;
  BerthSnapshot *made = make (fixture, KEY_A);
  g_autofree char *dir = g_path_get_dirname (berth_snapshot_get_ram_path (made));
  g_autofree char *path = g_build_filename (dir, damage->file, NULL);

  berth_snapshot_unref (made);
  if (damage->truncated > 0)
    g_assert_cmpint (truncate (path, damage->truncated), ==, 0);
  else
    write_at (path, damage->offset, "X");
  g_assert_null (find (fixture, KEY_A, &error));
  g_assert_nonnull (error);
  g_assert_nonnull (strstr (error->message, "thrown away"));
  if (damage->told != NULL)
    g_assert_nonnull (strstr (error->message, damage->told));
  /* it is gone, so that a new one can be made */
  g_clear_error (&error);
  g_assert_null (find (fixture, KEY_A, &error));
  g_assert_no_error (error);
}

static void
test_tampering_is_seen_at_once (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  BerthSnapshot *self = make (fixture, KEY_A);
  const char *path = berth_snapshot_get_ram_path (self);
  struct stat before;

  g_assert_true (berth_snapshot_is_intact (self, &error));
  g_assert_cmpint (stat (path, &before), ==, 0);
  write_at (path, 4096, "M");
  {
    /* whoever writes can set the times of a file back, but not st_ctime */
    struct timespec times[2] = { before.st_atim, before.st_mtim };

    g_assert_cmpint (utimensat (AT_FDCWD, path, times, 0), ==, 0);
  }
  g_assert_false (berth_snapshot_is_intact (self, &error));
  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_UNAVAILABLE);
  throw_away (self);
}

/* Clones that run are ended for what somebody writes, and for nothing that berth does itself. */
static void
test_running_clones_are_watched (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  BerthSnapshot *old = make (fixture, KEY_A);
  BerthSnapshot *new;

  g_assert_false (berth_snapshot_was_changed (old, &error));
  g_assert_no_error (error);
  berth_snapshot_retire (old);
  new = make (fixture, KEY_A); /* in its place */
  g_assert_false (berth_snapshot_was_changed (old, &error));
  g_assert_no_error (error);
  berth_snapshot_unref (old);
  write_at (berth_snapshot_get_ram_path (new), 4096, "M");
  g_assert_true (berth_snapshot_was_changed (new, &error));
  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_UNAVAILABLE);
  throw_away (new);
}

static void
test_sealed_can_not_be_written (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (BerthSnapshot) self
      = berth_snapshot_begin (fixture->dir, "python", KEY_A, 1, 12345, 12346, &error);
  struct stat status;
  int fd;

  g_assert_no_error (error);
  fd = berth_snapshot_open_state (self, &error);
  g_assert_no_error (error);
  close (fd);
  g_assert_true (berth_snapshot_commit (self, TRUE, &error));
  g_assert_no_error (error);
  g_assert_cmpint (stat (berth_snapshot_get_ram_path (self), &status), ==, 0);
  if (getuid () == 0)
    {
      g_assert_cmpuint (status.st_mode & 07777, ==, 0440);
      g_assert_cmpuint (status.st_uid, ==, 0);
      g_assert_cmpuint (status.st_gid, ==, 12346);
    }
  else
    g_assert_cmpuint (status.st_mode & 07777, ==, 0400);
  g_assert_true (berth_snapshot_is_intact (self, &error));
  g_assert_no_error (error);
  berth_snapshot_retire (self);
}

/* ---- folders that others may write to ---- */

static void
expect_bad_store (Fixture *fixture, BerthSnapshot *held)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) names = berth_snapshot_list_names (fixture->dir);

  g_assert_cmpuint (names->len, ==, 0);
  berth_snapshot_clean (fixture->dir, "python", KEY_B);
  g_assert_true (berth_snapshot_is_intact (held, &error));
  g_assert_no_error (error);
  g_assert_null (find (fixture, KEY_A, &error));
  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_CONFIG);
  g_clear_error (&error);
  g_assert_null (berth_snapshot_begin (fixture->dir, "python", KEY_B, 1, 0, 0, &error));
  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_CONFIG);
  g_assert_nonnull (strstr (error->message, fixture->dir));
}

static void
test_folder_of_others (Fixture *fixture, gconstpointer data)
{
  static const mode_t modes[] = { 0720, 0702, 01777 };
  BerthSnapshot *held = make (fixture, KEY_A);

  for (guint i = 0; i < G_N_ELEMENTS (modes); i++)
    {
      g_assert_cmpint (g_chmod (fixture->dir, modes[i]), ==, 0);
      expect_bad_store (fixture, held);
    }
  g_assert_cmpint (g_chmod (fixture->dir, 0700), ==, 0);
  if (getuid () == 0)
    {
      g_assert_cmpint (chown (fixture->dir, 12345, (gid_t)-1), ==, 0);
      expect_bad_store (fixture, held);
      g_assert_cmpint (chown (fixture->dir, 0, (gid_t)-1), ==, 0);
    }
  throw_away (held);
}

/* What is removed is the link, whatever name it has. */
static void
test_links_lead_nowhere (Fixture *fixture, gconstpointer data)
{
  static const char *const names[]
      = { "python-0123456789abcdef", "python-aaaaaaaaaaaaaaaa.part", "python-aaaaaaaaaaaaaaaa" };
  g_autofree char *victim = g_dir_make_tmp ("berth-victim-XXXXXX", NULL);
  g_autofree char *file = g_build_filename (victim, "ram", NULL);
  g_autoptr (GError) error = NULL;

  g_assert_true (g_file_set_contents (file, "precious", -1, NULL));
  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_autofree char *link = g_build_filename (fixture->dir, names[i], NULL);

      g_assert_cmpint (symlink (victim, link), ==, 0);
    }
  g_assert_null (find (fixture, KEY_A, &error));
  g_assert_no_error (error);
  throw_away (make (fixture, KEY_A)); /* over two of them */
  berth_snapshot_clean (fixture->dir, "python", NULL);
  g_assert_cmpuint (count_files (victim), ==, 1);
  g_unlink (file);
  g_rmdir (victim);
}

static void
test_deleted_is_seen (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  BerthSnapshot *self = make (fixture, KEY_A);

  g_assert_cmpint (g_unlink (berth_snapshot_get_ram_path (self)), ==, 0);
  g_assert_false (berth_snapshot_is_intact (self, &error));
  g_assert_nonnull (error);
  throw_away (self);
}

/* A CPU with a feature more, or a device in another place: the state would be loaded all the same,
 * and the guest go on in a machine that it was never in. */
static void
test_is_for_its_hardware (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  BerthSnapshot *self = make (fixture, KEY_A);
  BerthSnapshot *found;

  assert_hardware_matters (self);
  berth_snapshot_unref (self);
  found = find (fixture, KEY_A, &error); /* after a restart of berthd, too */
  g_assert_no_error (error);
  assert_hardware_matters (found);
  throw_away (found);
}

static guint
get_mode (const char *path)
{
  struct stat status;

  g_assert_no_errno (stat (path, &status));
  return status.st_mode & 07777;
}

/* QEMU's user finds its way, also into a folder that was made under such a umask before. */
static void
test_any_umask (Fixture *fixture, gconstpointer data)
{
  g_autofree char *dir = g_build_filename (fixture->dir, "private", NULL);
  mode_t before = umask (077);
  g_autoptr (GError) error = NULL;

  g_assert_no_errno (g_mkdir (dir, 0700));
  for (guint i = 0; i < 2; i++)
    {
      BerthSnapshot *self
          = berth_snapshot_begin (dir, "python", KEY_A, 1, getuid (), getgid (), &error);
      g_autofree char *folder = NULL;

      g_assert_no_error (error);
      folder = g_path_get_dirname (berth_snapshot_get_ram_path (self));
      g_assert_cmphex (get_mode (folder), ==, geteuid () == 0 ? 0711 : 0700);
      g_assert_cmphex (get_mode (dir), ==, geteuid () == 0 ? 0711 : 0700);
      berth_snapshot_unref (self);
    }
  umask (before);
  g_assert_no_errno (g_rmdir (dir));
}

static void
test_unfinished_leaves_nothing (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  BerthSnapshot *self
      = berth_snapshot_begin (fixture->dir, "python", KEY_A, 1, getuid (), getgid (), &error);

  g_assert_no_error (error);
  g_assert_cmpuint (count_files (fixture->dir), ==, 1);
  g_assert_null (find (fixture, KEY_A, &error)); /* nothing is valid before it is committed */
  g_assert_no_error (error);
  berth_snapshot_unref (self);
  g_assert_cmpuint (count_files (fixture->dir), ==, 0);
}

/* Clones may hold the old one while a new one with the same key lies in its folder. */
static void
test_old_leaves_new_alone (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  BerthSnapshot *old = make (fixture, KEY_A);
  BerthSnapshot *held = berth_snapshot_ref (old);
  BerthSnapshot *new;

  throw_away (old);
  new = make (fixture, KEY_A);
  berth_snapshot_unref (held);
  g_assert_true (berth_snapshot_is_intact (new, &error));
  g_assert_no_error (error);
  throw_away (new);
}

static void
test_clean_keeps_what_is_not_its_own (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  BerthSnapshot *kept = make (fixture, KEY_A);
  BerthSnapshot *outdated = make (fixture, KEY_B);
  g_autofree char *other = g_build_filename (fixture->dir, "python-x-0123456789abcdef", NULL);
  g_autofree char *crashed = g_build_filename (fixture->dir, "python-cccccccccccccccc.part", NULL);

  g_assert_cmpint (g_mkdir (other, 0700), ==, 0);
  g_assert_cmpint (g_mkdir (crashed, 0700), ==, 0);
  berth_snapshot_clean (fixture->dir, "python", KEY_A);
  g_assert_true (berth_snapshot_is_intact (kept, &error));
  g_assert_false (berth_snapshot_is_intact (outdated, NULL));
  g_assert_false (g_file_test (crashed, G_FILE_TEST_EXISTS));
  g_assert_cmpint (g_rmdir (other), ==, 0); /* another template's */
  throw_away (outdated);
  throw_away (kept);
}

static void
test_names (Fixture *fixture, gconstpointer data)
{
  static const char *const folders[] = { "python-0123456789abcdef",
                                         "python@7:a-b-0123456789abcdef",
                                         "python@7:a-b-fedcba9876543210.part",
                                         "python-short",
                                         "0123456789abcdefg",
                                         ".part" };
  g_autofree char *own = berth_snapshot_make_name ("python", "7:a-b");
  g_autofree char *shared = berth_snapshot_make_name ("python", NULL);
  g_autofree char *tenant_key = NULL;
  g_autofree char *nobody = NULL;
  g_autofree char *template = berth_snapshot_split_name (own, &tenant_key);
  g_autofree char *plain = berth_snapshot_split_name (shared, &nobody);
  g_autoptr (GPtrArray) names = NULL;

  g_assert_cmpstr (template, ==, "python");
  g_assert_cmpstr (tenant_key, ==, "7:a-b");
  g_assert_cmpstr (plain, ==, "python");
  g_assert_null (nobody);
  for (guint i = 0; i < G_N_ELEMENTS (folders); i++)
    {
      g_autofree char *path = g_build_filename (fixture->dir, folders[i], NULL);

      g_assert_cmpint (g_mkdir (path, 0700), ==, 0);
    }
  names = berth_snapshot_list_names (fixture->dir);
  g_assert_cmpuint (names->len, ==, 2);
  g_assert_true (g_ptr_array_find_with_equal_func (names, own, g_str_equal, NULL));
  g_assert_true (g_ptr_array_find_with_equal_func (names, shared, g_str_equal, NULL));
  /* the whole of one tenant's, and nothing of the template's own */
  berth_snapshot_clean (fixture->dir, own, NULL);
  g_ptr_array_unref (names);
  names = berth_snapshot_list_names (fixture->dir);
  g_assert_cmpuint (names->len, ==, 1);
  g_assert_cmpstr (names->pdata[0], ==, "python");
  for (guint i = 0; i < G_N_ELEMENTS (folders); i++)
    {
      g_autofree char *path = g_build_filename (fixture->dir, folders[i], NULL);

      g_rmdir (path);
    }
}

/* ---- stock ---- */

static BerthImages *
fake_images (Fixture *fixture)
{
  g_autofree char *path = g_build_filename (fixture->dir, "images.json", NULL);
  g_autoptr (GError) error = NULL;
  BerthImages *images;

  g_assert_true (g_file_set_contents (
      path,
      "{\"format\": 1, \"kernel\": {\"path\": \"k\"}, \"initramfs\": {\"path\": \"i\"}, "
      "\"layers\": {}}",
      -1, &error));
  images = berth_images_load (fixture->dir, &error);
  g_assert_no_error (error);
  g_unlink (path);
  return images;
}

static void
test_stock_looks_before_each_use (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (BerthSnapshotStock) stock = berth_snapshot_stock_new ();
  g_autoptr (BerthImages) images = fake_images (fixture);
  g_autoptr (BerthImages) newer = fake_images (fixture);
  BerthSnapshot *snapshot = make (fixture, KEY_A);

  g_assert_null (berth_snapshot_stock_pick (stock, "python", images, &error));
  g_assert_no_error (error);
  berth_snapshot_stock_set (stock, "python", snapshot, images);
  g_assert_true (berth_snapshot_stock_pick (stock, "python", images, &error) == snapshot);
  g_assert_no_error (error);
  /* the image was built again: told once, gone then */
  g_assert_null (berth_snapshot_stock_pick (stock, "python", newer, &error));
  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_UNAVAILABLE);
  g_assert_null (berth_snapshot_stock_get (stock, "python"));
  berth_snapshot_unref (snapshot);
  g_assert_cmpuint (count_files (fixture->dir), ==, 0);
}

/* One that was given up while somebody looked at it comes back by no way: not through who still
 * holds it, and not from the disk, where its files stay for its clones. */
static void
test_stock_takes_no_retired (Fixture *fixture, gconstpointer data)
{
  g_autoptr (BerthSnapshotStock) stock = berth_snapshot_stock_new ();
  g_autoptr (BerthImages) images = fake_images (fixture);
  g_autoptr (GError) error = NULL;
  BerthSnapshot *held = make (fixture, KEY_A);
  BerthSnapshot *next;

  g_assert_true (berth_snapshot_stock_set (stock, "python", held, images));
  g_assert_true (berth_snapshot_stock_set (stock, "python", NULL, NULL));
  g_assert_false (berth_snapshot_stock_set (stock, "python", held, images));
  g_assert_null (berth_snapshot_stock_get (stock, "python"));
  g_assert_null (find (fixture, KEY_A, &error));
  g_assert_no_error (error);
  g_assert_true (g_file_test (berth_snapshot_get_ram_path (held), G_FILE_TEST_EXISTS));
  g_assert_true (berth_snapshot_is_intact (held, NULL));
  /* a new one takes its place, and the end of the old one does not touch it */
  next = make (fixture, KEY_A);
  berth_snapshot_unref (held);
  g_assert_true (berth_snapshot_stock_set (stock, "python", next, images));
  g_assert_true (berth_snapshot_stock_pick (stock, "python", images, &error) == next);
  throw_away (next);
}

static void
test_stock_gives_up_a_bad_one (Fixture *fixture, gconstpointer data)
{
  g_autoptr (BerthSnapshotStock) stock = berth_snapshot_stock_new ();
  g_autoptr (BerthImages) images = fake_images (fixture);
  BerthSnapshot *snapshot = make (fixture, KEY_A);

  berth_snapshot_stock_set (stock, "python", snapshot, images);
  g_assert_false (berth_snapshot_stock_take_doubt (stock, "python"));
  g_assert_true (berth_snapshot_stock_note_clone (stock, "python", snapshot, FALSE));
  g_assert_true (berth_snapshot_stock_take_doubt (stock, "python"));
  g_assert_false (berth_snapshot_stock_take_doubt (stock, "python")); /* asked once */
  g_assert_true (berth_snapshot_stock_note_clone (stock, "python", snapshot, TRUE));
  g_assert_true (berth_snapshot_stock_note_clone (stock, "python", snapshot, FALSE));
  g_assert_true (berth_snapshot_stock_note_clone (stock, "python", snapshot, FALSE));
  g_assert_false (
      berth_snapshot_stock_note_clone (stock, "python", snapshot, FALSE)); /* the third in a row */
  g_assert_null (berth_snapshot_stock_get (stock, "python"));
  g_assert_true (
      berth_snapshot_stock_note_clone (stock, "python", snapshot, FALSE)); /* told once */
  berth_snapshot_unref (snapshot);
}

static void
test_stock_refuses_a_repeated_proof (Fixture *fixture, gconstpointer data)
{
  g_autoptr (BerthSnapshotStock) stock = berth_snapshot_stock_new ();
  guint8 proof[32] = { 0 };

  for (guint i = 0; i < 20000; i++)
    {
      memcpy (proof, &i, sizeof i);
      g_assert_true (berth_snapshot_stock_check_proof (stock, proof, sizeof proof));
    }
  g_assert_false (berth_snapshot_stock_check_proof (stock, proof, sizeof proof));
}

static guint
count_folders (Fixture *fixture, const char *suffix)
{
  g_autoptr (GDir) dir = g_dir_open (fixture->dir, 0, NULL);
  const char *name;
  guint count = 0;

  while ((name = g_dir_read_name (dir)) != NULL)
    count += g_str_has_suffix (name, suffix) ? 1 : 0;
  return count;
}

/* What a checkpoint differs from is put aside, whatever takes its place, until nobody needs it. */
static void
test_kept_for_checkpoints (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GHashTable) none = g_hash_table_new (g_str_hash, g_str_equal);
  g_autoptr (GHashTable) needed = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_autoptr (GError) error = NULL;
  BerthSnapshot *first = make (fixture, KEY_A);
  g_autofree char *sum = g_strdup (berth_snapshot_get_ram_sum (first));
  g_autofree char *bytes = NULL;
  BerthSnapshot *second;
  BerthSnapshot *base;

  g_hash_table_add (needed, g_strdup (sum));
  g_assert_true (berth_snapshot_keep (first, "me", &error));
  g_assert_no_error (error);
  g_assert_true (berth_snapshot_is_intact (first, NULL));
  second = make (fixture, KEY_A); /* anew, in its place */
  g_assert_false (berth_snapshot_is_in_place (first));
  g_assert_true (berth_snapshot_is_in_place (second));
  g_assert_true (berth_snapshot_is_intact (first, NULL));
  g_assert_cmpint (berth_snapshot_open_state (first, NULL), ==, -1);
  g_assert_cmpuint (count_folders (fixture, ".base"), ==, 1);
  berth_snapshot_unref (first);

  berth_snapshot_clean (fixture->dir, "python", KEY_B); /* the current one goes */
  berth_snapshot_release_bases (fixture->dir, "me", needed);
  base = berth_snapshot_open_base (fixture->dir, "python", KEY_A, sum, &error);
  g_assert_no_error (error);
  g_assert_true (g_file_get_contents (berth_snapshot_get_ram_path (base), &bytes, NULL, NULL));
  g_assert_cmpstr (bytes + 4096, ==, "memory");
  g_assert_true (berth_snapshot_check_hardware (base, HARDWARE, NULL));
  berth_snapshot_unref (base);
  berth_snapshot_release_bases (fixture->dir, "another", none);
  g_assert_cmpuint (count_folders (fixture, ".base"), ==, 1);
  berth_snapshot_release_bases (fixture->dir, "me", none);
  g_assert_cmpuint (count_folders (fixture, ".base"), ==, 0);
  g_assert_null (berth_snapshot_open_base (fixture->dir, "python", KEY_A, sum, &error));
  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_UNAVAILABLE);
  berth_snapshot_unref (second);
}

/* A retired one, too; the one that is used is left where it is. */
static void
test_retired_for_checkpoints (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GHashTable) none = g_hash_table_new (g_str_hash, g_str_equal);
  BerthSnapshot *snapshot = make (fixture, KEY_A);
  g_autofree char *sum = g_strdup (berth_snapshot_get_ram_sum (snapshot));
  BerthSnapshot *base;

  g_assert_true (berth_snapshot_keep (snapshot, "me", NULL));
  base = berth_snapshot_open_base (fixture->dir, "python", KEY_A, sum, NULL);
  g_assert_true (berth_snapshot_is_in_place (base));
  berth_snapshot_unref (base);
  berth_snapshot_retire (snapshot);
  berth_snapshot_unref (snapshot);
  base = berth_snapshot_open_base (fixture->dir, "python", KEY_A, sum, NULL);
  g_assert_nonnull (base);
  berth_snapshot_unref (base);
  berth_snapshot_release_bases (fixture->dir, "me", none);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(name, func) g_test_add ("/snapshot/" name, Fixture, NULL, set_up, func, tear_down)
  ADD ("found-again", test_found_again);
  for (guint i = 0; i < G_N_ELEMENTS (damages); i++)
    {
      g_autofree char *path = g_strconcat ("/snapshot/damage-is-found/", damages[i].name, NULL);

      g_test_add (path, Fixture, &damages[i], set_up, test_damage_is_found, tear_down);
    }
  ADD ("tampering-is-seen-at-once", test_tampering_is_seen_at_once);
  ADD ("running-clones-are-watched", test_running_clones_are_watched);
  ADD ("sealed-can-not-be-written", test_sealed_can_not_be_written);
  ADD ("folder-of-others", test_folder_of_others);
  ADD ("links-lead-nowhere", test_links_lead_nowhere);
  ADD ("deleted-is-seen", test_deleted_is_seen);
  ADD ("is-for-its-hardware", test_is_for_its_hardware);
  ADD ("any-umask", test_any_umask);
  ADD ("unfinished-leaves-nothing", test_unfinished_leaves_nothing);
  ADD ("old-leaves-new-alone", test_old_leaves_new_alone);
  ADD ("clean-keeps-what-is-not-its-own", test_clean_keeps_what_is_not_its_own);
  ADD ("names", test_names);
  ADD ("stock-looks-before-each-use", test_stock_looks_before_each_use);
  ADD ("stock-gives-up-a-bad-one", test_stock_gives_up_a_bad_one);
  ADD ("recording-is-no-change", test_recording_is_no_change);
  ADD ("tmpfs-is-told", test_tmpfs_is_told);
  ADD ("kept-for-checkpoints", test_kept_for_checkpoints);
  ADD ("retired-for-checkpoints", test_retired_for_checkpoints);
  ADD ("stock-takes-no-retired", test_stock_takes_no_retired);
  ADD ("stock-refuses-a-repeated-proof", test_stock_refuses_a_repeated_proof);
  return g_test_run ();
}
