/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tells a guest which names its programs may reach. */
#include "berth-guest-private.h"

#include "pool/berth-error.h"

/* The agent makes them hold at once. */
#define ALLOW_TIMEOUT_MS 10000u

void
berth_guest_call_take_error (BerthGuest *self, BerthGuestCall *call, const BerthFrame *frame)
{
  g_autoptr (GTask) task = berth_guest_call_steal (self, call);
  g_autofree char *text
      = g_utf8_make_valid ((const char *)frame->payload + 4, (gssize)frame->length - 4);
  g_autofree char *shown = g_strescape (text, NULL);

  g_task_return_new_error (task, BERTH_ERROR, BERTH_ERROR_CONFIG,
                           "programs of this guest can't reach names (%s): build the image again "
                           "(berth image build), with a kernel from 5.9 on",
                           shown);
}

void
berth_guest_set_no_name_func (BerthGuest *self, BerthGuestNoNameFunc func, gpointer user_data)
{
  self->no_name_func = func;
  self->no_name_data = user_data;
}

/* It may come late, or be a lie: it changes nothing. */
void
berth_guest_take_no_name (BerthGuest *self, const BerthFrame *frame)
{
  g_autofree char *name = g_strndup ((const char *)frame->payload, frame->length);

  for (char *at = name; *at != '\0'; at++)
    if (!g_ascii_isgraph (*at))
      *at = '?';
  if (self->no_name_func != NULL && name[0] != '\0')
    self->no_name_func (self, name, self->no_name_data);
}

void
berth_guest_allow_async (BerthGuest *self, const char *const *names, GCancellable *cancellable,
                         GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);
  g_autoptr (GByteArray) rules = g_byte_array_new ();
  GError *error = NULL;

  g_task_set_source_tag (task, berth_guest_allow_async);
  for (guint i = 0; names[i] != NULL; i++)
    g_byte_array_append (rules, (const guint8 *)names[i], (guint)strlen (names[i]) + 1);
  if (!berth_guest_check_version (self->version, BERTH_ALLOW_VERSION, &error))
    g_task_return_error (task, error);
  else if (rules->len > BERTH_ALLOW_MAX)
    g_task_return_new_error (task, BERTH_ERROR, BERTH_ERROR_INVALID,
                             "%u bytes of names to reach: give at most %u", rules->len,
                             BERTH_ALLOW_MAX);
  else if (berth_guest_call_add (self, task, BERTH_FRAME_ALLOWED, ++self->last_request,
                                 ALLOW_TIMEOUT_MS)
           != NULL)
    berth_frame_channel_send (self->channel, BERTH_FRAME_ALLOW, self->last_request, rules->data,
                              rules->len, NULL, 0);
}

gboolean
berth_guest_allow_finish (BerthGuest *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);
  return g_task_propagate_boolean (G_TASK (result), error);
}
