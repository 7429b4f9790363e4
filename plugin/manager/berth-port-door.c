/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A thread takes a place for whom it lets in next, and waits: for the place, for somebody, or for
 * the end. */
#include "plugin/manager/berth-port-door.h"

#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "plugin/base/berth-caller-fd.h"
#include "plugin/model/berth-limits.h"
#include "pool/berth-error.h"
#include "pool/berth-sync.h"

/* Where berthd is short of descriptors or memory, it may be so for a while. */
#define PAUSE_US (100 * 1000)

struct _BerthPortDoor
{
  gatomicrefcount ref_count; /* the owner's, the thread's, and one of each who is being told */
  int fd;
  int end_fd; /* readable: it is over */
  GAsyncQueue *places;
  GMainContext *context;
  BerthPortPace *pace;
  gint is_over;
  BerthPortDoorFunc func; /* the context's thread's alone, as is the next */
  gpointer user_data;
};

typedef struct
{
  BerthPortDoor *door;
  int fd;
} Guest;

static void
door_unref (BerthPortDoor *self)
{
  BERTH_SYNC_RELEASE (self);
  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;
  BERTH_SYNC_ACQUIRE (self);
  berth_caller_fd_close (self->fd);
  close (self->end_fd);
  g_async_queue_unref (self->places);
  g_main_context_unref (self->context);
  berth_port_pace_unref (self->pace);
  g_free (self);
}

static gboolean
come_cb (gpointer user_data)
{
  Guest *guest = user_data;

  BERTH_SYNC_ACQUIRE (guest);
  if (guest->door->func != NULL)
    guest->door->func (g_steal_fd (&guest->fd), guest->door->user_data);
  return G_SOURCE_REMOVE;
}

static void
guest_free (gpointer data)
{
  Guest *guest = data;

  BERTH_SYNC_ACQUIRE (guest); /* a context that is gone told nobody */
  if (guest->fd >= 0)
    berth_caller_fd_close (guest->fd);
  door_unref (guest->door);
  g_free (guest);
}

static void
door_let_in (BerthPortDoor *self, int fd)
{
  g_autoptr (GSource) source = g_idle_source_new ();
  Guest *guest = g_new (Guest, 1);

  g_atomic_ref_count_inc (&self->ref_count);
  guest->door = self;
  guest->fd = fd;
  g_source_set_priority (source, G_PRIORITY_DEFAULT);
  BERTH_SYNC_RELEASE (guest);
  g_source_set_callback (source, come_cb, guest, guest_free);
  g_source_attach (source, self->context);
}

/* Waits for one who comes; -1: nobody did. */
static int
door_accept (BerthPortDoor *self)
{
  struct pollfd items[]
      = { { .fd = self->fd, .events = POLLIN }, { .fd = self->end_fd, .events = POLLIN } };
  int fd;

  if (poll (items, G_N_ELEMENTS (items), -1) < 0 || items[1].revents != 0)
    return -1;
  if (!berth_caller_fd_has_room (BERTH_LIMIT_RESERVED_FDS))
    {
      g_usleep (PAUSE_US); /* who comes waits in the kernel */
      return -1;
    }
  fd = accept4 (self->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (fd < 0 && errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
    g_usleep (PAUSE_US);
  if (fd < 0 || berth_caller_fd_take_accepted (fd))
    return fd;
  berth_caller_fd_close (fd);
  return -1;
}

/* One more comes: it waits, where there were too many, and those behind it wait in the kernel. */
static void
door_wait (BerthPortDoor *self)
{
  while (!berth_port_pace_take (self->pace, g_get_monotonic_time ())
         && !g_atomic_int_get (&self->is_over))
    g_usleep (PAUSE_US);
}

static gpointer
door_thread (gpointer data)
{
  BerthPortDoor *self = data;

  while (!g_atomic_int_get (&self->is_over))
    {
      int fd = -1;

      g_async_queue_pop (self->places);
      while (fd < 0 && !g_atomic_int_get (&self->is_over))
        fd = door_accept (self);
      if (fd < 0)
        continue;
      door_wait (self);
      door_let_in (self, fd);
    }
  door_unref (self);
  return NULL;
}

BerthPortDoor *
berth_port_door_new (int fd, guint places_max, BerthPortPace *pace, BerthPortDoorFunc func,
                     gpointer user_data, GError **error)
{
  BerthPortDoor *self = g_new0 (BerthPortDoor, 1);
  g_autoptr (GError) cause = NULL;
  GThread *thread;

  g_atomic_ref_count_init (&self->ref_count);
  g_atomic_ref_count_inc (&self->ref_count);
  self->fd = fd;
  self->end_fd = eventfd (0, EFD_CLOEXEC | EFD_NONBLOCK);
  self->places = g_async_queue_new ();
  self->pace = berth_port_pace_ref (pace);
  self->context = g_main_context_ref_thread_default ();
  self->func = func;
  self->user_data = user_data;
  for (guint i = 0; i < places_max; i++)
    berth_port_door_leave (self);
  thread = self->end_fd >= 0 ? g_thread_try_new ("berth-port", door_thread, self, &cause) : NULL;
  if (thread != NULL)
    {
      g_thread_unref (thread);
      return self;
    }
  g_set_error (error, BERTH_ERROR, BERTH_ERROR_UNAVAILABLE,
               "this host has no thread or descriptor for a published port (%s): try again",
               cause != NULL ? cause->message : g_strerror (EMFILE));
  door_unref (self);
  door_unref (self);
  return NULL;
}

void
berth_port_door_leave (BerthPortDoor *self)
{
  g_async_queue_push (self->places, self);
}

void
berth_port_door_free (BerthPortDoor *self, gboolean is_shut)
{
  self->func = NULL;
  g_atomic_int_set (&self->is_over, TRUE);
  eventfd_write (self->end_fd, 1);
  berth_port_door_leave (self);
  if (is_shut)
    shutdown (self->fd, SHUT_RDWR);
  door_unref (self);
}

int
berth_port_door_get_fd (BerthPortDoor *self)
{
  return self->fd;
}
