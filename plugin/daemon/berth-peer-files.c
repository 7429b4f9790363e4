/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Put, Get and Ls: files between a sandbox and the descriptors that a client passes. No path of the
 * host is ever opened for a client. */
#include "plugin/daemon/berth-file-options.h"
#include "plugin/daemon/berth-peer-private.h"
#include "pool/berth-error.h"

typedef BerthFileResult *(*FinishFunc) (BerthManager *manager, GAsyncResult *result,
                                        GError **error);

/* Takes over @invocation. */
static void
answer (GObject *source, GAsyncResult *async_result, FinishFunc finish,
        GDBusMethodInvocation *invocation)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (BerthFileResult) result = finish (BERTH_MANAGER (source), async_result, &error);

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

static void
put_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  answer (source, result, berth_manager_put_finish, user_data);
}

static void
get_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  answer (source, result, berth_manager_get_finish, user_data);
}

static void
ls_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  answer (source, result, berth_manager_ls_finish, user_data);
}

/* (transfer full) (nullable): NULL when the call was answered */
static BerthFileRequest *
take_request (GDBusMethodInvocation *invocation, BerthFileKind kind, const char *id, GVariant *path,
              GVariant *options, GUnixFDList *fds)
{
  g_autoptr (GError) error = NULL;
  BerthFileRequest *request = NULL;

  if (berth_peer_check_id (id, &error))
    request = berth_file_options_parse (kind, path, options, fds, &error);
  if (request == NULL)
    berth_peer_answer_error (invocation, error);
  return request;
}

static gboolean
handle_put (BerthDBusManager *object, GDBusMethodInvocation *invocation, GUnixFDList *fds,
            const char *id, GVariant *path, GVariant *options)
{
  BerthPeer *self = BERTH_PEER (object);
  BerthFileRequest *request = take_request (invocation, BERTH_FILE_PUT, id, path, options, fds);

  if (request != NULL)
    berth_manager_put_async (berth_peer_get_manager (self), id, berth_peer_get_acting_uid (self),
                             request, berth_peer_get_cancellable (self, invocation), put_cb, invocation);
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

static gboolean
handle_get (BerthDBusManager *object, GDBusMethodInvocation *invocation, GUnixFDList *fds,
            const char *id, GVariant *path, GVariant *options)
{
  BerthPeer *self = BERTH_PEER (object);
  BerthFileRequest *request = take_request (invocation, BERTH_FILE_GET, id, path, options, fds);

  if (request != NULL)
    berth_manager_get_async (berth_peer_get_manager (self), id, berth_peer_get_acting_uid (self),
                             request, berth_peer_get_cancellable (self, invocation), get_cb, invocation);
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

static gboolean
handle_ls (BerthDBusManager *object, GDBusMethodInvocation *invocation, const char *id,
           GVariant *path, GVariant *options)
{
  BerthPeer *self = BERTH_PEER (object);
  BerthFileRequest *request = take_request (invocation, BERTH_FILE_LIST, id, path, options, NULL);

  if (request != NULL)
    berth_manager_ls_async (berth_peer_get_manager (self), id, berth_peer_get_acting_uid (self),
                            request, berth_peer_get_cancellable (self, invocation), ls_cb, invocation);
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

void
berth_peer_files_init (BerthDBusManagerIface *iface)
{
  iface->handle_put = handle_put;
  iface->handle_get = handle_get;
  iface->handle_ls = handle_ls;
}
