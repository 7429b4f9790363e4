/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* berthd's parts put together in a program of somebody else's: the same socket, lock and service,
 * so that such a program is to libvirt, to administrators and to clients what a berthd is. */
#include "plugin/server/berth-server.h"

#include <string.h>

#include "plugin/daemon/berth-listener.h"
#include "plugin/daemon/berth-service.h"
#include "plugin/bus/berth-bus-names.h"
#include "plugin/libberth/berth-client-private.h"
#include "plugin/base/berth-wait.h"
#include "plugin/manager/berth-manager.h"
#include "pool/berth-error.h"

/* How long clients may take to read their last answers */
#define DRAIN_LIMIT_MS 2000
#define DRAIN_STEP_MS 5

/**
 * BerthServer:
 *
 * What berthd does, inside this process: a program that embeds it needs no daemon.
 *
 * It lives on the default main context ([func@GLib.MainContext.default]), which has to run for as
 * long as there is a sandbox; any thread may run it. It listens on a socket of its own, so that
 * `berth --socket PATH list` shows what the program does. Two servers, or a server and a berthd,
 * never share a socket; each sees only its own VMs.
 *
 * Sandboxes end with [method@Server.stop]. A process that dies without it leaves VMs behind, which
 * the next server (or berthd) with the same socket path clears away when it starts.
 *
 * ```c
 * const char *settings[] = { "socket=/run/user/1000/judge/berth.sock", "max_vms=4", NULL };
 * g_autoptr(BerthServer) server = berth_server_new (settings, &error);
 *
 * if (server != NULL && berth_server_start (server, NULL, &error))
 *   result = berth_client_run (berth_server_get_client (server), NULL, program, NULL, &error);
 * ```
 */
struct _BerthServer
{
  GObject parent_instance;
  BerthConfig *config; /* until a manager has it */
  BerthClient *client;
  gint64 wait_timeout_s;
  /* of the default main context's thread alone: */
  BerthListener *listener;
  BerthManager *manager;
  BerthService *service;
  guint n_drain_steps;
};

G_DEFINE_FINAL_TYPE (BerthServer, berth_server, G_TYPE_OBJECT)

static void
close_all (BerthServer *self)
{
  if (self->service != NULL)
    {
      berth_service_close (self->service);
      berth_service_drain (self->service);
    }
  if (self->listener != NULL)
    berth_listener_close (self->listener);
  g_clear_object (&self->service);
  g_clear_object (&self->listener);
  g_clear_object (&self->manager);
}

static void
berth_server_dispose (GObject *object)
{
  BerthServer *self = BERTH_SERVER (object);

  close_all (self);
  g_clear_object (&self->client);
  g_clear_pointer (&self->config, berth_config_free);
  G_OBJECT_CLASS (berth_server_parent_class)->dispose (object);
}

static void
berth_server_class_init (BerthServerClass *klass)
{
  G_OBJECT_CLASS (klass)->dispose = berth_server_dispose;
}

static void
berth_server_init (BerthServer *self)
{
}

static gboolean
apply_setting (BerthConfig *config, const char *setting, GError **error)
{
  const char *equals = strchr (setting, '=');
  g_autofree char *key = g_strndup (setting, equals != NULL ? (gsize)(equals - setting) : 0);
  g_autofree char *origin = g_strdup_printf ("setting %.60s", key);

  if (equals != NULL)
    return berth_config_set (config, key, equals + 1, origin, error);
  g_set_error (error, BERTH_ERROR, BERTH_ERROR_CONFIG, "'%.60s' is not KEY=VALUE", setting);
  return FALSE;
}

/**
 * berth_server_new:
 * @settings: (nullable) (array zero-terminated=1): "KEY=VALUE" each, by the names in berth.conf;
 *   `berthd --print-config` prints them all. Give "socket", a path of the program's own: without
 *   it the server takes the place of this user's berthd. "socket_group" is nobody's unless given
 *
 * berth.conf itself is not read.
 *
 * Returns: (transfer full): a server that does nothing yet; %NULL with %BERTH_ERROR_CONFIG and the
 *   setting that is wrong
 */
BerthServer *
berth_server_new (const char *const *settings, GError **error)
{
  g_autoptr (BerthConfig) config = berth_config_new ();
  BerthServer *self;

  if (!berth_config_set (config, "socket_group", "", "socket_group", error))
    return NULL;
  for (guint i = 0; settings != NULL && settings[i] != NULL; i++)
    if (!apply_setting (config, settings[i], error))
      return NULL;
  self = g_object_new (BERTH_TYPE_SERVER, NULL);
  self->client = berth_client_new_here (config->socket);
  self->wait_timeout_s = config->wait_timeout_s;
  self->config = g_steal_pointer (&config);
  return self;
}

/**
 * berth_server_get_client:
 * @self: a server
 *
 * Its calls that wait run the default main context where no other thread does, so a program
 * without a main loop can use them.
 *
 * Returns: (transfer none): a client of @self
 */
BerthClient *
berth_server_get_client (BerthServer *self)
{
  g_return_val_if_fail (BERTH_IS_SERVER (self), NULL);

  return self->client;
}

/* Runs @func with @task on the default main context, whichever thread that is. */
static void
call_there (GTask *task, GSourceFunc func)
{
  g_autoptr (GSource) source = g_idle_source_new ();

  g_source_set_priority (source, G_PRIORITY_DEFAULT);
  g_source_set_callback (source, func, task, NULL);
  g_source_attach (source, g_main_context_default ());
}

static void
started_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  BerthServer *self = g_task_get_source_object (task);
  GError *error = NULL;
  GSocket *socket = NULL;

  if (berth_manager_start_finish (BERTH_MANAGER (source), result, &error))
    socket = berth_listener_listen (self->listener, &error);
  if (socket != NULL && berth_service_open (self->service, socket, &error))
    {
      g_task_return_boolean (task, TRUE);
      return;
    }
  close_all (self);
  g_task_return_error (task, error);
}

static gboolean
start_there_cb (gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  BerthServer *self = g_task_get_source_object (task);
  GCancellable *cancellable;
  GError *error = NULL;
  g_autoptr (BerthHost) host = NULL;

  if (self->config == NULL)
    {
      g_task_return_new_error (task, BERTH_ERROR, BERTH_ERROR_INVALID,
                               "this server was started before: make a new one");
      return G_SOURCE_REMOVE;
    }
  berth_bus_register_errors ();
  self->listener = berth_listener_new (self->config->socket, self->config->socket_group);
  if (!berth_listener_claim (self->listener, &error))
    {
      g_clear_object (&self->listener);
      g_task_return_error (task, error);
      return G_SOURCE_REMOVE;
    }
  host = berth_host_new (self->config);
  self->manager = berth_manager_new (g_steal_pointer (&self->config), host);
  self->service = berth_service_new (self->manager, self->wait_timeout_s);
  cancellable = g_task_get_cancellable (task);
  berth_manager_start_async (self->manager, cancellable, started_cb, g_steal_pointer (&task));
  return G_SOURCE_REMOVE;
}

/**
 * berth_server_start_async:
 * @self: a server that was not started
 * @cancellable: (nullable): gives up
 * @callback: (scope async): gets the answer
 * @user_data: for @callback
 *
 * Connects to libvirt, loads templates, clears away what an earlier life of the same socket left
 * behind, and serves from then on; an image is looked for by each program that boots. Any thread,
 * while one runs the default main context.
 *
 * Fails with %BERTH_ERROR_CONFIG where a setting or every template is not usable or somebody
 * else has the socket, and with %BERTH_ERROR_UNAVAILABLE where libvirt does not answer.
 */
void
berth_server_start_async (BerthServer *self, GCancellable *cancellable,
                          GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task;

  g_return_if_fail (BERTH_IS_SERVER (self));

  task = g_task_new (self, cancellable, callback, user_data);
  g_task_set_source_tag (task, berth_server_start_async);
  g_task_set_check_cancellable (task, FALSE);
  call_there (task, start_there_cb);
}

/**
 * berth_server_start_finish:
 * @self: a server
 * @result: what the callback got
 *
 * Ends the call in its callback.
 *
 * Returns: %TRUE; %FALSE with @error
 */
gboolean
berth_server_start_finish (BerthServer *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);

  return g_task_propagate_boolean (G_TASK (result), error);
}

/**
 * berth_server_start:
 * @self: a server that was not started
 * @cancellable: (nullable): gives up
 *
 * As [method@Server.start_async], waiting; runs the default main context where no other thread
 * does.
 *
 * Returns: %TRUE; %FALSE with @error
 */
gboolean
berth_server_start (BerthServer *self, GCancellable *cancellable, GError **error)
{
  g_autoptr (GAsyncResult) result = NULL;
  BerthWait wait;

  g_return_val_if_fail (BERTH_IS_SERVER (self), FALSE);

  berth_wait_begin (&wait, TRUE);
  berth_server_start_async (self, cancellable, berth_wait_cb, &wait);
  result = berth_wait_end (&wait);
  return berth_server_start_finish (self, result, error);
}

/* A client that reads slowly may delay the end a little, not for ever. */
static gboolean
drain_cb (gpointer user_data)
{
  GTask *task = user_data;
  BerthServer *self = g_task_get_source_object (task);

  if (self->service != NULL && berth_service_get_n_peers (self->service) > 0
      && ++self->n_drain_steps < DRAIN_LIMIT_MS / DRAIN_STEP_MS)
    return G_SOURCE_CONTINUE;
  close_all (self);
  g_task_return_boolean (task, TRUE);
  return G_SOURCE_REMOVE;
}

static void
shut_down_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  BerthServer *self = g_task_get_source_object (task);
  GError *error = NULL;

  if (!berth_manager_shutdown_finish (BERTH_MANAGER (source), result, &error))
    {
      close_all (self);
      g_task_return_error (task, error);
      return;
    }
  if (self->service != NULL)
    berth_service_drain (self->service);
  g_timeout_add_full (G_PRIORITY_DEFAULT, DRAIN_STEP_MS, drain_cb, g_steal_pointer (&task),
                      g_object_unref);
}

static gboolean
stop_there_cb (gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  BerthServer *self = g_task_get_source_object (task);
  GCancellable *cancellable;

  if (self->manager == NULL)
    {
      g_task_return_boolean (task, TRUE);
      return G_SOURCE_REMOVE;
    }
  if (self->service != NULL)
    berth_service_close (self->service);
  cancellable = g_task_get_cancellable (task);
  berth_manager_shutdown_async (self->manager, cancellable, shut_down_cb, g_steal_pointer (&task));
  return G_SOURCE_REMOVE;
}

/**
 * berth_server_stop_async:
 * @self: a server
 * @cancellable: (nullable): ends the wait
 * @callback: (scope async): gets the answer
 * @user_data: for @callback
 *
 * Ends every wait and every VM, and gives up the socket. Any thread, while one runs the default
 * main context. A server is stopped after its start was answered, and is not started again.
 */
void
berth_server_stop_async (BerthServer *self, GCancellable *cancellable, GAsyncReadyCallback callback,
                         gpointer user_data)
{
  GTask *task;

  g_return_if_fail (BERTH_IS_SERVER (self));

  task = g_task_new (self, cancellable, callback, user_data);
  g_task_set_source_tag (task, berth_server_stop_async);
  call_there (task, stop_there_cb);
}

/**
 * berth_server_stop_finish:
 * @self: a server
 * @result: what the callback got
 *
 * Ends the call in its callback.
 *
 * Returns: %TRUE when nothing is left; %FALSE with @error
 */
gboolean
berth_server_stop_finish (BerthServer *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);

  return g_task_propagate_boolean (G_TASK (result), error);
}

/**
 * berth_server_stop:
 * @self: a server
 * @cancellable: (nullable): ends the wait
 *
 * As [method@Server.stop_async], waiting; runs the default main context where no other thread does.
 *
 * Returns: %TRUE when nothing is left; %FALSE with @error
 */
gboolean
berth_server_stop (BerthServer *self, GCancellable *cancellable, GError **error)
{
  g_autoptr (GAsyncResult) result = NULL;
  BerthWait wait;

  g_return_val_if_fail (BERTH_IS_SERVER (self), FALSE);

  berth_wait_begin (&wait, TRUE);
  berth_server_stop_async (self, cancellable, berth_wait_cb, &wait);
  result = berth_wait_end (&wait);
  return berth_server_stop_finish (self, result, error);
}
