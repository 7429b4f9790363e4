/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Start, Execs, Attach, Signal and Net: what a sandbox has in the background, and what it reaches.
 */
#include "plugin/daemon/berth-options.h"
#include "plugin/daemon/berth-peer-calls.h"
#include "plugin/daemon/berth-peer-private.h"
#include "pool/berth-error.h"

#define SIGNAL_MAX 64u

/* ---- start ---- */

static void
started_cb (GObject *source, GAsyncResult *async_result, gpointer user_data)
{
  GDBusMethodInvocation *invocation = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (BerthResult) result
      = berth_manager_exec_finish (BERTH_MANAGER (source), async_result, &error);

  if (result == NULL)
    berth_peer_answer_error (invocation, error);
  else
    g_dbus_method_invocation_return_value (invocation, g_variant_new ("(u)", result->exec));
}

static gboolean
handle_start (BerthDBusManager *object, GDBusMethodInvocation *invocation, const char *id,
              GVariant *arg_options)
{
  BerthPeer *self = BERTH_PEER (object);
  g_autoptr (GError) error = NULL;
  g_autoptr (BerthOptions) options = NULL;

  if (berth_peer_check_id (id, &error))
    options = berth_options_parse (BERTH_OPTION_SET_EXEC | BERTH_OPTION_SET_BACKGROUND, arg_options,
                                   NULL, berth_peer_get_uid (self), 0, &error);
  if (options == NULL)
    {
      berth_peer_answer_error (invocation, error);
      return G_DBUS_METHOD_INVOCATION_HANDLED;
    }
  options->exec->is_detached = TRUE;
  options->exec->keeps_stdin |= options->exec->tty != NULL;
  berth_manager_exec_async (berth_peer_get_manager (self), id, berth_peer_get_acting_uid (self),
                            g_steal_pointer (&options->exec),
                            berth_peer_get_cancellable (self, invocation), started_cb, invocation);
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

/* ---- what is asked about them ---- */

static void
told_cb (GObject *source, GAsyncResult *async_result, gpointer user_data)
{
  GDBusMethodInvocation *invocation = user_data;
  const char *method = g_dbus_method_invocation_get_method_name (invocation);
  g_autoptr (GError) error = NULL;
  g_autoptr (BerthBackgroundResult) result
      = berth_manager_background_finish (BERTH_MANAGER (source), async_result, &error);

  if (result == NULL)
    berth_peer_answer_error (invocation, error);
  else if (result->execs != NULL)
    g_dbus_method_invocation_return_value (invocation, g_variant_new ("(@aa{sv})", result->execs));
  else if (g_str_equal (method, "Attach"))
    g_dbus_method_invocation_return_value (
        invocation, g_variant_new ("(@a{sv})", berth_background_result_to_variant (result)));
  else
    g_dbus_method_invocation_return_value (invocation, NULL);
}

/* Takes over @request. */
static gboolean
ask (BerthPeer *self, GDBusMethodInvocation *invocation, const char *id,
     BerthBackgroundRequest *request)
{
  g_autoptr (BerthBackgroundRequest) owned = request;
  g_autoptr (GError) error = NULL;
  GCancellable *cancellable;

  if (!berth_peer_check_id (id, &error))
    {
      berth_peer_answer_error (invocation, error);
      return G_DBUS_METHOD_INVOCATION_HANDLED;
    }
  cancellable = berth_peer_get_cancellable (self, invocation);
  berth_peer_calls_set_tty (invocation, owned->tty);
  berth_manager_background_async (berth_peer_get_manager (self), id,
                                  berth_peer_get_acting_uid (self), g_steal_pointer (&owned),
                                  cancellable, told_cb, invocation);
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

static gboolean
handle_execs (BerthDBusManager *object, GDBusMethodInvocation *invocation, const char *id)
{
  return ask (BERTH_PEER (object), invocation, id,
              berth_background_request_new (BERTH_BACKGROUND_LIST, 0));
}

static gboolean
handle_signal (BerthDBusManager *object, GDBusMethodInvocation *invocation, const char *id,
               guint32 exec, guint32 number)
{
  g_autoptr (BerthBackgroundRequest) request
      = berth_background_request_new (BERTH_BACKGROUND_SIGNAL, exec);
  g_autoptr (GError) error = NULL;

  request->signal = number;
  if (number <= SIGNAL_MAX)
    return ask (BERTH_PEER (object), invocation, id, g_steal_pointer (&request));
  g_set_error (&error, BERTH_ERROR, BERTH_ERROR_INVALID, "signal %u: give 1 to %u, or 0", number,
               SIGNAL_MAX);
  berth_peer_answer_error (invocation, error);
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

static gboolean
take_tty (BerthBackgroundRequest *request, GVariant *value, GError **error)
{
  g_autofree char *problem
      = berth_option_dup_problem (berth_option_find (BERTH_OPTION_SET_EXEC, "tty"), value);
  guint rows;
  guint columns;

  if (problem != NULL)
    {
      g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID, "option \"tty\": %s", problem);
      return FALSE;
    }
  g_variant_get (value, "(uu)", &rows, &columns);
  g_clear_pointer (&request->tty, berth_tty_unref);
  request->tty = berth_tty_new (rows, columns);
  return TRUE;
}

/* Whether @value is of @type and no mistake; its key is known. */
static gboolean
take_attach_option (BerthBackgroundRequest *request, const char *key, GVariant *value,
                    const BerthCallerFds *fds, guint32 uid, GError **error)
{
  const struct
  {
    const char *key;
    const char *type;
    int *fd;
  } known[] = {
    { "stdin", "h", &request->stdin_fd },
    { "stdout", "h", &request->stdout_fd },
    { "stderr", "h", &request->stderr_fd },
    { "follow", "b", NULL },
    { "since", "x", NULL },
    { "tty", "(uu)", NULL },
  };
  guint i = 0;

  while (i < G_N_ELEMENTS (known) && !g_str_equal (known[i].key, key))
    i++;
  if (i == G_N_ELEMENTS (known))
    g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID,
                 "option \"%.40s\" is unknown to this method", key);
  else if (!g_variant_is_of_type (value, G_VARIANT_TYPE (known[i].type)))
    g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID,
                 "option \"%s\": of type '%s', not '%.40s'", key, known[i].type,
                 g_variant_get_type_string (value));
  else if (known[i].fd != NULL)
    return berth_option_take_fd (key, value, fds, g_str_equal (key, "stdin"), uid, known[i].fd,
                                 error);
  else if (g_str_equal (key, "tty"))
    return take_tty (request, value, error);
  else if (g_str_equal (key, "follow"))
    {
      request->follows = g_variant_get_boolean (value);
      return TRUE;
    }
  else
    {
      request->since_us = (guint64)MAX (g_variant_get_int64 (value), 0);
      return TRUE;
    }
  return FALSE;
}

static gboolean
take_attach_options (BerthBackgroundRequest *request, GVariant *options, const BerthCallerFds *fds,
                     guint32 uid, GError **error)
{
  GVariantIter iter;
  const char *key;
  GVariant *child;

  g_variant_iter_init (&iter, options);
  while (g_variant_iter_next (&iter, "{&sv}", &key, &child))
    {
      g_autoptr (GVariant) value = child;

      if (!take_attach_option (request, key, value, fds, uid, error))
        return FALSE;
    }
  if (request->tty == NULL || request->stdin_fd >= 0)
    return TRUE;
  g_set_error_literal (error, BERTH_ERROR, BERTH_ERROR_INVALID,
                       "option \"tty\": it is of who types there: give \"stdin\", too");
  return FALSE;
}

static gboolean
handle_attach (BerthDBusManager *object, GDBusMethodInvocation *invocation, GUnixFDList *none,
               const char *id, guint32 exec, GVariant *options)
{
  BerthPeer *self = BERTH_PEER (object);
  g_autoptr (BerthBackgroundRequest) request
      = berth_background_request_new (BERTH_BACKGROUND_ATTACH, exec);
  g_autoptr (GError) error = NULL;

  if (take_attach_options (request, options, berth_peer_find_fds (self, invocation),
                           berth_peer_get_uid (self), &error))
    return ask (self, invocation, id, g_steal_pointer (&request));
  berth_peer_answer_error (invocation, error);
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

/* ---- what it reaches ---- */

static gboolean
handle_net (BerthDBusManager *object, GDBusMethodInvocation *invocation, const char *id,
            guint64 after)
{
  BerthPeer *self = BERTH_PEER (object);
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) decisions
      = berth_peer_check_id (id, &error) ? berth_manager_dup_net (
            berth_peer_get_manager (self), id, berth_peer_get_acting_uid (self), after, &error)
                                         : NULL;

  if (decisions == NULL)
    berth_peer_answer_error (invocation, error);
  else
    g_dbus_method_invocation_return_value (invocation, g_variant_new ("(@aa{sv})", decisions));
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

void
berth_peer_background_init (BerthDBusManagerIface *iface)
{
  iface->handle_net = handle_net;
  iface->handle_start = handle_start;
  iface->handle_execs = handle_execs;
  iface->handle_attach = handle_attach;
  iface->handle_signal = handle_signal;
}
