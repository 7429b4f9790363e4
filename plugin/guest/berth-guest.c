/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The host's end of one guest's agent: greeting, identity, liveness, and the programs it runs. */
#include "berth-guest-private.h"

#include "berth-guest-exec.h"
#include "pool/berth-error.h"

/* Frames that carry no data and answer nothing: a guest needs a READY now and then, no more. */
#define UNASKED_MAX 1000u

/* A program that has not ended */
typedef struct
{
  BerthGuest *guest; /* borrowed */
  BerthGuestExec *exec;
  GTask *task; /* owned */
  guint32 request;
  gboolean is_command;
  gboolean is_background; /* a request about those */
  gulong cancelled_id;
} Running;

G_DEFINE_FINAL_TYPE (BerthGuest, berth_guest, G_TYPE_OBJECT)

/* Ends every call; returns nothing to callers but through their tasks. Who hears of one may ask for
 * the next at once: that finds no channel any more. */
static void
agent_shut (BerthGuest *self, const GError *error)
{
  BerthFrameChannel *channel = g_steal_pointer (&self->channel);
  BerthGuestTransfers *files = g_steal_pointer (&self->files);
  BerthGuestLinks *links = g_steal_pointer (&self->links);
  g_autoptr (GPtrArray) pending = self->pending;

  self->pending = g_ptr_array_new_with_free_func ((GDestroyNotify)berth_guest_call_free);
  while (self->running->len > 0)
    berth_guest_exec_fail (((Running *)self->running->pdata[0])->exec, error);
  if (files != NULL)
    berth_guest_transfers_fail (files, error);
  if (links != NULL)
    berth_guest_links_fail (links);
  for (guint i = 0; i < pending->len; i++)
    {
      BerthGuestCall *call = g_ptr_array_index (pending, i);

      g_task_return_error (call->task, g_error_copy (error));
    }
  g_clear_pointer (&files, berth_guest_transfers_free);
  g_clear_pointer (&links, berth_guest_links_free);
  g_clear_pointer (&channel, berth_frame_channel_free);
}

static void
closed_cb (const GError *error, gpointer user_data)
{
  g_autoptr (BerthGuest) self = g_object_ref (user_data);
  BerthGuestClosedFunc func = g_steal_pointer (&self->closed_func);

  agent_shut (self, error);
  if (func != NULL)
    func (self, error, self->closed_data);
}

void
berth_guest_close (BerthGuest *self)
{
  g_autoptr (GError) error
      = g_error_new_literal (G_IO_ERROR, G_IO_ERROR_CLOSED, "the VM is being destroyed");

  self->closed_func = NULL;
  if (self->channel != NULL)
    agent_shut (self, error);
}

static void
berth_guest_dispose (GObject *object)
{
  berth_guest_close (BERTH_GUEST (object));
  G_OBJECT_CLASS (berth_guest_parent_class)->dispose (object);
}

static void
berth_guest_finalize (GObject *object)
{
  g_ptr_array_unref (BERTH_GUEST (object)->pending);
  g_ptr_array_unref (BERTH_GUEST (object)->running);
  G_OBJECT_CLASS (berth_guest_parent_class)->finalize (object);
}

static void
berth_guest_class_init (BerthGuestClass *klass)
{
  G_OBJECT_CLASS (klass)->dispose = berth_guest_dispose;
  G_OBJECT_CLASS (klass)->finalize = berth_guest_finalize;
}

static void
berth_guest_init (BerthGuest *self)
{
  self->pending = g_ptr_array_new_with_free_func ((GDestroyNotify)berth_guest_call_free);
  self->running = g_ptr_array_new ();
}

static void
agent_answer (BerthGuest *self, BerthGuestCall *pending, const BerthFrame *frame)
{
  g_autoptr (GTask) task = NULL;

  if (frame->type == BERTH_FRAME_IDENTITY_DONE)
    {
      berth_guest_call_take_proof (self, pending, frame);
      return;
    }
  if (frame->type == BERTH_FRAME_ERROR)
    {
      berth_guest_call_take_error (self, pending, frame);
      return;
    }
  if (frame->type == BERTH_FRAME_FROZEN)
    {
      berth_guest_call_take_frozen (self, pending, frame);
      return;
    }
  task = berth_guest_call_steal (self, pending);
  g_task_return_boolean (task, TRUE);
}

/* Late frames of calls that timed out or were cancelled are legal, a flood of them is not. */
static gboolean
agent_count_unasked (BerthGuest *self, GError **error)
{
  if (++self->unasked <= UNASKED_MAX)
    return TRUE;
  g_set_error (error, BERTH_PROTOCOL_ERROR, BERTH_PROTOCOL_ERROR_UNEXPECTED,
               "more than %u frames that nothing called for", UNASKED_MAX);
  return FALSE;
}

static gboolean
agent_take_hello (BerthGuest *self, const BerthFrame *frame, GError **error)
{
  BerthHelloReply reply;

  if (berth_guest_call_find (self, frame->type, frame->request) == NULL)
    return agent_count_unasked (self, error); /* too late for its call, perhaps */
  memcpy (&reply, frame->payload, sizeof reply);
  if (!berth_guest_check_version (reply.version, BERTH_PROTOCOL_OLDEST, error))
    return FALSE;
  self->is_greeted = TRUE;
  self->version = reply.version;
  self->boot_us = reply.boot_us;
  if (reply.flags & BERTH_HELLO_READY)
    self->ready_us = MAX (reply.ready_us, 1);
  self->was_identified = (reply.flags & BERTH_HELLO_IDENTIFIED) != 0;
  berth_guest_note_frozen (self, (reply.flags & BERTH_HELLO_FROZEN) != 0);
  return TRUE;
}

static void
agent_take_ready (BerthGuest *self, const BerthFrame *frame)
{
  BerthGuestCall *pending = berth_guest_call_find (self, BERTH_FRAME_READY, 0);

  self->ready_us = MAX (berth_le64_read (frame->payload), 1);
  if (pending != NULL)
    agent_answer (self, pending, frame);
}

/* A frame that belongs to no call. */
static gboolean
agent_take_unasked (BerthGuest *self, const BerthFrame *frame, GError **error)
{
  if (frame->type == BERTH_FRAME_ERROR && frame->request == 0)
    {
      g_autofree char *text
          = g_utf8_make_valid ((const char *)frame->payload + 4, (gssize)frame->length - 4);

      g_set_error (error, BERTH_PROTOCOL_ERROR, BERTH_PROTOCOL_ERROR_UNEXPECTED,
                   "the guest's agent gave up: %s", text);
      return FALSE;
    }
  if (!agent_count_unasked (self, error))
    return FALSE;
  if (frame->type == BERTH_FRAME_READY)
    agent_take_ready (self, frame);
  if (frame->type == BERTH_FRAME_FROZEN && berth_le32_read (frame->payload) == 0)
    berth_guest_note_frozen (self, FALSE); /* later than it was waited for */
  return TRUE;
}

static Running *
agent_find_running (BerthGuest *self, guint32 request)
{
  for (guint i = 0; i < self->running->len; i++)
    {
      Running *running = self->running->pdata[i];

      if (running->request == request)
        return running;
    }
  return NULL;
}

static void
frame_cb (const BerthFrame *frame, gpointer user_data)
{
  g_autoptr (BerthGuest) self = g_object_ref (user_data);
  g_autoptr (GError) error = NULL;
  BerthGuestCall *pending = berth_guest_call_find (self, frame->type, frame->request);
  Running *running = agent_find_running (self, frame->request);
  gboolean ok = TRUE;

  if (frame->type == BERTH_FRAME_ERROR)
    pending = berth_guest_call_find (self, BERTH_FRAME_ALLOWED, frame->request);
  if (frame->type == BERTH_FRAME_HELLO_REPLY)
    ok = agent_take_hello (self, frame, &error);
  if (ok && (frame->type == BERTH_FRAME_NO_NAME || frame->type == BERTH_FRAME_NO_PORT))
    berth_guest_take_refused (self, frame);
  else if (ok && running != NULL)
    ok = berth_guest_exec_take (running->exec, frame, &error);
  else if (ok && self->files != NULL
           && berth_guest_transfers_take (self->files, frame, &ok, &error))
    ;
  else if (ok && self->links != NULL && self->version >= BERTH_LINK_VERSION
           && berth_guest_links_take (self->links, frame, &ok, &error))
    ;
  else if (ok && pending != NULL && frame->type != BERTH_FRAME_READY)
    agent_answer (self, pending, frame);
  else if (ok && frame->type == BERTH_FRAME_ERROR && berth_guest_call_take_refusal (self, frame))
    ;
  else if (ok && frame->type != BERTH_FRAME_HELLO_REPLY)
    ok = agent_take_unasked (self, frame, &error);
  if (!ok)
    closed_cb (error, self);
}

static void
room_cb (gpointer user_data)
{
  g_autoptr (BerthGuest) self = g_object_ref (user_data);

  for (guint i = 0; i < self->running->len; i++)
    berth_guest_exec_go_on (((Running *)self->running->pdata[i])->exec);
  if (self->files != NULL)
    berth_guest_transfers_go_on (self->files);
  if (self->links != NULL)
    berth_guest_links_go_on (self->links);
}

void
berth_guest_give_up (BerthGuest *self, const GError *error)
{
  if (self->channel != NULL)
    closed_cb (error, self);
}

BerthGuest *
berth_guest_new (GSocket *socket)
{
  BerthGuest *self = g_object_new (BERTH_TYPE_GUEST, NULL);

  self->channel = berth_frame_channel_new (socket, frame_cb, closed_cb, self);
  berth_frame_channel_set_room_func (self->channel, room_cb);
  self->files = berth_guest_transfers_new (self->channel, &self->version, &self->last_request);
  self->links = berth_guest_links_new (self, self->channel, &self->last_request);
  berth_guest_fill_random (self->machine_id, sizeof self->machine_id);
  return self;
}

void
berth_guest_set_closed_func (BerthGuest *self, BerthGuestClosedFunc func, gpointer user_data)
{
  self->closed_func = func;
  self->closed_data = user_data;
}

void
berth_guest_hello_async (BerthGuest *self, guint32 flags, guint timeout_ms,
                         GCancellable *cancellable, GAsyncReadyCallback callback,
                         gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);
  BerthHello hello = {
    .version_min = 1, /* whichever it has, it tells */
    .version_max = BERTH_PROTOCOL_VERSION,
    .flags = flags,
  };

  g_task_set_source_tag (task, berth_guest_hello_async);
  memcpy (hello.magic, BERTH_PROTOCOL_MAGIC, sizeof hello.magic);
  for (gsize i = 0; i < sizeof hello.nonce; i += 4)
    berth_le32_write (hello.nonce + i, g_random_int ());
  if (berth_guest_call_add (self, task, BERTH_FRAME_HELLO_REPLY, ++self->last_request, timeout_ms)
      == NULL)
    return;
  berth_frame_channel_expect_hello (self->channel, hello.nonce);
  berth_frame_channel_send (self->channel, BERTH_FRAME_HELLO, self->last_request, &hello,
                            sizeof hello, NULL, 0);
}

gboolean
berth_guest_hello_finish (BerthGuest *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);
  return g_task_propagate_boolean (G_TASK (result), error);
}

void
berth_guest_ready_async (BerthGuest *self, guint timeout_ms, GCancellable *cancellable,
                         GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);

  g_task_set_source_tag (task, berth_guest_ready_async);
  if (self->channel != NULL && self->ready_us != 0)
    g_task_return_boolean (task, TRUE);
  else
    berth_guest_call_add (self, task, BERTH_FRAME_READY, 0, timeout_ms);
}

gboolean
berth_guest_ready_finish (BerthGuest *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);
  return g_task_propagate_boolean (G_TASK (result), error);
}

/* A guest does not keep its VM for longer than what runs in it may take. */
static void
agent_give_up (BerthGuest *self)
{
  g_autoptr (GError) error
      = g_error_new_literal (BERTH_PROTOCOL_ERROR, BERTH_PROTOCOL_ERROR_UNEXPECTED,
                             "it did not end what was in the background at its time limit");

  if (self->channel != NULL)
    closed_cb (error, self);
}

static void
exec_done_cb (BerthGuestExec *exec, BerthResult *result, GError *error, gpointer user_data)
{
  Running *running = user_data;
  g_autoptr (GTask) task = running->task;
  g_autoptr (BerthGuest) self = g_object_ref (running->guest);
  gboolean is_overdue = berth_guest_exec_is_overdue (exec);
  BerthBackgroundResult *told = NULL;

  if (running->is_background && error == NULL)
    told = berth_guest_exec_new_background_result (exec, self->version, result, &error);

  if (running->cancelled_id != 0)
    g_signal_handler_disconnect (g_task_get_cancellable (task), running->cancelled_id);
  g_ptr_array_remove (running->guest->running, running);
  g_free (running);
  berth_guest_exec_free (exec);
  if (error != NULL)
    g_task_return_error (task, error);
  else if (told != NULL)
    g_task_return_pointer (task, told, (GDestroyNotify)berth_background_result_free);
  else
    g_task_return_pointer (task, result, (GDestroyNotify)berth_result_free);
  if (is_overdue)
    agent_give_up (self);
}

static gboolean
exec_cancelled_idle (gpointer user_data)
{
  GTask *task = user_data;
  BerthGuest *self = g_task_get_source_object (task);
  guint32 request = GPOINTER_TO_UINT (g_task_get_task_data (task));
  Running *running = agent_find_running (self, request);

  if (running != NULL)
    berth_guest_exec_kill (running->exec);
  return G_SOURCE_REMOVE;
}

static void
exec_cancelled_cb (GCancellable *cancellable, gpointer user_data)
{
  g_autoptr (GSource) source = g_idle_source_new ();

  g_source_set_callback (source, exec_cancelled_idle, g_object_ref (user_data), g_object_unref);
  g_source_attach (source, g_task_get_context (user_data));
}

/* Whether there is a place for one more; else why not. */
static gboolean
agent_check_place (BerthGuest *self, gboolean is_command, GError **error)
{
  guint most = is_command ? BERTH_COMMANDS_MAX : 1;
  guint count = 0;

  for (guint i = 0; i < self->running->len; i++)
    {
      const Running *running = self->running->pdata[i];

      count += !running->is_background && running->is_command == is_command;
    }
  if (self->channel == NULL)
    g_set_error_literal (error, BERTH_ERROR, BERTH_ERROR_GONE, "the VM is gone");
  else if (count >= most)
    g_set_error (error, BERTH_ERROR, BERTH_ERROR_INTERNAL, "the guest is running %s already",
                 is_command ? "as many commands as it may" : "code");
  return self->channel != NULL && count < most;
}

/* Takes over the one of both that is not NULL. */
static void
agent_begin (BerthGuest *self, GTask *task, BerthExec *exec, BerthLanguage language,
             BerthBackgroundRequest *background)
{
  GCancellable *cancellable = g_task_get_cancellable (task);
  Running *running = g_new0 (Running, 1);

  running->guest = self;
  running->task = g_object_ref (task);
  running->request = ++self->last_request;
  running->is_command = exec != NULL && exec->is_command;
  running->is_background = exec == NULL;
  g_task_set_task_data (task, GUINT_TO_POINTER (running->request), NULL);
  running->exec = exec != NULL
                      ? berth_guest_exec_new (self->channel, running->request, exec, language,
                                              exec_done_cb, running)
                      : berth_guest_exec_new_background (self->channel, running->request,
                                                         background, exec_done_cb, running);
  g_ptr_array_add (self->running, running);
  berth_guest_exec_hold (running->exec, berth_guest_stands_still (self));
  if (cancellable != NULL)
    running->cancelled_id
        = g_signal_connect (cancellable, "cancelled", G_CALLBACK (exec_cancelled_cb), task);
}

gboolean
berth_guest_has_callers (BerthGuest *self)
{
  gboolean has_any = FALSE;

  for (guint i = 0; i < self->running->len; i++)
    has_any |= !((Running *)self->running->pdata[i])->is_background;
  return has_any;
}

gboolean
berth_guest_stands_still (BerthGuest *self)
{
  return self->is_paused || self->is_copied;
}

void
berth_guest_hold_times (BerthGuest *self)
{
  gboolean is_held = berth_guest_stands_still (self);

  for (guint i = 0; i < self->running->len; i++)
    berth_guest_exec_hold (((Running *)self->running->pdata[i])->exec, is_held);
  if (self->files != NULL)
    berth_guest_transfers_hold (self->files, is_held);
}

void
berth_guest_set_paused (BerthGuest *self, gboolean is_paused)
{
  self->is_paused = is_paused;
  berth_guest_hold_times (self);
}

void
berth_guest_exec_async (BerthGuest *self, BerthExec *exec, BerthLanguage language,
                        GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (BerthExec) owned = exec;
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);
  GError *error = NULL;

  g_task_set_source_tag (task, berth_guest_exec_async);
  g_task_set_check_cancellable (task, FALSE); /* an end that is known is told */
  if (g_task_return_error_if_cancelled (task))
    return;
  if (!agent_check_place (self, owned->is_command, &error)
      || !berth_guest_check_version (self->version, berth_guest_exec_get_version (owned, language),
                                     &error))
    {
      g_task_return_error (task, error);
      return;
    }
  /* the loaded interpreter is this code's; the agent tells of the next one */
  if (!owned->is_command)
    self->ready_us = 0;
  agent_begin (self, task, g_steal_pointer (&owned), language, NULL);
}

BerthResult *
berth_guest_exec_finish (BerthGuest *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), NULL);
  return g_task_propagate_pointer (G_TASK (result), error);
}

void
berth_guest_background_async (BerthGuest *self, BerthBackgroundRequest *request,
                              GCancellable *cancellable, GAsyncReadyCallback callback,
                              gpointer user_data)
{
  g_autoptr (BerthBackgroundRequest) owned = request;
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);
  GError *error = NULL;

  g_task_set_source_tag (task, berth_guest_background_async);
  g_task_set_check_cancellable (task, FALSE); /* an end that is known is told */
  if (g_task_return_error_if_cancelled (task))
    return;
  if (self->channel == NULL)
    g_task_return_new_error (task, BERTH_ERROR, BERTH_ERROR_GONE, "the VM is gone");
  else if (!berth_guest_check_version (self->version,
                                       berth_guest_exec_get_background_version (owned), &error))
    g_task_return_error (task, error);
  else
    agent_begin (self, task, NULL, BERTH_LANGUAGE_NONE, g_steal_pointer (&owned));
}

BerthBackgroundResult *
berth_guest_background_finish (BerthGuest *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), NULL);
  return g_task_propagate_pointer (G_TASK (result), error);
}

void
berth_guest_file_async (BerthGuest *self, BerthFileRequest *file, GCancellable *cancellable,
                        GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (BerthFileRequest) owned = file;
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);

  g_task_set_source_tag (task, berth_guest_file_async);
  g_task_set_check_cancellable (task, FALSE); /* a file that is there is told */
  if (g_task_return_error_if_cancelled (task))
    return;
  if (self->files == NULL)
    g_task_return_new_error (task, BERTH_ERROR, BERTH_ERROR_GONE, "the VM is gone");
  else
    berth_guest_transfers_add (self->files, task, g_steal_pointer (&owned));
}

void
berth_guest_cancel_file (gpointer agent, GTask *task)
{
  BerthGuest *self = BERTH_GUEST (agent);

  if (self->files != NULL)
    berth_guest_transfers_cancel (self->files, task);
}

BerthFileResult *
berth_guest_file_finish (BerthGuest *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), NULL);
  return g_task_propagate_pointer (G_TASK (result), error);
}

guint64
berth_guest_get_boot_us (BerthGuest *self)
{
  return self->boot_us;
}

guint64
berth_guest_get_ready_us (BerthGuest *self)
{
  return self->ready_us;
}

gboolean
berth_guest_takes_clock (BerthGuest *self)
{
  return berth_guest_check_version (self->version, BERTH_GUEST_CLOCK_VERSION, NULL);
}

gboolean
berth_guest_was_identified (BerthGuest *self)
{
  return self->was_identified;
}

BerthLanguage
berth_language_from_name (const char *name)
{
  const BerthLanguageRow *row = berth_language_find (name);

  return row != NULL ? row->language : BERTH_LANGUAGE_NONE;
}
