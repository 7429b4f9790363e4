/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Any bytes as a template: no crash, an error that names the file, and what is taken makes a domain
 * that is XML again. */
#include <string.h>

#include "template-fixture.h"
#include "template/berth-template-private.h"

#define PATH TEMPLATE_DIR "/fuzzed.xml"

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

static void
make_domain (BerthTemplate *template_)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *xml = NULL;
  g_autoptr (xmlDoc) doc = NULL;
  BerthDomainParams params;

  fixture_fill (&params, fixture_mark (), template_, &fixture_modes[2]);
  xml = berth_template_instantiate (template_, &params, &error);
  if (xml == NULL)
    {
      g_assert_error (error, BERTH_TEMPLATE_ERROR, BERTH_TEMPLATE_ERROR_DOMAIN);
      return;
    }

  doc = berth_xml_parse (xml, strlen (xml), "instance", &error);
  g_assert_no_error (error);
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (BerthTemplate) template_ = berth_template_load_data (
      (const char *)data, size, PATH, TEMPLATE_DIR "/berth.rng", &error);

  if (template_ != NULL)
    make_domain (template_);
  else
    g_assert_true (g_str_has_prefix (error->message, TEMPLATE_DIR "/"));

  return 0;
}
