/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Proves what is decided about a sandbox's connections, and their bounds: the real connector in a
 * network namespace without a way out, and a host without VMs. */
#include <arpa/inet.h>
#include <net/if.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "plugin/manager/berth-sandbox-reach.h"
#include "plugin/model/berth-limits.h"
#include "pool/berth-vm-private.h"
#include "tests/connector/some-proxy.h"
#include "tests/host/fake-host.h"
#include "tests/host/fake-reach.h"

typedef struct
{
  FakeHost *host;
  BerthVm *vm;
  BerthConfig *config;
  BerthReachWorld world;
  BerthSandboxReach *reach;
  int listener;
  guint16 port;
  GPtrArray *links;
} World;

static void
started_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_assert_true (berth_sandbox_reach_start_finish (BERTH_SANDBOX_REACH (source), result, NULL));
  *(gboolean *)user_data = TRUE;
}

static void
set (World *world, const char *key, const char *value)
{
  g_assert_true (berth_config_set (world->config, key, value, "here", NULL));
}

static void
listen_somewhere (World *world)
{
  struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl (INADDR_LOOPBACK) };
  socklen_t length = sizeof at;

  world->listener = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  g_assert_cmpint (bind (world->listener, (struct sockaddr *)&at, sizeof at), ==, 0);
  g_assert_cmpint (listen (world->listener, 64), ==, 0);
  g_assert_cmpint (getsockname (world->listener, (struct sockaddr *)&at, &length), ==, 0);
  world->port = ntohs (at.sin_port);
}

static BerthReachPolicy *
make_policy (World *world)
{
  BerthReachPolicy *policy = berth_reach_policy_new (FALSE);
  const BerthReachWords words = { .allow = (const char *const *)world->config->network_allow,
                                  .deny = (const char *const *)world->config->network_deny,
                                  .private = (const char *const *)world->config->network_private };

  g_assert_true (berth_reach_policy_add (policy, BERTH_REACH_OF_ALL, &words, NULL));
  if (world->config->network_proxy != NULL)
    g_assert_true (
        berth_reach_policy_set_proxy (policy, world->config->network_proxy,
                                      (const char *const *)world->config->network_no_proxy, NULL));
  return policy;
}

static void
set_up (World *world, gconstpointer data)
{
  const char *const asked[] = { "127.0.0.1:*", "denied.test:*", "*.wild.test", NULL };
  g_autoptr (GPtrArray) rules = berth_reach_rules_parse (asked, NULL);
  g_autoptr (BerthReachPolicy) policy = NULL;
  gboolean is_started = FALSE;

  listen_somewhere (world);
  world->links = g_ptr_array_new_with_free_func ((GDestroyNotify)fake_reach_free);
  world->host = fake_host_new ();
  world->vm = berth_vm_new_adopted ("0123456789abcdef0123456789abcdef",
                                    BERTH_SHAPE ("python", 192, 1), NULL, 0);
  world->config = berth_config_new ();
  set (world, "network_allow", "*:* 127.0.0.1:*");
  set (world, "network_deny", "denied.test");
  set (world, "network_private", "127.0.0.0/8");
  world->world.config = world->config;
  world->world.of_users = g_hash_table_new (NULL, NULL);
  world->world.metrics = berth_metrics_new ();
  world->world.connector = berth_connector_new (world->config);
  policy = make_policy (world);
  world->reach
      = berth_sandbox_reach_new (BERTH_HOST (world->host), world->vm, rules, policy, &world->world);
  berth_sandbox_reach_start_async (world->reach, started_cb, &is_started);
  while (!is_started)
    g_main_context_iteration (NULL, TRUE);
}

static void
tear_down (World *world, gconstpointer data)
{
  berth_sandbox_reach_close (world->reach);
  for (guint i = 0; i < world->links->len; i++)
    while (((FakeLink *)world->links->pdata[i])->task != NULL)
      g_main_context_iteration (NULL, TRUE);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  fake_reach_forget (world->vm);
  g_ptr_array_unref (world->links);
  g_clear_object (&world->reach);
  g_clear_object (&world->vm);
  g_clear_object (&world->world.connector);
  g_clear_pointer (&world->world.of_users, g_hash_table_unref);
  berth_metrics_free (world->world.metrics);
  berth_config_free (world->config);
  g_clear_object (&world->host);
  close (world->listener);
}

/* Until it is decided */
static FakeLink *
ask (World *world, const char *name, guint16 port)
{
  FakeLink *link = fake_reach_ask (world->vm, name, port);

  g_ptr_array_add (world->links, link);
  while (!link->is_refused && link->task == NULL)
    g_main_context_iteration (NULL, TRUE);
  return link;
}

static void
assert_last (World *world, const char *verdict, const char *reason)
{
  g_autoptr (GVariant) all = berth_sandbox_reach_dup_list (world->reach, 0);
  g_autoptr (GVariant) last = g_variant_get_child_value (all, g_variant_n_children (all) - 1);
  const char *its_verdict;
  const char *its_reason;

  g_assert_true (g_variant_lookup (last, "verdict", "&s", &its_verdict));
  g_assert_true (g_variant_lookup (last, "reason", "&s", &its_reason));
  g_assert_cmpstr (its_verdict, ==, verdict);
  g_assert_nonnull (strstr (its_reason, reason));
}

static void
test_connects (World *world, gconstpointer data)
{
  FakeLink *link = ask (world, "127.0.0.1", world->port);
  BerthReachCounts counts;

  g_assert_false (link->is_refused);
  assert_last (world, "connected", "");
  fake_reach_end (link, 7, 1000);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  berth_sandbox_reach_get_counts (world->reach, &counts);
  g_assert_cmpuint (counts.connections, ==, 1);
  g_assert_cmpuint (counts.refused, ==, 0);
  g_assert_cmpuint (counts.sent_bytes, ==, 7);
  g_assert_cmpuint (counts.received_bytes, ==, 1000);
}

static void
test_refused (World *world, gconstpointer data)
{
  static const struct
  {
    const char *name;
    guint16 port;
    BerthLinkReason reason;
    const char *verdict;
    const char *text;
  } cases[] = {
    { "other.test", 443, BERTH_LINK_DENIED, "denied", "did not ask" },
    { "a.wild.test", 22, BERTH_LINK_DENIED, "denied", "did not ask" },
    { "denied.test", 443, BERTH_LINK_DENIED, "denied", "network_deny" },
    { "..", 443, BERTH_LINK_DENIED, "denied", "no name" },
    { "127.0.0.1", 1, BERTH_LINK_REFUSED, "refused", "" },
  };
  BerthReachCounts counts;

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      FakeLink *link = ask (world, cases[i].name, cases[i].port);

      g_assert_true (link->is_refused);
      g_assert_cmpint (link->reason, ==, cases[i].reason);
      assert_last (world, cases[i].verdict, cases[i].text);
    }
  berth_sandbox_reach_get_counts (world->reach, &counts);
  g_assert_cmpuint (counts.connections, ==, 0);
  g_assert_cmpuint (counts.refused, ==, G_N_ELEMENTS (cases));
}

static void
test_connections (World *world, gconstpointer data)
{
  FakeLink *first;

  set (world, "network_connections", "2");
  first = ask (world, "127.0.0.1", world->port);
  ask (world, "127.0.0.1", world->port);
  g_assert_cmpint (ask (world, "127.0.0.1", world->port)->reason, ==, BERTH_LINK_LIMIT);
  assert_last (world, "limited", "network_connections");
  fake_reach_end (first, 0, 0);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_assert_false (ask (world, "127.0.0.1", world->port)->is_refused);
}

static void
test_rate (World *world, gconstpointer data)
{
  set (world, "network_rate", "3");
  for (guint i = 0; i < 3; i++)
    g_assert_false (ask (world, "127.0.0.1", world->port)->is_refused);
  g_assert_cmpint (ask (world, "127.0.0.1", world->port)->reason, ==, BERTH_LINK_LIMIT);
  assert_last (world, "limited", "network_rate");
  fake_host_advance (world->host, 61 * G_USEC_PER_SEC);
  g_assert_false (ask (world, "127.0.0.1", world->port)->is_refused);
}

static void
test_failures (World *world, gconstpointer data)
{
  set (world, "network_failures", "2");
  for (guint i = 0; i < 2; i++)
    g_assert_cmpint (ask (world, "127.0.0.1", 1)->reason, ==, BERTH_LINK_REFUSED);
  g_assert_cmpint (ask (world, "127.0.0.1", world->port)->reason, ==, BERTH_LINK_LIMIT);
  assert_last (world, "limited", "network_failures");
  fake_host_advance (world->host, 61 * G_USEC_PER_SEC);
  g_assert_false (ask (world, "127.0.0.1", world->port)->is_refused);
}

/* What goes over the socket counts while it goes. */
static void
test_bytes (World *world, gconstpointer data)
{
  g_autofree char *bytes = g_malloc0 (1 << 20);
  FakeLink *link;
  int peer;

  set (world, "network_mb", "1");
  link = ask (world, "127.0.0.1", world->port);
  peer = accept (world->listener, NULL, NULL);
  g_assert_false (link->is_refused);
  for (gsize sent = 0; sent < 1 << 20;)
    {
      gssize size = send (link->fd, bytes, (1 << 20) - sent, 0);

      g_assert_cmpint (size, >, 0);
      sent += (gsize)size;
      berth_link_meter_add (link->meter, 0, (guint64)size);
      g_assert_cmpint (recv (peer, bytes, (gsize)size, MSG_WAITALL), ==, size);
    }
  while (link->task != NULL)
    {
      fake_host_advance (world->host, 2 * G_USEC_PER_SEC);
      g_main_context_iteration (NULL, FALSE);
    }
  while (g_main_context_iteration (NULL, FALSE))
    ;
  assert_last (world, "connected", "network_mb");
  g_assert_cmpint (ask (world, "127.0.0.1", world->port)->reason, ==, BERTH_LINK_LIMIT);
  assert_last (world, "limited", "network_mb");
  close (peer);
}

/* One that carries bytes goes on, one that does not ends. */
static void
test_idle (World *world, gconstpointer data)
{
  FakeLink *link;

  set (world, "network_idle_s", "60");
  link = ask (world, "127.0.0.1", world->port);
  for (guint i = 0; i < 4; i++)
    {
      fake_host_advance (world->host, 50 * G_USEC_PER_SEC);
      g_assert_false (g_cancellable_is_cancelled (g_task_get_cancellable (link->task)));
      berth_link_meter_add (link->meter, i % 2, (i + 1) % 2);
      fake_host_advance (world->host, 2 * G_USEC_PER_SEC); /* it is looked at */
    }
  fake_host_advance (world->host, 70 * G_USEC_PER_SEC);
  while (link->task != NULL)
    g_main_context_iteration (NULL, TRUE);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  assert_last (world, "connected", "network_idle_s");
}

/* However many sandboxes a user has. */
static void
test_connections_of_a_user (World *world, gconstpointer data)
{
  gpointer uid = GUINT_TO_POINTER (0); /* whose a VM without a request is */

  g_hash_table_insert (world->world.of_users, uid,
                       GUINT_TO_POINTER (BERTH_LIMIT_REACH_LINKS_PER_UID - 1));
  g_assert_false (ask (world, "127.0.0.1", world->port)->is_refused);
  g_assert_cmpint (ask (world, "127.0.0.1", world->port)->reason, ==, BERTH_LINK_LIMIT);
  assert_last (world, "limited", "its user");
  g_assert_cmpuint (GPOINTER_TO_UINT (g_hash_table_lookup (world->world.of_users, uid)), ==,
                    BERTH_LIMIT_REACH_LINKS_PER_UID);
}

/* What berthd needs itself is not given away. */
static void
test_descriptors (World *world, gconstpointer data)
{
  struct rlimit limit;
  struct rlimit low;

  g_assert_no_errno (getrlimit (RLIMIT_NOFILE, &limit));
  low = limit;
  low.rlim_cur = BERTH_LIMIT_RESERVED_FDS;
  g_assert_no_errno (setrlimit (RLIMIT_NOFILE, &low));
  g_assert_cmpint (ask (world, "127.0.0.1", world->port)->reason, ==, BERTH_LINK_LIMIT);
  assert_last (world, "limited", "descriptor");
  g_assert_no_errno (setrlimit (RLIMIT_NOFILE, &limit));
  g_assert_false (ask (world, "127.0.0.1", world->port)->is_refused);
}

/* A flood of what is refused costs no decision each. */
static void
test_flood (World *world, gconstpointer data)
{
  g_autoptr (GVariant) before = NULL;

  for (guint i = 0; i < 7000; i++)
    ask (world, "not.asked.for", 443);
  g_assert_cmpint (ask (world, "not.asked.for", 443)->reason, ==, BERTH_LINK_LIMIT);
  before = berth_sandbox_reach_dup_list (world->reach, 5999);
  g_assert_cmpuint (g_variant_n_children (before), ==, 1);
  fake_host_advance (world->host, 61 * G_USEC_PER_SEC);
  g_assert_cmpint (ask (world, "not.asked.for", 443)->reason, ==, BERTH_LINK_DENIED);
}

/* Asked for in several ways at once, it is told once; a flood of others pushes the oldest out. */
static void
test_names (World *world, gconstpointer data)
{
  g_autoptr (GVariant) all = NULL;
  g_autoptr (GVariant) few = NULL;
  BerthReachCounts counts;

  for (guint i = 0; i < 3; i++)
    fake_reach_refuse (world->vm, "other.test", 0);
  berth_sandbox_reach_get_counts (world->reach, &counts);
  g_assert_cmpuint (counts.refused, ==, 1);
  assert_last (world, "denied", "did not ask");
  /* a port of it is another matter */
  for (guint i = 0; i < 3; i++)
    fake_reach_refuse (world->vm, "other.test", 22);
  berth_sandbox_reach_get_counts (world->reach, &counts);
  g_assert_cmpuint (counts.refused, ==, 2);
  for (guint i = 0; i < 1000; i++)
    {
      g_autofree char *name = g_strdup_printf ("n%u.test", i);

      fake_reach_refuse (world->vm, name, 0);
    }
  all = berth_sandbox_reach_dup_list (world->reach, 0);
  g_assert_cmpuint (g_variant_n_children (all), ==, 256);
  few = berth_sandbox_reach_dup_list (world->reach, 1001);
  g_assert_cmpuint (g_variant_n_children (few), ==, 1);
}

/* So does a flood of names that a guest tells of by itself. */
static void
test_flood_of_names (World *world, gconstpointer data)
{
  g_autoptr (GVariant) all = NULL;
  g_autoptr (GVariant) next = NULL;
  BerthReachCounts counts;

  for (guint i = 0; i < 7000; i++)
    {
      g_autofree char *name = g_strdup_printf ("n%u.test", i);

      fake_reach_refuse (world->vm, name, 0);
    }
  all = berth_sandbox_reach_dup_list (world->reach, 5999);
  g_assert_cmpuint (g_variant_n_children (all), ==, 1);
  berth_sandbox_reach_get_counts (world->reach, &counts);
  g_assert_cmpuint (counts.refused, ==, 7000);
  fake_host_advance (world->host, 61 * G_USEC_PER_SEC);
  fake_reach_refuse (world->vm, "next.test", 22);
  next = berth_sandbox_reach_dup_list (world->reach, 6000);
  g_assert_cmpuint (g_variant_n_children (next), ==, 1);
}

/* One that is told again and again is told once, and looked for no more often than others. */
static void
test_flood_of_one_name (World *world, gconstpointer data)
{
  BerthReachCounts counts;

  for (guint i = 0; i < 7000; i++)
    fake_reach_refuse (world->vm, "other.test", 0);
  berth_sandbox_reach_get_counts (world->reach, &counts);
  g_assert_cmpuint (counts.refused, ==, 1 + 1000); /* those beyond 6000 are counted alone */
}

/* Those that are open end, and there are no more. */
static void
test_close (World *world, gconstpointer data)
{
  FakeLink *link = ask (world, "127.0.0.1", world->port);

  berth_sandbox_reach_close (world->reach);
  while (link->task != NULL)
    g_main_context_iteration (NULL, TRUE);
  g_assert_cmpint (ask (world, "127.0.0.1", world->port)->reason, ==, BERTH_LINK_RESET);
}

/* Settings that change end what they refuse, by its name or by its address, and nothing else. */
static void
test_settings_change (World *world, gconstpointer data)
{
  static const char *const changes[][2] = { { "network_allow", "*:*" },
                                            { "network_private", "10.0.0.0/8" },
                                            { "network_deny", "127.0.0.0/8" } };
  FakeLink *link = ask (world, "127.0.0.1", world->port);
  g_autoptr (BerthReachPolicy) same = make_policy (world);

  berth_sandbox_reach_set_policy (world->reach, same);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_assert_nonnull (link->task);
  for (guint i = 0; i < G_N_ELEMENTS (changes); i++)
    {
      g_autoptr (BerthReachPolicy) before = make_policy (world);
      g_autofree char *kept = berth_config_dup_value (world->config, changes[i][0]);
      g_autoptr (BerthReachPolicy) policy = NULL;

      set (world, changes[i][0], changes[i][1]);
      policy = make_policy (world);
      berth_sandbox_reach_set_policy (world->reach, policy);
      while (link->task != NULL)
        g_main_context_iteration (NULL, TRUE);
      while (g_main_context_iteration (NULL, FALSE))
        ;
      assert_last (world, "connected", "do not allow it any more");
      g_assert_true (ask (world, "127.0.0.1", world->port)->is_refused);
      set (world, changes[i][0], kept);
      berth_sandbox_reach_set_policy (world->reach, before);
      link = ask (world, "127.0.0.1", world->port);
      g_assert_false (link->is_refused);
    }
}

static void
set_policy (World *world)
{
  g_autoptr (BerthReachPolicy) policy = make_policy (world);

  berth_sandbox_reach_set_policy (world->reach, policy);
}

/* What the guest answers by itself changes with the settings, and why is told. */
static void
test_guest_is_told (World *world, gconstpointer data)
{
  g_assert_cmpstr (fake_reach_get_rules (world->vm), ==,
                   "127.0.0.1|denied.test|*.wild.test 80,443|!denied.test");
  set (world, "network_deny", "b.wild.test c.wild.test:80");
  set_policy (world);
  g_assert_cmpstr (fake_reach_get_rules (world->vm), ==,
                   "127.0.0.1|denied.test|*.wild.test 80,443|!b.wild.test|!c.wild.test 80");
  fake_reach_refuse (world->vm, "b.wild.test", 0);
  assert_last (world, "denied", "network_deny");
  fake_reach_refuse (world->vm, "c.wild.test", 80);
  assert_last (world, "denied", "network_deny");
  fake_reach_refuse (world->vm, "c.wild.test", 22);
  assert_last (world, "denied", "did not ask");
  g_assert_false (ask (world, "127.0.0.1", world->port)->is_refused);
}

/* An address with a port is denied at that port, however it is called. */
static void
test_denied_at_port (World *world, gconstpointer data)
{
  g_autofree char *deny = g_strdup_printf ("127.0.0.1:%u", world->port);
  FakeLink *link = ask (world, "127.0.0.1", world->port);

  set (world, "network_deny", deny);
  set_policy (world);
  while (link->task != NULL)
    g_main_context_iteration (NULL, TRUE);
  g_assert_cmpint (ask (world, "127.0.0.1", world->port)->reason, ==, BERTH_LINK_DENIED);
  g_assert_cmpint (ask (world, "127.0.0.1", 1)->reason, ==, BERTH_LINK_REFUSED);
}

/* Whose address is not public is the administrator's choice; what is told is that of the proxy. */
static void
test_proxy (World *world, gconstpointer data)
{
  g_autoptr (SomeProxy) proxy = some_proxy_new ("HTTP/1.1 200 Yes");
  g_autofree char *uri = g_strdup_printf ("http://127.0.0.1:%u", proxy->port);
  FakeLink *link;
  FakeLink *direct;

  set (world, "network_private", "");
  set (world, "network_proxy", uri);
  set (world, "network_no_proxy", "127.0.0.0/8 b.wild.test");
  set_policy (world);
  link = ask (world, "a.wild.test", 443);
  g_assert_false (link->is_refused);
  assert_last (world, "connected", "through network_proxy");
  /* a change of others is none of it */
  set (world, "network_deny", "10.0.0.0/8");
  set_policy (world);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_assert_nonnull (link->task);
  direct = ask (world, "127.0.0.1", world->port);
  g_assert_cmpint (direct->reason, ==, BERTH_LINK_DENIED);
  assert_last (world, "denied", "network_private");
  fake_reach_end (link, 0, 0);
  g_assert_no_errno (shutdown (link->fd, SHUT_RDWR));
  some_proxy_join (proxy);
  g_assert_true (g_str_has_prefix (proxy->asked->str, "CONNECT a.wild.test:443 "));
}

static void
bring_up_loopback (void)
{
  struct ifreq request = { .ifr_name = "lo", .ifr_flags = IFF_UP };
  int fd = socket (AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

  g_assert_cmpint (ioctl (fd, SIOCSIFFLAGS, &request), ==, 0);
  close (fd);
}

#define ADD(path, function)                                                                        \
  g_test_add ("/sandbox-reach/" path, World, NULL, set_up, function, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  if (unshare (CLONE_NEWNET) != 0 && unshare (CLONE_NEWUSER | CLONE_NEWNET) != 0)
    {
      g_print ("1..0 # SKIP no network namespace for us\n");
      return 0;
    }
  bring_up_loopback ();
  ADD ("connects", test_connects);
  ADD ("refused", test_refused);
  ADD ("connections", test_connections);
  ADD ("rate", test_rate);
  ADD ("failures", test_failures);
  ADD ("bytes", test_bytes);
  ADD ("idle", test_idle);
  ADD ("connections-of-a-user", test_connections_of_a_user);
  ADD ("descriptors", test_descriptors);
  ADD ("flood", test_flood);
  ADD ("names", test_names);
  ADD ("flood-of-names", test_flood_of_names);
  ADD ("flood-of-one-name", test_flood_of_one_name);
  ADD ("close", test_close);
  ADD ("settings-change", test_settings_change);
  ADD ("guest-is-told", test_guest_is_told);
  ADD ("denied-at-port", test_denied_at_port);
  ADD ("proxy", test_proxy);
  return g_test_run ();
}
