/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libvirt-faults.h"

#include <glib/gstdio.h>
#include <glob.h>
#include <string.h>
#include <unistd.h>

#include "plugin/template/berth-template.h"
#include "pool/berth-error.h"

/* A guest that ends by itself has all the time that a busy machine takes for it; one that stands
 * still, none. */
#define ENDING_TIMEOUT_S 60
#define STANDING_TIMEOUT_S 5
#define LOOK_US 500

struct _LibvirtFaults
{
  char *image_dir;
  char *schema;
  char *good_images; /* the text of images.json */
  GHashTable *templates;
  BerthTemplate *good_template;
  char *channels; /* glob of the channels' sockets */
  GThread *remover;
  gint is_removing;
};

const LifecycleFault libvirt_faults[] = {
  { "template", BERTH_ERROR_INVALID, "there is no template python" },
  { "manifest", BERTH_ERROR_CONFIG, "images.json" },
  { "layer-missing", BERTH_ERROR_CONFIG, "build the image again" },
  { "define", BERTH_ERROR_CONFIG, "libvirt refuses the domain" },
  { "start", BERTH_ERROR_UNAVAILABLE, "does not start" },
  { "channel", BERTH_ERROR_UNAVAILABLE, "the channel to its agent was closed" },
  { "agent-hello", BERTH_ERROR_UNAVAILABLE, "did not boot" },
  { "boot-timeout", BERTH_ERROR_START_TIMED_OUT, "'berth run --boot-log' shows a boot" },
  { NULL, 0, NULL },
};

static void
set_images (LibvirtFaults *self, const char *text)
{
  g_autofree char *path = g_build_filename (self->image_dir, "images.json", NULL);
  g_autoptr (GError) error = NULL;

  g_file_set_contents (path, text, -1, &error);
  g_assert_no_error (error);
}

/* images.json with another text in the place of @part */
static void
spoil_images (LibvirtFaults *self, const char *part, const char *other)
{
  g_auto (GStrv) pieces = g_strsplit (self->good_images, part, -1);
  g_autofree char *text = g_strjoinv (other, pieces);

  g_assert_cmpuint (g_strv_length (pieces), >, 1);
  set_images (self, text);
}

/* A template as an administrator might write it, right by berth's own rules. */
static void
set_template (LibvirtFaults *self, const char *machine, int panic_s, int timeout_s)
{
  g_autofree char *path = g_build_filename (self->image_dir, "python.xml", NULL);
  g_autofree char *xml = g_strdup_printf (
      "<domain xmlns:berth='urn:berth:domain:1'>\n"
      "  <metadata>\n"
      "    <berth:template name='python' language='python' memory='192' vcpus='1'"
      " boot-timeout='%d'>\n"
      "      <berth:layer name='base'/>\n"
      "      <berth:layer name='python'/>\n"
      "    </berth:template>\n"
      "  </metadata>\n"
      "  <os>\n"
      "    <type arch='x86_64' machine='%s'>hvm</type>\n"
      "    <cmdline>console=ttyS0 quiet panic=%d</cmdline>\n"
      "  </os>\n"
      "  <features><acpi/></features>\n"
      "  <on_reboot>destroy</on_reboot>\n"
      "  <devices>\n"
      "    <controller type='usb' model='none'/>\n"
      "    <serial type='pty'><target port='0'/></serial>\n"
      "    <memballoon model='none'/>\n"
      "  </devices>\n"
      "</domain>\n",
      timeout_s, machine, panic_s);
  BerthTemplate *template;
  g_autoptr (GError) error = NULL;

  g_file_set_contents (path, xml, -1, &error);
  g_assert_no_error (error);
  template = berth_template_load (path, self->schema, &error);
  g_assert_no_error (error);
  g_hash_table_replace (self->templates, g_strdup ("python"), template);
}

static gpointer
remover_main (gpointer data)
{
  LibvirtFaults *self = data;

  while (g_atomic_int_get (&self->is_removing))
    {
      glob_t found = { 0 };

      if (glob (self->channels, GLOB_NOSORT, NULL, &found) == 0)
        for (gsize i = 0; i < found.gl_pathc; i++)
          g_unlink (found.gl_pathv[i]);
      globfree (&found);
      g_usleep (LOOK_US);
    }
  return NULL;
}

static void
fail_template (LibvirtFaults *self)
{
  g_hash_table_remove (self->templates, "python");
}

static void
fail_manifest (LibvirtFaults *self)
{
  set_images (self, "{}");
}

static void
fail_layer (LibvirtFaults *self)
{
  spoil_images (self, "/base-", "/no-base-");
}

static void
fail_define (LibvirtFaults *self)
{
  set_template (self, "no-such-machine", -1, STANDING_TIMEOUT_S);
}

/* libvirt does not look at the kernel; QEMU finds that it is none */
static void
fail_start (LibvirtFaults *self)
{
  spoil_images (self, "/vmlinux", "/no-vmlinux");
}

/* libvirtd listens on the channel before it starts QEMU; without the socket neither we nor libvirtd
 * get in. libvirt 9.0 tries for 3 s and then hands out a stream that is not connected. */
static void
fail_channel (LibvirtFaults *self)
{
  g_atomic_int_set (&self->is_removing, TRUE);
  self->remover = g_thread_new ("channel-remover", remover_main, self);
}

/* A kernel whose initramfs is none (here: itself) panics; the template says whether that ends
 * the VM. */
static void
spoil_initramfs (LibvirtFaults *self)
{
  g_autoptr (GRegex) kernel = g_regex_new ("[^\"]*/vmlinux", 0, 0, NULL);
  g_autoptr (GRegex) initramfs = g_regex_new ("[^\"]*\\.cpio\"", 0, 0, NULL);
  g_autoptr (GMatchInfo) found = NULL;
  g_autofree char *path = NULL;
  g_autofree char *other = NULL;
  g_autofree char *text = NULL;

  g_assert_true (g_regex_match (kernel, self->good_images, 0, &found));
  path = g_match_info_fetch (found, 0);
  other = g_strdup_printf ("%s\"", path);
  text = g_regex_replace_literal (initramfs, self->good_images, -1, 0, other, 0, NULL);
  g_assert_cmpstr (text, !=, self->good_images);
  set_images (self, text);
}

static void
fail_hello (LibvirtFaults *self)
{
  spoil_initramfs (self);
  set_template (self, "q35", -1, ENDING_TIMEOUT_S);
}

static void
fail_boot (LibvirtFaults *self)
{
  spoil_initramfs (self);
  set_template (self, "q35", 0, STANDING_TIMEOUT_S);
}

static void
restore (LibvirtFaults *self)
{
  g_atomic_int_set (&self->is_removing, FALSE);
  g_clear_pointer (&self->remover, g_thread_join);
  set_images (self, self->good_images);
  g_hash_table_replace (self->templates, g_strdup ("python"),
                        berth_template_ref (self->good_template));
}

void
libvirt_faults_inject (LibvirtFaults *self, const char *step)
{
  static const struct
  {
    const char *step;
    void (*fail) (LibvirtFaults *self);
  } ways[] = {
    { "template", fail_template }, { "manifest", fail_manifest }, { "layer-missing", fail_layer },
    { "define", fail_define },     { "start", fail_start },       { "channel", fail_channel },
    { "agent-hello", fail_hello }, { "boot-timeout", fail_boot },
  };

  restore (self);
  for (gsize i = 0; i < G_N_ELEMENTS (ways); i++)
    if (g_strcmp0 (step, ways[i].step) == 0)
      {
        ways[i].fail (self);
        return;
      }
  g_assert_null (step);
}

const char *
libvirt_faults_get_image_dir (LibvirtFaults *self)
{
  return self->image_dir;
}

/* The text of images.json in @dir, its paths absolute, so that it can be read in another folder. */
static char *
dup_images_text (const char *dir)
{
  g_autofree char *path = g_build_filename (dir, "images.json", NULL);
  g_autofree char *with = g_strdup_printf ("\"path\": \"%s/", dir);
  g_autoptr (GRegex) relative = g_regex_new ("\"path\": *\"", 0, 0, NULL);
  g_autofree char *text = NULL;

  if (!g_file_get_contents (path, &text, NULL, NULL))
    return NULL;
  return g_regex_replace_literal (relative, text, -1, 0, with, 0, NULL);
}

/* libvirt's own place, one folder to a domain */
static char *
dup_channels_glob (const char *domain_prefix, gboolean is_session)
{
  g_autofree char *folder = g_strdup_printf ("domain-*-%s-*", domain_prefix);
  g_autofree char *root = is_session
                              ? g_build_filename (g_get_user_config_dir (), "libvirt", "qemu", NULL)
                              : g_strdup ("/var/lib/libvirt/qemu");

  return g_build_filename (root, "channel", "target", folder, "org.berth.agent.0", NULL);
}

LibvirtFaults *
libvirt_faults_new (const char *image_dir, const char *schema, GHashTable *templates,
                    const char *domain_prefix, gboolean is_session)
{
  g_autofree char *text = dup_images_text (image_dir);
  LibvirtFaults *self;

  if (text == NULL)
    return NULL;
  self = g_new0 (LibvirtFaults, 1);
  self->image_dir = g_dir_make_tmp ("berth-test-XXXXXX", NULL);
  self->schema = g_strdup (schema);
  self->good_images = g_steal_pointer (&text);
  self->templates = templates;
  self->good_template = berth_template_ref (g_hash_table_lookup (templates, "python"));
  self->channels = dup_channels_glob (domain_prefix, is_session);
  restore (self);
  return self;
}
