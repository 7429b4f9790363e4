/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A BerthManager without VMs, to be put under the real berthd: a sandbox is a number, code is run
 * by the host's /bin/sh, capacity is counted. Templates whose name says so fail. */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gio/gunixinputstream.h>
#include <glib-unix.h>

#include "fake-home.h"
#include "fake-manager-private.h"
#include "plugin/manager/berth-manager.h"
#include "pool/berth-error.h"

#define CODE_FD 9
#define CODE_PATH "/dev/fd/9"
#define KILL_DELAY_MS 300
#define SLOW_START_MS 1500
#define DEFAULT_MAX_VMS 4

struct _BerthManager
{
  GObject parent_instance;
  BerthConfig *config;
  GHashTable *sandboxes; /* id (owned) → Sandbox (owned) */
  GHashTable *ended;     /* id (owned): of those that were destroyed */
  GQueue waiters;        /* GTask of a Request (borrowed) */
  GQueue starting;       /* likewise: of the template "slow" */
  guint used;
  guint next_id;
};

typedef struct
{
  char *template_name;
  char *tenant;
  guint32 uid;
  FakeHome *home; /* made with the first file */
} Sandbox;

/* A create or a run on its way: waits, then holds a slot. */
typedef struct
{
  char *template_name;
  char *tenant;
  guint32 uid;
  gulong cancel_id;
  guint deadline_id;
  gboolean waiting;
  BerthExec *exec; /* of a run */
} Request;

/* A program that runs. */
typedef struct
{
  BerthExec *exec;
  BerthResult *result;
  GPid pid;
  guint timeout_id;
  guint kill_id;
  gulong cancel_id;
  gboolean cancelled;
  gboolean holds_slot;
  gboolean ended;
  guint captures;
  GOutputStream *captured[2];
} Program;

G_DEFINE_FINAL_TYPE (BerthManager, berth_manager, G_TYPE_OBJECT)

static void serve_next (BerthManager *self);

static void
sandbox_free (gpointer data)
{
  Sandbox *sandbox = data;

  g_clear_pointer (&sandbox->home, fake_home_free);
  g_free (sandbox->template_name);
  g_free (sandbox->tenant);
  g_free (sandbox);
}

static void
berth_manager_finalize (GObject *object)
{
  BerthManager *self = BERTH_MANAGER (object);

  g_hash_table_unref (self->sandboxes);
  g_hash_table_unref (self->ended);
  berth_config_free (self->config);
  G_OBJECT_CLASS (berth_manager_parent_class)->finalize (object);
}

static void
berth_manager_class_init (BerthManagerClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = berth_manager_finalize;
}

static void
berth_manager_init (BerthManager *self)
{
  self->sandboxes = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, sandbox_free);
  self->ended = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
}

BerthHost *
berth_host_new (const BerthConfig *config)
{
  return NULL;
}

BerthManager *
berth_manager_new (BerthConfig *config, BerthHost *host)
{
  BerthManager *self = g_object_new (BERTH_TYPE_MANAGER, NULL);

  self->config = config;
  return self;
}

static guint
max_vms (BerthManager *self)
{
  return self->config->max_vms > 0 ? (guint)self->config->max_vms : DEFAULT_MAX_VMS;
}

void
berth_manager_start_async (BerthManager *self, GCancellable *cancellable,
                           GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);

  if (g_strcmp0 (self->config->uri, "test:///refused") == 0)
    g_task_return_new_error (task, BERTH_ERROR, BERTH_ERROR_UNAVAILABLE,
                             "libvirt test:///refused: does not answer");
  else
    g_task_return_boolean (task, TRUE);
}

gboolean
berth_manager_start_finish (BerthManager *self, GAsyncResult *result, GError **error)
{
  return g_task_propagate_boolean (G_TASK (result), error);
}

static void
request_free (gpointer data)
{
  Request *request = data;

  g_clear_handle_id (&request->deadline_id, g_source_remove);
  g_free (request->template_name);
  g_free (request->tenant);
  berth_exec_free (request->exec);
  g_free (request);
}

static void
release_slot (BerthManager *self)
{
  self->used--;
  serve_next (self);
}

static char *
add_sandbox (BerthManager *self, Request *request)
{
  char *id = g_strdup_printf ("%032x", ++self->next_id);
  Sandbox *sandbox = g_new0 (Sandbox, 1);

  sandbox->template_name = g_strdup (request->template_name);
  sandbox->tenant = g_strdup (request->tenant);
  sandbox->uid = request->uid;
  g_hash_table_insert (self->sandboxes, g_strdup (id), sandbox);
  return id;
}

static void
program_free (gpointer data)
{
  Program *program = data;

  berth_exec_free (program->exec);
  berth_result_free (program->result);
  for (guint i = 0; i < G_N_ELEMENTS (program->captured); i++)
    g_clear_object (&program->captured[i]);
  g_free (program);
}

static char *
captured_text (GOutputStream *stream)
{
  GMemoryOutputStream *memory;

  if (stream == NULL)
    return NULL;
  memory = G_MEMORY_OUTPUT_STREAM (stream);
  if (g_memory_output_stream_get_data_size (memory) == 0)
    return g_strdup ("");
  return g_utf8_make_valid (g_memory_output_stream_get_data (memory),
                            (gssize)g_memory_output_stream_get_data_size (memory));
}

/* Ended, and everything captured: as the real one, it closes its descriptors before it answers. */
static void
program_maybe_done (GTask *task)
{
  BerthManager *self = g_task_get_source_object (task);
  Program *program = g_task_get_task_data (task);
  gboolean cancelled = program->cancelled;

  if (!program->ended || program->captures > 0)
    return;
  g_cancellable_disconnect (g_task_get_cancellable (task), program->cancel_id);
  if (program->holds_slot)
    release_slot (self);
  g_clear_pointer (&program->exec, berth_exec_free);
  program->result->stdout_data = captured_text (program->captured[0]);
  program->result->stderr_data = captured_text (program->captured[1]);
  if (cancelled)
    g_task_return_new_error (task, G_IO_ERROR, G_IO_ERROR_CANCELLED, "cancelled");
  else
    g_task_return_pointer (task, g_steal_pointer (&program->result),
                           (GDestroyNotify)berth_result_free);
  g_object_unref (task);
}

static void
program_exited_cb (GPid pid, int status, gpointer user_data)
{
  GTask *task = user_data;
  Program *program = g_task_get_task_data (task);
  BerthResult *result = program->result;

  g_clear_handle_id (&program->timeout_id, g_source_remove);
  g_clear_handle_id (&program->kill_id, g_source_remove);
  killpg (pid, SIGKILL);
  result->exit_code = WIFSIGNALED (status) ? 128 + WTERMSIG (status) : WEXITSTATUS (status);
  if (result->timed_out && WIFSIGNALED (status))
    result->exit_code = -1;
  result->oom = strcmp (result->template_name, "oom") == 0;
  program->ended = TRUE;
  program_maybe_done (task);
}

static gboolean
kill_cb (gpointer user_data)
{
  Program *program = g_task_get_task_data (user_data);

  program->kill_id = 0;
  killpg (program->pid, SIGKILL);
  return G_SOURCE_REMOVE;
}

static gboolean
timeout_cb (gpointer user_data)
{
  GTask *task = user_data;
  Program *program = g_task_get_task_data (task);

  program->timeout_id = 0;
  program->result->timed_out = TRUE;
  killpg (program->pid, SIGTERM);
  program->kill_id = g_timeout_add (KILL_DELAY_MS, kill_cb, task);
  return G_SOURCE_REMOVE;
}

static void
program_cancelled_cb (GCancellable *cancellable, gpointer user_data)
{
  Program *program = g_task_get_task_data (user_data);

  g_message ("fake: a program is cancelled");
  program->cancelled = TRUE;
  killpg (program->pid, SIGKILL);
}

static void
captured_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GTask *task = user_data;
  Program *program = g_task_get_task_data (task);

  g_output_stream_splice_finish (G_OUTPUT_STREAM (source), result, NULL);
  program->captures--;
  program_maybe_done (task);
}

static void
capture (GTask *task, guint index, int fd)
{
  Program *program = g_task_get_task_data (task);
  g_autoptr (GInputStream) input = g_unix_input_stream_new (fd, TRUE);

  program->captured[index] = g_memory_output_stream_new_resizable ();
  program->captures++;
  g_output_stream_splice_async (program->captured[index], input,
                                G_OUTPUT_STREAM_SPLICE_CLOSE_SOURCE
                                    | G_OUTPUT_STREAM_SPLICE_CLOSE_TARGET,
                                G_PRIORITY_DEFAULT, NULL, captured_cb, task);
}

static void
child_setup (gpointer user_data)
{
  setpgid (0, 0);
  signal (SIGPIPE, SIG_DFL);
}

/* A file without a name: code may be longer than an argument. */
static int
open_code (GBytes *code)
{
  int fd = memfd_create ("code", MFD_CLOEXEC);
  gsize size;
  const char *data = g_bytes_get_data (code, &size);

  if (write (fd, data, size) != (gssize)size || lseek (fd, 0, SEEK_SET) != 0)
    g_error ("code: %s", g_strerror (errno));
  return fd;
}

/* Takes over @task and @exec. */
static void
run_program (GTask *task, BerthExec *exec, const char *template_name, const char *id,
             const char *folder, gboolean holds_slot)
{
  const char *argv[] = { "/bin/sh", CODE_PATH, NULL };
  int code_fd = open_code (exec->code);
  int code_target = CODE_FD;
  g_auto (GStrv) environment = g_get_environ ();
  Program *program = g_new0 (Program, 1);
  g_autoptr (GError) error = NULL;
  int out = -1, err = -1;

  program->exec = exec;
  program->holds_slot = holds_slot;
  program->result = berth_result_new ();
  program->result->template_name = g_strdup (template_name);
  program->result->sandbox_id = g_strdup (id);
  program->result->start = "cold";
  program->result->exec_us = 1234;
  g_task_set_task_data (task, program, program_free);
  for (guint i = 0; exec->env != NULL && exec->env[i] != NULL; i++)
    {
      g_auto (GStrv) pair = g_strsplit (exec->env[i], "=", 2);

      environment = g_environ_setenv (environment, pair[0], pair[1], TRUE);
    }
  if (!g_spawn_async_with_pipes_and_fds (
          folder, argv, (const char *const *)environment, G_SPAWN_DO_NOT_REAP_CHILD, child_setup,
          NULL, exec->stdin_fd, exec->stdout_fd, exec->stderr_fd, &code_fd, &code_target, 1,
          &program->pid, NULL, exec->stdout_fd < 0 ? &out : NULL, exec->stderr_fd < 0 ? &err : NULL,
          &error))
    g_error ("%s", error->message);
  close (code_fd);
  if (out >= 0)
    capture (task, 0, out);
  if (err >= 0)
    capture (task, 1, err);
  program->timeout_id = g_timeout_add (exec->timeout_ms, timeout_cb, task);
  g_child_watch_add (program->pid, program_exited_cb, task);
  if (g_task_get_cancellable (task) != NULL)
    program->cancel_id = g_cancellable_connect (g_task_get_cancellable (task),
                                                G_CALLBACK (program_cancelled_cb), task, NULL);
  if (strcmp (template_name, "vanish") == 0)
    kill (getpid (), SIGKILL);
}

/* Has its VM: a create is done, a run begins. Takes over @task. */
static void
started (GTask *task)
{
  BerthManager *self = g_task_get_source_object (task);
  Request *request = g_task_get_task_data (task);
  g_autofree char *template_name = g_strdup (request->template_name);
  BerthExec *exec = g_steal_pointer (&request->exec);

  request->waiting = FALSE;
  if (exec != NULL)
    {
      run_program (task, exec, template_name, "fake", "/", TRUE);
      return;
    }
  g_task_return_pointer (task, add_sandbox (self, request), g_free);
  g_object_unref (task);
}

static gboolean
slow_started_cb (gpointer user_data)
{
  BerthManager *self = g_task_get_source_object (user_data);

  g_queue_remove (&self->starting, user_data);
  started (user_data);
  return G_SOURCE_REMOVE;
}

/* Has its slot. Takes over @task. */
static void
admitted (GTask *task)
{
  BerthManager *self = g_task_get_source_object (task);

  if (strcmp (((Request *)g_task_get_task_data (task))->template_name, "slow") != 0)
    {
      started (task);
      return;
    }
  g_queue_push_tail (&self->starting, task);
  g_timeout_add (SLOW_START_MS, slow_started_cb, task);
}

static void
serve_next (BerthManager *self)
{
  GTask *task;

  if (self->used >= max_vms (self) || g_queue_is_empty (&self->waiters))
    return;
  task = g_queue_pop_head (&self->waiters);
  self->used++;
  g_cancellable_disconnect (g_task_get_cancellable (task),
                            ((Request *)g_task_get_task_data (task))->cancel_id);
  admitted (task);
}

static gboolean
withdrawn_cb (gpointer user_data)
{
  GTask *task = user_data;
  BerthManager *self = g_task_get_source_object (task);
  Request *request = g_task_get_task_data (task);

  if (!request->waiting || !g_queue_remove (&self->waiters, task))
    return G_SOURCE_REMOVE;
  g_message ("fake: a request is withdrawn");
  g_task_return_new_error (task, G_IO_ERROR, G_IO_ERROR_CANCELLED, "withdrawn");
  g_object_unref (task);
  return G_SOURCE_REMOVE;
}

static void
wait_cancelled_cb (GCancellable *cancellable, gpointer user_data)
{
  /* not from within the signal: it holds the cancellable's lock */
  g_idle_add_full (G_PRIORITY_DEFAULT, withdrawn_cb, g_object_ref (user_data), g_object_unref);
}

static gboolean
wait_deadline_cb (gpointer user_data)
{
  GTask *task = user_data;
  BerthManager *self = g_task_get_source_object (task);
  Request *request = g_task_get_task_data (task);

  request->deadline_id = 0;
  if (!g_queue_remove (&self->waiters, task))
    return G_SOURCE_REMOVE;
  g_cancellable_disconnect (g_task_get_cancellable (task), request->cancel_id);
  g_task_return_new_error (task, BERTH_ERROR, BERTH_ERROR_WAIT_TIMED_OUT,
                           "at capacity (%u of %u) until your deadline: wait longer", self->used,
                           max_vms (self));
  g_object_unref (task);
  return G_SOURCE_REMOVE;
}

static void
enqueue (BerthManager *self, GTask *task, gint64 wait_us)
{
  Request *request = g_task_get_task_data (task);
  GCancellable *cancellable = g_task_get_cancellable (task);

  request->waiting = TRUE;
  g_queue_push_tail (&self->waiters, task);
  if (wait_us > 0)
    request->deadline_id = g_timeout_add (wait_us / 1000, wait_deadline_cb, task);
  if (cancellable != NULL)
    request->cancel_id
        = g_cancellable_connect (cancellable, G_CALLBACK (wait_cancelled_cb), task, NULL);
}

/* Takes over @exec, NULL for a create. */
static void
ask (BerthManager *self, const BerthSandboxOptions *options, BerthExec *exec,
     GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task = g_task_new (self, cancellable, callback, user_data);
  Request *request = g_new0 (Request, 1);
  GError *error = NULL;

  g_task_set_check_cancellable (task, FALSE);
  request->template_name = g_strdup (options->template_name ? options->template_name : "python");
  request->tenant = g_strdup (options->tenant != NULL ? options->tenant : "");
  request->uid = options->uid;
  request->exec = exec;
  g_task_set_task_data (task, request, request_free);
  fake_manager_boot (options);
  if (!fake_manager_check_template (request->template_name, &error))
    {
      g_task_return_error (task, error);
      g_object_unref (task);
    }
  else if (self->used < max_vms (self))
    {
      self->used++;
      admitted (task);
    }
  else if (options->wait_us == BERTH_REQUEST_NO_WAIT)
    {
      g_task_return_new_error (task, BERTH_ERROR, BERTH_ERROR_NO_CAPACITY,
                               "at capacity (%u of %u): wait or go elsewhere", self->used,
                               max_vms (self));
      g_object_unref (task);
    }
  else
    enqueue (self, task, options->wait_us);
}

void
berth_manager_create_vm_async (BerthManager *self, const BerthSandboxOptions *options,
                               GCancellable *cancellable, GAsyncReadyCallback callback,
                               gpointer user_data)
{
  ask (self, options, NULL, cancellable, callback, user_data);
}

char *
berth_manager_create_vm_finish (BerthManager *self, GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

void
berth_manager_run_async (BerthManager *self, const BerthSandboxOptions *options, BerthExec *exec,
                         GCancellable *cancellable, GAsyncReadyCallback callback,
                         gpointer user_data)
{
  ask (self, options, exec, cancellable, callback, user_data);
}

BerthResult *
berth_manager_run_finish (BerthManager *self, GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

static Sandbox *
find_sandbox (BerthManager *self, const char *id, guint32 uid, GError **error)
{
  Sandbox *sandbox = g_hash_table_lookup (self->sandboxes, id);

  if (sandbox == NULL)
    g_set_error (error, BERTH_ERROR, BERTH_ERROR_GONE,
                 "sandbox %s: there is none (any more): make a new one with 'berth create'", id);
  else if (uid != 0 && sandbox->uid != uid)
    g_set_error (error, BERTH_ERROR, BERTH_ERROR_DENIED, "sandbox %s: belongs to user %u", id,
                 sandbox->uid);
  else
    return sandbox;
  return NULL;
}

void
berth_manager_exec_async (BerthManager *self, const char *id, guint32 uid, BerthExec *exec,
                          GCancellable *cancellable, GAsyncReadyCallback callback,
                          gpointer user_data)
{
  GTask *task = g_task_new (self, cancellable, callback, user_data);
  GError *error = NULL;
  Sandbox *sandbox = find_sandbox (self, id, uid, &error);

  g_task_set_check_cancellable (task, FALSE);
  if (sandbox != NULL)
    {
      run_program (task, exec, sandbox->template_name, id,
                   sandbox->home != NULL ? fake_home_get_path (sandbox->home) : "/", FALSE);
      return;
    }
  berth_exec_free (exec);
  g_task_return_error (task, error);
  g_object_unref (task);
}

BerthResult *
berth_manager_exec_finish (BerthManager *self, GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

static void
file_cb (GObject *source, GAsyncResult *async_result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  GError *error = NULL;
  BerthFileResult *result = fake_home_file_finish (async_result, &error);

  if (result != NULL)
    g_task_return_pointer (task, result, (GDestroyNotify)berth_file_result_free);
  else
    g_task_return_error (task, error);
}

void
berth_manager_file_async (BerthManager *self, const char *id, guint32 uid, BerthFileRequest *file,
                          GCancellable *cancellable, GAsyncReadyCallback callback,
                          gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);
  GError *error = NULL;
  Sandbox *sandbox = find_sandbox (self, id, uid, &error);

  g_task_set_check_cancellable (task, FALSE);
  if (sandbox == NULL)
    {
      berth_file_request_free (file);
      g_task_return_error (task, error);
      return;
    }
  if (sandbox->home == NULL)
    sandbox->home = fake_home_new (strcmp (sandbox->template_name, "hostile") == 0);
  fake_home_file_async (sandbox->home, file, cancellable, file_cb, g_steal_pointer (&task));
}

BerthFileResult *
berth_manager_file_finish (BerthManager *self, GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

void
berth_manager_destroy_vm_async (BerthManager *self, const char *id, guint32 uid,
                                GCancellable *cancellable, GAsyncReadyCallback callback,
                                gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);
  GError *error = NULL;

  if (g_hash_table_contains (self->ended, id))
    g_task_set_task_data (task, g_strdup ("it was destroyed"), g_free);
  else if (find_sandbox (self, id, uid, &error) != NULL)
    {
      g_message ("fake: sandbox %s is destroyed", id);
      g_hash_table_add (self->ended, g_strdup (id));
      g_hash_table_remove (self->sandboxes, id);
      release_slot (self);
    }
  if (error != NULL)
    g_task_return_error (task, error);
  else
    g_task_return_boolean (task, TRUE);
}

gboolean
berth_manager_destroy_vm_finish (BerthManager *self, GAsyncResult *result, char **out_was_gone,
                                 GError **error)
{
  if (out_was_gone != NULL)
    *out_was_gone = g_strdup (g_task_get_task_data (G_TASK (result)));
  return g_task_propagate_boolean (G_TASK (result), error);
}

void
berth_manager_shutdown_async (BerthManager *self, GCancellable *cancellable,
                              GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);
  GTask *waiter;

  while ((waiter = g_queue_pop_head (&self->waiters)) != NULL)
    {
      Request *request = g_task_get_task_data (waiter);

      g_cancellable_disconnect (g_task_get_cancellable (waiter), request->cancel_id);
      g_task_return_new_error (waiter, BERTH_ERROR, BERTH_ERROR_SHUTTING_DOWN,
                               "berthd stops: ask again when it runs");
      g_object_unref (waiter);
    }
  g_task_return_boolean (task, TRUE);
}

gboolean
berth_manager_shutdown_finish (BerthManager *self, GAsyncResult *result, GError **error)
{
  return g_task_propagate_boolean (G_TASK (result), error);
}

static GVariant *
parse (const char *format, ...)
{
  va_list arguments;
  g_autofree char *text = NULL;
  GVariant *value;

  va_start (arguments, format);
  text = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  value = g_variant_parse (NULL, text, NULL, NULL, NULL);
  g_assert_nonnull (value);
  return value;
}

GVariant *
berth_manager_dup_status (BerthManager *self)
{
  guint waiting = g_queue_get_length (&self->waiters);

  return parse ("{'slots': <{'total': <uint32 %u>, 'free': <uint32 %u>, 'claimed': <uint32 %u>, "
                "'warm': <uint32 0>, 'starting': <uint32 0>, 'stopping': <uint32 0>}>, "
                "'memory_mb': <{'total': <uint32 1024>, 'held': <uint32 %u>}>, "
                "'vcpus': <{'total': <uint32 8>, 'held': <uint32 %u>}>, "
                "'waiters': <%s>, "
                "'templates': <{'python': <{'warm': <uint32 0>, 'target': <uint32 0>, "
                "'failures': <uint32 0>, 'last_error': <''>}>}>, "
                "'libvirt': <{'uri': <'%s'>, 'connected': <true>, 'version': <'9.0.0'>}>}",
                max_vms (self), max_vms (self) - self->used, self->used, self->used * 192,
                self->used,
                waiting > 0 ? "[{'tenant': <'acme'>, 'task': <'42'>, 'template': <'python'>, "
                              "'position': <uint32 1>, 'since': <0.5>}]"
                            : "@aa{sv} []",
                self->config->uri != NULL ? self->config->uri : "test:///default");
}

static int
compare_cancellable (gconstpointer task, gconstpointer cancellable)
{
  return g_task_get_cancellable ((GTask *)task) != cancellable;
}

/* where in @queue the call stands that was made with @cancellable, from 1 */
static int
find_position (GQueue *queue, GCancellable *cancellable)
{
  return 1
         + g_queue_link_index (queue,
                               g_queue_find_custom (queue, cancellable, compare_cancellable));
}

GVariant *
berth_manager_dup_progress (BerthManager *self, GCancellable *cancellable)
{
  int position = find_position (&self->waiters, cancellable);

  if (position > 0)
    return parse ("{'state': <'waiting'>, 'position': <uint32 %d>}", position);
  if (find_position (&self->starting, cancellable) > 0)
    return parse ("{'state': <'starting'>, 'domain': <'berth-slow-1'>}");
  return parse ("{'state': <'running'>}");
}

GVariant *
berth_manager_dup_list (BerthManager *self, guint32 uid)
{
  GVariantBuilder builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("aa{sv}"));
  GHashTableIter iter;
  gpointer id, value;

  g_hash_table_iter_init (&iter, self->sandboxes);
  while (g_hash_table_iter_next (&iter, &id, &value))
    {
      Sandbox *sandbox = value;

      if (uid == 0 || sandbox->uid == uid)
        g_variant_builder_add_value (
            &builder, parse ("{'id': <'%s'>, 'domain': <'berth-%s-1'>, 'template': <'%s'>, "
                             "'state': <'claimed'>, 'tenant': <'%s'>, 'task': <''>, "
                             "'holds_slot': <true>, 'age_s': <3725.5>, 'uid': <uint32 %u>}",
                             (char *)id, sandbox->template_name, sandbox->template_name,
                             sandbox->tenant, sandbox->uid));
    }
  return g_variant_ref_sink (g_variant_builder_end (&builder));
}

void
berth_manager_doctor_async (BerthManager *self, GCancellable *cancellable,
                            GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);
  GVariant *findings
      = parse ("[{'check': <'libvirt'>, 'ok': <true>, 'text': <'answers'>, 'remedy': <''>}, "
               "{'check': <'images'>, 'ok': <%s>, 'text': <'images.json'>, "
               "'remedy': <'build them: images/build'>}]",
               self->used == 0 ? "true" : "false");

  g_task_return_pointer (task, findings, (GDestroyNotify)g_variant_unref);
}

GVariant *
berth_manager_doctor_finish (BerthManager *self, GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}
