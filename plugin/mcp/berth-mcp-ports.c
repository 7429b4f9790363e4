/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* publish_port, list_ports and unpublish_port. A model publishes on the loopback alone: what other
 * hosts may connect to, and paths of the user's, are for the user to say (berth port). */
#include "plugin/mcp/berth-mcp-ports.h"

#define ADDRESS "127.0.0.1"

static void
published_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  BerthMcpCall *call = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) port
      = berth_client_publish_port_finish (BERTH_CLIENT (source), result, &error);

  if (port != NULL)
    berth_mcp_call_succeed (call, berth_mcp_call_make_answer (call, "published", port), NULL);
  else
    berth_mcp_call_fail (call, error);
}

void
berth_mcp_ports_publish (BerthMcpCall *call)
{
  gint64 local = berth_mcp_call_get_number (call, "local_port");
  gint64 port = berth_mcp_call_get_number (call, "port");
  g_autofree char *place
      = local != 0
            ? g_strdup_printf (ADDRESS ":%" G_GINT64_FORMAT ":%" G_GINT64_FORMAT, local, port)
            : g_strdup_printf ("%" G_GINT64_FORMAT, port);

  berth_client_publish_port_async (berth_mcp_call_get_client (call),
                                   berth_mcp_call_get_text (call, "sandbox_id"), place,
                                   berth_mcp_call_get_cancellable (call), published_cb, call);
}

static void
listed_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  BerthMcpCall *call = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) ports
      = berth_client_list_ports_finish (BERTH_CLIENT (source), result, &error);

  if (ports != NULL)
    berth_mcp_call_succeed (call, berth_mcp_call_make_answer (call, "ports", ports), NULL);
  else
    berth_mcp_call_fail (call, error);
}

void
berth_mcp_ports_list (BerthMcpCall *call)
{
  berth_client_list_ports_async (berth_mcp_call_get_client (call),
                                 berth_mcp_call_get_text (call, "sandbox_id"),
                                 berth_mcp_call_get_cancellable (call), listed_cb, call);
}

static void
unpublished_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  BerthMcpCall *call = user_data;
  g_autoptr (GError) error = NULL;

  if (berth_client_unpublish_port_finish (BERTH_CLIENT (source), result, &error))
    berth_mcp_call_succeed (
        call,
        berth_mcp_call_make_answer (
            call, "number", g_variant_new_int64 (berth_mcp_call_get_number (call, "number"))),
        NULL);
  else
    berth_mcp_call_fail (call, error);
}

void
berth_mcp_ports_unpublish (BerthMcpCall *call)
{
  berth_client_unpublish_port_async (berth_mcp_call_get_client (call),
                                     berth_mcp_call_get_text (call, "sandbox_id"),
                                     (guint)berth_mcp_call_get_number (call, "number"),
                                     berth_mcp_call_get_cancellable (call), unpublished_cb, call);
}
