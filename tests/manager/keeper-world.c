/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The keeper under test, what it is on, and how it is brought somewhere. */
#include "keeper-world.h"

#include <glib/gstdio.h>

gboolean
limit_cb (gpointer user_data)
{
  g_error ("waited %d s in vain", LIMIT_S);
  return G_SOURCE_REMOVE;
}

static void
ready_cb (gpointer user_data)
{
  ((World *)user_data)->n_ready++;
}

void
made_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  ((World *)user_data)->made = g_object_ref (result);
}

static void
shut_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  ((World *)user_data)->shut = g_object_ref (result);
}

/* @scope: as snapshot_scope */
void
world_begin (World *world, const char *scope)
{
  const BerthCapacity capacity
      = { .max_vms = 4, .memory_mb = 4096, .vcpus = 4, .max_starts = 4, .max_waiters = 64 };
  g_autoptr (GPtrArray) errors = NULL;

  world->dir = g_dir_make_tmp ("berth-keeper-XXXXXX", NULL);
  world->config = berth_config_new ();
  world->config->warm_default = 0;
  g_free (world->config->snapshot_dir);
  world->config->snapshot_dir = g_strdup (world->dir);
  g_free (world->config->image_dir);
  world->config->image_dir = g_strdup (world->dir);
  g_free (world->config->snapshot_scope);
  world->config->snapshot_scope = g_strdup (scope);
  world->templates = berth_template_load_all ((const char *const *)world->config->template_dirs,
                                              world->config->schema, &errors);
  world->host = fake_host_new ();
  world->pool = berth_pool_new (BERTH_HYPERVISOR (world->host), &capacity);
}

void
world_start (World *world)
{
  world->keeper = berth_snapshot_keeper_new (world->config, world->templates,
                                             BERTH_HOST (world->host), world->pool, 4);
  berth_snapshot_keeper_start (world->keeper, ready_cb, world);
}

void
world_start_up (World *world)
{
  world_start (world);
  WAIT_UNTIL (world->n_ready == 1);
}

BerthSnapshotEntry *
entry_of (World *world, const char *name)
{
  return g_hash_table_lookup (world->keeper->entries, name);
}

/* Nothing waits any more for an answer that the test holds. */
static void
let_all_go (World *world)
{
  for (guint call = 0; call < FAKE_HOST_N_CALLS; call++)
    fake_host_hold (world->host, (FakeHostCall)call, FALSE);
  berth_fake_hypervisor_hold_starts (fake_host_get_hypervisor (world->host), FALSE);
}

static gboolean
is_at_rest (World *world)
{
  const BerthSnapshotKeeper *keeper = world->keeper;

  return keeper->turns.maker == NULL && keeper->turns.n_looking == 0
         && (keeper->turns.is_stopped || g_queue_is_empty ((GQueue *)&keeper->turns.waiting));
}

void
run_dry (void)
{
  while (g_main_context_iteration (NULL, FALSE))
    ;
}

void
come_to_rest (World *world)
{
  let_all_go (world);
  WAIT_UNTIL (is_at_rest (world));
  run_dry ();
}

void
world_end (World *world)
{
  g_autoptr (GError) error = NULL;

  berth_snapshot_keeper_stop (world->keeper);
  come_to_rest (world);
  g_clear_object (&world->made);
  berth_pool_shutdown_async (world->pool, NULL, shut_cb, world);
  WAIT_UNTIL (world->shut != NULL);
  g_assert_true (berth_pool_shutdown_finish (world->pool, world->shut, &error));
  g_clear_object (&world->shut);
  g_assert_finalize_object (world->keeper);
  g_assert_cmpuint (fake_host_count_timers (world->host), ==, 0);
  g_clear_object (&world->pool);
  g_clear_object (&world->host);
  g_hash_table_unref (world->templates);
  berth_config_free (world->config);
  g_rmdir (world->dir);
  g_free (world->dir);
}

BerthRequest *
request_of (const char *template_name, const char *tenant, guint32 uid)
{
  g_autoptr (GError) error = NULL;
  BerthRequest *request = berth_request_new (BERTH_SHAPE (template_name, 192, 1), tenant, NULL, uid,
                                             BERTH_REQUEST_WAIT_FOREVER, NULL, NULL, &error);

  g_assert_no_error (error);
  return request;
}

void
want (World *world, const char *template_name)
{
  g_autoptr (BerthRequest) request = request_of (template_name, NULL, 1000);

  berth_snapshot_keeper_want (world->keeper, request);
}

guint
count_looks (World *world)
{
  return fake_host_count_calls (world->host, FAKE_HOST_PREPARE);
}

void
fail_once (World *world)
{
  fake_host_fail (world->host, FAKE_HOST_RECORD, error_new ("no recording"));
  want (world, NAME);
  WAIT_UNTIL (entry_of (world, NAME)->state == BERTH_SNAPSHOT_ENTRY_FAILED);
  fake_host_fail (world->host, FAKE_HOST_RECORD, NULL);
}

guint
count_in_pool (World *world, const char *key)
{
  g_autoptr (GVariant) status = berth_pool_dup_status (world->pool);
  g_autoptr (GVariant) templates
      = g_variant_lookup_value (status, "templates", G_VARIANT_TYPE_VARDICT);
  g_autoptr (GVariant) python
      = templates != NULL ? g_variant_lookup_value (templates, NAME, G_VARIANT_TYPE_VARDICT) : NULL;
  guint count = 0;

  if (python != NULL)
    g_variant_lookup (python, key, "u", &count);
  return count;
}

static char *
describe (World *world, const char *key)
{
  GVariantDict dict = G_VARIANT_DICT_INIT (NULL);
  g_autoptr (GVariant) value = NULL;

  berth_snapshot_keeper_describe (world->keeper, NAME, &dict);
  value = g_variant_dict_lookup_value (&dict, key, NULL);
  g_variant_dict_clear (&dict);
  return value != NULL ? g_variant_print (value, FALSE) : g_strdup ("-");
}

void
assert_described (World *world, const char *key, const char *wanted)
{
  g_autofree char *got = describe (world, key);

  g_assert_cmpstr (got, ==, wanted);
}
