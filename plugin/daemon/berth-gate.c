/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which messages of a client reach berthd. Runs on GDBus's own thread, where messages arrive and
 * leave, so a client that floods or never reads its answers is met before it costs memory. */
#include "plugin/daemon/berth-gate.h"

#include <fcntl.h>
#include <gio/gunixfdlist.h>
#include <sys/resource.h>
#include <unistd.h>

#include "plugin/model/berth-limits.h"

typedef struct
{
  int unanswered; /* atomic: calls that came in, less answers that went out */
  int is_cut;     /* atomic: no message is let in any more */
} Gate;

static void
cut (Gate *gate, GDBusConnection *connection, const char *reason)
{
  g_atomic_int_set (&gate->is_cut, 1);
  g_message ("a client was cut off: %s", reason);
  g_dbus_connection_close (connection, NULL, NULL, NULL);
}

static void
refuse_call (GDBusConnection *connection, GDBusMessage *call, const char *name, const char *reason)
{
  g_autoptr (GDBusMessage) reply = g_dbus_message_new_method_error_literal (call, name, reason);

  g_dbus_connection_send_message (connection, reply, G_DBUS_SEND_MESSAGE_FLAGS_NONE, NULL, NULL);
}

gboolean
berth_gate_has_descriptors (void)
{
  struct rlimit limit = { 0 };
  int lowest = fcntl (STDIN_FILENO, F_DUPFD_CLOEXEC, 0); /* all below it are in use */

  if (lowest < 0)
    return FALSE;
  close (lowest);
  return getrlimit (RLIMIT_NOFILE, &limit) == 0
         && (rlim_t)lowest + BERTH_LIMIT_RESERVED_FDS < limit.rlim_cur;
}

static gboolean
is_too_large (GDBusMessage *message)
{
  GVariant *body = g_dbus_message_get_body (message);
  GUnixFDList *fds = g_dbus_message_get_unix_fd_list (message);

  return (body != NULL && g_variant_get_size (body) > BERTH_LIMIT_MESSAGE_BYTES)
         || (fds != NULL && g_unix_fd_list_get_length (fds) > BERTH_LIMIT_MESSAGE_FDS);
}

/* Whether the message goes on to be dispatched */
static gboolean
admit (Gate *gate, GDBusConnection *connection, GDBusMessage *message)
{
  int unanswered;

  /* berthd calls no client and listens to no signal */
  if (g_dbus_message_get_message_type (message) != G_DBUS_MESSAGE_TYPE_METHOD_CALL
      || g_atomic_int_get (&gate->is_cut))
    return FALSE;
  if (is_too_large (message))
    {
      cut (gate, connection, "its message is too large");
      return FALSE;
    }
  unanswered = g_atomic_int_add (&gate->unanswered, 1) + 1;
  if (unanswered > 2 * BERTH_LIMIT_CALLS_PER_CONNECTION)
    {
      cut (gate, connection, "it does not read its answers");
      return FALSE;
    }
  if (unanswered > BERTH_LIMIT_CALLS_PER_CONNECTION)
    {
      refuse_call (connection, message, "org.berth.Berth1.Error.Invalid",
                   "more than " G_STRINGIFY (
                       BERTH_LIMIT_CALLS_PER_CONNECTION) " calls of one connection at once: wait "
                                                         "for answers first");
      return FALSE;
    }
  if (g_dbus_message_get_num_unix_fds (message) > 0 && !berth_gate_has_descriptors ())
    {
      refuse_call (connection, message, "org.berth.Berth1.Error.Unavailable",
                   "berthd has no file descriptors left for more: try again later, or raise its "
                   "limit (LimitNOFILE)");
      return FALSE;
    }
  return TRUE;
}

/* A call that wants no answer gets one all the same (D-Bus allows it): else it could not be
 * counted. Takes over @message; (transfer full). */
static GDBusMessage *
with_answer (GDBusMessage *message)
{
  g_autoptr (GDBusMessage) original = message;
  GDBusMessageFlags flags = g_dbus_message_get_flags (original);
  GDBusMessage *copy;

  if ((flags & G_DBUS_MESSAGE_FLAGS_NO_REPLY_EXPECTED) == 0)
    return g_steal_pointer (&original);
  copy = g_dbus_message_copy (original, NULL);
  if (copy != NULL)
    g_dbus_message_set_flags (copy, flags & ~G_DBUS_MESSAGE_FLAGS_NO_REPLY_EXPECTED);
  return copy;
}

static GDBusMessage *
filter_cb (GDBusConnection *connection, GDBusMessage *message, gboolean incoming,
           gpointer user_data)
{
  Gate *gate = user_data;
  GDBusMessageType type = g_dbus_message_get_message_type (message);

  if (!incoming)
    {
      if (type == G_DBUS_MESSAGE_TYPE_METHOD_RETURN || type == G_DBUS_MESSAGE_TYPE_ERROR)
        g_atomic_int_add (&gate->unanswered, -1);
      return message;
    }
  if (admit (gate, connection, message))
    return with_answer (message);
  g_object_unref (message);
  return NULL;
}

/**
 * berth_gate_install:
 * @connection: a client's, whose messages are not processed yet
 */
void
berth_gate_install (GDBusConnection *connection)
{
  g_dbus_connection_add_filter (connection, filter_cb, g_new0 (Gate, 1), g_free);
}
