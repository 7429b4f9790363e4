/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Checkpoints on disk: what is there after each step, whatever ends there; how many there may be;
 * what is found again. */
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "plugin/checkpoint/berth-checkpoint-store.h"
#include "pool/berth-error.h"
#include "tests/checkpoint/some-manifest.h"

#define STATE "all that the guest had in its memory"
#define MOST (1024u * 1024u)

typedef struct
{
  char *dir;
  BerthCheckpointStore *store;
} Fixture;

static const BerthCheckpointLimits roomy
    = { .count = 100, .user_count = 100, .bytes = 100 * MOST, .user_bytes = 100 * MOST };

/* ---- waits ---- */

static void
done_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  *(GAsyncResult **)user_data = g_object_ref (result);
}

static GAsyncResult *
await (GAsyncResult **result)
{
  while (*result == NULL)
    g_main_context_iteration (NULL, TRUE);
  return *result;
}

static gboolean
open_store (Fixture *fixture, const BerthCheckpointLimits *limits, GError **error)
{
  g_autoptr (GAsyncResult) result = NULL;

  fixture->store = berth_checkpoint_store_new (limits);
  berth_checkpoint_store_open_async (fixture->store, fixture->dir, done_cb, &result);
  return berth_checkpoint_store_finish (fixture->store, await (&result), error);
}

static void
close_store (Fixture *fixture)
{
  berth_checkpoint_store_close (fixture->store);
  while (g_main_context_iteration (NULL, FALSE)) /* what nobody waits for has ended, too */
    ;
  g_assert_finalize_object (fixture->store);
  fixture->store = NULL;
}

static void
reopen (Fixture *fixture)
{
  g_autoptr (GError) error = NULL;

  close_store (fixture);
  open_store (fixture, &roomy, &error);
  g_assert_no_error (error);
}

static void
set_up (Fixture *fixture, gconstpointer data)
{
  g_autofree char *above = g_dir_make_tmp ("berth-checkpoint-XXXXXX", NULL);
  g_autoptr (GError) error = NULL;

  fixture->dir = g_build_filename (above, "checkpoints", NULL); /* made with the first */
  open_store (fixture, &roomy, &error);
  g_assert_no_error (error);
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  g_autofree char *above = g_path_get_dirname (fixture->dir);

  if (fixture->store != NULL)
    close_store (fixture);
  /* whatever a test made, it has removed */
  if (g_file_test (fixture->dir, G_FILE_TEST_EXISTS))
    g_assert_cmpint (g_rmdir (fixture->dir), ==, 0);
  g_assert_cmpint (g_rmdir (above), ==, 0);
  g_free (fixture->dir);
}

static BerthCheckpointDraft *
begin (Fixture *fixture, const BerthCheckpointManifest *manifest, GError **error)
{
  g_autoptr (GAsyncResult) result = NULL;

  berth_checkpoint_store_begin_async (fixture->store, manifest, MOST, done_cb, &result);
  return berth_checkpoint_store_begin_finish (fixture->store, await (&result), error);
}

static BerthCheckpoint *
commit (Fixture *fixture, BerthCheckpointDraft *draft, const BerthCheckpointManifest *manifest,
        GError **error)
{
  g_autoptr (GAsyncResult) result = NULL;

  g_assert_cmpint (write (berth_checkpoint_draft_get_fd (draft), STATE, strlen (STATE)), ==,
                   strlen (STATE));
  berth_checkpoint_store_commit_async (fixture->store, draft, manifest, done_cb, &result);
  return berth_checkpoint_store_commit_finish (fixture->store, await (&result), error);
}

static BerthCheckpoint *
keep_of (Fixture *fixture, guint32 uid, const char *sandbox, const char *name)
{
  g_autoptr (BerthCheckpointManifest) manifest = some_manifest (uid, sandbox, name);
  g_autoptr (GError) error = NULL;
  BerthCheckpointDraft *draft = begin (fixture, manifest, &error);
  BerthCheckpoint *checkpoint;

  g_assert_no_error (error);
  g_assert_cmpuint (berth_checkpoint_draft_get_max_bytes (draft), ==, MOST);
  checkpoint = commit (fixture, draft, manifest, &error);
  g_assert_no_error (error);
  return checkpoint;
}

static BerthCheckpoint *
keep (Fixture *fixture, const char *name)
{
  return keep_of (fixture, SOME_UID, SOME_SANDBOX, name);
}

static int
load (Fixture *fixture, BerthCheckpoint *checkpoint, GError **error)
{
  g_autoptr (GAsyncResult) result = NULL;

  berth_checkpoint_store_load_async (fixture->store, checkpoint, done_cb, &result);
  return berth_checkpoint_store_load_finish (fixture->store, await (&result), error);
}

static gboolean
set_waking (Fixture *fixture, BerthCheckpoint *checkpoint, gboolean is_waking)
{
  g_autoptr (GAsyncResult) result = NULL;

  berth_checkpoint_store_set_waking_async (fixture->store, checkpoint, is_waking, done_cb, &result);
  return berth_checkpoint_store_finish (fixture->store, await (&result), NULL);
}

static gboolean
remove_it (Fixture *fixture, BerthCheckpoint *checkpoint, GError **error)
{
  g_autoptr (GAsyncResult) result = NULL;

  berth_checkpoint_store_remove_async (fixture->store, checkpoint, done_cb, &result);
  return berth_checkpoint_store_finish (fixture->store, await (&result), error);
}

static void
remove_all (Fixture *fixture)
{
  g_autoptr (GPtrArray) all = berth_checkpoint_store_list (fixture->store, 0, NULL);

  for (guint i = 0; i < all->len; i++)
    g_assert_true (remove_it (fixture, all->pdata[i], NULL));
}

static guint
count (Fixture *fixture)
{
  return berth_checkpoint_store_get_totals (fixture->store).count;
}

static guint
count_files (Fixture *fixture)
{
  g_autoptr (GDir) dir = g_dir_open (fixture->dir, 0, NULL);
  guint found = 0;

  while (dir != NULL && g_dir_read_name (dir) != NULL)
    found++;
  return found;
}

static char *
path_of (Fixture *fixture, const char *folder, const char *file)
{
  return g_build_filename (fixture->dir, folder, file, NULL);
}

/* ---- tests ---- */

static void
assert_private (Fixture *fixture, const char *folder)
{
  g_autofree char *dir = path_of (fixture, folder, NULL);
  g_autofree char *state = path_of (fixture, folder, "state");
  GStatBuf status;

  g_assert_cmpint (g_stat (state, &status), ==, 0);
  g_assert_cmpuint (status.st_mode & 0777, ==, 0600);
  g_assert_cmpint (g_stat (dir, &status), ==, 0);
  g_assert_cmpuint (status.st_mode & 0066, ==, 0); /* nobody else lists or changes it */
}

static void
assert_loads (Fixture *fixture, BerthCheckpoint *checkpoint)
{
  g_autoptr (GError) error = NULL;
  char bytes[sizeof STATE] = "";
  int fd = load (fixture, checkpoint, &error);

  g_assert_no_error (error);
  g_assert_cmpint (pread (fd, bytes, sizeof bytes, 0), ==, strlen (STATE));
  g_assert_cmpstr (bytes, ==, STATE);
  g_assert_cmpint (write (fd, "x", 1), ==, -1);
  close (fd);
}

/* While it is being committed, what it differs from is needed. */
static void
test_base_while_committed (Fixture *fixture, gconstpointer data)
{
  g_autoptr (BerthCheckpointManifest) manifest = some_manifest (SOME_UID, SOME_SANDBOX, "before");
  BerthCheckpointDraft *draft = begin (fixture, manifest, NULL);
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GHashTable) before = berth_checkpoint_store_dup_bases (fixture->store);
  g_autoptr (GHashTable) meanwhile = NULL;
  g_autoptr (BerthCheckpoint) checkpoint = NULL;

  g_assert_cmpuint (g_hash_table_size (before), ==, 0);
  g_assert_cmpint (write (berth_checkpoint_draft_get_fd (draft), STATE, strlen (STATE)), >, 0);
  berth_checkpoint_store_commit_async (fixture->store, draft, manifest, done_cb, &result);
  meanwhile = berth_checkpoint_store_dup_bases (fixture->store);
  g_assert_true (g_hash_table_contains (meanwhile, SOME_SUM));
  checkpoint = berth_checkpoint_store_commit_finish (fixture->store, await (&result), NULL);
  g_assert_nonnull (checkpoint);
  g_assert_true (remove_it (fixture, checkpoint, NULL));
}

static void
test_kept (Fixture *fixture, gconstpointer data)
{
  g_autoptr (BerthCheckpoint) checkpoint = keep (fixture, "before");
  g_autoptr (GHashTable) bases = berth_checkpoint_store_dup_bases (fixture->store);

  g_assert_cmpuint (berth_checkpoint_get_manifest (checkpoint)->bytes, ==, strlen (STATE));
  g_assert_true (g_hash_table_contains (bases, SOME_SUM));
  assert_private (fixture, SOME_SANDBOX "-before");
  assert_loads (fixture, checkpoint);
  g_assert_true (remove_it (fixture, checkpoint, NULL));
  g_assert_cmpuint (count_files (fixture), ==, 0);
  g_assert_true (remove_it (fixture, checkpoint, NULL)); /* again: as it is */
}

static void
test_found_again (Fixture *fixture, gconstpointer data)
{
  g_autoptr (BerthCheckpoint) kept = keep (fixture, "before");
  BerthCheckpoint *found;
  g_autoptr (GError) error = NULL;

  reopen (fixture);
  found = berth_checkpoint_store_find (fixture->store, SOME_UID, SOME_SANDBOX, "before", &error);
  g_assert_no_error (error);
  g_assert_cmpstr (berth_checkpoint_get_manifest (found)->tenant, ==, "acme");
  g_assert_cmpuint (berth_checkpoint_store_get_totals (fixture->store).bytes, ==, strlen (STATE));
  assert_loads (fixture, found);
  remove_all (fixture);
}

/* What a berthd that was killed leaves: each step's end is the last thing that was done. */
static void
test_left_overs (Fixture *fixture, gconstpointer data)
{
  g_autoptr (BerthCheckpointManifest) manifest = some_manifest (1, OTHER_SANDBOX, "half");
  g_autoptr (BerthCheckpoint) kept = keep (fixture, "before");
  g_autofree char *before = path_of (fixture, SOME_SANDBOX "-before", NULL);
  g_autofree char *gone = path_of (fixture, SOME_SANDBOX "-before.00000001.gone", NULL);

  g_assert_nonnull (begin (fixture, manifest, NULL)); /* killed while it is written */
  g_assert_cmpuint (count_files (fixture), ==, 2);
  reopen (fixture);
  g_assert_cmpuint (count_files (fixture), ==, 1);
  g_assert_cmpuint (count (fixture), ==, 1);

  g_assert_cmpint (g_rename (before, gone), ==, 0); /* killed while it is removed */
  reopen (fixture);
  g_assert_cmpuint (count_files (fixture), ==, 0);
  g_assert_cmpuint (count (fixture), ==, 0);
}

static void
test_abandoned (Fixture *fixture, gconstpointer data)
{
  g_autoptr (BerthCheckpointManifest) manifest = some_manifest (1, SOME_SANDBOX, "half");
  BerthCheckpointDraft *draft = begin (fixture, manifest, NULL);
  g_autoptr (GError) error = NULL;

  g_assert_null (begin (fixture, manifest, &error)); /* its name is taken already */
  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_UNAVAILABLE);
  g_assert_null (berth_checkpoint_store_find (fixture->store, 1, SOME_SANDBOX, "half", NULL));
  berth_checkpoint_store_abandon (fixture->store, draft);
  g_object_unref (keep (fixture, "half"));
  remove_all (fixture);
  reopen (fixture); /* waits for what was under way */
  g_assert_cmpuint (count_files (fixture), ==, 0);
}

static void
test_whose (Fixture *fixture, gconstpointer data)
{
  g_autoptr (BerthCheckpoint) kept = keep (fixture, "before");
  g_autoptr (BerthCheckpoint) other = keep_of (fixture, 2000, OTHER_SANDBOX, "before");
  g_autoptr (BerthCheckpointManifest) manifest = some_manifest (1, SOME_SANDBOX, "before");
  g_autoptr (GPtrArray) hers = berth_checkpoint_store_list (fixture->store, 2000, NULL);
  g_autoptr (GPtrArray) none = berth_checkpoint_store_list (fixture->store, 2000, SOME_SANDBOX);
  g_autoptr (GError) error = NULL;

  g_assert_true (berth_checkpoint_store_find (fixture->store, 0, SOME_SANDBOX, "before", NULL)
                 == kept);
  g_assert_null (
      berth_checkpoint_store_find (fixture->store, 2000, SOME_SANDBOX, "before", &error));
  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_INVALID);
  g_assert_null (strstr (error->message, "it has before"));
  g_clear_error (&error);
  g_assert_null (begin (fixture, manifest, &error));
  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_INVALID);
  g_assert_cmpuint (hers->len, ==, 1);
  g_assert_true (hers->pdata[0] == other);
  g_assert_cmpuint (none->len, ==, 0);
  remove_all (fixture);
}

static void
assert_full (Fixture *fixture, guint32 uid, const char *setting)
{
  g_autoptr (BerthCheckpointManifest) manifest = some_manifest (uid, OTHER_SANDBOX, "more");
  g_autoptr (GError) error = NULL;

  g_assert_null (begin (fixture, manifest, &error));
  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_NO_CAPACITY);
  g_assert_nonnull (strstr (error->message, setting));
}

static void
set_limits (Fixture *fixture, guint count, guint user_count, guint64 bytes, guint64 user_bytes)
{
  const BerthCheckpointLimits limits
      = { .count = count, .user_count = user_count, .bytes = bytes, .user_bytes = user_bytes };

  berth_checkpoint_store_set_limits (fixture->store, &limits);
}

static void
test_limits (Fixture *fixture, gconstpointer data)
{
  g_autoptr (BerthCheckpoint) kept = keep (fixture, "before");
  g_autoptr (BerthCheckpointManifest) manifest = some_manifest (SOME_UID, SOME_SANDBOX, "more");
  BerthCheckpointDraft *draft;

  set_limits (fixture, 1, 9, MOST, MOST);
  assert_full (fixture, 2000, "checkpoints raised");
  set_limits (fixture, 9, 1, MOST, MOST);
  assert_full (fixture, SOME_UID, "checkpoints_per_user");
  set_limits (fixture, 9, 9, strlen (STATE), MOST);
  assert_full (fixture, 2000, "checkpoint_mb");
  set_limits (fixture, 9, 9, MOST, strlen (STATE));
  assert_full (fixture, SOME_UID, "checkpoint_user_mb");

  set_limits (fixture, 9, 9, MOST, strlen (STATE) + 10);
  draft = begin (fixture, manifest, NULL);
  g_assert_cmpuint (berth_checkpoint_draft_get_max_bytes (draft), ==, 10);
  assert_full (fixture, SOME_UID, "checkpoint_user_mb"); /* it is taken already */
  berth_checkpoint_store_abandon (fixture->store, draft);
  remove_all (fixture);
}

static void
flip (Fixture *fixture, const char *folder, const char *file, off_t offset)
{
  g_autofree char *path = path_of (fixture, folder, file);
  int fd = open (path, O_RDWR | O_CLOEXEC);
  char byte;

  g_assert_cmpint (pread (fd, &byte, 1, offset), ==, 1);
  byte ^= 1;
  g_assert_cmpint (pwrite (fd, &byte, 1, offset), ==, 1);
  close (fd);
}

static void
test_flipped (Fixture *fixture, gconstpointer data)
{
  g_autoptr (BerthCheckpoint) kept = keep (fixture, "before");
  g_autoptr (GError) error = NULL;

  for (gsize i = 0; i < strlen (STATE); i++)
    {
      flip (fixture, SOME_SANDBOX "-before", "state", (off_t)i);
      g_assert_cmpint (load (fixture, kept, &error), ==, -1);
      g_assert_error (error, BERTH_ERROR, BERTH_ERROR_CONFIG);
      g_clear_error (&error);
      flip (fixture, SOME_SANDBOX "-before", "state", (off_t)i);
    }
  assert_loads (fixture, kept);
  remove_all (fixture);
}

/* What can't be trusted is not listed, and not deleted either. */
static void
test_not_whole (Fixture *fixture, gconstpointer data)
{
  g_autoptr (BerthCheckpoint) kept = keep (fixture, "before");
  g_autofree char *state = path_of (fixture, SOME_SANDBOX "-before", "state");
  g_autofree char *manifest = path_of (fixture, SOME_SANDBOX "-before", "manifest");
  g_autofree char *folder = path_of (fixture, SOME_SANDBOX "-before", NULL);
  g_autofree char *other = path_of (fixture, SOME_SANDBOX "-after", NULL);

  g_assert_cmpint (g_rename (folder, other), ==, 0);
  g_test_expect_message ("berth", G_LOG_LEVEL_WARNING,
                         "*is left alone: its manifest is another's*");
  reopen (fixture);
  g_assert_cmpint (g_rename (other, folder), ==, 0);

  g_assert_cmpint (truncate (state, 3), ==, 0);
  g_test_expect_message ("berth", G_LOG_LEVEL_WARNING,
                         "*is left alone: its state is not all there*");
  reopen (fixture);

  flip (fixture, SOME_SANDBOX "-before", "manifest", 3);
  g_test_expect_message ("berth", G_LOG_LEVEL_WARNING,
                         "*is left alone: its manifest can't be used*");
  reopen (fixture);

  g_assert_cmpint (g_unlink (manifest), ==, 0);
  g_test_expect_message ("berth", G_LOG_LEVEL_WARNING,
                         "*is left alone: its manifest can't be read*");
  reopen (fixture);
  g_test_assert_expected_messages ();
  g_assert_cmpuint (count (fixture), ==, 0);
  g_assert_cmpint (g_unlink (state), ==, 0);
  g_assert_cmpint (g_rmdir (folder), ==, 0);
}

static void
test_in_use (Fixture *fixture, gconstpointer data)
{
  g_autoptr (BerthCheckpoint) kept = keep (fixture, "before");
  g_autoptr (GError) error = NULL;

  berth_checkpoint_begin_use (kept);
  g_assert_false (remove_it (fixture, kept, &error));
  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_UNAVAILABLE);
  assert_loads (fixture, kept);
  berth_checkpoint_end_use (kept);
  remove_all (fixture);
}

/* Its reads are asked for before the first has ended; another user's is not kept by them. */
static void
test_many_loads (Fixture *fixture, gconstpointer data)
{
  g_autoptr (BerthCheckpoint) kept = keep (fixture, "before");
  g_autoptr (BerthCheckpoint) others = keep_of (fixture, SOME_UID + 1, OTHER_SANDBOX, "before");
  g_autoptr (GError) error = NULL;
  GAsyncResult *results[BERTH_CHECKPOINT_LOADS_PER_UID] = { NULL };

  for (guint i = 0; i < G_N_ELEMENTS (results); i++)
    berth_checkpoint_store_load_async (fixture->store, kept, done_cb, &results[i]);
  g_assert_cmpint (load (fixture, kept, &error), ==, -1);
  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_QUEUE_FULL);
  assert_loads (fixture, others);
  for (guint i = 0; i < G_N_ELEMENTS (results); i++)
    {
      int fd = berth_checkpoint_store_load_finish (fixture->store, await (&results[i]), NULL);

      g_assert_cmpint (fd, >=, 0);
      close (fd);
      g_object_unref (results[i]);
    }
  assert_loads (fixture, kept);
  remove_all (fixture);
}

static void
test_asleep (Fixture *fixture, gconstpointer data)
{
  g_autoptr (BerthCheckpoint) kept = keep (fixture, "");
  g_autoptr (GError) error = NULL;
  BerthCheckpoint *found;

  g_assert_true (berth_checkpoint_store_find_asleep (fixture->store, SOME_SANDBOX) == kept);
  g_assert_null (berth_checkpoint_store_find_asleep (fixture->store, OTHER_SANDBOX));
  g_assert_true (set_waking (fixture, kept, TRUE));
  g_assert_true (berth_checkpoint_is_waking (kept));
  assert_loads (fixture, kept);

  reopen (fixture); /* killed while it is woken */
  found = berth_checkpoint_store_find_asleep (fixture->store, SOME_SANDBOX);
  g_assert_true (berth_checkpoint_is_waking (found));
  g_assert_true (set_waking (fixture, found, FALSE));
  g_assert_true (set_waking (fixture, found, FALSE)); /* it is so already */
  reopen (fixture);
  found = berth_checkpoint_store_find_asleep (fixture->store, SOME_SANDBOX);
  g_assert_false (berth_checkpoint_is_waking (found));
  remove_all (fixture);
}

/* Others could change what VMs are made of. */
static void
test_others_write (Fixture *fixture, gconstpointer data)
{
  g_autoptr (BerthCheckpointManifest) manifest = some_manifest (1, SOME_SANDBOX, "before");
  g_autoptr (GError) error = NULL;

  close_store (fixture);
  g_assert_cmpint (g_mkdir (fixture->dir, 0700), ==, 0);
  g_assert_cmpint (g_chmod (fixture->dir, 0777), ==, 0);
  g_assert_false (open_store (fixture, &roomy, &error));
  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_CONFIG);
  g_assert_nonnull (strstr (error->message, "checkpoint_dir"));
  g_clear_error (&error);
  g_assert_null (begin (fixture, manifest, &error));
  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_CONFIG);
}

/* The disk's own words reach the caller, and nothing is left. */
static void
test_no_folder (Fixture *fixture, gconstpointer data)
{
  g_autoptr (BerthCheckpointManifest) manifest = some_manifest (1, SOME_SANDBOX, "before");
  BerthCheckpointDraft *draft = begin (fixture, manifest, NULL);
  g_autofree char *moved = g_strconcat (fixture->dir, "-moved", NULL);
  g_autoptr (GError) error = NULL;

  g_assert_cmpint (g_rename (fixture->dir, moved), ==, 0);
  g_assert_null (commit (fixture, draft, manifest, &error));
  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_CONFIG);
  g_assert_cmpint (g_rename (moved, fixture->dir), ==, 0);
  g_assert_cmpuint (count (fixture), ==, 0);
  reopen (fixture);
  g_assert_cmpuint (count_files (fixture), ==, 0);
}

#define TEST(name, func)                                                                           \
  g_test_add ("/checkpoint-store/" name, Fixture, NULL, set_up, func, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  TEST ("kept", test_kept);
  TEST ("base-while-committed", test_base_while_committed);
  TEST ("found-again", test_found_again);
  TEST ("left-overs", test_left_overs);
  TEST ("abandoned", test_abandoned);
  TEST ("whose", test_whose);
  TEST ("limits", test_limits);
  TEST ("flipped", test_flipped);
  TEST ("not-whole", test_not_whole);
  TEST ("in-use", test_in_use);
  TEST ("many-loads", test_many_loads);
  TEST ("asleep", test_asleep);
  TEST ("others-write", test_others_write);
  TEST ("no-folder", test_no_folder);
  return g_test_run ();
}
