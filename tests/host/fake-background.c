/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What such execs write is read where it is kept, each time that a look falls due: nothing here is
 * a pipe that could hold them up. */
#include "tests/host/fake-background.h"

#include <glib-unix.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "plugin/base/berth-caller-fd.h"
#include "pool/berth-error.h"

#define LOOK_MS 10

struct _FakeBackground
{
  GPtrArray *execs; /* Exec (owned) */
  GPtrArray *asks;  /* Ask (owned): of attach, that have not ended */
  guint look_id;
};

typedef struct
{
  FakeBackground *background;
  BerthVm *vm;
  guint32 number;
  gboolean is_command;
  char *words;
  GPid pid; /* 0: it has ended */
  int kept[2];
  int stdin_fd;
  FakeTty *tty; /* nullable */
  gboolean is_attended;
  guint timeout_ms;
  guint timeout_id;
  gboolean timed_out;
  int status;
  gint64 begun_us;
} Exec;

typedef struct
{
  BerthBackgroundRequest *request;
  GTask *task;
  Exec *exec;
  goffset at[2];
  gboolean has_input;
  gboolean is_attending; /* somebody sits at the terminal */
} Ask;

static void
exec_free (gpointer data)
{
  Exec *exec = data;

  g_clear_handle_id (&exec->timeout_id, g_source_remove);
  for (guint i = 0; i < 2; i++)
    close (exec->kept[i]);
  if (exec->stdin_fd >= 0)
    close (exec->stdin_fd);
  fake_tty_free (exec->tty);
  g_object_unref (exec->vm);
  g_free (exec->words);
  g_free (exec);
}

static void
ask_free (gpointer data)
{
  Ask *ask = data;

  if (ask->is_attending)
    {
      ask->exec->is_attended = FALSE;
      fake_tty_set_size (ask->exec->tty, NULL);
    }

  berth_background_request_free (ask->request);
  g_object_unref (ask->task);
  g_free (ask);
}

FakeBackground *
fake_background_new (void)
{
  FakeBackground *self = g_new0 (FakeBackground, 1);

  self->execs = g_ptr_array_new_with_free_func (exec_free);
  self->asks = g_ptr_array_new_with_free_func (ask_free);
  return self;
}

void
fake_background_free (FakeBackground *self)
{
  for (guint i = 0; i < self->execs->len; i++)
    if (((Exec *)self->execs->pdata[i])->pid != 0)
      killpg (((Exec *)self->execs->pdata[i])->pid, SIGKILL);
  g_clear_handle_id (&self->look_id, g_source_remove);
  g_ptr_array_unref (self->asks);
  g_ptr_array_unref (self->execs);
  g_free (self);
}

static void
exited_cb (GPid pid, int status, gpointer user_data)
{
  Exec *exec = user_data;

  killpg (pid, SIGKILL);
  g_clear_handle_id (&exec->timeout_id, g_source_remove);
  exec->pid = 0;
  exec->status = WIFSIGNALED (status) ? 128 + WTERMSIG (status) : WEXITSTATUS (status);
}

static gboolean
timeout_cb (gpointer user_data)
{
  Exec *exec = user_data;

  exec->timeout_id = 0;
  exec->timed_out = TRUE;
  killpg (exec->pid, SIGKILL);
  return G_SOURCE_REMOVE;
}

static char *
dup_words (const BerthExec *exec)
{
  gsize size;
  const char *code = g_bytes_get_data (exec->code, &size);
  char *words = g_malloc0 (size + 1);

  for (gsize i = 0; i + exec->is_command < size; i++)
    words[i] = code[i] != '\0' ? code[i] : ' ';
  return words;
}

void
fake_background_start (FakeBackground *self, BerthVm *vm, BerthExec *exec, GPid pid, int stdin_fd,
                       int stdout_fd, int stderr_fd, FakeTty *tty, GTask *task)
{
  g_autoptr (GTask) owned = task;
  g_autoptr (BerthExec) owned_exec = exec;
  BerthResult *result = berth_result_new ();
  Exec *made = g_new0 (Exec, 1);

  made->background = self;
  made->vm = g_object_ref (vm);
  made->number = self->execs->len + 1;
  made->is_command = exec->is_command;
  made->words = dup_words (exec);
  made->pid = pid;
  made->kept[0] = stdout_fd;
  made->kept[1] = stderr_fd;
  made->stdin_fd = stdin_fd;
  made->tty = tty;
  made->timeout_ms = exec->has_no_limit ? 0 : exec->timeout_ms;
  made->begun_us = g_get_real_time ();
  if (!exec->has_no_limit)
    made->timeout_id = g_timeout_add (exec->timeout_ms, timeout_cb, made);
  g_child_watch_add (pid, exited_cb, made);
  g_ptr_array_add (self->execs, made);
  result->exec = made->number;
  g_task_return_pointer (task, result, (GDestroyNotify)berth_result_free);
}

static BerthResult *
make_end (const Exec *exec)
{
  BerthResult *result = berth_result_new ();

  result->timed_out = exec->timed_out;
  result->exit_code = exec->timed_out ? -1 : exec->status;
  result->exec_us = 1000;
  return result;
}

static GVariant *
describe (const Exec *exec)
{
  GVariantDict dict;

  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert (&dict, "exec", "u", exec->number);
  g_variant_dict_insert (&dict, "state", "s", exec->pid != 0 ? "running" : "ended");
  g_variant_dict_insert (&dict, "kind", "s",
                         exec->tty != NULL  ? "terminal"
                         : exec->is_command ? "command"
                                            : "code");
  if (exec->timeout_ms > 0)
    g_variant_dict_insert (&dict, "timeout_ms", "u", exec->timeout_ms);
  if (exec->tty != NULL)
    g_variant_dict_insert (&dict, "attached", "b", exec->is_attended);
  g_variant_dict_insert (&dict, "command", "s", exec->words);
  g_variant_dict_insert (&dict, "begun", "d", (double)exec->begun_us / 1e6);
  g_variant_dict_insert (&dict, "age_s", "d", 1.0);
  g_variant_dict_insert (&dict, "wall_ms", "d", 1.0);
  g_variant_dict_insert (&dict, "cpu_ms", "d", 1.0);
  g_variant_dict_insert (&dict, "memory_mb", "d", 1.0);
  g_variant_dict_insert (&dict, "kept_bytes", "t", (guint64)lseek (exec->kept[0], 0, SEEK_END));
  g_variant_dict_insert (&dict, "lost_bytes", "t", (guint64)0);
  if (exec->pid != 0)
    return g_variant_dict_end (&dict);
  g_variant_dict_insert (&dict, "timed_out", "b", exec->timed_out);
  g_variant_dict_insert (&dict, "oom", "b", FALSE);
  if (!exec->timed_out)
    g_variant_dict_insert (&dict, "exit_code", "i", exec->status);
  return g_variant_dict_end (&dict);
}

static GVariant *
list (FakeBackground *self, BerthVm *vm)
{
  GVariantBuilder builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("aa{sv}"));

  for (guint i = 0; i < self->execs->len; i++)
    if (((Exec *)self->execs->pdata[i])->vm == vm)
      g_variant_builder_add_value (&builder, describe (self->execs->pdata[i]));
  return g_variant_ref_sink (g_variant_builder_end (&builder));
}

/* ---- attach ---- */

/* Copies what is there; FALSE: the reader takes no more now. */
static gboolean
copy (Ask *ask, guint which, int to)
{
  guint8 bytes[4096];
  gssize got;

  while (to >= 0 && (got = pread (ask->exec->kept[which], bytes, sizeof bytes, ask->at[which])) > 0)
    {
      gssize put = berth_caller_fd_write (to, bytes, (gsize)got);

      if (put <= 0)
        return FALSE;
      ask->at[which] += put;
    }
  return TRUE;
}

static void
carry_input (Ask *ask)
{
  guint8 bytes[4096];
  gssize got;

  while (ask->has_input && (got = berth_caller_fd_read (ask->request->stdin_fd, bytes, 4096)) >= 0)
    if (got == 0 && ask->is_attending)
      ask->has_input = FALSE;
    else if (got == 0)
      {
        ask->has_input = FALSE;
        close (ask->exec->stdin_fd);
        ask->exec->stdin_fd = -1;
      }
    else if (write (ask->exec->stdin_fd, bytes, (gsize)got) != got)
      g_error ("the program's standard input is full");
}

static gboolean
ask_goes_on (Ask *ask)
{
  BerthBackgroundResult *result;
  gboolean has_ended = ask->exec->pid == 0; /* what it wrote before is there now */
  gboolean has_all;

  if (g_task_return_error_if_cancelled (ask->task))
    return FALSE;
  carry_input (ask);
  if (ask->exec->tty != NULL)
    fake_tty_look (ask->exec->tty);
  has_all = copy (ask, 0, ask->request->stdout_fd);
  has_all = copy (ask, 1, ask->request->stderr_fd) && has_all;
  if (!has_all || (!has_ended && ask->request->follows))
    return TRUE;
  result = g_new0 (BerthBackgroundResult, 1);
  result->end = has_ended ? make_end (ask->exec) : NULL;
  /* closed before it is answered, as berthd's are */
  g_clear_pointer (&ask->request, berth_background_request_free);
  g_task_return_pointer (ask->task, result, (GDestroyNotify)berth_background_result_free);
  return FALSE;
}

static gboolean
look_cb (gpointer user_data)
{
  FakeBackground *self = user_data;

  for (guint i = self->asks->len; i > 0; i--)
    if (!ask_goes_on (self->asks->pdata[i - 1]))
      g_ptr_array_remove_index (self->asks, i - 1);
  if (self->asks->len > 0)
    return G_SOURCE_CONTINUE;
  self->look_id = 0;
  return G_SOURCE_REMOVE;
}

static void
attach (FakeBackground *self, BerthBackgroundRequest *request, Exec *exec, GTask *task)
{
  Ask *ask = g_new0 (Ask, 1);

  ask->request = request;
  ask->task = g_object_ref (task);
  ask->exec = exec;
  ask->has_input = request->stdin_fd >= 0 && exec->stdin_fd >= 0;
  ask->is_attending = request->tty != NULL;
  if (ask->is_attending)
    {
      exec->is_attended = TRUE;
      fake_tty_set_size (exec->tty, request->tty);
    }
  for (guint i = 0; i < 2; i++)
    if (request->since_us > (guint64)exec->begun_us)
      ask->at[i] = lseek (exec->kept[i], 0, SEEK_END);
  g_ptr_array_add (self->asks, ask);
  if (self->look_id == 0)
    self->look_id = g_timeout_add (LOOK_MS, look_cb, self);
}

static Exec *
find (FakeBackground *self, BerthVm *vm, guint32 number)
{
  Exec *exec = number > 0 && number <= self->execs->len ? self->execs->pdata[number - 1] : NULL;

  return exec != NULL && exec->vm == vm ? exec : NULL;
}

void
fake_background_ask (FakeBackground *self, BerthVm *vm, BerthBackgroundRequest *request,
                     GTask *task)
{
  g_autoptr (GTask) owned = task;
  g_autoptr (BerthBackgroundRequest) owned_request = request;
  Exec *exec = find (self, vm, request->exec);
  BerthBackgroundResult *result;

  if (request->kind != BERTH_BACKGROUND_LIST && exec == NULL)
    {
      g_task_return_new_error (task, BERTH_ERROR, BERTH_ERROR_INVALID,
                               "exec %u: there is no such exec (any more): 'berth ps' shows them",
                               request->exec);
      return;
    }
  if (request->kind == BERTH_BACKGROUND_ATTACH && request->tty != NULL
      && (exec->tty == NULL || exec->is_attended))
    {
      g_task_return_new_error (task, BERTH_ERROR, BERTH_ERROR_INVALID, "exec %u: %s", request->exec,
                               exec->tty == NULL ? "it has no terminal"
                                                 : "somebody types there already");
      return;
    }
  if (request->kind == BERTH_BACKGROUND_ATTACH)
    {
      attach (self, g_steal_pointer (&owned_request), exec, task);
      return;
    }
  if (request->kind == BERTH_BACKGROUND_SIGNAL && exec->pid != 0)
    killpg (exec->pid, request->signal != 0 ? (int)request->signal
                       : exec->tty != NULL  ? SIGHUP
                                            : SIGTERM);
  result = g_new0 (BerthBackgroundResult, 1);
  if (request->kind == BERTH_BACKGROUND_LIST)
    result->execs = list (self, vm);
  g_task_return_pointer (task, result, (GDestroyNotify)berth_background_result_free);
}

void
fake_background_end (FakeBackground *self, BerthVm *vm)
{
  for (guint i = 0; i < self->execs->len; i++)
    {
      Exec *exec = self->execs->pdata[i];

      if (exec->vm == vm && exec->pid != 0)
        killpg (exec->pid, SIGKILL);
    }
  for (guint i = self->asks->len; i > 0; i--)
    {
      Ask *ask = self->asks->pdata[i - 1];

      if (ask->exec->vm != vm)
        continue;
      g_task_return_new_error (ask->task, BERTH_ERROR, BERTH_ERROR_GONE, "VM %s is gone",
                               berth_vm_get_id (vm));
      g_ptr_array_remove_index (self->asks, i - 1);
    }
}
