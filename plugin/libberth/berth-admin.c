/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What administrators ask of a berthd: the calls of its other interface, on a client's connections.
 */
#include "plugin/libberth/berth-admin.h"

#include "plugin/bus/berth-bus-names.h"
#include "plugin/libberth/berth-client-call.h"
#include "plugin/libberth/berth-client-private.h"
#include "plugin/libberth/berth-flow.h"
#include "plugin/model/berth-spec-private.h"
#include "plugin/base/berth-wait.h"
#include "pool/berth-error.h"

/**
 * BerthAdmin:
 *
 * Steers the warm pool and the templates of a berthd.
 *
 * Root and the user that berthd runs as may: everybody else gets %BERTH_ERROR_DENIED. A template
 * that does not exist is %BERTH_ERROR_INVALID. What is set holds until berthd ends; berth.conf
 * holds after that.
 *
 * An admin uses its client's connections, from any thread, and its calls are as the client's:
 * cancelling one ends the wait for the answer, not what was asked.
 *
 * ```c
 * g_autoptr(BerthAdmin) admin = berth_admin_new (client);
 *
 * if (!berth_admin_set_warm (admin, "python", 4, 8, NULL, &error))
 *   g_printerr ("%s\n", error->message);
 * ```
 */
struct _BerthAdmin
{
  GObject parent_instance;
  BerthClient *client;
};

G_DEFINE_FINAL_TYPE (BerthAdmin, berth_admin, G_TYPE_OBJECT)

enum
{
  PROP_CLIENT = 1,
  N_PROPS,
};
static GParamSpec *properties[N_PROPS]; /* lint: file-scope: set once in class_init */

/* by their numbers */
static const char *const action_methods[]
    = { "Fill", "Drain", "Snapshot", "RemoveSnapshot", "ReloadTemplates" };

static void
berth_admin_dispose (GObject *object)
{
  g_clear_object (&BERTH_ADMIN (object)->client);
  G_OBJECT_CLASS (berth_admin_parent_class)->dispose (object);
}

static void
berth_admin_get_property (GObject *object, guint id, GValue *value, GParamSpec *pspec)
{
  if (id == PROP_CLIENT)
    g_value_set_object (value, BERTH_ADMIN (object)->client);
  else
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
}

static void
berth_admin_set_property (GObject *object, guint id, const GValue *value, GParamSpec *pspec)
{
  if (id == PROP_CLIENT)
    BERTH_ADMIN (object)->client = g_value_dup_object (value);
  else
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
}

static void
berth_admin_class_init (BerthAdminClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  object_class->dispose = berth_admin_dispose;
  object_class->get_property = berth_admin_get_property;
  object_class->set_property = berth_admin_set_property;
  /**
   * BerthAdmin:client:
   *
   * Whose connections are used.
   */
  properties[PROP_CLIENT]
      = g_param_spec_object ("client", NULL, NULL, BERTH_TYPE_CLIENT,
                             G_PARAM_READWRITE | G_PARAM_CONSTRUCT_ONLY | G_PARAM_STATIC_STRINGS);
  g_object_class_install_properties (object_class, N_PROPS, properties);
}

static void
berth_admin_init (BerthAdmin *self)
{
}

/**
 * berth_admin_new:
 * @client: of the berthd that is steered; of a server in this process, too
 *
 * Asks nothing yet.
 *
 * Returns: (transfer full): an admin
 */
BerthAdmin *
berth_admin_new (BerthClient *client)
{
  g_return_val_if_fail (BERTH_IS_CLIENT (client), NULL);

  return g_object_new (BERTH_TYPE_ADMIN, "client", client, NULL);
}

/* Takes over @task, and @refusal, nullable: why there are no arguments. */
static void
ask (GTask *task, const char *method, GVariant *arguments, const char *answer_type, GError *refusal)
{
  BerthAdmin *self = g_task_get_source_object (task);
  BerthClientCall call = { BERTH_CLIENT_CALL_ASKS, method, arguments, .answer_type = answer_type };

  if (refusal != NULL)
    {
      g_task_return_error (task, refusal);
      g_object_unref (task);
      return;
    }
  call.client = self->client;
  call.interface = BERTH_BUS_ADMIN_INTERFACE;
  berth_client_call_start (task, &call);
}

/* (transfer full) (nullable): why berthd is not asked about @template_name, which may not even be
 * text */
static GError *
refuse_name (const char *template_name)
{
  GError *error = NULL;

  berth_spec_check_name ("template", template_name, &error);
  return error;
}

/**
 * berth_admin_act_async:
 * @self: an admin
 * @action: what is done
 * @template_name: (nullable): to which template; %NULL for all, but for a snapshot
 * @cancellable: (nullable): ends the wait
 * @callback: (scope async): gets the answer
 * @user_data: for @callback
 *
 * Does something to a template, or to all. A snapshot is answered when it was made, the others when
 * they have begun.
 *
 * Fails with %BERTH_ERROR_INVALID where there is no such template.
 */
void
berth_admin_act_async (BerthAdmin *self, BerthAdminAction action, const char *template_name,
                       GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  GError *refusal;
  GTask *task;

  g_return_if_fail (BERTH_IS_ADMIN (self));
  g_return_if_fail (action < G_N_ELEMENTS (action_methods));

  task = berth_client_call_new_task (self, berth_admin_act_async, cancellable, callback, user_data);
  refusal = refuse_name (template_name);
  ask (task, action_methods[action],
       refusal == NULL ? g_variant_new ("(s)", template_name != NULL ? template_name : "") : NULL,
       "()", refusal);
}

/**
 * berth_admin_act_finish:
 * @self: an admin
 * @result: what the callback got
 *
 * Ends the call in its callback.
 *
 * Returns: %TRUE; %FALSE with @error
 */
gboolean
berth_admin_act_finish (BerthAdmin *self, GAsyncResult *result, GError **error)
{
  return berth_client_call_finish_nothing (self, result, berth_admin_act_async, error);
}

/**
 * berth_admin_act:
 * @self: an admin
 * @action: what is done
 * @template_name: (nullable): to which template; %NULL for all, but for a snapshot
 * @cancellable: (nullable): ends the wait
 *
 * As [method@Admin.act_async], waiting.
 *
 * Returns: %TRUE; %FALSE with @error
 */
gboolean
berth_admin_act (BerthAdmin *self, BerthAdminAction action, const char *template_name,
                 GCancellable *cancellable, GError **error)
{
  g_autoptr (GAsyncResult) result = NULL;
  BerthWait wait;

  g_return_val_if_fail (BERTH_IS_ADMIN (self), FALSE);
  g_return_val_if_fail (action < G_N_ELEMENTS (action_methods), FALSE);

  berth_wait_begin (&wait, berth_client_serves_here (self->client));
  berth_admin_act_async (self, action, template_name, cancellable, berth_wait_cb, &wait);
  result = berth_wait_end (&wait);
  return berth_admin_act_finish (self, result, error);
}

/**
 * berth_admin_set_warm_async:
 * @self: an admin
 * @template_name: of the template
 * @min: warm VMs that are always wanted
 * @max: warm VMs that are wanted at most, when requests need them; @min at least
 * @cancellable: (nullable): ends the wait
 * @callback: (scope async): gets the answer
 * @user_data: for @callback
 *
 * Sets how many warm VMs of a template stand by.
 *
 * Fails with %BERTH_ERROR_INVALID where there is no such template or @max is smaller than @min.
 */
void
berth_admin_set_warm_async (BerthAdmin *self, const char *template_name, guint min, guint max,
                            GCancellable *cancellable, GAsyncReadyCallback callback,
                            gpointer user_data)
{
  GError *refusal;
  GTask *task;

  g_return_if_fail (BERTH_IS_ADMIN (self));
  g_return_if_fail (template_name != NULL);

  task = berth_client_call_new_task (self, berth_admin_set_warm_async, cancellable, callback,
                                     user_data);
  refusal = refuse_name (template_name);
  ask (task, "SetWarm", refusal == NULL ? g_variant_new ("(suu)", template_name, min, max) : NULL,
       "()", refusal);
}

/**
 * berth_admin_set_warm_finish:
 * @self: an admin
 * @result: what the callback got
 *
 * Ends the call in its callback.
 *
 * Returns: %TRUE; %FALSE with @error
 */
gboolean
berth_admin_set_warm_finish (BerthAdmin *self, GAsyncResult *result, GError **error)
{
  return berth_client_call_finish_nothing (self, result, berth_admin_set_warm_async, error);
}

/**
 * berth_admin_set_warm:
 * @self: an admin
 * @template_name: of the template
 * @min: warm VMs that are always wanted
 * @max: warm VMs that are wanted at most, when requests need them; @min at least
 * @cancellable: (nullable): ends the wait
 *
 * As [method@Admin.set_warm_async], waiting.
 *
 * Returns: %TRUE; %FALSE with @error
 */
gboolean
berth_admin_set_warm (BerthAdmin *self, const char *template_name, guint min, guint max,
                      GCancellable *cancellable, GError **error)
{
  g_autoptr (GAsyncResult) result = NULL;
  BerthWait wait;

  g_return_val_if_fail (BERTH_IS_ADMIN (self), FALSE);
  g_return_val_if_fail (template_name != NULL, FALSE);

  berth_wait_begin (&wait, berth_client_serves_here (self->client));
  berth_admin_set_warm_async (self, template_name, min, max, cancellable, berth_wait_cb, &wait);
  result = berth_wait_end (&wait);
  return berth_admin_set_warm_finish (self, result, error);
}

/**
 * berth_admin_set_admitting_async:
 * @self: an admin
 * @admitting: whether requests are given VMs; %TRUE when a berthd begins
 * @cancellable: (nullable): ends the wait
 * @callback: (scope async): gets the answer
 * @user_data: for @callback
 *
 * Drains the host with %FALSE: requests wait, and no warm VM is kept. Who has a VM keeps it.
 */
void
berth_admin_set_admitting_async (BerthAdmin *self, gboolean admitting, GCancellable *cancellable,
                                 GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task;

  g_return_if_fail (BERTH_IS_ADMIN (self));

  task = berth_client_call_new_task (self, berth_admin_set_admitting_async, cancellable, callback,
                                     user_data);
  ask (task, "SetAdmitting", g_variant_new ("(b)", admitting), "()", NULL);
}

/**
 * berth_admin_set_admitting_finish:
 * @self: an admin
 * @result: what the callback got
 *
 * Ends the call in its callback.
 *
 * Returns: %TRUE; %FALSE with @error
 */
gboolean
berth_admin_set_admitting_finish (BerthAdmin *self, GAsyncResult *result, GError **error)
{
  return berth_client_call_finish_nothing (self, result, berth_admin_set_admitting_async, error);
}

/**
 * berth_admin_set_admitting:
 * @self: an admin
 * @admitting: whether requests are given VMs; %TRUE when a berthd begins
 * @cancellable: (nullable): ends the wait
 *
 * As [method@Admin.set_admitting_async], waiting.
 *
 * Returns: %TRUE; %FALSE with @error
 */
gboolean
berth_admin_set_admitting (BerthAdmin *self, gboolean admitting, GCancellable *cancellable,
                           GError **error)
{
  g_autoptr (GAsyncResult) result = NULL;
  BerthWait wait;

  g_return_val_if_fail (BERTH_IS_ADMIN (self), FALSE);

  berth_wait_begin (&wait, berth_client_serves_here (self->client));
  berth_admin_set_admitting_async (self, admitting, cancellable, berth_wait_cb, &wait);
  result = berth_wait_end (&wait);
  return berth_admin_set_admitting_finish (self, result, error);
}

/**
 * berth_admin_list_templates_async:
 * @self: an admin
 * @cancellable: (nullable): ends the wait
 * @callback: (scope async): gets the answer
 * @user_data: for @callback
 *
 * Tells which templates there are, and their snapshots.
 */
void
berth_admin_list_templates_async (BerthAdmin *self, GCancellable *cancellable,
                                  GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task;

  g_return_if_fail (BERTH_IS_ADMIN (self));

  task = berth_client_call_new_task (self, berth_admin_list_templates_async, cancellable, callback,
                                     user_data);
  ask (task, "ListTemplates", NULL, "(aa{sv})", NULL);
}

/**
 * berth_admin_list_templates_finish:
 * @self: an admin
 * @result: what the callback got
 *
 * Ends the call in its callback.
 *
 * Returns: (transfer full): aa{sv}, a template each: "name", "path", "language", "layers" (s),
 *   "memory_mb" (u, MiB), "vcpus" (u), "snapshot" (s: "valid", "making", "checking", "failed",
 *   "none", "off"), "snapshots" (u), "snapshot_mb" (u, MiB on disk), "snapshot_error" (s). A file
 *   that was left out: "error" (s)
 */
GVariant *
berth_admin_list_templates_finish (BerthAdmin *self, GAsyncResult *result, GError **error)
{
  return berth_client_call_finish_child (self, result, berth_admin_list_templates_async, error);
}

/**
 * berth_admin_list_templates:
 * @self: an admin
 * @cancellable: (nullable): ends the wait
 *
 * As [method@Admin.list_templates_async], waiting.
 *
 * Returns: (transfer full): aa{sv}, a template each: "name", "path", "language", "layers" (s),
 *   "memory_mb" (u, MiB), "vcpus" (u), "snapshot" (s: "valid", "making", "checking", "failed",
 *   "none", "off"), "snapshots" (u), "snapshot_mb" (u, MiB on disk), "snapshot_error" (s). A file
 *   that was left out: "error" (s)
 */
GVariant *
berth_admin_list_templates (BerthAdmin *self, GCancellable *cancellable, GError **error)
{
  g_autoptr (GAsyncResult) result = NULL;
  BerthWait wait;

  g_return_val_if_fail (BERTH_IS_ADMIN (self), NULL);

  berth_wait_begin (&wait, berth_client_serves_here (self->client));
  berth_admin_list_templates_async (self, cancellable, berth_wait_cb, &wait);
  result = berth_wait_end (&wait);
  return berth_admin_list_templates_finish (self, result, error);
}

/**
 * berth_admin_show_template_async:
 * @self: an admin
 * @template_name: of the template
 * @cancellable: (nullable): ends the wait
 * @callback: (scope async): gets the answer
 * @user_data: for @callback
 *
 * Tells what a VM of a template is made from.
 *
 * Fails with %BERTH_ERROR_INVALID where there is no such template.
 */
void
berth_admin_show_template_async (BerthAdmin *self, const char *template_name,
                                 GCancellable *cancellable, GAsyncReadyCallback callback,
                                 gpointer user_data)
{
  GError *refusal;
  GTask *task;

  g_return_if_fail (BERTH_IS_ADMIN (self));
  g_return_if_fail (template_name != NULL);

  task = berth_client_call_new_task (self, berth_admin_show_template_async, cancellable, callback,
                                     user_data);
  refusal = refuse_name (template_name);
  ask (task, "ShowTemplate", refusal == NULL ? g_variant_new ("(s)", template_name) : NULL, "(s)",
       refusal);
}

/**
 * berth_admin_show_template_finish:
 * @self: an admin
 * @result: what the callback got
 *
 * Ends the call in its callback.
 *
 * Returns: (transfer full): XML of the domain that a VM of the template gets
 */
char *
berth_admin_show_template_finish (BerthAdmin *self, GAsyncResult *result, GError **error)
{
  g_autoptr (GVariant) text
      = berth_client_call_finish_child (self, result, berth_admin_show_template_async, error);

  return text != NULL ? g_variant_dup_string (text, NULL) : NULL;
}

/**
 * berth_admin_show_template:
 * @self: an admin
 * @template_name: of the template
 * @cancellable: (nullable): ends the wait
 *
 * As [method@Admin.show_template_async], waiting.
 *
 * Returns: (transfer full): XML of the domain that a VM of the template gets
 */
char *
berth_admin_show_template (BerthAdmin *self, const char *template_name, GCancellable *cancellable,
                           GError **error)
{
  g_autoptr (GAsyncResult) result = NULL;
  BerthWait wait;

  g_return_val_if_fail (BERTH_IS_ADMIN (self), NULL);
  g_return_val_if_fail (template_name != NULL, NULL);

  berth_wait_begin (&wait, berth_client_serves_here (self->client));
  berth_admin_show_template_async (self, template_name, cancellable, berth_wait_cb, &wait);
  result = berth_wait_end (&wait);
  return berth_admin_show_template_finish (self, result, error);
}

/* (transfer full) (nullable): a string of D-Bus is UTF-8, and a message has a bound */
static GError *
refuse_path (const char *path)
{
  GError *error = NULL;

  if (berth_flow_check_path (path, &error) && !g_utf8_validate (path, -1, NULL))
    g_set_error_literal (&error, BERTH_ERROR, BERTH_ERROR_INVALID, "path: must be UTF-8");
  return error;
}

/**
 * berth_admin_check_template_async:
 * @self: an admin
 * @path: (type filename): of a file that berthd can read
 * @cancellable: (nullable): ends the wait
 * @callback: (scope async): gets the answer
 * @user_data: for @callback
 *
 * Tells whether a file can be a template.
 *
 * Fails with %BERTH_ERROR_INVALID where it can't; the message says what is wrong: file, line, and
 * what is allowed.
 */
void
berth_admin_check_template_async (BerthAdmin *self, const char *path, GCancellable *cancellable,
                                  GAsyncReadyCallback callback, gpointer user_data)
{
  g_autofree char *absolute = NULL;
  GError *refusal;
  GTask *task;

  g_return_if_fail (BERTH_IS_ADMIN (self));
  g_return_if_fail (path != NULL);

  task = berth_client_call_new_task (self, berth_admin_check_template_async, cancellable, callback,
                                     user_data);
  absolute = g_canonicalize_filename (path, NULL);
  refusal = refuse_path (absolute);
  ask (task, "CheckTemplate", refusal == NULL ? g_variant_new ("(s)", absolute) : NULL, "()",
       refusal);
}

/**
 * berth_admin_check_template_finish:
 * @self: an admin
 * @result: what the callback got
 *
 * Ends the call in its callback.
 *
 * Returns: %TRUE; %FALSE with @error
 */
gboolean
berth_admin_check_template_finish (BerthAdmin *self, GAsyncResult *result, GError **error)
{
  return berth_client_call_finish_nothing (self, result, berth_admin_check_template_async, error);
}

/**
 * berth_admin_check_template:
 * @self: an admin
 * @path: (type filename): of a file that berthd can read
 * @cancellable: (nullable): ends the wait
 *
 * As [method@Admin.check_template_async], waiting.
 *
 * Returns: %TRUE; %FALSE with @error
 */
gboolean
berth_admin_check_template (BerthAdmin *self, const char *path, GCancellable *cancellable,
                            GError **error)
{
  g_autoptr (GAsyncResult) result = NULL;
  BerthWait wait;

  g_return_val_if_fail (BERTH_IS_ADMIN (self), FALSE);
  g_return_val_if_fail (path != NULL, FALSE);

  berth_wait_begin (&wait, berth_client_serves_here (self->client));
  berth_admin_check_template_async (self, path, cancellable, berth_wait_cb, &wait);
  result = berth_wait_end (&wait);
  return berth_admin_check_template_finish (self, result, error);
}
