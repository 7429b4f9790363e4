/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Any bytes as a packet between berthd and its connector: it is none, or one of its kind in normal
 * form, which says the same when it is sent again. */
#include <sys/socket.h>
#include <unistd.h>

#include "plugin/connector/berth-connector-wire.h"

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  static const char *const types[] = { NULL, BERTH_CONNECTOR_SETTINGS_TYPE,
                                       BERTH_CONNECTOR_DIAL_TYPE, BERTH_CONNECTOR_VERDICT_TYPE };
  BerthConnectorPacket packet = 0;
  g_autoptr (GVariant) value = NULL;
  g_autoptr (GVariant) again = NULL;
  gboolean is_over;
  int passed_fd;
  int fds[2];

  if (size == 0 || size > BERTH_CONNECTOR_PACKET_MAX)
    return 0;
  g_assert_cmpint (socketpair (AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, fds), ==, 0);
  g_assert_cmpint (send (fds[0], data, size, 0), ==, (gssize)size);
  value = berth_connector_wire_receive (fds[1], &packet, &passed_fd, &is_over);
  g_assert_cmpint (passed_fd, ==, -1);
  g_assert_true (is_over == (value == NULL));
  if (value != NULL)
    {
      g_assert_cmpint (packet, ==, data[0]);
      g_assert_true (g_variant_is_of_type (value, G_VARIANT_TYPE (types[packet])));
      g_assert_true (berth_connector_wire_send (fds[0], packet, value, -1));
      again = berth_connector_wire_receive (fds[1], &packet, &passed_fd, &is_over);
      g_assert_true (again != NULL && g_variant_equal (value, again));
    }
  close (fds[0]);
  close (fds[1]);
  return 0;
}
