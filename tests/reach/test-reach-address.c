/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which addresses are public. */
#include "plugin/reach/berth-reach-address.h"

#include "pool/berth-error.h"

static void
test_public (void)
{
  static const char *const addresses[]
      = { "1.1.1.1",     "9.255.255.255", "11.0.0.0",        "100.63.255.255", "100.128.0.0",
          "126.0.0.1",   "128.0.0.1",     "169.253.0.1",     "172.15.255.255", "172.32.0.0",
          "192.167.0.1", "192.169.0.1",   "198.17.0.1",      "198.20.0.1",     "223.255.255.255",
          "2600::1",     "2a00:1450::1",  "2001:4860::8888", "2003::1",        "::ffff:1.1.1.1" };

  for (guint i = 0; i < G_N_ELEMENTS (addresses); i++)
    {
      g_autoptr (GInetAddress) address = g_inet_address_new_from_string (addresses[i]);

      g_test_message ("%s", addresses[i]);
      g_assert_null (berth_reach_address_get_use (address));
    }
}

static void
test_special (void)
{
  static const char *const addresses[] = { "0.0.0.0",
                                           "0.1.2.3",
                                           "10.0.0.1",
                                           "100.64.0.1",
                                           "100.127.255.255",
                                           "127.0.0.1",
                                           "127.255.255.254",
                                           "169.254.169.254",
                                           "168.63.129.16",
                                           "172.16.0.1",
                                           "172.31.255.255",
                                           "192.0.0.170",
                                           "192.0.2.1",
                                           "192.88.99.1",
                                           "192.168.1.1",
                                           "198.18.0.1",
                                           "198.19.255.255",
                                           "198.51.100.1",
                                           "203.0.113.1",
                                           "224.0.0.1",
                                           "239.255.255.250",
                                           "240.0.0.1",
                                           "255.255.255.255",
                                           "::",
                                           "::1",
                                           "::ffff:10.0.0.1",
                                           "::ffff:127.0.0.1",
                                           "::127.0.0.1",
                                           "64:ff9b::7f00:1",
                                           "64:ff9b:1::1",
                                           "100::1",
                                           "2001::1",
                                           "2001:db8::1",
                                           "2002:7f00:1::",
                                           "3fff::1",
                                           "5f00::1",
                                           "fc00::1",
                                           "fd12:3456::1",
                                           "fe80::1",
                                           "fec0::1",
                                           "ff02::1" };

  for (guint i = 0; i < G_N_ELEMENTS (addresses); i++)
    {
      g_autoptr (GInetAddress) address = g_inet_address_new_from_string (addresses[i]);

      g_test_message ("%s", addresses[i]);
      g_assert_nonnull (berth_reach_address_get_use (address));
    }
}

static char *
dup_problem (const char *text, const char *denied_text, const char *private_text,
             const char *own_text)
{
  const char *const denied_texts[] = { denied_text, NULL };
  const char *const private_texts[] = { private_text, NULL };
  const char *const own_texts[] = { own_text, NULL };
  g_autoptr (GPtrArray) denied = berth_reach_networks_parse (denied_texts, NULL);
  g_autoptr (GPtrArray) private = berth_reach_networks_parse (private_texts, NULL);
  g_autoptr (GPtrArray) own = berth_reach_networks_parse (own_texts, NULL);
  g_autoptr (GInetAddress) address = g_inet_address_new_from_string (text);

  return berth_reach_address_dup_problem (address, denied, private, own);
}

static void
assert_problem (const char *text, const char *denied, const char *private, const char *own,
                const char *problem)
{
  g_autofree char *found = dup_problem (text, denied, private, own);

  g_test_message ("%s: %s", text, found);
  if (problem == NULL)
    g_assert_null (found);
  else
    g_assert_true (found != NULL && strstr (found, problem) != NULL);
}

/* A private network is no way to this host, whose address is one of it. */
static void
test_own_in_a_private_network (void)
{
  assert_problem ("10.0.0.5", NULL, "10.0.0.0/8", "10.0.0.5", "own");
  assert_problem ("::ffff:10.0.0.5", NULL, "10.0.0.0/8", "10.0.0.5", "own");
  assert_problem ("fd12::5", NULL, "fd12::/16", "fd12::5", "own");
  assert_problem ("10.0.0.6", NULL, "10.0.0.0/8", "10.0.0.5", NULL);
  assert_problem ("10.0.0.5", NULL, "10.0.0.5", "10.0.0.5", NULL);
  assert_problem ("127.0.0.1", NULL, "127.0.0.0/8", "127.0.0.1", NULL);
}

static void
test_settings (void)
{
  assert_problem ("1.1.1.1", NULL, NULL, NULL, NULL);
  assert_problem ("1.1.1.1", "1.1.1.0/24", NULL, NULL, "network_deny");
  assert_problem ("1.1.1.1", "1.1.1.0/24", "1.1.1.1", NULL, "network_deny");
  assert_problem ("10.1.2.3", NULL, NULL, NULL, "private");
  assert_problem ("10.1.2.3", NULL, "10.1.0.0/16", NULL, NULL);
  assert_problem ("::ffff:10.1.2.3", NULL, "10.1.0.0/16", NULL, NULL);
  assert_problem ("::ffff:1.1.1.1", "1.1.1.1", NULL, NULL, "network_deny");
  assert_problem ("1.2.3.4", NULL, NULL, "1.2.3.4", "own");
  assert_problem ("1.2.3.4", NULL, "1.2.3.4", "1.2.3.4", NULL);
  assert_problem ("fd00::1", NULL, "fd00::/8", NULL, NULL);
}

static void
test_networks (void)
{
  static const char *const bad[] = { "10.0.0.1/8", "example.org", "", "10.0.0.0/33", "1.2.3" };

  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      const char *const texts[] = { "10.0.0.0/8", bad[i], NULL };
      g_autoptr (GError) error = NULL;

      g_assert_null (berth_reach_networks_parse (texts, &error));
      g_assert_error (error, BERTH_ERROR, BERTH_ERROR_INVALID);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/reach-address/public", test_public);
  g_test_add_func ("/reach-address/special", test_special);
  g_test_add_func ("/reach-address/own-in-a-private-network", test_own_in_a_private_network);
  g_test_add_func ("/reach-address/settings", test_settings);
  g_test_add_func ("/reach-address/networks", test_networks);
  return g_test_run ();
}
