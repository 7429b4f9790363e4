/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/host/fake-link.h"

#include <arpa/inet.h>
#include <errno.h>
#include <glib-unix.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "pool/berth-sync.h"

typedef struct
{
  guint port;
  int fd;
  BerthLinkMeter *meter; /* (nullable) */
} Link;

static void
link_free (gpointer data)
{
  Link *link = data;

  BERTH_SYNC_ACQUIRE (link);
  close (link->fd);
  g_clear_pointer (&link->meter, berth_link_meter_unref);
  g_free (link);
}

static int
dial (guint port)
{
  struct sockaddr_in address = { .sin_family = AF_INET,
                                 .sin_port = htons ((guint16)port),
                                 .sin_addr.s_addr = htonl (INADDR_LOOPBACK) };
  int fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

  if (connect (fd, (struct sockaddr *)&address, sizeof address) == 0)
    return fd;
  close (fd);
  return -1;
}

/* A piece, or the end; FALSE: it broke. */
static gboolean
move (int from, int to, int cancel_fd, guint64 *bytes, gboolean *has_ended)
{
  char piece[16 * 1024];
  gssize count = recv (from, piece, sizeof piece, MSG_DONTWAIT);

  if (count < 0)
    return errno == EAGAIN;
  if (count == 0)
    {
      *has_ended = TRUE;
      shutdown (to, SHUT_WR);
      return TRUE;
    }
  *bytes += (guint64)count;
  for (gssize done = 0, put; done < count; done += MAX (put, 0))
    {
      struct pollfd items[]
          = { { .fd = to, .events = POLLOUT }, { .fd = cancel_fd, .events = POLLIN } };

      poll (items, G_N_ELEMENTS (items), -1);
      put = send (to, piece + done, (gsize)(count - done), MSG_NOSIGNAL | MSG_DONTWAIT);
      if (items[1].revents != 0 || (put < 0 && errno != EAGAIN))
        return FALSE;
    }
  return TRUE;
}

static BerthLinkReason
carry (int ours, int theirs, int cancel_fd, BerthLinkResult *result, BerthLinkMeter *meter)
{
  gboolean have_ended[2] = { FALSE };

  while (!have_ended[0] || !have_ended[1])
    {
      struct pollfd items[] = { { .fd = have_ended[0] ? -1 : ours, .events = POLLIN },
                                { .fd = have_ended[1] ? -1 : theirs, .events = POLLIN },
                                { .fd = cancel_fd, .events = POLLIN } };
      BerthLinkResult before;

      poll (items, G_N_ELEMENTS (items), -1);
      before = *result;
      if (items[2].revents != 0
          || (items[0].revents != 0
              && !move (ours, theirs, cancel_fd, &result->sent_bytes, &have_ended[0]))
          || (items[1].revents != 0
              && !move (theirs, ours, cancel_fd, &result->received_bytes, &have_ended[1])))
        return BERTH_LINK_RESET;
      berth_link_meter_add (meter, result->sent_bytes - before.sent_bytes,
                            result->received_bytes - before.received_bytes);
    }
  return BERTH_LINK_DONE;
}

static void
link_thread (GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
  Link *link = data;
  BerthLinkResult *result = g_new0 (BerthLinkResult, 1);
  GPollFD cancel = { .fd = -1 };
  int fd;

  BERTH_SYNC_ACQUIRE (link);
  fd = dial (link->port);
  result->reason = BERTH_LINK_REFUSED;
  result->was_connected = fd >= 0;
  if (fd >= 0)
    {
      if (cancellable != NULL)
        g_cancellable_make_pollfd (cancellable, &cancel);
      result->reason = carry (link->fd, fd, cancel.fd, result, link->meter);
      if (cancellable != NULL)
        g_cancellable_release_fd (cancellable);
      close (fd);
    }
  BERTH_SYNC_RELEASE (link);
  BERTH_SYNC_RELEASE (result);
  g_task_return_pointer (task, result, g_free);
}

void
fake_link (BerthHost *host, BerthVm *vm, guint port, const BerthLinkEnd *end, GTask *task)
{
  g_autoptr (GTask) owned = task;
  Link *link = g_new (Link, 1);

  link->port = port;
  link->fd = end->fd;
  link->meter = end->meter != NULL ? berth_link_meter_ref (end->meter) : NULL;
  g_task_set_task_data (task, link, link_free);
  BERTH_SYNC_RELEASE (link);
  g_task_run_in_thread (task, link_thread);
}
