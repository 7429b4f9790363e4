/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Fuzz target: whatever a guest says that it has in the background, what is told of it is in
 * bounds, and text. */
#include "berth-execs-list.h"
#include "berth-protocol.h"

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  g_autoptr (GError) error = NULL;
  g_autofree guint8 *copy = size > 0 ? g_memdup2 (data, size) : NULL;
  const guint32 version = size % 2 != 0 ? BERTH_BACKGROUND_VERSION : BERTH_EXECS_MORE_VERSION;
  g_autoptr (GVariant) execs = berth_execs_list_parse (copy, size, version, 0, &error);
  guint32 before = 0;

  g_assert_cmpint (execs != NULL, ==, error == NULL);
  if (execs == NULL)
    return 0;
  g_assert_cmpuint (g_variant_n_children (execs), <=, BERTH_BACKGROUND_MAX);
  for (gsize i = 0; i < g_variant_n_children (execs); i++)
    {
      g_autoptr (GVariant) exec = g_variant_get_child_value (execs, i);
      const char *words;
      guint32 number;
      double ms;

      g_assert_true (g_variant_lookup (exec, "exec", "u", &number));
      g_assert_cmpuint (number, >=, MAX (before, 1));
      before = number;
      g_assert_true (g_variant_lookup (exec, "command", "&s", &words));
      g_assert_true (g_utf8_validate (words, -1, NULL));
      g_assert_true (g_variant_lookup (exec, "wall_ms", "d", &ms));
      g_assert_cmpfloat (ms, >=, 0);
    }
  return 0;
}
