/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A client of berthd that sends bytes as it likes, where GDBus would send whole messages. */
#include "raw-client.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "plugin/bus/berth-bus-names.h"

#define LIMIT_S 30
#define FDS_MAX 253

static void
authenticate (int client)
{
  g_autofree char *number = g_strdup_printf ("%u", (guint)geteuid ());
  g_autoptr (GString) lines = g_string_new ("AUTH EXTERNAL ");
  char answer[256];
  gssize got;

  for (const char *at = number; *at != '\0'; at++)
    g_string_append_printf (lines, "%02x", (guint)*at);
  g_string_append (lines, "\r\n");
  g_assert_cmpint (send (client, "", 1, 0), ==, 1);
  g_assert_cmpint (send (client, lines->str, lines->len, 0), ==, (gssize)lines->len);
  got = recv (client, answer, sizeof answer - 1, 0);
  g_assert_cmpint (got, >, 3);
  g_assert_cmpint (memcmp (answer, "OK ", 3), ==, 0);
  g_assert_cmpint (send (client, "BEGIN\r\n", 7, 0), ==, 7);
}

int
raw_client_connect (const char *path)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  const struct timeval limit = { .tv_sec = LIMIT_S };
  int client = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

  g_assert_cmpuint (g_strlcpy (address.sun_path, path, sizeof address.sun_path), <,
                    sizeof address.sun_path);
  g_assert_cmpint (setsockopt (client, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit), ==, 0);
  g_assert_cmpint (setsockopt (client, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit), ==, 0);
  g_assert_cmpint (connect (client, (struct sockaddr *)&address, sizeof address), ==, 0);
  authenticate (client);
  return client;
}

GBytes *
raw_client_call (const char *method, guint32 serial, GVariant *arguments)
{
  g_autoptr (GDBusMessage) message
      = g_dbus_message_new_method_call (NULL, BERTH_BUS_PATH, BERTH_BUS_INTERFACE, method);
  g_autoptr (GError) error = NULL;
  gsize size;
  guchar *bytes;

  if (arguments != NULL)
    g_dbus_message_set_body (message, arguments);
  g_dbus_message_set_serial (message, serial);
  bytes = g_dbus_message_to_blob (message, &size, G_DBUS_CAPABILITY_FLAGS_NONE, &error);
  g_assert_no_error (error);
  return g_bytes_new_take (bytes, size);
}

gssize
raw_client_try_send (int client, const void *bytes, gsize size, const int *fds, guint n_fds,
                     int flags)
{
  union
  {
    struct cmsghdr head;
    char bytes[CMSG_SPACE (sizeof (int) * FDS_MAX)];
  } control = { 0 };
  struct iovec vector = { (void *)bytes, size };
  struct msghdr message = { .msg_iov = &vector, .msg_iovlen = 1 };

  g_assert_cmpuint (n_fds, <=, FDS_MAX);
  if (n_fds > 0)
    {
      message.msg_control = &control;
      message.msg_controllen = CMSG_SPACE (sizeof (int) * n_fds);
      control.head.cmsg_level = SOL_SOCKET;
      control.head.cmsg_type = SCM_RIGHTS;
      control.head.cmsg_len = CMSG_LEN (sizeof (int) * n_fds);
      memcpy (CMSG_DATA (&control.head), fds, sizeof (int) * n_fds);
    }
  return sendmsg (client, &message, MSG_NOSIGNAL | flags);
}

gboolean
raw_client_send (int client, const void *bytes, gsize size, const int *fds, guint n_fds)
{
  gssize put = raw_client_try_send (client, bytes, size, fds, n_fds, 0);

  if (put <= 0)
    return FALSE;
  return (gsize)put == size
         || raw_client_send (client, (const char *)bytes + put, size - (gsize)put, NULL, 0);
}

gboolean
raw_client_send_bytes (int client, GBytes *bytes)
{
  return raw_client_send (client, g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes), NULL,
                          0);
}

GDBusMessage *
raw_client_receive (int client)
{
  guint8 head[16];
  g_autofree guint8 *bytes = NULL;
  g_autoptr (GError) error = NULL;
  GDBusMessage *message;
  gssize size;

  if (recv (client, head, sizeof head, MSG_WAITALL) != sizeof head)
    return NULL;
  size = g_dbus_message_bytes_needed (head, sizeof head, &error);
  g_assert_no_error (error);
  bytes = g_malloc ((gsize)size);
  memcpy (bytes, head, sizeof head);
  if (recv (client, bytes + sizeof head, (gsize)size - sizeof head, MSG_WAITALL)
      != size - (gssize)sizeof head)
    return NULL;
  message = g_dbus_message_new_from_blob (bytes, (gsize)size, G_DBUS_CAPABILITY_FLAGS_NONE, &error);
  g_assert_no_error (error);
  return message;
}

gboolean
raw_client_is_closed (int client)
{
  char bytes[65536];
  gssize got;

  do
    got = recv (client, bytes, sizeof bytes, 0);
  while (got > 0);
  return got == 0 || (errno != EAGAIN && errno != EWOULDBLOCK);
}
