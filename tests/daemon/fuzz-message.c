/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Any bytes as a D-Bus message: what the door lets through has no more values than it says, and
 * GDBus, which then reads it, finds the same in it. */
#include <gio/gio.h>
#include <string.h>

#include "plugin/model/berth-limits.h"
#include "plugin/daemon/berth-message.h"

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

static guint
count_values (GVariant *value)
{
  guint count = 1;

  /* one value to the door, and one block to GLib */
  if (!g_variant_is_container (value) || g_variant_is_of_type (value, G_VARIANT_TYPE_BYTESTRING))
    return count;
  for (gsize i = 0; i < g_variant_n_children (value); i++)
    {
      g_autoptr (GVariant) child = g_variant_get_child_value (value, i);

      count += count_values (child);
    }
  return count;
}

static void
compare (const BerthMessage *message, const guint8 *data, gsize size)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GDBusMessage) theirs
      = g_dbus_message_new_from_blob ((guchar *)data, size, G_DBUS_CAPABILITY_FLAGS_NONE, &error);
  GVariant *body;

  if (theirs == NULL)
    return; /* GDBus knows more rules: which characters a name may have, and so on */
  g_assert_cmpuint (g_dbus_message_get_serial (theirs), ==, message->serial);
  g_assert_cmpuint (g_dbus_message_get_reply_serial (theirs), ==, message->reply_serial);
  g_assert_cmpuint (g_dbus_message_get_num_unix_fds (theirs), ==, message->n_fds);
  g_assert_cmpstr (g_dbus_message_get_member (theirs), ==, message->member);
  g_assert_cmpstr (g_dbus_message_get_interface (theirs), ==, message->interface);
  body = g_dbus_message_get_body (theirs);
  if (body != NULL)
    g_assert_cmpuint (count_values (body), <=, BERTH_LIMIT_MESSAGE_VALUES + 1);
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  g_autofree guint8 *head = NULL;
  g_autofree guint8 *body = NULL;
  BerthMessage message;

  /* as in the relay: what is not read yet is not there, so each part has a block of its own */
  if (size < BERTH_MESSAGE_HEAD_BYTES || berth_message_parse_head (&message, data) != NULL
      || message.head_bytes > size || message.body_bytes != size - message.head_bytes)
    return 0;
  head = g_memdup2 (data, message.head_bytes);
  body = g_memdup2 (data + message.head_bytes, message.body_bytes);
  if (berth_message_parse_fields (&message, head) != NULL)
    return 0;
  g_assert_true (message.type != BERTH_MESSAGE_CALL || message.member != NULL);
  if (berth_message_check_body (&message, body, BERTH_LIMIT_MESSAGE_VALUES) == NULL)
    compare (&message, data, size);
  return 0;
}
