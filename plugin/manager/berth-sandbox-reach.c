/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Decides about the connections of one sandbox: its own rules and the administrator's first, then
 * bounds of number, rate, failures and bytes. Whether an address may be connected to is the
 * connector's to find out. A guest asks as often as it likes: nothing here grows with that. */
#include "plugin/manager/berth-sandbox-reach.h"

#include <string.h>
#include <unistd.h>

#include "plugin/base/berth-caller-fd.h"
#include "plugin/base/berth-event.h"
#include "plugin/model/berth-limits.h"
#include "pool/berth-vm-private.h"

#define KEPT_MAX 256u /* decisions that are told later */
/* A program asks for a name in several ways at once: one refusal is told. */
#define SAME_NAME_US (5 * G_USEC_PER_SEC)
#define MINUTE_US (60 * G_USEC_PER_SEC)
/* Entries of the journal in a minute */
#define LOGGED_MAX 1000u
/* Refusals in a minute that are looked at, counted and told one by one */
#define REFUSED_MAX 6000u
#define NOT_ANY_MORE "the settings do not allow it any more"
#define BY_PROXY "through network_proxy"
#define LOOK_EVERY_US G_USEC_PER_SEC

/* What was decided of a name, and what came of it. Counted references. */
typedef struct
{
  guint64 number;
  gint64 time_us; /* of the wall */
  gint64 begun_us;
  gint64 duration_us;
  char *name;
  guint16 port; /* 0: no connection, but a name's look-up */
  char *address;
  const char *verdict;
  char *reason;
  gboolean is_open;
  guint64 sent;
  guint64 received;
} Decision;

/* One that is being made, or that is made */
typedef struct
{
  BerthSandboxReach *reach; /* owned */
  BerthHostLink *link;      /* until it is answered */
  Decision *decision;       /* owned */
  BerthLinkMeter *meter;
  gint64 moved_us; /* when it was seen to have carried more */
  GCancellable *cancellable;
  const char *ended_by; /* (nullable): why we end it */
  gboolean has_proxy;   /* its address is that of network_proxy */
} Connection;

struct _BerthSandboxReach
{
  GObject parent;
  BerthHost *host;
  BerthVm *vm;
  GPtrArray *rules;
  BerthConnectorAsker asker;
  BerthReachPolicy *policy;
  BerthReachWorld *world; /* NULL once closed */
  GHashTable *of_users;   /* (nullable): the world's, which may go before the last connection */
  GPtrArray *connections; /* Connection (borrowed) */
  GQueue decisions;       /* Decision, oldest first */
  guint64 last_number;
  BerthReachCounts counts; /* of those that have ended */
  gint64 minute_us;        /* when this one began */
  guint begun;             /* in it, as the next two */
  guint failed;
  guint refused;
  guint logged;
  guint look_id;
};

G_DEFINE_FINAL_TYPE (BerthSandboxReach, berth_sandbox_reach, G_TYPE_OBJECT)

/* ---- decisions ---- */

static void
decision_clear (gpointer data)
{
  Decision *self = data;

  g_free (self->name);
  g_free (self->address);
  g_free (self->reason);
}

static void
decision_unref (gpointer data)
{
  g_rc_box_release_full (data, decision_clear);
}

/* (transfer full) */
static Decision *
reach_add_decision (BerthSandboxReach *self, const char *name, guint16 port)
{
  Decision *decision = g_rc_box_new0 (Decision);

  decision->number = ++self->last_number;
  decision->time_us = g_get_real_time ();
  decision->begun_us = berth_host_get_time (self->host);
  decision->name = g_strdup (name);
  decision->port = port;
  decision->address = g_strdup ("");
  decision->reason = g_strdup ("");
  decision->verdict = "connecting";
  decision->is_open = TRUE;
  if (g_queue_get_length (&self->decisions) == KEPT_MAX)
    decision_unref (g_queue_pop_head (&self->decisions));
  g_queue_push_tail (&self->decisions, decision);
  return g_rc_box_acquire (decision);
}

/* A new minute begins where the last one is over. */
static void
reach_count_time (BerthSandboxReach *self)
{
  gint64 now_us = berth_host_get_time (self->host);

  if (self->minute_us != 0 && now_us - self->minute_us < MINUTE_US)
    return;
  self->minute_us = now_us;
  self->begun = self->failed = self->refused = self->logged = 0;
}

static void
reach_log (BerthSandboxReach *self, const Decision *decision)
{
  g_autoptr (BerthRequest) request = berth_vm_dup_request (self->vm);
  g_autofree char *port = g_strdup_printf ("%u", decision->port);
  g_autofree char *sent = g_strdup_printf ("%" G_GUINT64_FORMAT, decision->sent);
  g_autofree char *received = g_strdup_printf ("%" G_GUINT64_FORMAT, decision->received);
  g_autofree char *duration = g_strdup_printf ("%" G_GINT64_FORMAT, decision->duration_us / 1000);
  const BerthEventSubject subject = {
    .template_name = berth_vm_get_template (self->vm),
    .domain = berth_host_get_domain_name (self->host, self->vm),
    .sandbox = berth_vm_get_id (self->vm),
    .tenant = request != NULL ? request->tenant : NULL,
    .task = request != NULL ? request->task : NULL,
    .uid = request != NULL ? &request->uid : NULL,
  };
  const BerthEventField fields[] = {
    { "NAME", decision->name },       { "PORT", port },       { "ADDRESS", decision->address },
    { "VERDICT", decision->verdict }, { "SENT_BYTES", sent }, { "RECEIVED_BYTES", received },
    { "DURATION_MS", duration },      { NULL, NULL },
  };

  reach_count_time (self);
  if (self->logged++ >= LOGGED_MAX)
    return;
  berth_event_log_fields (G_LOG_LEVEL_MESSAGE, BERTH_EVENT_REACH, &subject, fields,
                          "sandbox %s, %s port %u: %s%s%s", berth_vm_get_id (self->vm),
                          decision->name, decision->port, decision->verdict,
                          decision->reason[0] != '\0' ? ": " : "", decision->reason);
}

static void
reach_end_decision (BerthSandboxReach *self, Decision *decision)
{
  decision->is_open = FALSE;
  decision->duration_us = berth_host_get_time (self->host) - decision->begun_us;
  if (self->world != NULL)
    {
      berth_metrics_add (self->world->metrics, BERTH_METRIC_CONNECTIONS, decision->verdict, NULL,
                         1);
      berth_metrics_add (self->world->metrics, BERTH_METRIC_CONNECTION_BYTES, "sent", NULL,
                         decision->sent);
      berth_metrics_add (self->world->metrics, BERTH_METRIC_CONNECTION_BYTES, "received", NULL,
                         decision->received);
    }
  reach_log (self, decision);
}

static void
decision_set (Decision *self, const char *verdict, const char *reason)
{
  self->verdict = verdict;
  g_free (self->reason);
  self->reason = g_strdup (reason != NULL ? reason : "");
}

/* ---- connections ---- */

/* The user's connections, this sandbox's among them; @change: of what there is to count */
static guint
reach_count_user (BerthSandboxReach *self, gint change)
{
  gpointer uid = GUINT_TO_POINTER (self->asker.uid);
  guint count;

  if (self->of_users == NULL)
    return 0;
  count = GPOINTER_TO_UINT (g_hash_table_lookup (self->of_users, uid)) + (guint)change;
  if (count > 0)
    g_hash_table_insert (self->of_users, uid, GUINT_TO_POINTER (count));
  else
    g_hash_table_remove (self->of_users, uid);
  return count;
}

static void
connection_free (Connection *self)
{
  g_ptr_array_remove_fast (self->reach->connections, self);
  reach_count_user (self->reach, -1);
  berth_link_meter_unref (self->meter);
  g_object_unref (self->cancellable);
  decision_unref (self->decision);
  g_object_unref (self->reach);
  g_free (self);
}

static void
connection_refuse (Connection *self, BerthLinkReason reason, const char *verdict, const char *text)
{
  BerthSandboxReach *reach = self->reach;

  berth_host_refuse (reach->host, g_steal_pointer (&self->link), reason);
  decision_set (self->decision, verdict, text);
  reach->counts.refused++;
  reach_count_time (reach);
  reach->failed++;
  reach->refused++;
  reach_end_decision (reach, self->decision);
  connection_free (self);
}

/* What it has carried so far, and since when it carries nothing, where it is made */
static void
connection_look (Connection *self, gint64 now_us)
{
  Decision *decision = self->decision;
  guint64 before = decision->sent + decision->received;

  berth_link_meter_get (self->meter, &decision->received, &decision->sent);
  if (decision->sent + decision->received != before)
    self->moved_us = now_us;
}

static void
connection_end (Connection *self, const char *why)
{
  self->ended_by = why;
  g_cancellable_cancel (self->cancellable);
}

static void
ended_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Connection *connection = user_data;
  BerthSandboxReach *self = connection->reach;
  g_autofree BerthLinkResult *end = berth_host_accept_finish (BERTH_HOST (source), result, NULL);
  Decision *decision = connection->decision;

  connection_look (connection, 0);
  if (end != NULL)
    {
      decision->sent = end->received_bytes;
      decision->received = end->sent_bytes;
    }
  decision_set (decision, "connected",
                connection->ended_by != NULL     ? connection->ended_by
                : end == NULL                    ? "it was cut off"
                : end->reason != BERTH_LINK_DONE ? "it broke"
                : connection->has_proxy          ? BY_PROXY
                                                 : NULL);
  self->counts.sent_bytes += decision->sent;
  self->counts.received_bytes += decision->received;
  reach_end_decision (self, decision);
  connection_free (connection);
}

void
berth_sandbox_reach_get_counts (BerthSandboxReach *self, BerthReachCounts *out_counts)
{
  *out_counts = self->counts;
  for (guint i = 0; i < self->connections->len; i++)
    {
      const Connection *connection = self->connections->pdata[i];

      out_counts->sent_bytes += connection->decision->sent;
      out_counts->received_bytes += connection->decision->received;
    }
}

static gboolean
reach_has_bytes_left (BerthSandboxReach *self)
{
  guint64 most = (guint64)self->world->config->network_mb << 20;
  BerthReachCounts counts;

  berth_sandbox_reach_get_counts (self, &counts);
  return most == 0 || counts.sent_bytes + counts.received_bytes < most;
}

static void
reach_end_all (BerthSandboxReach *self, const char *why)
{
  for (guint i = self->connections->len; i-- > 0;)
    connection_end (self->connections->pdata[i], why);
}

static gboolean
look_cb (gpointer user_data)
{
  BerthSandboxReach *self = user_data;
  gint64 most_us = self->world->config->network_idle_s * G_USEC_PER_SEC;
  gint64 now_us = berth_host_get_time (self->host);

  /* from the end: one that ends at once leaves the list, and the last one takes its place */
  for (guint i = self->connections->len; i-- > 0;)
    {
      Connection *connection = self->connections->pdata[i];

      connection_look (connection, now_us);
      if (most_us > 0 && connection->link == NULL && now_us - connection->moved_us > most_us)
        connection_end (connection, "it carried nothing for network_idle_s");
    }
  if (!reach_has_bytes_left (self))
    reach_end_all (self, "the sandbox has carried all of its network_mb");
  if (self->connections->len > 0)
    return G_SOURCE_CONTINUE;
  self->look_id = 0;
  return G_SOURCE_REMOVE;
}

/* What the connector's verdicts are to the guest, and to who looks */
static const struct
{
  BerthLinkReason reason;
  const char *verdict;
} verdicts[BERTH_CONNECTOR_VERDICTS] = {
  [BERTH_CONNECTOR_CONNECTED] = { BERTH_LINK_DONE, "connected" },
  [BERTH_CONNECTOR_NO_NAME] = { BERTH_LINK_UNREACHABLE, "no-name" },
  [BERTH_CONNECTOR_DENIED] = { BERTH_LINK_DENIED, "denied" },
  [BERTH_CONNECTOR_REFUSED] = { BERTH_LINK_REFUSED, "refused" },
  [BERTH_CONNECTOR_UNREACHABLE] = { BERTH_LINK_UNREACHABLE, "unreachable" },
  [BERTH_CONNECTOR_TIMED_OUT] = { BERTH_LINK_TIMED_OUT, "timed-out" },
  [BERTH_CONNECTOR_FAILED] = { BERTH_LINK_FAILED, "failed" },
};

static void
connection_begin (Connection *self, int fd)
{
  BerthSandboxReach *reach = self->reach;
  const BerthLinkEnd end = { .fd = fd, .uid = reach->asker.uid, .meter = self->meter };

  self->moved_us = berth_host_get_time (reach->host);
  reach->counts.connections++;
  decision_set (self->decision, "connected", self->has_proxy ? BY_PROXY : NULL);
  if (reach->look_id == 0)
    reach->look_id = berth_host_add_timer (reach->host, LOOK_EVERY_US, look_cb, reach);
  berth_host_accept_async (reach->host, g_steal_pointer (&self->link), &end, self->cancellable,
                           ended_cb, self);
}

/* One whose address is not public was connected to by a policy that let it. */
static gboolean
connection_is_allowed (const Connection *self)
{
  const Decision *decision = self->decision;
  const BerthReachPolicy *policy = self->reach->policy;
  g_autofree char *name = NULL;
  g_autoptr (GInetAddress) address = g_inet_address_new_from_string (decision->address);

  return berth_reach_policy_get_problem (policy, self->reach->rules, decision->name, decision->port,
                                         &name)
             == NULL
         && (address == NULL || self->has_proxy
             || berth_reach_policy_has_address (policy, address, decision->port));
}

static void
dialled_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Connection *connection = user_data;
  BerthConnectorVerdict verdict = BERTH_CONNECTOR_FAILED;
  g_autoptr (GError) error = NULL;
  g_autofree char *address = NULL;
  g_autofree char *text = NULL;
  int fd = -1;
  gboolean ok = berth_connector_connect_finish (BERTH_CONNECTOR (source), result, &verdict, &fd,
                                                &address, &text, &error);

  if (address != NULL)
    {
      g_free (connection->decision->address);
      connection->decision->address = g_steal_pointer (&address);
    }
  if (!ok)
    connection_refuse (connection, BERTH_LINK_FAILED, "failed", error->message);
  else if (verdict == BERTH_CONNECTOR_CONNECTED && connection->reach->world == NULL)
    {
      close (fd);
      connection_refuse (connection, BERTH_LINK_RESET, "failed", "the sandbox has ended");
    }
  else if (verdict == BERTH_CONNECTOR_CONNECTED && !connection_is_allowed (connection))
    {
      close (fd);
      connection_refuse (connection, BERTH_LINK_DENIED, "denied", NOT_ANY_MORE);
    }
  else if (verdict == BERTH_CONNECTOR_CONNECTED)
    connection_begin (connection, fd);
  else
    connection_refuse (connection, verdicts[verdict].reason, verdicts[verdict].verdict, text);
}

/* (nullable): static: which bound keeps it from one more connection */
static const char *
reach_get_limit (BerthSandboxReach *self)
{
  const BerthConfig *config = self->world->config;

  reach_count_time (self);
  if (!berth_caller_fd_has_room (BERTH_LIMIT_RESERVED_FDS))
    return "berthd has no descriptor for one more";
  if (reach_count_user (self, 0) > BERTH_LIMIT_REACH_LINKS_PER_UID)
    return "its user has as many connections as one may have";
  if (self->connections->len > (guint)config->network_connections)
    return "it has as many connections as network_connections";
  if (config->network_rate > 0 && self->begun >= config->network_rate)
    return "it began as many in this minute as network_rate";
  if (config->network_failures > 0 && self->failed >= config->network_failures)
    return "as many failed in this minute as network_failures";
  if (!reach_has_bytes_left (self))
    return "it has carried all of its network_mb";
  return NULL;
}

static void
reach_decide (BerthSandboxReach *self, Connection *connection, const char *name, guint16 port)
{
  g_autofree char *normal = NULL;
  const char *limit = reach_get_limit (self);
  const char *problem
      = berth_reach_policy_get_problem (self->policy, self->rules, name, port, &normal);

  if (problem != NULL)
    connection_refuse (connection, BERTH_LINK_DENIED, "denied", problem);
  else if (limit != NULL)
    connection_refuse (connection, BERTH_LINK_LIMIT, "limited", limit);
  else
    {
      g_autoptr (GPtrArray) denied = berth_reach_policy_dup_denied (self->policy, port);
      const BerthConnectorTarget target
          = { .asker = self->asker,
              .name = normal,
              .port = port,
              .denied = denied,
              .private = berth_reach_policy_get_private (self->policy),
              .proxy = berth_reach_policy_get_proxy (self->policy, normal, port) };

      self->begun++;
      connection->has_proxy = target.proxy != NULL;
      berth_connector_connect_async (self->world->connector, &target, dialled_cb, connection);
    }
}

static void
asked_cb (BerthHostLink *link, const char *name, guint16 port, gpointer user_data)
{
  BerthSandboxReach *self = user_data;
  Connection *connection;

  if (self->world == NULL)
    {
      berth_host_refuse (self->host, link, BERTH_LINK_RESET);
      return;
    }
  reach_count_time (self);
  if (self->refused >= REFUSED_MAX)
    {
      self->counts.refused++;
      berth_host_refuse (self->host, link, BERTH_LINK_LIMIT);
      return;
    }
  connection = g_new0 (Connection, 1);
  connection->reach = g_object_ref (self);
  connection->link = link;
  connection->meter = berth_link_meter_new ();
  connection->cancellable = g_cancellable_new ();
  connection->decision = reach_add_decision (self, name, port);
  g_ptr_array_add (self->connections, connection);
  reach_count_user (self, 1);
  reach_decide (self, connection, name, port);
}

/* ---- names ---- */

static gboolean
reach_has_told (BerthSandboxReach *self, const char *name, guint16 port)
{
  gint64 now_us = berth_host_get_time (self->host);

  for (GList *link = self->decisions.tail; link != NULL; link = link->prev)
    {
      const Decision *decision = link->data;

      if (now_us - decision->begun_us > SAME_NAME_US)
        return FALSE;
      if (decision->port == port && g_str_equal (decision->name, name))
        return TRUE;
    }
  return FALSE;
}

static void
refused_cb (const char *name, guint16 port, gpointer user_data)
{
  BerthSandboxReach *self = user_data;
  g_autofree char *normal = NULL;
  const char *problem;
  Decision *decision;

  if (self->world == NULL)
    return;
  reach_count_time (self);
  if (self->refused >= REFUSED_MAX)
    {
      self->counts.refused++;
      return;
    }
  self->refused++; /* what is told again costs a look as well */
  if (reach_has_told (self, name, port))
    return;
  self->counts.refused++;
  decision = reach_add_decision (self, name, port);
  problem = berth_reach_policy_get_problem (self->policy, self->rules, name, port, &normal);
  decision_set (decision, "denied", problem != NULL ? problem : "the sandbox was told so before");
  reach_end_decision (self, decision);
  decision_unref (decision);
}

/* ---- the object ---- */

static void
allowed_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  GError *error = NULL;

  if (berth_host_finish (BERTH_HOST (source), result, &error))
    g_task_return_boolean (task, TRUE);
  else
    g_task_return_error (task, error);
}

/* What the guest answers by itself from now on */
static void
reach_tell_guest (BerthSandboxReach *self, GAsyncReadyCallback callback, gpointer user_data)
{
  const BerthHostReach calls = { .asked = asked_cb, .refused = refused_cb };
  g_auto (GStrv) hints = berth_reach_policy_dup_hints (self->policy, self->rules);

  berth_host_allow_async (self->host, self->vm, (const char *const *)hints, &calls,
                          g_object_ref (self), g_object_unref, callback, user_data);
}

void
berth_sandbox_reach_start_async (BerthSandboxReach *self, GAsyncReadyCallback callback,
                                 gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (self, NULL, callback, user_data);

  g_task_set_source_tag (task, berth_sandbox_reach_start_async);
  reach_tell_guest (self, allowed_cb, g_steal_pointer (&task));
}

gboolean
berth_sandbox_reach_start_finish (BerthSandboxReach *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);
  return g_task_propagate_boolean (G_TASK (result), error);
}

void
berth_sandbox_reach_close (BerthSandboxReach *self)
{
  g_clear_handle_id (&self->look_id, g_source_remove);
  self->world = NULL;
  reach_end_all (self, "the sandbox ended");
}

/* One that is paused takes the news when it is woken; whatever becomes of them, the host decides.
 */
void
berth_sandbox_reach_set_policy (BerthSandboxReach *self, BerthReachPolicy *policy)
{
  g_auto (GStrv) before = berth_reach_policy_dup_hints (self->policy, self->rules);
  g_auto (GStrv) after = berth_reach_policy_dup_hints (policy, self->rules);

  berth_reach_policy_unref (self->policy);
  self->policy = berth_reach_policy_ref (policy);
  if (!g_strv_equal ((const char *const *)before, (const char *const *)after))
    reach_tell_guest (self, NULL, NULL);
  for (guint i = self->connections->len; i-- > 0;)
    if (!connection_is_allowed (self->connections->pdata[i]))
      connection_end (self->connections->pdata[i], NOT_ANY_MORE);
}

static GVariant *
decision_describe (BerthSandboxReach *self, const Decision *decision)
{
  gint64 now_us = berth_host_get_time (self->host);
  gint64 took_us = decision->is_open ? now_us - decision->begun_us : decision->duration_us;
  GVariantDict dict;

  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert (&dict, "number", "t", decision->number);
  g_variant_dict_insert (&dict, "time", "d", (double)decision->time_us / G_USEC_PER_SEC);
  g_variant_dict_insert (&dict, "name", "s", decision->name);
  g_variant_dict_insert (&dict, "port", "q", decision->port);
  g_variant_dict_insert (&dict, "address", "s", decision->address);
  g_variant_dict_insert (&dict, "verdict", "s", decision->verdict);
  g_variant_dict_insert (&dict, "reason", "s", decision->reason);
  g_variant_dict_insert (&dict, "open", "b", decision->is_open);
  g_variant_dict_insert (&dict, "sent_bytes", "t", decision->sent);
  g_variant_dict_insert (&dict, "received_bytes", "t", decision->received);
  g_variant_dict_insert (&dict, "duration_s", "d", (double)took_us / G_USEC_PER_SEC);
  return g_variant_dict_end (&dict);
}

GVariant *
berth_sandbox_reach_dup_list (BerthSandboxReach *self, guint64 after)
{
  GVariantBuilder list;

  g_variant_builder_init (&list, G_VARIANT_TYPE ("aa{sv}"));
  for (GList *link = self->decisions.head; link != NULL; link = link->next)
    if (((Decision *)link->data)->number > after)
      g_variant_builder_add_value (&list, decision_describe (self, link->data));
  return g_variant_ref_sink (g_variant_builder_end (&list));
}

static void
berth_sandbox_reach_finalize (GObject *object)
{
  BerthSandboxReach *self = BERTH_SANDBOX_REACH (object);

  g_clear_handle_id (&self->look_id, g_source_remove);
  g_queue_clear_full (&self->decisions, decision_unref);
  g_ptr_array_unref (self->connections);
  g_clear_pointer (&self->of_users, g_hash_table_unref);
  g_ptr_array_unref (self->rules);
  berth_reach_policy_unref (self->policy);
  g_object_unref (self->vm);
  g_object_unref (self->host);
  G_OBJECT_CLASS (berth_sandbox_reach_parent_class)->finalize (object);
}

static void
berth_sandbox_reach_class_init (BerthSandboxReachClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = berth_sandbox_reach_finalize;
}

static void
berth_sandbox_reach_init (BerthSandboxReach *self)
{
  self->connections = g_ptr_array_new ();
  g_queue_init (&self->decisions);
}

BerthSandboxReach *
berth_sandbox_reach_new (BerthHost *host, BerthVm *vm, GPtrArray *rules, BerthReachPolicy *policy,
                         BerthReachWorld *world)
{
  BerthSandboxReach *self = g_object_new (BERTH_TYPE_SANDBOX_REACH, NULL);
  g_autoptr (BerthRequest) request = berth_vm_dup_request (vm);

  self->asker.sandbox = ++world->last_sandbox;
  self->asker.uid = request != NULL ? request->uid : 0;
  self->host = g_object_ref (host);
  self->vm = g_object_ref (vm);
  self->rules = g_ptr_array_ref (rules);
  self->policy = berth_reach_policy_ref (policy);
  self->world = world;
  self->of_users = world->of_users != NULL ? g_hash_table_ref (world->of_users) : NULL;
  return self;
}
