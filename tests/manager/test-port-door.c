/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Proves that who comes in by a published port brings nothing of the listening socket that could
 * make berthd wait: the socket is a caller's, with whatever options that one likes. */
#include <arpa/inet.h>
#include <glib.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "plugin/manager/berth-port-door.h"

/* A call that blocks ends the test, not the build. */
#define LIMIT_S 20

static void
come_cb (int fd, gpointer user_data)
{
  *(int *)user_data = fd;
}

static int
await_guest (int *fd)
{
  while (*fd < 0)
    g_main_context_iteration (NULL, TRUE);
  return *fd;
}

static int
listen_on_loopback (struct sockaddr_in *out_address)
{
  socklen_t size = sizeof *out_address;
  int fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

  *out_address
      = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr = { htonl (INADDR_LOOPBACK) } };
  g_assert_no_errno (bind (fd, (const struct sockaddr *)out_address, sizeof *out_address));
  g_assert_no_errno (listen (fd, 1));
  g_assert_no_errno (getsockname (fd, (struct sockaddr *)out_address, &size));
  return fd;
}

/* Its peer reads nothing and has shut its side; the program in the guest has written a lot, and
 * ends. */
static void
test_close_waits_for_nobody (void)
{
  const struct linger for_ever = { .l_onoff = 1, .l_linger = 3600 };
  static const char bytes[65536];
  struct sockaddr_in address;
  int listener = listen_on_loopback (&address);
  int peer = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  int guest = -1;
  g_autoptr (BerthPortPace) pace = berth_port_pace_new (1000);
  BerthPortDoor *door;

  g_assert_no_errno (setsockopt (listener, SOL_SOCKET, SO_LINGER, &for_ever, sizeof for_ever));
  door = berth_port_door_new (listener, 1, pace, come_cb, &guest, NULL);
  g_assert_no_errno (connect (peer, (struct sockaddr *)&address, sizeof address));
  await_guest (&guest);
  g_assert_no_errno (shutdown (peer, SHUT_WR));
  while (send (guest, bytes, sizeof bytes, MSG_DONTWAIT) > 0)
    ;
  g_assert_no_errno (shutdown (guest, SHUT_WR));
  g_assert_no_errno (close (guest));
  berth_port_door_free (door, TRUE);
  g_assert_no_errno (close (peer));
}

/* An error queue is told of by poll(2) for ever. */
static void
test_no_error_queue (void)
{
  const int transmitted = (1 << 1) | (1 << 4); /* SOF_TIMESTAMPING_TX_SOFTWARE, _SOFTWARE */
  const int on = 1;
  struct sockaddr_in address;
  int listener = listen_on_loopback (&address);
  int peer = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  int guest = -1;
  g_autoptr (BerthPortPace) pace = berth_port_pace_new (1000);
  BerthPortDoor *door;
  int left = -1;
  socklen_t size = sizeof left;

  g_assert_no_errno (
      setsockopt (listener, SOL_SOCKET, SO_TIMESTAMPING, &transmitted, sizeof transmitted));
  g_assert_no_errno (setsockopt (listener, IPPROTO_IP, IP_RECVERR, &on, sizeof on));
  door = berth_port_door_new (listener, 1, pace, come_cb, &guest, NULL);
  g_assert_no_errno (connect (peer, (struct sockaddr *)&address, sizeof address));
  await_guest (&guest);
  g_assert_no_errno (getsockopt (guest, SOL_SOCKET, SO_TIMESTAMPING, &left, &size));
  g_assert_cmpint (left, ==, 0);
  g_assert_no_errno (getsockopt (guest, IPPROTO_IP, IP_RECVERR, &left, &size));
  g_assert_cmpint (left, ==, 0);
  g_assert_no_errno (close (guest));
  berth_port_door_free (door, TRUE);
  g_assert_no_errno (close (peer));
}

static void
leave_cb (int fd, gpointer user_data)
{
  close (fd);
  ++*(guint *)user_data;
}

/* Who comes and goes again and again, to whichever of a user's ports, has the main thread for so
 * much of each second only. */
static void
test_no_more_than_a_rate (void)
{
  enum
  {
    RATE = 200
  };
  g_autoptr (BerthPortPace) pace = berth_port_pace_new (RATE);
  struct sockaddr_in addresses[2];
  BerthPortDoor *doors[2];
  gint64 begun_us = g_get_monotonic_time ();
  guint count = 0;

  for (guint i = 0; i < 2; i++)
    doors[i]
        = berth_port_door_new (listen_on_loopback (&addresses[i]), 1, pace, leave_cb, &count, NULL);
  while (count < RATE + 1)
    {
      int peer = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
      guint before = count;
      const guint which = before & 1;

      g_assert_no_errno (connect (peer, (struct sockaddr *)&addresses[which], sizeof addresses[0]));
      while (count == before)
        g_main_context_iteration (NULL, TRUE);
      berth_port_door_leave (doors[which]);
      close (peer);
    }
  g_assert_cmpint (g_get_monotonic_time () - begun_us, >=, G_USEC_PER_SEC);
  for (guint i = 0; i < 2; i++)
    berth_port_door_free (doors[i], TRUE);
}

static void
test_pace (void)
{
  g_autoptr (BerthPortPace) pace = berth_port_pace_new (2);

  for (gint64 second_us = 7; second_us < 3 * G_USEC_PER_SEC; second_us += G_USEC_PER_SEC)
    {
      g_assert_true (berth_port_pace_take (pace, second_us));
      g_assert_true (berth_port_pace_take (pace, second_us + 1));
      g_assert_false (berth_port_pace_take (pace, second_us + G_USEC_PER_SEC - 1));
    }
}

int
main (int argc, char **argv)
{
  alarm (LIMIT_S);
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/port-door/close-waits-for-nobody", test_close_waits_for_nobody);
  g_test_add_func ("/port-door/no-error-queue", test_no_error_queue);
  g_test_add_func ("/port-door/no-more-than-a-rate", test_no_more_than_a_rate);
  g_test_add_func ("/port-door/pace", test_pace);
  return g_test_run ();
}
