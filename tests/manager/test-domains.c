/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Proves that a domain of an administrator's that carries a template's mark takes a place as a
 * request does, and any other takes none and waits for nothing. */
#include "manager-world.h"
#include "plugin/manager/berth-manager-admin.h"
#include "pool/berth-error.h"

#include <string.h>

#define MARK "<berth:template xmlns:berth='urn:berth:domain:1' name='python'/>"

static char *
make_xml (guint number, guint memory_mb, const char *metadata)
{
  return g_strdup_printf (
      "<domain type='qemu'><name>mine-%u</name><uuid>11111111-2222-3333-4444-%012u</uuid>"
      "<metadata>%s</metadata><memory unit='KiB'>%u</memory><vcpu placement='static'>1</vcpu>"
      "<os><type>hvm</type></os></domain>",
      number, number, metadata, memory_mb * 1024);
}

static gboolean
admit (World *world, const char *xml, GError **error)
{
  g_autoptr (GAsyncResult) result = NULL;

  berth_manager_admit_domain_async (world->manager, xml, NULL, world_result_cb, world);
  result = world_wait (world);
  return berth_manager_admit_domain_finish (world->manager, result, error);
}

static gboolean
admit_marked (World *world, guint number, GError **error)
{
  g_autofree char *xml = make_xml (number, 256, MARK);

  return admit (world, xml, error);
}

static void
test_counted (World *world, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) list = NULL;
  g_autoptr (GVariant) row = NULL;
  guint memory_mb = 0;
  const char *text = "";

  world->manager->config->domain_wait_s = 0;
  for (guint i = 0; i < WORLD_MAX_VMS; i++)
    {
      g_assert_true (admit_marked (world, i, &error));
      g_assert_no_error (error);
      g_assert_cmpuint (world_get_slots (world, "claimed"), ==, i + 1);
    }
  list = berth_manager_dup_list (world->manager, 0);
  g_assert_cmpuint (g_variant_n_children (list), ==, WORLD_MAX_VMS);
  row = g_variant_get_child_value (list, 0);
  g_variant_lookup (row, "memory_mb", "u", &memory_mb);
  g_assert_cmpuint (memory_mb, ==, 256);
  g_variant_lookup (row, "tenant", "&s", &text);
  g_assert_cmpstr (text, ==, "domains");
  g_variant_lookup (row, "task", "&s", &text);
  g_assert_true (g_str_has_prefix (text, "mine-"));

  g_assert_false (admit_marked (world, 9, &error));
  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_NO_CAPACITY);
}

/* What nobody asked to count is not counted, however full the host is, and whatever it is called.
 */
static void
test_unmarked (World *world, gconstpointer data)
{
  static const char *const metadata[] = {
    "",
    "<app:template xmlns:app='urn:somebody' name='python'/>",
    "<!-- " MARK " -->",
    /* berth's own have passed admission */
    MARK "<berth:vm xmlns:berth='urn:berth:domain:1' instance='i' id='a' template='python' "
         "state='warm' created='1'/>",
  };

  berth_manager_set_admitting (world->manager, FALSE);
  for (guint i = 0; i < G_N_ELEMENTS (metadata); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autofree char *xml = make_xml (i, 256, metadata[i]);

      g_assert_true (admit (world, xml, &error));
      g_assert_no_error (error);
    }
  g_assert_cmpuint (world_get_slots (world, "claimed"), ==, 0);
}

static void
test_broken (World *world, gconstpointer data)
{
  static const char *const broken[] = {
    "no XML",
    "<domain>",
    "<domain><metadata>" MARK "</metadata></domain>",
    "<domain><name>x</name><uuid>11111111-2222-3333-4444-000000000001</uuid><metadata>" MARK
    "</metadata><memory>1024</memory><vcpu>0</vcpu></domain>",
    "<domain><name>x</name><uuid>not one</uuid><metadata>" MARK
    "</metadata><memory>1024</memory><vcpu>1</vcpu></domain>",
    "<domain><name>x</name><uuid>11111111-2222-3333-4444-000000000001</uuid><metadata>"
    "<berth:template xmlns:berth='urn:berth:domain:1' name='../etc'/>"
    "</metadata><memory>1024</memory><vcpu>1</vcpu></domain>",
  };

  for (guint i = 0; i < G_N_ELEMENTS (broken); i++)
    {
      g_autoptr (GError) error = NULL;

      g_assert_false (admit (world, broken[i], &error));
      g_assert_error (error, BERTH_ERROR, BERTH_ERROR_INVALID);
    }
}

/* One that no budget could ever hold is told so, and waits for nothing. */
static void
test_too_large (World *world, gconstpointer data)
{
  g_autofree char *xml = make_xml (1, 1024 * 1024, MARK);
  g_autoptr (GError) error = NULL;

  g_assert_false (admit (world, xml, &error));
  g_assert_nonnull (error);
  g_assert_cmpuint (world_get_slots (world, "claimed"), ==, 0);
}

/* It waits its turn among requests, and gets the place that one gives back. */
static void
test_waits (World *world, gconstpointer data)
{
  BerthSandboxOptions options = world_options ("python");
  g_autoptr (GError) error = NULL;
  g_autofree char *id = world_create (world, &options, &error);
  g_autofree char *xml = make_xml (2, 256, MARK);
  g_autoptr (GAsyncResult) result = NULL;

  g_assert_no_error (error);
  world->manager->config->domain_wait_s = 60;
  g_assert_true (admit_marked (world, 1, &error));
  berth_manager_admit_domain_async (world->manager, xml, NULL, world_result_cb, world);
  world_run_dry ();
  g_assert_null (world->result);
  berth_manager_end_sandbox (world->manager, id, "the test ends it");
  result = world_wait (world);
  g_assert_true (berth_manager_admit_domain_finish (world->manager, result, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (world_get_slots (world, "claimed"), ==, WORLD_MAX_VMS);
}

/* Whoever has asked is gone: libvirt starts nothing then. */
static void
test_cancelled (World *world, gconstpointer data)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autofree char *xml = make_xml (3, 256, MARK);
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;

  world->manager->config->domain_wait_s = 60;
  for (guint i = 0; i < WORLD_MAX_VMS; i++)
    g_assert_true (admit_marked (world, i, NULL));
  berth_manager_admit_domain_async (world->manager, xml, cancellable, world_result_cb, world);
  g_cancellable_cancel (cancellable);
  result = world_wait (world);
  g_assert_false (berth_manager_admit_domain_finish (world->manager, result, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
}

#define ADD(name, func)                                                                            \
  g_test_add ("/domains/" name, World, NULL, world_set_up, func, world_tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("counted", test_counted);
  ADD ("unmarked", test_unmarked);
  ADD ("broken", test_broken);
  ADD ("too-large", test_too_large);
  ADD ("waits", test_waits);
  ADD ("cancelled", test_cancelled);
  return g_test_run ();
}
