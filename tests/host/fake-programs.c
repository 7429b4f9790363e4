/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Programs of a VM that is none, as far as a process group of this machine can play them: limits,
 * cancelling, captured output, and the end of their VM. */
#include "tests/host/fake-programs.h"

#include <errno.h>
#include <gio/gunixinputstream.h>
#include <glib-unix.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pool/berth-error.h"
#include "tests/host/fake-background.h"
#include "tests/host/fake-tty.h"

#define CODE_FD 9
#define CODE_PATH "/dev/fd/9"
#define KILL_DELAY_MS 300

struct _FakePrograms
{
  FakeBackground *background;
  GPtrArray *running; /* Program (borrowed) */
};

/* One that runs; freed with its end. */
typedef struct
{
  FakePrograms *programs;
  GTask *task; /* owned */
  BerthVm *vm;
  BerthExec *exec;
  BerthResult *result;
  FakeTty *tty; /* nullable */
  GPid pid;
  guint timeout_id;
  guint kill_id;
  gulong cancel_id;
  gint64 begun_us;
  gboolean is_cancelled;
  gboolean is_vm_gone;
  gboolean has_ended;
  guint captures;
  GOutputStream *captured[2];
} Program;

FakePrograms *
fake_programs_new (void)
{
  FakePrograms *self = g_new0 (FakePrograms, 1);

  self->background = fake_background_new ();
  self->running = g_ptr_array_new ();
  return self;
}

void
fake_programs_free (FakePrograms *self)
{
  for (guint i = 0; i < self->running->len; i++)
    killpg (((Program *)self->running->pdata[i])->pid, SIGKILL);
  g_ptr_array_unref (self->running);
  fake_background_free (self->background);
  g_free (self);
}

static void
program_free (Program *program)
{
  g_ptr_array_remove (program->programs->running, program);
  g_object_unref (program->task);
  g_object_unref (program->vm);
  g_clear_pointer (&program->tty, fake_tty_free);
  g_clear_pointer (&program->exec, berth_exec_free);
  g_clear_pointer (&program->result, berth_result_free);
  for (guint i = 0; i < G_N_ELEMENTS (program->captured); i++)
    g_clear_object (&program->captured[i]);
  g_free (program);
}

static GBytes *
dup_captured (GOutputStream *stream)
{
  GMemoryOutputStream *memory;

  if (stream == NULL)
    return NULL;
  memory = G_MEMORY_OUTPUT_STREAM (stream);
  return g_bytes_new (g_memory_output_stream_get_data (memory),
                      g_memory_output_stream_get_data_size (memory));
}

/* Ended, and everything captured: as the guest's end, it closes its descriptors before it answers.
 */
static void
program_maybe_done (Program *program)
{
  if (!program->has_ended || program->captures > 0)
    return;
  g_cancellable_disconnect (g_task_get_cancellable (program->task), program->cancel_id);
  g_clear_pointer (&program->exec, berth_exec_free);
  berth_result_take_output (program->result, dup_captured (program->captured[0]),
                            dup_captured (program->captured[1]));
  if (program->is_vm_gone)
    g_task_return_new_error (program->task, BERTH_ERROR, BERTH_ERROR_OUTCOME_UNKNOWN,
                             "VM %s is gone", berth_vm_get_id (program->vm));
  else if (program->is_cancelled)
    g_task_return_new_error (program->task, G_IO_ERROR, G_IO_ERROR_CANCELLED, "cancelled");
  else
    g_task_return_pointer (program->task, g_steal_pointer (&program->result),
                           (GDestroyNotify)berth_result_free);
  program_free (program);
}

static void
program_exited_cb (GPid pid, int status, gpointer user_data)
{
  Program *program = user_data;
  BerthResult *result = program->result;

  g_clear_handle_id (&program->timeout_id, g_source_remove);
  g_clear_handle_id (&program->kill_id, g_source_remove);
  killpg (pid, SIGKILL);
  result->exit_code = WIFSIGNALED (status) ? 128 + WTERMSIG (status) : WEXITSTATUS (status);
  if (result->timed_out && WIFSIGNALED (status))
    result->exit_code = -1;
  result->oom = g_str_equal (berth_vm_get_template (program->vm), "oom");
  result->exec_us = g_get_monotonic_time () - program->begun_us;
  program->has_ended = TRUE;
  program_maybe_done (program);
}

static gboolean
kill_cb (gpointer user_data)
{
  Program *program = user_data;

  program->kill_id = 0;
  killpg (program->pid, SIGKILL);
  return G_SOURCE_REMOVE;
}

static gboolean
timeout_cb (gpointer user_data)
{
  Program *program = user_data;

  program->timeout_id = 0;
  program->result->timed_out = TRUE;
  killpg (program->pid, SIGTERM);
  program->kill_id = g_timeout_add (KILL_DELAY_MS, kill_cb, program);
  return G_SOURCE_REMOVE;
}

static void
cancelled_cb (GCancellable *cancellable, gpointer user_data)
{
  Program *program = user_data;

  g_message ("fake: a program is cancelled");
  program->is_cancelled = TRUE;
  killpg (program->pid, SIGKILL);
}

static void
captured_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Program *program = user_data;

  g_output_stream_splice_finish (G_OUTPUT_STREAM (source), result, NULL);
  program->captures--;
  program_maybe_done (program);
}

static void
capture (Program *program, guint index, int fd)
{
  g_autoptr (GInputStream) input = g_unix_input_stream_new (fd, TRUE);

  program->captured[index] = g_memory_output_stream_new_resizable ();
  program->captures++;
  g_output_stream_splice_async (program->captured[index], input,
                                G_OUTPUT_STREAM_SPLICE_CLOSE_SOURCE
                                    | G_OUTPUT_STREAM_SPLICE_CLOSE_TARGET,
                                G_PRIORITY_DEFAULT, NULL, captured_cb, program);
}

static void
shown_cb (gpointer tty, gpointer user_data)
{
  Program *program = user_data;

  program->captures--;
  program_maybe_done (program);
}

/* @user_data: whether it has a terminal */
static void
child_setup (gpointer user_data)
{
  if (user_data != NULL)
    fake_tty_control ();
  else
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

/* (transfer full) */
static GStrv
make_environment (const BerthExec *exec)
{
  GStrv environment = g_get_environ ();

  for (guint i = 0; exec->env != NULL && exec->env[i] != NULL; i++)
    {
      g_auto (GStrv) pair = g_strsplit (exec->env[i], "=", 2);

      environment = g_environ_setenv (environment, pair[0], pair[1], TRUE);
    }
  return environment;
}

/* (transfer full): of a command by env, which ends with 127 and 126 as the agent does */
static GStrv
make_argv (const BerthExec *exec)
{
  g_autoptr (GStrvBuilder) argv = g_strv_builder_new ();
  gsize size;
  const char *block = g_bytes_get_data (exec->code, &size);

  if (exec->is_command)
    {
      g_strv_builder_add_many (argv, "/usr/bin/env", "--", NULL);
      for (const char *at = block; at < block + size; at += strlen (at) + 1)
        g_strv_builder_add (argv, at);
    }
  else
    g_strv_builder_add_many (argv, "/bin/sh", CODE_PATH, NULL);
  return g_strv_builder_end (argv);
}

static void
spawn (Program *program, const char *folder)
{
  BerthExec *exec = program->exec;
  g_auto (GStrv) argv = make_argv (exec);
  int code_fd = open_code (exec->code);
  int code_target = CODE_FD;
  g_auto (GStrv) environment = make_environment (exec);
  g_autoptr (GError) error = NULL;
  int out = -1, err = -1, terminal = -1;
  int streams[3];

  if (exec->tty != NULL)
    {
      program->captures += exec->stdout_fd >= 0;
      program->tty = fake_tty_new (exec, shown_cb, program, &terminal, &out);
    }
  streams[0] = exec->tty != NULL ? terminal : exec->stdin_fd;
  streams[1] = exec->tty != NULL ? terminal : exec->stdout_fd;
  streams[2] = exec->tty != NULL ? terminal : exec->stderr_fd;

  /* what was opened for berthd never blocks; a program of this machine takes it for any pipe */
  for (guint i = 0; i < G_N_ELEMENTS (streams); i++)
    if (streams[i] >= 0)
      g_unix_set_fd_nonblocking (streams[i], FALSE, NULL);
  if (!g_spawn_async_with_pipes_and_fds (
          folder, (const char *const *)argv, (const char *const *)environment,
          G_SPAWN_DO_NOT_REAP_CHILD, child_setup, exec->tty, streams[0], streams[1], streams[2],
          &code_fd, &code_target, 1, &program->pid, NULL, streams[1] < 0 ? &out : NULL,
          streams[2] < 0 ? &err : NULL, &error))
    g_error ("%s", error->message);
  close (code_fd);
  if (terminal >= 0)
    close (terminal);
  if (out >= 0)
    capture (program, 0, out);
  if (err >= 0)
    capture (program, 1, err);
}

static void
start (FakePrograms *self, BerthVm *vm, const char *folder, BerthExec *exec, GTask *task)
{
  g_auto (GStrv) argv = make_argv (exec);
  g_auto (GStrv) environment = make_environment (exec);
  int code_fd = open_code (exec->code);
  int code_target = CODE_FD;
  int kept[2] = { memfd_create ("stdout", MFD_CLOEXEC), memfd_create ("stderr", MFD_CLOEXEC) };
  int input = -1, terminal = -1;
  FakeTty *tty = exec->tty != NULL ? fake_tty_new_background (exec->tty, kept[0], &terminal) : NULL;
  GPid pid;
  g_autoptr (GError) error = NULL;

  if (!g_spawn_async_with_pipes_and_fds (
          folder, (const char *const *)argv, (const char *const *)environment,
          G_SPAWN_DO_NOT_REAP_CHILD, child_setup, tty, terminal, tty != NULL ? terminal : kept[0],
          tty != NULL ? terminal : kept[1], &code_fd, &code_target, 1, &pid,
          exec->keeps_stdin && tty == NULL ? &input : NULL, NULL, NULL, &error))
    g_error ("%s", error->message);
  close (code_fd);
  if (tty != NULL)
    {
      close (terminal);
      input = fake_tty_dup_typing (tty);
    }
  fake_background_start (self->background, vm, exec, pid, input, kept[0], kept[1], tty, task);
}

void
fake_programs_ask (FakePrograms *self, BerthVm *vm, BerthBackgroundRequest *request, GTask *task)
{
  fake_background_ask (self->background, vm, request, task);
}

void
fake_programs_run (FakePrograms *self, BerthVm *vm, const char *folder, BerthExec *exec,
                   GTask *task)
{
  GCancellable *cancellable = g_task_get_cancellable (task);
  Program *program;

  if (exec->is_detached)
    {
      start (self, vm, folder, exec, task);
      return;
    }
  program = g_new0 (Program, 1);
  program->programs = self;
  program->task = task;
  program->vm = g_object_ref (vm);
  program->exec = exec;
  program->result = berth_result_new ();
  program->begun_us = g_get_monotonic_time ();
  g_ptr_array_add (self->running, program);
  spawn (program, folder);
  program->timeout_id = g_timeout_add (exec->timeout_ms, timeout_cb, program);
  g_child_watch_add (program->pid, program_exited_cb, program);
  if (cancellable != NULL)
    program->cancel_id
        = g_cancellable_connect (cancellable, G_CALLBACK (cancelled_cb), program, NULL);
}

void
fake_programs_end (FakePrograms *self, BerthVm *vm)
{
  fake_background_end (self->background, vm);
  for (guint i = 0; i < self->running->len; i++)
    {
      Program *program = self->running->pdata[i];

      if (program->vm != vm || program->has_ended)
        continue;
      program->is_vm_gone = TRUE;
      killpg (program->pid, SIGKILL);
    }
}
