/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* GDBus allocates what a message announces, makes trees of it, and keeps every descriptor that
 * comes with each of its pieces, before anybody may look. So it is given whole messages only, from
 * the other end of a socket pair. */
#include "plugin/daemon/berth-relay-private.h"

#include <errno.h>
#include <glib-unix.h>
#include <sys/socket.h>
#include <unistd.h>

#include "plugin/base/berth-caller-fd.h"
#include "plugin/base/berth-closer.h"
#include "plugin/base/berth-source.h"

void
berth_relay_watch (BerthRelay *self, GSource **source, int fd, GIOCondition condition,
                   BerthRelayFdFunc func)
{
  berth_source_clear (source);
  *source = g_unix_fd_source_new (fd, condition);
  g_source_set_callback (*source, G_SOURCE_FUNC (func), self, NULL);
  g_source_attach (*source, g_main_context_get_thread_default ());
}

static gboolean
ended_cb (gpointer user_data)
{
  BerthRelay *self = user_data;

  berth_source_clear (&self->ended);
  self->funcs->closed (self, self->user_data); /* last: it frees us */
  return G_SOURCE_REMOVE;
}

void
berth_relay_end (BerthRelay *self, const char *reason)
{
  if (self->is_ended)
    return;
  self->is_ended = TRUE;
  if (reason != NULL)
    berth_account_log (berth_tab_get_account (self->tab), "a client was cut off: %s", reason);
  berth_source_clear (&self->authenticating);
  berth_relay_in_clear (self);
  berth_relay_out_clear (self);
  shutdown (self->client, SHUT_RDWR);
  if (self->inner >= 0)
    close (self->inner);
  self->inner = -1;
  self->ended = g_idle_source_new ();
  g_source_set_priority (self->ended, G_PRIORITY_DEFAULT);
  g_source_set_callback (self->ended, ended_cb, self, NULL);
  g_source_attach (self->ended, g_main_context_get_thread_default ());
}

static gboolean
late_cb (gpointer user_data)
{
  berth_relay_end (user_data, NULL);
  return G_SOURCE_REMOVE;
}

static void
open_inner (BerthRelay *self)
{
  int ends[2];

  if (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0)
    {
      berth_relay_end (self, g_strerror (errno));
      return;
    }
  self->inner = ends[0];
  self->outer = ends[1];
  berth_source_clear (&self->authenticating);
  berth_relay_in_start (self);
  berth_relay_out_start (self);
  self->funcs->opened (self, self->user_data);
}

/* What stands behind BEGIN is the first message's: it stays in the socket. */
static gboolean
authenticate_cb (int fd, GIOCondition condition, gpointer user_data)
{
  BerthRelay *self = user_data;
  g_autoptr (GString) answer = g_string_new (NULL);
  guint8 bytes[BERTH_SASL_LINE_BYTES];
  gssize got = recv (fd, bytes, sizeof bytes, MSG_DONTWAIT | MSG_PEEK);
  BerthSaslState state = BERTH_SASL_MORE;
  gssize used = 0;

  if (got < 0 && (errno == EAGAIN || errno == EINTR))
    return G_SOURCE_CONTINUE;
  while (used < got && state == BERTH_SASL_MORE)
    state = berth_sasl_take (&self->sasl, bytes[used++], answer);
  if (got <= 0 || state == BERTH_SASL_REFUSED
      || berth_caller_fd_receive (fd, bytes, (gsize)used) != used
      || (answer->len > 0
          && send (fd, answer->str, answer->len, MSG_DONTWAIT | MSG_NOSIGNAL)
                 != (gssize)answer->len))
    {
      berth_relay_end (self, NULL);
      return G_SOURCE_REMOVE;
    }
  if (state == BERTH_SASL_MORE)
    return G_SOURCE_CONTINUE;
  open_inner (self);
  return G_SOURCE_REMOVE;
}

BerthRelay *
berth_relay_new (GSocketConnection *client, BerthTab *tab, const char *guid,
                 const BerthRelayFuncs *funcs, gpointer user_data)
{
  BerthRelay *self = g_new0 (BerthRelay, 1);

  self->stream = g_object_ref (client);
  self->client = g_socket_get_fd (g_socket_connection_get_socket (client));
  self->inner = -1;
  self->outer = -1;
  self->tab = tab;
  self->funcs = funcs;
  self->user_data = user_data;
  berth_closer_note (self->client, berth_account_get_uid (berth_tab_get_account (tab)));
  berth_sasl_init (&self->sasl, berth_account_get_uid (berth_tab_get_account (tab)), guid);
  berth_relay_watch (self, &self->authenticating, self->client, G_IO_IN, authenticate_cb);
  self->in.deadline = g_timeout_source_new_seconds (BERTH_LIMIT_AUTHENTICATION_S);
  g_source_set_callback (self->in.deadline, late_cb, self, NULL);
  g_source_attach (self->in.deadline, g_main_context_get_thread_default ());
  return self;
}

void
berth_relay_free (BerthRelay *self)
{
  berth_source_clear (&self->authenticating);
  berth_source_clear (&self->ended);
  berth_relay_in_clear (self);
  berth_relay_out_clear (self);
  if (self->inner >= 0)
    close (self->inner);
  if (self->outer >= 0)
    close (self->outer);
  /* bytes with descriptors may be in its queue, which go when it is closed */
  berth_closer_close_socket (g_socket_connection_get_socket (self->stream), self->sasl.uid);
  g_object_unref (self->stream);
  berth_tab_unref (self->tab);
  g_free (self);
}

GSocket *
berth_relay_get_client (BerthRelay *self)
{
  return g_socket_connection_get_socket (self->stream);
}

BerthTab *
berth_relay_get_tab (BerthRelay *self)
{
  return self->tab;
}

gboolean
berth_relay_is_open (BerthRelay *self)
{
  return self->inner >= 0;
}

GSocket *
berth_relay_take_inner (BerthRelay *self, GError **error)
{
  GSocket *inner = g_socket_new_from_fd (self->outer, error);

  if (inner != NULL)
    self->outer = -1; /* the socket's */
  return inner;
}
