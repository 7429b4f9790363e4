/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Proves the table of settings: what each takes, what it refuses and with which words, and that
 * file, options and sample agree. */
#include <glib/gstdio.h>
#include <locale.h>
#include <string.h>
#include <unistd.h>

#include "plugin/config/berth-config.h"
#include "pool/berth-error.h"

typedef struct
{
  const char *key;
  const char *value;
} Setting;

/* every key at both ends of what it takes */
static const Setting good[] = {
  { "uri", "qemu:///session" },
  { "uri", "" },
  { "socket", "/a/b.sock" },
  { "socket_group", "" },
  { "socket_group", "root" },
  { "max_vms", "0" },
  { "max_vms", "1" },
  { "max_vms", "4096" },
  { "memory_mb", "0" },
  { "memory_mb", "128" },
  { "memory_mb", "16777216" },
  { "vcpus", "0" },
  { "vcpus", "65536" },
  { "max_starts", "0" },
  { "max_starts", "256" },
  { "memory_overcommit", "0.1" },
  { "memory_overcommit", "100" },
  { "cpu_overcommit", "2.5" },
  { "host_reserve_mb", "0" },
  { "max_waiters", "0" },
  { "max_waiters", "1000000" },
  { "wait_timeout_s", "0" },
  { "domain_wait_s", "0" },
  { "domain_wait_s", "60" },
  { "wait_timeout_s", "2592000" },
  { "big_request_age_s", "0" },
  { "big_request_age_s", "86400" },
  { "forks_mb", "0" },
  { "forks_mb", "16777216" },
  { "uid_forks_mb", "1" },
  { "idle_timeout_s", "0" },
  { "virt_type", "" },
  { "virt_type", "kvm" },
  { "virt_type", "qemu" },
  { "snapshot_scope", "shared" },
  { "snapshot_scope", "tenant" },
  { "snapshot_scope", "none" },
  { "idle_timeout_s", "10" },
  { "idle_timeout_s", "3600" },
  { "warm", "" },
  { "warm", "python=2,java-script=0" },
  { "tenant_weights", "" },
  { "tenant_weights", "acme=1,lab=1000,1000:lab=2,0:*=3,*=1" },
  { "uid_weights", "1000=3,*=1000" },
  { "uid_max_vms", "0=0,1000=4,*=4096" },
  { "uid_memory_mb", "1000=128,*=0" },
  { "uid_part", "0.5" },
  { "uid_part", "1" },
  { "tenant_max_vms", "acme=0,*=4096" },
  { "tenant_memory_mb", "acme=128,lab=16777216,*=0" },
  { "network_allow", "" },
  { "network_allow", "* example.org:443 *.example.net:8080,8443 192.0.2.1:*" },
  { "network_allow_all", "1" },
  { "network_deny", "evil.example 10.0.0.0/8 fd00::/8 192.0.2.1" },
  { "network_private", "10.1.0.0/16 ::1" },
  { "uid_network_allow", "1000=*.example.org:443 1000=192.0.2.1 1001= *=example.net" },
  { "uid_network_deny", "1000=10.0.0.0/8 *=*.evil.example" },
  { "uid_network_private", "1000=10.1.0.0/16 *=" },
  { "network_proxy", "" },
  { "network_proxy", "http://proxy.example:3128" },
  { "network_proxy", "socks5://me:word@[::1]:1080" },
  { "network_no_proxy", "*.corp.example 10.0.0.0/8" },
  { "network_connections", "256" },
  { "network_rate", "0" },
  { "network_failures", "1" },
  { "network_connect_s", "600" },
  { "network_idle_s", "0" },
  { "network_mb", "1073741824" },
  { "network_user", "root" },
  { "network_user", "" },
  { "image_dir", "/images" },
  { "snapshot_dir", "/snapshots" },
  { "template_dirs", "/a" },
  { "template_dirs", "/a:/b:/c" },
  { "schema", "/berth.rng" },
  { "name_prefix", "b" },
  { "name_prefix", "a2345678901234567890123456789012" },
  { "instance", "x-1" },
};

static const Setting bad[] = {
  { "socket", "" },
  { "socket", "relative" },
  { "socket_group", "no-such-group-anywhere" },
  { "max_vms", "-1" },
  { "max_vms", "4097" },
  { "max_vms", "" },
  { "max_vms", "2 " },
  { "max_vms", "0x10" },
  { "max_vms", "1.5" },
  { "max_vms", "99999999999999999999" },
  { "memory_mb", "127" },
  { "memory_mb", "16777217" },
  { "vcpus", "65537" },
  { "max_starts", "257" },
  { "memory_overcommit", "0" },
  { "memory_overcommit", "0,5" },
  { "memory_overcommit", "nan" },
  { "memory_overcommit", "inf" },
  { "memory_overcommit", "1x" },
  { "cpu_overcommit", "100.1" },
  { "host_reserve_mb", "-1" },
  { "max_waiters", "1000001" },
  { "wait_timeout_s", "2592001" },
  { "domain_wait_s", "61" },
  { "big_request_age_s", "86401" },
  { "idle_timeout_s", "9" },
  { "virt_type", "tcg" },
  { "snapshot_scope", "tenants" },
  { "tenant_snapshots", "0" },
  { "idle_timeout_s", "3601" },
  { "warm", "python" },
  { "warm", "=1" },
  { "warm", "python=-1" },
  { "warm", "python=1,,shell=1" },
  { "tenant_weights", "acme" },
  { "tenant_weights", "acme=0" },
  { "tenant_weights", "acme=1001" },
  { "tenant_weights", "=1" },
  { "tenant_weights", "acme=1,acme=2" },
  { "tenant_weights", "acme=1," },
  { "tenant_weights", "acme=1 ,lab=1" },
  { "tenant_weights", "a.b=1" },
  { "tenant_weights", "root:acme=1" },
  { "tenant_weights", "01:acme=1" },
  { "tenant_weights", "4294967296:acme=1" },
  { "tenant_weights", "1000:=1" },
  { "uid_weights", "1000=0" },
  { "uid_weights", "acme=1" },
  { "uid_max_vms", "1000:acme=1" },
  { "uid_max_vms", "1000=1,1000=2" },
  { "uid_max_vms", "01000=1" },
  { "uid_max_vms", "4294967296=1" },
  { "uid_max_vms", "=1" },
  { "uid_memory_mb", "1000=127" },
  { "uid_part", "0" },
  { "uid_part", "1.1" },
  { "tenant_max_vms", "acme=4097" },
  { "tenant_max_vms", "acme=-1" },
  { "tenant_max_vms", "*=99999999999999999999" },
  { "tenant_memory_mb", "acme=127" },
  { "tenant_memory_mb", "**=128" },
  { "network_allow", "example.org:0" },
  { "network_allow", "example.org  example.net" },
  { "network_allow", "10.0.0.0/8" },
  { "network_deny", "10.0.0.1/8" },
  { "network_private", "example.org" },
  { "uid_network_allow", "example.org" },
  { "uid_network_allow", "1000=10.0.0.0/8" },
  { "uid_network_allow", "1000=a.example,b.example" },
  { "uid_network_allow", "joe=example.org" },
  { "uid_network_allow", "=" },
  { "uid_network_allow", "1000=example.org " },
  { "uid_network_deny", "1000=10.0.0.1/8" },
  { "uid_network_private", "*=example.org" },
  { "network_proxy", "proxy.example:3128" },
  { "network_proxy", "https://proxy.example:3128" },
  { "network_no_proxy", "10.0.0.1/8" },
  { "network_connections", "257" },
  { "network_connect_s", "0" },
  { "network_user", "no such user" },
  { "image_dir", "" },
  { "image_dir", "images" },
  { "snapshot_dir", "./x" },
  { "template_dirs", "" },
  { "template_dirs", "/a:b" },
  { "schema", "berth.rng" },
  { "name_prefix", "" },
  { "name_prefix", "-a" },
  { "name_prefix", "A" },
  { "name_prefix", "a b" },
  { "name_prefix", "a23456789012345678901234567890123" },
  { "instance", "../x" },
};

static void
assert_contains (const char *text, const char *part)
{
  if (strstr (text, part) == NULL)
    g_error ("'%s' is not in '%s'", part, text);
}

static void
test_good_values (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (good); i++)
    {
      g_autoptr (BerthConfig) config = berth_config_new ();
      g_autoptr (GError) error = NULL;
      gboolean ok = berth_config_set (config, good[i].key, good[i].value, "here", &error);
      g_autofree char *text = berth_config_dup_text (config);
      g_autofree char *line = g_strdup_printf ("\n#%s=%s\n", good[i].key, good[i].value);

      g_assert_no_error (error);
      g_assert_true (ok);
      assert_contains (text, line);
    }
}

static void
test_bad_values (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_autoptr (BerthConfig) config = berth_config_new ();
      g_autoptr (GError) error = NULL;
      g_autofree char *before = berth_config_dup_text (config);
      g_autofree char *after = NULL;
      g_autofree char *begin = g_strdup_printf ("berth.conf: %s: '%s' is not allowed: give ",
                                                bad[i].key, bad[i].value);
      g_autofree char *origin = g_strdup_printf ("berth.conf: %s", bad[i].key);

      g_assert_false (berth_config_set (config, bad[i].key, bad[i].value, origin, &error));
      g_assert_error (error, BERTH_ERROR, BERTH_ERROR_CONFIG);
      g_assert_true (g_str_has_prefix (error->message, begin));
      g_assert_null (strchr (error->message, '\n'));
      after = berth_config_dup_text (config);
      g_assert_cmpstr (before, ==, after);
    }
}

static void
test_socket_path_limit (void)
{
  g_autoptr (BerthConfig) config = berth_config_new ();
  g_autofree char *longest = g_strnfill (107, 'a');
  g_autofree char *longer = g_strnfill (108, 'a');

  longest[0] = '/';
  longer[0] = '/';
  g_assert_true (berth_config_set (config, "socket", longest, "here", NULL));
  g_assert_false (berth_config_set (config, "socket", longer, "here", NULL));
  g_assert_cmpstr (config->socket, ==, longest);
}

static void
test_unknown_key (void)
{
  g_autoptr (BerthConfig) config = berth_config_new ();
  g_autoptr (GError) error = NULL;

  g_assert_false (berth_config_set (config, "max_vm", "1", "berth.conf: max_vm", &error));
  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_CONFIG);
  assert_contains (error->message, "berth.conf: max_vm: there is no such setting");
}

static void
test_message_stays_a_line (void)
{
  g_autoptr (BerthConfig) config = berth_config_new ();
  g_autoptr (GError) error = NULL;

  g_assert_false (berth_config_set (config, "max_vms", "1\n\x1b[31m", "here", &error));
  assert_contains (error->message, "1\\n\\033[31m");
}

static gboolean
load (BerthConfig *config, const char *contents, GError **error)
{
  g_autofree char *path = NULL;
  int fd = g_file_open_tmp ("berth-XXXXXX.conf", &path, NULL);
  gboolean ok;

  close (fd);
  g_assert_true (g_file_set_contents (path, contents, -1, NULL));
  ok = berth_config_load_file (config, path, error);
  if (!ok && error != NULL)
    assert_contains ((*error)->message, path); /* lint: error: a test reads what it was given */
  g_unlink (path);
  return ok;
}

static void
test_file (void)
{
  g_autoptr (BerthConfig) config = berth_config_new ();
  g_autoptr (GError) error = NULL;

  g_assert_true (load (config,
                       "# remark\n[berth]\nmax_vms = 3 \nuri=test:///default\n"
                       "memory_overcommit=1.25\ntemplate_dirs=/a:/b\nwarm=python=2\n",
                       &error));
  g_assert_no_error (error);
  g_assert_cmpint (config->max_vms, ==, 3);
  g_assert_cmpfloat (config->memory_overcommit, ==, 1.25);
  g_assert_cmpstr (config->uri, ==, "test:///default");
  g_assert_cmpstr (config->template_dirs[1], ==, "/b");
  g_assert_null (config->template_dirs[2]);
  g_assert_cmpstr (config->warm[0], ==, "python=2");
  g_assert_true (load (config, "", NULL));
}

static void
test_file_mistakes (void)
{
  static const struct
  {
    const char *contents;
    const char *part;
  } mistakes[] = {
    { "[berth]\nmax_vms=x\n", ": max_vms: 'x' is not allowed: give 1 to 4096, or 0" },
    { "[berth]\nmaxvms=1\n", ": maxvms: there is no such setting" },
    { "[pool]\nmax_vms=1\n", "there is no section [pool]" },
    { "max_vms=1\n", "" },
    { "[berth]\nnonsense\n", "" },
    { "[berth]\nuri=\\q\n", ": uri: " },
  };

  for (guint i = 0; i < G_N_ELEMENTS (mistakes); i++)
    {
      g_autoptr (BerthConfig) config = berth_config_new ();
      g_autoptr (GError) error = NULL;

      g_assert_false (load (config, mistakes[i].contents, &error));
      g_assert_error (error, BERTH_ERROR, BERTH_ERROR_CONFIG);
      assert_contains (error->message, mistakes[i].part);
      g_assert_null (strchr (error->message, '\n'));
    }
}

static void
test_missing_file (void)
{
  g_autoptr (BerthConfig) config = berth_config_new ();
  g_autoptr (GError) error = NULL;

  g_assert_false (berth_config_load_file (config, "/nonexistent/berth.conf", &error));
  g_assert_error (error, G_FILE_ERROR, G_FILE_ERROR_NOENT);
  assert_contains (error->message, "/nonexistent/berth.conf");
}

static gboolean
parse (BerthConfig *config, const char *first, const char *second, GError **error)
{
  const char *arguments[] = { "test", first, second, NULL };
  g_auto (GStrv) argv = g_strdupv ((char **)arguments);
  g_autoptr (GOptionContext) context = g_option_context_new (NULL);

  g_option_context_add_group (context, berth_config_get_option_group (config));
  return g_option_context_parse_strv (context, &argv, error);
}

static void
test_options (void)
{
  g_autoptr (BerthConfig) config = berth_config_new ();
  g_autoptr (GError) error = NULL;

  g_assert_true (parse (config, "--max-vms", "5", NULL));
  g_assert_true (parse (config, "--idle-timeout-s=0", NULL, NULL));
  g_assert_cmpint (config->max_vms, ==, 5);
  g_assert_cmpint (config->idle_timeout_s, ==, 0);
  g_assert_false (parse (config, "--idle-timeout-s=5", NULL, &error));
  assert_contains (error->message, "--idle-timeout-s: '5' is not allowed: give 10 to 3600, or 0");
}

/* The locale says nothing of a path's bytes; the file's are UTF-8, and so are the options'. */
static void
test_options_in_any_locale (void)
{
  g_autoptr (BerthConfig) config = berth_config_new ();
  g_autoptr (GError) error = NULL;

  setlocale (LC_ALL, "C");
  g_assert_true (parse (config, "--socket", "/tmp/jos\303\251/s", &error));
  g_assert_no_error (error);
  g_assert_cmpstr (config->socket, ==, "/tmp/jos\303\251/s");
  g_assert_false (parse (config, "--socket", "/tmp/\377/s", &error));
  setlocale (LC_ALL, "");
  assert_contains (error->message, "--socket: '/tmp/\\377/s' is not allowed");
}

/* What --print-config prints, with its values no longer commented out, is read back unchanged. */
static void
test_sample_reads_back (void)
{
  g_autoptr (BerthConfig) config = berth_config_new ();
  g_autoptr (BerthConfig) again = berth_config_new ();
  g_autoptr (GRegex) regex = g_regex_new ("^#([a-z_]+=)", G_REGEX_MULTILINE, 0, NULL);
  g_autoptr (GError) error = NULL;
  g_autofree char *sample = NULL;
  g_autofree char *file = NULL;
  g_autofree char *sample_again = NULL;

  g_assert_true (berth_config_set (config, "warm", "python=1,shell=2", "here", NULL));
  g_assert_true (berth_config_set (config, "cpu_overcommit", "1.5", "here", NULL));
  sample = berth_config_dup_text (config);
  file = g_regex_replace (regex, sample, -1, 0, "\\1", 0, NULL);
  g_assert_true (load (again, file, &error));
  g_assert_no_error (error);
  sample_again = berth_config_dup_text (again);
  g_assert_cmpstr (sample, ==, sample_again);
}

static void
test_instance_follows_the_socket (void)
{
  g_autoptr (BerthConfig) config = berth_config_new ();
  g_autofree char *first = g_strdup (config->instance);
  g_autofree char *second = NULL;

  g_assert_true (berth_config_set (config, "socket", "/a/1", "here", NULL));
  g_assert_cmpstr (config->instance, !=, first);
  second = g_strdup (config->instance);
  g_assert_true (berth_config_set (config, "socket", "/a/../a/1", "here", NULL));
  g_assert_cmpstr (config->instance, ==, second);
  g_assert_true (berth_config_set (config, "instance", "mine", "here", NULL));
  g_assert_true (berth_config_set (config, "socket", "/a/2", "here", NULL));
  g_assert_cmpstr (config->instance, ==, "mine");
}

static void
test_default_socket (void)
{
  g_autofree char *given = NULL;
  g_autofree char *own = NULL;

  g_setenv ("BERTH_SOCKET", "/x/y.sock", TRUE);
  given = berth_config_dup_default_socket ();
  g_assert_cmpstr (given, ==, "/x/y.sock");
  g_unsetenv ("BERTH_SOCKET");
  g_setenv ("XDG_RUNTIME_DIR", "/run/user/7", TRUE);
  own = berth_config_dup_default_socket ();
  g_assert_cmpstr (own, ==,
                   geteuid () == 0 ? "/run/berth/berthd.sock" : "/run/user/7/berth/berthd.sock");
}

/* Whose words hold: that user's before anybody's, a name before any name, field by field. */
static void
test_tenant_policy (void)
{
  g_autoptr (BerthConfig) config = berth_config_new ();
  g_autoptr (BerthTenantPolicy) policy = NULL;
  BerthPartyLimits limits;

  g_assert_true (berth_config_set (config, "tenant_weights", "acme=3,7:acme=5", "here", NULL));
  g_assert_true (berth_config_set (config, "tenant_max_vms", "*=2,acme=4,8:*=0", "here", NULL));
  g_assert_true (berth_config_set (config, "tenant_memory_mb", "acme=2048", "here", NULL));
  policy = berth_config_dup_tenant_policy (config);

  limits = berth_tenant_policy_get (policy, 1, "acme");
  g_assert_cmpuint (limits.weight, ==, 3);
  g_assert_cmpuint (limits.max_vms, ==, 4);
  g_assert_cmpuint (limits.memory_mb, ==, 2048);
  limits = berth_tenant_policy_get (policy, 7, "acme");
  g_assert_cmpuint (limits.weight, ==, 5);
  g_assert_cmpuint (limits.max_vms, ==, 4);
  limits = berth_tenant_policy_get (policy, 8, "acme");
  g_assert_cmpuint (limits.max_vms, ==, 0);
  limits = berth_tenant_policy_get (policy, 1, NULL);
  g_assert_cmpuint (limits.weight, ==, 1);
  g_assert_cmpuint (limits.max_vms, ==, 2);
  g_assert_cmpuint (limits.memory_mb, ==, 0);
}

/* A user's own words before anybody's; where nothing is said, a part is left for others, but not by
 * those who may change that. */
static void
test_user_policy (void)
{
  g_autoptr (BerthConfig) config = berth_config_new ();
  g_autoptr (BerthTenantPolicy) policy = NULL;
  const guint32 exempt[] = { 0, (guint32)geteuid () };
  BerthPartyLimits limits;

  g_assert_cmpint (config->max_waiters, ==, 1000);
  g_assert_true (berth_config_set (config, "uid_weights", "71000=3,*=2", "here", NULL));
  g_assert_true (berth_config_set (config, "uid_max_vms", "71000=4,71001=0", "here", NULL));
  policy = berth_config_dup_tenant_policy (config);

  limits = berth_tenant_policy_get_user (policy, 71000);
  g_assert_cmpuint (limits.weight, ==, 3);
  g_assert_cmpuint (limits.max_vms, ==, 4);
  g_assert_cmpfloat (limits.part_of_vms, ==, 1);
  g_assert_cmpfloat (limits.part_of_memory, ==, 0.9);
  limits = berth_tenant_policy_get_user (policy, 71001);
  g_assert_cmpuint (limits.weight, ==, 2);
  g_assert_cmpuint (limits.max_vms, ==, 0);
  g_assert_cmpfloat (limits.part_of_vms, ==, 1);
  limits = berth_tenant_policy_get_user (policy, 71002);
  g_assert_cmpuint (limits.max_vms, ==, 0);
  g_assert_cmpfloat (limits.part_of_vms, ==, 0.9);
  g_assert_cmpfloat (limits.part_of_queue, ==, 0.9);
  for (guint i = 0; i < G_N_ELEMENTS (exempt); i++)
    {
      limits = berth_tenant_policy_get_user (policy, exempt[i]);
      g_assert_cmpfloat (limits.part_of_vms, ==, 1);
      g_assert_cmpfloat (limits.part_of_queue, ==, 1);
    }
}

static void
assert_of_user (BerthConfig *config, guint32 uid, const char *expected)
{
  g_auto (GStrv) values = berth_config_dup_of_user (config->uid_network_allow, uid);
  g_autofree char *text = values != NULL ? g_strjoinv (" ", values) : NULL;

  g_assert_cmpstr (text, ==, expected);
}

/* What is said of a user stands for itself; "*" is for those of whom nothing is said. */
static void
test_network_of_user (void)
{
  g_autoptr (BerthConfig) config = berth_config_new ();

  assert_of_user (config, 1000, NULL);
  g_assert_true (berth_config_set (config, "uid_network_allow",
                                   "1000=a.example 1001= 1000=b.example", "", NULL));
  assert_of_user (config, 1000, "a.example b.example");
  assert_of_user (config, 1001, "");
  assert_of_user (config, 1002, NULL);
  g_assert_true (
      berth_config_set (config, "uid_network_allow", "1000=a.example *=b.example", "", NULL));
  assert_of_user (config, 1000, "a.example");
  assert_of_user (config, 1002, "b.example");
}

/* Run from the build, templates are those of the source beside it. */
static void
test_templates_of_the_source (void)
{
  g_autoptr (BerthConfig) config = berth_config_new ();

  g_assert_cmpstr (config->template_dirs[0], ==, BERTH_SOURCE_TEMPLATE_DIR);
  g_assert_true (g_str_has_prefix (config->schema, BERTH_SOURCE_TEMPLATE_DIR "/"));
}

static gboolean
has_key (const char *const *keys, const char *key)
{
  return g_strv_contains (keys, key);
}

/* each setting changes while berthd runs, or does not: somebody has decided */
static void
test_reload_knows_every_key (void)
{
  g_autoptr (BerthConfig) config = berth_config_new ();
  g_autofree char *text = berth_config_dup_text (config);
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);
  guint n_keys = 0;

  for (guint i = 0; lines[i] != NULL; i++)
    {
      g_autofree char *key = NULL;
      char *equals = strchr (lines[i], '=');

      if (lines[i][0] != '#' || !g_ascii_islower (lines[i][1]) || equals == NULL)
        continue;
      key = g_strndup (lines[i] + 1, (gsize)(equals - lines[i] - 1));
      n_keys++;
      g_assert_cmpint (has_key (berth_config_get_live_keys (), key), !=,
                       has_key (berth_config_get_start_keys (), key));
    }
  g_assert_cmpuint (n_keys, ==,
                    g_strv_length ((GStrv)berth_config_get_live_keys ())
                        + g_strv_length ((GStrv)berth_config_get_start_keys ()));
}

static void
test_reload (void)
{
  g_autoptr (BerthConfig) config = berth_config_new ();
  g_autoptr (BerthConfig) from = berth_config_new ();
  g_autofree char *changed = NULL;
  g_autofree char *later = NULL;
  guint min = 0;
  guint max = 0;

  g_assert_true (berth_config_set (from, "max_vms", "7", "test", NULL));
  g_assert_true (berth_config_set (from, "warm", "python=2..3", "test", NULL));
  g_assert_true (berth_config_set (from, "name_prefix", "other", "test", NULL));
  berth_config_reload (config, from, &changed, &later);
  g_assert_cmpstr (changed, ==, "max_vms, warm");
  g_assert_cmpstr (later, ==, "name_prefix");
  g_assert_cmpint (config->max_vms, ==, 7);
  g_assert_true (berth_config_get_warm (config, "python", &min, &max));
  g_assert_cmpuint (max, ==, 3);
  g_assert_cmpstr (config->name_prefix, ==, "berth");
}

int
main (int argc, char **argv)
{
  /* a decimal comma of the user's must not reach the file */
  setlocale (LC_ALL, "");
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/config/good-values", test_good_values);
  g_test_add_func ("/config/bad-values", test_bad_values);
  g_test_add_func ("/config/socket-path-limit", test_socket_path_limit);
  g_test_add_func ("/config/unknown-key", test_unknown_key);
  g_test_add_func ("/config/message-stays-a-line", test_message_stays_a_line);
  g_test_add_func ("/config/file", test_file);
  g_test_add_func ("/config/file-mistakes", test_file_mistakes);
  g_test_add_func ("/config/missing-file", test_missing_file);
  g_test_add_func ("/config/options", test_options);
  g_test_add_func ("/config/options-in-any-locale", test_options_in_any_locale);
  g_test_add_func ("/config/sample-reads-back", test_sample_reads_back);
  g_test_add_func ("/config/instance-follows-the-socket", test_instance_follows_the_socket);
  g_test_add_func ("/config/default-socket", test_default_socket);
  g_test_add_func ("/config/tenant-policy", test_tenant_policy);
  g_test_add_func ("/config/user-policy", test_user_policy);
  g_test_add_func ("/config/reload-knows-every-key", test_reload_knows_every_key);
  g_test_add_func ("/config/reload", test_reload);
  g_test_add_func ("/config/network-of-user", test_network_of_user);
  g_test_add_func ("/config/templates-of-the-source", test_templates_of_the_source);
  return g_test_run ();
}
