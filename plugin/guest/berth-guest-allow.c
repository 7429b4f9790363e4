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
berth_guest_set_refused_func (BerthGuest *self, BerthGuestRefusedFunc func, gpointer user_data)
{
  self->refused_func = func;
  self->refused_data = user_data;
}

/* It may come late, or be a lie: it changes nothing. */
void
berth_guest_take_refused (BerthGuest *self, const BerthFrame *frame)
{
  gboolean has_port = frame->type == BERTH_FRAME_NO_PORT;
  gsize head = has_port ? sizeof (guint32) : 0;
  guint16 port
      = has_port ? (guint16)(frame->payload[0] | (guint)frame->payload[1] << 8) : (guint16)0;
  g_autofree char *name = g_strndup ((const char *)frame->payload + head, frame->length - head);

  for (char *at = name; *at != '\0'; at++)
    if (!g_ascii_isgraph (*at))
      *at = '?';
  if (self->refused_func != NULL && name[0] != '\0')
    self->refused_func (self, name, port, self->refused_data);
}

/* An agent of before knows no ports, and takes all; nor addresses of IPv6; nor what is refused of
 * what others allow, which the host refuses, then. */
static gboolean
guest_add_rule (BerthGuest *self, GByteArray *rules, const char *text, GError **error)
{
  gboolean is_old = self->version < BERTH_ALLOW_PORTS_VERSION;
  gsize size = is_old ? strcspn (text, " ") : strlen (text);

  if (text[0] == '!' && self->version < BERTH_ALLOW_DENIED_VERSION)
    return TRUE;
  if (is_old && memchr (text, ':', size) != NULL
      && !berth_guest_check_version (self->version, BERTH_ALLOW_PORTS_VERSION, error))
    return FALSE;
  g_byte_array_append (rules, (const guint8 *)text, (guint)size);
  g_byte_array_append (rules, (const guint8 *)"", 1);
  return TRUE;
}

void
berth_guest_allow_async (BerthGuest *self, const char *const *names, GCancellable *cancellable,
                         GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);
  g_autoptr (GByteArray) rules = g_byte_array_new ();
  GError *error = NULL;

  g_task_set_source_tag (task, berth_guest_allow_async);
  for (guint i = 0; error == NULL && names[i] != NULL; i++)
    guest_add_rule (self, rules, names[i], &error);
  if (error != NULL || !berth_guest_check_version (self->version, BERTH_ALLOW_VERSION, &error))
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
