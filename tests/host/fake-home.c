/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The files of a VM that is none. */
#include "tests/host/fake-home.h"

#include <gio/gunixsocketaddress.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "plugin/guest/berth-guest.h"
#include "pool/berth-error.h"

#define WAIT_US (30 * G_USEC_PER_SEC)

struct _FakeHome
{
  gboolean is_hostile;
  char *folder;
  char *home;
  GPid pid;
  BerthGuest *agent;
};

static void
die_with_parent (gpointer user_data)
{
  prctl (PR_SET_PDEATHSIG, SIGTERM);
}

static GSocket *
dial (const char *path)
{
  g_autoptr (GSocketAddress) address = g_unix_socket_address_new (path);
  gint64 end = g_get_monotonic_time () + WAIT_US;

  while (g_get_monotonic_time () < end)
    {
      g_autoptr (GSocket) socket
          = g_socket_new (G_SOCKET_FAMILY_UNIX, G_SOCKET_TYPE_STREAM, 0, NULL);

      if (g_socket_connect (socket, address, NULL, NULL))
        return g_steal_pointer (&socket);
      g_usleep (1000);
    }
  g_error ("fake: no agent on %s", path);
}

static void
greeted_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GError) error = NULL;

  if (!berth_guest_hello_finish (BERTH_GUEST (source), result, &error))
    g_warning ("fake: %s", error->message);
}

static void
start_agent (FakeHome *self)
{
  g_autofree char *path = g_build_filename (self->folder, "socket", NULL);
  const char *argv[]
      = { g_getenv ("BERTH_TEST_AGENT"),   "--socket", path, "--home", self->home, "--runners",
          g_getenv ("BERTH_TEST_RUNNERS"), NULL };
  g_autoptr (GError) error = NULL;
  g_autoptr (GSocket) socket = NULL;

  if (!g_spawn_async (NULL, (char **)argv, NULL, G_SPAWN_DO_NOT_REAP_CHILD, die_with_parent, NULL,
                      &self->pid, &error))
    g_error ("fake: %s", error->message);
  socket = dial (path);
  self->agent = berth_guest_new (socket);
  /* what is asked next waits behind it on the wire */
  berth_guest_hello_async (self->agent, BERTH_HELLO_RESET, WAIT_US / 1000, NULL, greeted_cb, NULL);
}

FakeHome *
fake_home_new (gboolean is_hostile)
{
  FakeHome *self = g_new0 (FakeHome, 1);

  self->is_hostile = is_hostile;
  self->folder = g_dir_make_tmp ("berth-fake-XXXXXX", NULL);
  self->home = g_build_filename (self->folder, "home", NULL);
  g_mkdir (self->home, 0755);
  if (!is_hostile)
    start_agent (self);
  return self;
}

static void
remove_all (const char *path)
{
  g_autoptr (GDir) folder = g_dir_open (path, 0, NULL);
  const char *name;

  while (folder != NULL && (name = g_dir_read_name (folder)) != NULL)
    {
      g_autofree char *child = g_build_filename (path, name, NULL);

      if (!g_file_test (child, G_FILE_TEST_IS_SYMLINK) && g_file_test (child, G_FILE_TEST_IS_DIR))
        remove_all (child);
      else
        g_unlink (child);
    }
  g_rmdir (path);
}

void
fake_home_free (FakeHome *self)
{
  if (self->agent != NULL)
    {
      berth_guest_close (self->agent);
      g_object_unref (self->agent);
      kill (self->pid, SIGTERM);
      waitpid (self->pid, NULL, 0);
    }
  remove_all (self->folder);
  g_free (self->folder);
  g_free (self->home);
  g_free (self);
}

const char *
fake_home_get_path (FakeHome *self)
{
  return self->home;
}

static void
add_entry (GPtrArray *entries, const char *name, guint32 mode)
{
  BerthFileEntry *entry = berth_file_entry_new (name, strlen (name));

  entry->mode = mode;
  g_ptr_array_add (entries, entry);
}

/* A folder named as the path says: "loop" has itself in it, "endless" has always more, any other
 * has the one name that the path ends with, where "," is a slash. */
static BerthFileResult *
list_hostile (const char *path)
{
  BerthFileResult *result = g_new0 (BerthFileResult, 1);
  g_autofree char *name = g_path_get_basename (path);

  result->mode = S_IFDIR | 0755;
  result->entries = g_ptr_array_new_with_free_func ((GDestroyNotify)berth_file_entry_free);
  if (strcmp (name, "loop") == 0)
    add_entry (result->entries, "loop", S_IFDIR | 0755);
  else if (strcmp (name, "endless") == 0)
    result->is_more = TRUE;
  else
    add_entry (result->entries, g_strdelimit (name, ",", '/'), S_IFREG | 04755);
  return result;
}

static BerthFileResult *
answer_hostile (BerthFileRequest *file, GError **error)
{
  BerthFileResult *result;

  if (file->kind == BERTH_FILE_LIST)
    return list_hostile (file->path);
  if (file->kind != BERTH_FILE_GET || write (file->fd, "evil\n", 5) != 5)
    {
      g_set_error_literal (error, BERTH_ERROR, BERTH_ERROR_INVALID, "hostile");
      return NULL;
    }
  result = g_new0 (BerthFileResult, 1);
  result->size = strstr (file->path, "short") != NULL ? 6 : 5;
  result->mode = S_IFREG | 04755;
  result->sha256 = g_compute_checksum_for_string (G_CHECKSUM_SHA256, "evil\n", 5);
  return result;
}

static void
done_cb (GObject *source, GAsyncResult *async_result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  GError *error = NULL;
  BerthFileResult *result = berth_guest_file_finish (BERTH_GUEST (source), async_result, &error);

  if (result != NULL)
    g_task_return_pointer (task, result, (GDestroyNotify)berth_file_result_free);
  else
    g_task_return_error (task, error);
}

void
fake_home_file_async (FakeHome *self, BerthFileRequest *file, GCancellable *cancellable,
                      GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (NULL, cancellable, callback, user_data);

  g_task_set_check_cancellable (task, FALSE);
  if (self->is_hostile)
    {
      GError *error = NULL;
      BerthFileResult *result = answer_hostile (file, &error);

      berth_file_request_free (file);
      if (result != NULL)
        g_task_return_pointer (task, result, (GDestroyNotify)berth_file_result_free);
      else
        g_task_return_error (task, error);
      return;
    }
  berth_guest_file_async (self->agent, file, cancellable, done_cb, g_steal_pointer (&task));
}

BerthFileResult *
fake_home_file_finish (GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}
