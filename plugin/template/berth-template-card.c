/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A template's network card. No snapshot has it, for clones of that would all have one address: it
 * is taken out of the domain, and plugged into each VM when that is somebody's. */
#include <string.h>

#include "berth-template-private.h"

#define INTERFACE "/domain/devices/interface"

/* What must not be there, and why */
static const struct
{
  const char *path;
  const char *reason;
} wrong[] = {
  { INTERFACE "[position() > 1]", "a second <interface>; one is allowed" },
  { INTERFACE "[not(@type='network') or not(source/@network)]",
    "only <interface type='network'> with <source network='NAME'/> is allowed, of a network that "
    "libvirt has" },
  { INTERFACE "/mac | " INTERFACE "/target | " INTERFACE "/alias | " INTERFACE "/address",
    "<mac>, <target>, <alias> and <address> of the <interface> must be left out; each VM gets its "
    "own" },
  { INTERFACE "/model[not(@type='virtio')]",
    "the model of the <interface> must be virtio, or left out; the guest knows no other" },
};

static gboolean
check (xmlDoc *doc, GError **error)
{
  for (gsize i = 0; i < G_N_ELEMENTS (wrong); i++)
    {
      g_autoptr (xmlXPathObject) found = berth_xml_find (doc, wrong[i].path);

      if (found != NULL && found->nodesetval->nodeNr == 0)
        continue;
      berth_xml_set_error (error, BERTH_TEMPLATE_ERROR_DOMAIN,
                           found != NULL ? found->nodesetval->nodeTab[0]
                                         : xmlDocGetRootElement (doc),
                           "%s", wrong[i].reason);
      return FALSE;
    }
  return TRUE;
}

static char *
dump (xmlDoc *doc, xmlNode *node)
{
  g_autoptr (xmlBuffer) buffer = xmlBufferCreate ();

  xmlNodeDump (buffer, doc, node, 0, 0);
  return g_strdup ((const char *)xmlBufferContent (buffer));
}

gboolean
berth_template_take_card (xmlDoc *doc, char **out_card, GError **error)
{
  xmlNode *devices = berth_xml_child (xmlDocGetRootElement (doc), NULL, "devices");
  xmlNode *card = berth_xml_child (devices, NULL, "interface");

  *out_card = NULL;
  if (!check (doc, error))
    return FALSE;
  if (card == NULL)
    return TRUE;
  if (berth_xml_child (card, NULL, "model") == NULL)
    berth_xml_set (berth_xml_add (card, "model"), "type", "virtio");
  xmlUnlinkNode (card);
  *out_card = dump (doc, card);
  xmlFreeNode (card);
  return TRUE;
}

gboolean
berth_template_has_card (BerthTemplate *self)
{
  return self->card != NULL;
}

char *
berth_template_dup_card (BerthTemplate *self, const guint8 *mac)
{
  g_autoptr (xmlDoc) doc = berth_xml_parse (self->card, strlen (self->card), self->path, NULL);
  g_autofree char *text = g_strdup_printf ("%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2],
                                           mac[3], mac[4], mac[5]);
  xmlNode *card = xmlDocGetRootElement (doc);

  berth_xml_set (berth_xml_add (card, "mac"), "address", text);
  return dump (doc, card);
}
