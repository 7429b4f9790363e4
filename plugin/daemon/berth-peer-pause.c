/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Pause, Resume and Hibernate. */
#include "plugin/daemon/berth-peer-private.h"

static void
done_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GDBusMethodInvocation *invocation = user_data;
  g_autoptr (GError) error = NULL;

  if (berth_manager_set_paused_finish (BERTH_MANAGER (source), result, &error))
    g_dbus_method_invocation_return_value (invocation, NULL);
  else
    berth_peer_answer_error (invocation, error);
}

static gboolean
set_paused (BerthPeer *self, GDBusMethodInvocation *invocation, const char *id, gboolean is_paused)
{
  g_autoptr (GError) error = NULL;

  if (berth_peer_check_id (id, &error))
    berth_manager_set_paused_async (
        berth_peer_get_manager (self), id, berth_peer_get_acting_uid (self), is_paused,
        berth_peer_get_cancellable (self, invocation), done_cb, invocation);
  else
    berth_peer_answer_error (invocation, error);
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

static gboolean
handle_pause (BerthDBusManager *object, GDBusMethodInvocation *invocation, const char *id)
{
  return set_paused (BERTH_PEER (object), invocation, id, TRUE);
}

static gboolean
handle_resume (BerthDBusManager *object, GDBusMethodInvocation *invocation, const char *id)
{
  return set_paused (BERTH_PEER (object), invocation, id, FALSE);
}

static void
hibernated_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GDBusMethodInvocation *invocation = user_data;
  g_autoptr (GError) error = NULL;

  if (berth_manager_hibernate_finish (BERTH_MANAGER (source), result, &error))
    g_dbus_method_invocation_return_value (invocation, NULL);
  else
    berth_peer_answer_error (invocation, error);
}

static gboolean
handle_hibernate (BerthDBusManager *object, GDBusMethodInvocation *invocation, const char *id)
{
  BerthPeer *self = BERTH_PEER (object);
  g_autoptr (GError) error = NULL;

  if (berth_peer_check_id (id, &error))
    berth_manager_hibernate_async (
        berth_peer_get_manager (self), id, berth_peer_get_acting_uid (self),
        berth_peer_get_cancellable (self, invocation), hibernated_cb, invocation);
  else
    berth_peer_answer_error (invocation, error);
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

void
berth_peer_pause_init (BerthDBusManagerIface *iface)
{
  iface->handle_pause = handle_pause;
  iface->handle_resume = handle_resume;
  iface->handle_hibernate = handle_hibernate;
}
