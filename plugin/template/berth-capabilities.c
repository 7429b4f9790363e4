/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reads from libvirt's capabilities the little that templates depend on. */
#include "berth-capabilities.h"

#include <string.h>

#include "berth-xml.h"

static char *
dup_content (const xmlNode *node)
{
  g_autoptr (xmlChar) content = xmlNodeGetContent (node);

  return g_strdup ((const char *)content);
}

/* the label in a <secmodel>, NULL when it is not dac's */
static char *
dup_label (const xmlNode *secmodel, const char *domain_type)
{
  const xmlNode *model = berth_xml_child (secmodel, NULL, "model");
  const xmlNode *label = berth_xml_child (secmodel, NULL, "baselabel");
  g_autofree char *name = model != NULL ? dup_content (model) : NULL;

  if (g_strcmp0 (name, "dac") != 0)
    return NULL;

  for (; label != NULL; label = berth_xml_next (label, NULL, "baselabel"))
    {
      g_autofree char *type = berth_xml_dup_attribute (label, "type");

      if (g_strcmp0 (type, domain_type) == 0)
        return dup_content (label);
    }

  return NULL;
}

/**
 * berth_capabilities_dup_dac_label:
 * @capabilities: as virConnectGetCapabilities() gives them
 * @domain_type: "kvm" or "qemu"
 *
 * Returns: (transfer full) (nullable): the user and group that libvirt runs QEMU as, in the form
 *   that a <seclabel> takes
 */
char *
berth_capabilities_dup_dac_label (const char *capabilities, const char *domain_type)
{
  g_autoptr (xmlDoc) doc = NULL;
  g_autoptr (xmlXPathObject) found = NULL;
  char *label = NULL;

  g_return_val_if_fail (capabilities != NULL && domain_type != NULL, NULL);

  doc = berth_xml_parse (capabilities, strlen (capabilities), "capabilities", NULL);
  found = doc != NULL ? berth_xml_find (doc, "/capabilities/host/secmodel") : NULL;
  for (int i = 0; found != NULL && label == NULL && i < found->nodesetval->nodeNr; i++)
    label = dup_label (found->nodesetval->nodeTab[i], domain_type);

  return label;
}

/**
 * berth_capabilities_dup_host_cpu:
 * @capabilities: as virConnectGetCapabilities() gives them
 *
 * Returns: (transfer full): the host's CPU model and the names of its features, in libvirt's order
 */
char *
berth_capabilities_dup_host_cpu (const char *capabilities)
{
  g_autoptr (xmlDoc) doc = NULL;
  g_autoptr (xmlXPathObject) found = NULL;
  GString *cpu = g_string_new (NULL);

  g_return_val_if_fail (capabilities != NULL, NULL);

  doc = berth_xml_parse (capabilities, strlen (capabilities), "capabilities", NULL);
  found = doc != NULL ? berth_xml_find (doc, "/capabilities/host/cpu/model/text()"
                                             "|/capabilities/host/cpu/feature/@name")
                      : NULL;
  for (int i = 0; found != NULL && i < found->nodesetval->nodeNr; i++)
    {
      g_autofree char *text = dup_content (found->nodesetval->nodeTab[i]);

      g_string_append_printf (cpu, "%s ", text);
    }
  return g_string_free (cpu, FALSE);
}
