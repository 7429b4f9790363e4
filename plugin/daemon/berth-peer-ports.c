/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* AddPort, Ports and RemovePort. The listening socket is the caller's own: berthd, which may bind
 * what others may not, binds nothing. */
#include "plugin/base/berth-caller-fd.h"
#include "plugin/daemon/berth-peer-private.h"
#include "pool/berth-error.h"

static int
take_listener (BerthPeer *self, GDBusMethodInvocation *invocation, GVariant *handle, GError **error)
{
  int given = berth_caller_fds_get (berth_peer_find_fds (self, invocation),
                                    g_variant_get_handle (handle), error);

  return given >= 0 ? berth_caller_fd_take_listener (given, berth_peer_get_uid (self), error) : -1;
}

static gboolean
handle_add_port (BerthDBusManager *object, GDBusMethodInvocation *invocation, GUnixFDList *none,
                 const char *id, GVariant *handle, guint port)
{
  BerthPeer *self = BERTH_PEER (object);
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) info = NULL;
  int listener
      = berth_peer_check_id (id, &error) ? take_listener (self, invocation, handle, &error) : -1;

  if (listener >= 0)
    info = berth_manager_add_port (berth_peer_get_manager (self), id,
                                   berth_peer_get_acting_uid (self), listener, port, &error);
  if (info == NULL)
    berth_peer_answer_error (invocation, error);
  else
    g_dbus_method_invocation_return_value (invocation, g_variant_new ("(@a{sv})", info));
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

static gboolean
handle_ports (BerthDBusManager *object, GDBusMethodInvocation *invocation, const char *id)
{
  BerthPeer *self = BERTH_PEER (object);
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) ports = NULL;

  if (berth_peer_check_id (id, &error))
    ports = berth_manager_dup_ports (berth_peer_get_manager (self), id,
                                     berth_peer_get_acting_uid (self), &error);
  if (ports == NULL)
    berth_peer_answer_error (invocation, error);
  else
    g_dbus_method_invocation_return_value (invocation, g_variant_new ("(@aa{sv})", ports));
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

static gboolean
handle_remove_port (BerthDBusManager *object, GDBusMethodInvocation *invocation, const char *id,
                    guint number)
{
  BerthPeer *self = BERTH_PEER (object);
  g_autoptr (GError) error = NULL;

  if (berth_peer_check_id (id, &error)
      && berth_manager_remove_port (berth_peer_get_manager (self), id,
                                    berth_peer_get_acting_uid (self), number, &error))
    g_dbus_method_invocation_return_value (invocation, NULL);
  else
    berth_peer_answer_error (invocation, error);
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

void
berth_peer_ports_init (BerthDBusManagerIface *iface)
{
  iface->handle_add_port = handle_add_port;
  iface->handle_ports = handle_ports;
  iface->handle_remove_port = handle_remove_port;
}
