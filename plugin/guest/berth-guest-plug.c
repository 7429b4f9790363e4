/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tells a guest of the network card that it gets. */
#include "berth-guest-private.h"

#include "pool/berth-error.h"

/* The agent's own end of it is earlier. */
#define PLUG_TIMEOUT_MS 20000u

void
berth_guest_plug_async (BerthGuest *self, const guint8 *mac, GCancellable *cancellable,
                        GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);
  GError *error = NULL;

  g_task_set_source_tag (task, berth_guest_plug_async);
  if (!berth_guest_check_version (self->version, BERTH_PLUG_VERSION, &error))
    g_task_return_error (task, error);
  else if (berth_guest_call_add (self, task, BERTH_FRAME_PLUGGED, ++self->last_request,
                                 PLUG_TIMEOUT_MS)
           != NULL)
    berth_frame_channel_send (self->channel, BERTH_FRAME_PLUG, self->last_request, mac, 6, NULL, 0);
}

gboolean
berth_guest_plug_finish (BerthGuest *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);
  return g_task_propagate_boolean (G_TASK (result), error);
}
