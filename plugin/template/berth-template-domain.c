/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Checks the domain around berth's element: what berth puts in itself must not be there already,
 * and the little that it builds on must. All else is the administrator's and libvirt's. */
#include "berth-template-private.h"

typedef struct
{
  const char *path;
  const char *reason;
} Owned;

static const Owned owned[] = {
  { "/domain[@type]", "type= must be left out; berth sets kvm or qemu by what the host can do" },
  { "/domain[@id]", "id= must be left out; libvirt sets it" },
  { "/domain/name", "<name> must be left out; berth names each VM" },
  { "/domain/uuid", "<uuid> must be left out; berth gives each VM its own" },
  { "/domain/title", "<title> must be left out; berth sets it to what the VM is for" },
  { "/domain/memory | /domain/currentMemory | /domain/maxMemory",
    "memory must be left out here; berth sets it, by default to memory= of <berth:template>" },
  { "/domain/vcpu | /domain/vcpus",
    "vCPUs must be left out here; berth sets them, by default to vcpus= of <berth:template>" },
  { "/domain/features/tcg",
    "<tcg> must be left out; berth bounds the translated code, and QEMU's memory by it" },
  { "/domain/os/kernel | /domain/os/initrd",
    "kernel and initrd must be left out; berth boots its own image" },
  { "/domain/os/cmdline[contains(., 'berth.')]",
    "arguments berth.* must be left out of <cmdline>; berth adds them" },
  { "/domain/devices/channel[target/@name='org.berth.agent.0']",
    "the channel org.berth.agent.0 must be left out; berth adds it" },
  { "/domain/devices/disk[starts-with(target/@dev, 'vd')]"
    "[contains('abcdefgh', substring(target/@dev, 3))]",
    "disks vda to vdh are berth's layers; take vdi or later, or another bus" },
  { "/domain/qemu:commandline/qemu:arg[contains(@value, 'ram0') or @value='-incoming']",
    "ram0 and -incoming are berth's, for snapshots" },
};

static const char *const single[] = { "metadata", "os", "cpu", "devices" };

static gboolean
check_owned (xmlDoc *doc, GError **error)
{
  for (gsize i = 0; i < G_N_ELEMENTS (owned); i++)
    {
      g_autoptr (xmlXPathObject) found = berth_xml_find (doc, owned[i].path);

      if (found == NULL || found->nodesetval->nodeNr > 0)
        {
          berth_xml_set_error (error, BERTH_TEMPLATE_ERROR_DOMAIN,
                               found != NULL ? found->nodesetval->nodeTab[0]
                                             : xmlDocGetRootElement (doc),
                               "%s", owned[i].reason);
          return FALSE;
        }
    }

  return TRUE;
}

static gboolean
check_single (const xmlNode *root, GError **error)
{
  for (gsize i = 0; i < G_N_ELEMENTS (single); i++)
    {
      const xmlNode *first = berth_xml_child (root, NULL, single[i]);
      const xmlNode *second = first != NULL ? berth_xml_next (first, NULL, single[i]) : NULL;

      if (second != NULL)
        {
          berth_xml_set_error (error, BERTH_TEMPLATE_ERROR_DOMAIN, second,
                               "a second <%s>; all of it must stand in one (to add to included "
                               "devices, include xpointer(/devices/*) inside <devices>)",
                               single[i]);
          return FALSE;
        }
    }

  return TRUE;
}

static gboolean
check_needed (const xmlNode *root, GError **error)
{
  const xmlNode *os = berth_xml_child (root, NULL, "os");

  if (os == NULL || berth_xml_child (os, NULL, "type") == NULL)
    {
      berth_xml_set_error (error, BERTH_TEMPLATE_ERROR_DOMAIN, os != NULL ? os : root,
                           "<os> with <type arch= machine=>hvm</type> must be there");
      return FALSE;
    }
  if (berth_xml_child (root, NULL, "devices") == NULL)
    {
      berth_xml_set_error (error, BERTH_TEMPLATE_ERROR_DOMAIN, root, "<devices> must be there");
      return FALSE;
    }

  return TRUE;
}

/* After berth_template_check_element(). */
gboolean
berth_template_check_domain (xmlDoc *doc, GError **error)
{
  const xmlNode *root = xmlDocGetRootElement (doc);

  return check_owned (doc, error) && check_single (root, error) && check_needed (root, error);
}
