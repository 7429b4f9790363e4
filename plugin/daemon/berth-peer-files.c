/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Put, Get and Ls: files between a sandbox and the descriptors that a client passes. No path of the
 * host is ever opened for a client. */
#include "plugin/daemon/berth-file-options.h"
#include "plugin/daemon/berth-peer-private.h"
#include "pool/berth-error.h"

static void
file_cb (GObject *source, GAsyncResult *async_result, gpointer user_data)
{
  GDBusMethodInvocation *invocation = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (BerthFileResult) result
      = berth_manager_file_finish (BERTH_MANAGER (source), async_result, &error);

  if (result == NULL)
    berth_peer_answer_error (invocation, error);
  else if (result->entries != NULL)
    g_dbus_method_invocation_return_value (
        invocation, g_variant_new ("(@aa{sv}@a{sv})", berth_file_result_entries_to_variant (result),
                                   berth_file_result_to_variant (result)));
  else
    g_dbus_method_invocation_return_value (
        invocation, g_variant_new ("(@a{sv})", berth_file_result_to_variant (result)));
}

static gboolean
handle_file (BerthPeer *self, GDBusMethodInvocation *invocation, BerthFileKind kind, const char *id,
             GVariant *path, GVariant *options)
{
  g_autoptr (GError) error = NULL;
  BerthFileRequest *request = NULL;

  if (berth_peer_check_id (id, &error))
    request = berth_file_options_parse (kind, path, options, berth_peer_find_fds (self, invocation),
                                        berth_peer_get_uid (self), &error);
  if (request == NULL)
    berth_peer_answer_error (invocation, error);
  else
    berth_manager_file_async (berth_peer_get_manager (self), id, berth_peer_get_acting_uid (self),
                              request, berth_peer_get_cancellable (self, invocation), file_cb,
                              invocation);
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

static gboolean
handle_put (BerthDBusManager *object, GDBusMethodInvocation *invocation, GUnixFDList *none,
            const char *id, GVariant *path, GVariant *options)
{
  return handle_file (BERTH_PEER (object), invocation, BERTH_FILE_PUT, id, path, options);
}

static gboolean
handle_get (BerthDBusManager *object, GDBusMethodInvocation *invocation, GUnixFDList *none,
            const char *id, GVariant *path, GVariant *options)
{
  return handle_file (BERTH_PEER (object), invocation, BERTH_FILE_GET, id, path, options);
}

static gboolean
handle_ls (BerthDBusManager *object, GDBusMethodInvocation *invocation, const char *id,
           GVariant *path, GVariant *options)
{
  return handle_file (BERTH_PEER (object), invocation, BERTH_FILE_LIST, id, path, options);
}

void
berth_peer_files_init (BerthDBusManagerIface *iface)
{
  iface->handle_put = handle_put;
  iface->handle_get = handle_get;
  iface->handle_ls = handle_ls;
}
