/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a client may ask, as whom it asks, and that it gets one answer to everything. Calls that
 * were made over a connection end with it; sandboxes stay. */
#include "plugin/daemon/berth-peer-private.h"

#include <unistd.h>

#include "plugin/daemon/berth-peer-calls.h"
#include "plugin/daemon/berth-options.h"
#include "plugin/daemon/berth-peer-admin.h"
#include "plugin/daemon/berth-view.h"
#include "plugin/base/berth-printable.h"
#include "plugin/bus/berth-bus-names.h"
#include "plugin/model/berth-limits.h"
#include "pool/berth-error.h"
#include "pool/berth-request.h"

#define ACCOUNT_KEY "berth-account" /* of a connection: its user's */

struct _BerthPeer
{
  BerthDBusManagerSkeleton parent_instance;
  GDBusConnection *connection;
  GSocket *client; /* beyond the relay */
  BerthAccount *account;
  GDBusInterfaceSkeleton *admin;
  BerthPeerCalls *calls;
  BerthManager *manager;
  gint64 default_wait_us;
  guint32 uid;
  GPtrArray *attached; /* char: ids of sandboxes that end with the connection */
};

/* A call that takes its time. Freed without an answer, it answers that berth has a bug. */
typedef struct
{
  BerthPeer *peer;
  GDBusMethodInvocation *invocation; /* owned; NULL once answered */
  gboolean is_attached;              /* of Create */
} Call;

static void iface_init (BerthDBusManagerIface *iface);

G_DEFINE_FINAL_TYPE_WITH_CODE (BerthPeer, berth_peer, BERTH_DBUS_TYPE_MANAGER_SKELETON,
                               G_IMPLEMENT_INTERFACE (BERTH_DBUS_TYPE_MANAGER, iface_init))

enum
{
  SIGNAL_CLOSED,
  N_SIGNALS,
};
static guint signals[N_SIGNALS]; /* lint: file-scope: signal ids, set once in class_init */

static Call *
call_new (BerthPeer *peer, GDBusMethodInvocation *invocation)
{
  Call *call = g_new0 (Call, 1);

  call->peer = g_object_ref (peer);
  call->invocation = invocation;
  return call;
}

/* Takes @value if it floats. */
static void
call_answer (Call *call, GVariant *value)
{
  g_dbus_method_invocation_return_value (g_steal_pointer (&call->invocation), value);
}

void
berth_peer_answer_error (GDBusMethodInvocation *invocation, const GError *error)
{
  /* berth-bus-names.c gives every error that callers may see a name; a foreign one is a bug of
   * berth's whose text helps, and whose name would mean nothing to anybody */
  gboolean known
      = error->domain == BERTH_ERROR || g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  /* a caller's or a guest's text may be in it: any bytes, cut within a character. A message is one
   * line, which whoever shows it can show, and GDBus takes no text that is not UTF-8 */
  g_autofree char *text = berth_printable_dup (error->message, FALSE);
  g_autoptr (GError) told = g_error_new_literal (known ? error->domain : BERTH_ERROR,
                                                 known ? error->code : BERTH_ERROR_INTERNAL, text);

  if (told->code == BERTH_ERROR_INTERNAL && told->domain == BERTH_ERROR)
    berth_account_log (
        g_object_get_data (G_OBJECT (g_dbus_method_invocation_get_connection (invocation)),
                           ACCOUNT_KEY),
        "internal error: %s", told->message);
  g_dbus_method_invocation_return_gerror (invocation, told);
}

static void
call_fail (Call *call, const GError *error)
{
  berth_peer_answer_error (g_steal_pointer (&call->invocation), error);
}

static void
call_free (Call *call)
{
  if (call->invocation != NULL)
    g_dbus_method_invocation_return_error (g_steal_pointer (&call->invocation), BERTH_ERROR,
                                           BERTH_ERROR_INTERNAL,
                                           "the call was dropped unanswered: a bug of berthd");
  g_object_unref (call->peer);
  g_free (call);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Call, call_free)

/* Administrators see and touch every sandbox: the manager knows them as 0. */
guint32
berth_peer_get_acting_uid (BerthPeer *self)
{
  return self->uid == geteuid () ? 0 : self->uid;
}

guint32
berth_peer_get_uid (BerthPeer *self)
{
  return self->uid;
}

gint64
berth_peer_get_default_wait_us (BerthPeer *self)
{
  return self->default_wait_us;
}

BerthManager *
berth_peer_get_manager (BerthPeer *self)
{
  return self->manager;
}

const BerthCallerFds *
berth_peer_find_fds (BerthPeer *self, GDBusMethodInvocation *invocation)
{
  return berth_peer_calls_find_fds (self->calls, invocation);
}

GCancellable *
berth_peer_get_cancellable (BerthPeer *self, GDBusMethodInvocation *invocation)
{
  return berth_peer_calls_add (self->calls, invocation);
}

static void
answer_result (Call *call, BerthResult *result, const GError *error)
{
  GVariant *dictionary;

  if (result == NULL)
    {
      call_fail (call, error);
      return;
    }
  dictionary = berth_result_to_variant (result);
  call_answer (call, g_variant_new_tuple (&dictionary, 1));
}

static void
run_cb (GObject *source, GAsyncResult *async_result, gpointer user_data)
{
  g_autoptr (Call) call = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (BerthResult) result
      = berth_manager_run_finish (BERTH_MANAGER (source), async_result, &error);

  answer_result (call, result, error);
}

static gboolean
handle_run (BerthDBusManager *object, GDBusMethodInvocation *invocation, GUnixFDList *none,
            GVariant *arg_options)
{
  BerthPeer *self = BERTH_PEER (object);
  g_autoptr (Call) call = call_new (self, invocation);
  g_autoptr (GError) error = NULL;
  g_autoptr (BerthOptions) options
      = berth_options_parse (BERTH_OPTION_SET_SANDBOX | BERTH_OPTION_SET_EXEC | BERTH_OPTION_SET_RUN
                                 | BERTH_OPTION_SET_FILES,
                             arg_options, berth_peer_find_fds (self, invocation), self->uid,
                             self->default_wait_us, &error);
  GCancellable *cancellable;

  if (options == NULL)
    {
      call_fail (call, error);
      return G_DBUS_METHOD_INVOCATION_HANDLED;
    }
  cancellable = berth_peer_calls_add (self->calls, invocation);
  berth_peer_calls_set_tty (invocation, options->exec->tty);
  berth_manager_run_async (self->manager, &options->sandbox, g_steal_pointer (&options->exec),
                           cancellable, run_cb, g_steal_pointer (&call));
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

gboolean
berth_peer_check_id (const char *id, GError **error)
{
  if (berth_request_name_is_valid (id))
    return TRUE;
  g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID,
               "'%.40s' is no sandbox id: 'berth list' shows them", id);
  return FALSE;
}

static void
exec_cb (GObject *source, GAsyncResult *async_result, gpointer user_data)
{
  g_autoptr (Call) call = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (BerthResult) result
      = berth_manager_exec_finish (BERTH_MANAGER (source), async_result, &error);

  answer_result (call, result, error);
}

static gboolean
handle_exec (BerthDBusManager *object, GDBusMethodInvocation *invocation, GUnixFDList *none,
             const char *id, GVariant *arg_options)
{
  BerthPeer *self = BERTH_PEER (object);
  g_autoptr (Call) call = call_new (self, invocation);
  g_autoptr (GError) error = NULL;
  g_autoptr (BerthOptions) options = NULL;
  GCancellable *cancellable;

  if (berth_peer_check_id (id, &error))
    options = berth_options_parse (BERTH_OPTION_SET_EXEC, arg_options,
                                   berth_peer_find_fds (self, invocation), self->uid, 0, &error);
  if (options == NULL)
    {
      call_fail (call, error);
      return G_DBUS_METHOD_INVOCATION_HANDLED;
    }
  cancellable = berth_peer_calls_add (self->calls, invocation);
  berth_peer_calls_set_tty (invocation, options->exec->tty);
  berth_manager_exec_async (self->manager, id, berth_peer_get_acting_uid (self),
                            g_steal_pointer (&options->exec), cancellable, exec_cb,
                            g_steal_pointer (&call));
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

static gboolean
handle_cancel (BerthDBusManager *object, GDBusMethodInvocation *invocation, guint32 serial)
{
  berth_peer_calls_cancel (BERTH_PEER (object)->calls, serial);
  g_dbus_method_invocation_return_value (invocation, NULL);
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

static gboolean
handle_resize (BerthDBusManager *object, GDBusMethodInvocation *invocation, guint32 serial,
               guint32 rows, guint32 columns)
{
  BerthTty *tty = berth_peer_calls_find_tty (BERTH_PEER (object)->calls, serial);

  if (!berth_tty_size_is_valid (rows, columns))
    g_dbus_method_invocation_return_error (
        invocation, BERTH_ERROR, BERTH_ERROR_INVALID,
        "a terminal of %u rows and %u columns: give 1 to %u of each", rows, columns,
        BERTH_TTY_SIDE_MAX);
  else
    {
      if (tty != NULL)
        berth_tty_resize (tty, rows, columns);
      g_dbus_method_invocation_return_value (invocation, NULL);
    }
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

static gboolean
handle_progress (BerthDBusManager *object, GDBusMethodInvocation *invocation, guint32 serial)
{
  BerthPeer *self = BERTH_PEER (object);
  BerthManagerCall *call = berth_peer_calls_find (self->calls, serial);
  g_autoptr (GVariant) progress
      = call != NULL ? berth_manager_dup_progress (self->manager, call) : NULL;

  g_dbus_method_invocation_return_value (invocation, progress != NULL
                                                         ? g_variant_new ("(@a{sv})", progress)
                                                         : g_variant_new_parsed ("(@a{sv} {},)"));
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

static void
untold_destroyed_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autofree char *id = user_data;
  g_autoptr (GError) error = NULL;

  if (!berth_manager_destroy_sandbox_finish (BERTH_MANAGER (source), result, NULL, &error))
    g_warning ("sandbox %s, whose caller went away: %s", id, error->message);
}

void
berth_peer_destroy_untold (BerthPeer *self, const char *id)
{
  g_message ("sandbox %s is destroyed: its caller went away before it was told", id);
  berth_manager_destroy_sandbox_async (self->manager, id, 0, NULL, untold_destroyed_cb,
                                       g_strdup (id));
}

gboolean
berth_peer_is_gone (BerthPeer *self)
{
  return g_dbus_connection_is_closed (self->connection) || g_socket_is_closed (self->client)
         || (g_socket_condition_check (self->client, G_IO_HUP) & G_IO_HUP) != 0;
}

/* Nobody would ever end a sandbox whose id nobody was told. One whose caller dies after this check,
 * but before it reads the answer, ends by its idle timeout; whether an answer that was written was
 * also read cannot be known, and a sandbox that somebody knows must never be taken away. */
static void
create_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (Call) call = user_data;
  g_autoptr (GError) error = NULL;
  g_autofree char *id
      = berth_manager_create_sandbox_finish (BERTH_MANAGER (source), result, &error);
  gboolean is_gone;

  if (id == NULL)
    {
      call_fail (call, error);
      return;
    }
  is_gone = berth_peer_is_gone (call->peer);
  call_answer (call, g_variant_new ("(s)", id));
  if (!is_gone && call->is_attached)
    g_ptr_array_add (call->peer->attached, g_strdup (id));
  if (!is_gone)
    return;
  berth_peer_destroy_untold (call->peer, id);
}

static gboolean
handle_create (BerthDBusManager *object, GDBusMethodInvocation *invocation, GUnixFDList *none,
               GVariant *arg_options)
{
  BerthPeer *self = BERTH_PEER (object);
  g_autoptr (Call) call = call_new (self, invocation);
  g_autoptr (GError) error = NULL;
  g_autoptr (BerthOptions) options = berth_options_parse (
      BERTH_OPTION_SET_SANDBOX | BERTH_OPTION_SET_SESSION, arg_options,
      berth_peer_find_fds (self, invocation), self->uid, self->default_wait_us, &error);

  if (options == NULL)
    {
      call_fail (call, error);
      return G_DBUS_METHOD_INVOCATION_HANDLED;
    }
  call->is_attached = options->sandbox.ends_with_caller;
  berth_manager_create_sandbox_async (self->manager, &options->sandbox,
                                      berth_peer_calls_add (self->calls, invocation), create_cb,
                                      g_steal_pointer (&call));
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

static void
destroy_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (Call) call = user_data;
  g_autoptr (GError) error = NULL;
  g_autofree char *was_gone = NULL;
  GVariantDict info;

  if (!berth_manager_destroy_sandbox_finish (BERTH_MANAGER (source), result, &was_gone, &error))
    {
      call_fail (call, error);
      return;
    }
  g_variant_dict_init (&info, NULL);
  if (was_gone != NULL)
    g_variant_dict_insert (&info, "was_gone", "s", was_gone);
  call_answer (call, g_variant_new ("(@a{sv})", g_variant_dict_end (&info)));
}

void
berth_peer_attach_child (BerthPeer *self, const char *source, const char *id)
{
  if (g_ptr_array_find_with_equal_func (self->attached, source, g_str_equal, NULL))
    g_ptr_array_add (self->attached, g_strdup (id));
}

static void
forget_attached (BerthPeer *self, const char *id)
{
  guint index;

  if (g_ptr_array_find_with_equal_func (self->attached, id, g_str_equal, &index))
    g_ptr_array_remove_index_fast (self->attached, index);
}

/* Not cancelled with the connection: whoever asked for an end gets it. */
static gboolean
handle_destroy (BerthDBusManager *object, GDBusMethodInvocation *invocation, const char *id)
{
  BerthPeer *self = BERTH_PEER (object);
  g_autoptr (Call) call = call_new (self, invocation);
  g_autoptr (GError) error = NULL;

  if (berth_peer_check_id (id, &error))
    {
      berth_peer_calls_add (self->calls, invocation);
      forget_attached (self, id);
      berth_manager_destroy_sandbox_async (self->manager, id, berth_peer_get_acting_uid (self),
                                           NULL, destroy_cb, g_steal_pointer (&call));
    }
  else
    call_fail (call, error);
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

static gboolean
handle_list (BerthDBusManager *object, GDBusMethodInvocation *invocation)
{
  BerthPeer *self = BERTH_PEER (object);
  g_autoptr (GVariant) vms
      = berth_manager_dup_list (self->manager, berth_peer_get_acting_uid (self));

  g_dbus_method_invocation_return_value (invocation, g_variant_new ("(@aa{sv})", vms));
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

/* (transfer full): as much of the status as this caller may see */
static GVariant *
peer_dup_status (BerthPeer *self)
{
  g_autoptr (GVariant) status = berth_manager_dup_status (self->manager);
  guint uid = berth_peer_get_acting_uid (self);

  return uid == 0 ? g_steal_pointer (&status) : berth_view_new_status (status, uid);
}

static gboolean
handle_status (BerthDBusManager *object, GDBusMethodInvocation *invocation)
{
  g_autoptr (GVariant) status = peer_dup_status (BERTH_PEER (object));

  g_dbus_method_invocation_return_value (invocation, g_variant_new ("(@a{sv})", status));
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

static gboolean
handle_metrics (BerthDBusManager *object, GDBusMethodInvocation *invocation)
{
  BerthPeer *self = BERTH_PEER (object);
  g_autoptr (GVariant) status = peer_dup_status (self);
  g_autofree char *text = berth_manager_dup_metrics (self->manager, status);

  g_dbus_method_invocation_return_value (invocation, g_variant_new ("(s)", text));
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

static void
doctor_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (Call) call = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) findings
      = berth_manager_doctor_finish (BERTH_MANAGER (source), result, &error);

  if (findings != NULL)
    call_answer (call, g_variant_new ("(@aa{sv})", findings));
  else
    call_fail (call, error);
}

static gboolean
handle_doctor (BerthDBusManager *object, GDBusMethodInvocation *invocation)
{
  BerthPeer *self = BERTH_PEER (object);

  berth_manager_doctor_async (self->manager, berth_peer_calls_add (self->calls, invocation),
                              doctor_cb, call_new (self, invocation));
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

static void
iface_init (BerthDBusManagerIface *iface)
{
  iface->handle_run = handle_run;
  iface->handle_exec = handle_exec;
  iface->handle_cancel = handle_cancel;
  iface->handle_resize = handle_resize;
  iface->handle_progress = handle_progress;
  iface->handle_create = handle_create;
  iface->handle_destroy = handle_destroy;
  iface->handle_list = handle_list;
  iface->handle_status = handle_status;
  iface->handle_metrics = handle_metrics;
  iface->handle_doctor = handle_doctor;
  berth_peer_background_init (iface);
  berth_peer_pause_init (iface);
  berth_peer_files_init (iface);
  berth_peer_ports_init (iface);
  berth_peer_fork_init (iface);
  berth_peer_checkpoint_init (iface);
}

static void
berth_peer_dispose (GObject *object)
{
  BerthPeer *self = BERTH_PEER (object);

  g_clear_object (&self->connection);
  g_clear_object (&self->client);
  g_clear_pointer (&self->account, berth_account_unref);
  g_clear_object (&self->admin);
  g_clear_pointer (&self->calls, berth_peer_calls_unref);
  g_clear_object (&self->manager);
  g_clear_pointer (&self->attached, g_ptr_array_unref);
  G_OBJECT_CLASS (berth_peer_parent_class)->dispose (object);
}

static void
berth_peer_class_init (BerthPeerClass *klass)
{
  G_OBJECT_CLASS (klass)->dispose = berth_peer_dispose;
  signals[SIGNAL_CLOSED] = g_signal_new ("closed", BERTH_TYPE_PEER, G_SIGNAL_RUN_LAST, 0, NULL,
                                         NULL, NULL, G_TYPE_NONE, 0);
}

static void
berth_peer_init (BerthPeer *self)
{
  self->attached = g_ptr_array_new_with_free_func (g_free);
  berth_dbus_manager_set_version (BERTH_DBUS_MANAGER (self), BERTH_VERSION);
}

/**
 * berth_peer_new:
 * @connection: to the inner end of @relay, whose messages are not processed yet
 * @relay: an authenticated client's
 * @manager: does what is asked
 * @default_wait_us: of requests that do not say how long they would wait
 *
 * Returns: (transfer full): a peer that does not serve yet
 */
BerthPeer *
berth_peer_new (GDBusConnection *connection, BerthRelay *relay, BerthManager *manager,
                gint64 default_wait_us)
{
  BerthPeer *self = g_object_new (BERTH_TYPE_PEER, NULL);
  BerthTab *tab = berth_relay_get_tab (relay);

  self->connection = g_object_ref (connection);
  self->client = g_object_ref (berth_relay_get_client (relay));
  self->account = berth_account_ref (berth_tab_get_account (tab));
  g_object_set_data_full (G_OBJECT (connection), ACCOUNT_KEY, berth_account_ref (self->account),
                          (GDestroyNotify)berth_account_unref);
  self->calls = berth_peer_calls_new (tab);
  self->manager = g_object_ref (manager);
  self->uid = berth_account_get_uid (self->account);
  self->default_wait_us = default_wait_us;
  self->admin = berth_peer_admin_new (manager, self->uid, self->calls);
  return self;
}

/* One that ended so long ago that it is forgotten is told as gone, which is well. */
static void
detached_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autofree char *id = user_data;
  g_autoptr (GError) error = NULL;

  if (!berth_manager_destroy_sandbox_finish (BERTH_MANAGER (source), result, NULL, &error)
      && !g_error_matches (error, BERTH_ERROR, BERTH_ERROR_GONE))
    g_warning ("sandbox %s, whose connection ended: %s", id, error->message);
}

static void
end_attached (BerthPeer *self)
{
  for (guint i = 0; i < self->attached->len; i++)
    {
      const char *id = g_ptr_array_index (self->attached, i);

      berth_manager_destroy_sandbox_async (self->manager, id, 0, NULL, detached_cb, g_strdup (id));
    }
  g_ptr_array_set_size (self->attached, 0);
}

static void
unexport (BerthPeer *self)
{
  GDBusInterfaceSkeleton *skeletons[] = { G_DBUS_INTERFACE_SKELETON (self), self->admin };

  for (guint i = 0; i < G_N_ELEMENTS (skeletons); i++)
    if (g_dbus_interface_skeleton_get_connection (skeletons[i]) != NULL)
      g_dbus_interface_skeleton_unexport (skeletons[i]);
}

static void
closed_cb (GDBusConnection *connection, gboolean remote_vanished, GError *error, gpointer user_data)
{
  g_autoptr (BerthPeer) self = g_object_ref (BERTH_PEER (user_data));

  berth_peer_calls_cancel_all (self->calls);
  end_attached (self);
  unexport (self);
  g_signal_emit (self, signals[SIGNAL_CLOSED], 0);
}

/**
 * berth_peer_serve:
 * @self: a peer
 *
 * Lets the client's messages in.
 *
 * Returns: whether the connection still lives
 */
gboolean
berth_peer_serve (BerthPeer *self, GError **error)
{
  if (!g_dbus_interface_skeleton_export (G_DBUS_INTERFACE_SKELETON (self), self->connection,
                                         BERTH_BUS_PATH, error)
      || !g_dbus_interface_skeleton_export (self->admin, self->connection, BERTH_BUS_PATH, error))
    return FALSE;
  if (g_dbus_connection_is_closed (self->connection))
    {
      unexport (self);
      g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_CLOSED, "it left at once");
      return FALSE;
    }
  g_signal_connect_object (self->connection, "closed", G_CALLBACK (closed_cb), self, 0);
  g_dbus_connection_start_message_processing (self->connection);
  return TRUE;
}

static void
flushed_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_dbus_connection_flush_finish (G_DBUS_CONNECTION (source), result, NULL);
  g_dbus_connection_close (G_DBUS_CONNECTION (source), NULL, NULL, NULL);
}

/**
 * berth_peer_close:
 * @self: a peer
 *
 * Ends the connection once the answers that were given are written.
 */
void
berth_peer_close (BerthPeer *self)
{
  g_dbus_connection_flush (self->connection, NULL, flushed_cb, NULL);
}
