/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Decides what skopeo is: a program without root's rights, which ends with us and writes to one
 * folder so much and no more. A shell that waits for our end removes the folder: nothing else is
 * sure to be there when we were killed. */
#include "plugin/build/berth-build-skopeo.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <glib/gstdio.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "plugin/base/berth-errno.h"
#include "plugin/base/berth-printable.h"
#include "plugin/build/berth-build-pack.h"
#include "plugin/build/berth-build-store.h"
#include "pool/berth-error.h"

/* Numbers of users that no account has: above those of berth-connector, and that of this process.
 * Where a user namespace has no such, it is the one that everybody's nobody is. */
#define OWN_UID 2010000000u
#define NOBODY 65534u
#define LOOK_MS 200
#define FILES_MAX 4096u
#define WORDS_MAX 2000
#define AUTH_MAX (1024 * 1024)
#define AUTH_FD 3

struct _BerthBuildFolder
{
  char *path;
  char *own;
  guint uid;
  GSubprocess *keeper;
};

const char *
berth_build_folder_get_path (BerthBuildFolder *self)
{
  return self->path;
}

const char *
berth_build_folder_get_own (BerthBuildFolder *self)
{
  return self->own;
}

gboolean
berth_build_folder_give (BerthBuildFolder *self, int fd)
{
  return geteuid () != 0 || fchown (fd, self->uid, self->uid) == 0;
}

void
berth_build_folder_free (BerthBuildFolder *self)
{
  if (self->keeper != NULL)
    {
      g_output_stream_close (g_subprocess_get_stdin_pipe (self->keeper), NULL, NULL);
      g_subprocess_wait (self->keeper, NULL, NULL);
      g_object_unref (self->keeper);
    }
  g_free (self->path);
  g_free (self->own);
  g_free (self);
}

/* Who skopeo is where we are root: what else runs as nobody could read the log-in, and change what
 * came. */
static guint
find_uid (void)
{
  g_autofree char *map = NULL;
  guint64 first = 1;
  guint64 count = 0;

  if (g_file_get_contents ("/proc/self/uid_map", &map, NULL, NULL))
    sscanf (map, "%" G_GUINT64_FORMAT " %*u %" G_GUINT64_FORMAT, &first, &count);
  return first == 0 && count >= G_MAXUINT32 ? OWN_UID + (guint)getpid () : NOBODY;
}

/* It makes the folder, and tells its name: there is none that nobody removes. Of other users only
 * skopeo's reads it. It outlives signals that are for all of a terminal's, and skopeo, which may
 * write till its own end. */
static GSubprocess *
start_keeper (guint uid, GError **error)
{
  g_autofree char *owner = g_strdup_printf ("%u", uid);

  return g_subprocess_new (
      G_SUBPROCESS_FLAGS_STDIN_PIPE | G_SUBPROCESS_FLAGS_STDOUT_PIPE, error, "/bin/sh", "-c",
      "trap '' HUP INT TERM PIPE; path=$(mktemp -d \"$1/berth-build-XXXXXX\") || exit; "
      "mkdir -m 0700 \"$path/own\" && { [ \"$(id -u)\" != 0 ] || { "
      "chown \"$2:$2\" \"$path/own\" && chown \":$2\" \"$path\" && chmod 0750 \"$path\"; }; } && "
      "echo \"$path\" 2>/dev/null; read -r end; n=0; "
      "until rm -rf -- \"$path\" 2>/dev/null || [ $((n += 1)) = 50 ]; do sleep 0.1; done",
      "berth-build", BERTH_BUILD_SCRATCH, owner, NULL);
}

BerthBuildFolder *
berth_build_folder_new (GError **error)
{
  g_autoptr (BerthBuildFolder) self = g_new0 (BerthBuildFolder, 1);
  g_autoptr (GDataInputStream) lines = NULL;

  self->uid = find_uid ();
  self->keeper = start_keeper (self->uid, error);
  if (self->keeper == NULL)
    return NULL;
  lines = g_data_input_stream_new (g_subprocess_get_stdout_pipe (self->keeper));
  self->path = g_data_input_stream_read_line (lines, NULL, NULL, NULL);
  if (self->path != NULL && *self->path == '/')
    {
      self->own = g_build_filename (self->path, "own", NULL);
      return g_steal_pointer (&self);
    }
  g_set_error (error, BERTH_ERROR, BERTH_ERROR_LOCAL,
               "%s: no folder can be made there: is its disk full?", BERTH_BUILD_SCRATCH);
  return NULL;
}

/* ---- how it is run ---- */

/* (transfer full) (nullable): root's own, where skopeo looks for it, who is not root here */
static char *
dup_auth_path (void)
{
  const char *given = g_getenv ("REGISTRY_AUTH_FILE");
  g_autofree char *config
      = g_build_filename (g_get_user_config_dir (), "containers/auth.json", NULL);
  g_autofree char *runtime
      = g_build_filename (g_get_user_runtime_dir (), "containers/auth.json", NULL);
  g_autofree char *docker = g_build_filename (g_get_home_dir (), ".docker/config.json", NULL);
  const char *const places[] = { runtime, "/run/containers/0/auth.json", config, docker };

  if (given != NULL)
    return g_strdup (given);
  for (guint i = 0; i < G_N_ELEMENTS (places); i++)
    if (g_file_test (places[i], G_FILE_TEST_IS_REGULAR))
      return g_strdup (places[i]);
  return NULL;
}

/* -1: there is none, or it can't be read */
static int
open_auth (void)
{
  g_autofree char *path = dup_auth_path ();
  g_autofree char *text = NULL;
  gsize size = 0;
  int fd = -1;

  if (path != NULL && g_file_get_contents (path, &text, &size, NULL) && size <= AUTH_MAX)
    fd = memfd_create ("auth.json", MFD_CLOEXEC);
  if (fd >= 0 && (fchmod (fd, 0444) != 0 || write (fd, text, size) != (ssize_t)size))
    {
      close (fd);
      fd = -1;
    }
  return fd;
}

/* Its actions that speak with a registry take the log-in behind them. */
static gboolean
takes_auth (const char *word)
{
  return g_str_equal (word, "copy") || g_str_equal (word, "inspect");
}

static GPtrArray *
make_command (const BerthBuildFolder *folder, const BerthBuildSkopeo *call, gboolean has_auth)
{
  g_autofree char *uid = g_strdup_printf ("%u", folder->uid);
  const char *const unprivileged[]
      = { "--reuid", uid, "--regid", uid, "--clear-groups", "--bounding-set", "-all" };
  GPtrArray *command = g_ptr_array_new_with_free_func (g_free);

  g_ptr_array_add (command, g_strdup ("setpriv"));
  for (guint i = 0; geteuid () == 0 && i < G_N_ELEMENTS (unprivileged); i++)
    g_ptr_array_add (command, g_strdup (unprivileged[i]));
  g_ptr_array_add (command, g_strdup ("--no-new-privs"));
  g_ptr_array_add (command, g_strdup ("--pdeathsig"));
  g_ptr_array_add (command, g_strdup ("KILL"));
  g_ptr_array_add (command, g_strdup ("prlimit"));
  g_ptr_array_add (command, g_strdup ("--core=0"));
  g_ptr_array_add (command, g_strdup_printf ("--fsize=%" G_GINT64_FORMAT, call->max_bytes));
  g_ptr_array_add (command, g_strdup ("skopeo"));
  for (guint i = 0; call->words[i] != NULL; i++)
    {
      g_ptr_array_add (command, g_strdup (call->words[i]));
      if (has_auth && takes_auth (call->words[i]))
        g_ptr_array_add (command, g_strdup_printf ("--authfile=/proc/self/fd/%d", AUTH_FD));
    }
  g_ptr_array_add (command, NULL);
  return command;
}

static GSubprocess *
start (BerthBuildFolder *folder, const BerthBuildSkopeo *call, int log_fd, GError **error)
{
  int auth_fd = geteuid () == 0 ? open_auth () : -1;
  g_autoptr (GPtrArray) command = make_command (folder, call, auth_fd >= 0);
  g_autoptr (GSubprocessLauncher) launcher = g_subprocess_launcher_new (
      call->out_fd >= 0 ? G_SUBPROCESS_FLAGS_NONE : G_SUBPROCESS_FLAGS_STDOUT_SILENCE);

  if (call->out_fd >= 0)
    g_subprocess_launcher_take_stdout_fd (launcher, dup (call->out_fd));
  g_subprocess_launcher_take_stderr_fd (launcher, dup (log_fd));
  if (auth_fd >= 0)
    g_subprocess_launcher_take_fd (launcher, auth_fd, AUTH_FD);
  g_subprocess_launcher_setenv (launcher, "TMPDIR", folder->own, TRUE);
  if (geteuid () == 0)
    {
      g_subprocess_launcher_setenv (launcher, "HOME", folder->own, TRUE);
      g_subprocess_launcher_setenv (launcher, "XDG_RUNTIME_DIR", folder->own, TRUE);
    }
  return g_subprocess_launcher_spawnv (launcher, (const char *const *)command->pdata, error);
}

/* ---- what it wrote ---- */

/* Bytes of all files below @path; of too many of them, more than anybody allows */
static gint64
measure (const char *path, guint *files)
{
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  gint64 sum = 0;
  const char *name;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *file = g_build_filename (path, name, NULL);
      struct stat status;

      if (++*files > FILES_MAX)
        return G_MAXINT64 / 2;
      if (lstat (file, &status) != 0)
        continue;
      sum += S_ISDIR (status.st_mode) ? measure (file, files) : (gint64)status.st_blocks * 512;
    }
  return sum;
}

typedef struct
{
  const BerthBuildSkopeo *call;
  GSubprocess *process;
  GMainLoop *loop;
  gint64 end_us;
  gboolean is_too_much;
  gboolean is_too_late;
} Watch;

static gboolean
look_cb (gpointer user_data)
{
  Watch *self = user_data;
  guint files = 0;

  self->is_too_late |= g_get_monotonic_time () > self->end_us;
  self->is_too_much |= measure (self->call->grows, &files) > self->call->max_bytes;
  if (self->is_too_much || self->is_too_late)
    g_subprocess_force_exit (self->process);
  return G_SOURCE_CONTINUE;
}

static void
ended_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Watch *self = user_data;

  g_subprocess_wait_finish (G_SUBPROCESS (source), result, NULL);
  g_main_loop_quit (self->loop);
}

static void
await (Watch *self)
{
  guint timer = g_timeout_add (LOOK_MS, look_cb, self);

  self->loop = g_main_loop_new (NULL, FALSE);
  g_subprocess_wait_async (self->process, NULL, ended_cb, self);
  g_main_loop_run (self->loop);
  g_main_loop_unref (self->loop);
  g_source_remove (timer);
}

/* (transfer full): its last words, on one line */
static char *
dup_words (int log_fd)
{
  g_autofree char *text = g_malloc0 (WORDS_MAX + 1);
  off_t size = lseek (log_fd, 0, SEEK_END);
  ssize_t got = pread (log_fd, text, WORDS_MAX, MAX (size - WORDS_MAX, 0));
  g_autofree char *printable = berth_printable_dup (got > 0 ? g_strstrip (text) : "", FALSE);

  return g_strdup (*g_strstrip (printable) != '\0' ? printable : "it said nothing");
}

static gboolean
set_end (const Watch *self, const char *said, GError **error)
{
  if (self->is_too_much)
    g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID,
                 "what the registry sends is more than the %" G_GINT64_FORMAT " MiB that may come",
                 self->call->max_bytes >> 20);
  else if (self->is_too_late)
    g_set_error (error, BERTH_ERROR, BERTH_ERROR_LOCAL,
                 "the registry took more than %d s: -t gives it more", self->call->timeout_s);
  else
    g_set_error (error, BERTH_ERROR, BERTH_ERROR_LOCAL, "skopeo could not: %s", said);
  return FALSE;
}

gboolean
berth_build_skopeo (BerthBuildFolder *folder, const BerthBuildSkopeo *call, GError **error)
{
  Watch watch = { .call = call,
                  .end_us = g_get_monotonic_time () + (gint64)call->timeout_s * G_USEC_PER_SEC };
  g_autoptr (GSubprocess) process = NULL;
  g_autofree char *program = g_find_program_in_path ("skopeo");
  g_autofree char *said = NULL;
  int log_fd = -1;

  if (program == NULL)
    {
      g_set_error_literal (error, BERTH_ERROR, BERTH_ERROR_CONFIG,
                           "skopeo is missing, which speaks with registries: install the package "
                           "skopeo");
      return FALSE;
    }
  log_fd = berth_build_store_open (BERTH_BUILD_SCRATCH, error);
  if (log_fd < 0)
    return FALSE;
  watch.process = process = start (folder, call, log_fd, error);
  if (process != NULL)
    await (&watch);
  said = dup_words (log_fd);
  close (log_fd);
  if (process == NULL)
    return FALSE;
  return (!watch.is_too_much && !watch.is_too_late && g_subprocess_get_successful (process))
         || set_end (&watch, said, error);
}
