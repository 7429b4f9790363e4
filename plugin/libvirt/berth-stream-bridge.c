/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A guest's port through libvirtd, as a Unix socket: for users who may not open QEMU's own. */
#include "berth-stream-bridge.h"

#include <errno.h>
#include <glib-unix.h>
#include <sys/socket.h>
#include <unistd.h>

#include "berth-libvirt-error.h"

/* bytes held in each direction: a stream message of libvirt's carries up to 256 KiB
 * (VIR_NET_MESSAGE_LEGACY_PAYLOAD_MAX), a frame of ours 64 KiB */
#define BUFFER_SIZE 65536u

typedef struct
{
  guint8 bytes[BUFFER_SIZE];
  gsize begin;
  gsize end;
} Buffer;

typedef struct
{
  virStreamPtr stream;
  int fd; /* the far end of the socket pair */
  Buffer to_guest;
  Buffer to_host;
  guint watch_id;
  GIOCondition watched;
  gboolean is_closed;
} Bridge;

static void bridge_update (Bridge *self);

static gboolean
is_empty (const Buffer *buffer)
{
  return buffer->begin == buffer->end;
}

static void
bridge_free (void *data)
{
  Bridge *self = data;

  virStreamFree (self->stream);
  g_free (self);
}

static void
bridge_close (Bridge *self)
{
  if (self->is_closed)
    return;
  self->is_closed = TRUE;
  g_clear_handle_id (&self->watch_id, g_source_remove);
  close (self->fd);
  virStreamAbort (self->stream);
  berth_libvirt_error_take_code ();
  virStreamEventRemoveCallback (self->stream); /* last: frees us, when libvirt is done with it */
}

static gboolean
host_to_guest (Bridge *self)
{
  Buffer *buffer = &self->to_guest;
  int sent;

  if (is_empty (buffer))
    {
      gssize got = recv (self->fd, buffer->bytes, BUFFER_SIZE, MSG_DONTWAIT);

      if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR))
        return FALSE;
      buffer->begin = 0;
      buffer->end = (gsize)MAX (got, 0);
    }
  if (is_empty (buffer))
    return TRUE;
  sent = virStreamSend (self->stream, (const char *)buffer->bytes + buffer->begin,
                        buffer->end - buffer->begin);
  if (sent == -2) /* would block */
    return TRUE;
  buffer->begin += (gsize)MAX (sent, 0);
  return sent >= 0;
}

static gboolean
guest_to_host (Bridge *self)
{
  Buffer *buffer = &self->to_host;
  gssize sent;

  if (is_empty (buffer))
    {
      int got = virStreamRecv (self->stream, (char *)buffer->bytes, BUFFER_SIZE);

      if (got == -2) /* would block */
        return TRUE;
      if (got <= 0)
        return FALSE;
      buffer->begin = 0;
      buffer->end = (gsize)got;
    }
  sent = send (self->fd, buffer->bytes + buffer->begin, buffer->end - buffer->begin,
               MSG_DONTWAIT | MSG_NOSIGNAL);
  if (sent < 0)
    return errno == EAGAIN || errno == EINTR;
  buffer->begin += (gsize)sent;
  return TRUE;
}

static void
stream_cb (virStreamPtr stream, int events, void *data)
{
  Bridge *self = data;
  gboolean ok = TRUE;

  if (events & VIR_STREAM_EVENT_READABLE)
    ok = guest_to_host (self);
  if (ok && (events & VIR_STREAM_EVENT_WRITABLE))
    ok = host_to_guest (self);
  if (!ok || (events & (VIR_STREAM_EVENT_ERROR | VIR_STREAM_EVENT_HANGUP)))
    bridge_close (self);
  else
    bridge_update (self);
}

static gboolean
fd_cb (int fd, GIOCondition condition, gpointer data)
{
  Bridge *self = data;
  gboolean ok = TRUE;

  if (condition & G_IO_OUT)
    ok = guest_to_host (self);
  if (ok && (condition & (G_IO_IN | G_IO_HUP)))
    ok = host_to_guest (self);
  if (!ok || (condition & G_IO_ERR))
    {
      self->watch_id = 0;
      bridge_close (self);
      return G_SOURCE_REMOVE;
    }
  bridge_update (self);
  return self->watch_id != 0 ? G_SOURCE_CONTINUE : G_SOURCE_REMOVE;
}

/* Waits only for what can be dealt with: a full buffer stops its own direction, nothing else. */
static void
bridge_update (Bridge *self)
{
  int events = (is_empty (&self->to_host) ? VIR_STREAM_EVENT_READABLE : 0)
               | (is_empty (&self->to_guest) ? 0 : VIR_STREAM_EVENT_WRITABLE);
  GIOCondition wanted
      = (is_empty (&self->to_host) ? 0 : G_IO_OUT) | (is_empty (&self->to_guest) ? G_IO_IN : 0);

  virStreamEventUpdateCallback (self->stream, events);
  if (wanted == self->watched && self->watch_id != 0)
    return;
  g_clear_handle_id (&self->watch_id, g_source_remove);
  self->watched = wanted;
  if (wanted != 0)
    self->watch_id = g_unix_fd_add (self->fd, wanted, fd_cb, self);
}

static gboolean
bridge_begin_idle (gpointer data)
{
  Bridge *self = data;

  if (virStreamEventAddCallback (self->stream, VIR_STREAM_EVENT_READABLE, stream_cb, self,
                                 bridge_free)
      < 0)
    {
      g_warning ("the guest's port can't be watched (libvirt %d)",
                 berth_libvirt_error_take_code ());
      close (self->fd);
      bridge_free (self);
      return G_SOURCE_REMOVE;
    }
  bridge_update (self);
  return G_SOURCE_REMOVE;
}

GSocket *
berth_stream_bridge_open (virConnectPtr connection, virDomainPtr domain, const char *port,
                          GError **error)
{
  g_auto (virStreamPtr) stream = virStreamNew (connection, VIR_STREAM_NONBLOCK);
  GSocket *near_end;
  Bridge *self;
  int fds[2];

  if (stream == NULL || virDomainOpenChannel (domain, port, stream, VIR_DOMAIN_CHANNEL_FORCE) < 0)
    {
      berth_libvirt_error_set (error, BERTH_ERROR_UNAVAILABLE, "libvirt does not open the port");
      return NULL;
    }
  if (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) != 0)
    {
      g_set_error (error, BERTH_ERROR, BERTH_ERROR_UNAVAILABLE, "no socket pair: %s",
                   g_strerror (errno));
      return NULL;
    }
  near_end = g_socket_new_from_fd (fds[0], error);
  if (near_end == NULL)
    {
      close (fds[0]);
      close (fds[1]);
      return NULL;
    }
  self = g_new0 (Bridge, 1);
  self->stream = g_steal_pointer (&stream);
  self->fd = fds[1];
  g_idle_add (bridge_begin_idle, self);
  return near_end;
}
