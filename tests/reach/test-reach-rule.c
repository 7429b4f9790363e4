/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Rules of names and ports. */
#include "plugin/reach/berth-reach-rule.h"

#include "pool/berth-error.h"

static void
test_forms (void)
{
  static const struct
  {
    const char *text;
    const char *own;
  } good[] = {
    { "example.org", "example.org:80,443" },
    { "EXAMPLE.org.", "example.org:80,443" },
    { "example.org:443", "example.org:443" },
    { "example.org:8443,22,443,22", "example.org:22,443,8443" },
    { "*.example.org:*", "*.example.org:*" },
    { "*", "*:80,443" },
    { "*:1", "*:1" },
    { "b\xc3\xbc"
      "cher.example",
      "xn--bcher-kva.example:80,443" },
    { "xn--bcher-kva.example", "xn--bcher-kva.example:80,443" },
    { "_dmarc.example.org", "_dmarc.example.org:80,443" },
    { "localhost:1", "localhost:1" },
    { "192.0.2.1:65535", "192.0.2.1:65535" },
    { "[2001:DB8::0:1]", "[2001:db8::1]:80,443" },
    { "[::1]:*", "[::1]:*" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (good); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (BerthReachRule) rule = berth_reach_rule_parse (good[i].text, &error);
      g_autofree char *own = rule != NULL ? berth_reach_rule_to_text (rule) : NULL;

      g_assert_no_error (error);
      g_assert_cmpstr (own, ==, good[i].own);
    }
}

static void
test_no_rules (void)
{
  static const char *const bad[] = { "",
                                     ".",
                                     "example..org",
                                     ".example.org",
                                     "example.org:",
                                     "example.org:0",
                                     "example.org:65536",
                                     "example.org:http",
                                     "example.org:1,",
                                     "example.org:1 2",
                                     "a*.example.org",
                                     "*example.org",
                                     "*.*.example.org",
                                     "**",
                                     "*.",
                                     "*.192.0.2.1",
                                     "exa mple.org",
                                     "example.org/x",
                                     "https://example.org",
                                     "2001:db8::1",
                                     "[2001:db8::1",
                                     "[2001:db8::1]443",
                                     "[2001:db8::1]:",
                                     "[fe80::1%lo]:443",
                                     "[::ffff:192.0.2.1]",
                                     "[192.0.2.1]",
                                     "[example.org]",
                                     "*.2001:db8::1",
                                     "[]",
                                     "192.0.2",
                                     "192.0.2.256",
                                     "0x7f000001",
                                     "1.0x2",
                                     "3232235777",
                                     "example.org:1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17",
                                     "\xff.example.org" };
  g_autofree char *label = g_strnfill (64, 'a');
  g_autofree char *part = g_strnfill (63, 'a');
  g_autofree char *longer = g_strdup_printf ("%s.%s.%s.%.62s", part, part, part, part);
  g_autofree char *longest = g_strdup_printf ("%s.%s.%s.%.61s", part, part, part, part);
  g_autofree char *endless = g_strnfill (100000, 'a');
  const char *const more[] = { label, longer, endless };
  g_autoptr (BerthReachRule) right = berth_reach_rule_parse (longest, NULL);

  for (guint i = 0; i < G_N_ELEMENTS (bad) + G_N_ELEMENTS (more); i++)
    {
      const char *text = i < G_N_ELEMENTS (bad) ? bad[i] : more[i - G_N_ELEMENTS (bad)];
      g_autoptr (GError) error = NULL;
      g_autoptr (BerthReachRule) rule = berth_reach_rule_parse (text, &error);

      if (rule != NULL)
        g_test_message ("'%s' is a rule", text);
      g_assert_null (rule);
      g_assert_error (error, BERTH_ERROR, BERTH_ERROR_INVALID);
    }
  g_assert_nonnull (right);
}

static void
test_fit (void)
{
  static const struct
  {
    const char *rule;
    const char *name;
    guint16 port;
    gboolean fits;
  } cases[] = {
    { "example.org", "example.org", 443, TRUE },
    { "example.org", "example.org", 8080, FALSE },
    { "example.org", "a.example.org", 443, FALSE },
    { "example.org", "xexample.org", 443, FALSE },
    { "*.example.org", "a.example.org", 443, TRUE },
    { "*.example.org", "a.b.example.org", 80, TRUE },
    { "*.example.org", "example.org", 443, FALSE },
    { "*.example.org", "xexample.org", 443, FALSE },
    { "*", "example.org", 443, TRUE },
    { "*", "192.0.2.1", 443, FALSE },
    { "192.0.2.1", "192.0.2.1", 443, TRUE },
    { "[2001:db8::1]", "2001:db8::1", 443, TRUE },
    { "[2001:db8::1]", "2001:db8::2", 443, FALSE },
    { "*:*", "2001:db8::1", 443, FALSE },
    { "*:*", "example.org", 1, TRUE },
    { "*:*", "example.org", 0, FALSE },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (BerthReachRule) rule = berth_reach_rule_parse (cases[i].rule, NULL);

      g_test_message ("%s, %s %u", cases[i].rule, cases[i].name, cases[i].port);
      g_assert_true (berth_reach_rule_fits (rule, cases[i].name, cases[i].port) == cases[i].fits);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/reach-rule/forms", test_forms);
  g_test_add_func ("/reach-rule/no-rules", test_no_rules);
  g_test_add_func ("/reach-rule/fit", test_fit);
  return g_test_run ();
}
