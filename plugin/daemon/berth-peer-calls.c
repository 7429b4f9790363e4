/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A call is known by its message's serial, from its beginning until its invocation is gone. */
#include "plugin/daemon/berth-peer-calls.h"

#define DATA_KEY "berth-call"

struct _BerthPeerCalls
{
  grefcount ref_count;
  GHashTable *by_serial; /* serial → Call (borrowed) */
  BerthTab *tab;
  gboolean is_closed;
};

typedef struct
{
  BerthPeerCalls *calls;
  BerthManagerCall *call;
  BerthTty *tty; /* nullable */
  guint32 serial;
} Call;

BerthPeerCalls *
berth_peer_calls_new (BerthTab *tab)
{
  BerthPeerCalls *self = g_new0 (BerthPeerCalls, 1);

  g_ref_count_init (&self->ref_count);
  self->tab = berth_tab_ref (tab);
  self->by_serial = g_hash_table_new (NULL, NULL);
  return self;
}

BerthPeerCalls *
berth_peer_calls_ref (BerthPeerCalls *self)
{
  g_ref_count_inc (&self->ref_count);
  return self;
}

void
berth_peer_calls_unref (BerthPeerCalls *self)
{
  if (!g_ref_count_dec (&self->ref_count))
    return;
  g_hash_table_unref (self->by_serial);
  berth_tab_unref (self->tab);
  g_free (self);
}

/* A serial that a client uses twice at once is the later call's. */
static void
call_free (gpointer data)
{
  Call *call = data;
  gpointer key = GUINT_TO_POINTER (call->serial);

  if (g_hash_table_lookup (call->calls->by_serial, key) == call)
    g_hash_table_remove (call->calls->by_serial, key);
  g_object_unref (call->call);
  g_clear_pointer (&call->tty, berth_tty_unref);
  berth_peer_calls_unref (call->calls);
  g_free (call);
}

/* What the call holds stays on the tab until its invocation is gone, too: this call's end may come
 * long after its connection's. */
GCancellable *
berth_peer_calls_add (BerthPeerCalls *self, GDBusMethodInvocation *invocation)
{
  Call *call = g_new0 (Call, 1);

  g_ref_count_inc (&self->ref_count);
  call->calls = self;
  call->call = berth_manager_call_new ();
  call->serial = g_dbus_message_get_serial (g_dbus_method_invocation_get_message (invocation));
  g_hash_table_insert (self->by_serial, GUINT_TO_POINTER (call->serial), call);
  g_object_set_data_full (G_OBJECT (invocation), DATA_KEY, call, call_free);
  berth_tab_call_has_begun (self->tab, call->serial);
  if (self->is_closed)
    g_cancellable_cancel (G_CANCELLABLE (call->call));
  return G_CANCELLABLE (call->call);
}

const BerthCallerFds *
berth_peer_calls_find_fds (BerthPeerCalls *self, GDBusMethodInvocation *invocation)
{
  GDBusMessage *message = g_dbus_method_invocation_get_message (invocation);

  return berth_tab_find_fds (self->tab, g_dbus_message_get_serial (message));
}

void
berth_peer_calls_set_tty (GDBusMethodInvocation *invocation, BerthTty *tty)
{
  Call *call = g_object_get_data (G_OBJECT (invocation), DATA_KEY);

  if (tty != NULL)
    call->tty = berth_tty_ref (tty);
}

BerthTty *
berth_peer_calls_find_tty (BerthPeerCalls *self, guint32 serial)
{
  Call *call = g_hash_table_lookup (self->by_serial, GUINT_TO_POINTER (serial));

  return call != NULL ? call->tty : NULL;
}

BerthManagerCall *
berth_peer_calls_find (BerthPeerCalls *self, guint32 serial)
{
  Call *call = g_hash_table_lookup (self->by_serial, GUINT_TO_POINTER (serial));

  return call != NULL ? call->call : NULL;
}

void
berth_peer_calls_cancel (BerthPeerCalls *self, guint32 serial)
{
  BerthManagerCall *found = berth_peer_calls_find (self, serial);
  g_autoptr (GCancellable) cancellable
      = found != NULL ? g_object_ref (G_CANCELLABLE (found)) : NULL;

  g_cancellable_cancel (cancellable);
}

void
berth_peer_calls_cancel_all (BerthPeerCalls *self)
{
  /* cancelling one may end others, so they are looked up first */
  g_autoptr (GPtrArray) cancellables = g_ptr_array_new_with_free_func (g_object_unref);
  GHashTableIter iter;
  gpointer call;

  self->is_closed = TRUE;
  g_hash_table_iter_init (&iter, self->by_serial);
  while (g_hash_table_iter_next (&iter, NULL, &call))
    g_ptr_array_add (cancellables, g_object_ref (((Call *)call)->call));
  for (guint i = 0; i < cancellables->len; i++)
    g_cancellable_cancel (cancellables->pdata[i]);
}
