/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Every domain that the templates make is one that the host's own libvirt takes, validated; needs a
 * libvirtd, starts nothing. */
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>
#include <string.h>
#include <unistd.h>

#include "template-fixture.h"
#include "template/berth-xml.h"

#define DOMAIN_SCHEMA "/usr/share/libvirt/schemas/domain.rng"

G_DEFINE_AUTOPTR_CLEANUP_FUNC (virDomain, virDomainFree)

static void
ignore_error_cb (void *user_data, virErrorPtr error)
{
}

static void
ignore_xml_error_cb (void *user_data, xmlError *error)
{
  g_test_message ("%s", error->message);
}

static virConnectPtr
open_any (void)
{
  virConnectPtr connection = NULL;

  virSetErrorFunc (NULL, ignore_error_cb);
  connection = virConnectOpen ("qemu:///system");
  return connection != NULL ? connection : virConnectOpen ("qemu:///session");
}

static void
define_and_undefine (virConnectPtr connection, const char *xml)
{
  g_autoptr (virDomain) domain
      = virDomainDefineXMLFlags (connection, xml, VIR_DOMAIN_DEFINE_VALIDATE);

  if (domain == NULL)
    g_error ("%s: %s", virGetLastErrorMessage (), xml);
  g_assert_cmpint (virDomainUndefine (domain), ==, 0);
}

static void
define_modes (virConnectPtr connection, BerthTemplate *template_)
{
  gboolean has_kvm = access ("/dev/kvm", R_OK | W_OK) == 0;

  for (gsize i = 0; i < G_N_ELEMENTS (fixture_modes); i++)
    {
      g_autofree char *name = g_strdup_printf ("berth-test-%d-%" G_GSIZE_FORMAT, getpid (), i);
      g_autofree char *uuid = g_uuid_string_random ();
      g_autofree char *xml = NULL;
      g_autoptr (GError) error = NULL;
      BerthDomainParams params;

      if (g_str_equal (fixture_modes[i].domain_type, "kvm") && !has_kvm)
        continue;
      fixture_fill (&params, fixture_mark (), template_, &fixture_modes[i]);
      params.name = name;
      params.uuid = uuid;
      params.dac_label = "+1:+1";
      params.limit_cpu = TRUE;
      params.console_log = "/nonexistent/log";
      xml = berth_template_instantiate (template_, &params, &error);
      g_assert_no_error (error);
      define_and_undefine (connection, xml);
    }
}

static void
test_define (gconstpointer data)
{
  const char *path = data;
  virConnectPtr connection = open_any ();
  g_autoptr (GError) error = NULL;
  g_autoptr (BerthTemplate) template_ = NULL;

  if (connection == NULL)
    {
      g_test_skip ("neither qemu:///system nor qemu:///session answers");
      return;
    }

  template_ = berth_template_load (path, TEMPLATE_DIR "/berth.rng", &error);
  g_assert_no_error (error);
  define_modes (connection, template_);
  virConnectClose (connection);
}

/* kvm domains can't be defined where there is no kvm; libvirt's schema can be asked everywhere */
static void
test_schema (void)
{
  g_autoptr (GDir) dir = g_dir_open (SOURCE_DIR "/golden", 0, NULL);
  g_autoptr (xmlRelaxNGParserCtxt) parser = NULL;
  g_autoptr (xmlRelaxNG) schema = NULL;
  const char *name = NULL;

  if (!g_file_test (DOMAIN_SCHEMA, G_FILE_TEST_EXISTS))
    {
      g_test_skip (DOMAIN_SCHEMA " is not there");
      return;
    }

  parser = xmlRelaxNGNewParserCtxt (DOMAIN_SCHEMA);
  schema = xmlRelaxNGParse (parser);
  while ((name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *path = g_build_filename (SOURCE_DIR "/golden", name, NULL);
      g_autoptr (xmlDoc) doc = xmlReadFile (path, NULL, XML_PARSE_NONET);
      g_autoptr (xmlRelaxNGValidCtxt) context = xmlRelaxNGNewValidCtxt (schema);

      xmlRelaxNGSetValidStructuredErrors (context, ignore_xml_error_cb, NULL);
      g_assert_cmpint (xmlRelaxNGValidateDoc (context, doc), ==, 0);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_data_func ("/template-libvirt/python", TEMPLATE_DIR "/python.xml", test_define);
  g_test_add_data_func ("/template-libvirt/javascript", TEMPLATE_DIR "/javascript.xml",
                        test_define);
  g_test_add_data_func ("/template-libvirt/shell", TEMPLATE_DIR "/shell.xml", test_define);
  g_test_add_data_func ("/template-libvirt/own", SOURCE_DIR "/own/own.xml", test_define);
  g_test_add_func ("/template-libvirt/schema", test_schema);
  return g_test_run ();
}
