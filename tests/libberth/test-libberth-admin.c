/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Proves what the library promises to administrators. */
#include "libberth-fixture.h"

#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#define NOBODY 65534

/* What was done last to the scripted pool: its targets stand there as a snapshot's size. */
static guint32
target (BerthAdmin *admin)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) templates = berth_admin_list_templates (admin, NULL, &error);
  g_autoptr (GVariant) first = NULL;
  const char *name;
  guint32 size = G_MAXUINT32;

  g_assert_no_error (error);
  g_assert_cmpuint (g_variant_n_children (templates), ==, 2);
  first = g_variant_get_child_value (templates, 0);
  g_assert_true (g_variant_lookup (first, "name", "&s", &name));
  g_assert_cmpstr (name, ==, "python");
  g_assert_true (g_variant_lookup (first, "snapshot_mb", "u", &size));
  return size;
}

static void
test_pool (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (BerthAdmin) admin = berth_admin_new (fixture->client);

  g_assert_true (berth_admin_set_warm (admin, "python", 2, 5, NULL, &error));
  g_assert_cmpuint (target (admin), ==, 205);
  g_assert_false (berth_admin_set_warm (admin, "python", 2, 1, NULL, &error));
  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_INVALID);
  g_assert_cmpuint (target (admin), ==, 205);
}

static void
test_actions (Fixture *fixture, gconstpointer data)
{
  static const struct
  {
    BerthAdminAction action;
    const char *name;
    gboolean takes_all;
  } rows[] = {
    { BERTH_ADMIN_ACTION_FILL, "fill", TRUE },
    { BERTH_ADMIN_ACTION_DRAIN, "drain", TRUE },
    { BERTH_ADMIN_ACTION_SNAPSHOT, "snapshot", FALSE },
    { BERTH_ADMIN_ACTION_REMOVE_SNAPSHOT, "remove snapshot", TRUE },
  };
  g_autoptr (BerthAdmin) admin = berth_admin_new (fixture->client);

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autofree char *of_one = g_strdup_printf ("fake: %s 'python'", rows[i].name);
      g_autofree char *of_all = g_strdup_printf ("fake: %s ''", rows[i].name);

      g_assert_true (berth_admin_act (admin, rows[i].action, "python", NULL, &error));
      berthd_process_expect_log (&fixture->berthd, of_one);
      g_assert_true (berth_admin_act (admin, rows[i].action, NULL, NULL, &error)
                     == rows[i].takes_all);
      berthd_process_expect_log (&fixture->berthd, of_all);
      g_clear_error (&error);
      g_assert_false (berth_admin_act (admin, rows[i].action, "other", NULL, &error));
      g_assert_error (error, BERTH_ERROR, BERTH_ERROR_INVALID);
      g_assert_nonnull (strstr (error->message, "there is no template other"));
    }
}

static void
test_templates (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (BerthAdmin) admin = berth_admin_new (fixture->client);
  g_autofree char *xml = berth_admin_show_template (admin, "python", NULL, &error);
  g_autofree char *none = NULL;
  g_autofree char *folder = g_get_current_dir ();

  g_assert_no_error (error);
  g_assert_cmpstr (xml, ==, "<domain/>\n");
  none = berth_admin_show_template (admin, "other", NULL, &error);
  g_assert_null (none);
  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_INVALID);
  g_clear_error (&error);
  g_assert_true (berth_admin_check_template (admin, "/t/good.xml", NULL, &error));
  /* a path of this process, wherever berthd is */
  g_assert_false (berth_admin_check_template (admin, "bad.xml", NULL, &error));
  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_INVALID);
  g_assert_true (g_str_has_prefix (error->message, folder));
  g_assert_nonnull (strstr (error->message, "/bad.xml:1: "));
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
  g_assert_cmpuint (target (admin), ==, 0);
}

static void
test_asynchronous (Fixture *fixture, gconstpointer data)
{
  g_auto (Answers) answers = { NULL };
  g_autoptr (GError) error = NULL;
  g_autoptr (GCancellable) cancelled = g_cancellable_new ();
  g_autoptr (BerthAdmin) admin = berth_admin_new (fixture->client);
  g_autofree char *xml = NULL;
  g_autoptr (GVariant) templates = NULL;

  answers_init (&answers);
  berth_admin_set_warm_async (admin, "python", 1, 1, NULL, answered_cb, &answers);
  g_assert_true (berth_admin_set_warm_finish (admin, answers_wait (&answers, 0), &error));
  berth_admin_act_async (admin, BERTH_ADMIN_ACTION_DRAIN, NULL, NULL, answered_cb, &answers);
  g_assert_true (berth_admin_act_finish (admin, answers_wait (&answers, 1), &error));
  berth_admin_show_template_async (admin, "python", NULL, answered_cb, &answers);
  xml = berth_admin_show_template_finish (admin, answers_wait (&answers, 2), &error);
  g_assert_cmpstr (xml, ==, "<domain/>\n");
  berth_admin_check_template_async (admin, "good.xml", NULL, answered_cb, &answers);
  g_assert_true (berth_admin_check_template_finish (admin, answers_wait (&answers, 3), &error));
  g_cancellable_cancel (cancelled);
  berth_admin_list_templates_async (admin, cancelled, answered_cb, &answers);
  templates = berth_admin_list_templates_finish (admin, answers_wait (&answers, 4), &error);
  g_assert_null (templates);
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_cmpuint (target (admin), ==, 0);
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
  g_assert_cmpuint (target (admin), ==, 304);
  g_assert_true (berth_server_stop (server, NULL, &error));
  g_assert_cmpint (g_rmdir (folder), ==, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("pool", test_pool);
  ADD ("actions", test_actions);
  ADD ("templates", test_templates);
  ADD ("refused-here", test_refused_here);
  ADD ("asynchronous", test_asynchronous);
  ADD ("without-berthd", test_without_berthd);
  ADD ("another-user", test_another_user);
  g_test_add_func ("/libberth/admin-of-a-server", test_server);
  return g_test_run ();
}
