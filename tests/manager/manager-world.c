/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A manager that is up on a host without VMs. */
#include "manager-world.h"

#include <glib/gstdio.h>

#include <string.h>

#define LIMIT_S 60

static gboolean
limit_cb (gpointer user_data)
{
  g_error ("waited %d s in vain", LIMIT_S);
  return G_SOURCE_REMOVE;
}

void
world_result_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  ((World *)user_data)->result = g_object_ref (result);
}

GAsyncResult *
world_wait (World *world)
{
  guint limit_id = g_timeout_add_seconds (LIMIT_S, limit_cb, NULL);

  while (world->result == NULL)
    g_main_context_iteration (NULL, TRUE);
  g_source_remove (limit_id);
  return g_steal_pointer (&world->result);
}

void
world_run_dry (void)
{
  while (g_main_context_iteration (NULL, FALSE))
    ;
}

void
world_make (World *world, gconstpointer data)
{
  BerthConfig *config = berth_config_new ();
  gboolean has_snapshots = g_strcmp0 (data, "shared") == 0;

  config->max_vms = WORLD_MAX_VMS;
  config->memory_mb = 4096;
  config->vcpus = 4;
  config->warm_default = 0;
  config->uid_part = 1; /* one user has all of it */
  g_free (config->snapshot_scope);
  config->snapshot_scope = g_strdup (has_snapshots ? "shared" : "none");
  if (world->checkpoint_dir != NULL)
    {
      g_free (config->checkpoint_dir);
      config->checkpoint_dir = g_strdup (world->checkpoint_dir);
    }
  if (data != NULL && !has_snapshots)
    {
      g_free (config->template_dirs[1]);
      config->template_dirs[1] = g_strdup (data);
    }
  world->host = fake_host_new ();
  world->manager = berth_manager_new (config, BERTH_HOST (world->host));
}

void
world_begin_start (World *world)
{
  berth_manager_start_async (world->manager, NULL, world_result_cb, world);
}

void
world_end_start (World *world)
{
  g_autoptr (GAsyncResult) result = world_wait (world);
  g_autoptr (GError) error = NULL;

  berth_manager_start_finish (world->manager, result, &error);
  g_assert_no_error (error);
}

void
world_set_up (World *world, gconstpointer data)
{
  world_make (world, data);
  world_begin_start (world);
  world_end_start (world);
}

void
world_set_up_kept (World *world, gconstpointer data)
{
  world->checkpoint_dir = g_dir_make_tmp ("berth-kept-XXXXXX", NULL);
  world_set_up (world, data);
}

void
world_remove_tree (const char *path)
{
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  const char *name;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *below = g_build_filename (path, name, NULL);

      world_remove_tree (below);
    }
  g_remove (path);
}

void
world_remove_kept (World *world)
{
  world_remove_tree (world->checkpoint_dir);
  g_free (world->checkpoint_dir);
}

void
world_tear_down (World *world, gconstpointer data)
{
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;

  for (guint call = 0; call < FAKE_HOST_N_CALLS; call++)
    {
      fake_host_fail (world->host, (FakeHostCall)call, NULL);
      fake_host_hold (world->host, (FakeHostCall)call, FALSE);
    }
  berth_manager_shutdown_async (world->manager, NULL, world_result_cb, world);
  result = world_wait (world);
  berth_manager_shutdown_finish (world->manager, result, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (fake_host_get_places (world->host), ==, 0);
  world_run_dry ();
  g_clear_object (&result);
  g_assert_finalize_object (world->manager);
  g_clear_object (&world->host);
}

BerthExec *
world_exec_new (const char *code)
{
  g_autoptr (GBytes) bytes = g_bytes_new (code, strlen (code));

  return berth_exec_new (bytes);
}

BerthSandboxOptions
world_options (const char *template_name)
{
  return (BerthSandboxOptions){ .template_name = template_name,
                                .uid = 1000,
                                .wait_us = BERTH_REQUEST_WAIT_FOREVER };
}

char *
world_create (World *world, const BerthSandboxOptions *options, GError **error)
{
  g_autoptr (GAsyncResult) result = NULL;

  berth_manager_create_sandbox_async (world->manager, options, NULL, world_result_cb, world);
  result = world_wait (world);
  return berth_manager_create_sandbox_finish (world->manager, result, error);
}

char *
world_create_named (World *world, guint idle_timeout_ms)
{
  BerthSandboxOptions options = world_options (NULL);
  char *id;

  options.tenant = "acme";
  options.task = "42";
  options.idle_timeout_ms = idle_timeout_ms;
  id = world_create (world, &options, NULL);
  g_assert_nonnull (id);
  return id;
}

BerthResult *
world_exec (World *world, const char *id, guint32 uid, GError **error)
{
  g_autoptr (GAsyncResult) result = NULL;

  berth_manager_exec_async (world->manager, id, uid, world_exec_new ("true"), NULL, world_result_cb,
                            world);
  result = world_wait (world);
  return berth_manager_exec_finish (world->manager, result, error);
}

gboolean
world_destroy (World *world, const char *id, guint32 uid, char **out_was_gone, GError **error)
{
  g_autoptr (GAsyncResult) result = NULL;

  berth_manager_destroy_sandbox_async (world->manager, id, uid, NULL, world_result_cb, world);
  result = world_wait (world);
  return berth_manager_destroy_sandbox_finish (world->manager, result, out_was_gone, error);
}

BerthResult *
world_run (World *world, const BerthSandboxOptions *options, const char *code,
           GCancellable *cancellable, GError **error)
{
  g_autoptr (GAsyncResult) result = NULL;

  berth_manager_run_async (world->manager, options, world_exec_new (code), cancellable,
                           world_result_cb, world);
  result = world_wait (world);
  return berth_manager_run_finish (world->manager, result, error);
}

guint
world_get_slots (World *world, const char *key)
{
  g_autoptr (GVariant) status = berth_manager_dup_status (world->manager);
  g_autoptr (GVariant) slots = g_variant_lookup_value (status, "slots", G_VARIANT_TYPE_VARDICT);
  guint value = G_MAXUINT;

  g_assert_true (g_variant_lookup (slots, key, "u", &value));
  return value;
}

void
world_wait_for_vms (World *world, guint count)
{
  guint limit_id = g_timeout_add_seconds (LIMIT_S, limit_cb, NULL);

  while (world_get_slots (world, "total") - world_get_slots (world, "free") != count)
    {
      g_main_context_iteration (NULL, FALSE);
      g_thread_yield ();
    }
  g_source_remove (limit_id);
}
