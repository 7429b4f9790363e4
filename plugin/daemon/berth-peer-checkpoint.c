/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Checkpoints of sandboxes, and the way back to one. */
#include "plugin/daemon/berth-peer-private.h"
#include "pool/berth-error.h"

static void
kept_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GDBusMethodInvocation *invocation = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) info
      = berth_manager_checkpoint_finish (BERTH_MANAGER (source), result, &error);

  if (info != NULL)
    g_dbus_method_invocation_return_value (invocation, g_variant_new ("(@a{sv})", info));
  else
    berth_peer_answer_error (invocation, error);
}

static gboolean
handle_checkpoint (BerthDBusManager *object, GDBusMethodInvocation *invocation, const char *id,
                   const char *name)
{
  BerthPeer *self = BERTH_PEER (object);
  g_autoptr (GError) error = NULL;

  if (berth_peer_check_id (id, &error))
    berth_manager_checkpoint_async (
        berth_peer_get_manager (self), id, berth_peer_get_acting_uid (self), name,
        berth_peer_get_cancellable (self, invocation), kept_cb, invocation);
  else
    berth_peer_answer_error (invocation, error);
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

static gboolean
handle_checkpoints (BerthDBusManager *object, GDBusMethodInvocation *invocation, const char *id)
{
  BerthPeer *self = BERTH_PEER (object);
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) all = NULL;

  if (*id != '\0' && !berth_peer_check_id (id, &error))
    {
      berth_peer_answer_error (invocation, error);
      return G_DBUS_METHOD_INVOCATION_HANDLED;
    }
  all = berth_manager_dup_checkpoints (berth_peer_get_manager (self), *id != '\0' ? id : NULL,
                                       berth_peer_get_acting_uid (self));
  g_dbus_method_invocation_return_value (invocation, g_variant_new ("(@aa{sv})", all));
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

static void
done_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GDBusMethodInvocation *invocation = user_data;
  g_autoptr (GError) error = NULL;

  if (berth_manager_rollback_finish (BERTH_MANAGER (source), result, &error))
    g_dbus_method_invocation_return_value (invocation, NULL);
  else
    berth_peer_answer_error (invocation, error);
}

static gboolean
handle_remove_checkpoint (BerthDBusManager *object, GDBusMethodInvocation *invocation,
                          const char *id, const char *name)
{
  BerthPeer *self = BERTH_PEER (object);
  g_autoptr (GError) error = NULL;

  if (berth_peer_check_id (id, &error))
    berth_manager_remove_checkpoint_async (
        berth_peer_get_manager (self), id, berth_peer_get_acting_uid (self), name,
        berth_peer_get_cancellable (self, invocation), done_cb, invocation);
  else
    berth_peer_answer_error (invocation, error);
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

static gboolean
read_options (GVariant *dictionary, gint64 *out_wait_us, GError **error)
{
  GVariantIter iter;
  const char *key;
  GVariant *next;

  g_variant_iter_init (&iter, dictionary);
  while (g_variant_iter_next (&iter, "{&sv}", &key, &next))
    {
      g_autoptr (GVariant) value = next;

      if (!g_str_equal (key, "wait_ms"))
        {
          g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID, "\"%.64s\" is unknown", key);
          return FALSE;
        }
      if (!berth_peer_read_wait (value, out_wait_us, error))
        return FALSE;
    }
  return TRUE;
}

static gboolean
handle_rollback (BerthDBusManager *object, GDBusMethodInvocation *invocation, const char *id,
                 const char *name, GVariant *options)
{
  BerthPeer *self = BERTH_PEER (object);
  gint64 wait_us = berth_peer_get_default_wait_us (self);
  g_autoptr (GError) error = NULL;

  if (berth_peer_check_id (id, &error) && read_options (options, &wait_us, &error))
    berth_manager_rollback_async (
        berth_peer_get_manager (self), id, berth_peer_get_acting_uid (self), name, wait_us,
        berth_peer_get_cancellable (self, invocation), done_cb, invocation);
  else
    berth_peer_answer_error (invocation, error);
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

void
berth_peer_checkpoint_init (BerthDBusManagerIface *iface)
{
  iface->handle_checkpoint = handle_checkpoint;
  iface->handle_checkpoints = handle_checkpoints;
  iface->handle_remove_checkpoint = handle_remove_checkpoint;
  iface->handle_rollback = handle_rollback;
}
