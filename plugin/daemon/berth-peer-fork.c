/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Fork: sandboxes that begin as copies of one. */
#include "plugin/daemon/berth-peer-private.h"
#include "plugin/model/berth-limits.h"
#include "pool/berth-error.h"

typedef struct
{
  BerthPeer *peer; /* owned */
  GDBusMethodInvocation *invocation;
} ForkCall;

static void
forked_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autofree ForkCall *call = user_data;
  GDBusMethodInvocation *invocation = call->invocation;
  g_autoptr (BerthPeer) self = call->peer;
  g_autoptr (GError) error = NULL;
  g_auto (GStrv) ids = berth_manager_fork_finish (BERTH_MANAGER (source), result, &error);
  gboolean is_gone = berth_peer_is_gone (self);

  if (ids == NULL)
    {
      berth_peer_answer_error (invocation, error);
      return;
    }
  for (guint i = 0; is_gone && ids[i] != NULL; i++)
    berth_peer_destroy_untold (self, ids[i]);
  g_dbus_method_invocation_return_value (invocation, g_variant_new ("(^as)", ids));
}

typedef struct
{
  guint count;
  gint64 wait_us;
} ForkOptions;

static gboolean
check_type (const char *key, GVariant *value, const char *type, GError **error)
{
  if (g_variant_is_of_type (value, G_VARIANT_TYPE (type)))
    return TRUE;
  g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID, "\"%s\": is of type '%s', must be '%s'",
               key, g_variant_get_type_string (value), type);
  return FALSE;
}

static gboolean
read_count (GVariant *value, ForkOptions *options, GError **error)
{
  if (!check_type ("count", value, "u", error))
    return FALSE;
  options->count = g_variant_get_uint32 (value);
  if (options->count >= 1 && options->count <= BERTH_LIMIT_FORKS)
    return TRUE;
  g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID, "\"count\": %u must be 1 to %u",
               options->count, BERTH_LIMIT_FORKS);
  return FALSE;
}

static gboolean
read_wait (GVariant *value, ForkOptions *options, GError **error)
{
  gint64 wait_ms;

  if (!check_type ("wait_ms", value, "x", error))
    return FALSE;
  wait_ms = g_variant_get_int64 (value);
  if (wait_ms >= -1 && wait_ms <= BERTH_LIMIT_WAIT_MS)
    {
      options->wait_us = wait_ms < 0 ? BERTH_REQUEST_WAIT_FOREVER : wait_ms * 1000;
      return TRUE;
    }
  g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID,
               "\"wait_ms\": %" G_GINT64_FORMAT " must be -1 to %" G_GINT64_FORMAT, wait_ms,
               BERTH_LIMIT_WAIT_MS);
  return FALSE;
}

static gboolean
read_options (GVariant *dictionary, ForkOptions *options, GError **error)
{
  GVariantIter iter;
  const char *key;
  GVariant *next;

  g_variant_iter_init (&iter, dictionary);
  while (g_variant_iter_next (&iter, "{&sv}", &key, &next))
    {
      g_autoptr (GVariant) value = next;
      gboolean ok = FALSE;

      if (g_str_equal (key, "count"))
        ok = read_count (value, options, error);
      else if (g_str_equal (key, "wait_ms"))
        ok = read_wait (value, options, error);
      else
        g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID, "\"%.64s\" is unknown", key);
      if (!ok)
        return FALSE;
    }
  return TRUE;
}

static gboolean
handle_fork (BerthDBusManager *object, GDBusMethodInvocation *invocation, const char *id,
             GVariant *arg_options)
{
  BerthPeer *self = BERTH_PEER (object);
  ForkOptions options = { .count = 1, .wait_us = berth_peer_get_default_wait_us (self) };
  g_autoptr (GError) error = NULL;

  ForkCall *call;

  if (!berth_peer_check_id (id, &error) || !read_options (arg_options, &options, &error))
    {
      berth_peer_answer_error (invocation, error);
      return G_DBUS_METHOD_INVOCATION_HANDLED;
    }
  call = g_new (ForkCall, 1);
  call->peer = g_object_ref (self);
  call->invocation = invocation;
  berth_manager_fork_async (berth_peer_get_manager (self), id, berth_peer_get_acting_uid (self),
                            options.count, options.wait_us,
                            berth_peer_get_cancellable (self, invocation), forked_cb, call);
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

void
berth_peer_fork_init (BerthDBusManagerIface *iface)
{
  iface->handle_fork = handle_fork;
}
