/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Decides whether a name leads anywhere that a sandbox may go, and goes there. Each address of an
 * answer is looked at by itself, those of a name's other names (CNAME) with it: what is connected
 * to is an address, never a name again, so an answer that changes meanwhile changes nothing. With a
 * proxy the name is the proxy's to look up, and of addresses only one that is itself asked for is
 * looked at. */
#include "plugin/connector/berth-connector-dial.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>

#include "plugin/connector/berth-connector-own.h"
#include "plugin/connector/berth-connector-proxy.h"
#include "plugin/reach/berth-reach-address.h"

/* Of each family: an answer may have thousands, and one connection is no scan. */
#define ADDRESSES_MAX 3u

typedef struct
{
  GPtrArray *denied;
  GPtrArray *private;
  BerthReachProxy *proxy; /* (nullable) */
  char *name;
  guint16 port;
  gint64 deadline_us;
  GCancellable *attempt; /* ends what is under way */
  GSource *timer;        /* of what is under way */
  gboolean is_overdue;
  GQueue addresses;       /* GInetAddress: that are left */
  GSocket *socket;        /* (nullable) */
  BerthConnectorEnd *end; /* until it is told */
} Dial;

static void dial_next (GTask *task);

void
berth_connector_end_free (BerthConnectorEnd *self)
{
  if (self == NULL)
    return;
  g_clear_object (&self->socket);
  g_free (self->address);
  g_free (self->text);
  g_free (self);
}

static void
dial_clear_timer (Dial *self)
{
  if (self->timer == NULL)
    return;
  g_source_destroy (self->timer);
  g_clear_pointer (&self->timer, g_source_unref);
}

static void
dial_free (gpointer data)
{
  Dial *self = data;

  dial_clear_timer (self);
  g_clear_object (&self->attempt);
  g_ptr_array_unref (self->denied);
  g_ptr_array_unref (self->private);
  berth_reach_proxy_free (self->proxy);
  g_free (self->name);
  g_queue_clear_full (&self->addresses, g_object_unref);
  g_clear_object (&self->socket);
  berth_connector_end_free (self->end);
  g_free (self);
}

/* ---- addresses ---- */

static void
dial_add (Dial *self, GInetAddress *address)
{
  GSocketFamily family = g_inet_address_get_family (address);
  guint same = 0;

  for (GList *link = self->addresses.head; link != NULL; link = link->next)
    same += g_inet_address_get_family (link->data) == family;
  if (same < ADDRESSES_MAX)
    g_queue_push_tail (&self->addresses, g_object_ref (address));
}

/* Keeps those that may be connected to; what is wrong with the first other one is its end's words.
 */
static void
dial_check (Dial *self, GList *addresses)
{
  g_autoptr (GPtrArray) own = berth_connector_own_list ();

  if (own == NULL)
    {
      self->end->verdict = BERTH_CONNECTOR_FAILED;
      self->end->text = g_strdup ("which addresses are this host's own is not to be had");
      return;
    }
  for (GList *link = addresses; link != NULL; link = link->next)
    {
      g_autofree char *problem
          = berth_reach_address_dup_problem (link->data, self->denied, self->private, own);

      if (problem == NULL)
        dial_add (self, link->data);
      else if (self->end->text == NULL)
        {
          self->end->address = g_inet_address_to_string (link->data);
          self->end->text = g_steal_pointer (&problem);
        }
    }
}

/* ---- the end ---- */

static BerthConnectorVerdict
verdict_of (const Dial *self, const GError *error)
{
  static const struct
  {
    int code;
    BerthConnectorVerdict verdict;
  } of_io[] = {
    { G_IO_ERROR_CONNECTION_REFUSED, BERTH_CONNECTOR_REFUSED },
    { G_IO_ERROR_NETWORK_UNREACHABLE, BERTH_CONNECTOR_UNREACHABLE },
    { G_IO_ERROR_HOST_UNREACHABLE, BERTH_CONNECTOR_UNREACHABLE },
    { G_IO_ERROR_TIMED_OUT, BERTH_CONNECTOR_TIMED_OUT },
    { G_IO_ERROR_PROXY_NOT_ALLOWED, BERTH_CONNECTOR_DENIED },
  };

  if (self->is_overdue)
    return BERTH_CONNECTOR_TIMED_OUT;
  if (g_error_matches (error, G_RESOLVER_ERROR, G_RESOLVER_ERROR_NOT_FOUND))
    return BERTH_CONNECTOR_NO_NAME;
  for (guint i = 0; error->domain == G_IO_ERROR && i < G_N_ELEMENTS (of_io); i++)
    if (error->code == of_io[i].code)
      return of_io[i].verdict;
  return BERTH_CONNECTOR_FAILED;
}

static void
dial_return (GTask *task)
{
  Dial *self = g_task_get_task_data (task);

  dial_clear_timer (self);
  g_task_return_pointer (task, g_steal_pointer (&self->end),
                         (GDestroyNotify)berth_connector_end_free);
}

static void
dial_note (Dial *self, const GError *error)
{
  self->end->verdict = verdict_of (self, error);
  g_free (self->end->text);
  self->end->text = g_strdup (self->is_overdue ? "no answer in time" : error->message);
}

/* ---- time ---- */

static gboolean
overdue_cb (gpointer user_data)
{
  Dial *self = user_data;

  g_clear_pointer (&self->timer, g_source_unref);
  self->is_overdue = TRUE;
  g_cancellable_cancel (self->attempt);
  return G_SOURCE_REMOVE;
}

/* What begins now has @part of what is left of the time. */
static void
dial_begin_attempt (Dial *self, guint part)
{
  gint64 left_ms = MAX ((self->deadline_us - g_get_monotonic_time ()) / 1000, 0);

  dial_clear_timer (self);
  g_clear_object (&self->attempt);
  self->attempt = g_cancellable_new ();
  self->is_overdue = FALSE;
  self->timer = g_timeout_source_new ((guint)(left_ms / part));
  g_source_set_callback (self->timer, overdue_cb, self, NULL);
  g_source_attach (self->timer, g_main_context_get_thread_default ());
}

/* ---- steps ---- */

static void
dial_succeed (GTask *task)
{
  Dial *self = g_task_get_task_data (task);

  g_socket_set_option (self->socket, IPPROTO_TCP, TCP_NODELAY, 1, NULL);
  g_socket_set_keepalive (self->socket, TRUE);
  self->end->socket = g_steal_pointer (&self->socket);
  self->end->verdict = BERTH_CONNECTOR_CONNECTED;
  g_clear_pointer (&self->end->text, g_free);
  dial_return (task);
}

/* Another address of the proxy would say the same. */
static void
asked_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  Dial *self = g_task_get_task_data (task);
  g_autoptr (GError) error = NULL;

  if (berth_connector_proxy_ask_finish (result, &error))
    {
      dial_succeed (task);
      return;
    }
  dial_note (self, error);
  dial_return (task);
}

static void
connected_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  Dial *self = g_task_get_task_data (task);
  g_autoptr (GError) error = NULL;

  if (!g_socket_connection_connect_finish (G_SOCKET_CONNECTION (source), result, &error))
    {
      g_clear_object (&self->socket);
      dial_note (self, error);
      dial_next (task);
      return;
    }
  if (self->proxy == NULL)
    {
      dial_succeed (task);
      return;
    }
  dial_begin_attempt (self, 1);
  berth_connector_proxy_ask_async (self->proxy, G_SOCKET_CONNECTION (source), self->name,
                                   self->port, self->attempt, asked_cb, g_steal_pointer (&task));
}

/* FALSE: there is no socket for such an address */
static gboolean
dial_try (GTask *task, GInetAddress *address)
{
  Dial *self = g_task_get_task_data (task);
  g_autoptr (GError) error = NULL;
  g_autoptr (GSocketAddress) to
      = g_inet_socket_address_new (address, self->proxy != NULL ? self->proxy->port : self->port);
  g_autoptr (GSocketConnection) connection = NULL;

  g_free (self->end->address);
  self->end->address = g_inet_address_to_string (address);
  self->socket = g_socket_new (g_inet_address_get_family (address), G_SOCKET_TYPE_STREAM,
                               G_SOCKET_PROTOCOL_TCP, &error);
  if (self->socket == NULL)
    {
      dial_note (self, error);
      return FALSE;
    }
  connection = g_socket_connection_factory_create_connection (self->socket);
  dial_begin_attempt (self, 1 + g_queue_get_length (&self->addresses));
  g_socket_connection_connect_async (connection, to, self->attempt, connected_cb,
                                     g_object_ref (task));
  return TRUE;
}

static void
dial_next (GTask *task)
{
  Dial *self = g_task_get_task_data (task);

  while (!g_queue_is_empty (&self->addresses))
    {
      g_autoptr (GInetAddress) address = g_queue_pop_head (&self->addresses);

      if (dial_try (task, address))
        return;
    }
  dial_return (task);
}

static void
looked_up_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  Dial *self = g_task_get_task_data (task);
  g_autoptr (GError) error = NULL;
  g_autolist (GInetAddress) addresses = berth_connector_names_look_up_finish (result, &error);

  dial_clear_timer (self);
  if (addresses == NULL)
    {
      dial_note (self, error);
      dial_return (task);
      return;
    }
  self->end->verdict = BERTH_CONNECTOR_DENIED;
  if (self->proxy == NULL)
    dial_check (self, addresses);
  for (GList *link = self->proxy != NULL ? addresses : NULL; link != NULL; link = link->next)
    dial_add (self, link->data);
  dial_next (task);
}

/* FALSE: it is an address that is not asked of a proxy either. */
static gboolean
dial_may_ask (Dial *self)
{
  GInetAddress *address = g_inet_address_new_from_string (self->name);
  g_autolist (GInetAddress) alone = address != NULL ? g_list_append (NULL, address) : NULL;

  if (alone == NULL)
    return TRUE;
  dial_check (self, alone);
  if (g_queue_is_empty (&self->addresses))
    {
      if (self->end->address != NULL)
        self->end->verdict = BERTH_CONNECTOR_DENIED;
      return FALSE;
    }
  g_queue_clear_full (&self->addresses, g_object_unref);
  return TRUE;
}

void
berth_connector_dial_async (const BerthConnectorLimits *limits, BerthConnectorNames *names,
                            const BerthConnectorAsker *asker, const char *name, guint16 port,
                            GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (NULL, NULL, callback, user_data);
  Dial *self = g_new0 (Dial, 1);

  g_task_set_source_tag (task, berth_connector_dial_async);
  self->denied = g_ptr_array_ref (limits->denied);
  self->private = g_ptr_array_ref (limits->private);
  self->proxy = limits->proxy;
  self->name = g_strdup (name);
  self->port = port;
  self->deadline_us = g_get_monotonic_time () + limits->connect_ms * G_GINT64_CONSTANT (1000);
  g_queue_init (&self->addresses);
  self->end = g_new0 (BerthConnectorEnd, 1);
  self->end->verdict = BERTH_CONNECTOR_FAILED;
  g_task_set_task_data (task, self, dial_free);
  if (self->proxy != NULL && !dial_may_ask (self))
    {
      dial_return (task);
      return;
    }
  dial_begin_attempt (self, 1);
  berth_connector_names_look_up_async (names, self->proxy != NULL ? self->proxy->host : name, asker,
                                       self->attempt, looked_up_cb, g_steal_pointer (&task));
}

BerthConnectorEnd *
berth_connector_dial_finish (GAsyncResult *result)
{
  return g_task_propagate_pointer (G_TASK (result), NULL);
}
