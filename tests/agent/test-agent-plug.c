/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A network card gets an address: what is asked, what is believed, and a card and a server of the
 * test's own in a network namespace. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <net/if.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent-plug.h"
#include "pool/berth-sync.h"

#define MAC "\x52\x54\0\1\2\3"
#define NUMBER 0x12345678u

/* An answer to @query, all of it: RFC 2131, 2132 */
static gsize
make_answer (guint8 *out, const guint8 *query, BerthAgentDhcpKind kind, const char *address)
{
  static const guint8 options[]
      = { 1,  4,  255, 255, 255, 0, 3, 4, 10, 77, 0,  1, 6,  8,  10, 77, 0, 2,
          10, 77, 0,   3,   51,  4, 0, 0, 14, 16, 54, 4, 10, 77, 0,  1,  0, 255 };
  struct in_addr yours;

  memcpy (out, query, 240);
  out[0] = 2;
  g_assert_cmpint (inet_pton (AF_INET, address, &yours), ==, 1);
  memcpy (out + 16, &yours, 4);
  out[240] = 53;
  out[241] = 1;
  out[242] = (guint8)kind;
  memcpy (out + 243, options, sizeof options);
  return 243 + sizeof options;
}

/* (nullable) */
static const guint8 *
find_option (const guint8 *message, gsize size, guint8 option)
{
  for (gsize at = 240; at < size && message[at] != 255; at += 2 + message[at + 1])
    if (message[at] == option)
      return message + at + 2;
  return NULL;
}

static void
test_messages (void)
{
  guint8 query[BERTH_AGENT_DHCP_MAX], answer[BERTH_AGENT_DHCP_MAX];
  const guint8 *mac = (const guint8 *)MAC;
  BerthAgentDhcpKind kind;
  BerthAgentLease lease = { 0 };
  gsize size
      = berth_agent_dhcp_write (query, BERTH_AGENT_DHCP_DISCOVER, mac, NUMBER, &lease, FALSE);

  g_assert_cmpuint (query[10], ==, 0x80);
  g_assert_cmpmem (query + 28, 6, MAC, 6);
  g_assert_cmpuint (find_option (query, size, 53)[0], ==, 1);
  size = make_answer (answer, query, BERTH_AGENT_DHCP_OFFER, "10.77.0.9");
  g_assert_true (berth_agent_dhcp_read (answer, size, mac, NUMBER, &kind, &lease));
  g_assert_cmpuint (kind, ==, BERTH_AGENT_DHCP_OFFER);
  g_assert_cmphex (lease.address, ==, 0x0a4d0009);
  g_assert_cmphex (lease.netmask, ==, 0xffffff00);
  g_assert_cmphex (lease.router, ==, 0x0a4d0001);
  g_assert_cmphex (lease.server, ==, 0x0a4d0001);
  g_assert_cmphex (lease.resolvers[1], ==, 0x0a4d0003);
  g_assert_cmphex (lease.resolvers[2], ==, 0);
  g_assert_cmpuint (lease.seconds, ==, 3600);
  size = berth_agent_dhcp_write (query, BERTH_AGENT_DHCP_REQUEST, mac, NUMBER, &lease, FALSE);
  g_assert_cmpmem (find_option (query, size, 50), 4, "\12\115\0\11", 4);
  g_assert_cmpmem (find_option (query, size, 54), 4, "\12\115\0\1", 4);
  size = berth_agent_dhcp_write (query, BERTH_AGENT_DHCP_REQUEST, mac, NUMBER, &lease, TRUE);
  g_assert_null (find_option (query, size, 50));
  g_assert_cmpmem (query + 12, 4, "\12\115\0\11", 4);
}

static void
test_not_believed (void)
{
  static const char *const addresses[] = { "0.0.0.0", "127.0.0.1", "224.0.0.1", "255.255.255.255" };
  guint8 query[BERTH_AGENT_DHCP_MAX], answer[BERTH_AGENT_DHCP_MAX];
  const guint8 *mac = (const guint8 *)MAC;
  BerthAgentDhcpKind kind;
  BerthAgentLease lease = { 0 };
  gsize size;

  berth_agent_dhcp_write (query, BERTH_AGENT_DHCP_DISCOVER, mac, NUMBER, &lease, FALSE);
  for (guint i = 0; i < G_N_ELEMENTS (addresses); i++)
    {
      size = make_answer (answer, query, BERTH_AGENT_DHCP_ACK, addresses[i]);
      g_assert_false (berth_agent_dhcp_read (answer, size, mac, NUMBER, &kind, &lease));
    }
  size = make_answer (answer, query, BERTH_AGENT_DHCP_ACK, "10.77.0.9");
  g_assert_true (berth_agent_dhcp_read (answer, size, mac, NUMBER, &kind, &lease));
  g_assert_false (berth_agent_dhcp_read (answer, size, mac, NUMBER + 1, &kind, &lease));
  g_assert_false (berth_agent_dhcp_read (answer, size, (const guint8 *)"\x52\x54\0\1\2\4", NUMBER,
                                         &kind, &lease));
  g_assert_false (berth_agent_dhcp_read (answer, 239, mac, NUMBER, &kind, &lease));
  answer[244] = 255; /* longer than the message */
  g_assert_false (berth_agent_dhcp_read (answer, size, mac, NUMBER, &kind, &lease));
  size = make_answer (answer, query, BERTH_AGENT_DHCP_DISCOVER, "10.77.0.9");
  g_assert_false (berth_agent_dhcp_read (answer, size, mac, NUMBER, &kind, &lease));
}

/* ---- a card ---- */

typedef struct
{
  BerthAgentLoop loop;
  BerthAgentPlug plug;
  char *dir;
  int dir_fd;
  guint32 request;
  guint32 address;
  char *problem;
} Fixture;

static void
done_cb (void *data, uint32_t request, uint32_t address, const char *problem)
{
  Fixture *fixture = data;

  fixture->request = request;
  fixture->address = address;
  fixture->problem = g_strdup (problem);
  fixture->loop.quit = true;
}

/* FALSE: not for us */
static gboolean
fixture_set_up (Fixture *self)
{
  if (unshare (CLONE_NEWNET) != 0 || system ("ip link show lo > /dev/null 2>&1") != 0)
    {
      g_test_skip ("no network namespace for us, or no ip");
      return FALSE;
    }
  self->dir = g_dir_make_tmp ("berth-plug-XXXXXX", NULL);
  self->dir_fd = open (self->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  g_assert_cmpint (mkdirat (self->dir_fd, "etc", 0755), ==, 0);
  g_assert_true (berth_agent_loop_init (&self->loop));
  berth_agent_plug_init (&self->plug, &self->loop, self->dir_fd, done_cb, self);
  return TRUE;
}

static void
fixture_tear_down (Fixture *self)
{
  g_autofree char *etc = g_build_filename (self->dir, "etc", NULL);
  g_autofree char *resolvers = g_build_filename (etc, "resolv.conf", NULL);

  berth_agent_plug_clear (&self->plug);
  berth_agent_loop_clear (&self->loop);
  unlink (resolvers);
  g_assert_cmpint (rmdir (etc), ==, 0);
  g_assert_cmpint (rmdir (self->dir), ==, 0);
  close (self->dir_fd);
  g_free (self->dir);
  g_free (self->problem);
}

static void
add_card (void)
{
  g_assert_cmpint (
      system ("ip link add eth0 address 52:54:00:01:02:03 type veth peer name server && "
              "ip link set server up && ip link set lo up && "
              "echo 1 > /proc/sys/net/ipv4/conf/all/accept_local"),
      ==, 0);
}

typedef struct
{
  int fd;
  gboolean refuses; /* the first address, however often it is requested */
  gboolean has_refused;
  gboolean has_wrong;
} Server;

/* Until it has given an address */
static gpointer
serve (gpointer data)
{
  Server *self = data;
  struct sockaddr_in everybody = { .sin_family = AF_INET,
                                   .sin_port = htons (BERTH_AGENT_DHCP_PORT),
                                   .sin_addr.s_addr = INADDR_BROADCAST };

  for (;;)
    {
      guint8 query[BERTH_AGENT_DHCP_MAX], answer[BERTH_AGENT_DHCP_MAX];
      gssize size = recv (self->fd, query, sizeof query, 0);
      guint8 asked = size > 243 ? find_option (query, (gsize)size, 53)[0] : 0;
      gboolean is_discover = asked == BERTH_AGENT_DHCP_DISCOVER;
      BerthAgentDhcpKind kind;

      g_assert_cmpint (size, >, 243);
      self->refuses &= !(is_discover && self->has_refused);
      kind = is_discover     ? BERTH_AGENT_DHCP_OFFER
             : self->refuses ? BERTH_AGENT_DHCP_NAK
                             : BERTH_AGENT_DHCP_ACK;
      self->has_refused |= kind == BERTH_AGENT_DHCP_NAK;
      size = (gssize)make_answer (answer, query, kind, "10.77.0.9");
      if (self->has_wrong) /* somebody else's comes first */
        {
          answer[28 + 5] ^= 1;
          sendto (self->fd, answer, (gsize)size, 0, (struct sockaddr *)&everybody,
                  sizeof everybody);
          answer[28 + 5] ^= 1;
        }
      sendto (self->fd, answer, (gsize)size, 0, (struct sockaddr *)&everybody, sizeof everybody);
      if (kind == BERTH_AGENT_DHCP_ACK)
        return NULL;
    }
}

static void
server_open (Server *self)
{
  struct sockaddr_in at
      = { .sin_family = AF_INET, .sin_port = htons (BERTH_AGENT_DHCP_SERVER_PORT) };
  const int on = 1;

  self->fd = socket (AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  g_assert_no_errno (setsockopt (self->fd, SOL_SOCKET, SO_BROADCAST, &on, sizeof on));
  g_assert_no_errno (setsockopt (self->fd, SOL_SOCKET, SO_BINDTODEVICE, "server", sizeof "server"));
  g_assert_no_errno (bind (self->fd, (struct sockaddr *)&at, sizeof at));
}

static void
assert_address (const char *expected)
{
  struct ifreq request = { .ifr_name = "eth0" };
  struct sockaddr_in in;
  int fd = socket (AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  char text[INET_ADDRSTRLEN];

  g_assert_no_errno (ioctl (fd, SIOCGIFADDR, &request));
  memcpy (&in, &request.ifr_addr, sizeof in);
  g_assert_cmpstr (inet_ntop (AF_INET, &in.sin_addr, text, sizeof text), ==, expected);
  close (fd);
}

/* With what its network says of a way out and of who knows names; what is another's, and a refusal,
 * only cost time. */
static void
test_gets_an_address (void)
{
  Server server = { .refuses = TRUE, .has_wrong = TRUE };
  Fixture fixture = { 0 };
  g_autofree char *path = NULL;
  g_autofree char *resolvers = NULL;
  g_autofree char *routes = NULL;
  GThread *thread;

  if (!fixture_set_up (&fixture))
    return;
  add_card ();
  server_open (&server);
  BERTH_SYNC_RELEASE (&server);
  thread = g_thread_new ("server", serve, &server);
  g_assert_true (berth_agent_plug_begin (&fixture.plug, 7, (const guint8 *)MAC));
  g_assert_false (berth_agent_plug_begin (&fixture.plug, 8, (const guint8 *)MAC));
  berth_agent_loop_run (&fixture.loop);
  g_thread_join (thread);
  g_assert_cmpstr (fixture.problem, ==, NULL);
  g_assert_cmpuint (fixture.request, ==, 7);
  g_assert_cmphex (fixture.address, ==, 0x0a4d0009);
  assert_address ("10.77.0.9");
  path = g_build_filename (fixture.dir, "etc/resolv.conf", NULL);
  g_assert_true (g_file_get_contents (path, &resolvers, NULL, NULL));
  g_assert_nonnull (strstr (resolvers, "\nnameserver 10.77.0.2\nnameserver 10.77.0.3\n"));
  g_assert_true (g_file_get_contents ("/proc/thread-self/net/route", &routes, NULL, NULL));
  g_assert_nonnull (strstr (routes, "eth0\t00000000\t01004D0A"));
  g_assert_cmpint (fixture.plug.state, ==, BERTH_AGENT_PLUG_BOUND);
  g_assert_cmpuint (fixture.plug.timer.due_us, >, berth_agent_now_us () + 1000u * 1000000u);
  close (server.fd);
  fixture_tear_down (&fixture);
}

static gboolean
has_address (void)
{
  struct ifreq request = { .ifr_name = "eth0" };
  int fd = socket (AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  gboolean ok = ioctl (fd, SIOCGIFADDR, &request) == 0;

  close (fd);
  return ok;
}

/* A guest that stood still for longer than its lease has the address of another, one that did not
 * has its own; and one that its network takes away is not kept. */
static void
test_loses_its_address (void)
{
  Server server = { 0 };
  Fixture fixture = { 0 };
  guint8 query[BERTH_AGENT_DHCP_MAX], answer[BERTH_AGENT_DHCP_MAX];
  struct sockaddr_in everybody = { .sin_family = AF_INET,
                                   .sin_port = htons (BERTH_AGENT_DHCP_PORT),
                                   .sin_addr.s_addr = INADDR_BROADCAST };
  gsize size;
  GThread *thread;

  if (!fixture_set_up (&fixture))
    return;
  add_card ();
  server_open (&server);
  BERTH_SYNC_RELEASE (&server);
  thread = g_thread_new ("server", serve, &server);
  g_assert_true (berth_agent_plug_begin (&fixture.plug, 7, (const guint8 *)MAC));
  berth_agent_loop_run (&fixture.loop);
  g_thread_join (thread);
  berth_agent_plug_clock_was_set (&fixture.plug);
  g_assert_cmpint (fixture.plug.state, ==, BERTH_AGENT_PLUG_BOUND);
  g_assert_true (has_address ());
  berth_agent_dhcp_write (query, BERTH_AGENT_DHCP_REQUEST, (const guint8 *)MAC, fixture.plug.number,
                          &fixture.plug.lease, TRUE);
  size = make_answer (answer, query, BERTH_AGENT_DHCP_NAK, "0.0.0.0");
  g_assert_cmpint (
      sendto (server.fd, answer, size, 0, (struct sockaddr *)&everybody, sizeof everybody), ==,
      size);
  while (fixture.plug.state == BERTH_AGENT_PLUG_BOUND)
    fixture.plug.watch.ready (fixture.plug.watch.data, EPOLLIN);
  g_assert_cmpint (fixture.plug.state, ==, BERTH_AGENT_PLUG_ASKING);
  g_assert_false (has_address ());
  size = make_answer (answer, query, BERTH_AGENT_DHCP_OFFER, "10.77.0.9");
  sendto (server.fd, answer, size, 0, (struct sockaddr *)&everybody, sizeof everybody);
  while (fixture.plug.state == BERTH_AGENT_PLUG_ASKING)
    fixture.plug.watch.ready (fixture.plug.watch.data, EPOLLIN);
  size = make_answer (answer, query, BERTH_AGENT_DHCP_ACK, "10.77.0.9");
  sendto (server.fd, answer, size, 0, (struct sockaddr *)&everybody, sizeof everybody);
  while (fixture.plug.state == BERTH_AGENT_PLUG_TAKING)
    fixture.plug.watch.ready (fixture.plug.watch.data, EPOLLIN);
  g_assert_true (has_address ());
  fixture.plug.expires_us = (guint64)g_get_real_time ();
  berth_agent_plug_clock_was_set (&fixture.plug);
  g_assert_cmpint (fixture.plug.state, ==, BERTH_AGENT_PLUG_ASKING);
  g_assert_false (has_address ());
  close (server.fd);
  fixture_tear_down (&fixture);
}

/* Each of the waits has an end, and the one who asked is told. */
static void
test_gets_none (void)
{
  for (guint i = 0; i < 2; i++)
    {
      Fixture fixture = { 0 };

      if (!fixture_set_up (&fixture))
        return;
      if (i == 1)
        add_card ();
      g_assert_true (berth_agent_plug_begin (&fixture.plug, 7, (const guint8 *)MAC));
      fixture.plug.deadline_us = berth_agent_now_us ();
      berth_agent_loop_run (&fixture.loop);
      g_assert_cmpuint (fixture.address, ==, 0);
      g_assert_cmpstr (fixture.problem, ==,
                       i == 0 ? "it did not appear" : "nobody gives it an address (DHCP)");
      fixture_tear_down (&fixture);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/agent-plug/messages", test_messages);
  g_test_add_func ("/agent-plug/not-believed", test_not_believed);
  g_test_add_func ("/agent-plug/gets-an-address", test_gets_an_address);
  g_test_add_func ("/agent-plug/loses-its-address", test_loses_its_address);
  g_test_add_func ("/agent-plug/gets-none", test_gets_none);
  return g_test_run ();
}
