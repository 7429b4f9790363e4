/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Programs' connections and questions end at the agent: with the kernel's part of it, in a network
 * namespace of the test's own. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent-filter.h"
#include "agent-lockdown.h"
#include "agent-reach.h"
#include "pool/berth-sync.h"

#define RULES                                                                                      \
  "example.org 22,53,443,65535\0"                                                                  \
  "any.example\0"                                                                                  \
  "192.0.2.7 443\0"                                                                                \
  "2001:db8::7 443,8443"

typedef struct
{
  BerthAgentLoop loop;
  BerthAgentReach reach;
  BerthAgentWatch stop;
  int stop_fds[2];
  GThread *thread;
  GAsyncQueue *taken; /* "NAME PORT" */
  GAsyncQueue *refused;
  char *dir;
  int dir_fd;
  gboolean is_up;
} Fixture;

static void
push (GAsyncQueue *queue, char *text)
{
  BERTH_SYNC_RELEASE (text);
  g_async_queue_push (queue, text);
}

static char *
pop (GAsyncQueue *queue)
{
  char *text = g_async_queue_pop (queue);

  BERTH_SYNC_ACQUIRE (text);
  return text;
}

static void
connected_cb (void *data, int fd, const char *name, uint16_t port)
{
  Fixture *fixture = data;

  g_assert_cmpint (send (fd, "hello", 5, 0), ==, 5);
  close (fd);
  push (fixture->taken, g_strdup_printf ("%s %u", name, port));
}

static void
refused_cb (void *data, const char *name, uint16_t port)
{
  Fixture *fixture = data;

  push (fixture->refused, g_strdup_printf ("%s %u", name, port));
}

static void
stop_cb (void *data, uint32_t events)
{
  Fixture *fixture = data;

  fixture->loop.quit = true;
}

static gpointer
serve (gpointer data)
{
  Fixture *fixture = data;

  berth_agent_loop_run (&fixture->loop);
  return NULL;
}

static void
fixture_set_up (Fixture *fixture, gconstpointer data)
{
  const BerthAgentReachCalls calls
      = { .connected = connected_cb, .refused = refused_cb, .data = fixture };
  BerthAgentReachSockets sockets;

  if (unshare (CLONE_NEWNET) != 0)
    {
      g_test_skip ("no network namespace for us");
      return;
    }
  sockets = berth_agent_reach_prepare ();
  if (sockets.connections < 0)
    {
      g_test_skip ("this kernel, or this user, has no sk_lookup");
      return;
    }
  fixture->is_up = TRUE;
  fixture->taken = g_async_queue_new_full (g_free);
  fixture->refused = g_async_queue_new_full (g_free);
  fixture->dir = g_dir_make_tmp ("berth-reach-XXXXXX", NULL);
  fixture->dir_fd = open (fixture->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  g_assert_cmpint (mkdirat (fixture->dir_fd, "etc", 0755), ==, 0);
  g_assert_true (berth_agent_loop_init (&fixture->loop));
  g_assert_cmpint (pipe (fixture->stop_fds), ==, 0);
  fixture->stop = (BerthAgentWatch){ .ready = stop_cb, .data = fixture };
  g_assert_true (
      berth_agent_watch_add (&fixture->loop, &fixture->stop, fixture->stop_fds[0], EPOLLIN));
  berth_agent_lockdown_loopback ();
  berth_agent_reach_init (&fixture->reach, &fixture->loop, fixture->dir_fd, &sockets, &calls);
}

/* From here on the agent's part is its thread's. */
static void
fixture_allow (Fixture *fixture)
{
  g_assert_true (berth_agent_reach_allow (&fixture->reach, RULES, sizeof RULES));
  fixture->thread = g_thread_new ("agent", serve, fixture);
}

/* From here on it is the test's again. */
static void
fixture_stop (Fixture *fixture)
{
  close (g_steal_fd (&fixture->stop_fds[1]));
  g_thread_join (g_steal_pointer (&fixture->thread));
}

static void
fixture_tear_down (Fixture *fixture, gconstpointer data)
{
  g_autofree char *resolver = NULL;
  g_autofree char *etc = NULL;

  if (!fixture->is_up)
    return;
  if (fixture->thread != NULL)
    fixture_stop (fixture);
  if (fixture->stop_fds[1] >= 0)
    close (fixture->stop_fds[1]);
  berth_agent_reach_clear (&fixture->reach);
  berth_agent_loop_clear (&fixture->loop);
  close (fixture->stop_fds[0]);
  close (fixture->dir_fd);
  resolver = g_build_filename (fixture->dir, "etc", "resolv.conf", NULL);
  etc = g_build_filename (fixture->dir, "etc", NULL);
  unlink (resolver);
  g_assert_cmpint (rmdir (etc), ==, 0);
  g_assert_cmpint (rmdir (fixture->dir), ==, 0);
  g_free (fixture->dir);
  g_async_queue_unref (fixture->taken);
  g_async_queue_unref (fixture->refused);
}

/* errno; 0 and a socket */
static int
dial (int type, const char *address, guint16 port, int *out_fd)
{
  struct sockaddr_in old = { .sin_family = AF_INET, .sin_port = htons (port) };
  struct sockaddr_in6 new = { .sin6_family = AF_INET6, .sin6_port = htons (port) };
  gboolean is_new = strchr (address, ':') != NULL;
  int fd = socket (is_new ? AF_INET6 : AF_INET, type, 0);

  g_assert_cmpint (is_new ? inet_pton (AF_INET6, address, &new.sin6_addr)
                          : inet_pton (AF_INET, address, &old.sin_addr),
                   ==, 1);
  g_assert_cmpint (fd, >=, 0);
  if (connect (fd, is_new ? (struct sockaddr *)&new : (struct sockaddr *)&old,
               is_new ? sizeof new : sizeof old)
      == 0)
    {
      *out_fd = fd;
      return 0;
    }
  close (fd);
  return errno;
}

static int
listen_everywhere (guint16 port)
{
  struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons (port) };
  int fd = socket (AF_INET, SOCK_STREAM, 0);

  g_assert_cmpint (bind (fd, (struct sockaddr *)&at, sizeof at), ==, 0);
  g_assert_cmpint (listen (fd, 1), ==, 0);
  return fd;
}

/* "198.18.16.0": what stands for example.org, by a question over UDP or TCP */
static char *
ask (int type, const char *labels)
{
  guint8 message[512] = { 0, 30, 7, 7, 1, 0, 0, 1 };
  guint8 *query = message + 2;
  gsize name = strlen (labels) + 1;
  gsize size = 12 + name + 4;
  char text[INET_ADDRSTRLEN];
  gssize got;
  int fd;

  g_assert_cmpint (dial (type, "198.18.0.1", 53, &fd), ==, 0);
  memcpy (query + 12, labels, name);
  query[12 + name + 1] = query[12 + name + 3] = 1;
  message[1] = (guint8)size;
  if (type == SOCK_STREAM)
    {
      g_assert_cmpint (send (fd, message, 1, 0), ==, 1);
      g_assert_cmpint (send (fd, message + 1, size + 1, 0), ==, (int)size + 1);
      g_assert_cmpint (recv (fd, message, 2, MSG_WAITALL), ==, 2);
      got = recv (fd, query, message[1], MSG_WAITALL);
    }
  else
    {
      g_assert_cmpint (send (fd, query, size, 0), ==, (int)size);
      got = recv (fd, query, sizeof message - 2, 0);
    }
  close (fd);
  if ((query[3] & 15) != 0)
    return g_strdup_printf ("code %d", query[3] & 15);
  g_assert_cmpint (got, ==, (int)size + 16);
  return g_strdup (inet_ntop (AF_INET, query + got - 4, text, sizeof text));
}

static void
assert_greeted (int fd)
{
  char text[8];

  g_assert_cmpint (recv (fd, text, sizeof text, MSG_WAITALL), ==, 5);
  close (fd);
}

static void
test_names (Fixture *fixture, gconstpointer data)
{
  g_autofree char *resolver = NULL;
  g_autofree char *path = NULL;

  if (!fixture->is_up)
    return;
  fixture_allow (fixture);
  for (guint i = 0; i < 2; i++)
    {
      int type = i == 0 ? SOCK_DGRAM : SOCK_STREAM;
      g_autofree char *address = ask (type, "\7example\3org");
      g_autofree char *none = ask (type, "\7example\3com");
      g_autofree char *told = NULL;

      g_assert_cmpstr (address, ==, "198.18.16.0");
      g_assert_cmpstr (none, ==, "code 3");
      told = pop (fixture->refused);
      g_assert_cmpstr (told, ==, "example.com 0");
    }
  path = g_build_filename (fixture->dir, "etc/resolv.conf", NULL);
  g_assert_true (g_file_get_contents (path, &resolver, NULL, NULL));
  g_assert_nonnull (strstr (resolver, "nameserver 198.18.0.1\n"));
}

/* A resolver whose socket is not connected (musl's) has the answer, too. */
static void
test_unconnected (Fixture *fixture, gconstpointer data)
{
  static const char query[] = "\7\7\1\0\0\1\0\0\0\0\0\0\7example\3org\0\0\1\0\1";
  struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons (53) };
  const struct timeval limit = { .tv_sec = 10 };
  char answer[512];
  int fd = -1;

  if (!fixture->is_up)
    return;
  fixture_allow (fixture);
  fd = socket (AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  g_assert_cmpint (inet_pton (AF_INET, "198.18.0.1", &to.sin_addr), ==, 1);
  g_assert_cmpint (setsockopt (fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit), ==, 0);
  g_assert_cmpint (sendto (fd, query, sizeof query - 1, 0, (struct sockaddr *)&to, sizeof to), ==,
                   sizeof query - 1);
  g_assert_cmpint (recv (fd, answer, sizeof answer, 0), ==, sizeof query - 1 + 16);
  close (fd);
}

static void
test_connections (Fixture *fixture, gconstpointer data)
{
  g_autofree char *address = NULL;
  static const guint16 ports[] = { 443, 22, 65535, 53 };
  struct sockaddr_in peer;
  socklen_t length = sizeof peer;
  int own;
  int fd;

  if (!fixture->is_up)
    return;
  fixture_allow (fixture);
  address = ask (SOCK_DGRAM, "\7example\3org");
  /* a program's own server takes nothing away, and nothing is taken from it */
  own = listen_everywhere (443);
  for (guint i = 0; i < G_N_ELEMENTS (ports); i++)
    {
      g_autofree char *taken = NULL;
      g_autofree char *expected = g_strdup_printf ("example.org %u", ports[i]);

      g_assert_cmpint (dial (SOCK_STREAM, address, ports[i], &fd), ==, 0);
      g_assert_cmpint (getpeername (fd, (struct sockaddr *)&peer, &length), ==, 0);
      g_assert_cmpint (ntohs (peer.sin_port), ==, ports[i]);
      taken = pop (fixture->taken);
      g_assert_cmpstr (taken, ==, expected);
      assert_greeted (fd);
    }
  g_assert_cmpint (dial (SOCK_STREAM, "127.0.0.1", 443, &fd), ==, 0);
  close (accept (own, NULL, NULL));
  close (fd);
  close (own);
  g_assert_cmpint (dial (SOCK_STREAM, "127.0.0.1", 444, &fd), ==, ECONNREFUSED);
  g_assert_cmpint (g_async_queue_length (fixture->taken), ==, 0);
}

static void
test_literals (Fixture *fixture, gconstpointer data)
{
  static const char *const literals[] = { "192.0.2.7", "2001:db8::7" };
  int fd;

  if (!fixture->is_up)
    return;
  fixture_allow (fixture);
  for (guint i = 0; i < G_N_ELEMENTS (literals); i++)
    {
      g_autofree char *expected = g_strdup_printf ("%s 443", literals[i]);
      g_autofree char *refused = g_strdup_printf ("%s 80", literals[i]);
      g_autofree char *taken = NULL;
      g_autofree char *told = NULL;

      g_assert_cmpint (dial (SOCK_STREAM, literals[i], 443, &fd), ==, 0);
      taken = pop (fixture->taken);
      g_assert_cmpstr (taken, ==, expected);
      assert_greeted (fd);
      g_assert_cmpint (dial (SOCK_STREAM, literals[i], 80, &fd), ==, ECONNREFUSED);
      told = pop (fixture->refused);
      g_assert_cmpstr (told, ==, refused);
    }
  g_assert_cmpint (dial (SOCK_STREAM, "192.0.2.8", 443, &fd), ==, ENETUNREACH);
  g_assert_cmpint (dial (SOCK_STREAM, "2001:db8::8", 443, &fd), ==, ENETUNREACH);
  /* a server of a program's own is asked by itself as ever */
  g_assert_cmpint (dial (SOCK_STREAM, "::1", 443, &fd), ==, ECONNREFUSED);
}

/* A port that is not allowed is refused before there is a connection, and told. */
static void
test_ports (Fixture *fixture, gconstpointer data)
{
  static const guint16 ports[] = { 80, 442, 444, 8443, 1 };
  g_autofree char *address = NULL;
  g_autofree char *any = NULL;
  g_autofree char *taken = NULL;
  int fd;

  if (!fixture->is_up)
    return;
  fixture_allow (fixture);
  address = ask (SOCK_DGRAM, "\7example\3org");
  any = ask (SOCK_DGRAM, "\3any\7example");
  for (guint i = 0; i < G_N_ELEMENTS (ports); i++)
    {
      g_autofree char *expected = g_strdup_printf ("example.org %u", ports[i]);
      g_autofree char *told = NULL;

      g_assert_cmpint (dial (SOCK_STREAM, address, ports[i], &fd), ==, ECONNREFUSED);
      told = pop (fixture->refused);
      g_assert_cmpstr (told, ==, expected);
    }
  g_assert_cmpint (g_async_queue_length (fixture->taken), ==, 0);
  g_assert_cmpint (dial (SOCK_STREAM, any, 12345, &fd), ==, 0);
  taken = pop (fixture->taken);
  g_assert_cmpstr (taken, ==, "any.example 12345");
  assert_greeted (fd);
}

/* A port that is refused of a name with all others, and of one that has few */
static void
test_denied (Fixture *fixture, gconstpointer data)
{
  static const char rules[] = "any.example\0!any.example 80\0example.org 80,443\0!*.org 443\0"
                              "192.0.2.7\0!192.0.2.7 22";
  g_autofree char *any = NULL;
  g_autofree char *few = NULL;
  g_autofree char *told = NULL;
  int fd;

  if (!fixture->is_up)
    return;
  g_assert_true (berth_agent_reach_allow (&fixture->reach, rules, sizeof rules));
  fixture->thread = g_thread_new ("agent", serve, fixture);
  any = ask (SOCK_DGRAM, "\3any\7example");
  few = ask (SOCK_DGRAM, "\7example\3org");
  g_assert_cmpint (dial (SOCK_STREAM, any, 80, &fd), ==, ECONNREFUSED);
  told = pop (fixture->refused);
  g_assert_cmpstr (told, ==, "any.example 80");
  g_assert_cmpint (dial (SOCK_STREAM, few, 443, &fd), ==, ECONNREFUSED);
  g_assert_cmpint (dial (SOCK_STREAM, "192.0.2.7", 22, &fd), ==, ECONNREFUSED);
  for (guint i = 0; i < 3; i++)
    {
      const char *const address[] = { any, few, "192.0.2.7" };
      g_autofree char *taken = NULL;

      g_assert_cmpint (dial (SOCK_STREAM, address[i], i == 1 ? 80 : 81, &fd), ==, 0);
      taken = pop (fixture->taken);
      assert_greeted (fd);
    }
}

/* Who can't be taken waits, and costs nothing meanwhile. */
static void
test_no_descriptor (Fixture *fixture, gconstpointer data)
{
  BerthAgentReach *reach = &fixture->reach;
  struct rlimit limit, low;
  int fd, next;

  if (!fixture->is_up)
    return;
  g_assert_true (berth_agent_reach_allow (reach, RULES, sizeof RULES));
  g_assert_cmpint (dial (SOCK_STREAM, "192.0.2.7", 443, &fd), ==, 0);
  next = dup (fd);
  close (next);
  g_assert_no_errno (getrlimit (RLIMIT_NOFILE, &limit));
  low = limit;
  low.rlim_cur = (rlim_t)next;
  g_assert_no_errno (setrlimit (RLIMIT_NOFILE, &low));
  reach->connections.ready (reach->connections.data, EPOLLIN);
  g_assert_no_errno (setrlimit (RLIMIT_NOFILE, &limit));
  g_assert_cmpuint (reach->connections.events, ==, 0);
  g_assert_cmpuint (reach->pause.due_us, !=, 0);
  g_assert_cmpint (g_async_queue_length (fixture->taken), ==, 0);
  fixture->thread = g_thread_new ("agent", serve, fixture);
  assert_greeted (fd);
}

/* Other rules hold at once, for names that programs know already, too. */
static void
test_other_rules (Fixture *fixture, gconstpointer data)
{
  static const char other[] = "example.org 80\0other.example";
  g_autofree char *address = NULL;
  int fd;

  if (!fixture->is_up)
    return;
  fixture_allow (fixture);
  address = ask (SOCK_DGRAM, "\7example\3org");
  g_assert_cmpint (dial (SOCK_STREAM, address, 443, &fd), ==, 0);
  close (fd);
  fixture_stop (fixture);
  g_assert_true (berth_agent_reach_allow (&fixture->reach, other, sizeof other));
  g_assert_cmpint (dial (SOCK_STREAM, address, 443, &fd), ==, ECONNREFUSED);
  g_assert_cmpint (dial (SOCK_STREAM, "192.0.2.7", 443, &fd), ==, ECONNREFUSED);
  g_assert_cmpint (dial (SOCK_STREAM, address, 80, &fd), ==, 0);
  close (fd);
  g_assert_true (berth_agent_reach_allow (&fixture->reach, "", 0));
  g_assert_cmpint (dial (SOCK_STREAM, address, 80, &fd), ==, ECONNREFUSED);
}

/* Who connects to what is refused without end is refused, and the rest of it is not told. */
static void
test_flood_of_ports (Fixture *fixture, gconstpointer data)
{
  g_autofree char *address = NULL;
  g_autofree char *taken = NULL;
  int fd;

  if (!fixture->is_up)
    return;
  fixture_allow (fixture);
  address = ask (SOCK_DGRAM, "\7example\3org");
  for (guint i = 0; i < 2000; i++)
    g_assert_cmpint (dial (SOCK_STREAM, address, (guint16)(1000 + i), &fd), ==, ECONNREFUSED);
  g_assert_cmpint (g_async_queue_length (fixture->refused), <, 200);
  g_assert_cmpint (dial (SOCK_STREAM, address, 443, &fd), ==, 0);
  taken = pop (fixture->taken);
  assert_greeted (fd);
}

/* An address that stands for nothing is refused, other protocols have nobody. */
static void
test_others (Fixture *fixture, gconstpointer data)
{
  g_autofree char *told = NULL;
  char byte = 'x';
  int fd;

  if (!fixture->is_up)
    return;
  fixture_allow (fixture);
  g_assert_cmpint (dial (SOCK_STREAM, "198.19.1.1", 443, &fd), ==, ECONNREFUSED);
  told = pop (fixture->refused);
  g_assert_cmpstr (told, ==, "198.19.1.1 443");
  g_assert_cmpint (dial (SOCK_DGRAM, "198.19.1.1", 443, &fd), ==, 0);
  g_assert_cmpint (send (fd, &byte, 1, 0), ==, 1);
  g_assert_cmpint (recv (fd, &byte, 1, 0), ==, -1);
  g_assert_cmpint (errno, ==, ECONNREFUSED);
  close (fd);
}

/* A flood of questions is answered, and not told. */
static void
test_flood (Fixture *fixture, gconstpointer data)
{
  if (!fixture->is_up)
    return;
  fixture_allow (fixture);
  for (guint i = 0; i < 200; i++)
    {
      g_autofree char *none = ask (SOCK_DGRAM, "\7example\3com");

      g_assert_cmpstr (none, ==, "code 3");
    }
  g_assert_cmpint (g_async_queue_length (fixture->refused), <, 100);
}

static void
test_not_allowed (Fixture *fixture, gconstpointer data)
{
  int fd;

  if (!fixture->is_up)
    return;
  g_assert_cmpint (dial (SOCK_STREAM, "198.18.16.0", 443, &fd), ==, ENETUNREACH);
  g_assert_cmpint (dial (SOCK_STREAM, "198.18.0.1", 53, &fd), ==, ENETUNREACH);
}

/* Who asks by connections that stay open is asked no more, and the next is answered. */
static void
test_many_questions (Fixture *fixture, gconstpointer data)
{
  int fds[3 * BERTH_AGENT_REACH_QUESTIONS];
  g_autofree char *address = NULL;

  if (!fixture->is_up)
    return;
  fixture_allow (fixture);
  for (guint i = 0; i < G_N_ELEMENTS (fds); i++)
    g_assert_cmpint (dial (SOCK_STREAM, "198.18.0.1", 53, &fds[i]), ==, 0);
  address = ask (SOCK_STREAM, "\7example\3org");
  g_assert_cmpstr (address, ==, "198.18.16.0");
  for (guint i = 0; i < G_N_ELEMENTS (fds); i++)
    close (fds[i]);
}

/* With the filter that PID 1 takes before its loop begins. It stays: this is the last test. */
static void
test_filtered (Fixture *fixture, gconstpointer data)
{
  g_autofree char *address = NULL;
  g_autofree char *taken = NULL;
  g_autofree char *told = NULL;
  int fd;

  if (!fixture->is_up)
    return;
  g_assert_true (berth_agent_filter_install ());
  fixture_allow (fixture);
  address = ask (SOCK_STREAM, "\7example\3org");
  g_assert_cmpint (dial (SOCK_STREAM, address, 443, &fd), ==, 0);
  taken = pop (fixture->taken);
  g_assert_cmpstr (taken, ==, "example.org 443");
  assert_greeted (fd);
  g_assert_cmpint (dial (SOCK_STREAM, address, 80, &fd), ==, ECONNREFUSED);
  told = pop (fixture->refused);
  g_assert_cmpstr (told, ==, "example.org 80");
}

#define ADD(path, function)                                                                        \
  g_test_add ("/agent-reach/" path, Fixture, NULL, fixture_set_up, function, fixture_tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("names", test_names);
  ADD ("unconnected", test_unconnected);
  ADD ("connections", test_connections);
  ADD ("literals", test_literals);
  ADD ("ports", test_ports);
  ADD ("denied", test_denied);
  ADD ("no-descriptor", test_no_descriptor);
  ADD ("other-rules", test_other_rules);
  ADD ("flood-of-ports", test_flood_of_ports);
  ADD ("others", test_others);
  ADD ("flood", test_flood);
  ADD ("not-allowed", test_not_allowed);
  ADD ("many-questions", test_many_questions);
  ADD ("filtered", test_filtered);
  return g_test_run ();
}
