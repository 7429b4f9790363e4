/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How a call to berthd ends: by its answer, by being withdrawn, or by berthd's end, and what each
 * means for the caller. Calls of a client share a connection, so cancelling one is a message. */
#include "plugin/libberth/berth-client-call.h"

#include "plugin/bus/berth-bus-failure.h"
#include "plugin/bus/berth-bus-names.h"
#include "plugin/bus/berth-progress-watch.h"
#include "plugin/libberth/berth-client-private.h"
#include "plugin/model/berth-spec-private.h"
#include "pool/berth-error.h"
#include "pool/berth-sync.h"

typedef struct
{
  BerthClientCallKind kind;
  const char *answer_type;
  GDBusMessage *message;
  BerthClient *client;
  GDBusConnection *connection; /* taken from @client, for this call */
  GMutex lock;      /* the answer may come on another thread than the one that still asks */
  gulong cancel_id; /* guarded by @lock */
  BerthProgressWatch *watch; /* nullable, guarded by @lock */
  BerthSpec *spec;           /* nullable: hears of it */
  BerthTty *tty;             /* nullable: says it */
  char *told;                /* to @spec, the last time */
} Call;

/* What takes a call back, or sends another size after it; lives as long as somebody may ask for it.
 */
typedef struct
{
  GDBusConnection *connection;
  guint32 serial;
} Withdrawal;

static void
return_connection (Call *call)
{
  if (call->connection != NULL)
    berth_client_return_connection (call->client, g_steal_pointer (&call->connection));
}

static void
call_free (gpointer data)
{
  Call *call = data;

  g_clear_object (&call->message);
  g_clear_object (&call->spec);
  g_clear_pointer (&call->tty, berth_tty_unref);
  g_free (call->told);
  return_connection (call);
  g_object_unref (call->client);
  g_mutex_clear (&call->lock);
  g_free (call);
}

static void
withdrawal_free (gpointer data)
{
  Withdrawal *withdrawal = data;

  g_object_unref (withdrawal->connection);
  g_free (withdrawal);
}

static GDBusMessage *
message_new (const char *interface, const char *method, GVariant *arguments)
{
  GDBusMessage *message = g_dbus_message_new_method_call (NULL, BERTH_BUS_PATH, interface, method);

  if (arguments != NULL)
    g_dbus_message_set_body (message, arguments);
  return message;
}

/* Nobody waits for the answer. */
static void
send_and_forget (GDBusConnection *connection, const char *method, GVariant *arguments)
{
  g_autoptr (GDBusMessage) message = message_new (BERTH_BUS_INTERFACE, method, arguments);

  g_dbus_message_set_flags (message, G_DBUS_MESSAGE_FLAGS_NO_REPLY_EXPECTED);
  g_dbus_connection_send_message (connection, message, G_DBUS_SEND_MESSAGE_FLAGS_NONE, NULL, NULL);
}

static void
withdraw_cb (GCancellable *cancellable, gpointer user_data)
{
  Withdrawal *withdrawal = user_data;

  send_and_forget (withdrawal->connection, "Cancel", g_variant_new ("(u)", withdrawal->serial));
}

static void
resized_cb (guint rows, guint columns, gpointer user_data)
{
  Withdrawal *withdrawal = user_data;

  send_and_forget (withdrawal->connection, "Resize",
                   g_variant_new ("(uuu)", withdrawal->serial, rows, columns));
}

static Withdrawal *
withdrawal_new (Call *call, guint32 serial)
{
  Withdrawal *withdrawal = g_new0 (Withdrawal, 1);

  withdrawal->connection = g_object_ref (call->connection);
  withdrawal->serial = serial;
  return withdrawal;
}

/* (transfer full) (nullable) */
static GError *
error_of_answer (GDBusMessage *answer)
{
  GError *error = NULL;

  return g_dbus_message_to_gerror (answer, &error) ? berth_bus_failure_of_answer (error) : NULL;
}

/* Nobody will ever know these sandboxes. */
static void
discard_sandboxes (Call *call, GVariant *body)
{
  g_autoptr (GVariant) made = g_variant_get_child_value (body, 0);
  g_autofree const char **ids = NULL;

  if (g_variant_is_of_type (made, G_VARIANT_TYPE_STRING_ARRAY))
    ids = g_variant_get_strv (made, NULL);
  else
    {
      ids = g_new0 (const char *, 2);
      ids[0] = g_variant_get_string (made, NULL);
    }
  for (guint i = 0; ids[i] != NULL; i++)
    send_and_forget (call->connection, "Destroy", g_variant_new ("(s)", ids[i]));
}

/* (transfer full) (nullable) */
static GVariant *
dup_body (Call *call, GDBusMessage *answer, GError **error)
{
  GVariant *body = g_dbus_message_get_body (answer);
  g_autoptr (GVariant) checked
      = g_variant_ref_sink (body != NULL ? body : g_variant_new_tuple (NULL, 0));

  if (g_variant_is_of_type (checked, G_VARIANT_TYPE (call->answer_type)))
    return g_steal_pointer (&checked);
  g_set_error (error, BERTH_ERROR, BERTH_ERROR_INTERNAL,
               "berthd's answer is of type %s, not %s: is it of another version?",
               g_variant_get_type_string (checked), call->answer_type);
  return NULL;
}

static void
return_answer (GTask *task, GDBusMessage *answer)
{
  Call *call = g_task_get_task_data (task);
  GError *error = error_of_answer (answer);
  g_autoptr (GVariant) body = error == NULL ? dup_body (call, answer, &error) : NULL;

  if (body == NULL)
    g_task_return_error (task, error);
  else if (call->kind == BERTH_CLIENT_CALL_CREATES
           && g_cancellable_is_cancelled (g_task_get_cancellable (task)))
    {
      discard_sandboxes (call, body);
      g_task_return_error_if_cancelled (task);
    }
  else
    g_task_return_pointer (task, g_steal_pointer (&body), (GDestroyNotify)g_variant_unref);
}

/* Neither withdrawn nor watched any more */
static void
let_go (GTask *task)
{
  Call *call = g_task_get_task_data (task);
  gulong cancel_id;

  g_mutex_lock (&call->lock);
  cancel_id = call->cancel_id;
  g_clear_pointer (&call->watch, berth_progress_watch_free);
  g_mutex_unlock (&call->lock);
  g_cancellable_disconnect (g_task_get_cancellable (task), cancel_id);
  if (call->tty != NULL)
    berth_tty_watch (call->tty, NULL, NULL, NULL);
}

static void
watched_cb (const BerthStage *stage, gpointer user_data)
{
  Call *call = user_data;
  g_autoptr (BerthSpec) spec = g_object_ref (call->spec);
  g_autofree char *text = NULL;

  if (stage == NULL)
    return;
  text = g_strdup_printf ("%s %u %s", stage->state, stage->position, stage->domain);
  if (g_strcmp0 (text, call->told) == 0)
    return;
  g_free (call->told);
  call->told = g_steal_pointer (&text);
  berth_spec_tell (spec, stage);
}

static void
answered_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  Call *call = g_task_get_task_data (task);
  g_autoptr (GError) cause = NULL;
  g_autoptr (GDBusMessage) answer = g_dbus_connection_send_message_with_reply_finish (
      G_DBUS_CONNECTION (source), result, &cause);

  let_go (task);
  if (answer != NULL)
    return_answer (task, answer);
  else
    g_task_return_error (task,
                         berth_bus_failure_of_silence (call->connection, cause,
                                                       call->kind == BERTH_CLIENT_CALL_RUNS_CODE));
  return_connection (call);
}

/* Takes over @task. */
static void
send_call (GTask *task)
{
  Call *call = g_task_get_task_data (task);
  g_autoptr (GTask) own = g_object_ref (task);
  GCancellable *cancellable = g_task_get_cancellable (task);
  gboolean is_question = call->kind == BERTH_CLIENT_CALL_ASKS;
  guint32 serial = 0;

  g_mutex_lock (&call->lock);
  g_dbus_connection_send_message_with_reply (call->connection, call->message,
                                             G_DBUS_SEND_MESSAGE_FLAGS_NONE, G_MAXINT, &serial,
                                             is_question ? cancellable : NULL, answered_cb, task);
  if (!is_question && cancellable != NULL)
    call->cancel_id = g_cancellable_connect (cancellable, G_CALLBACK (withdraw_cb),
                                             withdrawal_new (call, serial), withdrawal_free);
  if (call->tty != NULL)
    berth_tty_watch (call->tty, resized_cb, withdrawal_new (call, serial), withdrawal_free);
  if (call->spec != NULL && berth_spec_has_listeners (call->spec))
    call->watch = berth_progress_watch_new (call->connection, serial, watched_cb, call);
  /* the message holds the program's ends of its pipes: they close when it is written */
  g_clear_object (&call->message);
  g_mutex_unlock (&call->lock);
}

static void
connect_thread (GTask *connecting, gpointer source, gpointer data, GCancellable *cancellable)
{
  GError *error = NULL;
  GDBusConnection *connection = berth_client_connect (source, &error);

  BERTH_SYNC_RELEASE (connecting);
  if (connection != NULL)
    g_task_return_pointer (connecting, connection, NULL); /* connected_cb always takes it */
  else
    g_task_return_error (connecting, error);
}

static void
connected_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  Call *call = g_task_get_task_data (task);
  GError *error = NULL;

  BERTH_SYNC_ACQUIRE (result);
  call->connection = g_task_propagate_pointer (G_TASK (result), &error);
  if (g_task_return_error_if_cancelled (task))
    g_clear_error (&error);
  else if (call->connection == NULL)
    g_task_return_error (task, error);
  else
    send_call (g_steal_pointer (&task));
}

void
berth_client_call_start (GTask *task, const BerthClientCall *what)
{
  g_autoptr (GUnixFDList) fds = what->fds;
  g_autoptr (GTask) connecting = NULL;
  Call *call = g_new0 (Call, 1);

  call->kind = what->kind;
  call->answer_type = what->answer_type;
  call->spec = what->spec != NULL ? g_object_ref (what->spec) : NULL;
  call->tty = what->tty != NULL ? berth_tty_ref (what->tty) : NULL;
  call->message = message_new (what->interface != NULL ? what->interface : BERTH_BUS_INTERFACE,
                               what->method, what->arguments);
  g_dbus_message_set_unix_fd_list (call->message, fds);
  call->client
      = g_object_ref (what->client != NULL ? what->client : g_task_get_source_object (task));
  call->connection = berth_client_take_connection (call->client);
  g_mutex_init (&call->lock);
  g_task_set_task_data (task, call, call_free);
  /* an end that is known is told, even if the caller cancelled too late */
  g_task_set_check_cancellable (task, FALSE);
  if (call->connection != NULL)
    {
      send_call (task);
      return;
    }
  connecting = g_task_new (call->client, NULL, connected_cb, task);
  g_task_run_in_thread (connecting, connect_thread);
}

/* (transfer floating) */
static GVariant *
prepend_id (const char *id, GVariant *rest)
{
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE_TUPLE);
  g_variant_builder_add (&builder, "s", id);
  for (gsize i = 0; rest != NULL && i < g_variant_n_children (rest); i++)
    {
      g_autoptr (GVariant) child = g_variant_get_child_value (rest, i);

      g_variant_builder_add_value (&builder, child);
    }
  return g_variant_builder_end (&builder);
}

void
berth_client_call_start_for (GTask *task, BerthClientCall *what, const char *id, GVariant *rest)
{
  g_autoptr (GVariant) sunk = rest != NULL ? g_variant_ref_sink (rest) : NULL;
  GError *error = NULL;

  if (!berth_spec_check_name ("sandbox id", id, &error))
    {
      g_clear_object (&what->fds);
      g_task_return_error (task, error);
      g_object_unref (task);
      return;
    }
  what->arguments = prepend_id (id, sunk);
  berth_client_call_start (task, what);
}

GTask *
berth_client_call_new_task (gpointer source, gpointer tag, GCancellable *cancellable,
                            GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task = g_task_new (source, cancellable, callback, user_data);

  (g_task_set_source_tag) (task, tag);
  return task;
}

GVariant *
berth_client_call_finish (gpointer source, GAsyncResult *result, gpointer tag, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, source), NULL);
  g_return_val_if_fail (g_task_get_source_tag (G_TASK (result)) == tag, NULL);

  return g_task_propagate_pointer (G_TASK (result), error);
}

GVariant *
berth_client_call_finish_child (gpointer source, GAsyncResult *result, gpointer tag, GError **error)
{
  g_autoptr (GVariant) body = berth_client_call_finish (source, result, tag, error);

  return body != NULL ? g_variant_get_child_value (body, 0) : NULL;
}

gboolean
berth_client_call_finish_nothing (gpointer source, GAsyncResult *result, gpointer tag,
                                  GError **error)
{
  g_autoptr (GVariant) body = berth_client_call_finish (source, result, tag, error);

  return body != NULL;
}
