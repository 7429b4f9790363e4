/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A task whose parts are under way at once: it ends with the last of them, as the first that
 * failed. */
#include "plugin/libvirt/berth-parts.h"

typedef struct
{
  GTask *parts[3]; /* (owned) */
  guint ended;
  GError *error;
} Fixture;

static void
ended_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Fixture *fixture = user_data;

  fixture->ended++;
  g_task_propagate_boolean (G_TASK (result), &fixture->error);
}

static void
set_up (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GTask) whole = g_task_new (NULL, NULL, ended_cb, fixture);

  berth_parts_init (whole);
  for (guint i = 0; i < G_N_ELEMENTS (fixture->parts); i++)
    fixture->parts[i] = berth_parts_add (whole);
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  g_clear_error (&fixture->error);
}

/* @message: (nullable): fails with it */
static void
end_part (Fixture *fixture, guint i, const char *message)
{
  g_autoptr (GTask) part = g_steal_pointer (&fixture->parts[i]);

  if (message != NULL)
    g_task_return_new_error (part, G_IO_ERROR, G_IO_ERROR_FAILED, "%s", message);
  else
    g_task_return_boolean (part, TRUE);
  while (g_main_context_iteration (NULL, FALSE))
    continue;
}

static void
test_ends_with_the_last (Fixture *fixture, gconstpointer data)
{
  end_part (fixture, 1, NULL);
  end_part (fixture, 0, NULL);
  g_assert_cmpuint (fixture->ended, ==, 0);
  end_part (fixture, 2, NULL);
  g_assert_cmpuint (fixture->ended, ==, 1);
  g_assert_no_error (fixture->error);
}

static void
test_first_failure (Fixture *fixture, gconstpointer data)
{
  end_part (fixture, 2, "first");
  end_part (fixture, 0, "second");
  g_assert_cmpuint (fixture->ended, ==, 0);
  end_part (fixture, 1, NULL);
  g_assert_cmpuint (fixture->ended, ==, 1);
  g_assert_error (fixture->error, G_IO_ERROR, G_IO_ERROR_FAILED);
  g_assert_cmpstr (fixture->error->message, ==, "first");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add ("/parts/ends-with-the-last", Fixture, NULL, set_up, test_ends_with_the_last,
              tear_down);
  g_test_add ("/parts/first-failure", Fixture, NULL, set_up, test_first_failure, tear_down);
  return g_test_run ();
}
