/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Proves what becomes of a run's files: in which order they are carried, what the caller is told of
 * them, and that the run ends however its caller or its guest misbehaves. */
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/berth-holes.h"
#include "manager-world.h"
#include "plugin/model/berth-file-record.h"
#include "plugin/model/berth-limits.h"
#include "plugin/model/berth-result-private.h"
#include "pool/berth-error.h"

#define IDLE_US (300 * G_USEC_PER_SEC)

typedef struct
{
  World world;
  GString *log; /* what the guest was asked, a word each */
  int exit_code;
  int uploads; /* our ends */
  int downloads;
  GCancellable *cancellable;
  BerthExec *exec;
} Fixture;

/* ---- the guest ---- */

static void
play_exec (BerthVm *vm, BerthExec *exec, GTask *task, gpointer user_data)
{
  Fixture *fixture = user_data;
  g_autoptr (GTask) owned = task;
  BerthResult *result = berth_result_new ();

  g_string_append (fixture->log, "exec ");
  g_assert_cmpint (exec->uploads_fd, ==, -1);
  g_assert_cmpint (exec->downloads_fd, ==, -1);
  berth_exec_free (exec);
  result->exit_code = fixture->exit_code;
  g_task_return_pointer (task, result, (GDestroyNotify)berth_result_free);
}

static BerthFileResult *
list (const char *path)
{
  const struct
  {
    const char *folder;
    const char *name;
    guint32 mode;
  } there[] = { { "d", "a", S_IFREG | 0644 },     { "d", "big", S_IFREG | 0600 },
                { "d", "link", S_IFLNK | 0777 },  { "d", "sub", S_IFDIR | 0750 },
                { "d/sub", "b", S_IFREG | 0755 }, { "loop", "loop", S_IFDIR | 0755 },
                { "evil", "../x", S_IFREG } };
  BerthFileResult *result = g_new0 (BerthFileResult, 1);

  result->entries = g_ptr_array_new_with_free_func ((GDestroyNotify)berth_file_entry_free);
  result->mode = S_IFREG | 0640;
  for (guint i = 0; i < G_N_ELEMENTS (there); i++)
    if (g_str_equal (path, there[i].folder)
        || (g_str_has_suffix (path, "loop") && g_str_equal (there[i].folder, "loop")))
      {
        BerthFileEntry *entry = berth_file_entry_new (there[i].name, strlen (there[i].name));

        result->mode = S_IFDIR | 0700;
        entry->mode = there[i].mode;
        g_ptr_array_add (result->entries, entry);
      }
  return result;
}

static BerthFileResult *
carry (Fixture *fixture, BerthFileRequest *file, GError **error)
{
  BerthFileResult *result;
  char bytes[64] = "";

  if (file->kind == BERTH_FILE_LIST && !g_str_equal (file->path, "missing"))
    return list (file->path);
  if (g_str_equal (file->path, "missing") || g_str_has_suffix (file->path, "/big")
      || g_str_equal (file->path, "full"))
    {
      g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID, "file '%s': not here", file->path);
      return NULL;
    }
  result = g_new0 (BerthFileResult, 1);
  result->mode = S_IFREG | 0640;
  if (file->kind == BERTH_FILE_PUT)
    {
      guint64 size = berth_file_request_get_data_size (file);

      for (guint i = 0; file->holes != NULL && i < file->holes->len; i++)
        {
          const BerthHole *hole = &g_array_index (file->holes, BerthHole, i);

          g_string_append_printf (fixture->log, "hole:%u+%u ", (guint)hole->begin,
                                  (guint)hole->size);
        }
      g_assert_cmpint (read (file->fd, bytes, size), ==, (gssize)size);
      g_string_append_printf (fixture->log, "=%s ", bytes);
      result->size = file->size;
    }
  else if (file->kind == BERTH_FILE_GET)
    {
      g_assert_cmpint (write (file->fd, "bytes", 5), ==, 5);
      result->size = 5;
      result->sha256 = g_strdup ("sum");
    }
  return result;
}

static void
play_file (BerthVm *vm, BerthFileRequest *file, GTask *task, gpointer user_data)
{
  const char *const words[] = { "put", "mkdir", "get", "list" };
  Fixture *fixture = user_data;
  g_autoptr (GTask) owned = task;
  GError *error = NULL;
  BerthFileResult *result;

  if (fixture->log->len < 1000)
    g_string_append_printf (fixture->log, "%s:%s ", words[file->kind], file->path);
  result = carry (fixture, file, &error);
  berth_file_request_free (file);
  if (result != NULL)
    g_task_return_pointer (task, result, (GDestroyNotify)berth_file_result_free);
  else
    g_task_return_error (task, error);
}

/* ---- the caller ---- */

static int
open_pair (int *out_far)
{
  int ends[2];

  g_assert_cmpint (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), ==, 0);
  *out_far = ends[1];
  return ends[0];
}

static void
set_up (Fixture *fixture, gconstpointer data)
{
  const FakeHostPlay play = { .exec = play_exec, .file = play_file };

  world_set_up (&fixture->world, NULL);
  fixture->log = g_string_new (NULL);
  fake_host_set_play (fixture->world.host, &play, fixture);
  fixture->exec = world_exec_new ("true");
  fixture->uploads = fixture->downloads = -1;
  fixture->cancellable = g_cancellable_new ();
}

static void
close_fd (int *fd)
{
  if (*fd >= 0)
    close (*fd);
  *fd = -1;
}

/* Whatever came of the run: its VM is gone. */
static void
tear_down (Fixture *fixture, gconstpointer data)
{
  world_wait_for_vms (&fixture->world, 0);
  close_fd (&fixture->uploads);
  close_fd (&fixture->downloads);
  g_clear_pointer (&fixture->exec, berth_exec_free);
  g_clear_object (&fixture->cancellable);
  world_tear_down (&fixture->world, NULL);
  g_string_free (fixture->log, TRUE);
}

static void
with_uploads (Fixture *fixture)
{
  fixture->uploads = open_pair (&fixture->exec->uploads_fd);
}

static void
with_downloads (Fixture *fixture, const char *const *paths)
{
  fixture->downloads = open_pair (&fixture->exec->downloads_fd);
  fixture->exec->downloads = g_strdupv ((char **)paths);
}

static void
upload (Fixture *fixture, BerthFileRecordKind kind, const char *path, const char *bytes)
{
  BerthFileRecord record = { kind, .item = 1, .mode = 0644, .size = strlen (bytes) };
  g_autoptr (GByteArray) packed = berth_file_record_pack (record, path);

  g_byte_array_append (packed, (const guint8 *)bytes, (guint)strlen (bytes));
  g_assert_true (berth_file_record_send (fixture->uploads, packed->data, packed->len));
}

/* A list of @size bytes */
static void
upload_holes (Fixture *fixture, const BerthHole *holes, gsize size)
{
  BerthFileRecord record = { BERTH_FILE_RECORD_HOLES, .item = 1, .size = size };
  g_autoptr (GByteArray) packed = berth_file_record_pack (record, NULL);

  g_byte_array_append (packed, (const guint8 *)holes, (guint)size);
  g_assert_true (berth_file_record_send (fixture->uploads, packed->data, packed->len));
}

/* A file of @size bytes, of which those given follow */
static void
upload_around_holes (Fixture *fixture, guint64 size, const char *bytes)
{
  BerthFileRecord record = { BERTH_FILE_RECORD_FILE, .item = 1, .mode = 0644, .size = size };
  g_autoptr (GByteArray) packed = berth_file_record_pack (record, "sparse");

  g_byte_array_append (packed, (const guint8 *)bytes, (guint)strlen (bytes));
  g_assert_true (berth_file_record_send (fixture->uploads, packed->data, packed->len));
}

static void
start (Fixture *fixture)
{
  const BerthSandboxOptions options = world_options (NULL);

  berth_manager_run_async (fixture->world.manager, &options, g_steal_pointer (&fixture->exec),
                           fixture->cancellable, world_result_cb, &fixture->world);
}

static BerthResult *
finish (Fixture *fixture, GError **error)
{
  g_autoptr (GAsyncResult) result = world_wait (&fixture->world);

  return berth_manager_run_finish (fixture->world.manager, result, error);
}

static void
fails (Fixture *fixture, GQuark domain, int code, const char *text)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (BerthResult) result = finish (fixture, &error);

  g_assert_null (result);
  g_assert_error (error, domain, code);
  if (strstr (error->message, text) == NULL)
    g_error ("'%s' does not say '%s'", error->message, text);
  g_assert_null (strstr (fixture->log->str, "exec"));
}

/* (transfer full): the stream in words */
static char *
read_downloads (Fixture *fixture)
{
  const char *const words[] = { "",       "file",  "folder", "other",       "data", "done",
                                "failed", "leave", "item",   "item-failed", "end" };
  BerthFileRecordReader reader = { 0 };
  GString *text = g_string_new (NULL);
  char bytes[64];

  do
    {
      g_assert_true (berth_file_record_receive (&reader, fixture->downloads, NULL));
      g_string_append_printf (text, "%s%s%s%s ", words[reader.record.kind],
                              reader.text[0] != '\0' ? ":" : "", reader.text,
                              reader.record.item > 0 ? "'" : "");
      if (reader.record.kind == BERTH_FILE_RECORD_DATA)
        g_assert_cmpint (recv (fixture->downloads, bytes, reader.record.size, MSG_WAITALL), ==,
                         (gssize)reader.record.size);
    }
  while (reader.record.kind != BERTH_FILE_RECORD_END);
  g_assert_cmpint (recv (fixture->downloads, bytes, 1, 0), ==, 0);
  return g_string_free (text, FALSE);
}

/* ---- what is promised ---- */

/* Before the program, in their order; after it, whatever its status; each told in the result. */
static void
test_before_and_after (Fixture *fixture, gconstpointer data)
{
  const char *const paths[] = { "d", "missing", "one", NULL };
  g_autofree char *told = NULL;
  g_autoptr (BerthResult) result = NULL;
  g_autoptr (GVariant) variant = NULL;
  g_autoptr (BerthResult) again = NULL;
  BerthDownload *download;

  fixture->exit_code = 7;
  with_uploads (fixture);
  with_downloads (fixture, paths);
  upload (fixture, BERTH_FILE_RECORD_FOLDER, "in", "");
  upload (fixture, BERTH_FILE_RECORD_FILE, "in/x", "hello");
  upload (fixture, BERTH_FILE_RECORD_FILE, "empty", "");
  upload (fixture, BERTH_FILE_RECORD_END, "", "");
  start (fixture);
  result = finish (fixture, NULL);
  g_assert_cmpint (berth_result_get_exit_code (result), ==, 7);
  g_assert_cmpstr (fixture->log->str, ==,
                   "mkdir:in put:in/x =hello put:empty = exec list:d get:d/a get:d/big list:d/sub "
                   "get:d/sub/b list:missing list:one get:one ");
  told = read_downloads (fixture);
  g_assert_cmpstr (told, ==,
                   "folder file:a data done:sum file:big failed:file 'd/big': not here other:link "
                   "folder:sub file:b data done:sum leave leave item "
                   "item-failed:file 'missing': not here' file' data' done:sum' item' end' ");

  variant = g_variant_ref_sink (berth_result_to_variant (result));
  again = berth_result_new_from_variant (variant);
  g_assert_true (again->has_uploads);
  g_assert_cmpuint (again->upload_count, ==, 3);
  g_assert_cmpuint (again->upload_bytes, ==, 5);
  g_assert_cmpuint (again->downloads->len, ==, 3);
  download = g_ptr_array_index (again->downloads, 0);
  g_assert_error (download->error, BERTH_ERROR, BERTH_ERROR_INVALID);
  g_assert_cmpstr (download->error->message, ==, "'d': all but 1 could be carried");
  g_assert_cmpuint (download->count, ==, 2);
  download = g_ptr_array_index (again->downloads, 1);
  g_assert_cmpstr (download->error->message, ==, "file 'missing': not here");
  download = g_ptr_array_index (again->downloads, 2);
  g_assert_no_error (download->error);
  g_assert_cmpuint (download->bytes, ==, 5);
}

/* A list of holes is the next file's, and no other's. */
static void
test_holes (Fixture *fixture, gconstpointer data)
{
  const BerthHole holes[] = { { 0, 4096 }, { 4098, 1000000 } };
  g_autoptr (BerthResult) result = NULL;

  with_uploads (fixture);
  upload_holes (fixture, holes, sizeof holes);
  upload_around_holes (fixture, 1004100, "abcd");
  upload (fixture, BERTH_FILE_RECORD_FILE, "next", "x");
  upload (fixture, BERTH_FILE_RECORD_END, "", "");
  start (fixture);
  result = finish (fixture, NULL);
  g_assert_cmpstr (fixture->log->str, ==,
                   "put:sparse hole:0+4096 hole:4098+1000000 =abcd put:next =x exec ");
}

static void
test_what_are_no_holes (Fixture *fixture, gconstpointer data)
{
  const BerthHole holes[BERTH_HOLES_MAX + 1] = { { 0, 4096 } };
  const struct
  {
    gsize sizes[2]; /* of lists, one after the other */
    BerthFileRecordKind kind;
    const char *text;
  } cases[] = {
    { { 15 }, BERTH_FILE_RECORD_FILE, "upload 2: holes of 15 bytes" },
    { { sizeof holes }, BERTH_FILE_RECORD_FILE, "no list of them" },
    { { 16, 16 }, BERTH_FILE_RECORD_FILE, "no list of them" },
    { { 0, 16 }, BERTH_FILE_RECORD_FOLDER, "upload 2: a folder has no holes" },
    { { 16 }, BERTH_FILE_RECORD_FILE, "upload 2: file 'x': a hole that is not in the file" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      if (fixture->exec == NULL)
        fixture->exec = world_exec_new ("true");
      close_fd (&fixture->uploads);
      with_uploads (fixture);
      for (guint j = 0; j < 2; j++)
        if (cases[i].sizes[j] > 0)
          upload_holes (fixture, holes, cases[i].sizes[j]);
      upload (fixture, cases[i].kind, "x", "");
      start (fixture);
      fails (fixture, BERTH_ERROR, BERTH_ERROR_INVALID, cases[i].text);
    }
}

static void
test_holes_broken_off (Fixture *fixture, gconstpointer data)
{
  const BerthHole holes[] = { { 0, 4096 }, { 4098, 1000000 } };

  with_uploads (fixture);
  upload_holes (fixture, holes, sizeof holes);
  shutdown (fixture->uploads, SHUT_WR);
  start (fixture);
  fails (fixture, BERTH_ERROR, BERTH_ERROR_INVALID, "broke off");
}

/* What can't be carried is the end: nothing runs. */
static void
test_refused_uploads (Fixture *fixture, gconstpointer data)
{
  with_uploads (fixture);
  upload (fixture, BERTH_FILE_RECORD_FILE, "full", "x");
  start (fixture);
  fails (fixture, BERTH_ERROR, BERTH_ERROR_INVALID, "upload 2: file 'full': not here");
  fixture->exec = world_exec_new ("true");
  close_fd (&fixture->uploads);
  with_uploads (fixture);
  upload (fixture, BERTH_FILE_RECORD_FILE, "../x", "x");
  start (fixture);
  fails (fixture, BERTH_ERROR, BERTH_ERROR_INVALID, "upload 2: file '../x': the path leaves");
  fixture->exec = world_exec_new ("true");
  close_fd (&fixture->uploads);
  with_uploads (fixture);
  upload (fixture, BERTH_FILE_RECORD_DATA, "", "x");
  start (fixture);
  fails (fixture, BERTH_ERROR, BERTH_ERROR_INVALID, "only files and folders");
}

static void
test_too_large (Fixture *fixture, gconstpointer data)
{
  with_uploads (fixture);
  fixture->exec->file_size_max = 4;
  upload (fixture, BERTH_FILE_RECORD_FILE, "x", "12345");
  start (fixture);
  fails (fixture, BERTH_ERROR, BERTH_ERROR_INVALID, "5 bytes, at most 4 are allowed");
}

static void
test_broken_off (Fixture *fixture, gconstpointer data)
{
  with_uploads (fixture);
  upload (fixture, BERTH_FILE_RECORD_FOLDER, "in", "");
  g_assert_true (berth_file_record_send (fixture->uploads, "\1\0", 2));
  close_fd (&fixture->uploads);
  start (fixture);
  fails (fixture, BERTH_ERROR, BERTH_ERROR_INVALID, "broke off");
}

static void
test_no_stream (Fixture *fixture, gconstpointer data)
{
  static const guint8 noise[BERTH_FILE_RECORD_HEAD_BYTES] = { 0xff, 0xff };

  with_uploads (fixture);
  g_assert_true (berth_file_record_send (fixture->uploads, noise, sizeof noise));
  start (fixture);
  fails (fixture, BERTH_ERROR, BERTH_ERROR_INVALID, "is none");
}

static void
wait_until_uploading (Fixture *fixture)
{
  upload (fixture, BERTH_FILE_RECORD_FOLDER, "in", "");
  start (fixture);
  while (strstr (fixture->log->str, "mkdir") == NULL)
    g_main_context_iteration (NULL, TRUE);
  world_run_dry ();
}

static void
test_cancelled_uploads (Fixture *fixture, gconstpointer data)
{
  with_uploads (fixture);
  wait_until_uploading (fixture);
  g_cancellable_cancel (fixture->cancellable);
  fails (fixture, G_IO_ERROR, G_IO_ERROR_CANCELLED, "withdrawn");
}

/* A caller that says nothing keeps its VM for no longer than a session would have it. */
static void
test_silent_uploads (Fixture *fixture, gconstpointer data)
{
  with_uploads (fixture);
  wait_until_uploading (fixture);
  fake_host_advance (fixture->world.host, IDLE_US - 1);
  world_run_dry ();
  g_assert_null (fixture->world.result);
  fake_host_advance (fixture->world.host, 1);
  fails (fixture, BERTH_ERROR, BERTH_ERROR_UNAVAILABLE, "nothing came");
}

/* The VM ends while the caller's next record is waited for: the caller need not send it. */
static void
test_vm_ends_while_uploading (Fixture *fixture, gconstpointer data)
{
  BerthFakeHypervisor *hypervisor = fake_host_get_hypervisor (fixture->world.host);
  g_autoptr (GPtrArray) vms = NULL;

  with_uploads (fixture);
  wait_until_uploading (fixture);
  vms = berth_pool_dup_vms (fixture->world.manager->pool);
  g_assert_true (berth_fake_hypervisor_kill (hypervisor, vms->pdata[0]));
  fails (fixture, BERTH_ERROR, BERTH_ERROR_UNAVAILABLE, "nothing was run");
}

/* Of an end that nobody knows, nothing is brought: the stream ends, and the caller hears why. */
static void
test_unknown_end (Fixture *fixture, gconstpointer data)
{
  const char *const paths[] = { "one", NULL };
  char byte;

  fake_host_fail (fixture->world.host, FAKE_HOST_EXEC,
                  g_error_new_literal (BERTH_ERROR, BERTH_ERROR_OUTCOME_UNKNOWN, "cut"));
  with_downloads (fixture, paths);
  start (fixture);
  fails (fixture, BERTH_ERROR, BERTH_ERROR_OUTCOME_UNKNOWN, "cut");
  g_assert_cmpint (recv (fixture->downloads, &byte, 1, 0), ==, 0);
}

/* Of a reader that is gone, the program's end is told all the same. */
static void
test_reader_gone (Fixture *fixture, gconstpointer data)
{
  const char *const paths[] = { "one", "d", NULL };
  g_autoptr (BerthResult) result = NULL;

  with_downloads (fixture, paths);
  close_fd (&fixture->downloads);
  start (fixture);
  result = finish (fixture, NULL);
  g_assert_cmpint (berth_result_get_exit_code (result), ==, 0);
  for (guint i = 0; i < 2; i++)
    g_assert_error (((BerthDownload *)g_ptr_array_index (result->downloads, i))->error, BERTH_ERROR,
                    BERTH_ERROR_LOCAL);
}

/* The stream is full before its end, and nobody reads it. */
static void
fill_downloads (Fixture *fixture)
{
  const char *paths[BERTH_LIMIT_RUN_DOWNLOADS + 1] = { NULL };

  for (guint i = 0; i < BERTH_LIMIT_RUN_DOWNLOADS; i++)
    paths[i] = "loop";
  with_downloads (fixture, paths);
  g_assert_cmpint (
      setsockopt (fixture->exec->downloads_fd, SOL_SOCKET, SO_SNDBUF, &(int){ 1 }, sizeof (int)),
      ==, 0);
  start (fixture);
  while (strstr (fixture->log->str, "list:loop/loop/") == NULL)
    g_main_context_iteration (NULL, TRUE);
}

static void
test_silent_reader (Fixture *fixture, gconstpointer data)
{
  g_autoptr (BerthResult) result = NULL;

  fill_downloads (fixture);
  while (fixture->world.result == NULL)
    {
      world_run_dry ();
      fake_host_advance (fixture->world.host, IDLE_US);
    }
  result = finish (fixture, NULL);
  g_assert_error (((BerthDownload *)g_ptr_array_index (result->downloads, 63))->error, BERTH_ERROR,
                  BERTH_ERROR_LOCAL);
}

static void
test_cancelled_downloads (Fixture *fixture, gconstpointer data)
{
  g_autoptr (BerthResult) result = NULL;

  fill_downloads (fixture);
  g_cancellable_cancel (fixture->cancellable);
  result = finish (fixture, NULL);
  g_assert_nonnull (result);
}

/* A guest that lists what is none, or lists for ever */
static void
test_hostile_guest (Fixture *fixture, gconstpointer data)
{
  const char *const paths[] = { "evil", "loop", "one", NULL };
  g_autoptr (BerthResult) result = NULL;
  const char *texts[] = { "what the guest lists is no folder", "more than 128 deep", NULL };

  with_downloads (fixture, paths);
  start (fixture);
  result = finish (fixture, NULL);
  for (guint i = 0; i < 2; i++)
    {
      BerthDownload *download = g_ptr_array_index (result->downloads, i);

      g_assert_nonnull (strstr (download->error->message, texts[i]));
    }
  g_assert_no_error (((BerthDownload *)g_ptr_array_index (result->downloads, 2))->error);
  g_assert_null (strstr (fixture->log->str, "get:evil"));
}

static void
test_wrong_requests (Fixture *fixture, gconstpointer data)
{
  char *paths[BERTH_LIMIT_RUN_DOWNLOADS + 2] = { NULL };
  g_autoptr (GError) error = NULL;
  BerthExec *exec = fixture->exec;

  with_downloads (fixture, (const char *[]){ "x", NULL });
  g_assert_true (berth_exec_check (exec, NULL));
  for (guint i = 0; i <= BERTH_LIMIT_RUN_DOWNLOADS; i++)
    paths[i] = (char *)"x";
  g_strfreev (exec->downloads);
  exec->downloads = g_strdupv (paths);
  g_assert_false (berth_exec_check (exec, &error));
  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_INVALID);
  g_clear_error (&error);
  g_clear_pointer (&exec->downloads, g_strfreev);
  g_assert_false (berth_exec_check (exec, &error));
  g_assert_nonnull (strstr (error->message, "need a stream"));
}

int
main (int argc, char **argv)
{
  const struct
  {
    const char *name;
    void (*test) (Fixture *fixture, gconstpointer data);
  } tests[] = {
    { "before-and-after", test_before_and_after },
    { "holes", test_holes },
    { "what-are-no-holes", test_what_are_no_holes },
    { "holes-broken-off", test_holes_broken_off },
    { "refused-uploads", test_refused_uploads },
    { "too-large", test_too_large },
    { "broken-off", test_broken_off },
    { "no-stream", test_no_stream },
    { "cancelled-uploads", test_cancelled_uploads },
    { "silent-uploads", test_silent_uploads },
    { "vm-ends-while-uploading", test_vm_ends_while_uploading },
    { "unknown-end", test_unknown_end },
    { "reader-gone", test_reader_gone },
    { "silent-reader", test_silent_reader },
    { "cancelled-downloads", test_cancelled_downloads },
    { "hostile-guest", test_hostile_guest },
    { "wrong-requests", test_wrong_requests },
  };

  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (tests); i++)
    {
      g_autofree char *path = g_strconcat ("/manager/run-files/", tests[i].name, NULL);

      g_test_add (path, Fixture, NULL, set_up, tests[i].test, tear_down);
    }
  return g_test_run ();
}
