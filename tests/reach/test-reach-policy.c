/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a request may ask for of what the administrator allows, and what is decided of a name. */
#include "plugin/reach/berth-reach-policy.h"

#include <string.h>

#include "plugin/reach/berth-reach-proxy.h"
#include "pool/berth-error.h"

/* Each list, NULL: it has no say in that */
static void
policy_add (BerthReachPolicy *self, BerthReachVoice voice, const char *allow, const char *deny,
            const char *private)
{
  g_auto (GStrv) allow_texts = allow != NULL ? g_strsplit (allow, " ", -1) : NULL;
  g_auto (GStrv) deny_texts = deny != NULL ? g_strsplit (deny, " ", -1) : NULL;
  g_auto (GStrv) private_texts = private != NULL ? g_strsplit (private, " ", -1) : NULL;
  const BerthReachWords words = { .allow = (const char *const *)allow_texts,
                                  .deny = (const char *const *)deny_texts,
                                  .private = (const char *const *)private_texts };
  g_autoptr (GError) error = NULL;

  berth_reach_policy_add (self, voice, &words, &error);
  g_assert_no_error (error);
}

static BerthReachPolicy *
policy_new (const char *allow, const char *deny, gboolean allows_all)
{
  BerthReachPolicy *self = berth_reach_policy_new (allows_all);

  policy_add (self, BERTH_REACH_OF_ALL, allow, deny, "");
  return self;
}

/* (transfer full): the rules that are left, or "INVALID" */
static char *
narrow (const BerthReachPolicy *policy, const char *asked, gboolean is_all)
{
  g_auto (GStrv) texts = g_strsplit (asked, " ", -1);
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) rules
      = berth_reach_policy_narrow (policy, (const char *const *)texts, is_all, &error);
  g_auto (GStrv) own = NULL;

  if (rules == NULL)
    {
      g_assert_error (error, BERTH_ERROR, BERTH_ERROR_INVALID);
      return g_strdup_printf ("INVALID %s", error->message);
    }
  own = berth_reach_rules_to_texts (rules);
  return g_strjoinv (" ", own);
}

static void
assert_narrow (const char *allow, const char *deny, const char *asked, const char *expected)
{
  g_autoptr (BerthReachPolicy) policy = policy_new (allow, deny, FALSE);
  g_autofree char *got = narrow (policy, asked, FALSE);

  g_test_message ("%s - %s: %s: %s", allow, deny, asked, got);
  if (expected == NULL)
    g_assert_true (g_str_has_prefix (got, "INVALID "));
  else
    g_assert_cmpstr (got, ==, expected);
}

static void
test_narrow (void)
{
  assert_narrow ("*", "", "example.org", "example.org:80,443");
  assert_narrow ("*", "", "example.org:22", NULL);
  assert_narrow ("*:*", "", "example.org:22 *.example.net", "example.org:22 *.example.net:80,443");
  assert_narrow ("*", "", "*.example.org:*", NULL);
  assert_narrow ("*.example.org", "", "*.a.example.org", "*.a.example.org:80,443");
  assert_narrow ("*.example.org", "", "*.org", NULL);
  assert_narrow ("*.example.org", "", "example.org", NULL);
  assert_narrow ("example.org:80 example.org:443", "", "example.org", "example.org:80,443");
  assert_narrow ("example.org", "", "*.example.org", NULL);
  assert_narrow ("*", "*.evil.example", "a.evil.example", NULL);
  assert_narrow ("*", "*.evil.example", "evil.example", "evil.example:80,443");
  assert_narrow ("*", "a.evil.example 10.0.0.0/8", "*.evil.example", "*.evil.example:80,443");
  assert_narrow ("*", "evil.example:443", "evil.example:80", "evil.example:80");
  assert_narrow ("*", "", "192.0.2.1", NULL);
  assert_narrow ("* 192.0.2.1", "", "192.0.2.1", "192.0.2.1:80,443");
  assert_narrow ("*", "", "[2001:db8::1]", NULL);
  assert_narrow ("[2001:db8::1]", "", "[2001:db8::1]:443", "[2001:db8::1]:443");
  assert_narrow ("[2001:db8::1]", "[2001:db8::1]:80", "[2001:db8::1]", NULL);
  assert_narrow ("*:*", "", "*", NULL);
  assert_narrow ("", "", "example.org", NULL);
}

static void
test_says_what_is_allowed (void)
{
  g_autoptr (BerthReachPolicy) policy = policy_new ("*.example.org", "a.example.org", FALSE);
  g_autoptr (BerthReachPolicy) nothing = policy_new ("", "", FALSE);
  g_autofree char *got = narrow (policy, "example.net", FALSE);
  g_autofree char *none = narrow (nothing, "example.net", FALSE);

  g_assert_cmpstr (got, ==,
                   "INVALID example.net:80,443 may not be reached: network_allow has "
                   "*.example.org:80,443, but network_deny has a.example.org:*");
  g_assert_nonnull (strstr (none, "have the administrator of berthd add it"));
}

static void
test_all (void)
{
  g_autoptr (BerthReachPolicy) some = policy_new ("*", "", FALSE);
  g_autoptr (BerthReachPolicy) all = policy_new ("*", "evil.example", TRUE);
  g_autofree char *refused = narrow (some, "", TRUE);
  const char *const none[] = { NULL };
  g_autoptr (GPtrArray) rules = berth_reach_policy_narrow (all, none, TRUE, NULL);
  g_autofree char *name = NULL;
  g_autofree char *other = NULL;
  g_autofree char *third = NULL;

  g_assert_true (g_str_has_prefix (refused, "INVALID "));
  g_assert_null (berth_reach_policy_get_problem (all, rules, "Example.ORG.", 443, &name));
  g_assert_cmpstr (name, ==, "example.org");
  g_assert_nonnull (berth_reach_policy_get_problem (all, rules, "example.org", 22, &other));
  g_assert_nonnull (berth_reach_policy_get_problem (all, rules, "evil.example", 443, &third));
}

static void
test_many (void)
{
  g_autoptr (BerthReachPolicy) policy = policy_new ("*", "", FALSE);
  g_autoptr (GString) text = g_string_new ("a0");
  g_autofree char *most = NULL;
  g_autofree char *more = NULL;

  for (guint i = 1; i < BERTH_REACH_RULES_MAX; i++)
    g_string_append_printf (text, " a%u.example", i);
  g_string_replace (text, "a0", "a.example", 1);
  most = narrow (policy, text->str, FALSE);
  g_string_append (text, " more.example");
  more = narrow (policy, text->str, FALSE);
  g_assert_false (g_str_has_prefix (most, "INVALID "));
  g_assert_true (g_str_has_prefix (more, "INVALID "));
}

/* Settings that changed since hold for what was asked for before. */
static void
test_decide (void)
{
  static const struct
  {
    const char *name;
    guint16 port;
    const char *problem;
  } cases[] = {
    { "a.example.org", 443, NULL },
    { "A.EXAMPLE.org", 443, NULL },
    { "b.example.org", 443, "network_deny" },
    { "a.example.org", 80, "did not ask" },
    { "example.net", 443, "network_allow" },
    { "example.com", 443, "did not ask" },
    { "..", 443, "no name" },
    { "", 443, "no name" },
    { "a.example.org", 0, NULL },
    { "b.example.org", 0, "network_deny" },
    { "c.example.org", 0, NULL },
    { "example.com", 0, "did not ask" },
  };
  static const char *const asked[] = { "*.example.org:443", "example.net:443", NULL };
  g_autoptr (GPtrArray) rules = berth_reach_rules_parse (asked, NULL);
  g_autoptr (BerthReachPolicy) policy
      = policy_new ("*.example.org", "b.example.org c.example.org:22", FALSE);

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *name = NULL;
      const char *problem
          = berth_reach_policy_get_problem (policy, rules, cases[i].name, cases[i].port, &name);

      g_test_message ("%s %u: %s", cases[i].name, cases[i].port, problem);
      if (cases[i].problem == NULL)
        g_assert_null (problem);
      else
        g_assert_nonnull (strstr (problem, cases[i].problem));
    }
}

/* All of them have to allow it, and the one that does not is named. */
static void
test_voices (void)
{
  static const struct
  {
    const char *asked;
    const char *expected;
  } cases[] = {
    { "a.example.org", "a.example.org:80,443" },
    { "b.example.org:80", "INVALID b.example.org:80 may not be reached: uid_network_deny has "
                          "b.example.org:*" },
    { "a.example.net", "INVALID a.example.net:80,443 may not be reached: allow of the template has "
                       "*.example.org:80,443, but deny of the template has c.example.org:443" },
    { "c.example.org", "INVALID c.example.org:80,443 may not be reached: allow of the template has "
                       "*.example.org:80,443, but deny of the template has c.example.org:443" },
    { "a.example.org:22",
      "INVALID a.example.org:22 may not be reached: network_allow has *:80,443" },
  };
  g_autoptr (BerthReachPolicy) policy = policy_new ("*", "", FALSE);
  static const char *const asked[] = { "*:*", NULL };
  g_autoptr (GPtrArray) rules = berth_reach_rules_parse (asked, NULL);
  g_autofree char *name = NULL;
  g_autofree char *other = NULL;

  policy_add (policy, BERTH_REACH_OF_USER, NULL, "b.example.org", NULL);
  policy_add (policy, BERTH_REACH_OF_TEMPLATE, "*.example.org", "c.example.org:443", NULL);
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *got = narrow (policy, cases[i].asked, FALSE);

      g_assert_cmpstr (got, ==, cases[i].expected);
    }
  g_assert_cmpstr (berth_reach_policy_get_problem (policy, rules, "b.example.org", 80, &name), ==,
                   "uid_network_deny has it");
  g_assert_cmpstr (berth_reach_policy_get_problem (policy, rules, "example.net", 80, &other), ==,
                   "its template does not allow it");
}

static void
assert_networks (const GPtrArray *networks, const char *expected)
{
  g_auto (GStrv) texts = berth_reach_networks_to_texts (networks);
  g_autofree char *text = g_strjoinv (" ", texts);

  g_assert_cmpstr (text, ==, expected);
}

/* What anybody denies is denied; what is not public is for whom all let it. */
static void
test_networks (void)
{
  g_autoptr (BerthReachPolicy) policy = berth_reach_policy_new (FALSE);
  g_autoptr (GInetAddress) inside = g_inet_address_new_from_string ("10.1.2.3");
  g_autoptr (GInetAddress) outside = g_inet_address_new_from_string ("10.2.0.1");
  g_autoptr (GInetAddress) public = g_inet_address_new_from_string ("192.0.43.10");
  g_autoptr (GPtrArray) denied = NULL;
  g_autoptr (GPtrArray) denied_elsewhere = NULL;

  policy_add (policy, BERTH_REACH_OF_ALL, "*", "evil.example 192.0.2.0/24 192.0.43.10:443",
              "10.0.0.0/8 192.168.1.0/24 fd00::/8");
  assert_networks (berth_reach_policy_get_private (policy), "10.0.0.0/8 192.168.1.0/24 fd00::/8");
  policy_add (policy, BERTH_REACH_OF_USER, NULL, NULL, NULL);
  policy_add (policy, BERTH_REACH_OF_TEMPLATE, NULL, "10.1.9.0/24",
              "10.1.0.0/16 192.168.0.0/16 172.16.0.0/12");
  assert_networks (berth_reach_policy_get_private (policy), "10.1.0.0/16 192.168.1.0/24");
  denied = berth_reach_policy_dup_denied (policy, 443);
  denied_elsewhere = berth_reach_policy_dup_denied (policy, 22);
  assert_networks (denied, "192.0.2.0/24 10.1.9.0/24 192.0.43.10");
  assert_networks (denied_elsewhere, "192.0.2.0/24 10.1.9.0/24");
  g_assert_true (berth_reach_policy_has_address (policy, inside, 443));
  g_assert_false (berth_reach_policy_has_address (policy, outside, 443));
  g_assert_false (berth_reach_policy_has_address (policy, public, 443));
  g_assert_true (berth_reach_policy_has_address (policy, public, 22));
}

static void
assert_hints (const BerthReachPolicy *policy, const char *rules, const char *expected)
{
  g_auto (GStrv) texts = g_strsplit (rules, " ", -1);
  g_autoptr (GPtrArray) own = berth_reach_rules_parse ((const char *const *)texts, NULL);
  g_auto (GStrv) hints = berth_reach_policy_dup_hints (policy, own);
  g_autofree char *text = g_strjoinv ("|", hints);

  g_assert_cmpstr (text, ==, expected);
}

/* What a guest is told, to answer by itself */
static void
test_hints (void)
{
  g_autoptr (BerthReachPolicy) policy = policy_new ("*:443 192.0.2.1:*", "", TRUE);
  g_autoptr (BerthReachPolicy) denied = NULL;
  g_autoptr (BerthReachPolicy) large = NULL;
  g_autoptr (GString) names = g_string_new ("example.org");

  assert_hints (policy, "example.org [2001:db8::1]:22 b.example:*",
                "example.org 80,443|2001:db8::1 22|b.example");
  assert_hints (policy, "*:*", "* 443|192.0.2.1");
  denied = policy_new ("*:*", "b.example c.example:22 192.0.2.0/24 2001:db8::/32", TRUE);
  policy_add (denied, BERTH_REACH_OF_USER, NULL, "*.user.example", NULL);
  assert_hints (denied, "*.example:* 192.0.2.1:* 192.0.3.1:80 [2001:db8::1]:80",
                "*.example|192.0.2.1|192.0.3.1 80|2001:db8::1 80|!b.example|!c.example 22|"
                "!*.user.example|!192.0.2.1|!2001:db8::1");
  policy_add (policy, BERTH_REACH_OF_USER, "*.user.example", NULL, NULL);
  assert_hints (policy, "*:*", "*.user.example 80,443");
  policy_add (policy, BERTH_REACH_OF_TEMPLATE, "a.user.example:443 b.user.example", NULL, NULL);
  assert_hints (policy, "*:*", "a.user.example 443|b.user.example 80,443");
  for (guint i = 0; i < 4096; i++)
    g_string_append_printf (names, " n%u.example", i);
  large = policy_new (names->str, "", TRUE);
  assert_hints (large, "*:*", "*");
}

/* What goes through a proxy, and what that is */
static void
test_proxy (void)
{
  static const char *const direct[] = { "*.corp.example", "a.example:443", "10.0.0.0/8", NULL };
  static const struct
  {
    const char *name;
    guint16 port;
    gboolean is_direct;
  } cases[] = {
    { "example.org", 443, FALSE },  { "b.corp.example", 80, TRUE }, { "corp.example", 80, FALSE },
    { "a.example", 443, TRUE },     { "a.example", 80, FALSE },     { "10.1.2.3", 80, TRUE },
    { "192.0.43.10", 443, FALSE },  { "localhost", 80, TRUE },      { "a.localhost", 80, TRUE },
    { "2606:4700::1", 443, FALSE },
  };
  static const char *const wrong[] = { "proxy.example:3128",
                                       "http://proxy.example",
                                       "https://proxy.example:3128",
                                       "http://proxy.example:3128/a",
                                       "socks5://",
                                       "http://a b:1",
                                       "http://u%0d%0a:p@a:1" };
  g_autoptr (BerthReachPolicy) policy = policy_new ("*", "", FALSE);
  g_autoptr (BerthReachProxy) proxy = NULL;

  g_assert_null (berth_reach_policy_get_proxy (policy, "example.org", 443));
  g_assert_true (
      berth_reach_policy_set_proxy (policy, "socks5://me:w%40rd@[::1]:1080", direct, NULL));
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    g_assert_cmpint (berth_reach_policy_get_proxy (policy, cases[i].name, cases[i].port) == NULL,
                     ==, cases[i].is_direct);
  proxy = berth_reach_proxy_parse (berth_reach_policy_get_proxy (policy, "example.org", 1), NULL);
  g_assert_false (proxy->is_http);
  g_assert_cmpstr (proxy->host, ==, "::1");
  g_assert_cmpuint (proxy->port, ==, 1080);
  g_assert_cmpstr (proxy->user, ==, "me");
  g_assert_cmpstr (proxy->password, ==, "w@rd");
  for (guint i = 0; i < G_N_ELEMENTS (wrong); i++)
    {
      g_autoptr (GError) error = NULL;

      g_test_message ("%s", wrong[i]);
      g_assert_null (berth_reach_proxy_parse (wrong[i], &error));
      g_assert_error (error, BERTH_ERROR, BERTH_ERROR_INVALID);
      g_assert_null (strstr (error->message, "proxy.example"));
    }
}

/* One that is not understood allows nothing. */
static void
test_not_understood (void)
{
  static const char *const wrong[] = { "https://example.org", NULL };
  static const char *const name[] = { "example.org", NULL };
  const BerthReachWords words[]
      = { { .allow = wrong }, { .allow = name, .deny = wrong }, { .private = name } };

  for (guint i = 0; i < G_N_ELEMENTS (words); i++)
    {
      g_autoptr (BerthReachPolicy) policy = policy_new ("*", "", FALSE);
      g_autoptr (GError) error = NULL;
      g_autofree char *got = NULL;

      g_assert_false (berth_reach_policy_add (policy, BERTH_REACH_OF_USER, &words[i], &error));
      g_assert_error (error, BERTH_ERROR, BERTH_ERROR_INVALID);
      got = narrow (policy, "example.org", FALSE);
      g_assert_true (g_str_has_prefix (got, "INVALID "));
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/reach-policy/narrow", test_narrow);
  g_test_add_func ("/reach-policy/says-what-is-allowed", test_says_what_is_allowed);
  g_test_add_func ("/reach-policy/all", test_all);
  g_test_add_func ("/reach-policy/many", test_many);
  g_test_add_func ("/reach-policy/decide", test_decide);
  g_test_add_func ("/reach-policy/voices", test_voices);
  g_test_add_func ("/reach-policy/networks", test_networks);
  g_test_add_func ("/reach-policy/hints", test_hints);
  g_test_add_func ("/reach-policy/proxy", test_proxy);
  g_test_add_func ("/reach-policy/not-understood", test_not_understood);
  return g_test_run ();
}
