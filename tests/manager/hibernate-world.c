/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hibernate-world.h"

#include "plugin/host/berth-purpose.h"

/* What it has begun ends: files are removed behind the answers. */
void
world_stop (World *world, gconstpointer data)
{
  while (G_OBJECT (world->manager)->ref_count > 1)
    g_main_context_iteration (NULL, TRUE);
  world_tear_down (world, data);
}

void
world_tear_down_kept (World *world, gconstpointer data)
{
  world_stop (world, data);
  world_remove_kept (world);
}

char *
world_create_session (World *world)
{
  return world_create_named (world, 20000);
}

gboolean
world_hibernate (World *world, const char *id, guint32 uid, GError **error)
{
  g_autoptr (GAsyncResult) result = NULL;

  berth_manager_hibernate_async (world->manager, id, uid, NULL, world_result_cb, world);
  result = world_wait (world);
  return berth_manager_hibernate_finish (world->manager, result, error);
}

/* (transfer full) (nullable): as the list tells it, where the id may be only once */
char *
world_dup_state (World *world, const char *id)
{
  g_autoptr (GVariant) list = berth_manager_dup_list (world->manager, OWNER);
  GVariantIter iter;
  GVariant *vm;
  char *found = NULL;

  g_variant_iter_init (&iter, list);
  while (g_variant_iter_loop (&iter, "@a{sv}", &vm))
    {
      const char *its_id;

      g_assert_true (g_variant_lookup (vm, "id", "&s", &its_id));
      if (!g_str_equal (its_id, id))
        continue;
      g_assert_true (found == NULL && g_variant_lookup (vm, "state", "s", &found));
    }
  return found;
}

/* A VM that came in vain is listed until libvirt has let go of it. */
void
world_assert_state (World *world, const char *id, const char *wanted)
{
  g_autofree char *state = world_dup_state (world, id);

  while (g_strcmp0 (state, "stopping") == 0 || g_strcmp0 (state, "gone") == 0)
    {
      g_main_context_iteration (NULL, FALSE);
      g_free (state);
      state = world_dup_state (world, id);
    }
  g_assert_cmpstr (state, ==, wanted);
}

void
world_assert_works (World *world, const char *id)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (BerthResult) result = world_exec (world, id, OWNER, &error);

  g_assert_no_error (error);
}

BerthSandbox *
world_find (World *world, const char *id)
{
  BerthSandbox *sandbox = berth_manager_find (world->manager, id, OWNER, NULL);

  g_assert_nonnull (sandbox);
  return sandbox;
}

/* Whether the VM that it has was the first to go on with what was kept: the fake takes no note. */
gboolean
world_was_sole (World *world, const char *id)
{
  g_autoptr (BerthRequest) request
      = berth_vm_dup_request (berth_sandbox_get_vm (world_find (world, id)));

  return berth_fork_is_sole (berth_purpose_of (request)->fork);
}

char *
world_dup_path (World *world, const char *id, const char *below)
{
  g_autofree char *name = g_strconcat (id, below, NULL);

  return g_build_filename (world->checkpoint_dir, world->manager->config->instance, name, NULL);
}

void
world_restart (World *world, gconstpointer data)
{
  world_stop (world, data);
  world_set_up (world, data);
}
