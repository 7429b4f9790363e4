/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A KVM that runs no kernel: what a first boot has to show, and that what was given up stays so. */
#include <glib/gstdio.h>
#include <string.h>

#include "berth-connection.h"
#include "berth-console.h"
#include "berth-kvm.h"
#include "plugin/base/berth-event.h"

#define FIRST_LINE "[    0.000000] Linux version 6.1.0-cloud-amd64"

typedef struct
{
  const char *console;
  const char *status;
  guint waited_s;
  BerthKvmVerdict verdict;
  const char *problem; /* a part of it */
} Sight;

static const Sight sights[] = {
  { FIRST_LINE, NULL, 1, BERTH_KVM_RUNS, NULL },
  { FIRST_LINE, NULL, 60, BERTH_KVM_RUNS, NULL },
  { FIRST_LINE, "internal-error", 1, BERTH_KVM_RUNS, NULL }, /* that is something else */
  { "", NULL, 0, BERTH_KVM_UNKNOWN, NULL },
  { "", NULL, 19, BERTH_KVM_UNKNOWN, NULL },
  { "", NULL, 20, BERTH_KVM_STANDS, "silent for 20 s" },
  { "", "internal-error", 1, BERTH_KVM_STANDS, "internal error" },
  { "", "paused", 1, BERTH_KVM_UNKNOWN, NULL }, /* an administrator did */
  { NULL, NULL, 60, BERTH_KVM_UNKNOWN, NULL },  /* nobody could see a line */
  { NULL, "internal-error", 1, BERTH_KVM_STANDS, "internal error" },
};

static void
test_judge (gconstpointer data)
{
  const Sight *sight = data;
  g_autofree char *problem = NULL;

  g_assert_cmpint (
      berth_kvm_judge (sight->console, sight->status, sight->waited_s * G_USEC_PER_SEC, &problem),
      ==, sight->verdict);
  if (sight->problem == NULL)
    g_assert_null (problem);
  else
    g_assert_nonnull (strstr (problem, sight->problem));
}

static void
test_console (void)
{
  g_autofree char *path = NULL;
  g_autofree char *empty = NULL;
  g_autofree char *line = NULL;
  g_autofree char *nothing = NULL;
  g_autofree char *missing = NULL;
  int fd = g_file_open_tmp ("berth-kvm-XXXXXX", &path, NULL);

  g_assert_cmpint (fd, >=, 0);
  g_close (fd, NULL);
  empty = berth_console_dup_head (path);
  g_assert_cmpstr (empty, ==, "");
  g_assert_true (g_file_set_contents (path, FIRST_LINE "\xff\n", -1, NULL));
  line = berth_console_dup_head (path);
  g_assert_true (g_str_has_prefix (line, FIRST_LINE));
  g_assert_true (g_utf8_validate (line, -1, NULL));
  g_unlink (path);
  missing = berth_console_dup_head (path);
  g_assert_null (missing);
  nothing = berth_console_dup_head (NULL);
  g_assert_null (nothing);
}

/* ---- the connection, on libvirt's own test driver ---- */

static void
done_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GAsyncResult **into = user_data;

  *into = g_object_ref (result);
}

static void
wait_for (GAsyncResult **result)
{
  while (*result == NULL)
    g_main_context_iteration (NULL, TRUE);
  g_clear_object (result);
}

static void
connection_open (BerthConnection *connection)
{
  GAsyncResult *result = NULL;

  berth_connection_open_async (connection, NULL, done_cb, &result);
  wait_for (&result);
  g_assert_true (berth_connection_is_up (connection));
}

static BerthConnection *
connection_new_open (const char *virt_type)
{
  BerthConnection *connection = berth_connection_new ("test:///default", virt_type);

  connection_open (connection);
  return connection;
}

static void
connection_end (BerthConnection *connection)
{
  berth_connection_close (connection);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_assert_finalize_object (connection);
}

static void
give_up (BerthConnection *connection, const char *problem, gboolean is_given_up)
{
  GAsyncResult *result = NULL;

  berth_connection_give_up_kvm_async (connection, problem, done_cb, &result);
  while (result == NULL)
    g_main_context_iteration (NULL, TRUE);
  g_assert_cmpint (berth_connection_give_up_kvm_finish (connection, result), ==, is_given_up);
  g_object_unref (result);
}

static void
assert_given_up (BerthConnection *connection, const char *problem)
{
  g_autofree char *told = berth_connection_dup_kvm_problem (connection);

  g_assert_cmpstr (berth_connection_get_domain_type (connection), ==, "qemu");
  g_assert_cmpstr (told, ==, problem);
  g_assert_false (berth_connection_doubts_kvm (connection));
}

/* Counts how often the journal is told. */
static GLogWriterOutput
writer_cb (GLogLevelFlags level, const GLogField *fields, gsize n_fields, gpointer user_data)
{
  guint *n_told = user_data;

  for (gsize i = 0; i < n_fields; i++)
    *n_told += strcmp (fields[i].key, "MESSAGE_ID") == 0
               && strcmp (fields[i].value, BERTH_EVENT_KVM_GIVEN_UP) == 0;
  return G_LOG_WRITER_HANDLED;
}

static void
test_given_up (gconstpointer data)
{
  const guint *n_told = data;
  g_autoptr (BerthConnection) connection = connection_new_open (NULL);

  give_up (connection, "silent", TRUE);
  assert_given_up (connection, "silent");
  /* a second boot that had begun under it tells the same, once */
  give_up (connection, "silent, too", TRUE);
  assert_given_up (connection, "silent");
  g_assert_cmpuint (*n_told, ==, 1);
  connection_end (g_steal_pointer (&connection));
}

/* libvirtd may be another one when it is back; the host is not. */
static void
test_stays_given_up (void)
{
  g_autoptr (BerthConnection) connection = berth_connection_new ("test:///default", NULL);

  give_up (connection, "silent", TRUE);
  connection_open (connection);
  assert_given_up (connection, "silent");
  connection_end (g_steal_pointer (&connection));
}

/* One first boot that is silent says nothing where another has run a kernel. */
static void
test_proven (gconstpointer data)
{
  const guint *n_told = data;
  guint before = *n_told;
  g_autoptr (BerthConnection) connection = connection_new_open ("kvm");

  berth_connection_note_kvm_runs (connection);
  give_up (connection, "silent", FALSE);
  g_assert_cmpstr (berth_connection_get_domain_type (connection), ==, "kvm");
  g_assert_cmpuint (*n_told, ==, before);
  connection_end (g_steal_pointer (&connection));
}

/* What an administrator has asked for is not doubted. */
static void
test_forced (void)
{
  g_autoptr (BerthConnection) connection = connection_new_open ("kvm");

  g_assert_cmpstr (berth_connection_get_domain_type (connection), ==, "kvm");
  g_assert_false (berth_connection_doubts_kvm (connection));
  connection_end (g_steal_pointer (&connection));
}

/* Who is told of a boot after the end of berthd has nothing to give up. */
static void
test_closed (void)
{
  g_autoptr (BerthConnection) connection = connection_new_open (NULL);
  GAsyncResult *result = NULL;

  berth_connection_close (connection);
  berth_connection_give_up_kvm_async (connection, "silent", done_cb, &result);
  wait_for (&result);
  connection_end (g_steal_pointer (&connection));
}

int
main (int argc, char **argv)
{
  guint n_told = 0;

  g_test_init (&argc, &argv, NULL);
  g_log_set_writer_func (writer_cb, &n_told, NULL);
  g_log_set_always_fatal (G_LOG_FATAL_MASK); /* what is given up is a warning */
  for (guint i = 0; i < G_N_ELEMENTS (sights); i++)
    {
      g_autofree char *path = g_strdup_printf ("/kvm/judge/%u", i);

      g_test_add_data_func (path, &sights[i], test_judge);
    }
  g_test_add_func ("/kvm/console", test_console);
  g_test_add_data_func ("/kvm/given-up", &n_told, test_given_up);
  g_test_add_func ("/kvm/stays-given-up", test_stays_given_up);
  g_test_add_data_func ("/kvm/proven", &n_told, test_proven);
  g_test_add_func ("/kvm/forced", test_forced);
  g_test_add_func ("/kvm/closed", test_closed);
  return g_test_run ();
}
