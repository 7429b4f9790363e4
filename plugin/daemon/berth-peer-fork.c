/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Fork: sandboxes that begin as copies of one. */
#include <string.h>

#include "plugin/base/berth-caller-fd.h"
#include "plugin/daemon/berth-peer-private.h"
#include "plugin/model/berth-limits.h"
#include "pool/berth-error.h"

typedef struct
{
  BerthPeer *peer; /* owned */
  GDBusMethodInvocation *invocation;
  char *source;
  int ids; /* gets each id as it comes; -1: all of them or none */
} ForkCall;

static void
fork_call_free (ForkCall *call)
{
  if (call->ids >= 0)
    berth_caller_fd_close (call->ids);
  g_object_unref (call->peer);
  g_free (call->source);
  g_free (call);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ForkCall, fork_call_free)

/* All of them are less than a pipe holds: who has no room for a line does not read. */
static gboolean
tell_cb (const char *id, gpointer user_data)
{
  ForkCall *call = user_data;
  g_autofree char *line = g_strconcat (id, "\n", NULL);
  gssize length = (gssize)strlen (line);

  if (berth_caller_fd_write (call->ids, line, (gsize)length) != length)
    return FALSE;
  berth_peer_attach_child (call->peer, call->source, id);
  return TRUE;
}

static void
forked_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (ForkCall) call = user_data;
  GDBusMethodInvocation *invocation = call->invocation;
  BerthPeer *self = call->peer;
  g_autoptr (GError) error = NULL;
  g_auto (GStrv) ids = berth_manager_fork_finish (BERTH_MANAGER (source), result, &error);
  gboolean is_untold = berth_peer_is_gone (self);

  if (ids == NULL)
    {
      berth_peer_answer_error (invocation, error);
      return;
    }
  for (guint i = 0; call->ids < 0 && ids[i] != NULL; i++)
    if (is_untold)
      berth_peer_destroy_untold (self, ids[i]);
    else
      berth_peer_attach_child (self, call->source, ids[i]);
  g_dbus_method_invocation_return_value (invocation, g_variant_new ("(^as)", ids));
}

/* What a message asks for */
typedef struct
{
  BerthForkOptions fork;
  const BerthCallerFds *fds; /* nullable */
  guint32 uid;
  int ids; /* -1: none */
} ForkOptions;

static void
fork_options_clear (ForkOptions *options)
{
  g_free ((gpointer)options->fork.checkpoint);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (ForkOptions, fork_options_clear)

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
  options->fork.count = g_variant_get_uint32 (value);
  if (options->fork.count >= 1 && options->fork.count <= BERTH_LIMIT_FORKS)
    return TRUE;
  g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID, "\"count\": %u must be 1 to %u",
               options->fork.count, BERTH_LIMIT_FORKS);
  return FALSE;
}

gboolean
berth_peer_read_wait (GVariant *value, gint64 *out_wait_us, GError **error)
{
  gint64 wait_ms;

  if (!check_type ("wait_ms", value, "x", error))
    return FALSE;
  wait_ms = g_variant_get_int64 (value);
  if (wait_ms >= -1 && wait_ms <= BERTH_LIMIT_WAIT_MS)
    {
      *out_wait_us = wait_ms < 0 ? BERTH_REQUEST_WAIT_FOREVER : wait_ms * 1000;
      return TRUE;
    }
  g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID,
               "\"wait_ms\": %" G_GINT64_FORMAT " must be -1 to %" G_GINT64_FORMAT, wait_ms,
               BERTH_LIMIT_WAIT_MS);
  return FALSE;
}

static gboolean
read_checkpoint (GVariant *value, ForkOptions *options, GError **error)
{
  if (!check_type ("checkpoint", value, "s", error))
    return FALSE;
  g_free ((gpointer)options->fork.checkpoint);
  options->fork.checkpoint = g_variant_dup_string (value, NULL);
  return TRUE;
}

static gboolean
read_ids (GVariant *value, ForkOptions *options, GError **error)
{
  int given;

  if (!check_type ("ids", value, "h", error))
    return FALSE;
  given = options->ids < 0
              ? berth_caller_fds_get (options->fds, g_variant_get_handle (value), error)
              : -1;
  if (given >= 0)
    options->ids = berth_caller_fd_take (given, FALSE, options->uid, error);
  else if (options->ids >= 0)
    g_set_error_literal (error, BERTH_ERROR, BERTH_ERROR_INVALID, "\"ids\": is there twice");
  return given >= 0 && options->ids >= 0;
}

static gboolean
read_option (const char *key, GVariant *value, ForkOptions *options, GError **error)
{
  if (g_str_equal (key, "count"))
    return read_count (value, options, error);
  if (g_str_equal (key, "wait_ms"))
    return berth_peer_read_wait (value, &options->fork.wait_us, error);
  if (g_str_equal (key, "ids"))
    return read_ids (value, options, error);
  if (g_str_equal (key, "checkpoint"))
    return read_checkpoint (value, options, error);
  g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID, "\"%.64s\" is unknown", key);
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

      if (!read_option (key, value, options, error))
        return FALSE;
    }
  return TRUE;
}

static gboolean
handle_fork (BerthDBusManager *object, GDBusMethodInvocation *invocation, GUnixFDList *fds,
             const char *id, GVariant *arg_options)
{
  BerthPeer *self = BERTH_PEER (object);
  g_auto (ForkOptions) options
      = { .fork = { .count = 1, .wait_us = berth_peer_get_default_wait_us (self) },
          .fds = berth_peer_find_fds (self, invocation),
          .uid = berth_peer_get_uid (self),
          .ids = -1 };
  g_autoptr (GError) error = NULL;
  ForkCall *call;

  if (!berth_peer_check_id (id, &error) || !read_options (arg_options, &options, &error))
    {
      if (options.ids >= 0)
        berth_caller_fd_close (options.ids);
      berth_peer_answer_error (invocation, error);
      return G_DBUS_METHOD_INVOCATION_HANDLED;
    }
  call = g_new (ForkCall, 1);
  call->peer = g_object_ref (self);
  call->invocation = invocation;
  call->source = g_strdup (id);
  call->ids = options.ids;
  options.fork.tell = call->ids >= 0 ? tell_cb : NULL;
  options.fork.tell_data = call;
  berth_manager_fork_async (berth_peer_get_manager (self), id, berth_peer_get_acting_uid (self),
                            &options.fork, berth_peer_get_cancellable (self, invocation), forked_cb,
                            call);
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

void
berth_peer_fork_init (BerthDBusManagerIface *iface)
{
  iface->handle_fork = handle_fork;
}
