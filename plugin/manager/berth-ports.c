/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Decides who gets through a published port, and counts what became of them. */
#include "plugin/base/berth-caller-fd.h"
#include "plugin/manager/berth-ports.h"

#include <sys/socket.h>
#include <unistd.h>

#include "plugin/base/berth-closer.h"
#include "plugin/base/berth-event.h"
#include "plugin/manager/berth-port-door.h"
#include "plugin/model/berth-limits.h"
#include "plugin/model/berth-port.h"
#include "pool/berth-error.h"

#define NAME_PREFIX "port."
#define LOOK_EVERY_US G_USEC_PER_SEC

struct _BerthPorts
{
  BerthHost *host;
  BerthMetrics *metrics;
  const BerthConfig *config;
  GPtrArray *all;    /* Port (owned) */
  guint look_id;     /* while anybody is connected */
  GHashTable *paces; /* uid -> BerthPortPace (owned), of all that ever published */
  guint last_number;
  BerthPortKeeper keeper;
  gpointer keeper_data;
};

typedef struct
{
  grefcount ref_count; /* of the table's, and one for each connection */
  BerthPorts *all;     /* NULL: it is not published any more */
  BerthSandbox *sandbox;
  BerthPortDoor *door; /* NULL likewise */
  GPtrArray *visits;   /* Visit (borrowed) */
  guint number;
  guint port;
  char *address;
  char *name; /* that the keeper has it by */
  guint64 total;
  guint64 refused;
  guint64 sent_bytes;
  guint64 received_bytes;
  char *last; /* (nullable): how the last one ended */
} Port;

/* A connection */
typedef struct
{
  Port *port; /* owned */
  int fd;     /* until it is linked */
  GCancellable *cancellable;
  BerthLinkMeter *meter;
  guint64 bytes;    /* that were seen to be carried */
  gint64 moved_us;  /* when there were more; 0: it is not linked yet */
  gboolean is_idle; /* that is why it ends */
} Visit;

static void
port_unref (Port *self)
{
  if (!g_ref_count_dec (&self->ref_count))
    return;
  g_object_unref (self->sandbox);
  g_ptr_array_unref (self->visits);
  g_free (self->address);
  g_free (self->name);
  g_free (self->last);
  g_free (self);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Port, port_unref)

static void
port_close (Port *self, gboolean is_shut)
{
  self->all = NULL;
  berth_port_door_free (g_steal_pointer (&self->door), is_shut);
  /* from the end: one that ends at once leaves the list */
  for (guint i = self->visits->len; i-- > 0;)
    g_cancellable_cancel (((Visit *)self->visits->pdata[i])->cancellable);
}

BerthPorts *
berth_ports_new (BerthHost *host, const BerthConfig *config, BerthMetrics *metrics)
{
  BerthPorts *self = g_new0 (BerthPorts, 1);

  self->host = host;
  self->config = config;
  self->metrics = metrics;
  self->all = g_ptr_array_new ();
  self->paces = g_hash_table_new_full (NULL, NULL, NULL, (GDestroyNotify)berth_port_pace_unref);
  return self;
}

void
berth_ports_free (BerthPorts *self)
{
  if (self == NULL)
    return;
  g_clear_handle_id (&self->look_id, g_source_remove);
  for (guint i = 0; i < self->all->len; i++)
    {
      port_close (self->all->pdata[i], FALSE);
      port_unref (self->all->pdata[i]);
    }
  g_ptr_array_unref (self->all);
  g_hash_table_unref (self->paces);
  g_free (self);
}

void
berth_ports_set_keeper (BerthPorts *self, const BerthPortKeeper *keeper, gpointer user_data)
{
  self->keeper = *keeper;
  self->keeper_data = user_data;
}

static void
port_log (Port *self, const char *what)
{
  BerthVm *vm = berth_sandbox_get_vm (self->sandbox);
  g_autoptr (BerthRequest) request = berth_vm_dup_request (vm);
  const BerthEventSubject subject = {
    .template_name = berth_vm_get_template (vm),
    .sandbox = berth_sandbox_get_id (self->sandbox),
    .uid = request != NULL ? &request->uid : NULL,
    .tenant = request != NULL ? request->tenant : NULL,
    .task = request != NULL ? request->task : NULL,
  };

  berth_event_log (G_LOG_LEVEL_MESSAGE, BERTH_EVENT_PORT, &subject,
                   "port %u of sandbox %s %s %s (user %u)", self->port,
                   berth_sandbox_get_id (self->sandbox), what, self->address,
                   berth_sandbox_get_uid (self->sandbox));
}

/* ---- connections ---- */

static guint
ports_count_visits (BerthPorts *self, guint32 uid)
{
  guint count = 0;

  for (guint i = 0; i < self->all->len; i++)
    {
      const Port *port = self->all->pdata[i];

      if (berth_sandbox_get_uid (port->sandbox) == uid)
        count += port->visits->len;
    }
  return count;
}

static void
port_set_last (Port *self, const char *last)
{
  g_free (self->last);
  self->last = g_strdup (last);
}

static void
port_note_end (Port *self, const BerthLinkResult *result, const GError *error)
{
  const char *word = result != NULL ? berth_link_reason_get_name (result->reason) : "failed";

  self->refused += result != NULL && result->reason == BERTH_LINK_REFUSED;
  self->sent_bytes += result != NULL ? result->sent_bytes : 0;
  self->received_bytes += result != NULL ? result->received_bytes : 0;
  g_free (self->last);
  self->last = error != NULL ? g_strdup_printf ("failed: %s", error->message) : g_strdup (word);
  if (self->all == NULL)
    return;
  berth_metrics_add (self->all->metrics, BERTH_METRIC_PORT_LINKS, word, NULL, 1);
  if (result == NULL)
    return;
  berth_metrics_add (self->all->metrics, BERTH_METRIC_PORT_BYTES, "sent", NULL, result->sent_bytes);
  berth_metrics_add (self->all->metrics, BERTH_METRIC_PORT_BYTES, "received", NULL,
                     result->received_bytes);
}

/* The end of one, which is free after it. */
static void
visit_end (Visit *self, const BerthLinkResult *result, const GError *error)
{
  Port *port = self->port;

  g_ptr_array_remove_fast (port->visits, self);
  berth_sandbox_let_go (port->sandbox);
  port_note_end (port, result, error);
  if (self->is_idle)
    port_set_last (port, "it carried nothing for network_idle_s");
  if (port->door != NULL)
    berth_port_door_leave (port->door);
  berth_link_meter_unref (self->meter);
  g_object_unref (self->cancellable);
  g_free (self);
  port_unref (port);
}

static void
linked_cb (GObject *source, GAsyncResult *async_result, gpointer user_data)
{
  g_autoptr (GError) error = NULL;
  g_autofree BerthLinkResult *result
      = berth_host_link_finish (BERTH_HOST (source), async_result, &error);

  visit_end (user_data, result, error);
}

static void
visit_link (Visit *self)
{
  Port *port = self->port;
  const BerthLinkEnd end
      = { .fd = self->fd, .uid = berth_sandbox_get_uid (port->sandbox), .meter = self->meter };

  self->moved_us = berth_host_get_time (port->all->host);
  berth_host_link_async (port->all->host, berth_sandbox_get_vm (port->sandbox), port->port, &end,
                         self->cancellable, linked_cb, self);
}

static void
reset (int fd)
{
  const struct linger at_once = { .l_onoff = 1 };

  setsockopt (fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  berth_caller_fd_close (fd);
}

/* The sandbox was paused. */
static void
awake_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Visit *self = user_data;
  g_autoptr (GError) error = NULL;

  if (berth_sandbox_pause_finish (BERTH_SANDBOX (source), result, &error)
      && self->port->all != NULL)
    {
      visit_link (self);
      return;
    }
  reset (self->fd);
  visit_end (self, NULL, error);
}

/* Bytes are use of the sandbox; a connection that carries none is not, and ends. */
static void
visit_look (Visit *self, gint64 now_us, gint64 most_us)
{
  guint64 sent;
  guint64 received;

  berth_link_meter_get (self->meter, &sent, &received);
  if (sent + received != self->bytes)
    {
      self->bytes = sent + received;
      self->moved_us = now_us;
      berth_sandbox_touch (self->port->sandbox);
    }
  else if (most_us > 0 && self->moved_us > 0 && now_us - self->moved_us > most_us)
    {
      self->is_idle = TRUE;
      g_cancellable_cancel (self->cancellable);
    }
}

static gboolean
look_cb (gpointer user_data)
{
  BerthPorts *self = user_data;
  gint64 now_us = berth_host_get_time (self->host);
  guint count = 0;

  /* from the end: one that ends at once leaves the list, and the last one takes its place */
  for (guint i = 0; i < self->all->len; i++)
    {
      const Port *port = self->all->pdata[i];

      for (guint j = port->visits->len; j-- > 0;)
        visit_look (port->visits->pdata[j], now_us, self->config->network_idle_s * G_USEC_PER_SEC);
      count += port->visits->len;
    }
  if (count > 0)
    return G_SOURCE_CONTINUE;
  self->look_id = 0;
  return G_SOURCE_REMOVE;
}

static void
port_let_in (Port *self, int fd)
{
  Visit *visit = g_new0 (Visit, 1);

  g_ref_count_inc (&self->ref_count);
  visit->port = self;
  visit->fd = fd;
  visit->cancellable = g_cancellable_new ();
  visit->meter = berth_link_meter_new ();
  g_ptr_array_add (self->visits, visit);
  berth_sandbox_hold (self->sandbox);
  if (self->all->look_id == 0)
    self->all->look_id = berth_host_add_timer (self->all->host, LOOK_EVERY_US, look_cb, self->all);
  if (berth_sandbox_is_awake (self->sandbox))
    visit_link (visit);
  else
    berth_sandbox_resume_async (self->sandbox, visit->cancellable, awake_cb, visit);
}

static void
come_cb (int fd, gpointer user_data)
{
  const BerthLinkResult limit = { .reason = BERTH_LINK_LIMIT };
  Port *self = user_data;

  self->total++;
  if (!berth_sandbox_is_copied (self->sandbox) /* nothing comes to its guest then */
      && ports_count_visits (self->all, berth_sandbox_get_uid (self->sandbox))
             < BERTH_LIMIT_PORT_LINKS_PER_UID)
    {
      port_let_in (self, fd);
      return;
    }
  reset (fd);
  port_note_end (self, &limit, NULL);
  berth_port_door_leave (self->door);
}

/* ---- ports ---- */

static gboolean
ports_check_room (BerthPorts *self, BerthSandbox *sandbox, GError **error)
{
  guint of_sandbox = 0;
  guint of_user = 0;

  for (guint i = 0; i < self->all->len; i++)
    {
      const Port *port = self->all->pdata[i];

      of_sandbox += port->sandbox == sandbox;
      of_user += berth_sandbox_get_uid (port->sandbox) == berth_sandbox_get_uid (sandbox);
    }
  if (self->all->len >= BERTH_LIMIT_PORTS_TOTAL)
    {
      g_set_error (error, BERTH_ERROR, BERTH_ERROR_NO_CAPACITY,
                   "%u ports of sandboxes are published on this host, and more may not be at once: "
                   "try again when one of them has ended",
                   self->all->len);
      return FALSE;
    }
  if (of_sandbox < BERTH_LIMIT_PORTS && of_user < BERTH_LIMIT_PORTS_PER_UID)
    return TRUE;
  g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID,
               "%s has %u ports published, and may have no more: take one away ('berth port ID "
               "remove')",
               of_sandbox >= BERTH_LIMIT_PORTS ? "the sandbox" : "the user",
               of_sandbox >= BERTH_LIMIT_PORTS ? of_sandbox : of_user);
  return FALSE;
}

/* (transfer full): a{sv} */
static GVariant *
port_to_variant (const Port *self)
{
  GVariantDict dict;

  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert (&dict, "number", "u", self->number);
  g_variant_dict_insert (&dict, "port", "u", self->port);
  g_variant_dict_insert (&dict, "address", "s", self->address);
  g_variant_dict_insert (&dict, "connections", "u", self->visits->len);
  g_variant_dict_insert (&dict, "total", "t", self->total);
  g_variant_dict_insert (&dict, "refused", "t", self->refused);
  g_variant_dict_insert (&dict, "sent", "t", self->sent_bytes);
  g_variant_dict_insert (&dict, "received", "t", self->received_bytes);
  g_variant_dict_insert (&dict, "last", "s", self->last != NULL ? self->last : "");
  return g_variant_ref_sink (g_variant_dict_end (&dict));
}

static BerthPortPace *
ports_get_pace (BerthPorts *self, guint32 uid)
{
  BerthPortPace *pace = g_hash_table_lookup (self->paces, GUINT_TO_POINTER (uid));

  if (pace == NULL)
    {
      pace = berth_port_pace_new (BERTH_LIMIT_PORT_VISITS_PER_S);
      g_hash_table_insert (self->paces, GUINT_TO_POINTER (uid), pace);
    }
  return pace;
}

/* (nullable): takes over @fd */
static Port *
ports_open (BerthPorts *self, BerthSandbox *sandbox, int fd, guint number, guint port_number,
            GError **error)
{
  g_autofree char *address = berth_port_dup_address (fd);
  guint32 uid = berth_sandbox_get_uid (sandbox);
  Port *port = g_new0 (Port, 1);
  BerthPortDoor *door;

  berth_closer_note (fd, uid); /* of a kept one nobody has yet */
  door = berth_port_door_new (fd, BERTH_LIMIT_PORT_LINKS, ports_get_pace (self, uid), come_cb, port,
                              error);

  if (door == NULL)
    {
      g_free (port);
      return NULL;
    }

  g_ref_count_init (&port->ref_count);
  port->all = self;
  port->sandbox = g_object_ref (sandbox);
  port->visits = g_ptr_array_new ();
  port->number = number;
  port->port = port_number;
  port->address = g_steal_pointer (&address);
  port->door = door;
  g_ptr_array_add (self->all, port);
  return port;
}

GVariant *
berth_ports_add (BerthPorts *self, BerthSandbox *sandbox, int fd, guint port_number, GError **error)
{
  Port *port;

  if (!ports_check_room (self, sandbox, error))
    {
      berth_caller_fd_close (fd);
      return NULL;
    }
  port = ports_open (self, sandbox, fd, ++self->last_number, port_number, error);
  if (port == NULL)
    return NULL;
  port->name = g_strdup_printf (NAME_PREFIX "%s.%u.%u", berth_sandbox_get_id (sandbox),
                                port->number, port->port);
  if (self->keeper.keep != NULL)
    self->keeper.keep (port->name, fd, self->keeper_data);
  port_log (port, "is published at");
  return port_to_variant (port);
}

/* "port.ID.NUMBER.PORT" */
static gboolean
parse_name (const char *name, char **out_id, guint *out_number, guint *out_port)
{
  g_auto (GStrv) parts = g_strsplit (name, ".", 5);
  guint64 number;
  guint64 port;

  if (g_strv_length (parts) != 4 || !g_str_has_prefix (name, NAME_PREFIX)
      || !g_ascii_string_to_unsigned (parts[2], 10, 1, G_MAXUINT32, &number, NULL)
      || !g_ascii_string_to_unsigned (parts[3], 10, 1, G_MAXUINT16, &port, NULL))
    return FALSE;
  *out_id = g_strdup (parts[1]);
  *out_number = (guint)number;
  *out_port = (guint)port;
  return TRUE;
}

gboolean
berth_ports_restore (BerthPorts *self, GHashTable *sandboxes, const char *name, int fd)
{
  g_autofree char *id = NULL;
  BerthSandbox *sandbox = NULL;
  guint number;
  guint port_number;
  Port *port;

  if (parse_name (name, &id, &number, &port_number))
    sandbox = g_hash_table_lookup (sandboxes, id);
  if (sandbox == NULL)
    {
      /* its maker may have it, too, and who connects would wait for ever */
      shutdown (fd, SHUT_RDWR);
      berth_caller_fd_close (fd);
      if (self->keeper.forget != NULL)
        self->keeper.forget (name, self->keeper_data);
      return FALSE;
    }
  port = ports_open (self, sandbox, fd, number, port_number, NULL);
  if (port == NULL)
    return FALSE;
  port->name = g_strdup (name);
  self->last_number = MAX (self->last_number, number);
  port_log (port, "is published again at");
  return TRUE;
}

static void
ports_remove_at (BerthPorts *self, guint place)
{
  g_autoptr (Port) port = g_ptr_array_remove_index (self->all, place);

  if (self->keeper.forget != NULL)
    self->keeper.forget (port->name, self->keeper_data);
  port_log (port, "is published no more at");
  port_close (port, TRUE);
}

gboolean
berth_ports_remove (BerthPorts *self, BerthSandbox *sandbox, guint number, GError **error)
{
  for (guint i = 0; i < self->all->len; i++)
    {
      const Port *port = self->all->pdata[i];

      if (port->sandbox != sandbox || port->number != number)
        continue;
      ports_remove_at (self, i);
      return TRUE;
    }
  g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID,
               "sandbox %s has no published port of number %u: 'berth port ID' lists them",
               berth_sandbox_get_id (sandbox), number);
  return FALSE;
}

void
berth_ports_drop (BerthPorts *self, BerthSandbox *sandbox)
{
  for (guint i = self->all->len; i-- > 0;)
    if (((Port *)self->all->pdata[i])->sandbox == sandbox)
      ports_remove_at (self, i);
}

GVariant *
berth_ports_dup_list (BerthPorts *self, BerthSandbox *sandbox)
{
  GVariantBuilder builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("aa{sv}"));

  for (guint i = 0; i < self->all->len; i++)
    {
      const Port *port = self->all->pdata[i];

      if (port->sandbox == sandbox)
        {
          g_autoptr (GVariant) entry = port_to_variant (port);

          g_variant_builder_add_value (&builder, entry);
        }
    }
  return g_variant_ref_sink (g_variant_builder_end (&builder));
}
