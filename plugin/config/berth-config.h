/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Every setting of berth: one table says its name, kind, range and default, for berth.conf, for
 * berthd's options and for programs that embed the manager. */
#pragma once

#include <gio/gio.h>

#include "pool/berth-tenant-policy.h"

G_BEGIN_DECLS

/**
 * BerthConfig:
 * @uri: (nullable): libvirt's; NULL: qemu:///system if it answers, else qemu:///session
 * @virt_type: (nullable): "kvm" or "qemu"; NULL: kvm where libvirt offers it and QEMU can use it
 * @instance: which berthd this is, in every domain's mark
 * @name_prefix: of the domains' names, "berth" -> "berth-python-1"
 * @socket: of berthd
 * @socket_group: (nullable): whose members may use berthd
 * @image_dir: where images.json is
 * @snapshot_dir: where snapshots are kept
 * @checkpoint_dir: where checkpoints are kept, by instance
 * @checkpoints: how many there may be
 * @checkpoints_per_user: of a user
 * @checkpoint_mb: MiB of all of them
 * @checkpoint_user_mb: MiB of a user's
 * @template_dirs: (array zero-terminated=1): later ones override
 * @schema: berth.rng
 * @max_vms: 0: from the host
 * @memory_mb: 0: from the host; MiB
 * @vcpus: 0: from the host
 * @max_starts: 0: from the host's CPUs
 * @max_waiters: 0: no bound
 * @domain_wait_s: that a domain of an administrator's waits for a place when it is started
 * @wait_timeout_s: of requests that name none; 0: for ever
 * @big_request_age_s: see BerthCapacity
 * @memory_overcommit: see BerthHostPolicy
 * @cpu_overcommit: see BerthHostPolicy
 * @host_reserve_mb: see BerthHostPolicy
 * @idle_timeout_s: of sandboxes that nobody uses; 0: never
 * @idle_pause_s: until sandboxes that nobody uses are paused; 0: never
 * @idle_hibernate_s: until sandboxes that nobody uses are hibernated; 0: never
 * @full_hibernate_s: until they are where somebody waits for a place; 0: never
 * @hibernated_s: until those that nobody uses then end; 0: never
 * @terminal_hangup_s: until a terminal that nobody sits at is hung up; 0: never
 * @background_unlimited: 1: what runs in the background may have no time limit
 * @forks_mb: of disk that forks under way may have, of all users; 0: any number
 * @uid_forks_mb: that one user's may have
 * @snapshot_scope: "shared", "tenant" or "none"
 * @tenant_snapshots: how many are kept at most where it is "tenant"
 * @warm: (array zero-terminated=1): warm targets, "python=2" or "python=0..4"
 * @warm_default: of a template in use that @warm does not name
 * @warm_max_idle_s: after which a warm VM is replaced; 0: never
 * @uid_weights: (array zero-terminated=1): "1000=3", "*=1"
 * @uid_max_vms: (array zero-terminated=1): likewise, VMs of all tenants of a user; 0: no cap
 * @uid_memory_mb: (array zero-terminated=1): likewise, MiB
 * @uid_part: of each budget and of @max_waiters, what a user may have of whose caps nothing is said
 * @tenant_weights: (array zero-terminated=1): "acme=3"; patterns as of #BerthTenantPolicy
 * @tenant_max_vms: (array zero-terminated=1): "acme=4", "*=2"; 0: no cap
 * @tenant_memory_mb: (array zero-terminated=1): likewise, MiB
 * @network_allow: (array zero-terminated=1): rules of names and ports, see #BerthReachRule
 * @network_allow_all: 1: a request may ask for all of @network_allow
 * @network_deny: (array zero-terminated=1): rules and networks
 * @network_private: (array zero-terminated=1): networks
 * @uid_network_allow: (array zero-terminated=1): "1000=RULE", "*=RULE", "1000=" for none: what of
 *   @network_allow a user's sandboxes may reach
 * @uid_network_deny: (array zero-terminated=1): likewise, rules and networks beside @network_deny
 * @uid_network_private: (array zero-terminated=1): likewise, networks of @network_private
 * @network_proxy: (nullable): a URI, see #BerthReachProxy
 * @network_no_proxy: (array zero-terminated=1): names and networks that it is not for
 * @network_connections: of a sandbox at a time
 * @network_rate: connections of a sandbox in a minute; 0: any number
 * @network_failures: likewise, such that fail or are refused
 * @network_connect_s: for a look-up and a connection
 * @network_idle_s: of a connection; 0: for ever
 * @network_mb: MiB of a sandbox, both ways; 0: any number
 * @build_pip: (nullable): the address of the index that templates get packages of Python from
 * @build_npm: (nullable): likewise, of Node.js
 * @build_apt: (nullable): likewise, of Debian: lines of apt's sources, ';' between them
 * @build_allow: (nullable) (array zero-terminated=1): what else a template's steps may reach
 * @template_keys: (array zero-terminated=1): files of public keys, one of which must have signed a
 *   template that is pulled; empty: none need have
 * @network_user: (nullable): who connects, where berthd runs as root
 *
 * Plain data; whoever holds it owns it; once a manager has it, only berth_manager_reload() changes
 * it.
 */
typedef struct
{
  char *uri;
  char *virt_type;
  char *instance;
  char *name_prefix;
  char *socket;
  char *socket_group;
  char *image_dir;
  char *snapshot_dir;
  char *checkpoint_dir;
  gint64 checkpoints;
  gint64 checkpoints_per_user;
  gint64 checkpoint_mb;
  gint64 checkpoint_user_mb;
  char **template_dirs;
  char *schema;
  gint64 max_vms;
  gint64 memory_mb;
  gint64 vcpus;
  gint64 max_starts;
  gint64 max_waiters;
  gint64 wait_timeout_s;
  gint64 domain_wait_s;
  gint64 big_request_age_s;
  double memory_overcommit;
  double cpu_overcommit;
  gint64 host_reserve_mb;
  gint64 idle_timeout_s;
  gint64 idle_pause_s;
  gint64 idle_hibernate_s;
  gint64 full_hibernate_s;
  gint64 hibernated_s;
  gint64 terminal_hangup_s;
  gint64 background_unlimited;
  gint64 forks_mb;
  gint64 uid_forks_mb;
  char *snapshot_scope;
  gint64 tenant_snapshots;
  char **warm;
  gint64 warm_default;
  gint64 warm_max_idle_s;
  char **uid_weights;
  char **uid_max_vms;
  char **uid_memory_mb;
  double uid_part;
  char **tenant_weights;
  char **tenant_max_vms;
  char **tenant_memory_mb;
  char **network_allow;
  gint64 network_allow_all;
  char **network_deny;
  char **network_private;
  char **uid_network_allow;
  char **uid_network_deny;
  char **uid_network_private;
  char *network_proxy;
  char **network_no_proxy;
  gint64 network_connections;
  gint64 network_rate;
  gint64 network_failures;
  gint64 network_connect_s;
  gint64 network_idle_s;
  gint64 network_mb;
  char *network_user;
  char *build_pip;
  char *build_npm;
  char *build_apt;
  char **build_allow;
  char **template_keys;
} BerthConfig;

/* Defaults of this user: root's lie under /run, /var and /etc, another's under their XDG folders.
 * Templates and schema: where they are installed, or beside the build when run from it. */
BerthConfig *berth_config_new (void);
void berth_config_free (BerthConfig *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BerthConfig, berth_config_free)

/* Fails with BERTH_ERROR_CONFIG: file, key and what is allowed. Unknown keys are an error. */
gboolean berth_config_load_file (BerthConfig *self, const char *path, GError **error);
gboolean berth_config_load_default (BerthConfig *self, GError **error);
/* One setting, as text; @origin ("--max-vms", "berth.conf: max_vms") begins the message. */
gboolean berth_config_set (BerthConfig *self, const char *key, const char *value,
                           const char *origin, GError **error);
/* (transfer full): an option per key, NULL-terminated, for a GOptionContext; parsing sets @self */
GOptionGroup *berth_config_get_option_group (BerthConfig *self);

/* (transfer full): what it says of users and their tenants, for berth_pool_set_tenants() */
BerthTenantPolicy *berth_config_dup_tenant_policy (const BerthConfig *self);

/* (transfer full) (nullable): of "1000=a", "1000=b", "*=c": what is said of @uid, or else of any
 * user; NULL: nothing is */
char **berth_config_dup_of_user (char **entries, guint32 uid);

/* (transfer full): a commented berth.conf with every key, what is allowed, and @self's value */
char *berth_config_dup_text (const BerthConfig *self);

/* (transfer full): the value of @key, which must be one, as text */
char *berth_config_dup_value (const BerthConfig *self, const char *key);

/* Takes from @from what can change while berthd runs; (transfer full) ", " between the keys: what
 * did, and what only a start can change. NULL-terminated: the keys of either kind, each of all is
 * one. */
void berth_config_reload (BerthConfig *self, const BerthConfig *from, char **out_changed,
                          char **out_later);
const char *const *berth_config_get_live_keys (void);
const char *const *berth_config_get_start_keys (void);

/* What the setting warm says of @template_name; FALSE where it does not name it. */
gboolean berth_config_get_warm (const BerthConfig *self, const char *template_name, guint *out_min,
                                guint *out_max);

/* The socket that berth and berthd agree on: BERTH_SOCKET, else this user's default. */
char *berth_config_dup_default_socket (void);
/* The script that builds images, and the agent that it is to pack */
char *berth_config_dup_image_builder (char **out_agent);
char *berth_config_dup_connector (void);
/* The program that builds templates */
char *berth_config_dup_template_builder (void);

G_END_DECLS
