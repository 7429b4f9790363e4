/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Calls that are answered by one frame: each has an end. */
#include "berth-guest-private.h"

#include "berth-guest-error.h"
#include "plugin/base/berth-source.h"
#include "pool/berth-error.h"

void
berth_guest_call_free (BerthGuestCall *pending)
{
  berth_source_clear (&pending->timeout);
  if (pending->cancelled_id != 0)
    g_signal_handler_disconnect (g_task_get_cancellable (pending->task), pending->cancelled_id);
  g_clear_object (&pending->task);
  g_clear_pointer (&pending->random, g_bytes_unref);
  g_free (pending);
}

GTask *
berth_guest_call_steal (BerthGuest *self, BerthGuestCall *pending)
{
  g_autoptr (GTask) task = g_object_ref (pending->task);

  g_ptr_array_remove_fast (self->pending, pending);
  return g_steal_pointer (&task);
}

BerthGuestCall *
berth_guest_call_find (BerthGuest *self, guint32 reply_type, guint32 request)
{
  for (guint i = 0; i < self->pending->len; i++)
    {
      BerthGuestCall *pending = g_ptr_array_index (self->pending, i);

      if (pending->reply_type == reply_type && pending->request == request)
        return pending;
    }
  return NULL;
}

static BerthGuestCall *
guest_find_task (BerthGuest *self, GTask *task)
{
  for (guint i = 0; i < self->pending->len; i++)
    {
      BerthGuestCall *pending = g_ptr_array_index (self->pending, i);

      if (pending->task == task)
        return pending;
    }
  return NULL;
}

gboolean
berth_guest_call_take_refusal (BerthGuest *self, const BerthFrame *frame)
{
  for (guint i = 0; frame->request != 0 && i < self->pending->len; i++)
    {
      BerthGuestCall *call = g_ptr_array_index (self->pending, i);
      g_autoptr (GTask) task = NULL;
      g_autofree char *text = NULL;

      if (call->request != frame->request)
        continue;
      text = berth_guest_error_dup_text (frame);
      task = berth_guest_call_steal (self, call);
      g_task_return_new_error (task, BERTH_ERROR, berth_guest_error_get_code (frame),
                               "the guest's agent refused: %s", text);
      return TRUE;
    }
  return FALSE;
}

gboolean
berth_guest_check_version (guint32 version, guint32 needed, GError **error)
{
  const char *age = version < needed ? "an older" : "a newer";

  if (version >= needed && version <= BERTH_PROTOCOL_VERSION)
    return TRUE;
  g_set_error (error, BERTH_ERROR, BERTH_ERROR_CONFIG,
               "the image was built for %s berth (agent protocol %u, this berthd speaks %u): build "
               "the image again (berth image build); where that was done since, make a new sandbox",
               age, version, BERTH_PROTOCOL_VERSION);
  return FALSE;
}

static gboolean
timeout_cb (gpointer user_data)
{
  GTask *task = user_data;
  BerthGuest *self = g_task_get_source_object (task);
  BerthGuestCall *pending = guest_find_task (self, task);
  g_autoptr (GTask) stolen = berth_guest_call_steal (self, pending);

  g_task_return_new_error (stolen, BERTH_ERROR, BERTH_ERROR_START_TIMED_OUT,
                           "the guest's agent did not answer in time");
  return G_SOURCE_REMOVE;
}

static gboolean
cancelled_idle (gpointer user_data)
{
  GTask *task = user_data;
  BerthGuest *self = g_task_get_source_object (task);
  BerthGuestCall *pending = guest_find_task (self, task);
  g_autoptr (GTask) stolen = pending != NULL ? berth_guest_call_steal (self, pending) : NULL;

  if (stolen != NULL)
    g_task_return_error_if_cancelled (stolen);
  return G_SOURCE_REMOVE;
}

static void
cancelled_cb (GCancellable *cancellable, gpointer user_data)
{
  g_autoptr (GSource) source = g_idle_source_new ();

  /* out of the cancellable's lock, and onto the agent's own thread */
  g_source_set_callback (source, cancelled_idle, g_object_ref (user_data), g_object_unref);
  g_source_attach (source, g_task_get_context (user_data));
}

BerthGuestCall *
berth_guest_call_add (BerthGuest *self, GTask *task, guint32 reply_type, guint32 request,
                      guint timeout_ms)
{
  GCancellable *cancellable = g_task_get_cancellable (task);
  BerthGuestCall *pending;

  if (self->channel == NULL)
    {
      g_task_return_new_error (task, G_IO_ERROR, G_IO_ERROR_CLOSED, "the VM's channel is closed");
      return NULL;
    }
  pending = g_new0 (BerthGuestCall, 1);
  pending->task = g_object_ref (task);
  pending->reply_type = reply_type;
  pending->request = request;
  pending->timeout = g_timeout_source_new (timeout_ms);
  g_source_set_callback (pending->timeout, timeout_cb, task, NULL);
  g_source_attach (pending->timeout, g_task_get_context (task));
  g_ptr_array_add (self->pending, pending);
  if (cancellable != NULL)
    pending->cancelled_id
        = g_signal_connect (cancellable, "cancelled", G_CALLBACK (cancelled_cb), task);
  return pending;
}
