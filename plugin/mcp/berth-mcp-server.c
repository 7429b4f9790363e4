/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Decides what a client's message is answered with. Revisions up to 2025-11-25 shake hands first
 * (legacy here); from 2026-07-28 on each request says which revision it speaks (modern). */
#include "plugin/mcp/berth-mcp-server.h"

#include <string.h>

#include "plugin/base/berth-json.h"
#include "plugin/mcp/berth-mcp-channel.h"
#include "plugin/mcp/berth-mcp-json.h"
#include "plugin/mcp/berth-mcp-message.h"
#include "plugin/mcp/berth-mcp-tools.h"
#include "pool/berth-error.h"

/* What a client that is gone has begun ends in milliseconds; berthd sees to the rest. */
#define STOP_LIMIT_S 5
#define CACHE_MS 3600000

#define META_VERSION "io.modelcontextprotocol/protocolVersion"
#define META_CAPABILITIES "io.modelcontextprotocol/clientCapabilities"
#define META_SERVER "io.modelcontextprotocol/serverInfo"
#define META_SUBSCRIPTION "io.modelcontextprotocol/subscriptionId"

#define MODERN_VERSION "2026-07-28"
#define BATCH_VERSION "2025-03-26" /* the one revision that has batches */
static const char *const versions[]
    = { MODERN_VERSION, "2025-11-25", "2025-06-18", BATCH_VERSION, "2024-11-05", NULL };

static const char instructions[]
    = "Runs untrusted code in virtual machines of this host. run_code is for a program that needs "
      "nothing of an earlier one; create_sandbox, exec_code and end_sandbox keep state in between. "
      "At capacity a call waits for its turn. A program that fails is no error of the tool: look "
      "at "
      "exit_code and stderr. An error has a code, a cause and a remedy.";

/* Answers that go out together; freed with its last message's. */
typedef struct
{
  guint refs;
  GPtrArray *texts; /* char */
} Batch;

struct _BerthMcpServer
{
  BerthMcpContext context;
  BerthMcpChannel *channel;
  GHashTable *pending; /* id as JSON (borrowed from its value) -> Pending (owned) */
  const char *version; /* (nullable): a legacy one, after initialize */
  GMainLoop *loop;
  gboolean is_stopping;
  guint stop_id; /* a source */
};

/* A request without an answer yet */
typedef struct
{
  BerthMcpServer *server;
  char *key;
  GVariant *id;
  gboolean is_modern;
  Batch *batch;       /* nullable */
  BerthMcpCall *call; /* (nullable): NULL of a subscription */
} Pending;

/* One that is looked at */
typedef struct
{
  BerthMcpServer *server;
  GVariant *id;
  const char *method;
  GVariant *params; /* a{sv} */
  GVariant *meta;   /* a{sv} */
  gboolean is_modern;
  Batch *batch; /* nullable */
} Request;

/* ---- answers ---- */

static void
batch_unref (BerthMcpServer *self, Batch *batch)
{
  g_autofree char *joined = NULL;

  if (batch == NULL || --batch->refs > 0)
    return;
  g_ptr_array_add (batch->texts, NULL);
  joined = g_strjoinv (",", (char **)batch->texts->pdata);
  if (batch->texts->len > 1)
    berth_mcp_channel_send (self->channel, g_strdup_printf ("[%s]", joined));
  g_ptr_array_unref (batch->texts);
  g_free (batch);
}

static void
send (BerthMcpServer *self, Batch *batch, GVariant *message)
{
  g_autoptr (GVariant) owned = g_variant_ref_sink (message);
  char *text = berth_json_from_variant (owned);

  if (batch != NULL)
    g_ptr_array_add (batch->texts, text);
  else
    berth_mcp_channel_send (self->channel, text);
}

static void
send_error (const Request *request, int code, const char *text, GVariant *data)
{
  send (request->server, request->batch,
        berth_mcp_message_new_error (request->id, code, text, data));
}

static void
add_string (GVariantBuilder *builder, const char *key, const char *value)
{
  g_variant_builder_add (builder, "{sv}", key, g_variant_new_string (value));
}

/* (transfer floating) */
static GVariant *
make_server_info (void)
{
  GVariantBuilder info = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);

  add_string (&info, "name", "berth");
  add_string (&info, "title", "berth: code in virtual machines");
  add_string (&info, "version", BERTH_VERSION);
  return g_variant_builder_end (&info);
}

/* (transfer floating): @result, sunk, with what the request's revision wants in each */
static GVariant *
decorate (GVariant *result, gboolean is_modern, GVariant *subscription)
{
  g_autoptr (GVariant) owned = g_variant_ref_sink (result);
  GVariantBuilder builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);
  GVariantBuilder meta = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);
  GVariantIter iter;
  GVariant *entry;

  g_variant_iter_init (&iter, owned);
  while ((entry = g_variant_iter_next_value (&iter)) != NULL)
    {
      g_variant_builder_add_value (&builder, entry);
      g_variant_unref (entry);
    }
  if (!is_modern)
    {
      g_variant_builder_clear (&meta);
      return g_variant_builder_end (&builder);
    }
  add_string (&builder, "resultType", "complete");
  g_variant_builder_add (&meta, "{sv}", META_SERVER, make_server_info ());
  if (subscription != NULL)
    g_variant_builder_add (&meta, "{sv}", META_SUBSCRIPTION, subscription);
  g_variant_builder_add (&builder, "{sv}", "_meta", g_variant_builder_end (&meta));
  return g_variant_builder_end (&builder);
}

static void
send_result (const Request *request, GVariantBuilder *result)
{
  send (request->server, request->batch,
        berth_mcp_message_new_result (
            request->id, decorate (g_variant_builder_end (result), request->is_modern, NULL)));
}

/* ---- requests that take their time ---- */

static void
pending_free (gpointer data)
{
  Pending *pending = data;

  batch_unref (pending->server, pending->batch);
  g_clear_pointer (&pending->call, berth_mcp_call_free);
  g_variant_unref (pending->id);
  g_free (pending->key);
  g_free (pending);
}

static Pending *
pending_new (const Request *request)
{
  Pending *pending = g_new0 (Pending, 1);

  pending->server = request->server;
  pending->key = berth_json_from_variant (request->id);
  pending->id = g_variant_ref (request->id);
  pending->is_modern = request->is_modern;
  pending->batch = request->batch;
  if (pending->batch != NULL)
    pending->batch->refs++;
  g_hash_table_insert (request->server->pending, pending->key, pending);
  return pending;
}

static void
maybe_quit (BerthMcpServer *self)
{
  if (self->is_stopping && g_hash_table_size (self->pending) == 0
      && berth_mcp_channel_get_unread (self->channel) == 0)
    g_main_loop_quit (self->loop);
}

static void
pending_remove (Pending *pending)
{
  BerthMcpServer *self = pending->server;

  g_hash_table_remove (self->pending, pending->key);
  maybe_quit (self);
}

static void
told_cb (GVariant *notification, gpointer user_data)
{
  Pending *pending = user_data;

  send (pending->server, NULL, notification);
}

static gboolean
is_slow_cb (gpointer user_data)
{
  Pending *pending = user_data;

  return berth_mcp_channel_get_unread (pending->server->channel) > 0;
}

static void
done_cb (BerthMcpCall *call, GVariant *result, gpointer user_data)
{
  Pending *pending = user_data;

  if (result != NULL)
    send (pending->server, pending->batch,
          berth_mcp_message_new_result (pending->id, decorate (result, pending->is_modern, NULL)));
  pending_remove (pending);
}

/* ---- methods ---- */

/* (transfer floating) */
static GVariant *
make_capabilities (void)
{
  GVariantBuilder capabilities = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);

  g_variant_builder_add (&capabilities, "{sv}", "tools",
                         g_variant_new_array (G_VARIANT_TYPE ("{sv}"), NULL, 0));
  return g_variant_builder_end (&capabilities);
}

static const char *
find_legacy_version (const char *wanted)
{
  for (guint i = 1; versions[i] != NULL; i++)
    if (strcmp (versions[i], wanted) == 0)
      return versions[i];
  return versions[1];
}

static void
initialize (const Request *request)
{
  BerthMcpServer *self = request->server;
  GVariantBuilder result = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);
  const char *wanted = NULL;

  if (self->version != NULL
      || !g_variant_lookup (request->params, "protocolVersion", "&s", &wanted))
    {
      g_variant_builder_clear (&result);
      send_error (request,
                  self->version != NULL ? BERTH_MCP_INVALID_REQUEST : BERTH_MCP_INVALID_PARAMS,
                  self->version != NULL ? "this connection is initialized already"
                                        : "\"protocolVersion\" must be a string",
                  NULL);
      return;
    }
  self->version = find_legacy_version (wanted);
  add_string (&result, "protocolVersion", self->version);
  g_variant_builder_add (&result, "{sv}", "capabilities", make_capabilities ());
  g_variant_builder_add (&result, "{sv}", "serverInfo", make_server_info ());
  add_string (&result, "instructions", instructions);
  send_result (request, &result);
}

static void
add_cache_hints (GVariantBuilder *result)
{
  g_variant_builder_add (result, "{sv}", "ttlMs", g_variant_new_int64 (CACHE_MS));
  add_string (result, "cacheScope", "public");
}

static void
discover (const Request *request)
{
  GVariantBuilder result = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);

  g_variant_builder_add (&result, "{sv}", "supportedVersions", g_variant_new_strv (versions, -1));
  g_variant_builder_add (&result, "{sv}", "capabilities", make_capabilities ());
  add_string (&result, "instructions", instructions);
  add_cache_hints (&result);
  send_result (request, &result);
}

static void
ping (const Request *request)
{
  GVariantBuilder result = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);

  send_result (request, &result);
}

static void
list_tools (const Request *request)
{
  GVariantBuilder result = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);
  g_autoptr (GVariant) cursor = g_variant_lookup_value (request->params, "cursor", NULL);

  if (cursor != NULL)
    {
      g_variant_builder_clear (&result);
      send_error (request, BERTH_MCP_INVALID_PARAMS,
                  "there is no such cursor: all tools are told at once", NULL);
      return;
    }
  g_variant_builder_add (&result, "{sv}", "tools", berth_mcp_tools_list ());
  if (request->is_modern)
    add_cache_hints (&result);
  send_result (request, &result);
}

static void
start_call (const Request *request, const BerthMcpTool *tool, GVariant *arguments)
{
  static const BerthMcpCallFuncs funcs = { told_cb, is_slow_cb, done_cb };
  BerthMcpServer *self = request->server;
  gboolean is_full = g_hash_table_size (self->pending) >= BERTH_MCP_CALLS;
  Pending *pending = pending_new (request);
  g_autoptr (GVariant) token = g_variant_lookup_value (request->meta, "progressToken", NULL);
  g_autoptr (GError) error = NULL;

  if (token != NULL && !berth_mcp_message_is_id (token))
    g_clear_pointer (&token, g_variant_unref);
  pending->call = berth_mcp_call_new (&self->context, arguments, token, &funcs, pending);
  if (is_full)
    g_set_error (&error, BERTH_ERROR, BERTH_ERROR_QUEUE_FULL,
                 "%u calls of this connection are under way: wait for the end of one",
                 BERTH_MCP_CALLS);
  if (!is_full && berth_mcp_tools_check (tool, arguments, &error))
    tool->start (pending->call);
  else
    berth_mcp_call_fail (pending->call, error);
}

static void
call_tool (const Request *request)
{
  g_autoptr (GVariant) arguments = g_variant_lookup_value (request->params, "arguments", NULL);
  const char *name = NULL;
  const BerthMcpTool *tool = NULL;
  g_autofree char *problem = NULL;

  if (g_variant_lookup (request->params, "name", "&s", &name))
    tool = berth_mcp_tools_find (name);
  if (arguments == NULL)
    arguments = g_variant_ref_sink (g_variant_new_array (G_VARIANT_TYPE ("{sv}"), NULL, 0));
  if (tool == NULL)
    problem = name != NULL ? g_strdup_printf ("there is no tool \"%.80s\"", name)
                           : g_strdup ("\"name\" must be a string");
  else if (!g_variant_is_of_type (arguments, G_VARIANT_TYPE_VARDICT))
    problem = g_strdup ("\"arguments\" must be an object");
  if (problem == NULL)
    start_call (request, tool, arguments);
  else
    send_error (request, BERTH_MCP_INVALID_PARAMS, problem, NULL);
}

/* Nothing that this server has ever changes: none of it is promised. */
static void
listen (const Request *request)
{
  GVariantBuilder params = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);
  GVariantBuilder meta = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);

  if (g_hash_table_size (request->server->pending) >= BERTH_MCP_CALLS)
    {
      g_variant_builder_clear (&params);
      g_variant_builder_clear (&meta);
      send_error (request, BERTH_MCP_INVALID_REQUEST, "too many requests are under way", NULL);
      return;
    }
  g_variant_builder_add (&meta, "{sv}", META_SUBSCRIPTION, request->id);
  g_variant_builder_add (&params, "{sv}", "_meta", g_variant_builder_end (&meta));
  g_variant_builder_add (&params, "{sv}", "notifications",
                         g_variant_new_array (G_VARIANT_TYPE ("{sv}"), NULL, 0));
  send (request->server, NULL,
        berth_mcp_message_new_notification ("notifications/subscriptions/acknowledged",
                                            g_variant_builder_end (&params)));
  pending_new (request);
}

typedef enum
{
  ERA_LEGACY = 1 << 0, /* after initialize */
  ERA_MODERN = 1 << 1,
  ERA_EARLY = 1 << 2, /* before initialize, too */
} Era;

static const struct
{
  const char *name;
  Era eras;
  void (*answer) (const Request *request);
} methods[] = {
  { "initialize", ERA_LEGACY | ERA_EARLY, initialize },
  { "ping", ERA_LEGACY | ERA_EARLY, ping },
  { "tools/list", ERA_LEGACY | ERA_MODERN, list_tools },
  { "tools/call", ERA_LEGACY | ERA_MODERN, call_tool },
  { "server/discover", ERA_MODERN, discover },
  { "subscriptions/listen", ERA_MODERN, listen },
};

/* ---- messages ---- */

static void
answer_method (const Request *request)
{
  const Era era = request->is_modern ? ERA_MODERN : ERA_LEGACY;
  g_autofree char *problem = NULL;

  for (guint i = 0; i < G_N_ELEMENTS (methods); i++)
    {
      if (strcmp (methods[i].name, request->method) != 0 || (methods[i].eras & era) == 0)
        continue;
      if (request->is_modern || request->server->version != NULL
          || (methods[i].eras & ERA_EARLY) != 0)
        methods[i].answer (request);
      else
        send_error (request, BERTH_MCP_INVALID_PARAMS,
                    "say initialize first, or the revision in _meta, \"" META_VERSION
                    "\": \"" MODERN_VERSION "\"",
                    NULL);
      return;
    }
  problem = g_strdup_printf ("there is no method \"%.80s\"", request->method);
  send_error (request, BERTH_MCP_METHOD_NOT_FOUND, problem, NULL);
}

static void
refuse_version (const Request *request, const char *requested)
{
  GVariantBuilder data = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);

  g_variant_builder_add (&data, "{sv}", "supported", g_variant_new_strv (versions, -1));
  add_string (&data, "requested", requested);
  send_error (request, BERTH_MCP_UNSUPPORTED_VERSION, "Unsupported protocol version",
              g_variant_builder_end (&data));
}

static void
handle_request (Request *request)
{
  g_autofree char *key = berth_json_from_variant (request->id);
  g_autofree char *problem = NULL;
  g_autoptr (GVariant) capabilities
      = g_variant_lookup_value (request->meta, META_CAPABILITIES, G_VARIANT_TYPE_VARDICT);
  const char *version = NULL;

  if (g_hash_table_contains (request->server->pending, key))
    {
      /* with this id, it would be taken for the other one's */
      problem = g_strdup_printf ("a request with the id %s is under way", key);
      send (request->server, request->batch,
            berth_mcp_message_new_error (NULL, BERTH_MCP_INVALID_REQUEST, problem, NULL));
      return;
    }
  request->is_modern = g_variant_lookup (request->meta, META_VERSION, "&s", &version);
  if (request->is_modern && strcmp (version, MODERN_VERSION) != 0)
    refuse_version (request, version);
  else if (request->is_modern && capabilities == NULL)
    send_error (request, BERTH_MCP_INVALID_PARAMS,
                "_meta must have \"" META_CAPABILITIES "\", an object", NULL);
  else
    answer_method (request);
}

static void
handle_cancelled (BerthMcpServer *self, GVariant *params)
{
  g_autoptr (GVariant) id
      = params != NULL ? g_variant_lookup_value (params, "requestId", NULL) : NULL;
  g_autofree char *key
      = id != NULL && berth_mcp_message_is_id (id) ? berth_json_from_variant (id) : NULL;
  Pending *pending = key != NULL ? g_hash_table_lookup (self->pending, key) : NULL;

  if (pending == NULL)
    return;
  if (pending->call != NULL)
    berth_mcp_call_withdraw (pending->call);
  else
    pending_remove (pending);
}

static void
handle_value (BerthMcpServer *self, GVariant *value, Batch *batch)
{
  g_auto (BerthMcpMessage) message = { 0 };
  g_autoptr (GVariant) empty
      = g_variant_ref_sink (g_variant_new_array (G_VARIANT_TYPE ("{sv}"), NULL, 0));
  g_autoptr (GVariant) meta = NULL;
  Request request = { .server = self, .batch = batch };

  berth_mcp_message_read (&message, value);
  request.id = message.id;
  request.method = message.method;
  request.params = message.params != NULL ? message.params : empty;
  meta = g_variant_lookup_value (request.params, "_meta", G_VARIANT_TYPE_VARDICT);
  request.meta = meta != NULL ? meta : empty;
  if (message.kind == BERTH_MCP_REQUEST)
    handle_request (&request);
  else if (message.kind == BERTH_MCP_BROKEN)
    send_error (&request, BERTH_MCP_INVALID_REQUEST, message.problem, NULL);
  else if (message.kind == BERTH_MCP_NOTIFICATION
           && strcmp (message.method, "notifications/cancelled") == 0)
    handle_cancelled (self, message.params);
}

static void
handle_batch (BerthMcpServer *self, GVariant *values)
{
  Request nobody = { .server = self };
  gsize count = g_variant_n_children (values);
  g_autofree char *problem = NULL;
  Batch *batch;

  if (count == 0 || count > BERTH_MCP_CALLS || g_strcmp0 (self->version, BATCH_VERSION) != 0)
    {
      problem = g_strdup_printf ("a batch, which this revision has not, or one that is empty or of "
                                 "more than %u messages: send each message in a line of its own",
                                 BERTH_MCP_CALLS);
      send_error (&nobody, BERTH_MCP_INVALID_REQUEST, problem, NULL);
      return;
    }
  batch = g_new0 (Batch, 1);
  batch->refs = 1;
  batch->texts = g_ptr_array_new_with_free_func (g_free);
  for (gsize i = 0; i < count; i++)
    {
      g_autoptr (GVariant) boxed = g_variant_get_child_value (values, i);
      g_autoptr (GVariant) value = g_variant_get_variant (boxed);

      handle_value (self, value, batch);
    }
  batch_unref (self, batch);
}

static void
line_cb (const char *text, gsize size, gpointer user_data)
{
  BerthMcpServer *self = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) value = berth_mcp_json_parse (text, size, &error);
  Request nobody = { .server = self };

  if (value == NULL)
    send_error (&nobody, BERTH_MCP_PARSE_ERROR, error->message, NULL);
  else if (g_variant_is_of_type (value, G_VARIANT_TYPE ("av")))
    handle_batch (self, value);
  else
    handle_value (self, value, NULL);
}

static void
too_long_cb (gpointer user_data)
{
  Request nobody = { .server = user_data };

  send_error (&nobody, BERTH_MCP_INVALID_REQUEST,
              "a message of more than 16 MiB is passed over: write larger files in parts", NULL);
}

/* ---- the end ---- */

static gboolean
stop_limit_cb (gpointer user_data)
{
  BerthMcpServer *self = user_data;

  self->stop_id = 0;
  g_main_loop_quit (self->loop);
  return G_SOURCE_REMOVE;
}

static void
end_subscription (Pending *pending)
{
  g_autoptr (GVariant) id = g_variant_ref (pending->id);

  send (pending->server, NULL,
        berth_mcp_message_new_result (
            id, decorate (g_variant_new_array (G_VARIANT_TYPE ("{sv}"), NULL, 0), TRUE, id)));
  pending_remove (pending);
}

void
berth_mcp_server_stop (BerthMcpServer *self)
{
  g_autoptr (GList) all = g_hash_table_get_values (self->pending);

  if (self->is_stopping)
    return;
  self->is_stopping = TRUE;
  self->stop_id = g_timeout_add_seconds (STOP_LIMIT_S, stop_limit_cb, self);
  for (GList *link = all; link != NULL; link = link->next)
    {
      Pending *pending = link->data;

      if (pending->call != NULL)
        berth_mcp_call_withdraw (pending->call);
      else
        end_subscription (pending);
    }
  maybe_quit (self);
}

static void
closed_cb (gpointer user_data)
{
  berth_mcp_server_stop (user_data);
}

static void
drained_cb (gpointer user_data)
{
  maybe_quit (user_data);
}

BerthMcpServer *
berth_mcp_server_new (const BerthMcpServerOptions *options, GInputStream *input,
                      GOutputStream *output)
{
  static const BerthMcpChannelFuncs funcs = { line_cb, too_long_cb, closed_cb, drained_cb };
  BerthMcpServer *self = g_new0 (BerthMcpServer, 1);

  self->context.client = berth_client_new (options->socket);
  self->context.keeps_sandboxes = options->keeps_sandboxes;
  self->pending = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, pending_free);
  self->loop = g_main_loop_new (NULL, FALSE);
  self->channel = berth_mcp_channel_new (input, output, &funcs, self);
  return self;
}

void
berth_mcp_server_serve (BerthMcpServer *self)
{
  g_main_loop_run (self->loop);
}

void
berth_mcp_server_free (BerthMcpServer *self)
{
  g_clear_handle_id (&self->stop_id, g_source_remove);
  g_hash_table_unref (self->pending);
  berth_mcp_channel_free (self->channel);
  g_object_unref (self->context.client);
  g_main_loop_unref (self->loop);
  g_free (self);
}
