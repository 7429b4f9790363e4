/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Any bytes as an answer of DHCP to who they say that they are for: what is believed is an address
 * that a host can have. */
#include <glib.h>

#include "agent-dhcp.h"

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  g_autofree guint8 *bytes = g_memdup2 (data, size);
  BerthAgentDhcpKind kind;
  BerthAgentLease lease;
  guint32 number;

  if (size < 34)
    {
      g_assert_false (berth_agent_dhcp_read (bytes, size, bytes, 0, &kind, &lease));
      return 0;
    }
  number = (guint32)bytes[4] << 24 | (guint32)bytes[5] << 16 | (guint32)bytes[6] << 8 | bytes[7];
  if (!berth_agent_dhcp_read (bytes, size, bytes + 28, number, &kind, &lease))
    return 0;
  g_assert_true (
      kind == BERTH_AGENT_DHCP_NAK
      || (lease.address >> 24 != 0 && lease.address >> 24 != 127 && lease.address < 0xe0000000u));
  g_assert_cmpuint (lease.seconds, >, 0);
  g_assert_cmpuint (lease.netmask, >, 0);
  return 0;
}
