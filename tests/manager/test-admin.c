/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Proves what an administrator's verbs do to templates, one or all, and what the doctor finds. */
#include "plugin/manager/berth-manager-admin.h"

#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#include "manager-world.h"
#include "pool/berth-error.h"
#include "tests/host/fake-doctor.h"

/* ---- templates ---- */

/* (transfer full): of the template in the status, printed; "-" where it is not told */
static char *
get_of (World *world, const char *template_name, const char *key)
{
  g_autoptr (GVariant) status = berth_manager_dup_status (world->manager);
  g_autoptr (GVariant) templates = g_variant_lookup_value (status, "templates", NULL);
  g_autoptr (GVariant) one = g_variant_lookup_value (templates, template_name, NULL);
  g_autoptr (GVariant) value = one != NULL ? g_variant_lookup_value (one, key, NULL) : NULL;

  return value != NULL ? g_variant_print (value, FALSE) : g_strdup ("-");
}

static void
wait_for (World *world, const char *template_name, const char *key, const char *wanted)
{
  gint64 end_us = g_get_monotonic_time () + G_TIME_SPAN_MINUTE;

  for (;;)
    {
      g_autofree char *now = get_of (world, template_name, key);

      if (g_str_equal (now, wanted))
        return;
      if (g_get_monotonic_time () > end_us)
        g_error ("%s of %s is %s, not %s", key, template_name, now, wanted);
      world_run_dry ();
      g_thread_yield ();
    }
}

/* Every verb knows the templates: of an unknown one it says which there are, and does nothing. */
static void
test_unknown_template (World *world, gconstpointer data)
{
  for (guint i = 0; i < 5; i++)
    {
      g_autoptr (GError) error = NULL;
      BerthManager *self = world->manager;
      gboolean ok = i == 0   ? berth_manager_set_warm (self, "cobol", 1, 1, &error)
                    : i == 1 ? berth_manager_drain_pool (self, "cobol", &error)
                    : i == 2 ? berth_manager_fill_pool (self, "cobol", &error)
                    : i == 3 ? berth_manager_remove_snapshot (self, "cobol", &error)
                             : berth_manager_dup_template_xml (self, "cobol", &error) != NULL;

      g_assert_false (ok);
      g_assert_error (error, BERTH_ERROR, BERTH_ERROR_INVALID);
      g_assert_nonnull (strstr (error->message, "no template cobol; there are "));
      g_assert_nonnull (strstr (error->message, "python"));
    }
}

/* A target makes the snapshot, and the warm VMs of it; a drain takes these, a fill brings them
 * back. Others are left alone. */
static void
test_pool (World *world, gconstpointer data)
{
  g_assert_true (berth_manager_set_warm (world->manager, "shell", 1, 0, NULL));
  wait_for (world, "shell", "snapshot", "'valid'");
  wait_for (world, "shell", "target", "1"); /* the most is no less than the least */
  wait_for (world, "shell", "warm", "1");
  wait_for (world, "python", "snapshot", "'none'");
  g_assert_true (berth_manager_drain_pool (world->manager, "python", NULL));
  wait_for (world, "shell", "warm", "1");
  g_assert_true (berth_manager_drain_pool (world->manager, "shell", NULL));
  wait_for (world, "shell", "warm", "0");
  g_assert_true (berth_manager_fill_pool (world->manager, "shell", NULL));
  wait_for (world, "shell", "warm", "1");
}

/* Of a host that is drained nobody gets a VM, until it is drained no more. */
static void
test_drain (World *world, gconstpointer data)
{
  BerthSandboxOptions options = world_options ("shell");
  g_autoptr (GError) error = NULL;
  g_autofree char *id = NULL;

  options.wait_us = 0;
  g_assert_cmpuint (fake_host_get_places (world->host), ==, WORLD_MAX_VMS);
  berth_manager_set_admitting (world->manager, FALSE);
  g_assert_cmpuint (fake_host_get_places (world->host), ==, 0);
  g_assert_null (world_create (world, &options, &error));
  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_UNAVAILABLE);
  berth_manager_set_admitting (world->manager, TRUE);
  g_assert_cmpuint (fake_host_get_places (world->host), ==, WORLD_MAX_VMS);
  id = world_create (world, &options, NULL);
  g_assert_nonnull (id);
}

/* What is defined goes with the capacity for it, also while none is kept. */
static void
test_places_shrink (World *world, gconstpointer data)
{
  g_autoptr (BerthConfig) config = berth_config_new ();
  g_autoptr (GError) error = NULL;

  config->max_vms = 2;
  config->memory_mb = 4096;
  config->vcpus = 4;
  g_assert_true (berth_manager_reload (world->manager, config, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (fake_host_get_places (world->host), ==, 2);
  berth_manager_set_admitting (world->manager, FALSE);
  config->max_vms = 3;
  g_assert_true (berth_manager_reload (world->manager, config, &error));
  g_assert_cmpuint (fake_host_get_places (world->host), ==, 0);
  berth_manager_set_admitting (world->manager, TRUE);
  g_assert_cmpuint (fake_host_get_places (world->host), ==, 3);
}

/* No name and an empty one are all of them. */
static void
test_all_templates (World *world, gconstpointer data)
{
  g_assert_true (berth_manager_set_warm (world->manager, NULL, 1, 1, NULL));
  wait_for (world, "shell", "snapshot", "'valid'");
  wait_for (world, "python", "snapshot", "'valid'");
  g_assert_true (berth_manager_set_warm (world->manager, "", 0, 0, NULL));
  g_assert_true (berth_manager_remove_snapshot (world->manager, "", NULL));
  wait_for (world, "shell", "snapshot", "'none'");
  wait_for (world, "python", "snapshot", "'none'");
}

/* A fill tries again at once what has failed. */
static void
test_fill_forgets_failures (World *world, gconstpointer data)
{
  fake_host_fail (world->host, FAKE_HOST_RECORD,
                  g_error_new_literal (BERTH_ERROR, BERTH_ERROR_UNAVAILABLE, "no"));
  g_assert_true (berth_manager_set_warm (world->manager, "shell", 1, 1, NULL));
  wait_for (world, "shell", "snapshot", "'failed'");
  wait_for (world, "shell", "last_error", "'no'");
  fake_host_fail (world->host, FAKE_HOST_RECORD, NULL);
  g_assert_true (berth_manager_fill_pool (world->manager, "shell", NULL));
  wait_for (world, "shell", "snapshot", "'valid'");
}

static gboolean
make_snapshot (World *world, const char *template_name, GError **error)
{
  g_autoptr (GAsyncResult) answer = NULL;

  berth_manager_snapshot_async (world->manager, template_name, world_result_cb, world);
  answer = world_wait (world);
  return berth_manager_snapshot_finish (world->manager, answer, error);
}

/* It is a new one each time, and told when clones are made of it, or why none are. */
static void
test_snapshot (World *world, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  for (guint i = 1; i <= 2; i++)
    {
      g_assert_true (make_snapshot (world, "shell", NULL));
      g_assert_cmpuint (fake_host_count_calls (world->host, FAKE_HOST_RECORD), ==, i);
      g_assert_true (fake_host_has_snapshot (world->host, "shell"));
    }
  fake_host_fail (world->host, FAKE_HOST_COMMIT,
                  g_error_new_literal (BERTH_ERROR, BERTH_ERROR_CONFIG, "no room"));
  g_assert_false (make_snapshot (world, "shell", &error));
  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_CONFIG);
  g_assert_cmpstr (error->message, ==, "no room");
}

/* By name; what was left out is told as what is wrong with it. */
static void
test_list (World *world, gconstpointer data)
{
  g_autoptr (GVariant) list = berth_manager_dup_templates (world->manager);
  g_autoptr (GString) names = g_string_new (NULL);
  guint broken = 0;

  for (gsize i = 0; i < g_variant_n_children (list); i++)
    {
      g_autoptr (GVariant) one = g_variant_get_child_value (list, i);
      const char *name = NULL, *error = NULL;

      if (g_variant_lookup (one, "name", "&s", &name))
        g_string_append_printf (names, "%s ", name);
      if (g_variant_lookup (one, "error", "&s", &error) && strstr (error, "broken.xml") != NULL)
        broken++;
    }
  g_assert_cmpstr (names->str, ==, "javascript python ruby shell typescript ");
  g_assert_cmpuint (broken, ==, data != NULL ? 1 : 0);
}

static void
test_domain_xml (World *world, gconstpointer data)
{
  g_autofree char *xml = berth_manager_dup_template_xml (world->manager, "shell", NULL);

  g_assert_cmpstr (xml, ==, "<domain><name>berth-shell-1</name></domain>\n");
}

static void
test_check_template (World *world, gconstpointer data)
{
  g_autofree char *good
      = g_build_filename (world->manager->config->template_dirs[0], "shell.xml", NULL);
  g_autofree char *bad = g_build_filename (data, "broken.xml", NULL);
  const char *paths[] = { "shell.xml", "/nowhere/shell.xml", bad };

  g_assert_true (berth_manager_check_template (world->manager, good, NULL));
  for (guint i = 0; i < G_N_ELEMENTS (paths); i++)
    {
      g_autoptr (GError) error = NULL;

      g_assert_false (berth_manager_check_template (world->manager, paths[i], &error));
      g_assert_error (error, BERTH_ERROR, BERTH_ERROR_INVALID);
      g_assert_nonnull (strstr (error->message, i == 0 ? "is no absolute path" : paths[i]));
    }
}

static void
write_template (const char *folder, const char *shipped, const char *memory)
{
  g_autofree char *from = g_build_filename (shipped, "shell.xml", NULL);
  g_autofree char *to = g_build_filename (folder, "own.xml", NULL);
  g_autofree char *text = NULL;
  g_autoptr (GString) own = NULL;

  g_assert_true (g_file_get_contents (from, &text, NULL, NULL));
  own = g_string_new (text);
  g_assert_cmpuint (g_string_replace (own, "name='shell'", "name='own'", 1), ==, 1);
  g_assert_cmpuint (g_string_replace (own, "memory='192'", memory, 1), ==, 1);
  g_assert_true (g_file_set_contents (to, own->str, -1, NULL));
}

static guint
get_memory (World *world, const char *template_name)
{
  g_autoptr (GVariant) list = berth_manager_dup_templates (world->manager);
  guint memory_mb = 0;

  for (gsize i = 0; i < g_variant_n_children (list); i++)
    {
      g_autoptr (GVariant) one = g_variant_get_child_value (list, i);
      const char *name = "";

      g_variant_lookup (one, "name", "&s", &name);
      if (g_str_equal (name, template_name))
        g_variant_lookup (one, "memory_mb", "u", &memory_mb);
    }
  return memory_mb;
}

/* A template that is written while berthd runs is one, and what changes in it is what VMs get; its
 * warm VMs are of the new size. */
static void
test_reload (World *world, gconstpointer data)
{
  const char *shipped = world->manager->config->template_dirs[0];
  g_autofree char *path = g_build_filename (data, "own.xml", NULL);
  const BerthSandboxOptions options = { .template_name = "own", .uid = geteuid () };
  g_autoptr (GAsyncResult) answer = NULL;
  g_autoptr (GError) error = NULL;

  g_assert_false (berth_manager_reload_templates (world->manager, "own", &error));
  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_INVALID);
  g_clear_error (&error);
  write_template (data, shipped, "memory='200'");
  g_assert_true (berth_manager_reload_templates (world->manager, "own", NULL));
  g_assert_cmpuint (get_memory (world, "own"), ==, 200);
  g_assert_true (berth_manager_set_warm (world->manager, "own", 1, 1, NULL));
  g_assert_true (fake_host_has_places (world->host, "own"));
  write_template (data, shipped, "memory='256'");
  g_assert_true (berth_manager_reload_templates (world->manager, "", NULL));
  g_assert_cmpuint (get_memory (world, "own"), ==, 256);
  g_assert_cmpint (g_unlink (path), ==, 0);
  g_assert_false (berth_manager_reload_templates (world->manager, "own", NULL));
  g_assert_cmpuint (get_memory (world, "own"), ==, 0);
  g_assert_false (fake_host_has_places (world->host, "own"));
  g_assert_false (berth_manager_set_warm (world->manager, "own", 1, 1, NULL));
  berth_manager_create_sandbox_async (world->manager, &options, NULL, world_result_cb, world);
  answer = world_wait (world);
  g_assert_null (berth_manager_create_sandbox_finish (world->manager, answer, &error));
  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_INVALID);
  write_template (data, shipped, "memory='256'");
  g_assert_true (berth_manager_reload_templates (world->manager, "own", NULL));
  g_assert_cmpuint (get_memory (world, "own"), ==, 256);
  g_assert_true (berth_manager_set_warm (world->manager, "own", 1, 1, NULL));
}

static void
test_builder_is_refused (World *world, gconstpointer data)
{
  const BerthSandboxOptions options
      = { .template_name = "shell", .is_builder = TRUE, .uid = geteuid () + 1 };
  g_autoptr (GAsyncResult) answer = NULL;
  g_autoptr (GError) error = NULL;

  berth_manager_create_sandbox_async (world->manager, &options, NULL, world_result_cb, world);
  answer = world_wait (world);
  g_assert_null (berth_manager_create_sandbox_finish (world->manager, answer, &error));
  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_DENIED);
}

/* ---- the doctor ---- */

static GVariant *
examine (World *world)
{
  g_autoptr (GAsyncResult) answer = NULL;

  berth_manager_doctor_async (world->manager, NULL, world_result_cb, world);
  answer = world_wait (world);
  return berth_manager_doctor_finish (world->manager, answer, NULL);
}

/* "+" what is well, "-" what is not; @text: a part of what is said of it. A remedy is told of what
 * is not well, and of nothing else. */
static void
assert_found (World *world, const char *check, const char *sign, const char *text)
{
  g_autoptr (GVariant) findings = examine (world);

  for (gsize i = 0; i < g_variant_n_children (findings); i++)
    {
      g_autoptr (GVariant) one = g_variant_get_child_value (findings, i);
      const char *name = NULL, *said = NULL, *remedy = NULL;
      gboolean ok = FALSE;

      g_assert_true (g_variant_lookup (one, "check", "&s", &name));
      if (!g_str_equal (name, check))
        continue;
      g_assert_true (g_variant_lookup (one, "ok", "b", &ok));
      g_assert_true (g_variant_lookup (one, "text", "&s", &said));
      g_assert_true (g_variant_lookup (one, "remedy", "&s", &remedy));
      g_assert_cmpstr (ok ? "+" : "-", ==, sign);
      g_assert_cmpint (ok, ==, remedy[0] == '\0');
      if (strstr (said, text) == NULL)
        g_error ("%s: '%s' does not say '%s'", check, said, text);
      return;
    }
  g_assert_cmpstr (sign, ==, "nothing");
}

static void
test_healthy (World *world, gconstpointer data)
{
  assert_found (world, "libvirt", "+", "test:///default answers, libvirt 9.0.0");
  assert_found (world, "image", "+", "");
  assert_found (world, "template shell", "+", "/shell.xml");
  assert_found (world, "connector", "+", "the connector is");
  assert_found (world, "template", "nothing", "");
  assert_found (world, "capacity", "+", "2 VMs, 4096 MiB of guest memory; 2 free now");
}

static void
test_ill (World *world, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  const BerthSandboxOptions options = world_options ("shell");
  g_autofree char *id = world_create (world, &options, &error);

  g_assert_no_error (error);
  fake_host_set_up (world->host, FALSE);
  fake_doctor_set_image (BERTH_HOST (world->host), FALSE);
  assert_found (world, "libvirt", "-", "test:///default does not answer");
  assert_found (world, "image", "-", "there is no images.json");
  assert_found (world, "template shell", "nothing", "");
  assert_found (world, "template", "-", "broken.xml");
  assert_found (world, "capacity", "+", "1 free now");
  fake_host_set_up (world->host, TRUE);
}

/* One template's layers are missing: that one is ill, not the image. */
static void
test_missing_layers (World *world, gconstpointer data)
{
  fake_doctor_set_layers_missing (BERTH_HOST (world->host), "shell");
  assert_found (world, "image", "+", "");
  assert_found (world, "template shell", "-", "there is no layer of it");
  assert_found (world, "template python", "+", "/python.xml");
}

static void
test_kvm (World *world, gconstpointer data)
{
  fake_doctor_set_kvm (BERTH_HOST (world->host), "kvm", NULL);
  assert_found (world, "kvm", "+", "guests run under KVM");
  fake_doctor_set_kvm (BERTH_HOST (world->host), "qemu", NULL);
  assert_found (world, "kvm", "+", "TCG");
  fake_doctor_set_kvm (BERTH_HOST (world->host), "qemu", "it is not yours");
  assert_found (world, "kvm", "-", "KVM can't be used: it is not yours");
}

/* Only where there are snapshots to be had, and something that may keep QEMU from them. */
static void
test_confinement (World *world, gconstpointer data)
{
  assert_found (world, "AppArmor", "nothing", "");
  fake_doctor_set_confinement (BERTH_HOST (world->host), "AppArmor", NULL);
  assert_found (world, "AppArmor", "+", "has a rule for the snapshots in ");
  fake_doctor_set_confinement (BERTH_HOST (world->host), "AppArmor", "no rule");
  assert_found (world, "AppArmor", "-", ": no rule");
}

static void
test_confinement_without_snapshots (World *world, gconstpointer data)
{
  fake_doctor_set_confinement (BERTH_HOST (world->host), "AppArmor", "no rule");
  assert_found (world, "AppArmor", "nothing", "");
}

int
main (int argc, char **argv)
{
  g_autofree char *folder = NULL;
  g_autofree char *broken = NULL;
  int status;

  g_test_init (&argc, &argv, NULL);
  /* a snapshot that fails is a warning, and so is a template */
  g_log_set_always_fatal (G_LOG_FATAL_MASK);
  folder = g_dir_make_tmp ("berth-admin-XXXXXX", NULL);
  broken = g_build_filename (folder, "broken.xml", NULL);
  g_assert_true (g_file_set_contents (broken, "<domain", -1, NULL));
#define ADD(name, data, func)                                                                      \
  g_test_add ("/admin/" name, World, data, world_set_up, func, world_tear_down)
  ADD ("unknown-template", NULL, test_unknown_template);
  ADD ("pool", "shared", test_pool);
  ADD ("drain", NULL, test_drain);
  ADD ("places-shrink", NULL, test_places_shrink);
  ADD ("all-templates", "shared", test_all_templates);
  ADD ("fill-forgets-failures", "shared", test_fill_forgets_failures);
  ADD ("snapshot", "shared", test_snapshot);
  ADD ("list", NULL, test_list);
  ADD ("list-with-broken", folder, test_list);
  ADD ("domain-xml", NULL, test_domain_xml);
  ADD ("check-template", folder, test_check_template);
  ADD ("reload", folder, test_reload);
  ADD ("builder-is-refused", NULL, test_builder_is_refused);
  ADD ("healthy", NULL, test_healthy);
  ADD ("ill", folder, test_ill);
  ADD ("missing-layers", NULL, test_missing_layers);
  ADD ("kvm", NULL, test_kvm);
  ADD ("confinement", "shared", test_confinement);
  ADD ("confinement-without-snapshots", NULL, test_confinement_without_snapshots);
#undef ADD
  status = g_test_run ();
  g_unlink (broken);
  g_rmdir (folder);
  return status;
}
