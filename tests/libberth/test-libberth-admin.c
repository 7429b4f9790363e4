/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Proves what the library promises to administrators. */
#include "libberth-fixture.h"

#include <berth-server.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#define NOBODY 65534

/* What the pool knows of python: a number of its status. */
static guint32
get_number (Fixture *fixture, const char *key)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) status = berth_client_status (fixture->client, NULL, &error);
  g_autoptr (GVariant) templates = NULL;
  g_autoptr (GVariant) python = NULL;
  guint32 number = 0;

  g_assert_no_error (error);
  templates = g_variant_lookup_value (status, "templates", G_VARIANT_TYPE_VARDICT);
  python = g_variant_lookup_value (templates, "python", G_VARIANT_TYPE_VARDICT);
  g_variant_lookup (python, key, "u", &number);
  return number;
}

/* Waits until it is so; the snapshot comes before. */
static void
wait_for_number (Fixture *fixture, const char *key, guint32 number)
{
  gint64 end = g_get_monotonic_time () + LIMIT_S * G_USEC_PER_SEC;

  while (get_number (fixture, key) != number)
    {
      g_assert_cmpint (g_get_monotonic_time (), <, end);
      g_usleep (1000);
    }
}

static void
test_pool (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (BerthAdmin) admin = berth_admin_new (fixture->client);

  g_assert_true (berth_admin_set_warm (admin, "python", 1, 5, NULL, &error));
  wait_for_number (fixture, "max", 5);
  wait_for_number (fixture, "warm", 1);
  g_assert_false (berth_admin_set_warm (admin, "python", 2, 1, NULL, &error));
  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_INVALID);
  g_assert_cmpuint (get_number (fixture, "min"), ==, 1);
  g_assert_cmpuint (get_number (fixture, "max"), ==, 5);
}

static gboolean
is_admitting (Fixture *fixture)
{
  g_autoptr (GVariant) status = berth_client_status (fixture->client, NULL, NULL);
  gboolean admitting = FALSE;

  g_assert_true (g_variant_lookup (status, "admitting", "b", &admitting));
  return admitting;
}

/* The answer comes when it holds. */
static void
test_drained_host (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (BerthAdmin) admin = berth_admin_new (fixture->client);

  g_assert_true (is_admitting (fixture));
  g_assert_true (berth_admin_set_admitting (admin, FALSE, NULL, &error));
  g_assert_false (is_admitting (fixture));
  g_assert_true (berth_admin_set_admitting (admin, TRUE, NULL, &error));
  g_assert_true (is_admitting (fixture));
}

/* How python's snapshot is. */
static char *
dup_snapshot (BerthAdmin *admin)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) templates = berth_admin_list_templates (admin, NULL, &error);

  g_assert_no_error (error);
  for (gsize i = 0; i < g_variant_n_children (templates); i++)
    {
      g_autoptr (GVariant) one = g_variant_get_child_value (templates, i);
      const char *name = "";
      const char *snapshot = "";

      g_variant_lookup (one, "name", "&s", &name);
      g_variant_lookup (one, "snapshot", "&s", &snapshot);
      if (g_str_equal (name, "python"))
        return g_strdup (snapshot);
    }
  g_assert_not_reached ();
}

static void
assert_snapshot (BerthAdmin *admin, const char *wanted)
{
  g_autofree char *snapshot = dup_snapshot (admin);

  g_assert_cmpstr (snapshot, ==, wanted);
}

static void
act (BerthAdmin *admin, BerthAdminAction action, const char *name)
{
  g_autoptr (GError) error = NULL;

  g_assert_true (berth_admin_act (admin, action, name, NULL, &error));
  g_assert_no_error (error);
}

static void
test_actions (Fixture *fixture, gconstpointer data)
{
  g_autoptr (BerthAdmin) admin = berth_admin_new (fixture->client);

  act (admin, BERTH_ADMIN_ACTION_SNAPSHOT, "python");
  assert_snapshot (admin, "valid");
  g_assert_true (berth_admin_set_warm (admin, "python", 1, 1, NULL, NULL));
  for (const char *name = "python";; name = NULL)
    {
      wait_for_number (fixture, "warm", 1);
      act (admin, BERTH_ADMIN_ACTION_DRAIN, name);
      wait_for_number (fixture, "warm", 0);
      act (admin, BERTH_ADMIN_ACTION_FILL, name);
      wait_for_number (fixture, "warm", 1);
      if (name == NULL)
        break;
    }
  act (admin, BERTH_ADMIN_ACTION_REMOVE_SNAPSHOT, NULL);
  assert_snapshot (admin, "none");
}

static void
test_actions_refused (Fixture *fixture, gconstpointer data)
{
  static const BerthAdminAction actions[]
      = { BERTH_ADMIN_ACTION_FILL, BERTH_ADMIN_ACTION_DRAIN, BERTH_ADMIN_ACTION_SNAPSHOT,
          BERTH_ADMIN_ACTION_REMOVE_SNAPSHOT };
  g_autoptr (BerthAdmin) admin = berth_admin_new (fixture->client);

  for (guint i = 0; i < G_N_ELEMENTS (actions); i++)
    {
      g_autoptr (GError) error = NULL;

      g_assert_false (berth_admin_act (admin, actions[i], "other", NULL, &error));
      g_assert_error (error, BERTH_ERROR, BERTH_ERROR_INVALID);
      g_assert_nonnull (strstr (error->message, "there is no template other"));
    }
  /* one at a time: each is made by a VM of its own */
  g_assert_false (berth_admin_act (admin, BERTH_ADMIN_ACTION_SNAPSHOT, NULL, NULL, NULL));
}

/* (transfer full): of a template that berth ships */
static char *
dup_good_path (void)
{
  return g_build_filename (g_getenv ("BERTH_TEST_TEMPLATES"), "python.xml", NULL);
}

static void
test_templates (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (BerthAdmin) admin = berth_admin_new (fixture->client);
  g_autofree char *xml = berth_admin_show_template (admin, "python", NULL, &error);
  g_autofree char *none = NULL;
  g_autofree char *folder = g_get_current_dir ();
  g_autofree char *good = dup_good_path ();

  g_assert_no_error (error);
  g_assert_true (g_str_has_prefix (xml, "<domain>"));
  none = berth_admin_show_template (admin, "other", NULL, &error);
  g_assert_null (none);
  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_INVALID);
  g_clear_error (&error);
  g_assert_true (berth_admin_check_template (admin, good, NULL, &error));
  /* a path of this process, wherever berthd is */
  g_assert_false (berth_admin_check_template (admin, "bad.xml", NULL, &error));
  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_INVALID);
  g_assert_true (g_str_has_prefix (error->message, folder));
  g_assert_nonnull (strstr (error->message, "/bad.xml"));
}

/* What no message can carry is found here: other calls share the connection. */
static void
test_refused_here (Fixture *fixture, gconstpointer data)
{
  g_autoptr (BerthAdmin) admin = berth_admin_new (fixture->client);
  g_autofree char *long_text = g_strnfill (3 * 1024 * 1024, 'x');
  const char *const bad[] = { "/\xff", long_text };

  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_autoptr (GError) error = NULL;

      g_assert_false (berth_admin_check_template (admin, bad[i], NULL, &error));
      g_assert_error (error, BERTH_ERROR, BERTH_ERROR_INVALID);
      g_clear_error (&error);
      g_assert_null (berth_admin_show_template (admin, bad[i], NULL, &error));
      g_assert_error (error, BERTH_ERROR, BERTH_ERROR_INVALID);
      g_clear_error (&error);
      g_assert_false (berth_admin_set_warm (admin, bad[i], 0, 1, NULL, &error));
      g_assert_error (error, BERTH_ERROR, BERTH_ERROR_INVALID);
      g_clear_error (&error);
      g_assert_false (berth_admin_act (admin, BERTH_ADMIN_ACTION_FILL, bad[i], NULL, &error));
      g_assert_error (error, BERTH_ERROR, BERTH_ERROR_INVALID);
    }
}

static void
test_asynchronous (Fixture *fixture, gconstpointer data)
{
  g_auto (Answers) answers = { NULL };
  g_autoptr (GError) error = NULL;
  g_autoptr (GCancellable) cancelled = g_cancellable_new ();
  g_autoptr (BerthAdmin) admin = berth_admin_new (fixture->client);
  g_autofree char *xml = NULL;
  g_autofree char *good = dup_good_path ();
  g_autoptr (GVariant) templates = NULL;

  answers_init (&answers);
  berth_admin_set_warm_async (admin, "python", 1, 1, NULL, answered_cb, &answers);
  g_assert_true (berth_admin_set_warm_finish (admin, answers_wait (&answers, 0), &error));
  berth_admin_act_async (admin, BERTH_ADMIN_ACTION_DRAIN, NULL, NULL, answered_cb, &answers);
  g_assert_true (berth_admin_act_finish (admin, answers_wait (&answers, 1), &error));
  berth_admin_show_template_async (admin, "python", NULL, answered_cb, &answers);
  xml = berth_admin_show_template_finish (admin, answers_wait (&answers, 2), &error);
  g_assert_true (g_str_has_prefix (xml, "<domain>"));
  berth_admin_check_template_async (admin, good, NULL, answered_cb, &answers);
  g_assert_true (berth_admin_check_template_finish (admin, answers_wait (&answers, 3), &error));
  g_cancellable_cancel (cancelled);
  berth_admin_list_templates_async (admin, cancelled, answered_cb, &answers);
  templates = berth_admin_list_templates_finish (admin, answers_wait (&answers, 4), &error);
  g_assert_null (templates);
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  wait_for_number (fixture, "warm", 0);
}

static void
test_without_berthd (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (BerthAdmin) admin = berth_admin_new (fixture->client);

  berthd_process_stop (&fixture->berthd, SIGTERM);
  g_assert_false (berth_admin_act (admin, BERTH_ADMIN_ACTION_FILL, NULL, NULL, &error));
  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_UNAVAILABLE);
}

/* Who may talk to berthd is no administrator by that. */
static void
test_another_user (Fixture *fixture, gconstpointer data)
{
  GError *errors[5] = { NULL };
  g_autoptr (BerthAdmin) admin = berth_admin_new (fixture->client);

  if (geteuid () != 0)
    {
      g_test_skip ("only root can be another user");
      return;
    }
  g_assert_no_errno (g_chmod (fixture->folder, 0711));
  g_assert_no_errno (g_chmod (fixture->path, 0666));
  g_assert_no_errno (seteuid (NOBODY));
  g_assert_false (berth_admin_act (admin, BERTH_ADMIN_ACTION_DRAIN, NULL, NULL, &errors[0]));
  g_assert_false (berth_admin_set_warm (admin, "python", 1, 1, NULL, &errors[1]));
  g_assert_null (berth_admin_list_templates (admin, NULL, &errors[2]));
  g_assert_null (berth_admin_show_template (admin, "python", NULL, &errors[3]));
  g_assert_false (berth_admin_check_template (admin, "/t/good.xml", NULL, &errors[4]));
  g_assert_no_errno (seteuid (0));
  for (gsize i = 0; i < G_N_ELEMENTS (errors); i++)
    {
      g_assert_error (errors[i], BERTH_ERROR, BERTH_ERROR_DENIED);
      g_clear_error (&errors[i]);
    }
}

static void
test_server (void)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *folder = g_dir_make_tmp ("berth-lib-XXXXXX", NULL);
  g_autofree char *socket = g_strdup_printf ("socket=%s/s", folder);
  const char *settings[] = { socket, NULL };
  g_autoptr (BerthServer) server = berth_server_new (settings, &error);
  g_autoptr (BerthAdmin) admin = berth_admin_new (berth_server_get_client (server));

  g_assert_true (berth_server_start (server, NULL, &error));
  g_assert_true (berth_admin_set_warm (admin, "python", 3, 4, NULL, &error));
  g_assert_false (berth_admin_set_warm (admin, "other", 3, 4, NULL, &error));
  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_INVALID);
  g_clear_error (&error);
  g_assert_true (berth_server_stop (server, NULL, &error));
  g_assert_cmpint (g_rmdir (folder), ==, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add ("/libberth/pool", Fixture, "shared", set_up, test_pool, tear_down);
  g_test_add ("/libberth/drained-host", Fixture, "shared", set_up, test_drained_host, tear_down);
  g_test_add ("/libberth/actions", Fixture, "shared", set_up, test_actions, tear_down);
  ADD ("actions-refused", test_actions_refused);
  ADD ("templates", test_templates);
  ADD ("refused-here", test_refused_here);
  ADD ("asynchronous", test_asynchronous);
  ADD ("without-berthd", test_without_berthd);
  ADD ("another-user", test_another_user);
  g_test_add_func ("/libberth/admin-of-a-server", test_server);
  return g_test_run ();
}
