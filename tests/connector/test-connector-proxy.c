/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The connector and proxies that it asks. */
#include <string.h>
#include <sys/socket.h>

#include "tests/connector/connector-fixture.h"
#include "tests/connector/some-proxy.h"

static Answer *
ask_through (Fixture *fixture, const char *scheme, guint16 proxy_port, const char *name)
{
  g_autofree char *uri = g_strdup_printf ("%s127.0.0.1:%u", scheme, proxy_port);
  Answer *answer;

  fixture->proxy = uri;
  answer = ask (fixture, name, 8443);
  fixture->proxy = NULL;
  return answer;
}

/* What it says first is all there. */
static void
assert_hello (const Answer *answer)
{
  char text[8] = "";

  g_assert_no_error (answer->error);
  g_assert_cmpint (answer->verdict, ==, BERTH_CONNECTOR_CONNECTED);
  g_assert_cmpstr (answer->address, ==, "127.0.0.1");
  g_assert_cmpint (recv (answer->fd, text, 5, MSG_WAITALL), ==, 5);
  g_assert_cmpstr (text, ==, "hello");
  shutdown (answer->fd, SHUT_RDWR);
}

/* The name is the proxy's to look up; where that is on no public address makes no difference. */
static void
test_proxy (Fixture *fixture, gconstpointer data)
{
  g_autoptr (SomeProxy) http = some_proxy_new ("HTTP/1.1 200 Yes\r\nProxy-Agent: some");
  g_autoptr (SomeProxy) socks = some_proxy_new (NULL);
  g_autoptr (Answer) answer = NULL;
  g_autoptr (Answer) other = NULL;

  fixture_configure (fixture, "", "");
  answer = ask_through (fixture, "http://me:my%20word@", http->port, "name.nowhere.test");
  assert_hello (answer);
  some_proxy_join (http);
  g_assert_cmpstr (http->asked->str, ==,
                   "CONNECT name.nowhere.test:8443 HTTP/1.1\r\nHost: name.nowhere.test:8443\r\n"
                   "Proxy-Authorization: Basic bWU6bXkgd29yZA==\r\n\r\n");
  other = ask_through (fixture, "socks5://me:word@", socks->port, "name.nowhere.test");
  assert_hello (other);
  some_proxy_join (socks);
  g_assert_cmpstr (socks->asked->str, ==, "me word name.nowhere.test 8443");
}

static void
test_proxy_refuses (Fixture *fixture, gconstpointer data)
{
  g_autofree char *endless = g_strnfill (9000, 'x');
  const struct
  {
    const char *reply;
    BerthConnectorVerdict verdict;
    const char *text;
  } cases[] = {
    { "HTTP/1.1 403 No", BERTH_CONNECTOR_DENIED, "says 403" },
    { "HTTP/1.1 407 Who", BERTH_CONNECTOR_FAILED, "a user and a password" },
    { "HTTP/1.0 502 Nobody", BERTH_CONNECTOR_UNREACHABLE, "says 502" },
    { "HTTP/1.0 504 Late", BERTH_CONNECTOR_TIMED_OUT, "says 504" },
    { "SSH-2.0-x", BERTH_CONNECTOR_FAILED, "speaks no HTTP" },
    { endless, BERTH_CONNECTOR_FAILED, "without an answer" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (SomeProxy) proxy = some_proxy_new (cases[i].reply);
      g_autoptr (Answer) answer = ask_through (fixture, "http://", proxy->port, "a.test");

      g_assert_no_error (answer->error);
      g_assert_cmpint (answer->verdict, ==, cases[i].verdict);
      g_assert_nonnull (strstr (answer->text, cases[i].text));
      g_assert_cmpint (answer->fd, ==, -1);
    }
}

/* An address is looked at before anybody is asked for it: there is no proxy at that port. */
static void
test_proxy_addresses (Fixture *fixture, gconstpointer data)
{
  static const char *const names[] = { "10.0.0.1", "169.254.169.254", "::1", "127.0.0.1" };
  g_autoptr (SomeProxy) http = some_proxy_new ("HTTP/1.1 200 Yes");
  g_autoptr (Answer) answer = NULL;

  fixture_configure (fixture, "", "");
  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_autoptr (Answer) refused = ask_through (fixture, "http://", 1, names[i]);

      g_assert_cmpint (refused->verdict, ==, BERTH_CONNECTOR_DENIED);
      g_assert_nonnull (strstr (refused->text, "network_private"));
    }
  answer = ask_through (fixture, "http://", http->port, "2606:4700::1");
  assert_hello (answer);
  some_proxy_join (http);
  g_assert_true (g_str_has_prefix (http->asked->str, "CONNECT [2606:4700::1]:8443 HTTP/1.1\r\n"));
}

/* One that says nothing has the time of a connection, and keeps nobody else's. */
static void
test_proxy_is_silent (Fixture *fixture, gconstpointer data)
{
  enum
  {
    HANGING = 100
  };
  g_autoptr (BerthConfig) config = berth_config_new ();
  g_autoptr (SomeProxy) proxy = some_proxy_new ("");
  g_autofree char *uri = g_strdup_printf ("http://127.0.0.1:%u", proxy->port);
  const BerthConnectorAsker asker = { .sandbox = 2, .uid = 1000 };
  Answer hanging[HANGING] = { 0 };
  g_autoptr (Answer) quick = NULL;

  config->network_connect_s = 3;
  g_clear_object (&fixture->connector);
  fixture->connector = berth_connector_new (config);
  fixture->proxy = uri;
  for (guint i = 0; i < HANGING; i++)
    fixture_dial (fixture, &asker, "a.test", 443, &hanging[i]);
  fixture->proxy = NULL;
  quick = ask (fixture, "127.0.0.1", fixture->port);
  assert_connected (fixture, quick);
  g_assert_false (hanging[0].is_told);
  for (guint i = 0; i < HANGING; i++)
    {
      while (!hanging[i].is_told)
        g_main_context_iteration (NULL, TRUE);
      g_assert_true (hanging[i].ok);
      g_assert_cmpint (hanging[i].verdict, ==, BERTH_CONNECTOR_TIMED_OUT);
      g_free (hanging[i].address);
      g_free (hanging[i].text);
    }
}

#define ADD(path, function)                                                                        \
  g_test_add ("/connector-proxy/" path, Fixture, NULL, fixture_set_up, function, fixture_tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  if (!connector_fixture_begin ())
    return 0;
  ADD ("asks", test_proxy);
  ADD ("refuses", test_proxy_refuses);
  ADD ("addresses", test_proxy_addresses);
  ADD ("is-silent", test_proxy_is_silent);
  return g_test_run ();
}
