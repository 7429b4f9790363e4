/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Stops and starts the programs of a guest; see "Freezing" in berth-protocol.h. */
#include "berth-guest-private.h"

#include "pool/berth-error.h"

static void
guest_set_copied (BerthGuest *self, gboolean is_copied)
{
  self->is_copied = is_copied;
  berth_guest_hold_times (self);
  if (self->channel != NULL)
    berth_frame_channel_hold (self->channel, is_copied); /* last: who hears of it may close us */
}

/* What runs for a caller goes on in a copy where the agent knows how. */
static guint32
get_needed_version (BerthGuest *self, gboolean is_frozen)
{
  return is_frozen && berth_guest_has_callers (self) ? BERTH_COPY_VERSION : BERTH_FREEZE_VERSION;
}

void
berth_guest_freeze_async (BerthGuest *self, gboolean is_frozen, guint timeout_ms,
                          GCancellable *cancellable, GAsyncReadyCallback callback,
                          gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);
  GError *error = NULL;
  BerthGuestCall *call;
  guint8 realtime[8];

  g_task_set_source_tag (task, berth_guest_freeze_async);
  if (!berth_guest_check_version (self->version, get_needed_version (self, is_frozen), &error))
    {
      g_task_return_error (task, error);
      return;
    }
  call = berth_guest_call_add (self, task, BERTH_FRAME_FROZEN, ++self->last_request, timeout_ms);
  if (call == NULL)
    return;
  call->is_frozen = is_frozen;
  if (is_frozen)
    guest_set_copied (self, TRUE);
  berth_le64_write (realtime, (guint64)g_get_real_time () * 1000);
  berth_frame_channel_send (self->channel, is_frozen ? BERTH_FRAME_FREEZE : BERTH_FRAME_THAW,
                            call->request, realtime, is_frozen ? 0 : sizeof realtime, NULL, 0);
}

/* Whatever came of a FREEZE, streams and links go on when the guest says that it does. */
void
berth_guest_note_frozen (BerthGuest *self, gboolean is_frozen)
{
  self->is_frozen = is_frozen;
  guest_set_copied (self, is_frozen);
}

void
berth_guest_call_take_frozen (BerthGuest *self, BerthGuestCall *call, const BerthFrame *frame)
{
  gboolean is_frozen = berth_le32_read (frame->payload) == 1;
  gboolean is_as_asked = is_frozen == call->is_frozen;
  g_autoptr (BerthGuest) owned = g_object_ref (self);
  g_autoptr (GTask) task = berth_guest_call_steal (self, call);

  berth_guest_note_frozen (self, is_frozen);
  if (is_as_asked)
    g_task_return_boolean (task, TRUE);
  else
    g_task_return_new_error (task, BERTH_ERROR, BERTH_ERROR_INTERNAL,
                             "the guest's agent did something else than it was asked for");
}

gboolean
berth_guest_freeze_finish (BerthGuest *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);
  return g_task_propagate_boolean (G_TASK (result), error);
}

gboolean
berth_guest_is_frozen (BerthGuest *self)
{
  return self->is_frozen;
}
