/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Any text as a rule: it is none, or one whose own text is the same rule, and whose name fits it.
 */
#include "plugin/reach/berth-reach-rule.h"

#include <string.h>

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  g_autofree char *text = g_strndup ((const char *)data, size);
  g_autoptr (GError) error = NULL;
  g_autoptr (BerthReachRule) rule = berth_reach_rule_parse (text, &error);
  g_autoptr (BerthReachRule) again = NULL;
  g_autofree char *told = NULL;
  g_autofree char *twice = NULL;

  if (rule == NULL)
    {
      g_assert_nonnull (error);
      g_assert_true (g_utf8_validate (error->message, -1, NULL));
      return 0;
    }
  g_assert_no_error (error);
  g_assert_cmpuint (strlen (rule->name), <=, BERTH_REACH_NAME_MAX);
  g_assert_true (rule->has_any_port == (rule->n_ports == 0));
  told = berth_reach_rule_to_text (rule);
  again = berth_reach_rule_parse (told, NULL);
  g_assert_nonnull (again);
  twice = berth_reach_rule_to_text (again);
  g_assert_cmpstr (told, ==, twice);
  g_assert_true (berth_reach_rule_has_names_of (rule, again));
  if (rule->name[0] != '*')
    g_assert_true (
        berth_reach_rule_fits (rule, rule->name, rule->has_any_port ? 1 : rule->ports[0]));
  return 0;
}
