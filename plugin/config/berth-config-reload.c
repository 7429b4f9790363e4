/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What of the settings changes while berthd runs. */
#include "plugin/config/berth-config.h"

#include <string.h>

static const char *const live_keys[] = {
  "max_vms",
  "memory_mb",
  "vcpus",
  "max_starts",
  "memory_overcommit",
  "cpu_overcommit",
  "max_waiters",
  "host_reserve_mb",
  "wait_timeout_s",
  "domain_wait_s",
  "idle_timeout_s",
  "idle_pause_s",
  "idle_hibernate_s",
  "full_hibernate_s",
  "hibernated_s",
  "warm",
  "big_request_age_s",
  "warm_default",
  "warm_max_idle_s",
  "uid_weights",
  "tenant_snapshots",
  "uid_max_vms",
  "uid_memory_mb",
  "uid_part",
  "tenant_weights",
  "tenant_max_vms",
  "tenant_memory_mb",
  "terminal_hangup_s",
  "background_unlimited",
  "forks_mb",
  "uid_forks_mb",
  "build_pip",
  "build_npm",
  "build_apt",
  "build_allow",
  "template_keys",
  "checkpoints",
  "checkpoints_per_user",
  "checkpoint_mb",
  "checkpoint_user_mb",
  "network_allow",
  "network_allow_all",
  "network_deny",
  "network_private",
  "uid_network_allow",
  "uid_network_deny",
  "uid_network_private",
  "network_proxy",
  "network_no_proxy",
  "network_connections",
  "network_rate",
  "network_failures",
  NULL,
};

/* What these name is open, in use, or in the marks of VMs that run. */
static const char *const start_keys[] = {
  "uri",
  "virt_type",
  "socket",
  "socket_group",
  "snapshot_scope",
  "image_dir",
  "snapshot_dir",
  "checkpoint_dir",
  "template_dirs",
  "schema",
  "name_prefix",
  "instance",
  "network_connect_s",
  "network_idle_s",
  "network_mb",
  "network_user",
  NULL,
};

const char *const *
berth_config_get_live_keys (void)
{
  return live_keys;
}

const char *const *
berth_config_get_start_keys (void)
{
  return start_keys;
}

static gboolean
is_same (const BerthConfig *self, const BerthConfig *other, const char *key)
{
  g_autofree char *mine = berth_config_dup_value (self, key);
  g_autofree char *its = berth_config_dup_value (other, key);

  return strcmp (mine, its) == 0;
}

/* (transfer full): those of @keys that differ, ", " between them; "" for none */
static char *
dup_differences (const BerthConfig *self, const BerthConfig *other, const char *const *keys)
{
  GString *text = g_string_new (NULL);

  for (guint i = 0; keys[i] != NULL; i++)
    if (!is_same (self, other, keys[i]))
      g_string_append_printf (text, "%s%s", text->len > 0 ? ", " : "", keys[i]);
  return g_string_free (text, FALSE);
}

/**
 * berth_config_reload:
 * @self: the settings that hold
 * @from: settings that were read again
 * @out_changed: (out) (transfer full): keys that @self has from @from now, ", " between them
 * @out_later: (out) (transfer full): likewise, those that differ and that only a start can change
 *
 * Pointers to lists in @self are not valid any more.
 */
void
berth_config_reload (BerthConfig *self, const BerthConfig *from, char **out_changed,
                     char **out_later)
{
  *out_changed = dup_differences (self, from, live_keys);
  *out_later = dup_differences (self, from, start_keys);
  for (guint i = 0; live_keys[i] != NULL; i++)
    {
      g_autofree char *value = berth_config_dup_value (from, live_keys[i]);

      if (!berth_config_set (self, live_keys[i], value, live_keys[i], NULL))
        g_assert_not_reached (); /* it was allowed when @from was read */
    }
}
