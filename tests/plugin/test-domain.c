/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The link and the domain calls against libvirt's own test driver: real libvirt, no daemon. */
#include <libvirt/libvirt.h>

#include "berth-domain.h"
#include "berth-libvirt-error.h"
#include "berth-connection.h"
#include "berth-mark.h"

typedef struct
{
  BerthConnection *libvirtd;
  virConnectPtr connection;
  GPtrArray *stopped; /* uuid (owned) */
  GArray *ended;      /* guint: the life of each */
  GAsyncResult *result;
} Fixture;

static void
stopped_cb (const char *uuid, guint life, const char *reason, gpointer user_data)
{
  Fixture *fixture = user_data;

  g_ptr_array_add (fixture->stopped, g_strdup (uuid));
  g_array_append_val (fixture->ended, life);
}

static void
done_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Fixture *fixture = user_data;

  fixture->result = g_object_ref (result);
}

static void
set_up (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  fixture->stopped = g_ptr_array_new_with_free_func (g_free);
  fixture->ended = g_array_new (FALSE, FALSE, sizeof (guint));
  fixture->libvirtd = berth_connection_new ("test:///default", NULL);
  berth_connection_set_funcs (fixture->libvirtd, NULL, stopped_cb, NULL, NULL, fixture);
  berth_connection_open_async (fixture->libvirtd, NULL, done_cb, fixture);
  while (fixture->result == NULL)
    g_main_context_iteration (NULL, TRUE);
  g_assert_true (berth_connection_open_finish (fixture->libvirtd, fixture->result, &error));
  g_assert_no_error (error);
  fixture->connection
      = berth_connection_ref_connection (fixture->libvirtd, BERTH_CONNECTION_CONTROL, &error);
  g_assert_no_error (error);
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  virConnectClose (fixture->connection);
  berth_connection_close (fixture->libvirtd);
  g_clear_object (&fixture->result);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_assert_finalize_object (fixture->libvirtd);
  g_ptr_array_unref (fixture->stopped);
  g_array_unref (fixture->ended);
}

static char *
make_xml_of (const char *name, const char *uuid, const BerthMark *mark)
{
  g_autofree char *element = mark != NULL ? berth_mark_to_xml (mark) : g_strdup ("");

  return g_strdup_printf ("<domain type='test'><name>%s</name><uuid>%s</uuid>"
                          "<metadata>%s</metadata><memory unit='MiB'>128</memory>"
                          "<os><type>hvm</type></os></domain>",
                          name, uuid, element);
}

static char *
make_xml (const char *name, const char *uuid, const char *instance)
{
  BerthMark mark = { .instance = (char *)instance,
                     .id = (char *)"0123456789ab",
                     .template_name = (char *)"python",
                     .state = (char *)"session",
                     .tenant = (char *)"acme",
                     .uid = 1000 };

  return make_xml_of (name, uuid, instance != NULL ? &mark : NULL);
}

#define UUID_A "11111111-2222-3333-4444-555555555551"
#define UUID_B "11111111-2222-3333-4444-555555555552"
#define DEFINITION "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

static void
start (Fixture *fixture, const char *name, const char *uuid, const char *instance)
{
  g_autofree char *xml = make_xml (name, uuid, instance);
  g_autofree char *live_xml = NULL;
  g_autoptr (GError) error = NULL;

  g_assert_true (berth_domain_start (fixture->connection, xml, 0, NULL, &live_xml, &error));
  g_assert_no_error (error);
  g_assert_nonnull (live_xml);
}

static void
define_place (Fixture *fixture, const char *name, const char *uuid)
{
  BerthMark mark = { .instance = (char *)"i",
                     .id = (char *)"place",
                     .template_name = (char *)"python",
                     .state = (char *)BERTH_MARK_STATE_PLACE,
                     .definition = (char *)DEFINITION,
                     .uid = G_MAXUINT32 };
  g_autofree char *xml = make_xml_of (name, uuid, &mark);
  g_autoptr (GError) error = NULL;

  g_assert_true (berth_domain_define_place (fixture->connection, xml, &error));
  g_assert_no_error (error);
}

static gboolean
end_domain (Fixture *fixture, const char *uuid, GError **error)
{
  g_autofree char *uri = berth_connection_dup_uri (fixture->libvirtd);

  return berth_domain_end (fixture->connection, uri, uuid, "none", 0, FALSE, NULL, error);
}

static void
test_start_and_end (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  g_assert_false (berth_domain_is_name_taken (fixture->connection, "berth-python-1"));
  start (fixture, "berth-python-1", UUID_A, "i");
  g_assert_true (berth_domain_is_name_taken (fixture->connection, "berth-python-1"));
  g_assert_true (berth_domain_is_active (fixture->connection, UUID_A));
  g_assert_true (end_domain (fixture, UUID_A, &error));
  g_assert_no_error (error);
  g_assert_false (berth_domain_is_active (fixture->connection, UUID_A));
  g_assert_false (berth_domain_is_name_taken (fixture->connection, "berth-python-1"));
  /* ending what is gone is no error: invariant 6 */
  g_assert_true (end_domain (fixture, UUID_A, &error));
  while (fixture->stopped->len == 0)
    g_main_context_iteration (NULL, TRUE);
  g_assert_cmpstr (g_ptr_array_index (fixture->stopped, 0), ==, UUID_A);
}

static void
test_ended_by_the_administrator (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_auto (virDomainPtr) domain = NULL;

  start (fixture, "berth-python-1", UUID_A, "i");
  domain = virDomainLookupByUUIDString (fixture->connection, UUID_A);
  g_assert_cmpint (virDomainDestroy (domain), ==, 0);
  while (fixture->stopped->len == 0)
    g_main_context_iteration (NULL, TRUE);
  g_assert_true (end_domain (fixture, UUID_A, &error));
  g_assert_no_error (error);
  g_assert_false (berth_domain_is_name_taken (fixture->connection, "berth-python-1"));
}

static guint
get_life (Fixture *fixture, const char *uuid)
{
  g_autoptr (GError) error = NULL;
  guint life = G_MAXUINT;

  g_assert_true (berth_domain_get_life (fixture->connection, uuid, &life, &error));
  g_assert_no_error (error);
  return life;
}

/* (transfer full): its number of now */
static guint
read_id (Fixture *fixture, const char *uuid)
{
  g_autofree char *xml = berth_domain_dup_live_xml (fixture->connection, uuid, NULL);

  return berth_domain_read_id (xml);
}

/* What has ended and runs again, for somebody has saved and restored it, is not what is to end. */
static void
test_next_life_is_left_alone (Fixture *fixture, gconstpointer data)
{
  g_autofree char *uri = berth_connection_dup_uri (fixture->libvirtd);
  g_autoptr (GError) error = NULL;
  g_auto (virDomainPtr) domain = NULL;
  BerthDomainEnding ending = BERTH_DOMAIN_ENDED;
  guint first;

  define_place (fixture, "berth-python-1", UUID_A);
  start (fixture, "berth-python-1", UUID_A, "i");
  first = read_id (fixture, UUID_A);
  g_assert_cmpuint (first, >, 0);
  domain = virDomainLookupByUUIDString (fixture->connection, UUID_A);
  g_assert_cmpint (virDomainDestroy (domain), ==, 0);
  g_assert_cmpuint (get_life (fixture, UUID_A), ==, 0);
  g_assert_cmpint (virDomainCreate (domain), ==, 0);
  g_assert_true (berth_domain_end (fixture->connection, uri, UUID_A, "berth-python-1", first, FALSE,
                                   &ending, &error));
  g_assert_no_error (error);
  g_assert_cmpint (ending, ==, BERTH_DOMAIN_RETURNED);
  g_assert_true (berth_domain_is_active (fixture->connection, UUID_A));
  g_assert_true (berth_domain_end (fixture->connection, uri, UUID_A, "berth-python-1",
                                   read_id (fixture, UUID_A), FALSE, &ending, &error));
  g_assert_no_error (error);
  g_assert_cmpint (ending, ==, BERTH_DOMAIN_ENDED);
  g_assert_false (berth_domain_is_name_taken (fixture->connection, "berth-python-1"));
}

/* A libvirt that says nothing has not said that a domain does not run. */
static void
test_silence_is_no_end (Fixture *fixture, gconstpointer data)
{
  g_autofree char *uri = berth_connection_dup_uri (fixture->libvirtd);
  g_autoptr (GError) error = NULL;
  g_autoptr (GError) end_error = NULL;
  guint life;

  g_assert_cmpuint (get_life (fixture, UUID_A), ==, 0);
  g_assert_false (berth_domain_get_life (NULL, UUID_A, &life, &error));
  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_UNAVAILABLE);
  g_assert_false (
      berth_domain_end (NULL, uri, UUID_A, "berth-python-1", 1, TRUE, NULL, &end_error));
  g_assert_error (end_error, BERTH_ERROR, BERTH_ERROR_UNAVAILABLE);
}

/* (transfer full): the state in the mark of the domain as it is now */
static char *
dup_state (Fixture *fixture, const char *uuid)
{
  g_autoptr (BerthOwnDomain) own = berth_domain_find_own (fixture->connection, "i", uuid);

  return own != NULL ? g_strdup (own->mark->state) : NULL;
}

static BerthDomainPlace
look_up_place (Fixture *fixture, const char *uuid)
{
  g_autofree char *definition = NULL;
  BerthDomainPlace place
      = berth_domain_look_up_place (fixture->connection, "i", "berth-python-1", uuid, &definition);

  g_assert_cmpstr (definition, ==, place == BERTH_DOMAIN_PLACE_DEFINED ? DEFINITION : NULL);
  return place;
}

/* A life has what is its own, and leaves its place as it was before. Its end is told of it or of
 * nobody knows which, and of no other: all are heard of when the last life is over. */
static void
test_place_stays (Fixture *fixture, gconstpointer data)
{
  g_autofree char *uri = berth_connection_dup_uri (fixture->libvirtd);
  guint numbers[3];

  define_place (fixture, "berth-python-1", UUID_A);
  for (guint life = 0; life < G_N_ELEMENTS (numbers); life++)
    {
      BerthDomainEnding ending = BERTH_DOMAIN_SAVED;
      g_autofree char *before = dup_state (fixture, UUID_A);
      g_autofree char *in_life = NULL;
      g_autoptr (GError) error = NULL;

      g_assert_cmpstr (before, ==, "place");
      g_assert_cmpint (look_up_place (fixture, UUID_A), ==, BERTH_DOMAIN_PLACE_DEFINED);
      start (fixture, "berth-python-1", UUID_A, "i");
      in_life = dup_state (fixture, UUID_A);
      g_assert_cmpstr (in_life, ==, "session");
      numbers[life] = get_life (fixture, UUID_A);
      g_assert_cmpuint (numbers[life], ==, read_id (fixture, UUID_A));
      g_assert_cmpint (look_up_place (fixture, UUID_A), ==, BERTH_DOMAIN_PLACE_TAKEN);
      g_assert_true (berth_domain_end (fixture->connection, uri, UUID_A, "berth-python-1",
                                       read_id (fixture, UUID_A), TRUE, &ending, &error));
      g_assert_no_error (error);
      g_assert_cmpint (ending, ==, BERTH_DOMAIN_ENDED);
    }
  while (fixture->ended->len < G_N_ELEMENTS (numbers))
    g_main_context_iteration (NULL, TRUE);
  for (guint life = 0; life < G_N_ELEMENTS (numbers); life++)
    {
      guint told = g_array_index (fixture->ended, guint, life);

      g_assert_true (told == 0 || told == numbers[life]);
    }
  g_assert_true (end_domain (fixture, UUID_A, NULL)); /* one that does not stay any more */
  g_assert_false (berth_domain_is_name_taken (fixture->connection, "berth-python-1"));
}

/* Only what is defined between two lives is a place: neither one that runs, nor another's domain.
 */
static void
test_place_is_removed (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  define_place (fixture, "berth-python-1", UUID_A);
  start (fixture, "berth-python-1", UUID_A, "i");
  g_assert_true (berth_domain_remove_place (fixture->connection, "i", UUID_A, &error));
  g_assert_true (berth_domain_is_active (fixture->connection, UUID_A));
  g_assert_cmpint (look_up_place (fixture, UUID_B), ==, BERTH_DOMAIN_PLACE_TAKEN);
  g_assert_true (berth_domain_end (fixture->connection, "test:///default", UUID_A, "none", 0, TRUE,
                                   NULL, &error));
  g_assert_true (berth_domain_remove_place (fixture->connection, "other", UUID_A, &error));
  g_assert_true (berth_domain_is_name_taken (fixture->connection, "berth-python-1"));
  g_assert_true (berth_domain_remove_place (fixture->connection, "i", UUID_A, &error));
  g_assert_cmpint (look_up_place (fixture, UUID_A), ==, BERTH_DOMAIN_PLACE_NONE);
  g_assert_true (berth_domain_remove_place (fixture->connection, "i", UUID_A, &error));
  g_assert_no_error (error);
}

/* Invariant 9: a name and a uuid of ours are nothing without the mark. */
static void
test_place_without_mark (Fixture *fixture, gconstpointer data)
{
  g_autofree char *xml = make_xml_of ("berth-python-1", UUID_A, NULL);
  g_autoptr (GError) error = NULL;

  g_assert_true (berth_domain_define_place (fixture->connection, xml, &error));
  g_assert_no_error (error);
  g_assert_cmpint (look_up_place (fixture, UUID_A), ==, BERTH_DOMAIN_PLACE_TAKEN);
  g_assert_true (end_domain (fixture, UUID_A, NULL));
}

/* What does not run is of no VM, whatever its mark tells: an administrator has defined what berth
 * showed. */
static void
test_place_of_another_state (Fixture *fixture, gconstpointer data)
{
  g_autofree char *xml = make_xml ("berth-python-1", UUID_A, "i");
  g_autoptr (GError) error = NULL;

  g_assert_true (berth_domain_define_place (fixture->connection, xml, &error));
  g_assert_no_error (error);
  g_assert_true (berth_domain_remove_place (fixture->connection, "i", UUID_A, &error));
  g_assert_no_error (error);
  g_assert_false (berth_domain_is_name_taken (fixture->connection, "berth-python-1"));
}

/* Somebody has let it run between the look-up and the start. */
static void
test_start_too_late (Fixture *fixture, gconstpointer data)
{
  g_autofree char *xml = make_xml ("berth-python-1", UUID_A, "i");
  g_autofree char *live_xml = NULL;
  g_autoptr (GError) error = NULL;

  start (fixture, "berth-python-1", UUID_A, "i");
  g_assert_false (berth_domain_start (fixture->connection, xml, 0, NULL, &live_xml, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_EXISTS);
  g_assert_true (berth_domain_is_active (fixture->connection, UUID_A));
  g_assert_true (end_domain (fixture, UUID_A, NULL));
}

/* What no other try can mend is the administrator's. */
static void
test_blame (void)
{
  const struct
  {
    int number;
    BerthError blamed;
  } cases[] = {
    { VIR_ERR_XML_ERROR, BERTH_ERROR_CONFIG },
    { VIR_ERR_CONFIG_UNSUPPORTED, BERTH_ERROR_CONFIG },
    { VIR_ERR_OPERATION_UNSUPPORTED, BERTH_ERROR_CONFIG },
    { VIR_ERR_NO_SUPPORT, BERTH_ERROR_CONFIG },
    { VIR_ERR_OPERATION_DENIED, BERTH_ERROR_CONFIG },
    { VIR_ERR_ACCESS_DENIED, BERTH_ERROR_CONFIG },
    { VIR_ERR_AUTH_FAILED, BERTH_ERROR_CONFIG },
    { VIR_ERR_INTERNAL_ERROR, BERTH_ERROR_UNAVAILABLE },
    { VIR_ERR_OPERATION_TIMEOUT, BERTH_ERROR_UNAVAILABLE },
    { VIR_ERR_NO_CONNECT, BERTH_ERROR_UNAVAILABLE },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    g_assert_cmpint (berth_libvirt_error_blame (cases[i].number), ==, (int)cases[i].blamed);
}

/* As libvirt 9.0 and QEMU 7.2 told them of a home of 51 bytes */
static void
test_long_path (void)
{
  static const char home[] = "/home/a-department-of-the-institute/somebody.of.it.all";
  g_autofree char *channel = g_strconcat ("internal error: UNIX socket path '", home,
                                          "/.config/libvirt/qemu/channel/target/domain-1-berth-"
                                          "python-1/org.berth.agent.0' too long",
                                          NULL);
  g_autofree char *probe = g_strconcat (
      "Failed to start QEMU binary /usr/bin/qemu for probing: -qmp unix:", home, home,
      "/.config/libvirt/qemu/lib/qmp-XLG7Y3/qmp.monitor,server=on,wait=off: UNIX socket path",
      NULL);
  g_autofree char *of_channel = berth_libvirt_error_find_long_path (channel);
  g_autofree char *of_probe = berth_libvirt_error_find_long_path (probe);

  g_assert_nonnull (strstr (of_channel, "org.berth.agent.0, has 13"));
  g_assert_nonnull (strstr (of_channel, "XDG_CONFIG_HOME"));
  g_assert_nonnull (strstr (of_probe, "qmp.monitor, has"));
  g_assert_null (berth_libvirt_error_find_long_path ("can't open /dev/kvm, nor '/': / or /x"));
  g_assert_null (berth_libvirt_error_find_long_path (home));
  g_assert_null (berth_libvirt_error_find_long_path (""));
}

/* Invariant 9: only the mark counts, whatever a domain is called. */
static void
test_only_own_domains (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) own = NULL;

  start (fixture, "berth-python-1", UUID_A, "other");
  start (fixture, "somebody", UUID_B, "i");
  own = berth_domain_list_own (fixture->connection, "i", &error);
  g_assert_no_error (error);
  g_assert_cmpuint (own->len, ==, 1);
  g_assert_cmpstr (((BerthOwnDomain *)g_ptr_array_index (own, 0))->uuid, ==, UUID_B);
  g_assert_true (end_domain (fixture, UUID_A, NULL));
  g_assert_true (end_domain (fixture, UUID_B, NULL));
}

/* A claim changes whose a domain is while it runs. */
static void
test_mark_is_replaced (Fixture *fixture, gconstpointer data)
{
  BerthMark mark = { .instance = "i",
                     .id = "0123456789abcdef0123456789abcdef",
                     .template_name = "python",
                     .state = BERTH_MARK_STATE_SESSION,
                     .tenant = "acme",
                     .uid = 7,
                     .created = 1700000000 };
  g_autofree char *metadata = berth_mark_to_metadata (&mark);
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) own = NULL;
  BerthOwnDomain *domain;

  start (fixture, "somebody", UUID_B, "i");
  g_assert_true (berth_domain_set_mark (fixture->connection, UUID_B, metadata, "a title", &error));
  g_assert_no_error (error);
  own = berth_domain_list_own (fixture->connection, "i", &error);
  g_assert_no_error (error);
  g_assert_cmpuint (own->len, ==, 1);
  domain = g_ptr_array_index (own, 0);
  g_assert_cmpstr (domain->mark->state, ==, "session");
  g_assert_cmpstr (domain->mark->tenant, ==, "acme");
  g_assert_cmpuint (domain->mark->uid, ==, 7);
  g_assert_true (domain->is_active);
  g_assert_false (domain->stands_by);
  /* it runs: an administrator has resumed it before us */
  g_assert_true (berth_domain_set_paused (fixture->connection, UUID_B, NULL, FALSE, &error));
  g_assert_no_error (error);
  g_assert_true (berth_domain_set_paused (fixture->connection, UUID_B, NULL, TRUE, &error));
  g_clear_pointer (&own, g_ptr_array_unref);
  own = berth_domain_list_own (fixture->connection, "i", &error);
  /* and has paused it, as virsh suspend does: that is not how berth's stand by */
  g_assert_false (((BerthOwnDomain *)g_ptr_array_index (own, 0))->stands_by);
  g_assert_true (end_domain (fixture, UUID_B, NULL));
}

/* One look-up is enough for many calls; a domain that is gone is found out by the call itself, and
 * one of another connection is looked up there. */
static void
test_handle (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  BerthDomainHandle handle = { 0 };
  virConnectPtr other
      = berth_connection_ref_connection (fixture->libvirtd, BERTH_CONNECTION_START, &error);
  gpointer first;

  start (fixture, "somebody", UUID_B, "i");
  berth_domain_handle_prepare (&handle, fixture->connection, UUID_B);
  first = handle.kept;
  g_assert_nonnull (first);
  g_assert_true (berth_domain_set_paused (fixture->connection, UUID_B, &handle, TRUE, &error));
  g_assert_true (handle.kept == first);
  g_assert_true (berth_domain_set_paused (other, UUID_B, &handle, FALSE, &error));
  g_assert_true (virDomainGetConnect (handle.kept) == other);
  g_assert_true (end_domain (fixture, UUID_B, &error));
  g_assert_no_error (error);
  g_assert_false (berth_domain_set_paused (other, UUID_B, &handle, TRUE, &error));
  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_UNAVAILABLE);
  g_assert_null (handle.kept);
  berth_domain_handle_prepare (&handle, fixture->connection, UUID_B);
  g_assert_null (handle.kept);
  virConnectClose (other);
}

static void
test_refused_xml (Fixture *fixture, gconstpointer data)
{
  g_autofree char *live_xml = NULL;
  g_autoptr (GError) error = NULL;

  g_assert_false (berth_domain_start (fixture->connection, "<domain type='test'/>", 0, NULL,
                                      &live_xml, &error));
  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_CONFIG);
  g_assert_null (live_xml);
}

static void
test_live_xml (void)
{
  const char *xml
      = "<domain><devices><serial type='pty'><source path='/dev/pts/1'/>"
        "<log file='/tmp/console.log' append='off'/></serial>"
        "<channel type='unix'><source mode='bind' path='/run/other'/><target name='x'/></channel>"
        "<channel type='unix'><source mode='bind' path='/run/a'/><target type='virtio' "
        "name='org.berth.agent.0'/></channel></devices></domain>";
  g_autofree char *channel = berth_domain_dup_channel_path (xml, "org.berth.agent.0");
  g_autofree char *console = berth_domain_dup_console_path (xml);

  g_assert_cmpstr (channel, ==, "/run/a");
  g_assert_cmpstr (console, ==, "/tmp/console.log");
  g_assert_null (berth_domain_dup_channel_path ("<domain/>", "org.berth.agent.0"));
  g_assert_null (berth_domain_dup_channel_path ("not xml", "org.berth.agent.0"));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(name, func) g_test_add ("/domain/" name, Fixture, NULL, set_up, func, tear_down)
  ADD ("start-and-end", test_start_and_end);
  ADD ("ended-by-the-administrator", test_ended_by_the_administrator);
  ADD ("next-life-is-left-alone", test_next_life_is_left_alone);
  ADD ("place-stays", test_place_stays);
  ADD ("silence-is-no-end", test_silence_is_no_end);
  ADD ("place-is-removed", test_place_is_removed);
  ADD ("place-without-mark", test_place_without_mark);
  ADD ("place-of-another-state", test_place_of_another_state);
  ADD ("start-too-late", test_start_too_late);
  ADD ("only-own-domains", test_only_own_domains);
  ADD ("mark-is-replaced", test_mark_is_replaced);
  ADD ("handle", test_handle);
  ADD ("refused-xml", test_refused_xml);
#undef ADD
  g_test_add_func ("/domain/blame", test_blame);
  g_test_add_func ("/domain/long-path", test_long_path);
  g_test_add_func ("/domain/live-xml", test_live_xml);
  return g_test_run ();
}
