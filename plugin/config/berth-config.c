/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The table of settings, and the one way a setting's text becomes its value, whether it came from
 * the key file, from an option or from the defaults. */
#include "plugin/config/berth-config-private.h"

#include <grp.h>
#include <math.h>
#include <pwd.h>
#include <string.h>
#include <unistd.h>

#include "plugin/reach/berth-reach-proxy.h"
#include "pool/berth-error.h"

#define OWN_GROUP "berth"      /* where the package is installed */
#define SYSTEM_GROUP "libvirt" /* else who may use libvirt may use berth */
#define NAME_CHARS "abcdefghijklmnopqrstuvwxyz0123456789"
#define SUN_PATH_MAX 107 /* bytes of a Unix socket's path (unix(7)) */

typedef enum
{
  KIND_INT,           /* gint64 within min..max */
  KIND_INT_OR_0,      /* the same, or 0 with a meaning of its own */
  KIND_DOUBLE,        /* double within min..max */
  KIND_URI,           /* char *, empty for none */
  KIND_PROXY,         /* likewise, of a proxy */
  KIND_NAME,          /* char *, lower-case letters, digits and -, at most max characters */
  KIND_GROUP,         /* char *, an existing Unix group, empty for none */
  KIND_USER,          /* char *, an existing Unix user, empty for none */
  KIND_SOCKET,        /* char *, an absolute path that fits a socket address */
  KIND_PATH,          /* char *, an absolute path */
  KIND_PATHS,         /* char **, absolute paths, ':' between them */
  KIND_WARM,          /* char **, NAME=NUMBER or NAME=MIN..MAX, ',' between them */
  KIND_SCOPE,         /* char *, one of three words */
  KIND_VIRT,          /* char *, one of two words, empty for none */
  KIND_TENANTS,       /* char **, PATTERN=NUMBER, ',' between them, no pattern twice */
  KIND_USERS,         /* likewise, UID=NUMBER or *=NUMBER */
  KIND_RULES,         /* char **, of names and ports, ' ' between them */
  KIND_DENIED,        /* likewise, or networks */
  KIND_NETWORKS,      /* char **, networks, ' ' between them */
  KIND_USER_RULES,    /* char **, UID=RULE or *=RULE or with nothing behind it, ' ' between them */
  KIND_USER_DENIED,   /* likewise, or a network */
  KIND_USER_NETWORKS, /* likewise, a network */
} ConfigKind;

typedef struct
{
  const char *key;
  const char *option;
  ConfigKind kind;
  gsize offset;
  double min;
  double max;
  const char *fallback; /* NULL: this user's, computed in set_user_defaults() */
  const char *allowed;
  const char *help;
} ConfigKey;

#define FIELD(name) G_STRUCT_OFFSET (BerthConfig, name)

static const ConfigKey config_keys[] = {
  { "uri", "uri", KIND_URI, FIELD (uri), 0, 0, "", "a libvirt URI, or nothing",
    "libvirt to use; nothing: qemu:///system if it answers, else qemu:///session" },
  { "virt_type", "virt-type", KIND_VIRT, FIELD (virt_type), 0, 0, "", "kvm, qemu, or nothing",
    "what runs the guests: kvm, or qemu for emulation (TCG); nothing: kvm where QEMU can use it" },
  { "socket", "socket", KIND_SOCKET, FIELD (socket), 0, 0, NULL,
    "an absolute path of at most 107 bytes", "where berthd listens" },
  { "socket_group", "socket-group", KIND_GROUP, FIELD (socket_group), 0, 0, NULL,
    "an existing group, or nothing",
    "Unix group whose members may use berthd; nothing: only its own user" },
  { "max_vms", "max-vms", KIND_INT_OR_0, FIELD (max_vms), 1, 4096, "0", "1 to 4096, or 0",
    "VMs that may exist at a time; 0: from the host's memory and CPUs" },
  { "memory_mb", "memory-mb", KIND_INT_OR_0, FIELD (memory_mb), 128, 16777216, "0",
    "128 to 16777216, or 0", "MiB of memory of all VMs together; 0: from the host" },
  { "vcpus", "vcpus", KIND_INT_OR_0, FIELD (vcpus), 1, 65536, "0", "1 to 65536, or 0",
    "vCPUs of the VMs that run or start; 0: from the host" },
  { "max_starts", "max-starts", KIND_INT_OR_0, FIELD (max_starts), 1, 256, "0", "1 to 256, or 0",
    "VMs that start at once; 0: from the host's CPUs" },
  { "memory_overcommit", "memory-overcommit", KIND_DOUBLE, FIELD (memory_overcommit), 0.1, 100, "1",
    "0.1 to 100", "guest memory promised for each byte of the host's" },
  { "cpu_overcommit", "cpu-overcommit", KIND_DOUBLE, FIELD (cpu_overcommit), 0.1, 100, "4",
    "0.1 to 100", "vCPUs that may run for each CPU of the host" },
  { "host_reserve_mb", "host-reserve-mb", KIND_INT, FIELD (host_reserve_mb), 0, 16777216, "512",
    "0 to 16777216", "MiB of memory that are left to the host" },
  { "max_waiters", "max-waiters", KIND_INT_OR_0, FIELD (max_waiters), 1, 1000000, "1000",
    "1 to 1000000, or 0", "requests that may wait for capacity; 0: any number" },
  { "wait_timeout_s", "wait-timeout-s", KIND_INT_OR_0, FIELD (wait_timeout_s), 1, 2592000, "0",
    "1 to 2592000, or 0", "seconds that a request waits if it does not say itself; 0: for ever" },
  { "domain_wait_s", "domain-wait-s", KIND_INT, FIELD (domain_wait_s), 0, 60, "5", "0 to 60",
    "seconds that a domain with a template's mark waits for a place when it is started" },
  { "big_request_age_s", "big-request-age-s", KIND_INT, FIELD (big_request_age_s), 0, 86400, "30",
    "0 to 86400", "seconds that smaller requests may pass one that does not fit yet" },
  { "idle_timeout_s", "idle-timeout-s", KIND_INT_OR_0, FIELD (idle_timeout_s), 10, 3600, "300",
    "10 to 3600, or 0", "seconds after which an unused sandbox ends; 0: never" },
  { "idle_pause_s", "idle-pause-s", KIND_INT_OR_0, FIELD (idle_pause_s), 1, 3600, "0",
    "1 to 3600, or 0", "seconds after which an unused sandbox is paused; 0: never" },
  { "idle_hibernate_s", "idle-hibernate-s", KIND_INT_OR_0, FIELD (idle_hibernate_s), 1, 604800, "0",
    "1 to 604800, or 0",
    "seconds after which an unused sandbox is hibernated, less than idle_timeout_s; 0: never" },
  { "full_hibernate_s", "full-hibernate-s", KIND_INT_OR_0, FIELD (full_hibernate_s), 1, 604800, "0",
    "1 to 604800, or 0",
    "seconds after which an unused sandbox is hibernated for a request that waits; 0: never" },
  { "hibernated_s", "hibernated-s", KIND_INT_OR_0, FIELD (hibernated_s), 60, 31536000, "604800",
    "60 to 31536000, or 0", "seconds after which an unused hibernated sandbox ends; 0: never" },
  { "terminal_hangup_s", "terminal-hangup-s", KIND_INT_OR_0, FIELD (terminal_hangup_s), 10, 86400,
    "3600", "10 to 86400, or 0", "seconds until a terminal without a client is hung up; 0: never" },
  { "background_unlimited", "background-unlimited", KIND_INT, FIELD (background_unlimited), 0, 1,
    "0", "0 or 1", "1: an exec in the background may have no time limit" },
  { "forks_mb", "forks-mb", KIND_INT_OR_0, FIELD (forks_mb), 1, 16777216, "8192",
    "1 to 16777216, or 0",
    "MiB of disk, where snapshots are, that forks have until their sandboxes run; 0: any number" },
  { "uid_forks_mb", "uid-forks-mb", KIND_INT_OR_0, FIELD (uid_forks_mb), 1, 16777216, "4096",
    "1 to 16777216, or 0", "MiB of these that one user's forks have; 0: any number" },
  { "snapshot_scope", "snapshot-scope", KIND_SCOPE, FIELD (snapshot_scope), 0, 0, "shared",
    "shared, tenant or none",
    "shared: VMs are clones of a snapshot of their template; tenant: of one that no other tenant's "
    "VMs are; none: each VM boots by itself" },
  { "tenant_snapshots", "tenant-snapshots", KIND_INT, FIELD (tenant_snapshots), 1, 4096, "16",
    "1 to 4096", "snapshots of tenants to keep, where snapshot_scope is tenant" },
  { "warm", "warm", KIND_WARM, FIELD (warm), 0, 4096, "",
    "TEMPLATE=NUMBER or TEMPLATE=MIN..MAX, ',' between them",
    "warm VMs to keep ready, by template; MIN..MAX: as many as requests need" },
  { "warm_default", "warm-default", KIND_INT, FIELD (warm_default), 0, 4096, "1", "0 to 4096",
    "warm VMs to keep of a template in use that warm does not name; as many as half the slots "
    "where requests need them; 0: none" },
  { "warm_max_idle_s", "warm-max-idle-s", KIND_INT_OR_0, FIELD (warm_max_idle_s), 10, 604800,
    "3600", "10 to 604800, or 0", "seconds after which an unused warm VM is replaced; 0: never" },
  { "uid_weights", "uid-weights", KIND_USERS, FIELD (uid_weights), 1, BERTH_PARTY_WEIGHT_MAX, "",
    "UID=1 to 1000, ',' between them; * is any user",
    "shares of users that wait at the same time; 1 for those that are not named" },
  { "uid_max_vms", "uid-max-vms", KIND_USERS, FIELD (uid_max_vms), 0, 4096, "",
    "UID=0 to 4096, ',' between them; * is any user",
    "VMs that a user may have at a time, of all its tenants; 0: no cap, nor that of uid_part" },
  { "uid_memory_mb", "uid-memory-mb", KIND_USERS, FIELD (uid_memory_mb), 128, 16777216, "",
    "UID=128 to 16777216 or 0, ',' between them; * is any user",
    "MiB of memory of a user's VMs together; 0: no cap, nor that of uid_part" },
  { "uid_part", "uid-part", KIND_DOUBLE, FIELD (uid_part), 0.01, 1, "0.9", "0.01 to 1",
    "part of all VMs, vCPUs, memory and max_waiters that a user may have, one VM at least; not for "
    "root, berthd's own user, and caps that uid_max_vms or uid_memory_mb name; 1: all" },
  { "tenant_weights", "tenant-weights", KIND_TENANTS, FIELD (tenant_weights), 1,
    BERTH_PARTY_WEIGHT_MAX, "", "TENANT=1 to 1000, ',' between them; UID:TENANT and * as well",
    "shares of one user's tenants that wait at the same time; 1 for those that are not named" },
  { "tenant_max_vms", "tenant-max-vms", KIND_TENANTS, FIELD (tenant_max_vms), 0, 4096, "",
    "TENANT=0 to 4096, ',' between them; UID:TENANT and * as well",
    "VMs that a tenant may have at a time; * and UID:* are each one by itself (uid_max_vms: all of "
    "a user's), 0: no cap" },
  { "tenant_memory_mb", "tenant-memory-mb", KIND_TENANTS, FIELD (tenant_memory_mb), 128, 16777216,
    "", "TENANT=128 to 16777216 or 0, ',' between them; UID:TENANT and * as well",
    "MiB of memory of a tenant's VMs together; * and UID:* are each one by itself, 0: no cap" },
  { "network_allow", "network-allow", KIND_RULES, FIELD (network_allow), 0, 0, "*",
    "NAME[:PORT[,PORT]...], ' ' between them; * and *.NAME are patterns, :* is any port",
    "names that a sandbox may reach if it asks for them; without ports 80 and 443" },
  { "network_allow_all", "network-allow-all", KIND_INT, FIELD (network_allow_all), 0, 1, "0",
    "0 or 1", "1: a sandbox may ask for all of network_allow at once (--allow-all)" },
  { "network_deny", "network-deny", KIND_DENIED, FIELD (network_deny), 0, 0, "",
    "NAME[:PORT[,PORT]...], addresses, ADDRESS/BITS, ' ' between them",
    "what no sandbox reaches, whatever else is allowed; without ports at any" },
  { "network_private", "network-private", KIND_NETWORKS, FIELD (network_private), 0, 0, "",
    "addresses and ADDRESS/BITS, ' ' between them",
    "networks that names may lead to although they are not public, or this host's own" },
  { "uid_network_allow", "uid-network-allow", KIND_USER_RULES, FIELD (uid_network_allow), 0, 0, "",
    "UID=NAME[:PORT[,PORT]...] or UID= for none, ' ' between them; * is any user",
    "names of network_allow that sandboxes of a user may reach; all, for those not named" },
  { "uid_network_deny", "uid-network-deny", KIND_USER_DENIED, FIELD (uid_network_deny), 0, 0, "",
    "UID=NAME[:PORT[,PORT]...], UID=ADDRESS/BITS or UID= for none, ' ' between them; * is any user",
    "what sandboxes of a user never reach, beside network_deny" },
  { "uid_network_private", "uid-network-private", KIND_USER_NETWORKS, FIELD (uid_network_private),
    0, 0, "", "UID=ADDRESS/BITS or UID= for none, ' ' between them; * is any user",
    "networks of network_private that names may lead a user's sandboxes to; all, if not named" },
  { "network_proxy", "network-proxy", KIND_PROXY, FIELD (network_proxy), 0, 0, "",
    BERTH_REACH_PROXY_FORM ", or nothing",
    "proxy that connections of sandboxes go through; it looks names up; nothing: none" },
  { "network_no_proxy", "network-no-proxy", KIND_DENIED, FIELD (network_no_proxy), 0, 0, "",
    "NAME, *.NAME, addresses, ADDRESS/BITS, ' ' between them",
    "what is connected to without network_proxy" },
  { "network_connections", "network-connections", KIND_INT, FIELD (network_connections), 1, 256,
    "256", "1 to 256", "connections that a sandbox may have at a time" },
  { "network_rate", "network-rate", KIND_INT_OR_0, FIELD (network_rate), 1, 1000000, "6000",
    "1 to 1000000, or 0", "connections that a sandbox may begin in a minute; 0: any number" },
  { "network_failures", "network-failures", KIND_INT_OR_0, FIELD (network_failures), 1, 1000000,
    "600", "1 to 1000000, or 0",
    "connections of a sandbox that may fail or be refused in a minute, before none is tried until "
    "it is over; 0: any number" },
  { "network_connect_s", "network-connect-s", KIND_INT, FIELD (network_connect_s), 1, 600, "20",
    "1 to 600", "seconds that a name's look-up and a connection may take" },
  { "network_idle_s", "network-idle-s", KIND_INT_OR_0, FIELD (network_idle_s), 1, 86400, "900",
    "1 to 86400, or 0",
    "seconds after which a connection, also to a published port, that carries nothing ends; 0: "
    "never" },
  { "network_mb", "network-mb", KIND_INT_OR_0, FIELD (network_mb), 1, 1073741824, "0",
    "1 to 1073741824, or 0", "MiB that a sandbox may send and receive; 0: any number" },
  { "network_user", "network-user", KIND_USER, FIELD (network_user), 0, 0, "",
    "an existing user, or nothing",
    "who makes the connections, where berthd runs as root; nothing: a user that nobody else is" },
  { "build_pip", "build-pip", KIND_URI, FIELD (build_pip), 0, 0, "", "an address, or nothing",
    "index that 'berth template build' gets packages of Python from; nothing: files given by "
    "hand" },
  { "build_npm", "build-npm", KIND_URI, FIELD (build_npm), 0, 0, "", "an address, or nothing",
    "likewise, of Node.js" },
  { "build_apt", "build-apt", KIND_URI, FIELD (build_apt), 0, 0, "",
    "ADDRESS SUITE COMPONENT..., ';' between them, or nothing", "likewise, of Debian" },
  { "build_allow", "build-allow", KIND_RULES, FIELD (build_allow), 0, 0, "",
    "NAME[:PORT[,PORT]...], ' ' between them",
    "names that the steps of 'berth template build' may reach besides" },
  { "template_keys", "template-keys", KIND_PATHS, FIELD (template_keys), 0, 0, "",
    "absolute paths, ':' between them, or nothing",
    "public keys (Ed25519, PEM), one of which must have signed what 'berth template pull' takes; "
    "nothing: it takes what nobody signed, too" },
  { "image_dir", "image-dir", KIND_PATH, FIELD (image_dir), 0, 0, NULL, "an absolute path",
    "folder of the guest's images (images.json)" },
  { "snapshot_dir", "snapshot-dir", KIND_PATH, FIELD (snapshot_dir), 0, 0, NULL, "an absolute path",
    "folder of the snapshots" },
  { "checkpoint_dir", "checkpoint-dir", KIND_PATH, FIELD (checkpoint_dir), 0, 0, NULL,
    "an absolute path", "folder of the checkpoints, one in it for each berthd" },
  { "checkpoints", "checkpoints", KIND_INT, FIELD (checkpoints), 0, 65536, "256", "0 to 65536",
    "checkpoints of sandboxes that may be kept; 0: none" },
  { "checkpoints_per_user", "checkpoints-per-user", KIND_INT, FIELD (checkpoints_per_user), 0,
    65536, "64", "0 to 65536", "of these, a user's" },
  { "checkpoint_mb", "checkpoint-mb", KIND_INT, FIELD (checkpoint_mb), 0, 1073741824, "16384",
    "0 to 1073741824", "MiB on disk of all checkpoints together" },
  { "checkpoint_user_mb", "checkpoint-user-mb", KIND_INT, FIELD (checkpoint_user_mb), 0, 1073741824,
    "4096", "0 to 1073741824", "MiB on disk of a user's checkpoints" },
  { "template_dirs", "template-dirs", KIND_PATHS, FIELD (template_dirs), 0, 0, NULL,
    "absolute paths, ':' between them", "folders of templates, later ones override earlier ones" },
  { "schema", "schema", KIND_PATH, FIELD (schema), 0, 0, NULL, "an absolute path",
    "schema that templates are checked by" },
  { "name_prefix", "name-prefix", KIND_NAME, FIELD (name_prefix), 1, 32, "berth",
    "1 to 32 lower-case letters, digits and -", "how the names of the domains begin" },
  { "instance", "instance", KIND_NAME, FIELD (instance), 1, 64, NULL,
    "1 to 64 lower-case letters, digits and -",
    "which berthd this is, for domains' marks; default from the socket's path" },
};

static gboolean
is_root (void)
{
  return geteuid () == 0;
}

static void
set_user_defaults (BerthConfig *self)
{
  g_autofree char *shipped = berth_config_dup_shipped_template_dir ();
  g_autofree char *own = berth_config_dup_user_path ("/etc/berth/templates.d",
                                                     g_get_user_config_dir (), "templates.d");

  self->socket = berth_config_dup_default_socket ();
  self->instance = berth_config_dup_instance_of_socket (self->socket);
  if (is_root () && getgrnam (OWN_GROUP) != NULL)
    self->socket_group = g_strdup (OWN_GROUP);
  else if (is_root () && getgrnam (SYSTEM_GROUP) != NULL)
    self->socket_group = g_strdup (SYSTEM_GROUP);
  self->image_dir
      = berth_config_dup_user_path ("/var/cache/berth/images", g_get_user_cache_dir (), "images");
  self->snapshot_dir = berth_config_dup_user_path ("/var/lib/berth/snapshots",
                                                   g_get_user_cache_dir (), "snapshots");
  self->checkpoint_dir = berth_config_dup_user_path ("/var/lib/berth/checkpoints",
                                                     g_get_user_cache_dir (), "checkpoints");
  self->template_dirs = g_new0 (char *, 3);
  self->template_dirs[0] = g_strdup (shipped);
  self->template_dirs[1] = g_steal_pointer (&own);
  self->schema = g_build_filename (shipped, "berth.rng", NULL);
}

static gboolean
parse_int (const ConfigKey *key, const char *value, gint64 *out_number)
{
  if (!g_ascii_string_to_signed (value, 10, 0, (gint64)key->max, out_number, NULL))
    return FALSE;
  return *out_number >= (gint64)key->min || (*out_number == 0 && key->kind == KIND_INT_OR_0);
}

static gboolean
parse_double (const ConfigKey *key, const char *value, double *out_number)
{
  char *end = NULL;
  double number = g_ascii_strtod (value, &end);

  if (end == value || *end != '\0' || !isfinite (number))
    return FALSE;
  *out_number = number;
  return number >= key->min && number <= key->max;
}

static gboolean
name_is_valid (const char *name, gsize max)
{
  gsize length = strlen (name);

  return length >= 1 && length <= max && name[0] != '-' && strspn (name, NAME_CHARS "-") == length;
}

/* "4" or "0..4" */
static gboolean
parse_range (const char *text, guint64 most, guint *out_min, guint *out_max)
{
  g_auto (GStrv) ends = g_strsplit (text, "..", 2);
  guint64 min;
  guint64 max;

  if (ends[0] == NULL || !g_ascii_string_to_unsigned (ends[0], 10, 0, most, &min, NULL)
      || !g_ascii_string_to_unsigned (ends[1] != NULL ? ends[1] : ends[0], 10, min, most, &max,
                                      NULL))
    return FALSE;
  *out_min = (guint)min;
  *out_max = (guint)max;
  return TRUE;
}

static gboolean
warm_is_valid (const ConfigKey *key, char **entries)
{
  for (guint i = 0; entries[i] != NULL; i++)
    {
      const char *equals = strchr (entries[i], '=');
      guint min;
      guint max;

      if (equals == NULL || equals == entries[i]
          || !parse_range (equals + 1, (guint64)key->max, &min, &max))
        return FALSE;
    }
  return TRUE;
}

/**
 * berth_config_get_warm:
 * @self: a configuration
 * @template_name: of a template
 * @out_min: (out): warm VMs that are always wanted
 * @out_max: (out): warm VMs that are wanted at most
 *
 * Returns: whether the setting warm names the template
 */
gboolean
berth_config_get_warm (const BerthConfig *self, const char *template_name, guint *out_min,
                       guint *out_max)
{
  gsize length = strlen (template_name);

  for (guint i = 0; self->warm != NULL && self->warm[i] != NULL; i++)
    if (strncmp (self->warm[i], template_name, length) == 0 && self->warm[i][length] == '=')
      return parse_range (self->warm[i] + length + 1, G_MAXUINT, out_min, out_max);
  return FALSE;
}

static gboolean
is_proxy (const char *value)
{
  g_autoptr (BerthReachProxy) proxy = berth_reach_proxy_parse (value, NULL);

  return proxy != NULL;
}

static gboolean
string_is_valid (const ConfigKey *key, const char *value)
{
  switch (key->kind)
    {
    case KIND_NAME:
      return name_is_valid (value, (gsize)key->max);
    case KIND_GROUP:
      return value[0] == '\0' || getgrnam (value) != NULL;
    case KIND_USER:
      return value[0] == '\0' || getpwnam (value) != NULL;
    case KIND_SOCKET:
      return g_path_is_absolute (value) && strlen (value) <= SUN_PATH_MAX;
    case KIND_PATH:
      return g_path_is_absolute (value);
    case KIND_PROXY:
      return value[0] == '\0' || is_proxy (value);
    case KIND_SCOPE:
      return strcmp (value, "shared") == 0 || strcmp (value, "tenant") == 0
             || strcmp (value, "none") == 0;
    case KIND_VIRT:
      return value[0] == '\0' || strcmp (value, "kvm") == 0 || strcmp (value, "qemu") == 0;
    default:
      return TRUE;
    }
}

static void
set_string (BerthConfig *self, const ConfigKey *key, const char *value)
{
  char **field = G_STRUCT_MEMBER_P (self, key->offset);
  g_autofree char *old = *field;

  *field = value[0] != '\0' ? g_strdup (value) : NULL;
  if (key->kind != KIND_SOCKET)
    return;
  /* an instance that was not chosen follows the socket, so that two berthd never share one */
  g_autofree char *old_instance = berth_config_dup_instance_of_socket (old);
  if (g_strcmp0 (self->instance, old_instance) == 0)
    {
      g_free (self->instance);
      self->instance = berth_config_dup_instance_of_socket (value);
    }
}

static gboolean
list_is_valid (const ConfigKey *key, char **entries)
{
  switch (key->kind)
    {
    case KIND_PATHS:
      return berth_config_paths_are_valid (entries)
             || (entries[0] == NULL && key->fallback != NULL);
    case KIND_WARM:
      return warm_is_valid (key, entries);
    case KIND_RULES:
      return berth_config_network_is_valid (entries, TRUE, FALSE);
    case KIND_DENIED:
      return berth_config_network_is_valid (entries, TRUE, TRUE);
    case KIND_NETWORKS:
      return berth_config_network_is_valid (entries, FALSE, TRUE);
    case KIND_USER_RULES:
      return berth_config_user_network_is_valid (entries, TRUE, FALSE);
    case KIND_USER_DENIED:
      return berth_config_user_network_is_valid (entries, TRUE, TRUE);
    case KIND_USER_NETWORKS:
      return berth_config_user_network_is_valid (entries, FALSE, TRUE);
    default:
      return berth_config_tenants_are_valid (entries, key->kind == KIND_USERS, (guint64)key->min,
                                             (guint64)key->max);
    }
}

/* What stands between the entries of a list */
static const char *
get_separator (const ConfigKey *key)
{
  switch (key->kind)
    {
    case KIND_PATHS:
      return ":";
    case KIND_RULES:
    case KIND_DENIED:
    case KIND_NETWORKS:
    case KIND_USER_RULES:
    case KIND_USER_DENIED:
    case KIND_USER_NETWORKS:
      return " ";
    default:
      return ",";
    }
}

static gboolean
set_list (BerthConfig *self, const ConfigKey *key, const char *value)
{
  char ***field = G_STRUCT_MEMBER_P (self, key->offset);
  g_auto (GStrv) entries = g_strsplit (value, get_separator (key), -1);

  if (!list_is_valid (key, entries))
    return FALSE;
  g_strfreev (*field);
  *field = g_steal_pointer (&entries);
  return TRUE;
}

static gboolean
set_number (BerthConfig *self, const ConfigKey *key, const char *value)
{
  gint64 integer;
  double real;

  if (key->kind != KIND_DOUBLE)
    {
      if (!parse_int (key, value, &integer))
        return FALSE;
      G_STRUCT_MEMBER (gint64, self, key->offset) = integer;
      return TRUE;
    }
  if (!parse_double (key, value, &real))
    return FALSE;
  G_STRUCT_MEMBER (double, self, key->offset) = real;
  return TRUE;
}

static gboolean
set_value (BerthConfig *self, const ConfigKey *key, const char *value)
{
  switch (key->kind)
    {
    case KIND_INT:
    case KIND_INT_OR_0:
    case KIND_DOUBLE:
      return set_number (self, key, value);
    case KIND_PATHS:
    case KIND_WARM:
    case KIND_TENANTS:
    case KIND_USERS:
    case KIND_RULES:
    case KIND_DENIED:
    case KIND_NETWORKS:
    case KIND_USER_RULES:
    case KIND_USER_DENIED:
    case KIND_USER_NETWORKS:
      return set_list (self, key, value);
    default:
      if (!string_is_valid (key, value))
        return FALSE;
      set_string (self, key, value);
      return TRUE;
    }
}

/**
 * berth_config_new:
 *
 * Returns: (transfer full): this user's defaults
 */
BerthConfig *
berth_config_new (void)
{
  BerthConfig *self = g_new0 (BerthConfig, 1);

  set_user_defaults (self);
  for (guint i = 0; i < G_N_ELEMENTS (config_keys); i++)
    if (config_keys[i].fallback != NULL
        && !set_value (self, &config_keys[i], config_keys[i].fallback))
      g_assert_not_reached ();
  return self;
}

/**
 * berth_config_free:
 * @self: (transfer full) (nullable): a configuration
 */
void
berth_config_free (BerthConfig *self)
{
  if (self == NULL)
    return;
  for (guint i = 0; i < G_N_ELEMENTS (config_keys); i++)
    switch (config_keys[i].kind)
      {
      case KIND_INT:
      case KIND_INT_OR_0:
      case KIND_DOUBLE:
        break;
      case KIND_PATHS:
      case KIND_WARM:
      case KIND_TENANTS:
      case KIND_USERS:
      case KIND_RULES:
      case KIND_DENIED:
      case KIND_NETWORKS:
      case KIND_USER_RULES:
      case KIND_USER_DENIED:
      case KIND_USER_NETWORKS:
        g_strfreev (G_STRUCT_MEMBER (char **, self, config_keys[i].offset));
        break;
      default:
        g_free (G_STRUCT_MEMBER (char *, self, config_keys[i].offset));
      }
  g_free (self);
}

static const ConfigKey *
find_key (const char *name)
{
  for (guint i = 0; i < G_N_ELEMENTS (config_keys); i++)
    if (strcmp (config_keys[i].key, name) == 0 || strcmp (config_keys[i].option, name) == 0)
      return &config_keys[i];
  return NULL;
}

/**
 * berth_config_set:
 * @self: a configuration
 * @key: "max_vms" or "max-vms"
 * @value: as text
 * @origin: where the setting was found, for the message
 *
 * Returns: whether @value was allowed; @self is unchanged otherwise
 */
gboolean
berth_config_set (BerthConfig *self, const char *key, const char *value, const char *origin,
                  GError **error)
{
  const ConfigKey *entry = find_key (key);
  g_autofree char *shown = g_strescape (value, NULL);

  if (entry == NULL)
    {
      g_set_error (error, BERTH_ERROR, BERTH_ERROR_CONFIG,
                   "%s: there is no such setting ('berthd --print-config' lists them all)", origin);
      return FALSE;
    }
  if (!g_utf8_validate (value, -1, NULL) || !set_value (self, entry, value))
    {
      if (entry->kind == KIND_PROXY && strchr (shown, '@') != NULL) /* a password's */
        shown[0] = '\0';
      g_set_error (error, BERTH_ERROR, BERTH_ERROR_CONFIG, "%s: '%.200s' is not allowed: give %s",
                   origin, shown, entry->allowed);
      return FALSE;
    }
  return TRUE;
}

static gboolean
option_cb (const char *option, const char *value, gpointer data, GError **error)
{
  return berth_config_set (data, option + strlen ("--"), value, option, error);
}

/**
 * berth_config_get_option_group:
 * @self: a configuration that outlives the group
 *
 * Returns: (transfer full): options that set @self
 */
GOptionGroup *
berth_config_get_option_group (BerthConfig *self)
{
  GOptionGroup *group = g_option_group_new (
      "config", "Settings (as in berth.conf):", "Show the settings", self, NULL);

  for (guint i = 0; i < G_N_ELEMENTS (config_keys); i++)
    {
      /* bytes, in any locale: berth_config_set () checks them */
      GOptionEntry entries[] = { { .long_name = config_keys[i].option,
                                   .flags = G_OPTION_FLAG_FILENAME,
                                   .arg = G_OPTION_ARG_CALLBACK,
                                   .arg_data = (gpointer)(guintptr)option_cb,
                                   .description = config_keys[i].help,
                                   .arg_description = "VALUE" },
                                 G_OPTION_ENTRY_NULL };

      g_option_group_add_entries (group, entries);
    }
  return group;
}

static char *
dup_double (double number)
{
  char text[G_ASCII_DTOSTR_BUF_SIZE];

  if (g_ascii_strtod (g_ascii_formatd (text, sizeof text, "%g", number), NULL) != number)
    g_ascii_dtostr (text, sizeof text, number);
  return g_strdup (text);
}

static char *
dup_value (const BerthConfig *self, const ConfigKey *key)
{
  switch (key->kind)
    {
    case KIND_INT:
    case KIND_INT_OR_0:
      return g_strdup_printf ("%" G_GINT64_FORMAT, G_STRUCT_MEMBER (gint64, self, key->offset));
    case KIND_DOUBLE:
      return dup_double (G_STRUCT_MEMBER (double, self, key->offset));
    case KIND_PATHS:
    case KIND_WARM:
    case KIND_TENANTS:
    case KIND_USERS:
    case KIND_RULES:
    case KIND_DENIED:
    case KIND_NETWORKS:
    case KIND_USER_RULES:
    case KIND_USER_DENIED:
    case KIND_USER_NETWORKS:
      return g_strjoinv (get_separator (key), G_STRUCT_MEMBER (char **, self, key->offset));
    default:
      return g_strconcat ("", G_STRUCT_MEMBER (char *, self, key->offset), NULL);
    }
}

/**
 * berth_config_dup_value:
 * @self: a configuration
 * @key: of a setting
 *
 * Returns: (transfer full): its value, as berth_config_set() takes it
 */
char *
berth_config_dup_value (const BerthConfig *self, const char *key)
{
  return dup_value (self, find_key (key));
}

/**
 * berth_config_dup_text:
 * @self: a configuration
 *
 * Returns: (transfer full): a berth.conf that explains every setting and holds the values of @self,
 * each commented out
 */
char *
berth_config_dup_text (const BerthConfig *self)
{
  GString *text = g_string_new ("# berth.conf: every setting of berthd, with its value here.\n"
                                "# Each is also an option of berthd: max_vms is --max-vms.\n\n"
                                "[" BERTH_CONFIG_GROUP "]\n");
  g_autoptr (GKeyFile) file = g_key_file_new ();

  for (guint i = 0; i < G_N_ELEMENTS (config_keys); i++)
    {
      g_autofree char *value = dup_value (self, &config_keys[i]);
      g_autofree char *escaped = NULL;

      g_key_file_set_string (file, BERTH_CONFIG_GROUP, config_keys[i].key, value);
      escaped = g_key_file_get_value (file, BERTH_CONFIG_GROUP, config_keys[i].key, NULL);
      g_string_append_printf (text, "\n# %s\n# allowed: %s\n#%s=%s\n", config_keys[i].help,
                              config_keys[i].allowed, config_keys[i].key, escaped);
    }
  return g_string_free (text, FALSE);
}
