/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Templates as an administrator meets them: what a good one becomes, and what a bad one is told. */
#include <glib/gstdio.h>
#include <string.h>

#include "pool/berth-error.h"
#include "template-fixture.h"
#include "template/berth-capabilities.h"
#include "template/berth-images.h"
#include "template/berth-xml.h"

#define SCHEMA TEMPLATE_DIR "/berth.rng"

static char *
instantiate (BerthTemplate *template_, const BerthDomainParams *params)
{
  g_autoptr (GError) error = NULL;
  char *xml = berth_template_instantiate (template_, params, &error);

  g_assert_no_error (error);
  return xml;
}

static char *
read_text (const char *path)
{
  g_autoptr (GError) error = NULL;
  char *text = NULL;

  g_file_get_contents (path, &text, NULL, &error);
  g_assert_no_error (error);
  return text;
}

/* A golden file is what a reviewer sees change. BERTH_UPDATE_GOLDEN=1 writes them anew. */
static void
test_golden (gconstpointer data)
{
  const char *name = data;
  g_autoptr (BerthTemplate) template_ = fixture_load (name);

  for (gsize i = 0; i < G_N_ELEMENTS (fixture_modes); i++)
    {
      g_autofree char *path
          = g_strdup_printf (SOURCE_DIR "/golden/%s-%s.xml", name, fixture_modes[i].name);
      g_autofree char *xml = NULL;
      g_autofree char *golden = NULL;
      BerthDomainParams params;

      fixture_fill (&params, fixture_mark (), template_, &fixture_modes[i]);
      xml = instantiate (template_, &params);
      if (g_getenv ("BERTH_UPDATE_GOLDEN") != NULL)
        g_assert_true (g_file_set_contents (path, xml, -1, NULL));
      golden = read_text (path);
      g_assert_cmpstr (xml, ==, golden);
    }
}

static void
test_values (void)
{
  g_autoptr (BerthTemplate) python = fixture_load ("python");
  g_autoptr (BerthTemplate) javascript = fixture_load ("javascript");
  g_autoptr (BerthTemplate) shell = fixture_load ("shell");

  g_assert_cmpstr (berth_template_get_name (python), ==, "python");
  g_assert_cmpstr (berth_template_get_path (python), ==, TEMPLATE_DIR "/python.xml");
  g_assert_cmpuint (berth_template_get_memory_mb (python), ==, 192);
  g_assert_cmpuint (berth_template_get_memory_mb (javascript), ==, 256);
  g_assert_cmpuint (berth_template_get_memory_mb (shell), ==, 192);
  g_assert_cmpuint (berth_template_get_vcpus (python), ==, 1);
  g_assert_cmpuint (berth_template_get_boot_timeout_s (python), ==, 60);
  g_assert_cmpstr (berth_template_get_language (javascript), ==, "javascript");
  g_assert_cmpuint (g_strv_length ((GStrv)berth_template_get_layers (shell)), ==, 1);
  g_assert_cmpstr (berth_template_get_layers (javascript)[0], ==, "base");
  g_assert_cmpstr (berth_template_get_layers (javascript)[1], ==, "javascript");
  g_assert_cmpuint (strlen (berth_template_get_digest (python)), ==, 64);
  g_assert_cmpstr (berth_template_get_digest (python), !=, berth_template_get_digest (shell));
}

/* the text after "expect: " in a broken file's first comment */
static char *
dup_expected (const char *path)
{
  g_autofree char *text = read_text (path);
  const char *start = strstr (text, "expect: ");
  const char *end = start != NULL ? strstr (start, " -->") : NULL;

  g_assert_nonnull (end);
  start += strlen ("expect: ");
  return g_strndup (start, (gsize)(end - start));
}

/* One file per mistake; each says itself what berth must answer, after its own name. */
static void
test_broken (void)
{
  g_autoptr (GDir) dir = g_dir_open (SOURCE_DIR "/broken", 0, NULL);
  const char *name = NULL;
  guint n = 0;

  g_assert_nonnull (dir);
  while ((name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *path = g_build_filename (SOURCE_DIR "/broken", name, NULL);
      g_autofree char *expected = NULL;
      g_autoptr (BerthTemplate) template_ = NULL;
      g_autoptr (GError) error = NULL;
      const char *message = NULL;

      if (!g_str_has_suffix (name, ".xml"))
        continue;
      n++;
      expected = dup_expected (path);
      template_ = berth_template_load (path, SCHEMA, &error);
      g_assert_null (template_);
      g_assert_nonnull (error);
      g_assert_true (error->domain == BERTH_TEMPLATE_ERROR);
      message = strstr (error->message, "/broken/");
      g_assert_nonnull (message);
      g_assert_cmpstr (message + strlen ("/broken/"), ==, expected);
    }

  g_assert_cmpuint (n, >=, 30);
}

static void
test_missing (void)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (berth_template_load ("/nonexistent/x.xml", SCHEMA, &error));
  g_assert_error (error, BERTH_TEMPLATE_ERROR, BERTH_TEMPLATE_ERROR_NOT_FOUND);
  g_clear_error (&error);
  g_assert_null (berth_template_load (TEMPLATE_DIR "/python.xml", "/nonexistent.rng", &error));
  g_assert_error (error, BERTH_TEMPLATE_ERROR, BERTH_TEMPLATE_ERROR_NOT_FOUND);
  g_clear_error (&error);
  g_assert_null (berth_template_load (TEMPLATE_DIR, SCHEMA, &error));
  g_assert_error (error, BERTH_TEMPLATE_ERROR, BERTH_TEMPLATE_ERROR_PARSE);
}

static void
assert_has (const char *xml, const char *part)
{
  if (strstr (xml, part) == NULL)
    g_error ("'%s' is not in: %s", part, xml);
}

/* without a language the agent has no interpreter stand by */
static void
test_fresh (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (BerthTemplate) python = fixture_load ("python");
  g_autoptr (BerthTemplate) fresh
      = berth_template_load (SOURCE_DIR "/own/fresh.xml", SCHEMA, &error);
  g_autofree char *xml = NULL;
  BerthDomainParams params;

  g_assert_no_error (error);
  g_assert_false (berth_template_is_fresh (python));
  g_assert_true (berth_template_is_fresh (fresh));
  fixture_fill (&params, fixture_mark (), fresh, &fixture_modes[0]);
  xml = instantiate (fresh, &params);
  assert_has (xml, "berth.layers=2</cmdline>");

  /* nor in a VM that builds */
  fixture_fill (&params, fixture_mark (), python, &fixture_modes[0]);
  params.is_builder = TRUE;
  g_free (xml);
  xml = instantiate (python, &params);
  assert_has (xml, "berth.layers=2 berth.builder=1</cmdline>");
}

/* Of a layer that was built, and of one that images.json named once, there is a file each. */
static void
test_layers_by_contents (void)
{
  static const char *const names[] = { "base", "base-1", "built-1", NULL };
  static const char *const missing[] = { "built-2", NULL };
  g_autofree char *dir = g_dir_make_tmp ("berth-images-XXXXXX", NULL);
  g_autofree char *built = g_build_filename (dir, BERTH_IMAGES_BUILT, NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (BerthImages) images = NULL;
  g_auto (GStrv) paths = NULL;
  g_autofree char *digest = NULL;
  g_autofree char *other = NULL;
  const char *const files[][2] = {
    { "images.json", "{\"format\":1,\"kernel\":{\"path\":\"k\"},\"initramfs\":{\"path\":\"i\"},"
                     "\"layers\":{\"base\":{\"path\":\"base-2.erofs\",\"sha256\":\"2\"}}}" },
    { "base-1.json", "{\"path\":\"base-1.erofs\",\"sha256\":\"1\"}" },
    { "built/built-1.json", "{\"path\":\"built/built-1.erofs\",\"sha256\":\"3\"}" },
    { "base-1.erofs", "1" },
    { "base-2.erofs", "2" },
    { "built/built-1.erofs", "3" },
  };

  g_assert_cmpint (g_mkdir (built, 0755), ==, 0);
  for (gsize i = 0; i < G_N_ELEMENTS (files); i++)
    {
      g_autofree char *path = g_build_filename (dir, files[i][0], NULL);

      g_assert_true (g_file_set_contents (path, files[i][1], -1, NULL));
    }
  images = berth_images_load (dir, &error);
  g_assert_no_error (error);
  paths = berth_images_dup_layers (images, names, &error);
  g_assert_no_error (error);
  for (gsize i = 0; i < 3; i++)
    assert_has (paths[i], i == 0 ? "/base-2.erofs" : i == 1 ? "/base-1.erofs" : "/built-1.erofs");
  digest = berth_images_dup_digest (images, names);
  other = berth_images_dup_digest (images, missing);
  g_assert_cmpstr (digest, !=, other);
  g_assert_null (berth_images_dup_layers (images, missing, &error));
  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_CONFIG);
  for (gsize i = 0; i < G_N_ELEMENTS (files); i++)
    {
      g_autofree char *path = g_build_filename (dir, files[i][0], NULL);

      g_remove (path);
    }
  g_rmdir (built);
  g_rmdir (dir);
}

/* What an administrator adds stays, what berth adds comes on top. */
static void
test_own_devices_are_kept (void)
{
  static const char *const kept[] = {
    " berth.net=1",
    "<quota>50000</quota>",
    "<cpu match=\"exact\" mode=\"custom\">",
    "model=\"selinux\"",
    "<target bus=\"virtio\" dev=\"vdi\"/>",
    "value=\"-global\"",
    "console=ttyS0 quiet panic=-1 mitigations=off berth.layers=2",
    "<my:note xmlns:my=\"urn:my\">",
    "memballoon model=\"none\"",
  };
  g_autoptr (GError) error = NULL;
  g_autoptr (BerthTemplate) template_
      = berth_template_load (SOURCE_DIR "/own/own.xml", SCHEMA, &error);
  g_autofree char *xml = NULL;
  BerthDomainParams params;

  g_assert_no_error (error);
  fixture_fill (&params, fixture_mark (), template_, &fixture_modes[2]);
  params.limit_cpu = TRUE;
  params.dac_label = "+1:+2";
  params.console_log = "/var/log/<x>.log";
  xml = instantiate (template_, &params);
  for (gsize i = 0; i < G_N_ELEMENTS (kept); i++)
    assert_has (xml, kept[i]);

  params.loud_boot = TRUE;
  g_free (xml);
  xml = instantiate (template_, &params);
  assert_has (xml, "mitigations=off loglevel=7 berth.layers=2");
  assert_has (xml, "<label>+1:+2</label>");
  assert_has (xml, "<log file=\"/var/log/&lt;x&gt;.log\" append=\"off\"/>");
  assert_has (xml, "mem-path=/snapshots/a,,b/ram,share=off\"");
  g_assert_null (strstr (xml, "global_quota")); /* its own <cputune> counts */
  g_assert_null (strstr (xml, "mode=\"maximum\""));
}

static void
test_limits_and_labels (void)
{
  g_autoptr (BerthTemplate) template_ = fixture_load ("python");
  g_autofree char *xml = NULL;
  BerthDomainParams params;

  fixture_fill (&params, fixture_mark (), template_, &fixture_modes[2]);
  params.vcpus = 2;
  params.limit_cpu = TRUE;
  params.dac_label = "+64055:+64055";
  params.ram_read_only = TRUE;
  xml = instantiate (template_, &params);
  assert_has (xml, "<global_quota>250000</global_quota>");
  /* the guest, a quarter, QEMU; and what TCG translates */
  g_assert_cmpuint (berth_template_limits ("kvm", 200, 1).memory_kib, ==, 410 * 1024);
  g_assert_cmpuint (berth_template_limits ("qemu", 200, 1).memory_kib, ==, 538 * 1024);
  assert_has (xml, "<seclabel type=\"static\" model=\"dac\" relabel=\"no\">");
  assert_has (xml, "share=off,readonly=on,rom=off\"");
}

static void
assert_refused (BerthTemplate *template_, const BerthDomainParams *params)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (berth_template_instantiate (template_, params, &error));
  g_assert_error (error, BERTH_TEMPLATE_ERROR, BERTH_TEMPLATE_ERROR_DOMAIN);
  g_assert_true (g_str_has_prefix (error->message, berth_template_get_path (template_)));
}

#define REFUSES(field, value)                                                                      \
  G_STMT_START                                                                                     \
  {                                                                                                \
    fixture_fill (&params, fixture_mark (), template_, &fixture_modes[2]);                         \
    params.field = value;                                                                          \
    assert_refused (template_, &params);                                                           \
  }                                                                                                \
  G_STMT_END

static void
test_bad_values_are_refused (void)
{
  static const char *const nine[] = { "/1", "/2", "/3", "/4", "/5", "/6", "/7", "/8", "/9", NULL };
  static const char *const none[] = { NULL };
  static const char *const relative[] = { "base.erofs", NULL };
  g_autoptr (BerthTemplate) template_ = fixture_load ("python");
  BerthDomainParams params;

  REFUSES (mark, NULL);
  REFUSES (name, "");
  REFUSES (name, "a/b");
  REFUSES (name, "a\nb");
  REFUSES (uuid, "6695eb01");
  REFUSES (domain_type, "xen");
  REFUSES (memory_mb, 0);
  REFUSES (vcpus, 0);
  REFUSES (kernel, NULL);
  REFUSES (kernel, "vmlinuz");
  REFUSES (initramfs, "/a\x01");
  REFUSES (ram_file, "/\xff");
  REFUSES (ram_file, NULL); /* of a clone */
  REFUSES (console_log, "x");
  REFUSES (dac_label, "\n");
  REFUSES (layers, NULL);
  REFUSES (layers, none);
  REFUSES (layers, nine);
  REFUSES (layers, relative);
}

/* An image's: who runs its programs is told the agent, and what is run without code is berth's. */
static void
test_entry (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (BerthTemplate) template_
      = berth_template_load (SOURCE_DIR "/own/entry.xml", SCHEMA, &error);
  g_autoptr (BerthTemplate) silent = fixture_load ("python");
  const char *const *entry;
  g_autofree char *xml = NULL;
  BerthDomainParams params;

  g_assert_no_error (error);
  entry = berth_template_get_entry (template_);
  g_assert_cmpstr (entry[0], ==, "/bin/app");
  g_assert_cmpstr (entry[1], ==, "");
  g_assert_cmpstr (entry[2], ==, "a\nb <");
  g_assert_null (entry[3]);
  g_assert_cmpstr (berth_template_get_workdir (template_), ==, "/app");
  g_assert_null (berth_template_get_entry (silent));
  fixture_fill (&params, fixture_mark (), template_, &fixture_modes[0]);
  xml = berth_template_instantiate (template_, &params, &error);
  g_assert_no_error (error);
  assert_has (xml, "berth.layers=1 berth.user=65532:0</cmdline>");
}

/* It is berth's alone: nothing of it is in a domain. */
static void
test_network (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (BerthTemplate) template_
      = berth_template_load (SOURCE_DIR "/own/network.xml", SCHEMA, &error);
  g_autoptr (BerthTemplate) silent = fixture_load ("python");
  const BerthReachWords *words;
  g_autofree char *xml = NULL;
  BerthDomainParams params;

  g_assert_no_error (error);
  words = berth_template_get_reach (template_);
  g_assert_cmpstr (words->allow[0], ==, "*.example.org:443");
  g_assert_cmpstr (words->allow[1], ==, "192.0.2.1");
  g_assert_null (words->allow[2]);
  g_assert_cmpuint (g_strv_length ((GStrv)words->deny), ==, 2);
  g_assert_cmpuint (g_strv_length ((GStrv)words->private), ==, 0);
  words = berth_template_get_reach (silent);
  g_assert_true (words->allow == NULL && words->deny == NULL && words->private == NULL);
  fixture_fill (&params, fixture_mark (), template_, &fixture_modes[0]);
  xml = instantiate (template_, &params);
  g_assert_null (strstr (xml, "example.org"));
}

static void
test_huge_pages_exclude_snapshots (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (BerthTemplate) template_
      = berth_template_load (SOURCE_DIR "/own/huge.xml", SCHEMA, &error);
  g_autofree char *xml = NULL;
  BerthDomainParams params;

  g_assert_no_error (error);
  fixture_fill (&params, fixture_mark (), template_, &fixture_modes[0]);
  xml = instantiate (template_, &params);
  assert_has (xml, "<hugepages/>");
  fixture_fill (&params, fixture_mark (), template_, &fixture_modes[1]);
  assert_refused (template_, &params);
}

static char *
digest_of (const char *folder, const char *text)
{
  g_autofree char *path = g_build_filename (folder, "t.xml", NULL);
  g_autoptr (BerthTemplate) template_ = NULL;
  g_autoptr (GError) error = NULL;

  g_assert_true (g_file_set_contents (path, text, -1, NULL));
  template_ = berth_template_load (path, SCHEMA, &error);
  g_assert_no_error (error);
  return g_strdup (berth_template_get_digest (template_));
}

#define BODY "<os><type>hvm</type></os><devices><!-- no --></devices>"

/* The digest is of what the template says: order of attributes, quotes, comments, white space and
 * where a namespace is declared say nothing. */
static void
test_digest (void)
{
  g_autofree char *folder = g_dir_make_tmp ("berth-template-XXXXXX", NULL);
  g_autofree char *path = g_build_filename (folder, "t.xml", NULL);
  g_autofree char *a
      = digest_of (folder, "<domain xmlns:berth='urn:berth:domain:1'><metadata><berth:template "
                           "name='a' language='shell' memory='128'><berth:layer name='base'/>"
                           "</berth:template></metadata>" BODY "</domain>");
  g_autofree char *b
      = digest_of (folder, "<?xml version='1.0'?>\n<domain xmlns:foo='urn:foo'>\n <metadata> "
                           "<berth:template memory=\"128\" xmlns:berth='urn:berth:domain:1' "
                           "name='a' language='shell'>\n<!-- c --><berth:layer name='base'>"
                           "</berth:layer></berth:template></metadata>" BODY "</domain>");
  g_autofree char *c
      = digest_of (folder, "<domain xmlns:berth='urn:berth:domain:1'><metadata><berth:template "
                           "name='a' language='shell' memory='129'><berth:layer name='base'/>"
                           "</berth:template></metadata>" BODY "</domain>");

  g_assert_cmpstr (a, !=, c);
  g_assert_cmpstr (a, ==, b);
  g_unlink (path);
  g_rmdir (folder);
}

static void
test_load_all (void)
{
  const char *dirs[] = { TEMPLATE_DIR, "/nonexistent", SOURCE_DIR "/own", NULL };
  g_autoptr (GPtrArray) errors = NULL;
  g_autoptr (GHashTable) templates = berth_template_load_all (dirs, SCHEMA, &errors);
  BerthTemplate *shell = NULL;

  g_assert_cmpuint (errors->len, ==, 1);
  g_assert_cmpstr (((GError *)g_ptr_array_index (errors, 0))->message, ==,
                   SOURCE_DIR "/own/twice.xml: name='own' is taken by " SOURCE_DIR
                              "/own/own.xml; two templates of one folder need two names");
  g_assert_cmpuint (g_hash_table_size (templates), ==, 11);
  shell = g_hash_table_lookup (templates, "shell");
  g_assert_cmpstr (berth_template_get_path (shell), ==, SOURCE_DIR "/own/shell.xml");
  g_assert_nonnull (g_hash_table_lookup (templates, "python"));
}

/* a link out of the allowed folders, a pipe, an absolute path inside */
static void
test_includes_of_odd_files (void)
{
  g_autofree char *folder = g_dir_make_tmp ("berth-template-XXXXXX", NULL);
  g_autofree char *link = g_build_filename (folder, "link.xml", NULL);
  g_autofree char *path = g_build_filename (folder, "t.xml", NULL);
  static const char *const hrefs[]
      = { "link.xml",           "/etc/passwd",        "/dev/zero", "../../../etc/passwd",
          "file:///etc/passwd", "http://localhost/x", "t.xml",     "." };

  g_assert_cmpint (symlink ("/etc/passwd", link), ==, 0);
  for (gsize i = 0; i < G_N_ELEMENTS (hrefs); i++)
    {
      g_autofree char *text = g_strdup_printf (
          "<domain xmlns:xi='http://www.w3.org/2001/XInclude'><xi:include href='%s'/></domain>",
          hrefs[i]);
      g_autoptr (GError) error = NULL;

      g_assert_true (g_file_set_contents (path, text, -1, NULL));
      g_assert_null (berth_template_load (path, SCHEMA, &error));
      g_assert_error (error, BERTH_TEMPLATE_ERROR, BERTH_TEMPLATE_ERROR_PARSE);
      g_assert_null (strstr (error->message, "root:"));
    }

  g_unlink (link);
  g_unlink (path);
  g_rmdir (folder);
}

/* each file includes the next twice: 2^n files without a bound */
static void
test_includes_are_bounded (void)
{
  g_autofree char *folder = g_dir_make_tmp ("berth-template-XXXXXX", NULL);
  g_autoptr (GError) error = NULL;
  g_autofree char *first = g_build_filename (folder, "0.xml", NULL);

  for (int i = 0; i < 8; i++)
    {
      g_autofree char *name = g_strdup_printf ("%s/%d.xml", folder, i);
      g_autofree char *text
          = i == 7 ? g_strdup ("<x/>")
                   : g_strdup_printf ("<d xmlns:xi='http://www.w3.org/2001/XInclude'><xi:include "
                                      "href='%d.xml'/><xi:include href='%d.xml'/></d>",
                                      i + 1, i + 1);

      g_assert_true (g_file_set_contents (name, text, -1, NULL));
    }

  g_assert_null (berth_template_load (first, SCHEMA, &error));
  g_assert_nonnull (strstr (error->message, "too many includes"));
  for (int i = 0; i < 8; i++)
    {
      g_autofree char *name = g_strdup_printf ("%s/%d.xml", folder, i);

      g_unlink (name);
    }
  g_rmdir (folder);
}

static void
test_size_is_bounded (void)
{
  g_autofree char *folder = g_dir_make_tmp ("berth-template-XXXXXX", NULL);
  g_autofree char *path = g_build_filename (folder, "t.xml", NULL);
  g_autofree char *text = g_strnfill (BERTH_XML_MAX_BYTES + 1, ' ');
  g_autoptr (GError) error = NULL;

  g_assert_true (g_file_set_contents (path, text, -1, NULL));
  g_assert_null (berth_template_load (path, SCHEMA, &error));
  g_assert_nonnull (strstr (error->message, "at most 1048576 are allowed"));
  g_unlink (path);
  g_rmdir (folder);
}

static gpointer
instantiate_often (gpointer data)
{
  BerthTemplate *template_ = data;
  g_autofree char *first = NULL;

  for (int i = 0; i < 200; i++)
    {
      g_autofree char *xml = NULL;
      BerthDomainParams params;

      fixture_fill (&params, fixture_mark (), template_, &fixture_modes[i % 2]);
      xml = instantiate (template_, &params);
      if (i == 0)
        first = g_steal_pointer (&xml);
      else if (i % 2 == 0)
        g_assert_cmpstr (xml, ==, first);
    }

  berth_template_unref (template_);
  return NULL;
}

/* for ThreadSanitizer: one template in many threads, and loads beside it */
static void
test_threads (void)
{
  g_autoptr (BerthTemplate) template_ = fixture_load ("python");
  GThread *threads[6];

  for (gsize i = 0; i < G_N_ELEMENTS (threads); i++)
    threads[i] = g_thread_new ("template", instantiate_often, berth_template_ref (template_));
  for (int i = 0; i < 10; i++)
    {
      g_autoptr (BerthTemplate) other = fixture_load ("shell");

      g_assert_nonnull (other);
    }
  for (gsize i = 0; i < G_N_ELEMENTS (threads); i++)
    g_thread_join (threads[i]);
}

static void
test_skip_cpu_probe (void)
{
  g_assert_true (berth_template_wants_skip_cpu_probe (9000000));
  g_assert_true (berth_template_wants_skip_cpu_probe (11007000));
  g_assert_false (berth_template_wants_skip_cpu_probe (11008000));
}

static void
test_dac_label (void)
{
  static const char capabilities[]
      = "<capabilities><host><uuid>x</uuid><secmodel><model>apparmor</model><baselabel type='qemu'>"
        "no</baselabel></secmodel><secmodel><model>dac</model><doi>0</doi><baselabel type='kvm'>"
        "+1:+2</baselabel><baselabel "
        "type='qemu'>+3:+4</baselabel></secmodel></host></capabilities>";
  g_autofree char *kvm = berth_capabilities_dup_dac_label (capabilities, "kvm");
  g_autofree char *qemu = berth_capabilities_dup_dac_label (capabilities, "qemu");

  g_assert_cmpstr (kvm, ==, "+1:+2");
  g_assert_cmpstr (qemu, ==, "+3:+4");
  g_assert_null (berth_capabilities_dup_dac_label (capabilities, "xen"));
  g_assert_null (berth_capabilities_dup_dac_label ("<capabilities><host/></capabilities>", "kvm"));
  g_assert_null (berth_capabilities_dup_dac_label ("garbage", "kvm"));
}

static void
assert_unwanted (const char *cpu, const char *domain_type, const char *expected)
{
  g_auto (GStrv) names = berth_capabilities_dup_unwanted (cpu, domain_type);
  g_autofree char *told = g_strjoinv (" ", names);

  g_assert_cmpstr (told, ==, expected);
}

/* What both QEMUs offer, as it was told there. A name that a QEMU does not know keeps it from
 * starting; FSRM left without ERMS makes the guest's kernel copy for ever. */
static void
test_unwanted_features (void)
{
  g_autofree char *older = read_text (SOURCE_DIR "/capabilities/debian-12-cpu.xml");
  g_autofree char *newer = read_text (SOURCE_DIR "/capabilities/debian-13-cpu.xml");

  assert_unwanted (older, "qemu", "svm vmx erms");
  assert_unwanted (newer, "qemu", "svm vmx erms fsrm fzrm fsrs fsrc");
  assert_unwanted (newer, "kvm", "svm vmx");
  assert_unwanted ("<cpu><feature policy='disable' name='erms'/><feature name='fsrm'/></cpu>",
                   "qemu", "svm vmx fsrm");
  assert_unwanted ("<cpu/>", "qemu", "svm vmx");
  assert_unwanted (NULL, "qemu", "svm vmx erms");
  assert_unwanted ("no XML", "qemu", "svm vmx erms");
}

static char *
make_hardware (BerthTemplate *template_, const BerthDomainParams *params)
{
  g_autoptr (GError) error = NULL;
  char *hardware = berth_template_dup_hardware (template_, params, &error);

  g_assert_no_error (error);
  return hardware;
}

/* Two lives of a domain have the same hardware; a snapshot's clone has that of who recorded it. */
static void
test_hardware (void)
{
  static const char *const more_unwanted[] = { "svm", "vmx", "erms", "fsrm", NULL };
  static const char *const layers[] = { "/b", NULL };
  g_autoptr (BerthTemplate) template_ = fixture_load ("python");
  g_autofree char *recorded = NULL;
  BerthDomainParams params;
  BerthDomainParams others[5];

  fixture_fill (&params, fixture_mark (), template_, &fixture_modes[1]);
  recorded = make_hardware (template_, &params);

  fixture_fill (&params, fixture_mark (), template_, &fixture_modes[2]);
  params.name = "berth-other-2";
  params.uuid = "11111111-f6a4-8304-79aa-97f2502e193f";
  params.dac_label = "+1:+1";
  params.limit_cpu = TRUE;
  params.ram_read_only = TRUE;
  for (guint i = 0; i < G_N_ELEMENTS (others); i++)
    {
      g_autofree char *hardware = make_hardware (template_, &params);

      g_assert_cmpstr (hardware, ==, recorded);
      others[i] = params;
    }

  others[0].unwanted_features = more_unwanted;
  others[1].memory_mb *= 2;
  others[2].vcpus++;
  others[3].layers = layers;
  others[4].domain_type = "kvm";
  for (guint i = 0; i < G_N_ELEMENTS (others); i++)
    {
      g_autofree char *hardware = make_hardware (template_, &others[i]);

      g_assert_cmpstr (hardware, !=, recorded);
    }
}

static void
test_host_model (void)
{
  static const char *const files[] = { SOURCE_DIR "/capabilities/debian-12-domain.xml",
                                       SOURCE_DIR "/capabilities/debian-13-domain.xml" };

  for (guint i = 0; i < G_N_ELEMENTS (files); i++)
    {
      g_autofree char *capabilities = read_text (files[i]);
      g_autofree char *cpu = berth_capabilities_dup_host_model (capabilities);

      g_assert_nonnull (cpu);
      g_assert_nonnull (strstr (cpu, "<cpu><arch>x86_64</arch>"));
      g_assert_nonnull (strstr (cpu, "<model fallback=\"forbid\">EPYC</model>"));
      g_assert_nonnull (strstr (cpu, "<feature policy=\"require\" name=\"erms\"/>"));
    }
  g_assert_null (berth_capabilities_dup_host_model ("<domainCapabilities/>"));
  g_assert_null (berth_capabilities_dup_host_model ("no XML"));
}

/* No domain of its has it, a snapshot's neither; each gets one of its own address. */
static void
test_card (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (BerthTemplate) without = fixture_load ("python");
  g_autoptr (BerthTemplate) self
      = berth_template_load (SOURCE_DIR "/own/card.xml", TEMPLATE_DIR "/berth.rng", &error);
  g_autofree char *xml = NULL;
  g_autofree char *card = NULL;
  BerthDomainParams params;

  g_assert_no_error (error);
  g_assert_true (berth_template_has_card (self));
  g_assert_false (berth_template_has_card (without));
  fixture_fill (&params, fixture_mark (), self, &fixture_modes[2]);
  xml = berth_template_instantiate (self, &params, &error);
  g_assert_no_error (error);
  g_assert_null (strstr (xml, "<interface"));
  g_assert_nonnull (strstr (xml, " berth.net=1"));
  g_assert_nonnull (
      strstr (xml, "<controller type=\"pci\" index=\"1\" model=\"pcie-root-port\"/>"));
  card = berth_template_dup_card (self, (const guint8 *)"\x52\x54\0\1\2\xff");
  g_assert_true (g_str_has_prefix (card, "<interface type=\"network\">"));
  g_assert_nonnull (strstr (card, "<mac address=\"52:54:00:01:02:ff\"/>"));
  g_assert_nonnull (strstr (card, "<port isolated=\"yes\"/>"));
  g_assert_nonnull (strstr (card, "<model type=\"virtio\"/>"));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/template/cpu/unwanted-features", test_unwanted_features);
  g_test_add_func ("/template/cpu/host-model", test_host_model);
  g_test_add_func ("/template/hardware", test_hardware);
  g_test_add_data_func ("/template/golden/python", "python", test_golden);
  g_test_add_data_func ("/template/golden/javascript", "javascript", test_golden);
  g_test_add_data_func ("/template/golden/shell", "shell", test_golden);
  g_test_add_func ("/template/values", test_values);
  g_test_add_func ("/template/card", test_card);
  g_test_add_func ("/template/broken", test_broken);
  g_test_add_func ("/template/missing", test_missing);
  g_test_add_func ("/template/fresh", test_fresh);
  g_test_add_func ("/template/layers-by-contents", test_layers_by_contents);
  g_test_add_func ("/template/own-devices-are-kept", test_own_devices_are_kept);
  g_test_add_func ("/template/limits-and-labels", test_limits_and_labels);
  g_test_add_func ("/template/bad-values-are-refused", test_bad_values_are_refused);
  g_test_add_func ("/template/huge-pages-exclude-snapshots", test_huge_pages_exclude_snapshots);
  g_test_add_func ("/template/entry", test_entry);
  g_test_add_func ("/template/network", test_network);
  g_test_add_func ("/template/digest", test_digest);
  g_test_add_func ("/template/load-all", test_load_all);
  g_test_add_func ("/template/includes-of-odd-files", test_includes_of_odd_files);
  g_test_add_func ("/template/includes-are-bounded", test_includes_are_bounded);
  g_test_add_func ("/template/size-is-bounded", test_size_is_bounded);
  g_test_add_func ("/template/threads", test_threads);
  g_test_add_func ("/template/skip-cpu-probe", test_skip_cpu_probe);
  g_test_add_func ("/template/dac-label", test_dac_label);
  return g_test_run ();
}
