/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a warm VM serves, and what a request carries past admission. */
#include <string.h>

#include "berth-capacity.h"
#include "berth-request.h"
#include "berth-warm.h"

static void
test_equal (void)
{
  const BerthShape shape = *BERTH_SHAPE ("python", 192, 2);
  const BerthShape others[] = {
    { "pytho", 192, 2, TRUE },
    { "python", 193, 2, TRUE },
    { "python", 192, 1, TRUE },
    { "python", 192, 2, FALSE },
  };
  g_autofree char *name = g_strdup ("python"); /* the text counts, not where it stands */
  const BerthShape same = *BERTH_SHAPE (name, 192, 2);

  g_assert_true (berth_shape_equal (&shape, &same));
  g_assert_cmpuint (berth_shape_hash (&shape), ==, berth_shape_hash (&same));
  for (guint i = 0; i < G_N_ELEMENTS (others); i++)
    {
      g_assert_false (berth_shape_equal (&shape, &others[i]));
      g_assert_false (berth_shape_equal (&others[i], &shape));
      g_assert_true (berth_shape_equal (&others[i], &others[i]));
    }
}

static void
test_copy (void)
{
  g_autofree char *name = g_strdup ("shell");
  const BerthShape shape = { name, 128, 1, FALSE };
  BerthShape copy = berth_shape_copy (&shape);

  g_assert_true (berth_shape_equal (&shape, &copy));
  memset (name, 'x', strlen (name));
  g_assert_cmpstr (copy.template_name, ==, "shell");
  berth_shape_clear (&copy);
  g_assert_null (copy.template_name);
}

/* Its VMs are of the size that is wanted now, and anybody's, or those of one tenant. */
static void
test_of_warm (void)
{
  const BerthWarmTarget target = { .min = 1, .memory_mb = 256, .vcpus = 3 };
  g_autoptr (BerthRequest) request
      = berth_request_new (BERTH_SHAPE ("python", 256, 3), "acme", NULL, 7, -1, NULL, NULL, NULL);
  const struct
  {
    const char *tenant_key;
    gboolean is_for;
  } cases[] = { { NULL, TRUE }, { "7:acme", TRUE }, { "7:", FALSE }, { "8:acme", FALSE } };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (BerthWarm) warm = berth_warm_new ("python", cases[i].tenant_key);
      BerthShape shape = berth_warm_get_shape (warm);

      g_assert_false (berth_shape_equal (&shape, &request->shape));
      berth_warm_set_target (warm, &target);
      shape = berth_warm_get_shape (warm);
      g_assert_true (berth_shape_equal (&shape, &request->shape));
      g_assert_cmpint (berth_warm_is_for (warm, request), ==, cases[i].is_for);
    }
}

static void
count_free (gpointer data)
{
  ++*(guint *)data;
}

/* It belongs to the request, also to one that there is not, and goes with the last who has it. */
static void
test_payload (void)
{
  guint n_freed = 0;
  BerthRequest *request = berth_request_new (BERTH_SHAPE ("python", 192, 1), NULL, NULL, 1000, 0,
                                             &n_freed, count_free, NULL);

  g_assert_true (request->payload == &n_freed);
  g_assert_true (berth_request_ref (request) == request);
  berth_request_unref (request);
  g_assert_cmpuint (n_freed, ==, 0);
  berth_request_unref (request);
  g_assert_cmpuint (n_freed, ==, 1);

  g_assert_null (berth_request_new (BERTH_SHAPE ("python", 0, 1), NULL, NULL, 1000, 0, &n_freed,
                                    count_free, NULL));
  g_assert_cmpuint (n_freed, ==, 2);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/shape/equal", test_equal);
  g_test_add_func ("/shape/copy", test_copy);
  g_test_add_func ("/shape/of-warm", test_of_warm);
  g_test_add_func ("/shape/payload", test_payload);
  return g_test_run ();
}
