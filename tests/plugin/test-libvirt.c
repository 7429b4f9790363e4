/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What berth does with its domains as a whole, against libvirt's own test driver. */
#include <dlfcn.h>

#include "plugin/libvirt/berth-domain.h"
#include "plugin/libvirt/berth-libvirt-error.h"
#include "plugin/libvirt/berth-libvirt-private.h"
#include "pool/berth-vm-private.h"

#define URI "test:///default"

typedef struct
{
  BerthLibvirt *libvirt;
  GHashTable *templates;
  virConnectPtr connection;
  GAsyncResult *result;
  guint ups; /* how often it was told that VMs can be had */
} Fixture;

/* libvirt is there and does not tell all. */
static gint lists_to_fail; /* lint: mutable: what libvirt's function asks, which has no data */

int
virConnectListAllDomains (virConnectPtr connection, virDomainPtr **domains, unsigned int flags)
{
  int (*list) (virConnectPtr, virDomainPtr **, unsigned int)
      = (int (*) (virConnectPtr, virDomainPtr **, unsigned int))dlsym (RTLD_NEXT, __func__);

  return g_atomic_int_get (&lists_to_fail) > 0 && g_atomic_int_add (&lists_to_fail, -1) > 0
             ? -1
             : list (connection, domains, flags);
}

static void
state_changed_cb (gboolean is_up, gpointer user_data)
{
  ((Fixture *)user_data)->ups += is_up;
}

static void
done_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  ((Fixture *)user_data)->result = g_object_ref (result);
}

static void
await_result (Fixture *fixture)
{
  while (fixture->result == NULL)
    g_main_context_iteration (NULL, TRUE);
}

static void
set_up (Fixture *fixture, gconstpointer data)
{
  const BerthHostWatch watch = { .state_changed = state_changed_cb };
  g_autoptr (GError) error = NULL;
  BerthTemplate *template
      = berth_template_load (TEMPLATE_DIR "/python.xml", TEMPLATE_DIR "/berth.rng", &error);

  g_assert_no_error (error);
  fixture->templates = g_hash_table_new_full (g_str_hash, g_str_equal, g_free,
                                              (GDestroyNotify)berth_template_unref);
  g_hash_table_insert (fixture->templates, g_strdup ("python"), template);
  fixture->libvirt = berth_libvirt_new (URI, NULL, "i", "berth", "/nonexistent");
  berth_host_set_watch (BERTH_HOST (fixture->libvirt), &watch, fixture);
  g_test_expect_message ("berth", G_LOG_LEVEL_WARNING, "*no program can run yet*");
  berth_host_open_async (BERTH_HOST (fixture->libvirt), fixture->templates, NULL, done_cb, fixture);
  await_result (fixture);
  g_test_assert_expected_messages ();
  g_assert_true (g_task_propagate_boolean (G_TASK (fixture->result), &error));
  g_assert_no_error (error);
  g_clear_object (&fixture->result);
  fixture->connection = berth_connection_ref_connection (fixture->libvirt->connection,
                                                         BERTH_CONNECTION_CONTROL, &error);
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  virConnectClose (fixture->connection);
  berth_host_close (BERTH_HOST (fixture->libvirt));
  g_clear_object (&fixture->result);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_object_unref (fixture->libvirt);
  g_hash_table_unref (fixture->templates);
}

static char *
make_xml (Fixture *fixture, const char *name, const char *state)
{
  BerthMark mark = { .instance = (char *)"i",
                     .id = (char *)"0123456789ab",
                     .template_name = (char *)"python",
                     .state = (char *)state,
                     .uid = 1000 };
  g_autofree char *element = berth_mark_to_xml (&mark);
  g_autofree char *uuid = berth_places_make_uuid (fixture->libvirt->places, name);

  return g_strdup_printf ("<domain type='test'><name>%s</name><uuid>%s</uuid>"
                          "<metadata>%s</metadata><memory unit='MiB'>128</memory>"
                          "<os><type>hvm</type></os></domain>",
                          name, uuid, element);
}

/* It runs, and nobody here has started it. */
static void
begin (Fixture *fixture, const char *state)
{
  g_autofree char *xml = make_xml (fixture, "berth-python-1", state);
  g_autofree char *live_xml = NULL;
  g_autoptr (GError) error = NULL;

  g_assert_true (berth_domain_start (fixture->connection, xml, 0, NULL, &live_xml, &error));
  g_assert_no_error (error);
}

/* The end of a start that has not come as far as libvirt is no end of what runs in its place: an
 * administrator has restored a session there. */
static void
test_end_of_what_never_began (Fixture *fixture, gconstpointer data)
{
  const BerthShape shape = { .template_name = (char *)"python", .memory_mb = 192, .vcpus = 1 };
  g_autoptr (BerthVm) vm = berth_vm_new (&shape, NULL, 0);
  g_autoptr (BerthMachine) machine = berth_machine_new (
      vm, g_hash_table_lookup (fixture->templates, "python"), fixture->libvirt->connection,
      fixture->libvirt->places, "i", "berth-python-1");
  const char *uuid = berth_machine_get_uuid (machine);
  g_autoptr (GError) error = NULL;

  begin (fixture, BERTH_MARK_STATE_SESSION);
  berth_machine_end_async (machine, TRUE, done_cb, fixture);
  await_result (fixture);
  g_assert_true (berth_machine_end_finish (machine, fixture->result, &error));
  g_assert_no_error (error);
  g_assert_true (berth_domain_is_active (fixture->connection, uuid));
  g_assert_true (
      berth_domain_end (fixture->connection, URI, uuid, "berth-python-1", 0, FALSE, NULL, &error));
}

/* Of one whose adoption fails it is still known which life was meant: the next in its place is not
 * ended for it. */
static void
test_life_of_one_that_slept (Fixture *fixture, gconstpointer data)
{
  const BerthShape shape = { .template_name = (char *)"python", .memory_mb = 192, .vcpus = 1 };
  g_autoptr (BerthVm) vm = berth_vm_new (&shape, NULL, 0);
  g_autofree char *uuid = berth_places_make_uuid (fixture->libvirt->places, "berth-python-1");
  g_autoptr (BerthOwnDomain) own = NULL;
  g_autoptr (BerthMachine) machine = NULL;
  g_autoptr (GError) error = NULL;

  begin (fixture, BERTH_MARK_STATE_SESSION);
  own = berth_domain_find_own (fixture->connection, "i", uuid);
  machine = berth_machine_new_adopted (vm, "python", fixture->libvirt->connection,
                                       fixture->libvirt->places, "i", own);
  g_assert_cmpuint (berth_machine_get_life (machine), ==, own->id);
  g_assert_true (
      berth_domain_end (fixture->connection, URI, uuid, "berth-python-1", 0, FALSE, NULL, &error));
  berth_machine_adopt_async (machine, BERTH_MACHINE_COLD, NULL, NULL, done_cb, fixture);
  await_result (fixture);
  g_assert_false (berth_machine_start_finish (machine, fixture->result, &error));
  g_assert_nonnull (error);
  g_assert_cmpuint (own->id, !=, 0);
  g_assert_cmpuint (berth_machine_get_life (machine), ==, own->id);
}

/* What can't be compared is compared again, though no connection is lost and comes back. */
static void
test_compares_again (Fixture *fixture, gconstpointer data)
{
  g_atomic_int_set (&lists_to_fail, 1);
  g_test_expect_message ("berth", G_LOG_LEVEL_WARNING, "*can't compare with libvirt*");
  berth_libvirt_compare (fixture->libvirt);
  while (fixture->ups == 0)
    g_main_context_iteration (NULL, TRUE);
  g_test_assert_expected_messages ();
  g_assert_cmpint (g_atomic_int_get (&lists_to_fail), <=, 0);
}

static void
define (Fixture *fixture, const char *name)
{
  g_autofree char *xml = make_xml (fixture, name, BERTH_MARK_STATE_PLACE);
  g_autoptr (GError) error = NULL;

  g_assert_true (berth_domain_define_place (fixture->connection, xml, &error));
  g_assert_no_error (error);
}

/* Of a template that is gone, and of another prefix, no VM comes any more. */
static void
test_places_of_nobody (Fixture *fixture, gconstpointer data)
{
  static const char *const gone[]
      = { "berth-perl-1", "old-python-1", "berth-python-x-1", "berth-python-9" };
  const char *const templates[] = { "python", NULL };

  define (fixture, "berth-python-1");
  for (guint i = 0; i < G_N_ELEMENTS (gone); i++)
    define (fixture, gone[i]);
  berth_host_set_places (BERTH_HOST (fixture->libvirt), 2, templates);
  for (guint i = 0; i < G_N_ELEMENTS (gone); i++)
    while (berth_domain_is_name_taken (fixture->connection, gone[i]))
      g_main_context_iteration (NULL, FALSE);
  g_assert_true (berth_domain_is_name_taken (fixture->connection, "berth-python-1"));
  berth_host_set_places (BERTH_HOST (fixture->libvirt), 0, templates);
  while (berth_domain_is_name_taken (fixture->connection, "berth-python-1"))
    g_main_context_iteration (NULL, FALSE);
}

static void
returns_cb (BerthVm *vm, BerthRequest *request, gboolean is_paused, gpointer user_data)
{
  g_assert_not_reached ();
}

static void
found_cb (BerthVm *vm, BerthRequest *request, gboolean is_asleep, gpointer user_data)
{
  g_assert_not_reached ();
}

static void
await_its_end (Fixture *fixture)
{
  g_autofree char *uuid = berth_places_make_uuid (fixture->libvirt->places, "berth-python-1");

  while (berth_domain_is_active (fixture->connection, uuid))
    g_main_context_iteration (NULL, FALSE);
}

/* A start of a berthd that has died, which libvirt ends behind the first comparison: before anybody
 * here can take a VM back, and later. */
static void
test_late_start (Fixture *fixture, gconstpointer data)
{
  const BerthHostWatch watch = { .state_changed = state_changed_cb, .session_returns = returns_cb };
  gboolean is_early = GPOINTER_TO_INT (data);

  if (is_early)
    {
      begin (fixture, BERTH_MARK_STATE_RUN);
      while (fixture->libvirt->early->len == 0)
        g_main_context_iteration (NULL, TRUE);
    }
  berth_host_set_watch (BERTH_HOST (fixture->libvirt), &watch, fixture);
  berth_host_adopt_warm (BERTH_HOST (fixture->libvirt), found_cb, NULL);
  if (!is_early)
    begin (fixture, BERTH_MARK_STATE_RUN);
  await_its_end (fixture);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  berth_libvirt_error_silence ();
#define ADD(name, func) g_test_add ("/libvirt/" name, Fixture, NULL, set_up, func, tear_down)
  ADD ("end-of-what-never-began", test_end_of_what_never_began);
  ADD ("life-of-one-that-slept", test_life_of_one_that_slept);
  ADD ("compares-again", test_compares_again);
  ADD ("places-of-nobody", test_places_of_nobody);
#undef ADD
  g_test_add ("/libvirt/late-start/early", Fixture, GINT_TO_POINTER (TRUE), set_up, test_late_start,
              tear_down);
  g_test_add ("/libvirt/late-start/late", Fixture, NULL, set_up, test_late_start, tear_down);
  return g_test_run ();
}
