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

/**
 * berth_capabilities_dup_host_model:
 * @domain_capabilities: as virConnectGetDomainCapabilities() gives them
 *
 * Returns: (transfer full) (nullable): the CPU that this hypervisor can give a guest at most, in
 * the form that virConnectBaselineHypervisorCPU() expands: a model, and what it has more or less
 */
char *
berth_capabilities_dup_host_model (const char *domain_capabilities)
{
  g_autoptr (xmlDoc) doc = NULL;
  g_autoptr (xmlDoc) cpu = NULL;
  g_autoptr (xmlXPathObject) mode = NULL;
  g_autoptr (xmlChar) text = NULL;
  xmlNode *root;

  g_return_val_if_fail (domain_capabilities != NULL, NULL);

  doc = berth_xml_parse (domain_capabilities, strlen (domain_capabilities), "capabilities", NULL);
  mode = doc != NULL ? berth_xml_find (doc, "/domainCapabilities/cpu"
                                            "/mode[@name='host-model'][@supported='yes'][model]")
                     : NULL;
  if (mode == NULL || xmlXPathNodeSetIsEmpty (mode->nodesetval))
    return NULL;

  cpu = xmlNewDoc ((const xmlChar *)"1.0");
  root = xmlNewDocNode (cpu, NULL, (const xmlChar *)"cpu", NULL);
  xmlDocSetRootElement (cpu, root);
  berth_xml_add_text (root, "arch", "x86_64");
  for (xmlNode *child = mode->nodesetval->nodeTab[0]->children; child != NULL; child = child->next)
    xmlAddChild (root, xmlDocCopyNode (child, cpu, 1));
  xmlDocDumpMemory (cpu, &text, NULL);
  return g_strdup ((const char *)text);
}

static gboolean
is_offered (xmlDoc *doc, const char *feature)
{
  g_autofree char *xpath = g_strdup_printf (
      "/cpu/feature[@name='%s'][not(@policy='disable' or @policy='forbid')]", feature);
  g_autoptr (xmlXPathObject) found = berth_xml_find (doc, xpath);

  return found != NULL && !xmlXPathNodeSetIsEmpty (found->nodesetval);
}

/**
 * berth_capabilities_dup_unwanted:
 * @cpu: (nullable): what the hypervisor offers, every feature by name, as
 *   virConnectBaselineHypervisorCPU() with VIR_CONNECT_BASELINE_CPU_EXPAND_FEATURES tells; %NULL
 *   when that is not known
 * @domain_type: "kvm" or "qemu"
 *
 * Nobody runs VMs of their own in a sandbox, and what a hypervisor does for those is where guests
 * have broken out: no svm, no vmx. Where the CPU is emulated, no fast string instructions either:
 * kernel and C library then copy and clear by REP MOVSB and STOSB, which TCG does byte by byte.
 * Those go all or none: a kernel that finds FSRM without ERMS copies in a loop that never ends. One
 * that a QEMU does not know must not be named, or it does not start.
 *
 * Returns: (transfer full): names of features, to be disabled
 */
char **
berth_capabilities_dup_unwanted (const char *cpu, const char *domain_type)
{
  static const char *const strings[] = { "erms", "fsrm", "fzrm", "fsrs", "fsrc" };
  g_autoptr (GStrvBuilder) names = g_strv_builder_new ();
  g_autoptr (xmlDoc) doc = cpu != NULL ? berth_xml_parse (cpu, strlen (cpu), "CPU", NULL) : NULL;

  /* each QEMU for x86 knows these two, offered or not */
  g_strv_builder_add_many (names, "svm", "vmx", NULL);
  for (guint i = 0; strcmp (domain_type, "kvm") != 0 && i < G_N_ELEMENTS (strings); i++)
    if (doc != NULL ? is_offered (doc, strings[i]) : i == 0)
      g_strv_builder_add (names, strings[i]);
  return g_strv_builder_end (names);
}
