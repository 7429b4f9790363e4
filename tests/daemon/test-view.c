/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What of a status is told to who is no administrator. */
#include <string.h>

#include "berth-view.h"

enum
{
  OWN = 1000,
  OTHER = 1001
};

/* a status with each key that the manager's has, and one that nobody has decided about */
static GVariant *
new_status (void)
{
  return g_variant_ref_sink (g_variant_new_parsed (
      "{'slots': <{'total': <uint32 4>}>, 'n_waiting': <uint32 2>, 'future': <'secret-key'>,"
      " 'libvirt': <{'uri': <'qemu:///system'>}>,"
      " 'waiters': <[{'tenant': <'mine'>, 'task': <'my-task'>, 'uid': <uint32 1000>,"
      "   'template': <'python'>, 'position': <uint32 1>, 'since': <1.5>},"
      "  {'tenant': <'secret-tenant'>, 'task': <'secret-task'>, 'uid': <uint32 1001>,"
      "   'template': <'shell'>, 'position': <uint32 2>, 'since': <0.5>,"
      "   'future': <'secret-key'>}]>,"
      " 'templates': <{'python': <{'warm': <uint32 1>, 'failures': <uint32 3>, 'entry': <true>,"
      "   'last_error': <'secret-path'>, 'snapshot_error': <'secret-path'>}>,"
      "  'shell': <{'warm': <uint32 0>, 'last_error': <''>}>}>}"));
}

static void
test_nothing_of_others (void)
{
  g_autoptr (GVariant) status = new_status ();
  g_autoptr (GVariant) view = berth_view_new_status (status, OWN);
  g_autofree char *text = g_variant_print (view, FALSE);

  g_assert_null (strstr (text, "secret"));
  g_assert_null (strstr (text, "1001"));
  g_assert_nonnull (strstr (text, "'mine'"));
  g_assert_nonnull (strstr (text, "'my-task'"));
  g_assert_nonnull (strstr (text, "'n_waiting': <uint32 2>"));
  g_assert_nonnull (strstr (text, "qemu:///system"));
}

static void
test_other_side (void)
{
  g_autoptr (GVariant) status = new_status ();
  g_autoptr (GVariant) view = berth_view_new_status (status, OTHER);
  g_autofree char *text = g_variant_print (view, FALSE);

  g_assert_null (strstr (text, "mine"));
  g_assert_null (strstr (text, "my-task"));
  g_assert_nonnull (strstr (text, "'secret-tenant'"));
}

static void
test_that_there_is_an_error (void)
{
  g_autoptr (GVariant) status = new_status ();
  g_autoptr (GVariant) view = berth_view_new_status (status, OWN);
  g_autoptr (GVariant) templates
      = g_variant_lookup_value (view, "templates", G_VARIANT_TYPE_VARDICT);
  g_autoptr (GVariant) python = g_variant_lookup_value (templates, "python", NULL);
  g_autoptr (GVariant) shell = g_variant_lookup_value (templates, "shell", NULL);
  const char *of_python;
  const char *of_shell;
  guint32 failures;
  gboolean has_entry;

  g_assert_true (g_variant_lookup (python, "last_error", "&s", &of_python));
  g_assert_true (g_variant_lookup (python, "failures", "u", &failures));
  g_assert_true (g_variant_lookup (shell, "last_error", "&s", &of_shell));
  /* 'berth run' asks for it, whoever runs it */
  g_assert_true (g_variant_lookup (python, "entry", "b", &has_entry) && has_entry);
  g_assert_cmpstr (of_python, ==, "administrators are told (sudo berth status)");
  g_assert_cmpuint (failures, ==, 3);
  g_assert_cmpstr (of_shell, ==, "");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/view/nothing-of-others", test_nothing_of_others);
  g_test_add_func ("/view/other-side", test_other_side);
  g_test_add_func ("/view/that-there-is-an-error", test_that_there_is_an_error);
  return g_test_run ();
}
