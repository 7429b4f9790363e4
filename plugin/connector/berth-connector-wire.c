/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Packets between berthd and its connector. */
#include "plugin/connector/berth-connector-wire.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "plugin/base/berth-closer.h"

/* As many as the kernel carries: those that have no room it closes in the reader's stead */
#define FDS_MAX 253

typedef union
{
  struct cmsghdr head; /* for its alignment */
  char bytes[CMSG_SPACE (sizeof (int) * FDS_MAX)];
} FdRoom;

static const char *
get_type (guint8 packet)
{
  switch (packet)
    {
    case BERTH_CONNECTOR_SETTINGS:
      return BERTH_CONNECTOR_SETTINGS_TYPE;
    case BERTH_CONNECTOR_DIAL:
      return BERTH_CONNECTOR_DIAL_TYPE;
    case BERTH_CONNECTOR_VERDICT:
      return BERTH_CONNECTOR_VERDICT_TYPE;
    default:
      return NULL;
    }
}

static void
add_fd (struct msghdr *message, FdRoom *room, int passed_fd)
{
  struct cmsghdr *head;

  message->msg_control = room->bytes;
  message->msg_controllen = CMSG_SPACE (sizeof passed_fd);
  head = CMSG_FIRSTHDR (message);
  head->cmsg_level = SOL_SOCKET;
  head->cmsg_type = SCM_RIGHTS;
  head->cmsg_len = CMSG_LEN (sizeof passed_fd);
  memcpy (CMSG_DATA (head), &passed_fd, sizeof passed_fd);
}

gboolean
berth_connector_wire_send (int fd, BerthConnectorPacket packet, GVariant *value, int passed_fd)
{
  g_autoptr (GVariant) owned = g_variant_ref_sink (value);
  guint8 kind = (guint8)packet;
  FdRoom room = { 0 };
  struct iovec parts[]
      = { { &kind, 1 }, { (gpointer)g_variant_get_data (owned), g_variant_get_size (owned) } };
  struct msghdr message = { .msg_iov = parts, .msg_iovlen = G_N_ELEMENTS (parts) };
  gssize sent;

  if (passed_fd >= 0)
    add_fd (&message, &room, passed_fd);
  /* whether it waits is the socket's own affair: the connector's does, berthd's never */
  do
    sent = sendmsg (fd, &message, MSG_NOSIGNAL); /* lint: caller-fd: our own pair of sockets */
  while (sent < 0 && errno == EINTR);
  return sent >= 0;
}

/* One that is kept, at most; all others are closed, which may wait for as long as they like. */
static int
take_fds (struct msghdr *message)
{
  int kept = -1;

  for (struct cmsghdr *head = CMSG_FIRSTHDR (message); head != NULL;
       head = CMSG_NXTHDR (message, head))
    {
      gsize count = (head->cmsg_len - CMSG_LEN (0)) / sizeof (int);

      for (gsize i = 0;
           head->cmsg_level == SOL_SOCKET && head->cmsg_type == SCM_RIGHTS && i < count; i++)
        {
          int fd;

          memcpy (&fd, CMSG_DATA (head) + i * sizeof fd, sizeof fd);
          if (kept < 0)
            kept = fd;
          else
            berth_closer_close (fd, BERTH_CONNECTOR_LINE);
        }
    }
  return kept;
}

/* (nullable) */
static GVariant *
parse (const guint8 *bytes, gsize size)
{
  const char *type = size > 0 ? get_type (bytes[0]) : NULL;
  g_autoptr (GBytes) copy = type != NULL ? g_bytes_new (bytes + 1, size - 1) : NULL;
  g_autoptr (GVariant) value
      = type != NULL
            ? g_variant_ref_sink (g_variant_new_from_bytes (G_VARIANT_TYPE (type), copy, FALSE))
            : NULL;

  return value != NULL && g_variant_is_normal_form (value) ? g_steal_pointer (&value) : NULL;
}

GVariant *
berth_connector_wire_receive (int fd, BerthConnectorPacket *out_packet, int *out_fd,
                              gboolean *out_is_over)
{
  g_autofree guint8 *bytes = g_malloc (BERTH_CONNECTOR_PACKET_MAX);
  FdRoom room = { 0 };
  struct iovec part = { bytes, BERTH_CONNECTOR_PACKET_MAX };
  struct msghdr message = { .msg_iov = &part,
                            .msg_iovlen = 1,
                            .msg_control = room.bytes,
                            .msg_controllen = sizeof room.bytes };
  gssize size = recvmsg (fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  GVariant *value = NULL;

  *out_fd = -1;
  *out_is_over = FALSE;
  if (size < 0 && (errno == EAGAIN || errno == EINTR))
    return NULL;
  if (size >= 0)
    *out_fd = take_fds (&message); /* an empty packet may have some, too */
  if (size > 0)
    {
      if (!(message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)))
        value = parse (bytes, (gsize)size);
      *out_packet = bytes[0];
    }
  if (value == NULL && *out_fd >= 0)
    berth_closer_close (g_steal_fd (out_fd), BERTH_CONNECTOR_LINE);
  *out_is_over = value == NULL;
  return value;
}
